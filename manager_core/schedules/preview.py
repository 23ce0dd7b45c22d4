"""What a rule would produce, and what its author should know before saving it (scheduling contract §6). Pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from manager_core.errors import BadParameters
from manager_core.rest.responses import timestamp
from scheduler.recurrence import Rule
from scheduler.recurrence.zones import to_datetime, to_seconds, zone

DEFAULT_SHOWN = 10
MAX_SHOWN = 1000
_LOOK_AHEAD = timedelta(days=400)
"""How far warnings about clock changes look: every change of a year, and the next one after it."""

_ELAPSED = re.compile(r"\b(h|hours?|min|minutes?|sec|seconds?)\b|FREQ=(HOURLY|MINUTELY|SECONDLY)", re.IGNORECASE)


def checked_shown(value: Any) -> int:
    """Return how many instants to show.

    Raises:
        BadParameters: not an integer from 1 to 1000.
    """
    if value is None:
        return DEFAULT_SHOWN
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_SHOWN:
        raise BadParameters(f"count_shown must be an integer from 1 to {MAX_SHOWN}, got {value}")
    return value


def preview(rule: Rule, now: datetime, shown: int, interval: float) -> dict[str, Any]:
    """Return `{"rule", "timezone", "next": [{"utc", "local"}], "last", "warnings"}`.

    Args:
        interval: seconds between two polls of the scheduler.
    """
    where = zone(rule.timezone)
    moments = rule.next(now, shown)
    return {
        "rule": rule.rule,
        "timezone": rule.timezone,
        "next": [
            {"utc": timestamp(moment), "local": where.localize(to_seconds(moment)).isoformat()} for moment in moments
        ],
        "last": timestamp(rule.last),
        "warnings": [*_clock_warnings(rule, now), *_other_warnings(rule, now, interval)],
    }


def _clock_warnings(rule: Rule, now: datetime) -> list[str]:
    """Name the next gap and the next fold that an occurrence of a wall-clock rule meets."""
    if _ELAPSED.search(str(rule.rule.get("recurrence") or rule.rule.get("rrule") or "")):
        return []
    where = zone(rule.timezone)
    found: dict[str, str] = {}
    for instant, before, after in where.changes(to_seconds(now), to_seconds(now + _LOOK_AHEAD)):
        jump = after - before
        kind = "gap" if jump > 0 else "fold"
        if kind in found:
            continue
        start = instant if jump > 0 else instant + jump
        met = rule.next(to_datetime(start - 1), 1)
        if not met or to_seconds(met[0]) >= start + abs(jump):
            continue
        local = where.localize(to_seconds(met[0])).isoformat()
        if kind == "gap":
            found[kind] = (
                f"The clocks go forward at {timestamp(to_datetime(instant))}: the local time of an occurrence may not "
                f"exist that day; it runs at {local}."
            )
        else:
            found[kind] = (
                f"The clocks go back at {timestamp(to_datetime(instant))}: the local time of an occurrence comes twice "
                f"that day; it runs once, at the first, {local}."
            )
    return list(found.values())


def _other_warnings(rule: Rule, now: datetime, interval: float) -> list[str]:
    warnings = []
    coming = rule.next(now, 2)
    if not coming:
        warnings.append("No occurrence is left: all of them lie in the past.")
    if len(coming) == 2 and (coming[1] - coming[0]).total_seconds() < interval:
        warnings.append(
            f"Occurrences less than {interval:g} s apart collapse into one run a poll: schedules are looked at every "
            f"{interval:g} s."
        )
    return warnings
