"""The scheduler's port over the database (`scheduler.ports.SchedulesPort`): claims, verdicts and heartbeats in sets.

A claim is one transaction: `BEGIN IMMEDIATE` on SQLite, `FOR UPDATE SKIP LOCKED` on PostgreSQL. What a poll decides
about the claimed schedules (executions, history, the moved next occurrence) commits with it or not at all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, bindparam, func, insert, literal_column, select, text, update
from sqlmodel import Session

from manager_core.executions.firing import Firing
from manager_core.executions.tables import Execution
from manager_core.maintenance.tables import Maintenance as MaintenanceRow
from manager_core.maintenance.tables import MaintenanceWindow
from manager_core.schedules.tables import ExecutionSchedule, ScheduleRecord
from manager_core.states import END, ExecutionStatus, MaintenanceStatus
from scheduler.ports import Heartbeat, Maintenance, Settled
from scheduler.verdict import Disable, DueSchedule, Fire, Outcome, PreviousRun, Record, Verdict, Window

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

SCHEDULES: Any = ExecutionSchedule.__table__  # type: ignore[attr-defined]
RECORDS: Any = ScheduleRecord.__table__  # type: ignore[attr-defined]
EXECUTIONS: Any = Execution.__table__  # type: ignore[attr-defined]
DUPLICATE = "duplicate"
_IN_LIMIT = 500
"""Keys in one IN list: far below what either database allows, and few enough plans to cache."""

_OPEN = text("executions.status NOT IN ('terminated', 'failed', 'cancelled')")


def _chunks(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), _IN_LIMIT):
        yield items[start : start + _IN_LIMIT]


class DatabasePort:
    """The database as the poll sees it. `instance` names this scheduler among others in its heartbeats."""

    def __init__(self, core: Core, instance: str) -> None:
        """Work on the given Core."""
        self._core = core
        self._instance = instance

    def maintenance(self, now: datetime) -> Maintenance:
        """Return the state, and the ended windows that a due occurrence may lie in."""
        with self._core.store.read() as session:
            connection = session.connection()
            row: Any = MaintenanceRow
            status = connection.execute(select(row.status)).scalar()
            if status in (MaintenanceStatus.ACTIVATING, MaintenanceStatus.ACTIVATED):
                return Maintenance(active=True)
            oldest = connection.execute(
                select(func.min(SCHEDULES.c.next_occurrence)).where(
                    SCHEDULES.c.enabled.is_(True), SCHEDULES.c.next_occurrence <= now
                )
            ).scalar()
            if oldest is None:
                return Maintenance(active=False)
            window: Any = MaintenanceWindow
            rows = connection.execute(
                select(window.started_at, window.ended_at)
                .where(window.ended_at.is_not(None), window.ended_at >= oldest)
                .order_by(window.started_at)
            ).all()
        return Maintenance(active=False, windows=tuple(Window(start, end) for start, end in rows))

    @contextmanager
    def claim(
        self, now: datetime, limit: int, *, only: Collection[int] | None = None, skip: Collection[int] = ()
    ) -> Iterator[DatabaseClaim]:
        """Hold up to `limit` due schedules in one transaction; commits when the block ends, then wakes workers."""
        with self._core.store.write() as session:
            claim = DatabaseClaim(self._core, session, self._due(session, now, limit, only, skip))
            yield claim
        if claim.fired:
            self._core.executions.wake()

    def heartbeat(self, beat: Heartbeat) -> None:
        """Store the proof of life that `/health` and `/metrics` read."""
        self._core.health.beat(
            "scheduler", self._instance, beat.next_at, {"seconds": beat.seconds, "decided": beat.decided}
        )

    def _due(
        self, session: Session, now: datetime, limit: int, only: Collection[int] | None, skip: Collection[int]
    ) -> list[DueSchedule]:
        columns = SCHEDULES.c
        statement: Select[Any] = (
            select(
                columns.storage_id, columns.id, columns.deployment_id, columns.compiled, columns.next_occurrence,
                columns.slip, columns.stop_on_fail, columns.overlap, columns.tenant_name, columns.rearmed_at,
            )
            .where(columns.enabled.is_(True), columns.next_occurrence <= now)
            .order_by(columns.next_occurrence, columns.storage_id)
            .limit(limit)
        )  # fmt: skip
        if only is not None:
            statement = statement.where(columns.storage_id.in_(sorted(only)))
        if skip:
            statement = statement.where(columns.storage_id.not_in(sorted(skip)))
        if self._core.store.dialect == "postgresql":
            statement = statement.with_for_update(skip_locked=True)
        rows = session.connection().execute(statement).all()
        previous = self._previous_runs(session, {row.storage_id: row.rearmed_at for row in rows})
        return [
            DueSchedule(
                key=row.storage_id,
                name=row.id,
                deployment_id=row.deployment_id,
                rule=row.compiled or {},
                next_occurrence=row.next_occurrence,
                slip=row.slip,
                stop_on_fail=row.stop_on_fail,
                overlap=row.overlap,
                previous=previous.get(row.storage_id),
                tenant=row.tenant_name,
            )
            for row in rows
        ]

    @staticmethod
    def _previous_runs(session: Session, rearmed: dict[int, datetime | None]) -> dict[int, PreviousRun]:
        """Look the previous runs up in the executions: the newest open one of each schedule, else its newest one."""
        found: dict[int, PreviousRun] = {}
        run = EXECUTIONS.alias("run")
        for keys in _chunks(sorted(rearmed)):
            newest = (
                select(func.max(EXECUTIONS.c.storage_id))
                .where(EXECUTIONS.c.schedule_storage_id == SCHEDULES.c.storage_id)
                .scalar_subquery()
            )
            newest_open = (
                select(func.max(EXECUTIONS.c.storage_id))
                .where(EXECUTIONS.c.schedule_storage_id == SCHEDULES.c.storage_id, _OPEN)
                .scalar_subquery()
            )
            statement = (
                select(run.c.schedule_storage_id, run.c.id, run.c.status, run.c.ended_at)
                .select_from(SCHEDULES)
                .join(run, run.c.storage_id == func.coalesce(newest_open, newest))
                .where(SCHEDULES.c.storage_id.in_(keys))
            )
            for key, execution_id, status, ended_at in session.connection().execute(statement):
                forgotten = rearmed[key] is not None and (ended_at is None or ended_at <= rearmed[key])
                found[key] = PreviousRun(
                    execution_id=execution_id,
                    status=status,
                    ended=status in END,
                    failed=status == ExecutionStatus.FAILED and not forgotten,
                )
        return found


class DatabaseClaim:
    """Some due schedules, held by the transaction of a session."""

    def __init__(self, core: Core, session: Session, schedules: list[DueSchedule]) -> None:
        """Hold `schedules` until the session ends."""
        self._core = core
        self._session = session
        self.schedules: Sequence[DueSchedule] = schedules
        self.fired = False

    def settle(self, verdicts: Sequence[Verdict]) -> Sequence[Settled]:
        """Write all verdicts in sets: executions, history, next occurrences, disabled schedules."""
        if not verdicts:
            return []
        known = self._recorded(verdicts)
        fires = [
            verdict
            for verdict in verdicts
            if isinstance(verdict.decision, Fire) and _key(verdict, verdict.decision.occurrence) not in known
        ]
        fired = self._fire(fires)
        settled: list[Settled] = []
        rows: list[dict[str, Any]] = []
        moves: list[dict[str, Any]] = []
        for verdict in verdicts:
            result = fired.get(verdict.schedule.key)
            execution_id, error = result if result is not None else (None, None)
            records = verdict.records(execution_id=execution_id, error=error)
            fresh = [record for record in records if _key(verdict, record.occurrence) not in known]
            rows.extend(_row(verdict, record) for record in fresh)
            last = records[-1]
            duplicate = not fresh or fresh[-1] is not last
            moves.append(_move(verdict, None if duplicate else last, execution_id))
            settled.append(
                Settled(
                    verdict=verdict,
                    outcome=DUPLICATE if duplicate else str(last.outcome),
                    execution_id=None if duplicate else execution_id,
                    reason="recorded before" if duplicate else last.reason,
                )
            )
        connection = self._session.connection()
        if rows:
            connection.execute(insert(RECORDS), rows)
        connection.execute(_MOVE, moves)
        disabled = [
            {"b_key": verdict.schedule.key, "b_at": verdict.decided_at, "b_reason": verdict.decision.reason}
            for verdict, outcome in zip(verdicts, settled, strict=True)
            if isinstance(verdict.decision, Disable) and outcome.outcome != DUPLICATE
        ]
        if disabled:
            connection.execute(_DISABLE, disabled)
        return settled

    def _recorded(self, verdicts: Sequence[Verdict]) -> set[tuple[int, datetime]]:
        """Return the (schedule, occurrence) pairs of these verdicts that history has already."""
        wanted: dict[int, set[datetime]] = {}
        for verdict in verdicts:
            moments = wanted.setdefault(verdict.schedule.key, set())
            moments.add(verdict.decision.occurrence)
            moments.update(missed.occurrence for missed in verdict.missed)
        earliest = min(min(moments) for moments in wanted.values())
        known: set[tuple[int, datetime]] = set()
        for keys in _chunks(sorted(wanted)):
            statement = select(RECORDS.c.schedule_storage_id, RECORDS.c.occurrence).where(
                RECORDS.c.schedule_storage_id.in_(keys),
                RECORDS.c.occurrence >= earliest,
                RECORDS.c.manual.is_(False),
            )
            for key, occurrence in self._session.connection().execute(statement):
                if occurrence in wanted[key]:
                    known.add((key, occurrence))
        return known

    def _fire(self, verdicts: Sequence[Verdict]) -> dict[int, tuple[str | None, str | None]]:
        """Create the executions; return schedule → (execution id, why there is none)."""
        if not verdicts:
            return {}
        columns = SCHEDULES.c
        details: dict[int, Any] = {}
        for keys in _chunks([verdict.schedule.key for verdict in verdicts]):
            statement = select(
                columns.storage_id, columns.workflow_id, columns.parameters, columns.execution_arguments,
                columns.created_by, columns.visibility,
            ).where(columns.storage_id.in_(keys))  # fmt: skip
            details.update({row.storage_id: row for row in self._session.connection().execute(statement)})
        firings = []
        for verdict in verdicts:
            assert isinstance(verdict.decision, Fire)
            row = details[verdict.schedule.key]
            firings.append(
                make_firing(
                    tenant_name=verdict.schedule.tenant,
                    deployment_id=verdict.schedule.deployment_id,
                    schedule_id=verdict.schedule.name,
                    row=row,
                    occurrence=verdict.decision.occurrence,
                    parallel=verdict.decision.force,
                )
            )
        results = self._core.executions.fire_in(self._session, firings)
        self.fired = self.fired or any(result.execution_id for result in results)
        return {
            result.firing.schedule_storage_id: (
                result.execution_id,
                None if result.error is None else result.error.message,
            )
            for result in results
        }


def make_firing(
    *, tenant_name: str, deployment_id: str, schedule_id: str, row: Any, occurrence: datetime, parallel: bool
) -> Firing:
    """Return the firing of a schedule's row for one occurrence."""
    arguments = row.execution_arguments or {}
    return Firing(
        tenant_name=tenant_name,
        deployment_id=deployment_id,
        workflow_id=row.workflow_id,
        created_by=row.created_by,
        occurrence=occurrence,
        schedule_storage_id=row.storage_id,
        schedule_id=schedule_id,
        parameters=row.parameters,
        allow_custom_parameters=arguments.get("allow_custom_parameters", False),
        force=arguments.get("force", False),
        dry_run=arguments.get("is_dry_run", False),
        wait_after_fail=arguments.get("wait_after_fail", 600),
        visibility=row.visibility,
        parallel=parallel,
    )


