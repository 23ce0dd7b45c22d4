"""Small plans, built by hand in the shape of the language contract §20."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

CONNECTED_TO = "cloudify.relationships.connected_to"
CONTAINED_IN = "cloudify.relationships.contained_in"
DEPENDS_ON = "cloudify.relationships.depends_on"


def a_count(count: Any) -> dict[str, Any]:
    """Return the properties of something scalable."""
    return {
        "default_instances": count,
        "min_instances": 0,
        "max_instances": -1,
        "current_instances": count,
        "planned_instances": count,
    }


def an_operation(**inputs: Any) -> dict[str, Any]:
    """Return an operation with inputs."""
    return {
        "plugin": "p",
        "operation": "run",
        "executor": "central_deployment_agent",
        "inputs": inputs,
        "has_intrinsic_functions": False,
        "max_retries": None,
        "retry_interval": None,
        "timeout": None,
        "timeout_recoverable": None,
    }


def a_relationship(kind: str, target: str, **more: Any) -> dict[str, Any]:
    """Return a relationship of a built-in kind."""
    hierarchy = [DEPENDS_ON] if kind == DEPENDS_ON else [DEPENDS_ON, kind]
    return {
        "type": kind,
        "type_hierarchy": hierarchy,
        "target_id": target,
        "properties": {"connection_type": "all_to_all"},
        "source_operations": {},
        "target_operations": {},
        **more,
    }


def contained_in(target: str) -> dict[str, Any]:
    """Return a contained_in relationship."""
    return a_relationship(CONTAINED_IN, target)


def connected_to(target: str, connection_type: str = "all_to_all") -> dict[str, Any]:
    """Return a connected_to relationship."""
    return a_relationship(CONNECTED_TO, target, properties={"connection_type": connection_type})


def a_node(
    name: str,
    *relationships: Mapping[str, Any],
    count: Any = 1,
    host: str | None = None,
    operations: Mapping[str, Any] | None = None,
    **properties: Any,
) -> dict[str, Any]:
    """Return a plan node."""
    node = {
        "id": name,
        "name": name,
        "type": "t",
        "type_hierarchy": ["t"],
        "properties": properties,
        "capabilities": {"scalable": {"properties": a_count(count)}},
        "operations": dict(operations or {}),
        "relationships": list(relationships),
        "plugins": [],
    }
    return {**node, "host_id": host} if host else node


def a_group(*members: str, count: Any = 1) -> dict[str, Any]:
    """Return a scaling group."""
    return {"members": list(members), "properties": a_count(count)}


def a_plan(*nodes: Mapping[str, Any], inputs: Mapping[str, Any] | None = None, **sections: Any) -> dict[str, Any]:
    """Return a plan of these nodes; `inputs` are schemas."""
    plan: dict[str, Any] = {
        "version": {"raw": "cloudify_dsl_1_5", "definitions_name": "cloudify_dsl", "definitions_version": [1, 5]},
        "nodes": list(nodes),
        "inputs": dict(inputs or {}),
    }
    empty = ("outputs", "capabilities", "labels", "policies", "scaling_groups", "deployment_settings", "data_types")
    plan.update({section: {} for section in empty})
    plan.update(sections)
    return plan


def by_id(instances: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return instances by id."""
    return {item["id"]: item for item in instances}


def of_node(instances: Sequence[Mapping[str, Any]], node: str) -> list[Mapping[str, Any]]:
    """Return the instances of one node."""
    return [item for item in instances if item["node_id"] == node]
