"""What isolation costs: starting an execution process from the fork server, and one operation in a warm runner.

Run: python benchmarks/isolation.py [--runs N] [--calls N]

The peers, measured in the same run and in turn: a fresh interpreter (`python -c pass`, what a process per operation
costs at the very least), a fresh interpreter that imports what an execution process has (what our fork saves), and
`multiprocessing`'s own warm pool (one call of a function over its pipes).
Prints one JSON line; times are milliseconds, medians and 95th percentiles of wall time; `probe` is a fixed spin that
takes about 10 ms on an idle core of the machine the figures were set on.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from manager_core.runtime.forkserver_client import DEFAULT_PRELOAD, ForkServer, Spawn
from manager_core.runtime.messages import OperationRequest, RunnerEnvironment
from manager_core.runtime.runner_pool import RunnerPool
from scheduler.clock import SystemClock
from tests.support.runner_host import MemoryHost

PLUGIN = """
from cloudify import ctx

def noop(**_):
    return None

def logs(**_):
    ctx.logger.info("one line")

def reads(**_):
    return ctx.instance.runtime_properties.get("k")

def writes(**_):
    ctx.instance.runtime_properties["k"] = 1
"""

IMPORTS = "import sqlmodel, sqlalchemy.dialects.sqlite, sqlalchemy.dialects.postgresql, jinja2"


def probe() -> float:
    """Return the milliseconds of a fixed spin."""
    start = time.perf_counter()
    total = 0
    for number in range(200_000):
        total += number
    return (time.perf_counter() - start) * 1000


def timed(call: Callable[[], object], runs: int) -> dict[str, float]:
    """Return median and 95th percentile of a call, milliseconds."""
    samples = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        samples.append((time.perf_counter() - start) * 1000)
    samples.sort()
    return {"median": round(statistics.median(samples), 3), "p95": round(samples[int(len(samples) * 0.95)], 3)}


def spawn(server: ForkServer) -> None:
    """Start a process through the fork server and wait for its end."""
    ended = threading.Event()
    server.client.spawn(Spawn("tests.support.fork_entries:nothing"), lambda _pid, _code: ended.set())
    ended.wait(10)


def nothing(_: int) -> None:
    """Do nothing, in a pool of multiprocessing."""


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser()
    options.add_argument("--runs", type=int, default=40)
    options.add_argument("--calls", type=int, default=2000)
    chosen = options.parse_args()
    before = probe()
    results: dict[str, object] = {"benchmark": "isolation"}
    peer = multiprocessing.get_context("spawn").Pool(1)
    peer.apply(nothing, (0,))
    start = time.perf_counter()
    server = ForkServer(preload=(*DEFAULT_PRELOAD, "tests.support.fork_entries"))
    server.wait_ready()
    results["fork_server_ready_ms"] = round((time.perf_counter() - start) * 1000, 1)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "ops.py").write_text(PLUGIN)
        host = MemoryHost(Path(folder))
        host.add("vm_1")
        pool = RunnerPool(server.client, host, owner="e", clock=SystemClock())
        environment = RunnerEnvironment(paths=(folder,))

        def request(name: str) -> OperationRequest:
            context = {
                "type": "operation",
                "task_id": name,
                "task_name": f"ops.{name}",
                "node_id": "vm_1",
                "node_name": "vm",
            }
            return OperationRequest(name, f"ops.{name}", context, environment=environment)

        results["execution_process_ms"] = timed(lambda: spawn(server), chosen.runs)
        results["peer_fresh_python_ms"] = timed(
            lambda: subprocess.run([sys.executable, "-c", "pass"], check=True), max(5, chosen.runs // 4)
        )
        results["peer_fresh_imports_ms"] = timed(lambda: subprocess.run([sys.executable, "-c", IMPORTS], check=True), 5)
        start = time.perf_counter()
        pool.run(request("noop"))
        results["first_call_with_runner_start_ms"] = round((time.perf_counter() - start) * 1000, 2)
        for name in ("noop", "logs", "reads", "writes"):
            results[f"runner_{name}_ms"] = timed(lambda name=name: pool.run(request(name)), chosen.calls // 4)  # type: ignore[misc]
        results["peer_multiprocessing_pool_call_ms"] = timed(lambda: peer.apply(nothing, (0,)), chosen.calls // 4)
        results["many_at_once"] = many(pool, request("noop"), chosen.calls)
        pool.close()
    server.stop()
    peer.terminate()
    results["probe_ms"] = [round(before, 1), round(probe(), 1)]
    print(json.dumps(results))


def many(pool: RunnerPool, request: OperationRequest, calls: int) -> dict[str, float]:
    """Return what a call costs when many are sent at once: wall time, and processor time of this process alone."""
    left = threading.Semaphore(0)
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(calls):
        pool.submit(request, lambda _outcome: left.release())
    for _ in range(calls):
        left.acquire()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    return {
        "wall_ms_each": round(wall * 1000 / calls, 4),
        "cpu_ms_each": round(processor * 1000 / calls, 4),
        "per_second": round(calls / wall),
    }


if __name__ == "__main__":
    main()
