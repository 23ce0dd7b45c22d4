"""The request to start an execution, read and checked for form (REST contract §8.2, checks 1–5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dateutil import parser

from manager_core.access.caller import Caller
from manager_core.errors import BadParameters
from manager_core.rest.listing import parse_boolean
from manager_core.states import ExecutionStatus

WAIT_AFTER_FAIL = 600
"""Seconds that parallel tasks get to end after a failure, unless the request says otherwise."""

_EXPECTED = "Expected format: YYYYMMDDHHMM+HHMM or YYYYMMDDHHMM-HHMM i.e: 201801012230-0500 (Jan-01-18 10:30pm EST)"


@dataclass(frozen=True, slots=True)
class StartRequest:
    """What `POST /executions` asks for.

    Attributes:
        scheduled_time: the user's text; a start that carries it becomes a schedule.
        force_status: store a row in this status and start nothing (restore).
        own: the manager makes this start itself; `overlap` skips the queue rules (§9.1).
        Others: as in the contract.
    """

    workflow_id: str
    deployment_id: str | None = None
    blueprint_id: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    allow_custom_parameters: bool = False
    force: bool = False
    dry_run: bool = False
    queue: bool = False
    wait_after_fail: int = WAIT_AFTER_FAIL
    scheduled_time: str | None = None
    force_status: str | None = None
    id: str | None = None
    error: str | None = None
    is_system_workflow: bool = False
    created_by: str | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    own: bool = False
    overlap: bool = False


def parse_start(caller: Caller, fields: dict[str, Any], now: datetime) -> StartRequest:
    """Read the body of a start.

    Raises:
        Forbidden: a field needs a permission that the caller lacks.
        BadParameters: with the texts of §8.2 and §8.3.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    _check_overrides(caller, given)
    force_status = given.get("force_status")
    scheduled_time = given.get("scheduled_time") or None
    if force_status and scheduled_time:
        raise BadParameters("A status cannot be forced when scheduling an execution.")
    valid = [status.value for status in ExecutionStatus]
    if force_status is not None and force_status not in valid:
        raise BadParameters(
            f'Force status was set to invalid state "{force_status}". Valid states are: {",".join(valid)}'
        )
    if scheduled_time:
        check_scheduled_time(str(scheduled_time), now)
    parameters = given.get("parameters", {})
    if not isinstance(parameters, dict) and not scheduled_time:
        raise BadParameters(
            "request body's 'parameters' field must be a dict but is of type " + type(parameters).__name__
        )
    flags = {
        name: parse_boolean(name, given.get(name, False))
        for name in ("allow_custom_parameters", "force", "dry_run", "queue", "is_system_workflow")
    }
    return StartRequest(
        workflow_id=str(given["workflow_id"]),
        deployment_id=given.get("deployment_id") or None,
        blueprint_id=given.get("blueprint_id"),
        parameters=parameters,
        wait_after_fail=_seconds(given.get("wait_after_fail", WAIT_AFTER_FAIL)),
        scheduled_time=scheduled_time,
        force_status=force_status,
        id=given.get("id"),
        error=given.get("error"),
        created_by=given.get("created_by"),
        created_at=_restored("created_at", given),
        started_at=_restored("started_at", given),
        ended_at=_restored("ended_at", given),
        **flags,
    )


def _check_overrides(caller: Caller, given: dict[str, Any]) -> None:
    flagged = given.get("is_system_workflow")
    system = flagged is not None and parse_boolean("is_system_workflow", flagged)
    if given.get("id") or given.get("error") or system or not given.get("deployment_id"):
        caller.require("set_execution_details")
    if given.get("created_by"):
        caller.require("set_owner")
    if any(given.get(name) for name in ("created_at", "started_at", "ended_at")):
        caller.require("set_timestamp")


def _seconds(value: Any) -> int:
    try:
        seconds = int(value)
    except (TypeError, ValueError):
        raise BadParameters(
            f"wait_after_fail parameter is expected to be of type int but is of type {type(value).__name__}"
        ) from None
    if not -(2**31) <= seconds < 2**31:
        raise BadParameters(f"wait_after_fail: {seconds} is out of range")
    return seconds


def _restored(name: str, given: dict[str, Any]) -> datetime | None:
    value = given.get(name)
    return None if not value else zoned_time(str(value))


def zoned_time(text: str) -> datetime:
    """Read a date and time in any usual form; it must carry a zone.

    Raises:
        BadParameters: it is no date, or names no zone.
    """
    try:
        moment = parser.parse(text)
    except (ValueError, OverflowError, TypeError):
        raise BadParameters(f"{text} is not a legal time format. \n{_EXPECTED}") from None
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise BadParameters(f"Date `{text}` missing timezone information, please provide valid date. \n{_EXPECTED}")
    return moment


def check_scheduled_time(text: str, now: datetime) -> datetime:
    """Return the instant of a one-shot start.

    Raises:
        BadParameters: no date, no zone, or in the past (§8.3).
    """
    moment = zoned_time(text)
    try:
        passed = moment <= now
    except OverflowError:
        passed = True
    if passed:
        raise BadParameters(f"Date `{text}` has already passed, please provide valid date. \n{_EXPECTED}")
    return moment
