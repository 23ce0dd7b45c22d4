"""How execution schedules and their history are listed (scheduling contract §1, §5)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlmodel import Session

from manager_core.executions.tables import Execution
from manager_core.rest.listing import Field, Listing, base_fields, column
from manager_core.rest.responses import timestamp
from manager_core.schedules.tables import ExecutionSchedule
from scheduler.recurrence import Rule

MAX_NEXT = 1000


def _latest_statuses(session: Session, rows: list[tuple[Any, ...]]) -> list[str | None]:
    wanted = {row[0] for row in rows if row[0]}
    if not wanted:
        return [None] * len(rows)
    table: Any = Execution
    found = session.connection().execute(select(table.id, table.status).where(table.id.in_(wanted))).all()
    statuses: dict[str, str] = {row.id: row.status for row in found}
    return [statuses.get(row[0]) for row in rows]


def schedule_listing(now: datetime, cap: int = MAX_NEXT) -> Listing:
    """Describe the resource as seen at `now`, with at most `cap` coming occurrences each."""

    def coming(_session: Session, rows: list[tuple[Any, ...]]) -> list[list[str]]:
        return [Rule.load(compiled).next_texts(now, cap) if compiled else [] for (compiled,) in rows]

    def following(next_occurrence: datetime | None, enabled: bool, compiled: Any) -> str | None:
        # Nobody moves the next occurrence of a disabled schedule, so it is told afresh.
        if not enabled and next_occurrence is not None and next_occurrence <= now and compiled:
            return timestamp(Rule.load(compiled).after(now))
        return timestamp(next_occurrence)

    table: Any = ExecutionSchedule
    return Listing(
        model="ExecutionSchedule",
        table=ExecutionSchedule,
        permission="execution_schedule_list",
        fields={
            "id": column(table.id),
            "deployment_id": column(table.deployment_id),
            "workflow_id": column(table.workflow_id),
            "parameters": column(table.parameters, filterable=False),
            "execution_arguments": Field(
                (table.execution_arguments,), render=lambda value: value or {}, filterable=False
            ),
            "created_at": column(table.created_at),
            "since": column(table.since),
            "until": column(table.until),
            "rule": column(table.rule, filterable=False),
            "timezone": column(table.timezone),
            "slip": column(table.slip),
            "stop_on_fail": column(table.stop_on_fail),
            "enabled": column(table.enabled),
            "overlap": column(table.overlap),
            "exclude_calendars": Field((table.exclude_calendars,), render=lambda value: value or [], filterable=False),
            "next_occurrence": Field((table.next_occurrence, table.enabled, table.compiled), render=following),
            "all_next_occurrences": Field((table.compiled,), batch=coming, filterable=False),
            "latest_execution_id": column(table.latest_execution_id),
            "latest_execution_status": Field((table.latest_execution_id,), batch=_latest_statuses, filterable=False),
            "last_outcome": column(table.last_outcome),
            **base_fields(table),
        },
    )
