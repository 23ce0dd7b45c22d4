"""The human-readable rule and the time formats (scheduling.md §1, §2.1): text in, numbers out, one error.

Called when a schedule is made or edited; afterwards nobody looks at the text again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from scheduler.recurrence.errors import RecurrenceError

FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY")
YEARLY, MONTHLY, WEEKLY, DAILY, HOURLY, MINUTELY, SECONDLY = range(7)
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")

UNITS = {
    **dict.fromkeys(("sec", "second"), SECONDLY),
    **dict.fromkeys(("min", "minute"), MINUTELY),
    **dict.fromkeys(("h", "hour"), HOURLY),
    **dict.fromkeys(("d", "day"), DAILY),
    **dict.fromkeys(("w", "week"), WEEKLY),
    **dict.fromkeys(("mo", "month"), MONTHLY),
    **dict.fromkeys(("y", "year"), YEARLY),
}

_RECURRENCE = re.compile(rf"([0-9]{{1,18}}) ?({'|'.join(sorted(UNITS, key=len, reverse=True))})s?", re.IGNORECASE)
_WEEKDAY = re.compile(r"([1-4]|L-)?(MO|TU|WE|TH|FR|SA|SU)")
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[ T](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?)?"
    r"(?: ?(Z|z|[+-]\d\d(?::?\d\d)?))?",
    re.ASCII,
)


def parse_recurrence(text: Any, *, seconds: bool = True, field: str = "recurrence") -> tuple[int, int, str]:
    """Return (frequency, interval, unit as written without its plural) of ``2 weeks``.

    Args:
        text: ``<positive integer>[ ]<unit>[s]``, any letter case.
        seconds: whether seconds are allowed; in a blueprint they are not.
        field: the field to blame.

    Raises:
        RecurrenceError: anything else.
    """
    match = _RECURRENCE.fullmatch(text) if isinstance(text, str) else None
    if match:
        interval, unit = int(match[1]), match[2].lower()
        if interval > 0 and (seconds or UNITS[unit] != SECONDLY):
            return UNITS[unit], interval, unit
    units = "seconds|minutes" if seconds else "minutes"
    raise RecurrenceError(
        field,
        f"`{text}` is not a legal recurrence expression. "
        f"Supported format is: <number> {units}|hours|days|weeks|months|years",
    )


def parse_weekdays(
    weekdays: Any, *, unit: str | None, field: str = "weekdays"
) -> tuple[tuple[str, ...], tuple[tuple[int, int], ...]]:
    """Return (the texts in upper case, the pairs of weekday 0-6 from Monday and position: 0, 1-4 or -1).

    Args:
        weekdays: the list as given; empty and None mean none.
        unit: the recurrence's unit, None without a recurrence.
        field: the field to blame.

    Raises:
        RecurrenceError: not a list, an unknown weekday, or a prefixed one with a recurrence other than months or years.
    """
    if weekdays is None:
        return (), ()
    if not isinstance(weekdays, Sequence) or isinstance(weekdays, str | bytes):
        raise RecurrenceError(field, f"{field}: expected a list, but got: {weekdays!s}")
    texts, days = [], []
    for given in weekdays:
        text = given.upper() if isinstance(given, str) else str(given)
        match = _WEEKDAY.fullmatch(text)
        if not match:
            raise RecurrenceError(
                field,
                f"weekdays list contains an invalid weekday `{text}`. Valid weekdays are: MO|TU|WE|TH|FR|SA|SU "
                "or their lowercase values, optionally prefixed by 1-4 or l-/L-.",
            )
        if match[1] and (unit is None or UNITS[unit] > MONTHLY):
            raise RecurrenceError(
                field,
                f"complex weekday expression {text} can only be used with a months|years recurrence, but got {unit}.",
            )
        texts.append(text)
        position = 0 if not match[1] else -1 if match[1] == "L-" else int(match[1])
        days.append((WEEKDAYS.index(match[2]), position))
    return tuple(texts), tuple(days)


def parse_count(count: Any, *, field: str = "count") -> int | None:
    """Return the positive number of occurrences, None when there is no limit.

    Raises:
        RecurrenceError: not an integer or its decimal text, or not positive.
    """
    if count is None:
        return None
    if isinstance(count, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", count):
        count = int(count)
    if isinstance(count, bool) or not isinstance(count, int):
        raise RecurrenceError(field, f"invalid parameter, should be int, got: {count}")
    if count < 1:
        raise RecurrenceError(field, f"`{field}` must be a positive integer, got: {count}")
    return count


def parse_time(text: Any, *, field: str = "since") -> datetime:
    """Return the aware UTC instant of a time text (scheduling.md §1); without an offset the text is UTC.

    A datetime is accepted when it is aware.

    Raises:
        RecurrenceError: any other form, or a day or time that does not exist.
    """
    if isinstance(text, datetime):
        if text.tzinfo is None:
            raise RecurrenceError(field, f"{text.isoformat()} has no time zone")
        return text.astimezone(UTC)
    match = _TIME.fullmatch(text) if isinstance(text, str) else None
    if match:
        year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
        micro = int((match[7] or "0").ljust(6, "0"))
        try:
            moment = datetime(year, month, day, hour, minute, second, micro, tzinfo=_offset(match[8]))
            return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise RecurrenceError(
        field,
        f"{text} is not a legal time format. "
        "Accepted formats are YYYY-MM-DD and YYYY-MM-DD HH:MM[:SS[.ffffff]], with an optional Z or UTC offset",
    )


def _offset(text: str | None) -> timezone:
    if text is None or text in "Zz":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    if int(digits[2:]) > 59:
        raise ValueError("minutes of an offset end at 59")
    span = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-span if text[0] == "-" else span)
