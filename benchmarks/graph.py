"""Task graphs of no-op local tasks: tasks a second, beside the local engine of the reference.

    python benchmarks/graph.py [--tasks 10000] [--rounds 3]

Ours runs on the database (SQLite): ``ours`` keeps every event; ``stored`` keeps every task and its states, as a
resumable workflow does. The reference prints its events to /dev/null and keeps nothing. Each runs in a process of
its own, in turn; ours attaches to a database that another process has made, as execution processes do. Figures are
medians of tasks a second by wall clock over building, storing and running the graph. The reference's interpreter is
found by CFY_VENV (default ``.venv-cfy``); without it only our side is measured. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SHAPES = ("chain", "layered", "fanout")
BLUEPRINT = """
tosca_definitions_version: cloudify_dsl_1_3
plugins:
  p: {executor: central_deployment_agent, install: false}
node_types:
  t: {}
node_templates:
  a: {type: t}
workflows:
  bench: {mapping: p.graph.bench, parameters: {shape: {}, count: {}}}
"""


def nothing(**_: Any) -> None:
    """Return at once: what every task of the benchmark does."""


measured: dict[str, float] = {}


def bench(ctx: Any, shape: str, count: int, stored: bool = False, **_: Any) -> None:
    """Build and run a graph of `count` local tasks; a workflow, so both engines can run it."""
    began, used = time.perf_counter(), time.process_time()
    if stored:
        from cloudify.workflows.tasks_graph import make_or_get_graph

        graph = make_or_get_graph(build_graph)(ctx, shape, count, name="bench")
    else:
        graph = build_graph(ctx, shape, count)
    graph.execute()
    measured["seconds"] = time.perf_counter() - began
    measured["cpu_seconds"] = time.process_time() - used


def build_graph(ctx: Any, shape: str, count: int) -> Any:
    """Return a graph: a chain, one task before all others, or layers of 100 with three dependencies each."""
    graph = ctx.graph_mode()
    before: list[Any] = []
    layer: list[Any] = []
    for number in range(count):
        task = ctx.local_task(nothing)
        graph.add_task(task)
        if shape == "chain":
            for other in before:
                graph.add_dependency(task, other)
            before = [task]
        elif shape == "fanout":
            if before:
                graph.add_dependency(task, before[0])
            else:
                before = [task]
        else:
            for step in range(3 if before else 0):
                graph.add_dependency(task, before[(number + step) % len(before)])
            layer.append(task)
            if len(layer) == 100:
                before, layer = layer, []
    return graph


# --- one measurement, in a process of its own


def run_reference(shape: str, count: int) -> None:
    """Run a graph in the reference's local engine."""
    from cloudify.workflows import local

    with tempfile.TemporaryDirectory() as folder:
        blueprint = Path(folder) / "blueprint.yaml"
        blueprint.write_text(BLUEPRINT)
        environment = local.init_env(str(blueprint))
    environment.execute("bench", parameters={"shape": shape, "count": count})
    # The workflow ran in the module that the engine imported, not in this script.
    measured.update(sys.modules["graph"].measured)


def run_ours(shape: str, count: int, *, stored: bool) -> None:
    """Run a graph on our SDK and the runtime on the database; `stored` keeps the task states as well."""
    sys.path[:0] = [str(ROOT / "manager_core" / "sdk"), str(ROOT)]
    from cloudify.workflows.entry import run_workflow
    from cloudify.workflows.workflow_context import CloudifyWorkflowContext
    from sqlalchemy import func, select

    from manager_core.bootstrap import attach
    from manager_core.events.tables import Event
    from manager_core.executions.tables import Execution
    from manager_core.runtime import heap
    from manager_core.runtime.handler import DatabaseRuntime
    from manager_core.runtime.resources import Resources
    from manager_core.runtime.writer import Writer
    from manager_core.settings import Settings

    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, __file__, "--prepare", folder], check=True, stdout=subprocess.DEVNULL)
        core = attach(Settings(data_dir=Path(folder)))
        heap.calm()
        with core.store.read() as session:
            execution = session.exec(select(Execution)).scalars().one()
            caller = core.access.caller_for(session, "admin", "default_tenant")
            session.expunge_all()
        writer = Writer(
            core.store,
            core.clock,
            execution_id="e",
            tenant_name="default_tenant",
            deployment_id=None,
            attempt=1,
            on_lost=lambda: None,
        )
        resources = Resources(core, tenant_name="default_tenant", deployment_id=None, blueprint_id=None)
        runtime = DatabaseRuntime(core, execution, caller, writer, resources)
        ctx = CloudifyWorkflowContext({"execution_id": "e", "workflow_id": "bench"}, runtime)
        began, used = time.perf_counter(), time.process_time()
        outcome = run_workflow(bench, ctx, {"shape": shape, "count": count, "stored": stored})
        runtime.flush()
        measured["seconds"] = time.perf_counter() - began
        measured["cpu_seconds"] = time.process_time() - used
        ctx.cleanup()
        writer.close()
        with core.store.read() as session:
            events = session.exec(select(func.count()).select_from(Event)).scalar_one()
        if outcome.status != "terminated" or events < (0 if stored else 2 * count):
            raise SystemExit(f"{outcome} with {events} events")


