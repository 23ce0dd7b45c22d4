"""A worker that is paused, and a PostgreSQL that drops everybody: nothing is lost, nothing is done twice."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from manager_core.bootstrap import Core, build
from tests.conftest import BOTH
from tests.integration.test_crash import WorkerProcess
from tests.support.databases import SERVER, PostgresTemplate, test_settings
from tests.support.running import (
    a_running_deployment,
    a_worker,
    ended,
    event_types,
    let_go,
    lines,
    start,
    status,
    until,
)
from tests.support.warm_product import WarmProduct

LEASE_SECONDS = 6.0


@pytest.fixture(params=BOTH)
def core(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Core]:
    """A Core on a real clock with short leases, and the deployment `dep` of three instances; no worker runs."""
    data_dir = tmp_path / "data"
    url = name = template = None
    if request.param == "sqlite":
        request.getfixturevalue("sqlite_template").copy_into(data_dir)
    else:
        template = request.getfixturevalue("postgres_template")
        assert isinstance(template, PostgresTemplate)
        name, url = template.clone()
    core = build(test_settings(data_dir, database_url=url, lease_seconds=LEASE_SECONDS, grace_seconds=1.0))
    try:
        a_running_deployment(core, instances=3)
        yield core
    finally:
        core.close()
        if template is not None:
            template.drop(name)


def test_operations_of_a_paused_worker_end_before_another_worker_begins_them(
    core: Core, product: WarmProduct, tmp_path: Path
) -> None:
    """The worker alone is paused, its processes are not: they end themselves when nobody renews their lease."""
    log = tmp_path / "log"
    paused = WorkerProcess(product, core)
    try:
        key = start(core, "graph", parameters={"operation": "op.pulse", "path": str(log)})
        until(core, lambda: len(set(lines(log))) >= 3)
        first = set(lines(log))
        paused.send(signal.SIGSTOP)
        with a_worker(core):
            until(core, lambda: set(lines(log)) > first)
            work = lines(log)
            taken_over = next(number for number, pid in enumerate(work) if pid not in first)
            paused.send(signal.SIGCONT)
            let_go(log)
            execution = ended(core, key)
        assert not first & set(lines(log)[taken_over:]), "nobody works on what was given to another"
        assert execution.status == "terminated"
        assert event_types(core, key).count("workflow_succeeded") == 1
    finally:
        paused.send(signal.SIGCONT)
        paused.signal(signal.SIGKILL)


def drop_everybody(core: Core) -> int:
    """End every connection to the Core's database; returns how many there were."""
    name = core.store.engine.url.database
    with psycopg.connect(SERVER.replace("+psycopg", ""), autocommit=True) as connection:
        rows = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        ).fetchall()
    return len(rows)


def test_when_postgresql_drops_every_connection_under_load_all_is_done_once(core: Core, tmp_path: Path) -> None:
    if core.store.dialect == "sqlite":
        pytest.skip("a file does not hang up")
    log = tmp_path / "log"
    for name in ("two", "three"):
        a_running_deployment(core, name, instances=3)
    stop = threading.Event()
    dropped: list[int] = []

    def disturb() -> None:
        while not stop.wait(0.3):
            dropped.append(drop_everybody(core))

    with a_worker(core):
        parameters = {"operation": "op.work", "path": str(log), "seconds": 0.4}
        keys = [start(core, "each", name, parameters=parameters) for name in ("dep", "two", "three")]
        until(core, lambda: lines(log))
        thread = threading.Thread(target=disturb)
        thread.start()
        try:
            until(core, lambda: len(dropped) >= 6 and sum(dropped) > 20)
        finally:
            stop.set()
            thread.join(20)
        executions = [ended(core, key) for key in keys]
    assert [item.status for item in executions] == ["terminated"] * 3, [item.error for item in executions]
    assert len(lines(log)) == len(set(lines(log))) == 18, "each operation began once and ended once"
    for key in keys:
        assert status(core, key) == "terminated"
        types = event_types(core, key)
        assert types.count("workflow_started") == 1
        assert types.count("task_succeeded") == 3
        assert types.count("workflow_succeeded") == 1