def _key(verdict: Verdict, occurrence: datetime) -> tuple[int, datetime]:
    return verdict.schedule.key, occurrence


def _row(verdict: Verdict, record: Record) -> dict[str, Any]:
    return {
        "schedule_storage_id": verdict.schedule.key,
        "occurrence": record.occurrence,
        "decided_at": record.decided_at,
        "outcome": str(record.outcome),
        "execution_id": record.execution_id,
        "reason": record.reason,
        "missed_count": record.missed_count,
        "missed_since": record.missed_since,
        "manual": False,
    }


def _move(verdict: Verdict, last: Record | None, execution_id: str | None) -> dict[str, Any]:
    return {
        "b_key": verdict.schedule.key,
        "b_next": verdict.next_occurrence,
        "b_until": verdict.decided_at,
        "b_outcome": None if last is None else str(last.outcome),
        "b_execution": execution_id if last is not None and last.outcome == Outcome.FIRED else None,
    }


_MOVE = (
    update(SCHEDULES)
    .where(SCHEDULES.c.storage_id == bindparam("b_key"))
    .values(
        next_occurrence=bindparam("b_next", type_=SCHEDULES.c.next_occurrence.type),
        evaluated_until=bindparam("b_until", type_=SCHEDULES.c.evaluated_until.type),
        last_outcome=func.coalesce(
            bindparam("b_outcome", type_=SCHEDULES.c.last_outcome.type), literal_column("last_outcome")
        ),
        latest_execution_id=func.coalesce(
            bindparam("b_execution", type_=SCHEDULES.c.latest_execution_id.type), literal_column("latest_execution_id")
        ),
    )
)
_DISABLE = (
    update(SCHEDULES)
    .where(SCHEDULES.c.storage_id == bindparam("b_key"))
    .values(
        enabled=False,
        disabled_at=bindparam("b_at", type_=SCHEDULES.c.disabled_at.type),
        disabled_by="scheduler",
        disabled_reason=bindparam("b_reason"),
    )
)
