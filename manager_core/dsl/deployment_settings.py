"""The section `deployment_settings` and its default schedules (contract §14, scheduling.md §4)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from manager_core.dsl.context import Context, plain
from manager_core.dsl.errors import Fault, Path
from manager_core.dsl.functions.catalogue import function_name
from manager_core.dsl.merge import type_name
from scheduler.recurrence.errors import RecurrenceError
from scheduler.recurrence.grammar import parse_recurrence, parse_weekdays
from scheduler.recurrence.rfc5545 import parse_set
from scheduler.recurrence.zones import zone

OVERLAPS = ("skip", "queue", "parallel")

_SETTINGS: dict[str, str | None] = {
    "default_schedules": "dict",
    "default_groups": "list",
    "id_template": "string",
    "display_name": None,
}
_SCHEDULE: dict[str, str | None] = {
    "workflow": "string",
    "since": "string",
    "until": "string",
    "timezone": "string",
    "recurrence": "string",
    "rrule": "string",
    "weekdays": "list",
    "count": "integer",
    "slip": "integer",
    "overlap": "string",
    "default_enabled": "boolean",
    "stop_after_fail": "boolean",
    "stop_on_fail": "boolean",
    "workflow_parameters": "dict",
    "execution_arguments": "dict",
}
_ARGUMENTS: dict[str, str | None] = {
    "force": "boolean",
    "is_dry_run": "boolean",
    "dry_run": "boolean",
    "wait_after_fail": "integer",
    "allow_custom_parameters": "boolean",
}
_DAYS = ["su", "mo", "tu", "we", "th", "fr", "sa"]
_ABSOLUTE = re.compile(r"(?:(\d{4})-(\d{1,2})-(\d{1,2}) +)?(\d{1,2}):(\d{1,2})", re.ASCII)


def parse(context: Context) -> dict[str, Any]:
    """Check the section and return the plan form; absolute schedule times become UTC text."""
    body = context.merged.sections.get("deployment_settings")
    if body is None:
        return {}
    path: Path = ("deployment_settings",)
    checked = context.record(body, _SETTINGS, path)
    if checked is None:
        return {}
    name = checked.get("display_name")
    if name is not None and not isinstance(name, str | dict):
        text = f"Expected '['dict', 'string']' type but found '{type_name(name)}' type"
        context.findings.fmt(text, (*path, "display_name"), name)
    result: dict[str, Any] = plain(checked)
    schedules: dict[str, Any] = {}
    here = (*path, "default_schedules")
    for schedule, entry in (context.mapping(checked.get("default_schedules"), here) or {}).items():
        parsed = _parse_schedule(context, schedule, entry, (*here, schedule))
        if parsed is not None:
            schedules[schedule] = parsed
    result["default_schedules"] = schedules
    return result


def _parse_schedule(context: Context, name: str, body: Any, path: Path) -> dict[str, Any] | None:
    checked = context.record(body, _SCHEDULE, path, required=("workflow", "since"))
    if checked is None or body is None:
        return None
    result: dict[str, Any] = plain(checked)
    for key in ("until", "recurrence"):
        if isinstance(body, dict) and key in body and body[key] is None:
            result[key] = None
    zone_name = _check_zone(context, checked, path)
    for key in ("since", "until"):
        if checked.get(key):
            result[key] = _time(context, checked[key], zone_name, (*path, key))
    result["timezone"] = zone_name
    _check_recurrence(context, name, checked, path)
    _check_weekdays(context, checked.get("weekdays", []), (*path, "weekdays"))
    _check_parameters(context, checked.get("workflow_parameters", {}), (*path, "workflow_parameters"))
    arguments = context.record(checked.get("execution_arguments"), _ARGUMENTS, (*path, "execution_arguments"))
    _check_twins(context, name, arguments or {}, ("dry_run", "is_dry_run"), (*path, "execution_arguments"))
    _check_twins(context, name, checked, ("stop_on_fail", "stop_after_fail"), path)
    overlap = checked.get("overlap")
    if overlap is not None and overlap not in OVERLAPS:
        text = f"Schedule '{name}': {overlap} is not a valid overlap value. Accepted values: {list(OVERLAPS)}"
        context.findings.add(
            Fault.DSL,
            1,
            text,
            (*path, "overlap"),
            value=overlap,
            suggestion=context.findings.nearest(overlap, OVERLAPS),
        )
    return result


def _check_zone(context: Context, schedule: dict[str, Any], path: Path) -> str:
    """Return the zone's name: the schedule's own, else the default one, else UTC when all times are relative."""
    name = schedule.get("timezone")
    if name is None:
        times = [schedule.get(key) or "+" for key in ("since", "until")]
        return "UTC" if all(text.startswith("+") for text in times) else context.timezone
    try:
        zone(name)
    except RecurrenceError:
        text = f"{name} is not a recognized timezone"
        context.findings.add(Fault.NRE, None, text, (*path, "timezone"), value=name)
        return "UTC"
    return str(name)


def _time(context: Context, text: str, zone_name: str, path: Path) -> str:
    """Check a time expression (contract §14.2); absolute ones become UTC text, relative ones stay."""
    if text.startswith("+"):
        for piece in text[1:].split("+"):
            try:
                parse_recurrence(piece.strip(), seconds=False)
            except RecurrenceError:
                complaint = f"{piece.strip() or text} is not a legal time delta"
                context.findings.add(Fault.NRE, None, complaint, path, value=text)
                break
        return text
    found = _ABSOLUTE.fullmatch(text)
    if found is not None:
        try:
            return _to_utc(context, found, zone_name).strftime("%Y-%m-%d %H:%M:%S")
        except (ValueError, OverflowError):
            pass
    complaint = f"{text} is not a legal time format. accepted formats are YYYY-MM-DD HH:MM | HH:MM"
    context.findings.add(Fault.NRE, None, complaint, path, value=text)
    return text


def _to_utc(context: Context, found: re.Match[str], zone_name: str) -> datetime:
    info = ZoneInfo(zone_name)
    hour, minute = int(found[4]), int(found[5])
    if found[1] is None:
        today = context.now.astimezone(info)
        wall = datetime(today.year, today.month, today.day, hour, minute, tzinfo=info)
    else:
        wall = datetime(int(found[1]), int(found[2]), int(found[3]), hour, minute, tzinfo=info)
    # A local time that exists twice, or not at all, is read as standard time (contract §14.2).
    for fold in (0, 1):
        candidate = wall.replace(fold=fold)
        if not candidate.dst():
            return candidate.astimezone(UTC)
    return wall.astimezone(UTC)


def _check_recurrence(context: Context, name: str, schedule: dict[str, Any], path: Path) -> None:
    findings = context.findings
    recurrence = schedule.get("recurrence")
    if recurrence:
        try:
            parse_recurrence(recurrence, seconds=False)
        except RecurrenceError:
            text = f"{recurrence} is not a legal time delta"
            findings.add(Fault.NRE, None, text, (*path, "recurrence"), value=recurrence)
    rule = schedule.get("rrule")
    if not rule:
        return
    try:
        parse_set(rule)
    except RecurrenceError as error:
        findings.add(Fault.DSL, 1, f"Schedule '{name}': {error.message}", (*path, "rrule"), value=rule)
    others = [key for key in ("recurrence", "weekdays", "count") if schedule.get(key)]
    if others:
        text = f"Schedule '{name}': `rrule` cannot be given together with {', '.join(f'`{key}`' for key in others)}"
        findings.add(Fault.DSL, 1, text, (*path, "rrule"), value=rule)


def _check_weekdays(context: Context, weekdays: list[Any], path: Path) -> None:
    for index, day in enumerate(weekdays):
        here = (*path, index)
        if not isinstance(day, str):
            context.findings.fmt(f"Expected 'string' type but found '{type_name(day)}' type", here, day)
            continue
        try:
            # Which recurrences a prefixed weekday may go with is checked when the schedule is made.
            parse_weekdays([day], unit="month")
        except RecurrenceError:
            text = f"{day} is not a valid weekday value. Accepted values: {_DAYS}"
            context.findings.add(
                Fault.DSL, 1, text, here, value=day, suggestion=context.findings.nearest(day.lower(), _DAYS)
            )


def _check_parameters(context: Context, parameters: dict[Any, Any], path: Path) -> None:
    if function_name(parameters) == "get_attribute":
        text = "`workflow_parameters` cannot be a runtime property. Please remove the `get_attribute` function"
        context.findings.add(Fault.DSL, 1, text, path, value=parameters)
        return
    for key, value in parameters.items():
        if function_name(value) == "get_attribute":
            text = (
                "`workflow_parameters` cannot contain a runtime property. Please remove the `get_attribute` function "
                f"from the value of {key}"
            )
            context.findings.add(Fault.DSL, 1, text, (*path, key), value=value)


def _check_twins(context: Context, name: str, values: dict[str, Any], keys: tuple[str, str], path: Path) -> None:
    first, second = (values.get(key) for key in keys)
    if first is not None and second is not None and first != second:
        text = f"Schedule '{name}': `{keys[0]}` and `{keys[1]}` mean the same and differ"
        context.findings.add(Fault.DSL, 1, text, (*path, keys[1]), value=second)
