"""Parsing and planning of blueprints, beside the reference parser in the same run. Prints one JSON line.

    python benchmarks/dsl.py [--largest N]

Blueprints of 1, 100, 1000 and 4000 node templates with the built-in types; inputs, scripts, containment and
connections. Each of ours is the best of three runs with the types file parsed before (`ours`), the first of all with
nothing cached (`cold`). The reference, whose environment is ``CFY_VENV`` (default ``.venv-cfy``), parses the same files
once each, up to ``--largest`` templates (default 1000, which takes it minutes on a busy machine).
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from manager_core.dsl.imports import FileCache
from manager_core.dsl.parser import parse
from manager_core.dsl.resolver import BUILTIN_TYPES, FolderResolver, Found
from scheduler.clock import SystemClock

SIZES = (1, 100, 1000, 4000)
HEAD = """tosca_definitions_version: cloudify_dsl_1_4
imports: [cloudify/types/types.yaml]
inputs: {size: {type: integer, default: 2}}
node_templates:
"""
TYPES = ("cloudify.nodes.WebServer", "cloudify.nodes.Root", "cloudify.nodes.ApplicationModule")


def blueprint(count: int) -> str:
    """Return a blueprint whose node templates form a tree."""
    parts = [HEAD]
    for number in range(count):
        parts.append(
            f"""  node_{number}:
    type: {TYPES[number % 3]}
    interfaces:
      cloudify.interfaces.lifecycle:
        configure:
          implementation: scripts/run.sh
          inputs:
            size: {{get_input: size}}
            name: node_{number}
"""
        )
        if number:
            kind = "contained_in" if number % 2 else "connected_to"
            parts.append(
                f"""    relationships:
      - type: cloudify.relationships.{kind}
        target: node_{(number - 1) // 2}
"""
            )
    return "".join(parts)


def measure(path: Path, cache: FileCache) -> float:
    """Return the seconds from text on disk to plan."""
    gc.collect()
    started = time.perf_counter()
    main = Found(str(path), path.read_text(), path.name)
    parse(main, FolderResolver(path.parent), now=SystemClock().now(), cache=cache)
    return time.perf_counter() - started


def reference_seconds(python: Path, folder: Path, sizes: list[int]) -> dict[int, float]:
    """Return size → seconds of the reference parser, one process for all sizes, imports not counted."""
    types = folder / "resources" / "cloudify" / "types"
    types.mkdir(parents=True)
    for path in BUILTIN_TYPES.glob("types*.yaml"):
        shutil.copy(path, types)
    requests = [
        json.dumps({"path": str(folder / f"{size}.yaml"), "resources": str(types.parents[1])}) for size in sizes
    ]
    driver = ROOT / "tests" / "integration" / "dsl_reference.py"
    answers = subprocess.run(
        [str(python), str(driver)], input="\n".join(requests), capture_output=True, text=True, check=True
    ).stdout.splitlines()
    result = {}
    for size, line in zip(sizes, answers, strict=True):
        answer = json.loads(line)
        if "error" in answer:
            raise SystemExit(f"the reference refuses the blueprint: {answer['error']}")
        result[size] = answer["seconds"]
    return result


def main() -> None:
    """Measure both and print the line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--largest", type=int, default=1000, help="largest blueprint for the reference")
    largest = parser.parse_args().largest
    python = Path(os.environ.get("CFY_VENV") or ROOT / ".venv-cfy") / "bin" / "python"
    line: dict[str, object] = {"benchmark": "dsl"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "scripts").mkdir()
        (folder / "scripts" / "run.sh").touch()
        for size in SIZES:
            (folder / f"{size}.yaml").write_text(blueprint(size))
        cold = measure(folder / "1.yaml", FileCache())
        cache = FileCache()
        measure(folder / "1.yaml", cache)
        ours = {}
        for size in SIZES:
            runs = []  # the text differs each time, so that only imports come from the cache
            for attempt in range(3):
                with (folder / f"{size}.yaml").open("a") as file:
                    file.write(f"# {attempt}\n")
                runs.append(measure(folder / f"{size}.yaml", cache))
            ours[size] = min(runs)
        line["cold_seconds"] = {"1": round(cold, 4)}
        line["ours_seconds"] = {str(size): round(seconds, 4) for size, seconds in ours.items()}
        line["growth_1000_to_4000"] = round(ours[4000] / ours[1000], 2)
        if python.exists():
            theirs = reference_seconds(python, folder, [size for size in SIZES if size <= largest])
            line["reference_seconds"] = {str(size): round(seconds, 3) for size, seconds in theirs.items()}
            line["times_faster"] = {str(size): round(seconds / ours[size], 1) for size, seconds in theirs.items()}
        else:
            line["reference"] = "not installed"
    print(json.dumps(line))


if __name__ == "__main__":
    main()
