"""Bind a start's parameters to what the workflow declares, and tell whether the workflow is available.

The rules are pure and live in `dsl.parameters`; here they get the facts of a deployment (REST contract §8.4, §6.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import func, select
from sqlmodel import Session

from manager_core.access.caller import system_caller
from manager_core.deployments.tables import Deployment
from manager_core.dsl import evaluate, parameters
from manager_core.dsl.constraints import ValueSource
from manager_core.nodes.tables import Node, NodeInstance

if TYPE_CHECKING:
    from manager_core.bootstrap import Core


class Given(Protocol):
    """The part of a start that binding looks at."""

    @property
    def parameters(self) -> dict[str, Any] | None:
        """The values given."""
        ...

    @property
    def allow_custom_parameters(self) -> bool:
        """Whether undeclared names are accepted."""
        ...


def bind(
    core: Core, session: Session, deployment: Deployment, workflow_id: str, workflow: Mapping[str, Any], given: Given
) -> dict[str, Any]:
    """Return the values a workflow runs with.

    Raises:
        ManagerError: `illegal_execution_parameters_error` with the texts of §8.4, or `functions_evaluation_error`.
    """

    def evaluated(values: dict[str, Any]) -> dict[str, Any]:
        if not any(isinstance(value, dict | list) for value in values.values()):
            return values  # most starts hold no structure, so no function call, and cost no query
        storage = core.deployments.evaluation_storage(session, deployment.tenant_name, deployment.id)
        result: dict[str, Any] = evaluate.evaluate(values, storage=storage)
        return result

    return parameters.bind(
        workflow_id,
        workflow.get("parameters"),
        given.parameters,
        allow_custom=given.allow_custom_parameters,
        evaluate=evaluated,
        values=_values(core, session, deployment),
    )


def _values(core: Core, session: Session, deployment: Deployment) -> ValueSource:
    """Return what object-typed parameters are looked up in; asked only for those."""
    from manager_core.deployments.values import DatabaseValues  # that room imports this one

    caller = system_caller(deployment.tenant_name)
    return DatabaseValues(core, session, caller, deployment_id=deployment.id)


def is_available(session: Session, deployment: Deployment, workflow: Mapping[str, Any] | None) -> bool:
    """Tell whether a workflow may start in the present state of the node instances (REST contract §6.1)."""
    rules = (workflow or {}).get("availability_rules")
    if not rules:
        return True
    return parameters.is_available(
        rules,
        instance_states=instance_states(session, deployment) if rules.get("node_instances_active") else {},
        node_types=node_types(session, deployment) if rules.get("node_types_required") else (),
    )


def instance_states(session: Session, deployment: Deployment) -> dict[str, int]:
    """Return state → how many of the deployment's node instances are in it."""
    table: Any = NodeInstance
    statement = select(table.state, func.count()).where(
        table.tenant_name == deployment.tenant_name, table.deployment_id == deployment.id
    )
    return {state: count for state, count in session.connection().execute(statement.group_by(table.state))}  # noqa: C416 - rows, not pairs


def node_types(session: Session, deployment: Deployment) -> set[str]:
    """Return all types in the hierarchies of the deployment's nodes."""
    table: Any = Node
    statement = select(table.type_hierarchy).where(
        table.tenant_name == deployment.tenant_name, table.deployment_id == deployment.id
    )
    hierarchies: Iterable[list[str] | None] = session.connection().execute(statement).scalars()
    return {name for hierarchy in hierarchies for name in hierarchy or ()}
