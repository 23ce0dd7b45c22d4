"""From a start request to the first operation and to the end of an execution of one no-op operation, in milliseconds.

usage: python benchmarks/execution_latency.py [--runs 15] [--together 20] [--url sqlite|DATABASE_URL]

Everything is real: the REST application (in process), the worker, a process for each execution, a runner for its
operation. The peer, in the same run, is what isolation costs without a warm fork server: one fresh Python that imports
what an execution process imports, and ends. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from starlette.testclient import TestClient

from manager_core.bootstrap import Core, build
from manager_core.rest.app import create_app
from manager_core.runtime.child import code_root, sdk_folder
from manager_core.runtime.worker import Worker
from manager_core.settings import Settings
from tests.support.running import a_running_deployment

FRESH = f"import sys; sys.path[:0] = [{str(sdk_folder())!r}, {str(code_root())!r}]; import manager_core.runtime.execution_process, cloudify.workflows.entry"  # noqa: E501


def follow(client: TestClient, key: str) -> dict[str, Any]:
    """Poll an execution until it has ended, every five milliseconds."""
    while True:
        shown: dict[str, Any] = client.get(f"/api/v3.1/executions/{key}?_include=status,error").json()
        if shown["status"] in ("terminated", "failed", "cancelled"):
            assert shown["status"] == "terminated", shown
            return shown
        time.sleep(0.005)


def start(client: TestClient, deployment: str) -> str:
    """Start the workflow that runs one no-op operation."""
    answer = client.post("/api/v3.1/executions", json={"deployment_id": deployment, "workflow_id": "each"})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def first_operation(core: Core, key: str, begin: float) -> float:
    """Return the milliseconds from the request (wall clock) to the event that an operation was sent."""
    from tests.support.running import events

    sent = next(item for item in events(core, key) if item["event_type"] == "sending_task")
    from datetime import datetime

    return (datetime.fromisoformat(sent["reported_timestamp"]).timestamp() - begin) * 1000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--together", type=int, default=20)
    parser.add_argument("--url", default="sqlite")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = None if options.url == "sqlite" else options.url
        core = build(Settings(data_dir=Path(folder), admin_password="benchmark-pw", database_url=url))
        for number in range(options.together):
            a_running_deployment(core, f"d{number}")
        worker = Worker(core)
        thread = threading.Thread(target=worker.run)
        thread.start()
        headers = {"Tenant": "default_tenant"}
        client = TestClient(create_app(core), headers=headers)
        client.auth = ("admin", "benchmark-pw")
        follow(client, start(client, "d0"))  # the fork server is warm, the plugin is laid out
        whole, first = [], []
        for _ in range(options.runs):
            begin, wall = time.perf_counter(), time.time()
            key = start(client, "d0")
            follow(client, key)
            whole.append((time.perf_counter() - begin) * 1000)
            first.append(first_operation(core, key, wall))
        begin = time.perf_counter()
        keys = [start(client, f"d{number}") for number in range(options.together)]
        for key in keys:
            follow(client, key)
        together = time.perf_counter() - begin
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-P", "-c", FRESH], check=True)
        fresh = (time.perf_counter() - begin) * 1000
        worker.stop()
        thread.join()
        result = {
            "benchmark": "execution_latency",
            "database": core.store.dialect,
            "request_to_first_operation_ms": round(statistics.median(first), 1),
            "request_to_terminated_ms": round(statistics.median(whole), 1),
            "request_to_terminated_best_ms": round(min(whole), 1),
            f"{options.together}_at_once_s": round(together, 2),
            "peer_fresh_process_imports_ms": round(fresh, 1),
        }
        core.close()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
