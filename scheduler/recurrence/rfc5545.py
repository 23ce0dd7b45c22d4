"""iCalendar rules (scheduling.md §2.2): an RRULE, or a whole set of RRULE, RDATE, EXDATE, EXRULE and DTSTART lines.

The text is split and range-checked here and every rule is shown to python-dateutil as well, whose refusals become ours.
What comes out still holds times as written; `compile` gives them their zone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from dateutil.parser import isoparse
from dateutil.rrule import rrulestr

from scheduler.recurrence.errors import RecurrenceError
from scheduler.recurrence.expand import Parts
from scheduler.recurrence.grammar import FREQUENCIES, WEEKDAYS
from scheduler.recurrence.zones import Zone, to_seconds, zone

MAX_TEXT = 100_000
MAX_RULES = 64

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_BYDAY = re.compile(r"([+-]?[0-9]{1,2})?(MO|TU|WE|TH|FR|SA|SU)(?:\(([+-]?[0-9]{1,2})\))?")
_RANGES = {
    "BYMONTH": (1, 12, False),
    "BYMONTHDAY": (1, 31, True),
    "BYYEARDAY": (1, 366, True),
    "BYWEEKNO": (1, 53, True),
    "BYSETPOS": (1, 366, True),
    "BYHOUR": (0, 23, False),
    "BYMINUTE": (0, 59, False),
    "BYSECOND": (0, 59, False),
    "BYEASTER": (0, 366, True),
}
_ANCHOR = datetime(2000, 1, 1)  # noqa: DTZ001 - dateutil is only asked whether it can read the rule


@dataclass(frozen=True, slots=True)
class Moment:
    """A date or time as an iCalendar property wrote it."""

    wall: int  # seconds since the epoch on the clock it was written by
    utc: bool = False
    tzid: str | None = None
    date: bool = False  # VALUE=DATE: the whole day is meant

    def resolve(self, schedule_zone: Zone) -> int:
        """Return the instant; a floating time is the schedule's local time."""
        if self.utc:
            return self.wall
        return (zone(self.tzid, "rrule") if self.tzid else schedule_zone).to_instant(self.wall)


@dataclass(frozen=True, slots=True)
class RRule:
    """One RRULE or EXRULE with its bounds as written."""

    parts: Parts
    count: int | None = None
    until: Moment | None = None


@dataclass(slots=True)
class RecurrenceSet:
    """All properties of a recurrence set."""

    rules: list[RRule] = field(default_factory=list)
    exrules: list[RRule] = field(default_factory=list)
    rdates: list[Moment] = field(default_factory=list)
    exdates: list[Moment] = field(default_factory=list)
    dtstart: Moment | None = None


class _Refused(ValueError):
    pass


def parse_set(text: object, name: str = "rrule") -> RecurrenceSet:
    """Return the recurrence set that `text` writes.

    Args:
        text: one RRULE value with or without ``RRULE:``, or one property a line (folded lines allowed).
        name: the field to blame.

    Raises:
        RecurrenceError: ``invalid RRULE string provided: …`` and why.
    """
    try:
        if not isinstance(text, str):
            raise _Refused(f"a text was expected, got {type(text).__name__}")
        if len(text) > MAX_TEXT:
            raise _Refused(f"longer than {MAX_TEXT} characters")
        return _parse_lines(text)
    except (ValueError, OverflowError, TypeError, IndexError) as error:
        raise RecurrenceError(name, f"invalid RRULE string provided: {error}") from error


def _parse_lines(text: str) -> RecurrenceSet:
    unfolded = re.sub(r"\r?\n[ \t]", "", text.strip())
    lines = [line.strip() for line in unfolded.splitlines() if line.strip()]
    if not lines:
        raise _Refused("empty string")
    found = RecurrenceSet()
    for line in lines:
        head, colon, value = line.partition(":")
        if not colon or "=" in head.split(";")[0]:
            head, value = "RRULE", line
        prop, *params = head.split(";")
        _add(found, prop.strip().upper(), params, value.strip())
    if not (found.rules or found.rdates):
        raise _Refused("no RRULE and no RDATE in it")
    if len(found.rules) + len(found.exrules) > MAX_RULES:
        raise _Refused(f"more than {MAX_RULES} rules")
    return found


def _add(found: RecurrenceSet, prop: str, params: list[str], value: str) -> None:
    if prop in ("RRULE", "EXRULE"):
        for param in params:
            if not param.upper().startswith("X-"):
                raise _Refused(f"unsupported {prop} parameter: {param}")
        (found.rules if prop == "RRULE" else found.exrules).append(_parse_rule(value))
    elif prop in ("RDATE", "EXDATE"):
        (found.rdates if prop == "RDATE" else found.exdates).extend(_parse_moments(prop, params, value))
    elif prop == "DTSTART":
        moments = _parse_moments(prop, params, value)
        if found.dtstart is not None or len(moments) != 1:
            raise _Refused("more than one DTSTART")
        found.dtstart = moments[0]
    else:
        raise _Refused(f"unsupported property: {prop}")


