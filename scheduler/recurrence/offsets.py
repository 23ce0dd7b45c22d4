"""Time expressions of a blueprint's default schedules (scheduling.md §4): absolute, time of day, and relative.

Absolute forms are read once, at upload; relative ones (``+1day+10min``) are checked at upload and counted from the
moment the deployment is created or updated. Now and the zone are arguments.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta

from scheduler.recurrence.errors import RecurrenceError
from scheduler.recurrence.grammar import MONTHLY, SECONDLY, UNITS, YEARLY
from scheduler.recurrence.zones import to_datetime, to_seconds, zone

_ABSOLUTE = re.compile(r"(?:(\d{4})-(\d{1,2})-(\d{1,2}) +)?(\d{1,2}):(\d{1,2})", re.ASCII)
_TERM = re.compile(
    rf"\s*\+\s?([0-9]{{1,9}}) ?({'|'.join(sorted(UNITS, key=len, reverse=True))})s?(?=\s*(?:\+|$))", re.IGNORECASE
)
_SECONDS = {"min": 60, "minute": 60, "h": 3600, "hour": 3600, "d": 86400, "day": 86400, "w": 604800, "week": 604800}

Terms = tuple[tuple[int, str], ...]


def is_relative(text: object) -> bool:
    """Tell whether a time expression is of the relative kind: it begins with a plus sign."""
    return isinstance(text, str) and text.lstrip().startswith("+")


def parse_relative(text: object, *, field: str = "since") -> Terms:
    """Return the terms of ``+1 year +3 months`` as (number, unit).

    Raises:
        RecurrenceError: anything that is not one or more ``+<int>[ ]<unit>[s]``; seconds are not allowed.
    """
    terms: list[tuple[int, str]] = []
    position = 0
    stripped = text.strip() if isinstance(text, str) else ""
    while position < len(stripped):
        match = _TERM.match(stripped, position)
        if not match or UNITS[match[2].lower()] == SECONDLY:
            terms.clear()
            break
        terms.append((int(match[1]), match[2].lower()))
        position = match.end()
    if not terms:
        raise RecurrenceError(
            field,
            f"{text} is not a legal time delta. Supported format is: "
            "+<number> minutes|hours|days|weeks|months|years, repeated",
        )
    return tuple(terms)


def relative_time(text: object, *, now: datetime, field: str = "since") -> datetime:
    """Return the instant a relative expression means, counted from `now` with its seconds dropped.

    Months and years go by the calendar (in UTC): 31 January + 1 month is the end of February. Terms apply left to
    right.

    Raises:
        RecurrenceError: not a relative expression, or beyond the calendar.
    """
    moment = now.astimezone(UTC).replace(second=0, microsecond=0)
    try:
        for number, unit in parse_relative(text, field=field):
            if UNITS[unit] in (MONTHLY, YEARLY):
                months = moment.year * 12 + moment.month - 1 + number * (12 if UNITS[unit] == YEARLY else 1)
                year, month = divmod(months, 12)
                day = min(moment.day, monthrange(year, month + 1)[1])
                moment = moment.replace(year=year, month=month + 1, day=day)
            else:
                moment += timedelta(seconds=number * _SECONDS[unit])
    except (ValueError, OverflowError) as error:
        if isinstance(error, RecurrenceError):
            raise
        raise RecurrenceError(field, f"{text} leads beyond the calendar") from error
    return moment


def absolute_time(text: object, *, now: datetime, timezone: str, field: str = "since") -> datetime:
    """Return the UTC instant of ``YYYY-MM-DD HH:MM``, or of ``HH:MM`` on the day that `now` is in the zone.

    Args:
        text: the expression.
        now: the moment of the upload, aware.
        timezone: the IANA zone the expression is read in; a wall time in a gap or fold as in scheduling.md §3.
        field: the field to blame.

    Raises:
        RecurrenceError: another form, a day that does not exist, an unknown zone.
    """
    where = zone(timezone)
    match = _ABSOLUTE.fullmatch(text.strip()) if isinstance(text, str) else None
    if match:
        today = to_datetime(where.to_wall(to_seconds(now)))
        year, month, day = (int(part) for part in match.groups()[:3]) if match[1] else (0, 0, 0)
        try:
            if not match[1]:
                year, month, day = today.year, today.month, today.day
            wall = datetime(year, month, day, int(match[4]), int(match[5]), tzinfo=UTC)
            return to_datetime(where.to_instant(to_seconds(wall)))
        except (ValueError, OverflowError):
            pass
    raise RecurrenceError(
        field,
        f"{text} is not a legal time format. Accepted formats are: YYYY-MM-DD HH:MM, HH:MM, "
        "and relative ones like +1day+10min",
    )


def resolve_time(text: object, *, now: datetime, timezone: str, field: str = "since") -> datetime:
    """Return the instant of any time expression, see `relative_time` and `absolute_time`."""
    if is_relative(text):
        return relative_time(text, now=now, field=field)
    return absolute_time(text, now=now, timezone=timezone, field=field)
