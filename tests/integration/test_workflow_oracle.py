"""The same workflows on the same blueprints in the reference's local engine and in ours.

Compared: which operations ran, in which order for each instance, how often each was tried, what they were
given, the lifecycle events of each instance, the states and runtime properties it ended with, and how the
workflow ended; plus, for both engines, the orders between instances that a scenario names.
"""

from __future__ import annotations

import json
import os
import subprocess
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.workflow_play import InMemoryRuntime, play_plan
from tests.support.workflow_scenarios import SCENARIOS, Scenario

pytestmark = [pytest.mark.reference, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data" / "workflow_oracle"
PLUGIN = DATA / "plugin"
REFERENCE = Path(os.environ.get("CFY_VENV", ROOT / ".venv-cfy")) / "bin" / "python"
SCRIPT = ROOT / "tests" / "support" / "reference_workflows.py"

Trace = list[dict[str, Any]]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What the reference did, by scenario; all scenarios in one process of it."""
    if not REFERENCE.exists():
        pytest.skip("no reference environment (CFY_VENV)")
    requests = []
    types = _few_types()
    for number, scenario in enumerate(SCENARIOS):
        folder = tmp_path_factory.mktemp(f"scenario{number}")
        (folder / "types.yaml").write_text(types)
        text = (DATA / "preamble.yaml").read_text() + "node_templates:" + scenario.nodes
        (folder / "blueprint.yaml").write_text(text)
        (folder / "trace").touch()
        requests.append(
            {
                "blueprint": str(folder / "blueprint.yaml"),
                "trace": str(folder / "trace"),
                "runs": [{"workflow": name, "parameters": given, **more} for name, given, more in scenario.runs],
            }
        )
    written = tmp_path_factory.mktemp("reference") / "answers.json"
    # -P: the script's folder holds modules named like packages the reference imports.
    ended = subprocess.run(
        [str(REFERENCE), "-P", str(SCRIPT), str(PLUGIN), str(written)],
        input=json.dumps(requests),
        capture_output=True,
        text=True,
        cwd=tmp_path_factory.getbasetemp(),
        timeout=600,
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    answers = json.loads(written.read_text())
    return {
        scenario.name: {**answer, "trace": _read(Path(request["trace"])), "request": request}
        for scenario, request, answer in zip(SCENARIOS, requests, answers, strict=True)
    }


@pytest.fixture(autouse=True)
def plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scenarios' operations and workflows, importable here as well."""
    monkeypatch.syspath_prepend(str(PLUGIN))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_runs_as_in_the_reference(
    scenario: Scenario,
    reference: dict[str, dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both engines run the same operations with the same attempts, events, states, properties and outcome."""
    theirs = reference[scenario.name]
    trace = tmp_path / "trace"
    trace.touch()
    monkeypatch.setenv("WORKFLOW_TRACE", str(trace))
    runtime = InMemoryRuntime(
        theirs["nodes"],
        [_instance(each) for each in theirs["instances"]],
        scaling_groups=theirs["scaling_groups"],
    )
    try:
        for run, expected in zip(theirs["request"]["runs"], theirs["runs"], strict=True):
            for record in (runtime.graphs, runtime.operations, runtime.events):
                record.clear()
            played = play_plan(runtime, theirs["workflows"], run)
            _compare_outcome(played.status, played.error, expected)
            for instance in expected["instances"]:
                mine, instance_id = runtime.instances[instance["id"]], instance["id"]
                assert mine["state"] == instance.get("state"), instance_id
                assert mine["runtime_properties"] == instance["runtime_properties"], instance_id
                assert played.messages("workflow_node_event", instance_id) == _lines_about(expected, instance_id)
    finally:
        runtime.close()
    ours = _read(trace)
    assert _by_subject(ours, scenario) == _by_subject(theirs["trace"], scenario)
    names = {each["id"]: each["node_id"] for each in theirs["instances"]}
    for rule in scenario.order:
        _check_order(rule, ours, names)
        _check_order(rule, theirs["trace"], names)


def test_there_are_enough_scenarios() -> None:
    """The oracle stays as wide as it was promised to be."""
    assert len(SCENARIOS) >= 40
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)


def _few_types() -> str:
    """Return the built-in types without those no scenario uses: the reference takes long to parse them all."""
    types = yaml.safe_load((ROOT / "blueprints" / "types" / "types_1_4.yaml").read_text())
    wanted = ("Root", "Compute", "depends_on", "connected_to", "contained_in", "depends_on_lifecycle_operation")
    for section in ("node_types", "relationships"):
        types[section] = {name: body for name, body in types[section].items() if name.split(".")[-1] in wanted}
    return yaml.safe_dump({name: types[name] for name in types if not name.startswith("policy_")})


def _instance(record: dict[str, Any]) -> dict[str, Any]:
    return {
        **record,
        # The local engine starts without a state where a manager says `uninitialized`.
        "state": record.get("state"),
        "version": record.get("version") or 1,
        "system_properties": record.get("system_properties") or {},
        "runtime_properties": record.get("runtime_properties") or {},
        "relationships": record.get("relationships") or [],
        "scaling_groups": record.get("scaling_groups") or [],
    }


def _read(path: Path) -> Trace:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _compare_outcome(status: str, error: str | None, run: dict[str, Any]) -> None:
    expected = run["error"]
    if expected is None:
        assert status == "terminated", error
    else:
        assert status == "failed"
        first = expected["text"].splitlines()[0].rstrip()
        assert error is not None
        if first.startswith("Task failed: "):
            # The local engine leaves out where and why.
            assert error.startswith(first.removesuffix(":"))
        else:
            assert first in error


def _lines_about(run: dict[str, Any], instance_id: str) -> list[str]:
    mark = f"[{instance_id}] "
    return [line.split(mark, 1)[1] for line in run["lines"] if " CFY <" in line and mark in line]


def _by_subject(trace: Trace, scenario: Scenario) -> dict[str, list[tuple[Any, ...]]]:
    """Return what was started on each instance or relationship, in order; what may run side by side is sorted."""
    subjects: dict[str, list[tuple[Any, ...]]] = {}
    for entry in trace:
        if entry["at"] == "start":
            facts = (entry["op"], entry["attempt"], entry["most"], entry["side"] or "", tuple(entry["inputs"]))
            subjects.setdefault(entry["who"], []).append(facts)
    if scenario.side_by_side:
        return {who: sorted(facts) for who, facts in subjects.items()}
    return {
        who: [fact for _, group in groupby(facts, key=lambda fact: fact[0]) for fact in sorted(group)]
        for who, facts in subjects.items()
    }


def _check_order(rule: str, trace: Trace, names: dict[str, str]) -> None:
    before, after = (_moments(side.strip(), trace, names) for side in rule.split(" < "))
    ends = [at for at, entry in before if entry["at"] == "end"]
    starts = [at for at, entry in after if entry["at"] == "start"]
    assert ends, f"{rule}: the first never ran"
    assert starts, f"{rule}: the second never ran"
    # Only first runs count: later workflows of a scenario may run the same operations again.
    assert min(ends) < min(starts), rule


def _moments(what: str, trace: Trace, names: dict[str, str]) -> list[tuple[int, dict[str, Any]]]:
    subject, _, operation = what.rpartition(".")
    found = []
    for at, entry in enumerate(trace):
        who = ">".join(names[part] for part in entry["who"].split("->"))
        if who == subject and entry["op"] == operation:
            found.append((at, entry))
    return found
