"""The storage calls that the SDK only passes through (`ports.STORAGE_CALLS`): each is a use case of a room.

All act in the name of the execution's creator, with the execution's own rights (an update workflow may change what
others may not). Answers are JSON values, as a client of the API would get them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select

from manager_core.deployments import dependencies
from manager_core.deployments.tables import InterDeploymentDependency
from manager_core.executions import graphs
from manager_core.rest.listing import ListQuery
from manager_core.runtime import records

if TYPE_CHECKING:
    from manager_core.runtime.handler import DatabaseRuntime

Call = Callable[..., Any]

_D: Any = InterDeploymentDependency


def storage_call(runtime: DatabaseRuntime, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Carry out one call.

    Raises:
        LookupError: no such call.
        ManagerError: what the use case refuses.
    """
    found = CALLS.get(name)
    if found is None:
        raise LookupError(f"no such storage call: {name}")
    return found(runtime, *args, **kwargs)


def _plain(record: Mapping[str, Any]) -> Any:
    from manager_core.runtime.handler import plain

    return plain(record)


def _get_deployment(runtime: DatabaseRuntime, deployment_id: str) -> Any:
    return _plain(runtime.core.deployments.get(runtime.caller, deployment_id))


def _set_deployment_attributes(runtime: DatabaseRuntime, deployment_id: str, **changes: Any) -> Any:
    return _plain(runtime.core.deployments.patch(runtime.caller, deployment_id, changes))


def _get_blueprint(runtime: DatabaseRuntime, blueprint_id: str) -> Any:
    return _plain(runtime.core.blueprints.get(runtime.caller, blueprint_id))


def _list_nodes(runtime: DatabaseRuntime, deployment_id: str | None = None, **_: Any) -> Any:
    with runtime.core.store.read() as session:
        return records.nodes(session, runtime.tenant, deployment_id or runtime.execution.deployment_id or "")


def _list_node_instances(runtime: DatabaseRuntime, deployment_id: str | None = None, **_: Any) -> Any:
    with runtime.core.store.read() as session:
        return records.instances(session, runtime.tenant, deployment_id or runtime.execution.deployment_id or "")


def _update_node(runtime: DatabaseRuntime, deployment_id: str, node_id: str, **changes: Any) -> None:
    runtime.core.nodes.patch_node(runtime.caller, deployment_id, node_id, changes)


def _delete_node(runtime: DatabaseRuntime, deployment_id: str, node_id: str) -> None:
    runtime.core.nodes.delete_node(runtime.caller, deployment_id, node_id)


def _delete_node_instance(runtime: DatabaseRuntime, instance_id: str) -> None:
    runtime.core.nodes.delete_instance(runtime.caller, instance_id)


def _create_nodes(runtime: DatabaseRuntime, deployment_id: str, nodes: list[dict[str, Any]]) -> None:
    runtime.core.nodes.add_nodes(runtime.caller, deployment_id, nodes)


def _create_node_instances(runtime: DatabaseRuntime, deployment_id: str, instances: list[dict[str, Any]]) -> None:
    runtime.core.nodes.add_instances(runtime.caller, deployment_id, instances)


def _get_deployment_update(runtime: DatabaseRuntime, update_id: str) -> Any:
    return _plain(runtime.core.deployments.updates.get(runtime.caller, update_id))


def _set_deployment_update_attributes(runtime: DatabaseRuntime, update_id: str, **changes: Any) -> Any:
    return _plain(runtime.core.deployments.updates.patch(runtime.caller, update_id, changes))


def _list_execution_schedules(runtime: DatabaseRuntime, **filters: Any) -> Any:
    wanted = {name: [str(value)] for name, value in filters.items() if not name.startswith("_")}
    page = runtime.core.schedules.page(runtime.caller, ListQuery(filters=wanted, size=None))
    return _plain(page)["items"]


def _create_execution_schedule(runtime: DatabaseRuntime, schedule_id: str, deployment_id: str, **fields: Any) -> Any:
    return _plain(runtime.core.schedules.create(runtime.caller, schedule_id, deployment_id, fields))