def prepare(folder: Path) -> None:
    """Make a database with the execution that is to be measured."""
    sys.path[:0] = [str(ROOT)]
    from manager_core.bootstrap import build
    from manager_core.executions.tables import Execution
    from manager_core.settings import Settings

    core = build(Settings(data_dir=folder, admin_password="benchmark"))
    columns: dict[str, Any] = {"id": "e", "tenant_name": "default_tenant", "created_by": "admin"}
    with core.store.write() as session:
        row = Execution(**columns, created_at=core.clock.now(), workflow_id="bench", status="started", attempt=1)
        session.add(row)
    core.close()


def measure(side: str, shape: str, count: int) -> None:
    """Run one measurement and print its seconds and its peak of memory."""
    out = os.dup(1)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    if side == "reference":
        run_reference(shape, count)
    else:
        run_ours(shape, count, stored=side == "stored")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    os.write(out, json.dumps({**measured, "peak_mb": peak}).encode())


# --- the whole


def spawn(python: Path, side: str, shape: str, count: int) -> dict[str, float]:
    """Return one measurement made in a fresh process."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent) if side == "reference" else ""}
    ended = subprocess.run(
        [str(python), str(Path(__file__).resolve()), "--measure", side, shape, str(count)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    if ended.returncode:
        raise SystemExit(ended.stderr)
    result: dict[str, float] = json.loads(ended.stdout)
    return result


def main() -> None:
    """Measure both sides in turn and print the medians."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--tasks", type=int, default=10_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--measure", nargs=3, metavar=("SIDE", "SHAPE", "COUNT"))
    arguments.add_argument("--prepare", type=Path, metavar="FOLDER")
    chosen = arguments.parse_args()
    if chosen.prepare:
        prepare(chosen.prepare)
        return
    if chosen.measure:
        side, shape, count = chosen.measure
        measure(side, shape, int(count))
        return
    reference = Path(os.environ.get("CFY_VENV", ROOT / ".venv-cfy")) / "bin" / "python"
    pythons = {"ours": Path(sys.executable), "stored": Path(sys.executable)}
    if reference.exists():
        pythons["reference"] = reference
    figures: dict[str, Any] = {"benchmark": "graph", "tasks": chosen.tasks, "rounds": chosen.rounds}
    for shape in SHAPES:
        runs: dict[str, list[dict[str, float]]] = {side: [] for side in pythons}
        small: list[dict[str, float]] = []
        for _ in range(chosen.rounds):
            for side, python in pythons.items():
                runs[side].append(spawn(python, side, shape, chosen.tasks))
            small.append(spawn(pythons["ours"], "ours", shape, chosen.tasks // 10))
        part: dict[str, Any] = {}
        for side, results in runs.items():
            seconds = statistics.median(each["seconds"] for each in results)
            part[f"{side}_tasks_per_s"] = round(chosen.tasks / seconds)
            cpu = statistics.median(each["cpu_seconds"] for each in results)
            part[f"{side}_tasks_per_cpu_s"] = round(chosen.tasks / cpu)
            part[f"{side}_peak_mb"] = round(statistics.median(each["peak_mb"] for each in results), 1)
        if "reference" in runs:
            for side in ("ours", "stored"):
                part[f"{side}_ratio"] = round(part[f"{side}_tasks_per_s"] / part["reference_tasks_per_s"], 2)
        tenth = statistics.median(each["seconds"] for each in small) / (chosen.tasks // 10)
        part["time_per_task_vs_tenth"] = round(1 / part["ours_tasks_per_s"] / tenth, 2)
        figures[shape] = part
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