def _parse_moments(prop: str, params: list[str], value: str) -> list[Moment]:
    tzid, date = None, False
    for param in params:
        key, _, content = param.partition("=")
        if key.upper() == "TZID":
            tzid = zone(content.strip('"').lstrip("/"), "rrule").name
        elif key.upper() == "VALUE" and content.upper() in ("DATE", "DATE-TIME"):
            date = content.upper() == "DATE"
        else:
            raise _Refused(f"unsupported {prop} parameter: {param}")
    return [parse_moment(part.strip(), tzid=tzid, date=date) for part in value.split(",")]


def parse_moment(text: str, *, tzid: str | None = None, date: bool = False) -> Moment:
    """Return a basic or extended ISO 8601 date or time.

    Raises:
        ValueError: not one.
    """
    try:
        moment = isoparse(text.upper())
    except ValueError:
        raise _Refused(f"invalid date or time: {text}") from None
    if moment.tzinfo is None:
        return Moment(to_seconds(moment.replace(tzinfo=UTC)), tzid=tzid, date=date)
    if tzid is not None:
        raise _Refused(f"both a TZID and an offset: {text}")
    return Moment(to_seconds(moment.astimezone(UTC)), utc=True, date=date)


def _parse_rule(value: str) -> RRule:
    texts: dict[str, str] = {}
    for pair in value.upper().rstrip(";").split(";"):
        key, equals, content = pair.partition("=")
        key = key.strip()
        if not equals:
            raise _Refused(f"`{pair}` is not NAME=VALUE")
        if key in ("RSCALE", "SKIP"):
            raise _Refused(f"{key} is not supported")
        key = "BYDAY" if key == "BYWEEKDAY" else key
        if key in texts:
            raise _Refused(f"{key} is given twice")
        texts[key] = content.strip()
    until = parse_moment(texts.pop("UNTIL")) if "UNTIL" in texts else None
    count = _positive("COUNT", texts.pop("COUNT")) if "COUNT" in texts else None
    parts = _parts(texts)
    # dateutil knows the grammar too; what depends on the anchor is left out, since this one is not the schedule's
    texts.pop("INTERVAL", None)
    rrulestr(";".join(f"{key}={content}" for key, content in texts.items()), dtstart=_ANCHOR)
    return RRule(parts, count, until)


def _positive(key: str, text: str) -> int:
    if not _INTEGER.fullmatch(text) or int(text) < 1:
        raise _Refused(f"{key} must be a positive integer, got {text}")
    return int(text)


def _parts(texts: dict[str, str]) -> Parts:
    readers: dict[str, Callable[[str], object]] = {
        "FREQ": _frequency,
        "INTERVAL": lambda text: _positive("INTERVAL", text),
        "WKST": _weekday,
        "BYDAY": _days,
        **{key: _numbers(key) for key in _RANGES},
    }
    values: dict[str, object] = {}
    for key, text in texts.items():
        if key not in readers:
            raise _Refused(f"unknown parameter '{key}'")
        values[key.lower()] = readers[key](text)
    if "freq" not in values:
        raise _Refused("FREQ is missing")
    return Parts(**values)  # type: ignore[arg-type]  # each reader gives its part's type


def _frequency(text: str) -> int:
    if text not in FREQUENCIES:
        raise _Refused(f"invalid 'FREQ': {text}")
    return FREQUENCIES.index(text)


def _weekday(text: str) -> int:
    if text not in WEEKDAYS:
        raise _Refused(f"invalid 'WKST': {text}")
    return WEEKDAYS.index(text)


def _days(text: str) -> tuple[tuple[int, int], ...]:
    found = set()
    for item in text.split(","):
        match = _BYDAY.fullmatch(item.strip())
        if not match or (match[1] and match[3]):
            raise _Refused(f"invalid 'BYDAY': {item}")
        number = match[1] or match[3]
        position = int(number) if number else 0
        if number and not 1 <= abs(position) <= 53:
            raise _Refused(f"invalid 'BYDAY': {item}")
        found.add((WEEKDAYS.index(match[2]), position))
    return tuple(sorted(found))


def _numbers(key: str) -> Callable[[str], tuple[int, ...]]:
    low, high, signed = _RANGES[key]

    def read(text: str) -> tuple[int, ...]:
        found = set()
        for item in text.split(","):
            item = item.strip()
            number = int(item) if _INTEGER.fullmatch(item) else None
            if number is None or not low <= (abs(number) if signed else number) <= high:
                span = f"{low} to {high}" + (f" or -{high} to -{low}" if signed else "")
                raise _Refused(f"invalid '{key}': {item} is not in {span}")
            found.add(number)
        return tuple(sorted(found))

    return read
