"""How executions, operations and tasks graphs are listed (REST contract §8.1, §15)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import case, select, tuple_
from sqlmodel import Session

from manager_core.deployments.tables import Deployment
from manager_core.executions.tables import Execution, Operation, TasksGraph
from manager_core.rest.listing import Listing, base_fields, column, fixed
from manager_core.states import STATUS_DISPLAY

_E: Any = Execution
_O: Any = Operation
_G: Any = TasksGraph


def deployment_names(session: Session, rows: list[tuple[Any, ...]]) -> list[Any]:
    """Return the display name of each row's deployment; rows are (tenant, deployment id)."""
    wanted = sorted({(tenant, name) for tenant, name in rows if name is not None})
    if not wanted:
        return [None] * len(rows)
    table: Any = Deployment
    found: dict[tuple[str, str], str] = {}
    for begin in range(0, len(wanted), 400):
        statement = select(table.tenant_name, table.id, table.display_name).where(
            tuple_(table.tenant_name, table.id).in_(wanted[begin : begin + 400])
        )
        found.update({(tenant, name): shown for tenant, name, shown in session.connection().execute(statement)})
    return [found.get((tenant, name)) for tenant, name in rows]


_DISPLAY = case(*((_E.status == status.value, shown) for status, shown in STATUS_DISPLAY.items()), else_=_E.status)

_DEPLOYMENT_NAME = (
    select(Deployment.display_name)  # type: ignore[call-overload]
    .where(Deployment.tenant_name == _E.tenant_name, Deployment.id == _E.deployment_id)
    .scalar_subquery()
)

NOT_SYSTEM = fixed(_E.is_system_workflow.is_(False))
"""The condition that hides system-wide executions."""

EXECUTIONS = Listing(
    model="Execution",
    table=Execution,
    permission="execution_list",
    search=(),
    fields={
        "id": column(_E.id),
        "workflow_id": column(_E.workflow_id),
        "status": column(_E.status),
        "status_display": column(_DISPLAY),
        "error": column(_E.error),
        "parameters": column(_E.parameters, filterable=False),
        "is_system_workflow": column(_E.is_system_workflow),
        "is_dry_run": column(_E.is_dry_run),
        "created_at": column(_E.created_at),
        "started_at": column(_E.started_at),
        "ended_at": column(_E.ended_at),
        "scheduled_for": column(_E.scheduled_for),
        "deployment_id": column(_E.deployment_id),
        "deployment_display_name": column(_DEPLOYMENT_NAME, filterable=False),
        "blueprint_id": column(_E.blueprint_id),
        "total_operations": column(_E.total_operations),
        "finished_operations": column(_E.finished_operations),
        "resume": column(_E.resume),
        "allow_custom_parameters": column(_E.allow_custom_parameters),
        **base_fields(_E),
    },
    extra_filters={"schedule_id": _E.schedule_id},
)

OPERATIONS = Listing(
    model="Operation",
    table=Operation,
    permission="operations",
    search=(),
    in_tenant=False,
    fields={
        "id": column(_O.id),
        "name": column(_O.name),
        "state": column(_O.state),
        "created_at": column(_O.created_at),
        "dependencies": column(_O.dependencies, filterable=False),
        "type": column(_O.type),
        "parameters": column(_O.parameters, filterable=False),
        "manager_name": column(_O.manager_name),
        "agent_name": column(_O.agent_name),
        "tasks_graph_id": column(_O.tasks_graph_id),
    },
)

TASKS_GRAPHS = Listing(
    model="TasksGraph",
    table=TasksGraph,
    permission="operations",
    search=(),
    in_tenant=False,
    fields={
        "id": column(_G.id),
        "name": column(_G.name),
        "execution_id": column(_G.execution_id),
        "created_at": column(_G.created_at),
    },
)
