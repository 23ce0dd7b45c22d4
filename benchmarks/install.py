"""From a blueprint's text to a thousand installed node instances, beside the local engine of the reference.

    python benchmarks/install.py [--instances 1000] [--rounds 3]

The blueprint is a tree: every node is connected to one of ten parents, and create, configure and start of each are
no-op functions of a plugin in the blueprint's folder. Ours is the whole manager on SQLite: the REST application (in
process), a worker, an execution process for each execution and runners for the operations; every event, every task
state and every node instance state is in the database at the end. It is timed from the upload to the end of `install`.
The reference keeps nothing: it is timed over `init_env` and `install`, its events written to /dev/null. Both are warm:
imports are not timed. They run in turn; figures are medians. The reference's interpreter is found by CFY_VENV (default
``.venv-cfy``); without it only our side is measured. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import gc
import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
OPERATIONS = ("create", "configure", "start")
PLUGIN = "def noop(**_):\n    return None\n"
END = ("terminated", "failed", "cancelled")


def blueprint(instances: int, types: str) -> str:
    """Return the blueprint: a tree of nodes of one type."""
    lines = [
        "tosca_definitions_version: cloudify_dsl_1_4",
        f"imports: [{types}]",
        "plugins:",
        "  noop: {executor: central_deployment_agent, source: noop, install: false}",
        "node_types:",
        "  bench.T:",
        "    derived_from: cloudify.nodes.Root",
        "    properties: {number: {default: 0}}",
        "    interfaces:",
        "      cloudify.interfaces.lifecycle:",
        *(f"        {name}: {{implementation: noop.noop_plugin.noop}}" for name in OPERATIONS),
        "node_templates:",
    ]
    for number in range(instances):
        lines += [f"  n{number}:", "    type: bench.T", f"    properties: {{number: {number}}}"]
        if number:
            target = (number - 1) // 10
            lines.append(f"    relationships: [{{type: cloudify.relationships.connected_to, target: n{target}}}]")
    return "\n".join(lines) + "\n"


# --- one measurement, in a process of its own


def archive(text: str) -> bytes:
    """Return the blueprint and its plugin as an archive."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as tar:
        for name, content in (("blueprint.yaml", text), ("plugins/noop/noop_plugin.py", PLUGIN)):
            data = content.encode()
            entry = tarfile.TarInfo(f"bp/{name}")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return written.getvalue()


def run_ours(instances: int) -> dict[str, float]:
    """Upload, create and install on the whole manager; returns seconds."""
    sys.path[:0] = [str(ROOT)]
    from starlette.testclient import TestClient

    from manager_core.bootstrap import build
    from manager_core.rest.app import create_app
    from manager_core.runtime.heap import calm
    from manager_core.runtime.worker import Worker
    from manager_core.settings import Settings

    with tempfile.TemporaryDirectory() as folder:
        core = build(Settings(data_dir=Path(folder), admin_password="benchmark-pw"))
        gc.collect()
        calm()  # as `cloudify-manager up` does when it is up
        worker = Worker(core)
        thread = threading.Thread(target=worker.run)
        thread.start()
        client = TestClient(
            create_app(core), base_url="http://testserver/api/v3.1", headers={"Tenant": "default_tenant"}
        )
        client.auth = ("admin", "benchmark-pw")

        def accepted(answer: Any) -> Any:
            if answer.status_code >= 300:
                raise SystemExit(answer.text)
            return answer

        def checked(answer: Any) -> Any:
            return accepted(answer).json()

        def install(deployment: str) -> dict[str, Any]:
            started = checked(client.post("/executions", json={"deployment_id": deployment, "workflow_id": "install"}))
            while True:
                shown: dict[str, Any] = checked(client.get(f"/executions/{started['id']}"))
                if shown["status"] in END:
                    if shown["status"] != "terminated":
                        raise SystemExit(shown["error"])
                    return shown
                time.sleep(0.05)

        def make(name: str, count: int) -> None:
            data = archive(blueprint(count, "cloudify/types/types.yaml"))
            params = (None, json.dumps({"application_file_name": "blueprint.yaml"}))
            files: dict[str, Any] = {"params": params, "blueprint_archive": ("bp.tar.gz", data)}
            accepted(client.put(f"/blueprints/{name}", files=files))  # 21 MB with the plan: a client's work to read
            accepted(client.put(f"/deployments/{name}", json={"blueprint_id": name}))

        make("warm", 1)
        install("warm")
        begin = time.perf_counter()
        make("tree", instances)
        made = time.perf_counter()
        execution = install("tree")
        end = time.perf_counter()
        states = checked(client.get("/node-instances?deployment_id=tree&state=started&_size=1"))
        events = checked(client.get(f"/events?execution_id={execution['id']}&_size=1"))["metadata"]["pagination"][
            "total"
        ]
        started = states["metadata"]["pagination"]["total"]
        worker.stop()
        thread.join()
        core.close()
    if started != instances or events < 3 * len(OPERATIONS) * instances:
        raise SystemExit(f"{started} instances started, {events} events")
    return {"whole": end - begin, "prepare": made - begin, "install": end - made, "events": events}


