"""What it costs to dispatch an execution on PostgreSQL, and how soon its first operation runs on another host's worker.

usage: python benchmarks/dispatch.py [--rounds 7] [--jobs 300] [--runs 15] [--url DATABASE_URL of a server]

Dispatch, ours: one transaction on the store's pooled connection that announces an execution as pending, as a start and
a firing do (BEGIN, NOTIFY for the workers that listen, Procrastinate's job, COMMIT). The peer, in the same run and
alternating: `task.defer()` of Procrastinate alone, on a pool of its own, in the one transaction that it makes. What the
execution's own row and checks cost beside it is told too (`start_us`: a whole start without the web).

First operation: an API and a worker as processes, each with a data directory of its own, idle. From the moment the
request is sent to the moment that the operation itself notes. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.servers import a_database, skip_without_server
from manager_core.access.caller import system_caller
from manager_core.bootstrap import Core, build
from manager_core.executions.dispatch.procrastinate import QUEUE, TASK
from manager_core.executions.dispatch.signals import announce_pending
from manager_core.settings import Settings
from tests.support.archives_made import blueprint_tar
from tests.support.parts import KEY, Api, Part
from tests.support.rows import a_deployment

BLUEPRINT = """\
tosca_definitions_version: cloudify_dsl_1_4
imports: [cloudify/types/types.yaml]
plugins: {clock: {executor: central_deployment_agent, source: clock}}
node_templates:
  one:
    type: cloudify.nodes.Root
    interfaces: {test: {note: {implementation: clock.clock_plugin.note, inputs: {}}}}
"""
PLUGIN = """\
import time


def note(path, **kwargs):
    with open(path, "w") as stream:
        stream.write(str(time.time()))
"""


def measured(call: Any, jobs: int) -> tuple[float, float]:
    """Return (wall, CPU of this process) in microseconds a call."""
    begin, begin_cpu = time.perf_counter(), time.process_time()
    for _ in range(jobs):
        call()
    return (time.perf_counter() - begin) / jobs * 1e6, (time.process_time() - begin_cpu) / jobs * 1e6


def dispatch(core: Core, rounds: int, jobs: int) -> dict[str, float]:
    """Compare our dispatch with the peer's own, in turns."""
    from procrastinate import App, SyncPsycopgConnector

    conninfo = core.settings.url.replace("+psycopg", "")
    app = App(connector=SyncPsycopgConnector(conninfo=conninfo, min_size=1, max_size=2))
    task = app.configure_task(TASK, queue=QUEUE)
    a_deployment(core)

    def ours() -> None:
        with core.store.write() as session:
            announce_pending(session)

    def start() -> None:
        fields = {"deployment_id": "dep", "workflow_id": "backup", "force": True}
        core.executions.start(system_caller("default_tenant"), **fields)

    with app.open():
        for call in (ours, task.defer):
            measured(call, 20)
        mine, peer, ratios = [], [], []
        for _ in range(rounds):
            mine.append(measured(ours, jobs))
            peer.append(measured(task.defer, jobs))
            ratios.append(mine[-1][0] / peer[-1][0])
    whole = measured(start, 30)
    return {
        "ours_us": round(statistics.median(wall for wall, _ in mine)),
        "ours_cpu_us": round(statistics.median(cpu for _, cpu in mine)),
        "procrastinate_us": round(statistics.median(wall for wall, _ in peer)),
        "procrastinate_cpu_us": round(statistics.median(cpu for _, cpu in peer)),
        "times_procrastinate": round(statistics.median(ratios), 2),
        "start_us": round(whole[0]),
    }


def first_operation(url: str, folder: Path, runs: int) -> dict[str, float]:
    """Measure from request to operation, on processes as on two hosts."""
    shared = {"DATABASE_URL": url, "CLOUDIFY_SECRET_KEY": KEY}
    api = Api(folder / "api", **shared).ready()
    worker = Part(folder / "worker", "worker", **shared, CLOUDIFY_API_URL=api.url)
    try:
        api.upload("bp", blueprint_tar({"blueprint.yaml": BLUEPRINT, "plugins/clock/clock_plugin.py": PLUGIN}))
        api.deploy("bp", "dep")
        taken = []
        for number in range(runs + 2):
            note = folder / f"note{number}"
            parameters = {"operation": "test.note", "operation_kwargs": {"path": str(note)}}
            begin = time.time()
            key = api.start("dep", "execute_operation", **parameters)
            done = api.ended(key)
            assert done["status"] == "terminated", done
            taken.append((float(note.read_text()) - begin) * 1000)
            time.sleep(0.3)  # idle again
    finally:
        worker.stop()
        api.stop()
    kept = sorted(taken[2:])  # the first ones fetch the files
    return {
        "first_operation_ms": round(statistics.median(kept), 1),
        "first_operation_p90_ms": round(kept[int(len(kept) * 0.9)], 1),
        "first_operation_best_ms": round(kept[0], 1),
        "first_of_all_ms": round(taken[0], 1),
    }


def main() -> None:
    """Measure and print."""
    logging.getLogger("procrastinate").setLevel(logging.ERROR)  # it warns of an App in a main module
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--url", default="")
    options = parser.parse_args()
    skip_without_server("dispatch", options.url)
    result: dict[str, Any] = {"benchmark": "dispatch", "database": "postgresql"}
    with tempfile.TemporaryDirectory() as folder, a_database(options.url) as url:
        settings = Settings(data_dir=Path(folder) / "core", admin_password="benchmark-pw", database_url=url)
        core = build(settings)
        result |= dispatch(core, options.rounds, options.jobs)
        core.close()
    with tempfile.TemporaryDirectory() as folder, a_database(options.url) as url:
        result |= first_operation(url, Path(folder), options.runs)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
