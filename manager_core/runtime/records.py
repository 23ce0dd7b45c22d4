"""Rows of nodes, node instances and deployments as the plain records the SDK works with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Text, select, type_coerce
from sqlmodel import Session

from manager_core.deployments.tables import Deployment
from manager_core.executions.tables import Execution
from manager_core.nodes.tables import Node, NodeInstance
from manager_core.store.column_types import from_json_text

Record = dict[str, Any]

_N: Any = Node.__table__.c  # type: ignore[attr-defined]
_I: Any = NodeInstance.__table__.c  # type: ignore[attr-defined]

_NODE = (
    _N.id, _N.deployment_id, _N.blueprint_id, _N.host_id, _N.type, _N.type_hierarchy, _N.properties, _N.operations,
    _N.relationships, _N.plugins, _N.plugins_to_install, _N.number_of_instances, _N.planned_number_of_instances,
    _N.deploy_number_of_instances, _N.min_number_of_instances, _N.max_number_of_instances,
)  # fmt: skip
_INSTANCE = (
    _I.id, _I.node_id, _I.deployment_id, _I.host_id, _I.index, _I.state, _I.version, _I.relationships,
    _I.runtime_properties, _I.system_properties, _I.scaling_groups, _I.has_configuration_drift,
)  # fmt: skip
_NODE_WITH_TEXT = tuple(type_coerce(column, Text) if column is _N.operations else column for column in _NODE)
"""With the operations as SQLite keeps them: of a thousand nodes they are 10 MB of the same text over and over."""
_NODE_NAMES, _INSTANCE_NAMES = ([column.name for column in columns] for columns in (_NODE, _INSTANCE))
_LISTS = {"relationships", "plugins", "plugins_to_install", "type_hierarchy", "scaling_groups"}
_MAPS = {"properties", "operations", "runtime_properties", "system_properties"}


def _records(rows: Iterable[Any], names: Sequence[str]) -> list[Record]:
    lists, maps = [name for name in names if name in _LISTS], [name for name in names if name in _MAPS]
    records = [dict(zip(names, row, strict=True)) for row in rows]
    for record in records:
        for name in lists:
            if record[name] is None:
                record[name] = []
        for name in maps:
            if record[name] is None:
                record[name] = {}
    return records


def nodes(session: Session, tenant: str, deployment_id: str, node_id: str | None = None) -> list[Record]:
    """Return the nodes of a deployment, or the one named, in the order of the plan.

    Nodes whose operations are the same may hold the very same mapping of them.
    """
    connection = session.connection()
    is_text = connection.dialect.name == "sqlite"
    statement = select(*(_NODE_WITH_TEXT if is_text else _NODE)).where(
        _N.tenant_name == tenant, _N.deployment_id == deployment_id
    )
    if node_id is not None:
        statement = statement.where(_N.id == node_id)
    found = _records(connection.execute(statement.order_by(_N.storage_id)), _NODE_NAMES)
    if is_text:
        known: dict[str, Any] = {}
        for record in found:
            text = record["operations"]
            if isinstance(text, str):
                if text not in known:
                    known[text] = from_json_text(text) or {}
                record["operations"] = known[text]
    return found


def instances(session: Session, tenant: str, deployment_id: str) -> list[Record]:
    """Return the node instances of a deployment in the order of their creation."""
    statement = select(*_INSTANCE).where(_I.tenant_name == tenant, _I.deployment_id == deployment_id)
    return _records(session.connection().execute(statement.order_by(_I.storage_id)), _INSTANCE_NAMES)


def instance(session: Session, tenant: str, instance_id: str) -> Record:
    """Return one node instance.

    Raises:
        LookupError: there is none.
    """
    statement = select(*_INSTANCE).where(_I.tenant_name == tenant, _I.id == instance_id)
    row = session.connection().execute(statement).first()
    if row is None:
        raise LookupError(f"Requested `NodeInstance` with ID `{instance_id}` was not found")
    return _records([row], _INSTANCE_NAMES)[0]


def deployment_of(session: Session, execution: Execution) -> Deployment | None:
    """Return the deployment of an execution, if it has one."""
    if execution.deployment_id is None:
        return None
    table: Any = Deployment
    found: Deployment | None = session.scalars(
        select(Deployment).where(table.tenant_name == execution.tenant_name, table.id == execution.deployment_id)
    ).first()
    return found
