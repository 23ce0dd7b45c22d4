"""Preparation, node instances, modification and run-time evaluation agree with the reference parser.

The reference runs in an environment of its own (`CFY_VENV`); without it these tests are skipped by name.
"""

from __future__ import annotations

import copy
import json
import os
import subprocess
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from manager_core.dsl import functions
from manager_core.dsl.constraints import ValueSource
from manager_core.dsl.errors import DslErrors, Findings
from manager_core.dsl.evaluate import evaluate, evaluate_capabilities, evaluate_outputs
from manager_core.dsl.instances import create_instances
from manager_core.dsl.modification import modify
from manager_core.dsl.prepare import inter_deployment_functions, prepare
from tests.support.prepare_facts import DataStorage, DataValues, counting_ids
from tests.support.prepare_scenarios import scenarios

pytestmark = [pytest.mark.reference, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
PYTHON = Path(os.environ.get("CFY_VENV", ROOT / ".venv-cfy")) / "bin" / "python"
SCENARIOS = {scenario["name"]: scenario for scenario in scenarios()}
TIDIER = {"KeyError", "TypeError", "ValueError", "IndexError", "AttributeError"}
"""Raised by the reference without a kind of its own: a refusal of any kind agrees with them."""

EVALUATED = ("inputs", "outputs", "capabilities", "labels", "deployment_settings", "policies", "scaling_groups")


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    """What the reference answers, by scenario."""
    if not PYTHON.exists():
        pytest.skip("the reference environment is missing (CFY_VENV)")
    done = subprocess.run(
        [str(PYTHON), "-P", str(ROOT / "tests" / "support" / "prepare_reference.py")],
        input=json.dumps(list(SCENARIOS.values())),
        capture_output=True,
        text=True,
        check=True,
    )
    return {answer["name"]: answer for answer in json.loads(done.stdout)}


@pytest.mark.parametrize("name", [name for name, item in SCENARIOS.items() if "blueprint" in item])
def test_a_prepared_plan_is_the_one_the_reference_prepares(name: str, reference: dict[str, Any]) -> None:
    """Same values or the same kind of refusal; the same instances and relationships, whatever their ids."""
    scenario, expected = SCENARIOS[name], reference[name]
    plan = expected["plan"]
    untouched = copy.deepcopy(plan)
    try:
        _check(plan)
        assert _sets(functions.collect_requirements(plan)) == _sets(expected.get("requirements", {}))
        prepared = _prepare(scenario, plan)
        instances = create_instances(prepared, ids=counting_ids())
    except DslErrors as error:
        assert "error" in expected, f"the reference accepts this: {error}"
        kinds = {problem.exception_name for problem in error.problems}
        assert expected["error"]["kind"] in kinds | TIDIER, error
        return
    finally:
        assert plan == untouched, "preparing must not change the plan it is given"
    assert "error" not in expected, f"the reference refuses this: {expected['error']}"
    wanted = expected["prepared"]
    for section in EVALUATED:
        assert prepared[section] == wanted[section], section
    for node, wanted_node in zip(prepared["nodes"], wanted["nodes"], strict=True):
        assert _without_interfaces(node) == _without_interfaces(wanted_node)
    assert signatures(instances) == signatures(wanted["node_instances"])
    found = inter_deployment_functions(prepared, instances)
    assert _dependencies(found) == _dependencies(wanted["inter_deployment_functions"])


@pytest.mark.parametrize("name", [name for name, item in SCENARIOS.items() if "modify" in item or "update" in item])
def test_a_modification_changes_what_the_reference_changes(name: str, reference: dict[str, Any]) -> None:
    """The four lists agree: the same existing instances, as many new ones, the same relationships."""
    expected = reference[name]
    prepared = expected["prepared"]
    existing = prepared["node_instances"]
    new = expected.get("new", prepared)
    result = modify(new["nodes"], new["scaling_groups"], existing, expected["modified"], ids=counting_ids("n"))
    known = {item["id"] for item in existing} | {
        group["id"] for item in existing for group in item.get("scaling_groups") or ()
    }
    free_choice = SCENARIOS[name].get("free_choice", False)
    for key, wanted in expected["result"].items():
        if free_choice:
            assert signatures(result[key]) == signatures(wanted), key
        else:
            assert _anonymous(result[key], known) == _anonymous(wanted, known), key


@pytest.mark.parametrize("name", [name for name, item in SCENARIOS.items() if "payload" in item])
def test_a_payload_evaluates_to_what_the_reference_says(name: str, reference: dict[str, Any]) -> None:
    """Same value, or the same kind of refusal."""
    scenario, expected = SCENARIOS[name], reference[name]
    storage = DataStorage(scenario["storage"])
    try:
        if scenario.get("as") == "outputs":
            found = evaluate_outputs(scenario["payload"], storage=storage)
        elif scenario.get("as") == "capabilities":
            found = evaluate_capabilities(scenario["payload"], storage=storage)
        else:
            found = evaluate(scenario["payload"], storage=storage, context=scenario["context"])
    except DslErrors as error:
        assert "error" in expected, f"the reference evaluates this to {expected.get('value')}: {error}"
        assert expected["error"]["kind"] in {problem.exception_name for problem in error.problems} | TIDIER
        return
    assert "error" not in expected, f"the reference refuses this: {expected['error']}"
    assert found == expected["value"]


def _check(plan: Mapping[str, Any]) -> None:
    findings = Findings()
    functions.validate(plan, findings)
    if findings:
        raise DslErrors(findings.problems)


def _prepare(scenario: Mapping[str, Any], plan: Mapping[str, Any]) -> dict[str, Any]:
    known = scenario.get("secrets")
    values: ValueSource | None = DataValues(scenario["values"]) if scenario.get("values") else None
    return prepare(
        plan,
        scenario.get("inputs"),
        secrets=None if known is None else lambda names: set(names) & set(known),
        values=values,
        runtime_only=scenario.get("runtime_only", False),
        auto_correct=scenario.get("auto_correct", False),
    )


def _without_interfaces(node: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the raw form of the operations: the reference evaluates it along, by sharing objects."""
    raw = ("interfaces", "source_interfaces", "target_interfaces")
    relationships = [{key: value for key, value in item.items() if key not in raw} for item in node["relationships"]]
    return {key: value for key, value in {**node, "relationships": relationships}.items() if key not in raw}


def _sets(requirements: Mapping[str, Any]) -> dict[str, set[str]]:
    return {key: {json.dumps(item) for item in items} for key, items in requirements.items()}


def _dependencies(entries: list[dict[str, Any]]) -> Counter[str]:
    """Dependencies with the nodes in the place of the instances."""
    return Counter(
        json.dumps(
            [
                entry["function_identifier"],
                entry["target_deployment"],
                {key: _node_of(item) for key, item in entry["context"].items()},
            ],
            sort_keys=True,
        )
        for entry in entries
    )


def _node_of(instance_id: str) -> str:
    return instance_id.rpartition("_")[0]


def _anonymous(instances: list[dict[str, Any]], known: set[str]) -> Counter[str]:
    """Instances with new ids replaced by the node's name."""

    def name(instance_id: str) -> str:
        return instance_id if instance_id in known else f"{_node_of(instance_id)} (new)"

    return Counter(
        json.dumps(
            [
                name(item["id"]),
                item.get("modification"),
                name(item["host_id"]) if item.get("host_id") else None,
                [[group["name"], name(group["id"])] for group in item.get("scaling_groups") or ()],
                sorted([link["type"], link["target_name"], name(link["target_id"])] for link in item["relationships"]),
            ]
        )
        for item in instances
    )


def signatures(instances: list[dict[str, Any]], rounds: int = 5) -> Counter[str]:
    """What can be told of instances without their ids: each is described by its neighbours, over several rounds."""
    seen = {item["id"]: f"{item['node_id']} {item.get('modification')}" for item in instances}
    for item in instances:
        for group in item.get("scaling_groups") or ():
            seen[group["id"]] = group["name"]
        for link in item["relationships"]:
            seen.setdefault(link["target_id"], link["target_name"])
    for _ in range(rounds):
        incoming: dict[str, list[str]] = {key: [] for key in seen}
        outgoing: dict[str, list[Any]] = {key: [] for key in seen}
        for item in instances:
            for position, group in enumerate(item.get("scaling_groups") or ()):
                outgoing[item["id"]].append([position, seen[group["id"]]])
                incoming[group["id"]].append(seen[item["id"]])
            if item.get("host_id") in seen:
                outgoing[item["id"]].append(["host", seen[item["host_id"]]])
            for position, link in enumerate(item["relationships"]):
                outgoing[item["id"]].append([link["type"], seen[link["target_id"]]])
                incoming[link["target_id"]].append(f"{link['type']} {seen[item['id']]} {position >= 0}")
        text = {key: json.dumps([seen[key], sorted(map(str, outgoing[key])), sorted(incoming[key])]) for key in seen}
        seen = {key: str(hash(item)) for key, item in text.items()}
    return Counter(seen[item["id"]] for item in instances)
