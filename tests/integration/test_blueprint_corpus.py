"""Real blueprints from the field give the plan, and the prepared plan, that was recorded for each of them.

The corpus lies outside the repository: beside it under ``shared/corpus``, or where ``BLUEPRINT_CORPUS`` points.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from manager_core.dsl.errors import DslErrors
from manager_core.plan_command import load_plan, prepare_offline
from tests.support.plan_comparison import first_difference

ROOT = Path(__file__).resolve().parents[2]
CORPUS = Path(os.environ.get("BLUEPRINT_CORPUS") or ROOT.parent / "shared" / "corpus")
FULL_NUMBER = 150

pytestmark = pytest.mark.skipif(not (CORPUS / "plans").is_dir(), reason=f"the blueprint corpus is not at {CORPUS}")

RECORD_KEYS = (
    "executor",
    "install",
    "install_arguments",
    "name",
    "package_name",
    "package_version",
    "properties",
    "source",
)


def corpus_names() -> list[str]:
    """Name every recorded blueprint."""
    return sorted(path.stem for path in (CORPUS / "plans").glob("*.json"))


def our_plan(name: str) -> dict[str, Any]:
    """Parse one blueprint of the corpus the way the plan command does."""
    home = CORPUS / "blueprints" / name
    closure = json.loads((home / "closure.json").read_text())
    blueprints = {
        blueprint_id: home / item["dir"] / item["main"] for blueprint_id, item in closure["blueprint_imports"].items()
    }
    return load_plan(
        home / closure["main"],
        now=datetime(2024, 1, 1, tzinfo=UTC),
        plugins=CORPUS / "blueprints" / "_shared" / "plugins",
        resources=CORPUS / "blueprints" / "_shared" / "resources",
        blueprints=blueprints,
    )


def record(plugin: dict[str, Any]) -> dict[str, Any]:
    properties = {name: without(body, "description") for name, body in plugin["properties"].items()}
    return {**{key: plugin[key] for key in RECORD_KEYS}, "properties": properties}


def records(plugins: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(map(record, plugins), key=lambda item: (item["name"], str(item["executor"])))


def names(plugins: list[dict[str, Any]]) -> list[str]:
    return sorted(item["name"] for item in plugins)


def split_operations(operations: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    busy = {name: item for name, item in operations.items() if item["plugin"]}
    return busy, sorted(set(operations) - set(busy))


def normal_relationship(item: dict[str, Any]) -> dict[str, Any]:
    source, source_noop = split_operations(item["source_operations"])
    target, target_noop = split_operations(item["target_operations"])
    return {
        "type": item["type"],
        "type_hierarchy": item["type_hierarchy"],
        "target_id": item["target_id"],
        "properties": item["properties"],
        "source_operations": source,
        "source_noop_operations": source_noop,
        "target_operations": target,
        "target_noop_operations": target_noop,
    }


def normal_node(node: dict[str, Any]) -> dict[str, Any]:
    busy, noop = split_operations(node["operations"])
    result = {
        "id": node["id"],
        "type": node["type"],
        "type_hierarchy": node["type_hierarchy"],
        "properties": node["properties"],
        "instances": node["instances"],
        "capabilities": node["capabilities"],
        "host_id": node.get("host_id"),
        "operations": busy,
        "noop_operations": noop,
        "relationships": [normal_relationship(item) for item in node["relationships"]],
        "plugins": records(node["plugins"]),
        "deployment_plugins_to_install": names(node["deployment_plugins_to_install"]),
    }
    if "plugins_to_install" in node:
        result["plugins_to_install"] = names(node["plugins_to_install"])
    return result


def without(body: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key not in keys}


def normal_workflow(workflow: dict[str, Any]) -> dict[str, Any]:
    return {**workflow, "parameters": {k: without(v, "description") for k, v in workflow["parameters"].items()}}


def normal_settings(settings: dict[str, Any]) -> dict[str, Any]:
    if "default_schedules" not in settings:
        return settings
    schedules = {name: without(body, "timezone") for name, body in settings["default_schedules"].items()}
    return {**settings, "default_schedules": schedules}


def as_set(items: list[Any]) -> list[str]:
    return sorted({json.dumps(item, sort_keys=True) for item in items})


def normal_plan(plan: dict[str, Any]) -> dict[str, Any]:
    """Bring a plan into the corpus's form."""
    return {
        **{
            key: plan[key]
            for key in (
                "blueprint_labels",
                "capabilities",
                "description",
                "inputs",
                "labels",
                "metadata",
                "outputs",
                "policies",
                "resource_tags",
                "namespaces_mapping",
                "version",
            )
        },
        "data_types": {name: sorted(body["properties"]) for name, body in plan["data_types"].items()},
        "deployment_plugins_to_install": records(plan["deployment_plugins_to_install"]),
        "workflow_plugins_to_install": records(plan["workflow_plugins_to_install"]),
        "host_agent_plugins_to_install": records(plan["host_agent_plugins_to_install"]),
        "deployment_settings": normal_settings(plan["deployment_settings"]),
        "groups": {name: {**body, "members": sorted(body["members"])} for name, body in plan["groups"].items()},
        "scaling_groups": {
            name: {**body, "members": sorted(body["members"])} for name, body in plan["scaling_groups"].items()
        },
        "imported_blueprints": sorted(plan["imported_blueprints"]),
        "node_order": [node["id"] for node in plan["nodes"]],
        "nodes": {node["id"]: normal_node(node) for node in plan["nodes"]},
        "policy_triggers": sorted(plan["policy_triggers"]),
        "policy_types": sorted(plan["policy_types"]),
        "relationship_types": {name: body["type_hierarchy"] for name, body in plan["relationships"].items()},
        "requirements": {key: as_set(items) for key, items in plan["requirements"].items()},
        "workflows": {name: normal_workflow(body) for name, body in plan["workflows"].items()},
    }


