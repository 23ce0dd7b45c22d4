"""The writer of an execution process: what belongs together is in one transaction, however much gathers."""

from __future__ import annotations

import threading

from sqlalchemy import func, select

from manager_core.bootstrap import Core
from manager_core.executions.graphs import store_graph
from manager_core.executions.tables import Operation
from manager_core.runtime.writer import BATCH, Writer
from scheduler.clock import SystemClock
from tests.support.rows import a_deployment, an_execution

TOGETHER = 2 * BATCH + 1
"""More than the writer's thread lets gather before it commits."""


def test_operations_that_are_recorded_together_are_never_seen_in_part(core: Core) -> None:
    a_deployment(core)
    an_execution(core, id="e", status="started", worker_id="w", attempt=1)
    with core.store.write() as session:
        graph = store_graph(session, execution_id="e", name="g", operations=[], now=core.clock.now())
    lost: list[str] = []
    writer = Writer(
        core.store, SystemClock(), execution_id="e", tenant_name="default_tenant", deployment_id="dep", attempt=1,
        on_lost=lambda: lost.append("lost"),
    )  # fmt: skip
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
