"""Three schedulers and a worker on one database, killed at random moments: every occurrence has one fate afterwards."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from manager_core.bootstrap import Core, build
from manager_core.executions.tables import Execution
from manager_core.schedules.tables import ExecutionSchedule, ScheduleRecord
from scheduler.recurrence import parse
from tests.support.clock import PATIENCE
from tests.support.databases import PostgresTemplate, test_settings
from tests.support.processes import product_environment
from tests.support.rows import a_deployment
from tests.support.warm_product import WarmProduct

KILLS = 50
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


def test_kills_at_random_moments_lose_and_double_nothing(
    database: tuple[Core, dict[str, str]], product: WarmProduct
) -> None:
    core, environment = database
    first = schedules_of(core)
    commands = [["scheduler"]] * SCHEDULERS + [["manager_core", "worker"]]
    weights = [3] * SCHEDULERS + [1]  # a worker takes long to be back
    running = [product.start(*command, environment=environment) for command in commands]
    chance = random.Random(1)
    deadline = core.clock.monotonic() + 2 * PATIENCE
    kills = 0
    try:
        while kills < KILLS or fired(core) < 5 * SCHEDULES:
            assert core.clock.monotonic() < deadline, f"{kills} kills, {fired(core)} fired"
            core.clock.wait(chance.uniform(0.05, 0.7))
            (victim,) = chance.choices(range(len(running)), weights)
            running[victim].kill()
            running[victim].wait()
            running[victim] = product.start(*commands[victim], environment=environment)
            kills += 1
    finally:
        for process in running:
            process.kill()
            process.wait()
    last = product.run("scheduler", "--once", environment=environment)
    assert last.returncode == 0, last.stderr
    check(core, first)


def fired(core: Core) -> int:
    """Return how many occurrences have fired."""
    table = ScheduleRecord.__table__  # type: ignore[attr-defined]
    with core.store.read() as session:
        statement = select(func.count()).where(table.c.outcome == "fired")
        return int(session.connection().execute(statement).scalar_one())


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
