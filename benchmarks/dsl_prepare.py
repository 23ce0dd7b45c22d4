"""Preparing a deployment and making its node instances, beside the reference in the same run. Prints one JSON line.

    python benchmarks/dsl_prepare.py [--largest N]

Plans of 100, 1000 and 4000 node templates with the built-in types, half of them contained in the other half, with
inputs, properties of other nodes, secrets and run-time calls in operation inputs. Ours is the best of three runs. The
reference, whose environment is ``CFY_VENV`` (default ``.venv-cfy``), prepares the very same plan once, up to
``--largest`` templates (default 1000).
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from manager_core.dsl.instances import create_instances
from manager_core.dsl.prepare import inter_deployment_functions, prepare
from manager_core.ids import instance_suffix
from manager_core.plan_command import load_plan
from scheduler.clock import SystemClock

SIZES = (100, 1000, 4000)
HEAD = """tosca_definitions_version: cloudify_dsl_1_4
imports: [cloudify/types/types.yaml]
inputs: {zone: {default: east}}
node_templates:
"""
PAIR = """
  host{n}:
    type: cloudify.nodes.Compute
    properties: {{ip: {{concat: [10.0.0., {{get_input: zone}}]}}}}
  app{n}:
    type: cloudify.nodes.WebServer
    interfaces:
      cloudify.interfaces.lifecycle:
        configure:
          implementation: default_workflows.x
          executor: central_deployment_agent
          inputs:
            ip: {{get_property: [host{n}, ip]}}
            key: {{get_secret: key}}
            port: {{get_attribute: [SELF, port]}}
    relationships: [{{type: cloudify.relationships.contained_in, target: host{n}}}]
"""
REFERENCE = """
import json, sys, time
from dsl_parser import tasks
plan = json.load(open(sys.argv[1]))
started = time.perf_counter()
prepared = tasks.prepare_deployment_plan(plan, get_secret_method=lambda name: name, inputs={})
print(json.dumps([time.perf_counter() - started, len(prepared["node_instances"])]))
"""


def plan_of(size: int, folder: Path) -> dict[str, Any]:
    """Parse a blueprint of `size` node templates."""
    path = folder / f"blueprint{size}.yaml"
    path.write_text(HEAD + "".join(PAIR.format(n=number) for number in range(size // 2)))
    return load_plan(path, now=SystemClock().now())


def ours(plan: dict[str, Any]) -> tuple[float, int]:
    """Prepare, make the instances, list the dependencies; return the best seconds and the number of instances."""
    best, count = float("inf"), 0
    for _ in range(3):
        gc.collect()
        started = time.perf_counter()
        prepared = prepare(plan, {}, secrets=set)
        instances = create_instances(prepared, ids=instance_suffix)
        inter_deployment_functions(prepared, instances)
        best, count = min(best, time.perf_counter() - started), len(instances)
    return best, count


def reference(plan: dict[str, Any], folder: Path) -> tuple[float, int] | None:
    """Let the reference prepare the plan; None without its environment."""
    python = Path(os.environ.get("CFY_VENV", ROOT / ".venv-cfy")) / "bin" / "python"
    if not python.exists():
        return None
    path = folder / "plan.json"
    path.write_text(json.dumps(plan))
    done = subprocess.run([str(python), "-c", REFERENCE, str(path)], capture_output=True, text=True, check=True)
    seconds, count = json.loads(done.stdout)
    return seconds, count


def main() -> None:
    """Measure every size and print the line."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--largest", type=int, default=1000, help="templates the reference still has to prepare")
    largest = arguments.parse_args().largest
    result: dict[str, Any] = {"benchmark": "dsl_prepare", "sizes": {}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for size in SIZES:
            plan = plan_of(size, folder)
            seconds, count = ours(plan)
            entry: dict[str, Any] = {"instances": count, "ours_s": round(seconds, 4)}
            theirs = reference(plan, folder) if size <= largest else None
            if theirs is not None:
                assert theirs[1] == count
                entry |= {"reference_s": round(theirs[0], 3), "times_faster": round(theirs[0] / seconds, 1)}
            result["sizes"][str(size)] = entry
    print(json.dumps(result))


if __name__ == "__main__":
    main()
