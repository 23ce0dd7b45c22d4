"""Three schedulers and a worker on one database, killed at random moments: every occurrence has one fate afterwards."""

from __future__ import annotations

import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from manager_core.bootstrap import Core, build
from manager_core.executions.tables import Execution
from manager_core.schedules.tables import ExecutionSchedule, ScheduleRecord
from scheduler.recurrence import parse
from tests.support.databases import PostgresTemplate, test_settings
from tests.support.processes import REPOSITORY, Process, product_environment
from tests.support.rows import a_deployment

SECONDS = 60.0
SCHEDULES = 12
SCHEDULERS = 3
STEP = timedelta(seconds=1)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Core, dict[str, str]]]:
    """A Core in real time, and the environment in which processes find its database."""
    extra = {}
    url = None
    if request.param == "postgresql":
        template: PostgresTemplate = request.getfixturevalue("postgres_template")
        name, url = template.empty()
        extra["DATABASE_URL"] = url
        request.addfinalizer(lambda: template.drop(name))
    core = build(test_settings(tmp_path, database_url=url))
    yield core, product_environment(tmp_path, CLOUDIFY_SCHEDULER_INTERVAL="1", **extra)
    core.close()


def schedules_of(core: Core) -> dict[int, datetime]:
    """Make schedules that are due every second; return key → first occurrence."""
    now = core.clock.now().replace(microsecond=0)
    made = {}
    for number in range(SCHEDULES):
        a_deployment(core, f"dep{number}")
        rule = parse(since=now + 3 * STEP, recurrence="1 sec")
        row = ExecutionSchedule(
            id="s",
            deployment_id=f"dep{number}",
            tenant_name="default_tenant",
            created_by="admin",
            created_at=now,
            workflow_id="backup",
            rule=rule.rule,
            compiled=rule.dump(),
            next_occurrence=now + 3 * STEP,
            slip=10,
            overlap=("skip", "queue", "parallel")[number % 3],
        )
        with core.store.write() as session:
            session.add(row)
        assert row.storage_id is not None
        made[row.storage_id] = now + 3 * STEP
    return made


def test_kills_at_random_moments_lose_and_double_nothing(database: tuple[Core, dict[str, str]]) -> None:
    core, environment = database
    first = schedules_of(core)
    commands = [["-m", "scheduler"]] * SCHEDULERS + [["-m", "manager_core", "worker"]]
    running = [Process([sys.executable, *command], environment, REPOSITORY) for command in commands]
    chance = random.Random(1)
    kills = 0
    deadline = time.monotonic() + SECONDS
    try:
        while time.monotonic() < deadline:
            core.clock.wait(chance.uniform(0.1, 1.5))
            victim = chance.randrange(len(running))
            running[victim].stop(signal.SIGKILL)
            running[victim].kill_group()
            running[victim] = Process([sys.executable, *commands[victim]], environment, REPOSITORY)
            kills += 1
    finally:
        for process in running:
            process.kill_group()
    last = Process([sys.executable, "-m", "scheduler", "--once"], environment, REPOSITORY)
    assert last.finish() == 0, last.output
    assert kills > 20
    check(core, first)


def check(core: Core, first: dict[int, datetime]) -> None:
    """Every occurrence up to the last one that was judged has one record, and at most one execution."""
    table, runs = ScheduleRecord.__table__, Execution.__table__  # type: ignore[attr-defined]
    with core.store.read() as session:
        records = session.connection().execute(select(table).order_by(table.c.occurrence)).all()
        executions = session.connection().execute(select(runs).where(runs.c.schedule_storage_id.is_not(None))).all()
    assert all(
        count == 1 for count in Counter((row.schedule_storage_id, row.occurrence) for row in executions).values()
    )
    fates: Counter[tuple[int, datetime]] = Counter()
    for record in records:
        if record.missed_count is None:
            fates[(record.schedule_storage_id, record.occurrence)] += 1
            continue
        covered = [record.missed_since + number * STEP for number in range(record.missed_count)]
        assert covered[-1] == record.occurrence
        fates.update((record.schedule_storage_id, moment) for moment in covered)
    assert set(fates.values()) == {1}
    for key, begin in first.items():
        judged = sorted(moment for schedule, moment in fates if schedule == key)
        assert judged == [begin + number * STEP for number in range(len(judged))]
    fired = {row.execution_id for row in records if row.outcome == "fired"}
    assert fired == {row.id for row in executions}
    assert len(fired) > SCHEDULES
