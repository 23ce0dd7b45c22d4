"""Creating a deployment of 1,000 node instances, from plan to stored rows. Prints one JSON line.

    python benchmarks/deployment_create.py [--instances N] [--postgres URL]

`ours` is the whole workflow `create_deployment_environment` on SQLite: prepare the plan, make the instances, store
nodes, instances, labels and needs in one transaction; the best of three. `ours_postgres` the same on PostgreSQL, when
the URL of an empty database is given. `peer` is the reference parser preparing the same plan and making the same
instances, with nothing stored; its environment is ``CFY_VENV`` (default ``.venv-cfy``); null when it is not there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from manager_core.access.caller import system_caller
from manager_core.blueprints import archives, upload
from manager_core.blueprints.service import UploadRequest
from manager_core.bootstrap import Core, build
from manager_core.deployments import environment
from manager_core.runtime.system_work import SystemWork
from manager_core.settings import Settings

TEXT = """\
tosca_definitions_version: cloudify_dsl_1_4
imports: [cloudify/types/types.yaml]
inputs: {{port: {{type: integer, default: 80}}}}
node_templates:
  host: {{type: cloudify.nodes.Compute, instances: {{deploy: {hosts}}}}}
  app:
    type: cloudify.nodes.WebServer
    properties: {{port: {{get_input: port}}}}
    relationships: [{{type: cloudify.relationships.contained_in, target: host}}]
outputs: {{port: {{value: {{get_property: [app, port]}}}}}}
"""
PEER = """
import json, sys, time
from pathlib import Path
from dsl_parser import parser, tasks
plan = parser.parse_from_path(sys.argv[1], resources_base_path=sys.argv[2])
best = None
for _ in range(3):
    begin = time.perf_counter()
    prepared = tasks.prepare_deployment_plan(plan, inputs={})
    took = time.perf_counter() - begin
    best = took if best is None else min(best, took)
print(json.dumps([best, len(prepared["node_instances"])]))
"""


def work(core: Core, **fields: object) -> SystemWork:
    """Return a system workflow's work without an execution process."""
    values: dict[str, object] = {
        "deployment_id": None,
        "blueprint_id": None,
        "parameters": {},
        "execution_id": "none",
        **fields,
    }
    return SystemWork(
        core=core, caller=system_caller("default_tenant"), tenant_name="default_tenant",
        send_event=lambda _message: None, **values,
    )  # type: ignore[arg-type]  # the fields are given by name  # fmt: skip


def measure(text: str, database_url: str | None = None) -> float:
    """Return the seconds of the best of three creations."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "bp").mkdir()
        (home / "bp" / "blueprint.yaml").write_text(text)
        core = build(Settings(data_dir=home / "data", admin_password="benchmark", database_url=database_url))
        caller = system_caller("default_tenant")
        archive = core.files.temporary()
        archives.pack(home / "bp", "bp", archive)
        uploaded = core.blueprints.upload(caller, "bp", UploadRequest(asynchronous=True), archive)
        upload.run(work(core, blueprint_id="bp", execution_id=uploaded["upload_execution"]["id"]))
        best = float("inf")
        for number in range(3):
            name = f"dep{number}"
            core.deployments.create(caller, name, asynchronous=True, blueprint_id="bp")
            begin = time.perf_counter()
            environment.create(work(core, deployment_id=name))
            best = min(best, time.perf_counter() - begin)
        core.close()
        return best


def peer(text: str) -> float | None:
    """Return the seconds the reference takes to prepare the plan and make the instances; None without it."""
    python = ROOT / os.environ.get("CFY_VENV", ".venv-cfy") / "bin" / "python"
    if not python.exists():
        return None
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "cloudify" / "types").mkdir(parents=True)
        types = (ROOT / "blueprints" / "types" / "types_1_4.yaml").read_text()
        (home / "cloudify" / "types" / "types_1_4.yaml").write_text(types)
        (home / "blueprint.yaml").write_text(text)
        done = subprocess.run(
            [str(python), "-c", PEER, str(home / "blueprint.yaml"), str(home)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    return float(json.loads(done.stdout)[0])


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--instances", type=int, default=1000)
    options.add_argument("--postgres")
    arguments = options.parse_args()
    text = TEXT.format(hosts=arguments.instances // 2)
    ours = measure(text)
    theirs = peer(text)
    print(
        json.dumps(
            {
                "benchmark": "deployment_create",
                "instances": arguments.instances,
                "ours_seconds": round(ours, 4),
                "ours_postgres_seconds": round(measure(text, arguments.postgres), 4) if arguments.postgres else None,
                "peer_seconds": round(theirs, 4) if theirs is not None else None,
                "ratio_peer_to_ours": round(theirs / ours, 2) if theirs else None,
                "target_seconds": 2.0,
            }
        )
    )


if __name__ == "__main__":
    main()