def run_reference(instances: int) -> dict[str, float]:
    """Parse and install in the reference's local engine; returns seconds."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "noop_plugin.py").write_text(PLUGIN)
        sys.path.insert(0, folder)
        from cloudify.workflows import local

        (home / "types.yaml").write_text((ROOT / "blueprints" / "types" / "types_1_4.yaml").read_text())
        (home / "blueprint.yaml").write_text(blueprint(instances, "types.yaml"))
        begin = time.perf_counter()
        environment = local.init_env(str(home / "blueprint.yaml"))
        made = time.perf_counter()
        environment.execute("install")
        end = time.perf_counter()
        states = [each.state for each in environment.storage.get_node_instances()]
    if states.count("started") != instances:
        raise SystemExit("not all instances are started")
    return {"whole": end - begin, "prepare": made - begin, "install": end - made}


def measure(side: str, instances: int) -> None:
    """Run one measurement and print its seconds."""
    out = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    figures = run_ours(instances) if side == "ours" else run_reference(instances)
    os.write(out, json.dumps(figures).encode())


# --- the whole


def spawn(python: Path, side: str, instances: int) -> dict[str, float]:
    """Return one measurement made in a fresh process."""
    ended = subprocess.run(
        [str(python), "-P", str(Path(__file__).resolve()), "--measure", side, str(instances)],
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise SystemExit(ended.stderr)
    result: dict[str, float] = json.loads(ended.stdout)
    return result


def main() -> None:
    """Measure both sides in turn and print the medians."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--instances", type=int, default=1000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--measure", nargs=2, metavar=("SIDE", "INSTANCES"))
    chosen = arguments.parse_args()
    if chosen.measure:
        measure(chosen.measure[0], int(chosen.measure[1]))
        return
    pythons = {"ours": Path(sys.executable)}
    reference = Path(os.environ.get("CFY_VENV", ROOT / ".venv-cfy")) / "bin" / "python"
    if reference.exists():
        pythons["reference"] = reference
    runs: dict[str, list[dict[str, float]]] = {side: [] for side in pythons}
    for _ in range(chosen.rounds):
        for side, python in pythons.items():
            runs[side].append(spawn(python, side, chosen.instances))
    figures: dict[str, Any] = {"benchmark": "install", "instances": chosen.instances, "rounds": chosen.rounds}
    medians: dict[str, dict[str, float]] = {}
    for side, results in runs.items():
        found = medians[side] = {name: statistics.median(each[name] for each in results) for name in results[0]}
        for name in ("whole", "prepare", "install"):
            figures[f"{side}_{name}_s"] = round(found[name], 3)
        figures[f"{side}_operations_per_s"] = round(len(OPERATIONS) * chosen.instances / found["install"])
    if "reference" in medians:
        for name in ("whole", "install"):
            figures[f"{name}_ratio"] = round(medians["reference"][name] / medians["ours"][name], 2)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