def _update_execution_schedule(runtime: DatabaseRuntime, schedule_id: str, deployment_id: str, **fields: Any) -> Any:
    return _plain(runtime.core.schedules.update(runtime.caller, schedule_id, deployment_id, fields))


def _get_managers(runtime: DatabaseRuntime) -> Any:
    address = runtime.core.settings.host
    return [{"id": 1, "hostname": address, "private_ip": address, "public_ip": address}]


def _list_idds(
    runtime: DatabaseRuntime, source_deployment_id: str | None = None, target_deployment_id: str | None = None, **_: Any
) -> Any:
    statement = select(_D.deployment_id, _D.dependency_creator, _D.target_deployment, _D.target_deployment_function)
    statement = statement.where(_D.tenant_name == runtime.tenant).order_by(_D.storage_id)
    if source_deployment_id is not None:
        statement = statement.where(_D.deployment_id == source_deployment_id)
    if target_deployment_id is not None:
        statement = statement.where(_D.target_deployment == target_deployment_id)
    with runtime.core.store.read() as session:
        rows = session.connection().execute(statement).all()
    return [
        {
            "source_deployment_id": row.deployment_id,
            "dependency_creator": row.dependency_creator,
            "target_deployment_id": row.target_deployment,
            "target_deployment_func": row.target_deployment_function,
        }
        for row in rows
    ]


def _update_idds(runtime: DatabaseRuntime, deployment_id: str, idds: list[dict[str, Any]]) -> None:
    now = runtime.clock.now()
    rows = [
        {
            "tenant_name": runtime.tenant,
            "deployment_id": deployment_id,
            "dependency_creator": item["dependency_creator"],
            "target_deployment": item.get("target_deployment_id") or item.get("target_deployment"),
            "target_deployment_function": item.get("target_deployment_func"),
            "created_at": now,
        }
        for item in idds
    ]
    with runtime.core.store.write() as session:
        mine = (_D.tenant_name == runtime.tenant) & (_D.deployment_id == deployment_id)
        session.connection().execute(delete(InterDeploymentDependency).where(mine))
        if rows:
            session.connection().execute(insert(_D), rows)


def _get_secret(runtime: DatabaseRuntime, key: str) -> Any:
    with runtime.core.store.read() as session:
        return {"key": key, "value": runtime.core.secrets.value(session, runtime.tenant, key)}


def _list_child_deployments(runtime: DatabaseRuntime) -> Any:
    with runtime.core.store.read() as session:
        return dependencies.children(session, runtime.tenant, runtime.execution.deployment_id or "")


def _update_operation_inputs(
    runtime: DatabaseRuntime, deployment_id: str, node_id: str, operation: str, key: str, rel_index: int | None = None
) -> int:
    """Give stored operations that have not succeeded the inputs their node declares now; returns how many changed."""
    return graphs.update_stored(
        runtime.core,
        runtime.caller,
        graphs.StoredInputs(deployment_id, node_id, operation, key, rel_index),
    )


CALLS: dict[str, Call] = {
    "get_deployment": _get_deployment,
    "set_deployment_attributes": _set_deployment_attributes,
    "get_blueprint": _get_blueprint,
    "list_nodes": _list_nodes,
    "list_node_instances": _list_node_instances,
    "update_node": _update_node,
    "delete_node": _delete_node,
    "delete_node_instance": _delete_node_instance,
    "create_nodes": _create_nodes,
    "create_node_instances": _create_node_instances,
    "get_deployment_update": _get_deployment_update,
    "set_deployment_update_attributes": _set_deployment_update_attributes,
    "list_execution_schedules": _list_execution_schedules,
    "create_execution_schedule": _create_execution_schedule,
    "update_execution_schedule": _update_execution_schedule,
    "get_managers": _get_managers,
    "list_idds": _list_idds,
    "update_idds": _update_idds,
    "get_secret": _get_secret,
    "list_child_deployments": _list_child_deployments,
    "update_operation_inputs": _update_operation_inputs,
}
"""Name → function of (runtime, the call's own arguments)."""
