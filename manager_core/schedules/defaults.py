"""A blueprint's `default_schedules` become a deployment's schedules (scheduling contract §4).

At creation all are made; at an update those in both plans change in place and keep their history, those only in the old
plan go, those only in the new one come, and the user's own are never touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from manager_core.errors import BadParameters, ManagerError
from manager_core.rest.responses import timestamp
from manager_core.schedules.rules import RuleParts, has_own_zone
from scheduler.recurrence import RecurrenceError
from scheduler.recurrence.offsets import is_relative, relative_time

_STORED_TIME = "%Y-%m-%d %H:%M:%S"
"""How a plan keeps an absolute time: UTC text, worked out at the upload."""


def default_fields(name: str, entry: Mapping[str, Any], now: datetime, default_zone: str) -> dict[str, Any]:
    """Return the fields of a schedule (scheduling contract §1) that a default schedule of a plan describes.

    Args:
        name: the schedule's name, for messages.
        entry: its entry in the plan.
        now: the moment of the creation, or the update, of the deployment: relative times count from it.
        default_zone: the zone of absolute times that name none.

    Raises:
        BadParameters: naming the schedule.
    """
    since, until = entry.get("since"), entry.get("until") or None
    absolute = any(time is not None and not is_relative(time) for time in (since, until))
    arguments = dict(entry.get("execution_arguments") or {})
    enabled = entry.get("default_enabled")
    stop = entry.get("stop_on_fail")
    return {
        "workflow_id": entry.get("workflow"),
        "parameters": entry.get("workflow_parameters") or None,
        "execution_arguments": arguments,
        "since": _instant(name, "since", since, now),
        "until": None if until is None else _instant(name, "until", until, now),
        "recurrence": entry.get("recurrence") or None,
        "weekdays": entry.get("weekdays") or None,
        "count": entry.get("count"),
        "rrule": entry.get("rrule") or None,
        "timezone": entry.get("timezone") or (default_zone if absolute else None),
        "slip": entry.get("slip") or 0,
        "stop_on_fail": bool(entry.get("stop_after_fail") if stop is None else stop),
        "enabled": True if enabled is None else bool(enabled),
        "overlap": entry.get("overlap") or "skip",
    }


def _instant(name: str, field: str, text: Any, now: datetime) -> datetime:
    try:
        if is_relative(text):
            return relative_time(text, now=now, field=field)
        return datetime.strptime(str(text), _STORED_TIME).replace(tzinfo=UTC)
    except (RecurrenceError, ValueError) as error:
        raise BadParameters(f"Default schedule `{name}`: {field}: {error}") from None


def parts_of(fields: Mapping[str, Any]) -> RuleParts:
    """Return what the rule of such fields is made of."""
    return RuleParts(
        since=fields["since"],
        until=fields["until"],
        recurrence=fields["recurrence"],
        weekdays=fields["weekdays"],
        count=fields["count"],
        rrule=fields["rrule"],
        timezone=None if has_own_zone(fields["rrule"]) else fields["timezone"],
    )


def naming(name: str, error: ManagerError) -> BadParameters:
    """Return the same refusal with the schedule's name in front."""
    return BadParameters(f"Default schedule `{name}`: {error.message}", code=error.code, extra=error.extra)


def described(name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a deployment update shows a schedule that it will create."""
    return {"id": name, **{key: _shown(value) for key, value in fields.items()}}


def _shown(value: Any) -> Any:
    return timestamp(value) if isinstance(value, datetime) else value
