"""What the stored schedules would do over a coming span: the database's side of `scheduler.simulate`."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, select
from sqlmodel import Session

from manager_core.access.caller import Caller
from manager_core.errors import BadParameters
from manager_core.executions.tables import Execution
from manager_core.rest.listing import visible
from manager_core.schedules.listing import schedule_listing
from manager_core.schedules.rules import instant
from manager_core.schedules.tables import ExecutionSchedule
from manager_core.states import ExecutionStatus
from scheduler.simulate import LONGEST_SPAN, SimulatedSchedule, simulate
from scheduler.verdict import Window

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

_RUNS: Any = Execution.__table__  # type: ignore[attr-defined]
_SCHEDULES: Any = ExecutionSchedule.__table__  # type: ignore[attr-defined]
_RUNS_LOOKED_AT = 20_000
_BUDGET_SECONDS = 30.0


def simulated_schedules(
    session: Session, where: Sequence[ColumnElement[bool]] = (), *, stored: bool = True
) -> list[SimulatedSchedule]:
    """Return the enabled schedules, each with the median time of its workflow's finished runs.

    Args:
        where: narrows the schedules.
        stored: begin at the stored next occurrence; otherwise at the first of the simulated span.
    """
    connection = session.connection()
    chosen = select(_SCHEDULES).where(_SCHEDULES.c.enabled.is_(True), *where).order_by(_SCHEDULES.c.storage_id)
    rows = connection.execute(chosen).all()
    seconds: dict[tuple[str, str, str], list[float]] = {}
    finished = (
        select(_RUNS.c.tenant_name, _RUNS.c.deployment_id, _RUNS.c.workflow_id, _RUNS.c.started_at, _RUNS.c.ended_at)
        .where(
            _RUNS.c.started_at.is_not(None),
            _RUNS.c.ended_at.is_not(None),
            _RUNS.c.status == ExecutionStatus.TERMINATED.value,
        )
        .order_by(_RUNS.c.storage_id.desc())
        .limit(_RUNS_LOOKED_AT)
    )
    for tenant, deployment_id, workflow_id, started, ended in connection.execute(finished):
        seconds.setdefault((tenant, deployment_id, workflow_id), []).append((ended - started).total_seconds())
    return [
        SimulatedSchedule(
            name=row.id,
            deployment_id=row.deployment_id,
            workflow_id=row.workflow_id,
            rule=row.compiled or {},
            next_occurrence=row.next_occurrence if stored else None,
            tenant=row.tenant_name,
            slip=row.slip,
            stop_on_fail=row.stop_on_fail,
            overlap=row.overlap,
            run_seconds=_median(seconds.get((row.tenant_name, row.deployment_id, row.workflow_id))),
        )
        for row in rows
    ]


def _median(values: list[float] | None) -> float | None:
    return statistics.median(values) if values else None


def simulate_schedules(core: Core, caller: Caller, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Answer `POST execution-schedules/simulate` over the schedules the caller may see.

    Args:
        fields: `from`, `to` (times; now and a day later when absent), `deployments`, `run_seconds`, `maintenance`.

    Raises:
        BadParameters: a field is wrong, or the span is longer than 366 days.
    """
    now = core.clock.now()
    start = now if fields.get("from") is None else instant(fields["from"], "from")
    try:
        end = start + timedelta(days=1) if fields.get("to") is None else instant(fields["to"], "to")
    except OverflowError:
        raise BadParameters(f"from: {start} is at the end of time; no day follows it") from None
    if not timedelta(0) <= end - start <= LONGEST_SPAN:
        raise BadParameters(f"The span from {start} to {end} must be between 0 and {LONGEST_SPAN.days} days")
    conditions = [*visible(schedule_listing(now), caller)]
    deployments = _names(fields.get("deployments"))
    if deployments:
        conditions.append(_SCHEDULES.c.deployment_id.in_(deployments))
    with core.store.read() as session:
        schedules = simulated_schedules(session, conditions, stored=fields.get("from") is None)
    deadline = core.clock.monotonic() + _BUDGET_SECONDS
    result = simulate(
        schedules,
        start,
        end,
        run_seconds=_run_seconds(fields.get("run_seconds")),
        maintenance=_windows(fields.get("maintenance")),
        interval=core.settings.scheduler_interval,
        max_running=int(core.configuration.value("max_concurrent_workflows")),
        keep_on=lambda: core.clock.monotonic() < deadline,
    )
    return {**result.as_json(), "complete": result.complete}


def _names(value: Any) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise BadParameters(f"deployments: expected a list of ids, but got: {value}")
    return value


def _run_seconds(value: Any) -> dict[str, float]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(_is_seconds(number) for number in value.values()):
        raise BadParameters(f"run_seconds: expected a map of workflow to seconds, but got: {value}")
    return {str(name): float(number) for name, number in value.items()}


def _is_seconds(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 10**9


def _windows(value: Any) -> list[Window]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        raise BadParameters(f"maintenance: expected a list of [from, to], but got: {value}")
    return [_window(pair) for pair in value]


def _window(pair: list[Any]) -> Window:
    start: datetime = instant(pair[0], "maintenance")
    end: datetime = instant(pair[1], "maintenance")
    if end < start:
        raise BadParameters(f"maintenance: the window from {pair[0]} to {pair[1]} ends before it begins")
    return Window(start, end)