def normal_recorded(recorded: dict[str, Any]) -> dict[str, Any]:
    """Bring a recorded plan into the same form: what is a list of named things becomes a mapping."""
    plan = without(recorded, "prepared", "prepared_error")
    plan["nodes"] = {node["id"]: {**node, "plugins": records(node["plugins"])} for node in recorded["nodes"]}
    for key in ("groups", "scaling_groups"):
        plan[key] = {name: {**body, "members": sorted(body["members"])} for name, body in recorded[key].items()}
    for key in ("deployment", "workflow", "host_agent"):
        plan[f"{key}_plugins_to_install"] = records(recorded[f"{key}_plugins_to_install"])
    plan["requirements"] = {key: as_set(items) for key, items in recorded["requirements"].items()}
    plan["imported_blueprints"] = sorted(recorded["imported_blueprints"])
    plan["workflows"] = {name: normal_workflow(body) for name, body in recorded["workflows"].items()}
    plan["deployment_settings"] = normal_settings(recorded["deployment_settings"])
    return plan


def values_of(operations: dict[str, Any]) -> dict[str, Any]:
    busy, _ = split_operations(operations)
    return {
        name: {"has_intrinsic_functions": item["has_intrinsic_functions"], "inputs": item["inputs"]}
        for name, item in busy.items()
    }


def normal_prepared(prepared: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Bring a prepared plan into the corpus's form."""
    instances = prepared["node_instances"]
    node_of = {item["id"]: item["node_id"] for item in instances}
    return {
        **{key: prepared[key] for key in ("inputs", "outputs", "capabilities", "labels")},
        "deployment_settings": normal_settings(prepared["deployment_settings"]),
        "given_inputs": given,
        "nodes": {
            node["id"]: {
                "properties": node["properties"],
                "operations": values_of(node["operations"]),
                "relationships": [
                    {
                        "type": item["type"],
                        "target_id": item["target_id"],
                        "source_operations": values_of(item["source_operations"]),
                        "target_operations": values_of(item["target_operations"]),
                    }
                    for item in node["relationships"]
                ],
                "scalable": node["capabilities"]["scalable"]["properties"],
            }
            for node in prepared["nodes"]
        },
        "node_instance_counts": dict(Counter(item["node_id"] for item in instances)),
        "relationship_instance_counts": dict(
            Counter(
                f"{item['node_id']}|{relationship['type']}|{node_of[relationship['target_id']]}"
                for item in instances
                for relationship in item["relationships"]
            )
        ),
        "host_links": dict(
            Counter(f"{item['node_id']}|{node_of[item['host_id']]}" for item in instances if item.get("host_id"))
        ),
        "scaling_group_memberships": dict(
            Counter(
                f"{item['node_id']}|{group['name']}" for item in instances for group in item.get("scaling_groups", ())
            )
        ),
        "scaling_groups": {
            name: {**body, "members": sorted(body["members"])} for name, body in prepared["scaling_groups"].items()
        },
    }


def check_one(name: str) -> str | None:
    """Compare one blueprint with its record; say what differs."""
    recorded = json.loads((CORPUS / "plans" / f"{name}.json").read_text())
    try:
        plan = json.loads(json.dumps(our_plan(name)))
    except DslErrors as errors:
        return f"refused: {errors}"
    found = first_difference(normal_plan(plan), normal_recorded(recorded), "")
    if found:
        return f"plan{found}"
    if "prepared" in recorded:
        given = recorded["prepared"]["given_inputs"]
        try:
            prepared = json.loads(json.dumps(prepare_offline(plan, given)))
        except DslErrors as errors:
            return f"prepare refused: {errors}"
        found = first_difference(normal_prepared(prepared, given), recorded["prepared"], "")
        return f"prepared{found}" if found else None
    wanted = recorded["prepared_error"]["kind"]
    try:
        prepare_offline(plan, recorded.get("given_inputs", {}))
    except DslErrors as errors:
        kinds = [problem.exception_name for problem in errors.problems]
        return None if wanted in kinds else f"prepare refused with {kinds}, recorded {wanted}"
    return f"prepare accepted, recorded {wanted}"


def test_every_recorded_blueprint_gives_its_recorded_plan(
    record_property: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """All blueprints of the corpus are compared, and all of them agree."""
    compared = corpus_names()
    differences = {name: found for name in compared if (found := check_one(name))}
    record_property("compared", len(compared))
    with capsys.disabled():
        sys.stdout.write(f"\ncorpus: {len(compared)} blueprints compared, {len(compared) - len(differences)} agree\n")
    assert not differences, "\n".join(f"{name}: {found}" for name, found in differences.items())
    assert len(compared) == FULL_NUMBER, f"only {len(compared)} of {FULL_NUMBER} blueprints are there"
