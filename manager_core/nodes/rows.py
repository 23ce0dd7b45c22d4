"""From the plan to rows of nodes and node instances, inserted in sets, and back to plain records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select
from sqlmodel import Session

from manager_core.deployments.tables import Deployment
from manager_core.nodes.tables import Node, NodeInstance

_WITHOUT = frozenset({"source_interfaces", "target_interfaces"})
_CHUNK = 500
UPDATE_WORKFLOWS = frozenset({"update", "csys_update_deployment", "csys_new_deployment_update"})
"""Workflows whose executions may change nodes."""


def node_values(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that come from a node of a plan (blueprint-dsl contract §20: what the stored node keeps)."""
    scalable = ((node.get("capabilities") or {}).get("scalable") or {}).get("properties") or {}
    current = scalable.get("current_instances", node.get("number_of_instances", 1))
    return {
        "id": node.get("id") or node["name"],
        "host_id": node.get("host_id"),
        "type": node["type"],
        "type_hierarchy": list(node.get("type_hierarchy") or [node["type"]]),
        "properties": node.get("properties") or {},
        "operations": node.get("operations") or {},
        "relationships": [
            {name: value for name, value in relationship.items() if name not in _WITHOUT}
            for relationship in node.get("relationships") or []
        ],
        "plugins": node.get("plugins") or [],
        "plugins_to_install": node.get("plugins_to_install") or [],
        "number_of_instances": current,
        "planned_number_of_instances": scalable.get(
            "planned_instances", node.get("planned_number_of_instances", current)
        ),
        "deploy_number_of_instances": scalable.get(
            "default_instances", node.get("deploy_number_of_instances", current)
        ),
        "min_number_of_instances": scalable.get("min_instances", node.get("min_number_of_instances", 0)),
        "max_number_of_instances": scalable.get("max_instances", node.get("max_number_of_instances", -1)),
    }


def _of_deployment(deployment: Deployment, now: datetime) -> dict[str, Any]:
    return {
        "tenant_name": deployment.tenant_name,
        "created_by": deployment.created_by,
        "visibility": deployment.visibility,
        "created_at": now,
        "deployment_id": deployment.id,
    }


def insert_nodes(session: Session, deployment: Deployment, nodes: Iterable[Mapping[str, Any]], now: datetime) -> None:
    """Store the nodes of a plan."""
    shared = {**_of_deployment(deployment, now), "blueprint_id": deployment.blueprint_id}
    rows = [{**shared, **node_values(node)} for node in nodes]
    if rows:
        session.connection().execute(insert(Node), rows)


def insert_instances(
    session: Session, deployment: Deployment, instances: Sequence[Mapping[str, Any]], now: datetime
) -> None:
    """Store new node instances, each with the next free index of its node."""
    if not instances:
        return
    indexes = _highest_indexes(session, deployment, {item["node_id"] for item in instances})
    shared = _of_deployment(deployment, now)
    rows = []
    for item in instances:
        indexes[item["node_id"]] += 1
        rows.append(
            {
                **shared,
                "id": item["id"],
                "node_id": item["node_id"],
                "host_id": item.get("host_id"),
                "index": item.get("index") or indexes[item["node_id"]],
                "state": item.get("state") or "uninitialized",
                "version": item.get("version") or 1,
                "relationships": item.get("relationships") or [],
                "runtime_properties": item.get("runtime_properties") or {},
                "system_properties": item.get("system_properties") or {},
                "scaling_groups": item.get("scaling_groups") or [],
                "has_configuration_drift": drifted(item.get("system_properties")),
                "is_status_check_ok": status_ok(item.get("system_properties")),
            }
        )
    session.connection().execute(insert(NodeInstance), rows)


def _highest_indexes(session: Session, deployment: Deployment, nodes: set[str]) -> dict[str, int]:
    table: Any = NodeInstance
    statement = (
        select(table.node_id, func.max(table.index))
        .where(table.tenant_name == deployment.tenant_name, table.deployment_id == deployment.id)
        .group_by(table.node_id)
    )
    found: dict[str, int] = defaultdict(int)
    for node, highest in session.connection().execute(statement):
        if node in nodes:
            found[node] = highest or 0
    return found


def taken_ids(session: Session, tenant: str, ids: Sequence[str]) -> set[str]:
    """Return which of some node instance ids the tenant uses already."""
    table: Any = NodeInstance
    found: set[str] = set()
    for start in range(0, len(ids), _CHUNK):
        statement = select(table.id).where(table.tenant_name == tenant, table.id.in_(ids[start : start + _CHUNK]))
        found.update(session.connection().execute(statement).scalars())
    return found


_HIDDEN = frozenset({"storage_id"})


def load_nodes(session: Session, tenant: str, deployment_id: str) -> list[dict[str, Any]]:
    """Return all nodes of a deployment as plain records, in plan order."""
    return _load(session, Node, tenant, deployment_id)


def load_instances(session: Session, tenant: str, deployment_id: str) -> list[dict[str, Any]]:
    """Return all node instances of a deployment as plain records, oldest first."""
    return _load(session, NodeInstance, tenant, deployment_id)


def _load(session: Session, model: Any, tenant: str, deployment_id: str) -> list[dict[str, Any]]:
    table = model.__table__
    statement = (
        select(*(column for column in table.columns if column.name not in _HIDDEN))
        .where(table.c.tenant_name == tenant, table.c.deployment_id == deployment_id)
        .order_by(table.c.storage_id)
    )
    return [dict(row) for row in session.connection().execute(statement).mappings()]


def instance_record(row: NodeInstance) -> dict[str, Any]:
    """Return a node instance's row as a plain record."""
    return row.model_dump(exclude=set(_HIDDEN))


TOUCHING_STATES = frozenset({"configured", "started"})
"""States that a workflow cannot give to an instance without changing its system properties."""


def enter_state(system_properties: dict[str, Any], state: str, now: datetime) -> None:
    """Change an instance's system properties as a state that a workflow gives it asks for (runtime contract §3.4)."""
    if state == "configured":
        system_properties["configuration_drift"] = None
    elif state == "started":
        moment = now.strftime("%Y-%m-%dT%H:%M:%S.%f")[:23] + "Z"
        system_properties["status"] = {"ok": True, "result": None, "task": None, "timestamp": moment}
        system_properties["previous_status"] = None


def drifted(system_properties: Mapping[str, Any] | None) -> bool:
    """Tell whether a drift check found something (workflow-runtime contract §4.9)."""
    known = system_properties or {}
    records = [known.get("configuration_drift")]
    for name in ("source_relationships_configuration_drift", "target_relationships_configuration_drift"):
        records.extend((known.get(name) or {}).values())
    return any(
        isinstance(record, dict) and (record.get("ok") is False or record.get("result") is not None)
        for record in records
    )


def status_ok(system_properties: Mapping[str, Any] | None) -> bool:
    """Tell whether the latest status check was good; one that never ran counts as good."""
    status = (system_properties or {}).get("status")
    return not isinstance(status, dict) or status.get("ok") is not False
