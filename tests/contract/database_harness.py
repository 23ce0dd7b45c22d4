"""The database port as the contract suite's harness: a Core on SQLite or PostgreSQL.

Rows are put in and changed as the services do it, without their web edge: every schedule has a deployment of its own,
so that the queue of one does not decide about another.
"""

from __future__ import annotations

import atexit
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import delete, insert, select, update

from manager_core.bootstrap import Core, build
from manager_core.deployments.tables import Deployment
from manager_core.executions.tables import Execution
from manager_core.maintenance.tables import Maintenance, MaintenanceWindow
from manager_core.schedules.tables import ExecutionSchedule, ScheduleRecord
from scheduler.ports import SchedulesPort
from scheduler.recurrence import Rule
from scheduler.testing import FakeClock
from scheduler.verdict import Outcome, Record
from tests.contract.due_harness import SeenRun, SeenSchedule
from tests.support.databases import PostgresTemplate, SqliteTemplate, test_settings
from tests.support.rows import WORKFLOW

SCHEDULES: Any = ExecutionSchedule.__table__  # type: ignore[attr-defined]
RUNS: Any = Execution.__table__  # type: ignore[attr-defined]
RECORDS: Any = ScheduleRecord.__table__  # type: ignore[attr-defined]
MAINTENANCE: Any = Maintenance.__table__  # type: ignore[attr-defined]
WINDOWS: Any = MaintenanceWindow.__table__  # type: ignore[attr-defined]
START = datetime(2026, 1, 1, tzinfo=UTC)

_templates: dict[str, Any] = {}
_folder = tempfile.TemporaryDirectory(prefix="contract-")


class DatabaseHarness:
    """A fresh database with the harness's methods."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.port: SchedulesPort = core.schedules.port("one")
        self._serial = 0

    def second_port(self) -> SchedulesPort:
        return self.core.schedules.port("two")

    def add(self, rule: Rule | dict[str, Any], now: datetime, **fields: Any) -> int:
        self._serial += 1
        deployment_id = f"d{self._serial}"
        following = fields.pop("next_occurrence", None) or (rule.after(now) if isinstance(rule, Rule) else None)
        row = ExecutionSchedule(
            id="s",
            deployment_id=deployment_id,
            workflow_id="w",
            tenant_name="default_tenant",
            created_by="admin",
            created_at=now,
            rule=rule.rule if isinstance(rule, Rule) else {},
            compiled=rule.dump() if isinstance(rule, Rule) else rule,
            next_occurrence=following,
            **fields,
        )
        with self.core.store.write() as session:
            session.add(
                Deployment(
                    id=deployment_id,
                    display_name=deployment_id,
                    tenant_name="default_tenant",
                    created_by="admin",
                    created_at=now,
                    blueprint_id="b",
                    inputs={},
                    outputs={},
                    capabilities={},
                    workflows={"w": WORKFLOW},
                )
            )
            session.flush()
            session.add(row)
            session.flush()
            assert row.storage_id is not None
            return row.storage_id

    def edit(self, key: int, now: datetime, **fields: Any) -> None:
        with self.core.store.write() as session:
            row = session.get(ExecutionSchedule, key)
            assert row is not None
            rule = fields.pop("rule", None)
            if rule is not None:
                row.rule, row.compiled = rule.rule, rule.dump()
            if fields.get("enabled") and not row.enabled:
                row.rearmed_at = now
            for name, value in fields.items():
                setattr(row, name, value)
            row.next_occurrence = Rule.load(row.compiled).after(now)
            session.add(row)

    def schedule(self, key: int) -> SeenSchedule:
        row = self._one(select(SCHEDULES.c.enabled, SCHEDULES.c.next_occurrence).where(SCHEDULES.c.storage_id == key))
        return SeenSchedule(row.enabled, row.next_occurrence)

    def history(self, key: int) -> list[Record]:
        statement = select(RECORDS).where(RECORDS.c.schedule_storage_id == key).order_by(RECORDS.c.storage_id)
        return [
            Record(
                row.occurrence,
                row.decided_at,
                Outcome(row.outcome),
                row.reason,
                row.execution_id,
                row.missed_count,
                row.missed_since,
            )
            for row in self._all(statement)
        ]

    def runs(self, key: int) -> list[SeenRun]:
        statement = select(RUNS).where(RUNS.c.schedule_storage_id == key).order_by(RUNS.c.storage_id)
        return [SeenRun(row.id, row.scheduled_for, row.force, row.status) for row in self._all(statement)]

    def end_run(self, execution_id: str, status: str, now: datetime) -> None:
        self._write(update(RUNS).where(RUNS.c.id == execution_id).values(status=status, ended_at=now))

    def delete_run(self, execution_id: str) -> None:
        self._write(delete(RUNS).where(RUNS.c.id == execution_id))

    def refuse_runs_of(self, key: int, reason: str) -> None:
        self._write(update(SCHEDULES).where(SCHEDULES.c.storage_id == key).values(workflow_id="gone"))

    def start_maintenance(self, now: datetime) -> None:
        self._write(delete(MAINTENANCE))
        self._write(insert(MAINTENANCE).values(id=1, status="activated", requested_by="admin"))
        self._write(insert(WINDOWS).values(started_at=now, requested_by="admin"))

    def end_maintenance(self, now: datetime) -> None:
        self._write(update(MAINTENANCE).values(status="deactivated"))
        self._write(update(WINDOWS).where(WINDOWS.c.ended_at.is_(None)).values(ended_at=now))

    def close(self) -> None:
        self.core.close()

    def _write(self, statement: Any) -> None:
        with self.core.store.write() as session:
            session.connection().execute(statement)

    def _all(self, statement: Any) -> list[Any]:
        with self.core.store.read() as session:
            return list(session.connection().execute(statement).all())

    def _one(self, statement: Any) -> Any:
        return self._all(statement)[0]


class PostgresHarness(DatabaseHarness):
    """The same on a clone of a PostgreSQL database."""

    name = ""

    def close(self) -> None:
        super().close()
        _templates["postgresql"].give_back(self.name)


def sqlite_harness() -> DatabaseHarness:
    """Return a harness on a fresh SQLite file."""
    if "sqlite" not in _templates:
        _templates["sqlite"] = SqliteTemplate(Path(_folder.name))
    data_dir = Path(tempfile.mkdtemp(dir=_folder.name))
    _templates["sqlite"].copy_into(data_dir)
    return DatabaseHarness(build(test_settings(data_dir), clock=FakeClock(START)))


def postgres_harness() -> DatabaseHarness:
    """Return a harness on a fresh PostgreSQL database; the server must be there."""
    if "postgresql" not in _templates:
        _templates["postgresql"] = PostgresTemplate(Path(_folder.name))
    name, url = _templates["postgresql"].clone()
    data_dir = Path(tempfile.mkdtemp(dir=_folder.name))
    harness = PostgresHarness(build(test_settings(data_dir, database_url=url), clock=FakeClock(START)))
    harness.name = name
    return harness


@atexit.register
def close_templates() -> None:
    """Drop the template databases and files."""
    template = _templates.pop("postgresql", None)
    if template is not None:
        template.close()
    _templates.clear()
    _folder.cleanup()
