"""iCalendar files: exclusion calendars, and schedules to and from VEVENTs (scheduling.md §6).

Texts in, values out; `icalendar` reads and writes the format. An exclusion calendar removes the occurrences that fall
inside its events; an exported schedule says with RRULE what RRULE can say, and with a year of RDATEs the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from icalendar import Calendar as ICalendar
from icalendar import Event, vRecur

from scheduler.recurrence.compile import parse
from scheduler.recurrence.errors import RecurrenceError
from scheduler.recurrence.grammar import FREQUENCIES, parse_recurrence
from scheduler.recurrence.rule import Rule
from scheduler.recurrence.zones import to_seconds, zone

MAX_CALENDAR = 2_000_000
MAX_EVENTS = 20_000
_READ = ("DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID")
PRODUCT = "-//cloudify-execution-scheduler//schedules//EN"


@dataclass(frozen=True, slots=True)
class CalendarEvent:
    """One event that is not cancelled, times as written.

    Attributes:
        uid: the event's UID, empty when it has none.
        summary: its title.
        start: an aware time, a floating (naive) one, or a date.
        end: the end, exclusive, of the same kind.
        recurrence: its RRULE, RDATE and EXDATE lines, one a line; empty for a single event.
    """

    uid: str
    summary: str
    start: date
    end: date
    recurrence: str = ""


@dataclass(frozen=True, slots=True)
class Calendar:
    """An exclusion calendar."""

    name: str
    events: tuple[CalendarEvent, ...]

    def compiled(self, where: str) -> tuple[list[list[int]], list[dict[str, Any]]]:
        """Return the single events as spans of instants and the repeating ones for `Rule`; see `compile.Excluding`."""
        spans: list[list[int]] = []
        repeating: list[dict[str, Any]] = []
        for event in self.events:
            begin, end = _instant(event.start, where), _instant(event.end, where)
            if not event.recurrence:
                if end > begin:
                    spans.append([begin, end])
                continue
            whole_days = not isinstance(event.start, datetime)
            length = (event.end - event.start).days if whole_days else end - begin
            home = where if whole_days else _zone_name(event.start) or where
            try:
                starts = parse(since=_moment(begin), rrule=event.recurrence, timezone=home)
            except RecurrenceError as error:
                if error.message == "the rule produces no occurrence":
                    continue
                raise RecurrenceError("exclude_calendars", f"calendar {self.name}: {error.message}") from error
            if length > 0:
                repeating.append({"starts": starts.dump(), "length": length, "days": whole_days})
        return spans, repeating


def _moment(instant: int) -> datetime:
    return datetime.fromtimestamp(instant, UTC)


def _instant(moment: date, where: str) -> int:
    """Return the instant of a date (its local midnight), a floating or an aware time."""
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)  # noqa: DTZ001 - floating, resolved below
    if moment.tzinfo is not None:
        return to_seconds(moment)
    return zone(where).to_instant(to_seconds(moment.replace(tzinfo=UTC)))


def _zone_name(moment: date) -> str | None:
    """Return the IANA name an aware time was written in, None for floating ones and dates."""
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        return None
    name = getattr(moment.tzinfo, "key", None) or str(moment.tzinfo)
    try:
        return zone(name).name
    except RecurrenceError:
        return "UTC"


def parse_calendar(text: str | bytes, name: str = "calendar") -> Calendar:
    """Return the exclusion calendar an ICS text holds.

    Raises:
        RecurrenceError: the text is not iCalendar, is too large, or has an event that cannot be evaluated.
    """
    calendar = Calendar(name, tuple(read_events(text, name)))
    calendar.compiled("UTC")
    return calendar


def read_events(text: str | bytes, field: str) -> list[CalendarEvent]:
    """Return the events of an ICS text; a moved or cancelled instance of a repeating event is taken out of it.

    Raises:
        RecurrenceError: not iCalendar, or too large.
    """
    if len(text) > MAX_CALENDAR:
        raise RecurrenceError(field, f"{field}: a calendar has at most {MAX_CALENDAR} bytes")
    try:
        parsed = ICalendar.from_ical(text)
        components: list[Any] = list(parsed.walk("VEVENT"))
        if len(components) > MAX_EVENTS:
            raise ValueError(f"more than {MAX_EVENTS} events")
        moved: dict[str, list[str]] = {}
        for component in components:
            if "RECURRENCE-ID" in component:
                moved.setdefault(str(component.get("UID", "")), []).append(_exdate(component["RECURRENCE-ID"].dt))
        return [event for component in components if (event := _event(component, moved)) is not None]
    except RecurrenceError:
        raise
    except Exception as error:  # icalendar raises many kinds for hostile text
        raise RecurrenceError(field, f"{field}: not an iCalendar text: {error}") from error


def _exdate(moment: date) -> str:
    if not isinstance(moment, datetime):
        return f"EXDATE:{moment:%Y%m%d}"
    if moment.tzinfo is None:
        return f"EXDATE:{moment:%Y%m%dT%H%M%S}"
    return f"EXDATE:{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _event(component: Any, moved: dict[str, list[str]]) -> CalendarEvent | None:
    if str(component.get("STATUS", "")).upper() == "CANCELLED" or "DTSTART" not in component:
        return None
    broken = [f"{name}: {reason}" for name, reason in component.errors if name in _READ]
    if broken:
        raise ValueError("; ".join(broken))
    start = component["DTSTART"].dt
    if "DTEND" in component:
        end = component["DTEND"].dt
    elif "DURATION" in component:
        end = start + component["DURATION"].dt
    else:
        end = start if isinstance(start, datetime) else start + timedelta(days=1)
    if isinstance(start, datetime) != isinstance(end, datetime):
        raise ValueError("DTSTART and DTEND are of different kinds")
    uid = str(component.get("UID", ""))
    lines: list[str] = []
    if "RECURRENCE-ID" not in component:
        lines = [
            _property_line(name, value)
            for name in ("RRULE", "RDATE", "EXDATE")
            for value in _several(component.get(name))
        ]
        if any(not line.startswith("EXDATE") for line in lines):
            # the set of dateutil and of this library does not count the start by itself; RFC 5545 does
            lines += [_exdate(start).replace("EXDATE", "RDATE"), *moved.get(uid, [])]
        else:
            lines = []
    return CalendarEvent(uid, str(component.get("SUMMARY", "")), start, end, "\n".join(lines))


def _several(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _property_line(name: str, value: Any) -> str:
    text = value.to_ical().decode()
    params = getattr(value, "params", {})
    tzid = params.get("TZID") if name != "RRULE" else None
    kind = ";VALUE=DATE" if name == "EXDATE" and params.get("VALUE") == "DATE" else ""
    return f"{name};TZID={tzid}{kind}:{text}" if tzid and not text.endswith("Z") else f"{name}{kind}:{text}"


# -- export ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ExportedSchedule:
    """What a feed shows of a schedule.

    Attributes:
        uid: stable over edits of the schedule.
        summary: the title.
        rule: the schedule's rule.
        description: free text.
        changed_at: when the schedule last changed, aware.
    """

    uid: str
    summary: str
    rule: Rule
    description: str = ""
    changed_at: datetime | None = None


def export_calendar(schedules: Iterable[ExportedSchedule], *, now: datetime) -> str:
    """Return the feed: a VEVENT a schedule, with RRULE where it can say the rule, else RDATEs from `now` for a year.

    Every zone that an event names comes along as a VTIMEZONE (RFC 5545 §3.6.5), its changes listed for ten years on.
    """
    calendar = ICalendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    for schedule in schedules:
        event = _exported(schedule, now)
        if event is not None:
            calendar.add_component(event)
    starts = [event.decoded("dtstart").date() for event in calendar.events]
    if starts:
        calendar.add_missing_timezones(first_date=min(starts), last_date=now.date() + timedelta(days=3653))
    text: str = calendar.to_ical().decode()
    return text


def _exported(schedule: ExportedSchedule, now: datetime) -> Event | None:
    rule = schedule.rule
    first = rule.after(rule.since - timedelta(seconds=1))
    text = as_rrule(rule)
    dates: list[datetime] = []
    if text is None:
        dates = [m for m in rule.next(now, 1000) if m <= now + timedelta(days=365)]
        first = dates[0] if dates else None
    if first is None:
        return None
    event = Event()
    event.add("uid", schedule.uid)
    event.add("summary", schedule.summary)
    event.add("dtstamp", schedule.changed_at or now)
    where = zone(rule.timezone)
    event.add("dtstart", where.localize(to_seconds(first)) if rule.timezone != "UTC" else first)
    event.add("duration", timedelta(minutes=1))
    if schedule.description:
        event.add("description", schedule.description)
    if text:
        event.add("rrule", vRecur.from_ical(text))
    for moment in dates[1:]:
        event.add("rdate", moment)
    return event


def as_rrule(rule: Rule) -> str | None:
    """Return the one RRULE value that says the rule, from its first occurrence on; "" for a single run; None if none
    can.

    A union of prefixed weekdays, a set with several rules or extra dates, exclusions, and a COUNT over a union are
    beyond one RRULE. The end is written as UNTIL.
    """
    if rule.excluding:
        return None
    shown = rule.rule
    until = ""
    last = rule.end
    if last is not None:
        until = f";UNTIL={last:%Y%m%dT%H%M%SZ}"
    if shown.get("rrule"):
        return _single_rrule(shown["rrule"], rule, until)
    if not shown.get("recurrence"):
        return ""
    freq, interval, _ = parse_recurrence(shown["recurrence"])
    weekdays: Sequence[str] = shown.get("weekdays") or ()
    if any(len(day) > 2 for day in weekdays) and len(weekdays) > 1:
        return None
    text = f"FREQ={FREQUENCIES[freq]}"
    if interval > 1:
        text += f";INTERVAL={interval}"
    if weekdays:
        text += f";WKST=MO;BYDAY={','.join(day.replace('L-', '-1') for day in weekdays)}"
    return text + until


def _single_rrule(text: str, rule: Rule, until: str) -> str | None:
    lines = [line.strip() for line in text.strip().upper().splitlines() if line.strip()]
    values = [line.removeprefix("RRULE:") for line in lines if not line.startswith("DTSTART")]
    if len(values) != 1 or values[0].startswith(("RDATE", "EXDATE", "EXRULE")):
        return None
    parts = [part for part in values[0].rstrip(";").split(";") if not part.startswith(("COUNT=", "UNTIL="))]
    if not until and len(parts) != len(values[0].rstrip(";").split(";")):
        last = rule.last
        until = f";UNTIL={last:%Y%m%dT%H%M%SZ}" if last else ""
    return ";".join(parts) + until


# -- import ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ImportedSchedule:
    """A VEVENT read as a schedule: the fields of scheduling.md §1 to create it with, or why it was refused."""

    uid: str
    summary: str
    fields: dict[str, Any]
    refused: str | None = None


def import_calendar(text: str | bytes, *, timezone: str = "UTC") -> list[ImportedSchedule]:
    """Return every event of an ICS text as a schedule.

    Args:
        text: the calendar.
        timezone: the zone of floating times and dates.

    Raises:
        RecurrenceError: the text as a whole is not iCalendar.
    """
    found = []
    for event in read_events(text, "calendar"):
        home = _zone_name(event.start) or timezone
        fields: dict[str, Any] = {
            "since": _moment(_instant(event.start, timezone)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "timezone": home,
        }
        lines = event.recurrence.splitlines()
        own = _exdate(event.start).replace("EXDATE", "RDATE")
        rest = [line for line in lines if line != own]
        if not lines:
            fields["count"] = 1
        elif len(rest) == 1 and rest[0].startswith("RRULE:"):
            fields["rrule"] = rest[0].removeprefix("RRULE:")
        else:
            fields["rrule"] = "\n".join(lines)
        refused = None
        try:
            parse(
                since=fields["since"],
                rrule=fields.get("rrule"),
                count=fields.get("count"),
                timezone=home,
            )
        except RecurrenceError as error:
            refused = error.message
        found.append(ImportedSchedule(event.uid, event.summary, fields, refused))
    return found
