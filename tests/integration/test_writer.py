"""The writer of an execution process: what belongs together is in one transaction, however much gathers."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import func, select

from manager_core.bootstrap import Core, attach, build
from manager_core.events.tables import Event
from manager_core.executions.graphs import store_graph
from manager_core.executions.tables import Operation
from manager_core.runtime.fencing import CHECKPOINT_COMMITS
from manager_core.runtime.writer import BATCH, Writer
from manager_core.settings import Settings
from scheduler.clock import SystemClock
from tests.support.clock import FakeClock
from tests.support.rows import a_deployment, an_execution

TOGETHER = 2 * BATCH + 1
"""More than the writer's thread lets gather before it commits."""


def a_writer(core: Core) -> tuple[Writer, list[str]]:
    """Return the writer of the first attempt of execution `e`, and what it tells when it is lost."""
    lost: list[str] = []
    writer = Writer(
        core.store, SystemClock(), execution_id="e", tenant_name="default_tenant", deployment_id="dep", attempt=1,
        on_lost=lambda: lost.append("lost"),
    )  # fmt: skip
    return writer, lost


def test_operations_that_are_recorded_together_are_never_seen_in_part(core: Core) -> None:
    a_deployment(core)
    an_execution(core, id="e", status="started", worker_id="w", attempt=1)
    with core.store.write() as session:
        graph = store_graph(session, execution_id="e", name="g", operations=[], now=core.clock.now())
    writer, lost = a_writer(core)
    seen: set[int] = set()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            with core.store.read() as session:
                seen.add(session.connection().execute(select(func.count()).select_from(Operation)).scalar_one())

    reader = threading.Thread(target=look)
    reader.start()
    try:
        for number in range(8):
            kind = {"tasks_graph_id": graph["id"], "type": "RemoteWorkflowTask", "name": "n"}
            writer.operations([{**kind, "id": f"{number}-{at}"} for at in range(TOGETHER)])
        writer.flush()
    finally:
        over.set()
        reader.join()
        writer.close()
    assert lost == [] and {count % TOGETHER for count in seen} == {0}
    with core.store.read() as session:
        assert core.executions.found(session, "e").total_operations == 8 * TOGETHER


def test_a_connection_that_the_server_dropped_between_two_commits_is_replaced(core: Core) -> None:
    if core.store.dialect == "sqlite":
        pytest.skip("a file drops nobody")
    a_deployment(core)
    an_execution(core, id="e", status="started", worker_id="w", attempt=1)
    writer, lost = a_writer(core)
    writer.event({"type": "cloudify_event", "message": "before"})
    writer.flush()
    with core.store.engine.connect() as connection:
        ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database()"
        assert connection.exec_driver_sql(f"{ended} AND pid <> pg_backend_pid()").scalar_one() >= 1
    writer.event({"type": "cloudify_event", "message": "after"})
    writer.close()
    assert lost == [] and messages(core) == ["before", "after"]


def test_the_log_of_a_busy_execution_goes_into_the_file_while_it_runs(tmp_path: Path, clock: FakeClock) -> None:
    build(Settings(data_dir=tmp_path, admin_password="a-password"), clock=clock).close()
    core = attach(Settings(data_dir=tmp_path), clock=clock)
    core.store.leave_the_log()
    a_deployment(core)
    an_execution(core, id="e", status="started", worker_id="w", attempt=1)
    writer, lost = a_writer(core)
    log = tmp_path / "manager.db-wal"
    text = "x" * 100_000
    for _ in range(3 * CHECKPOINT_COMMITS):
        writer.event({"type": "cloudify_event", "message": text})
        writer.flush()
        writer._store.tidy()
    writer.close()
    assert lost == [] and len(messages(core)) == 3 * CHECKPOINT_COMMITS
    assert log.stat().st_size < 2 * CHECKPOINT_COMMITS * len(text)
    core.store.close()


def messages(core: Core) -> list[str]:
    with core.store.read() as session:
        return list(session.connection().execute(select(Event.message).order_by(Event.storage_id)).scalars())
