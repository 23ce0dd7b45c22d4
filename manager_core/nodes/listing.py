"""Nodes, node instances and deployment modifications as clients see them (REST contract §12, §13, §14)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, not_, select
from sqlmodel import Session

from manager_core.deployments.tables import Deployment
from manager_core.executions.listing import deployment_names
from manager_core.nodes.tables import DeploymentModification, Node, NodeInstance
from manager_core.rest.listing import Field, Listing, base_fields, column

_CHUNK = 500
_I: Any = NodeInstance

Keys = list[tuple[Any, ...]]


def _by_deployment(rows: Keys) -> dict[str, list[str]]:
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for tenant, deployment, *_ in rows:
        found[tenant][deployment] = None
    return {tenant: list(names) for tenant, names in found.items()}


def _counted(session: Session, rows: Keys, *conditions: Any, by_node: bool = True) -> list[int]:
    """Count instances of each row's (tenant, deployment, node) or (tenant, deployment)."""
    keys = [_I.deployment_id, _I.node_id] if by_node else [_I.deployment_id]
    found: dict[tuple[str, ...], int] = {}
    for tenant, deployments in _by_deployment(rows).items():
        for start in range(0, len(deployments), _CHUNK):
            statement = (
                select(*keys, func.count())
                .where(_I.tenant_name == tenant, _I.deployment_id.in_(deployments[start : start + _CHUNK]), *conditions)
                .group_by(*keys)
            )
            for *key, count in session.connection().execute(statement):
                found[tenant, *key] = count
    return [found.get(tuple(row[: len(keys) + 1]), 0) for row in rows]


def instance_counts(session: Session, rows: Keys) -> list[Any]:
    """Return how many instances each node has."""
    return _counted(session, rows)


def drifted_counts(session: Session, rows: Keys) -> list[Any]:
    """Return how many instances of each node have drifted."""
    return _counted(session, rows, _I.has_configuration_drift)


def unavailable_counts(session: Session, rows: Keys) -> list[Any]:
    """Return how many instances of each node failed their latest status check."""
    return _counted(session, rows, not_(_I.is_status_check_ok))


def deployment_drifted_counts(session: Session, rows: Keys) -> list[Any]:
    """Return how many instances of each deployment have drifted."""
    return _counted(session, rows, _I.has_configuration_drift, by_node=False)


def deployment_unavailable_counts(session: Session, rows: Keys) -> list[Any]:
    """Return how many instances of each deployment failed their latest status check."""
    return _counted(session, rows, not_(_I.is_status_check_ok), by_node=False)


def planned_factor(scaling_groups: Mapping[str, Any] | None, name: str) -> int:
    """Return the product of the planned counts of the groups around a node or group."""
    for group, body in (scaling_groups or {}).items():
        if name in (body.get("members") or ()):
            planned = (body.get("properties") or {}).get("planned_instances", 1)
            return int(planned) * planned_factor(scaling_groups, group)
    return 1


def _planned(session: Session, rows: Keys) -> list[Any]:
    """Return planned × the planned counts of the enclosing groups, of rows (tenant, deployment, node, planned)."""
    table: Any = Deployment
    groups: dict[tuple[str, str], Any] = {}
    for tenant, deployments in _by_deployment(rows).items():
        for start in range(0, len(deployments), _CHUNK):
            statement = select(table.id, table.scaling_groups).where(
                table.tenant_name == tenant, table.id.in_(deployments[start : start + _CHUNK])
            )
            groups.update(
                ((tenant, identifier), found) for identifier, found in session.connection().execute(statement)
            )
    return [
        planned * planned_factor(groups.get((tenant, deployment)), node) for tenant, deployment, node, planned in rows
    ]


_NODE_KEY = (Node.tenant_name, Node.deployment_id, Node.id)

NODES = Listing(
    model="Node",
    table=Node,
    permission="node_list",
    fields={
        "id": column(Node.id),
        **base_fields(Node),
        "deployment_id": column(Node.deployment_id),
        "deployment_display_name": Field(
            (Node.tenant_name, Node.deployment_id), batch=deployment_names, filterable=False
        ),
        "blueprint_id": column(Node.blueprint_id),
        "created_at": column(Node.created_at),
        "host_id": column(Node.host_id),
        "type": column(Node.type),
        "type_hierarchy": column(Node.type_hierarchy, filterable=False),
        "properties": column(Node.properties, filterable=False),
        "operations": column(Node.operations, filterable=False),
        "relationships": column(Node.relationships, filterable=False),
        "plugins": column(Node.plugins, filterable=False),
        "plugins_to_install": column(Node.plugins_to_install, filterable=False),
        "number_of_instances": column(Node.number_of_instances),
        "planned_number_of_instances": column(Node.planned_number_of_instances),
        "deploy_number_of_instances": column(Node.deploy_number_of_instances),
        "min_number_of_instances": column(Node.min_number_of_instances),
        "max_number_of_instances": column(Node.max_number_of_instances),
        "actual_number_of_instances": Field(_NODE_KEY, batch=instance_counts, filterable=False),
        "actual_planned_number_of_instances": Field(
            (*_NODE_KEY, Node.planned_number_of_instances), batch=_planned, filterable=False
        ),
        "drifted_instances": Field(_NODE_KEY, batch=drifted_counts, filterable=False),
        "unavailable_instances": Field(_NODE_KEY, batch=unavailable_counts, filterable=False),
    },
)

NODE_INSTANCES = Listing(
    model="NodeInstance",
    table=NodeInstance,
    permission="node_instance_list",
    search=("id",),
    fields={
        "id": column(_I.id),
        **base_fields(_I),
        "node_id": column(_I.node_id),
        "deployment_id": column(_I.deployment_id),
        "deployment_display_name": Field((_I.tenant_name, _I.deployment_id), batch=deployment_names, filterable=False),
        "created_at": column(_I.created_at),
        "host_id": column(_I.host_id),
        "index": Field((_I.index,), render=lambda value: value or 0),
        "state": column(_I.state),
        "version": column(_I.version),
        "relationships": column(_I.relationships, filterable=False),
        "runtime_properties": column(_I.runtime_properties, filterable=False),
        "system_properties": column(_I.system_properties, filterable=False),
        "scaling_groups": column(_I.scaling_groups, filterable=False),
        "has_configuration_drift": column(_I.has_configuration_drift),
        "is_status_check_ok": column(_I.is_status_check_ok),
    },
)

_M: Any = DeploymentModification

MODIFICATIONS = Listing(
    model="DeploymentModification",
    table=DeploymentModification,
    permission="deployment_modification_list",
    fields={
        "id": column(_M.id),
        **base_fields(_M),
        "deployment_id": column(_M.deployment_id),
        "deployment_display_name": Field((_M.tenant_name, _M.deployment_id), batch=deployment_names, filterable=False),
        "status": column(_M.status),
        "context": column(_M.context, filterable=False),
        "created_at": column(_M.created_at),
        "ended_at": column(_M.ended_at),
        "modified_nodes": column(_M.modified_nodes, filterable=False),
        "node_instances": column(_M.node_instances, filterable=False),
    },
)
