"""Executions of a deployment's components: what is started or cancelled on it is so on them (REST contract §8.2, §8.6).

A component is a deployment that a node of another one stands for; the need is registered as `component.NODE…`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlmodel import Session

from manager_core.access.caller import Caller
from manager_core.deployments.tables import Deployment, InterDeploymentDependency
from manager_core.errors import ManagerError
from manager_core.executions import cancelling, starting
from manager_core.executions.requests import StartRequest
from manager_core.executions.statuses import locked
from manager_core.executions.tables import Execution
from manager_core.states import CANCEL_ACTIONS, END

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

_D: Any = InterDeploymentDependency
_X: Any = Execution
_P: Any = Deployment
_ENDED = sorted(status.value for status in END)


def components(session: Session, tenant: str, deployment_id: str) -> list[str]:
    """Return the ids of a deployment's components, and of theirs; each once, nearest first."""
    found: dict[str, None] = {}
    open_ids = [deployment_id]
    while open_ids:
        statement = (
            select(_D.target_deployment)
            .where(
                _D.tenant_name == tenant,
                _D.deployment_id == open_ids.pop(0),
                _D.dependency_creator.like("component.%"),
                _D.target_deployment.is_not(None),
            )
            .order_by(_D.storage_id)
        )
        for target in session.connection().execute(statement).scalars():
            if target not in found and target != deployment_id:
                found[target] = None
                open_ids.append(target)
    return list(found)


def start_with_components(
    core: Core, session: Session, caller: Caller, request: StartRequest
) -> tuple[Execution, ManagerError | None]:
    """Start an execution as `starting.start` does; a workflow that cascades also starts on the components.

    Raises:
        ManagerError: a refusal, also one by a component: then nothing is started at all.
    """
    execution, problem = starting.start(core, session, caller, request)
    if problem is None and execution.deployment_id is not None and request.force_status is None:
        for target in _cascade(session, execution):
            # Its own start, so that a busy component lets it wait, and that it is needed is no objection.
            mine = replace(request, deployment_id=target, blueprint_id=None, id=None, own=True, queue=True)
            _, problem = starting.start(core, session, caller, mine)
            if problem is not None:
                raise problem
    return execution, problem


def _cascade(session: Session, execution: Execution) -> list[str]:
    """Return the components on which an execution's workflow starts as well."""
    assert execution.deployment_id is not None
    statement = select(_P.workflows).where(_P.tenant_name == execution.tenant_name, _P.id == execution.deployment_id)
    workflow = (session.connection().execute(statement).scalar() or {}).get(execution.workflow_id) or {}
    if not workflow.get("is_cascading"):
        return []
    return components(session, execution.tenant_name, execution.deployment_id)


def cancel_on_components(core: Core, session: Session, execution: Execution, action: str) -> bool:
    """Cancel what runs or waits on the components of an execution's deployment.

    Returns: whether one of them ended at once.
    """
    if execution.deployment_id is None or action not in CANCEL_ACTIONS:
        return False
    names = components(session, execution.tenant_name, execution.deployment_id)
    if not names:
        return False
    statement = select(_X.id).where(
        _X.tenant_name == execution.tenant_name, _X.deployment_id.in_(names), _X.status.not_in(_ENDED)
    )
    ended, allowed = False, CANCEL_ACTIONS[action][1]
    for execution_id in list(session.connection().execute(statement.order_by(_X.storage_id)).scalars()):
        other = locked(session, execution_id)
        if other is not None and (allowed is None or other.status in allowed):
            cancelling.cancel(core, session, other, action)
            ended |= cancelling.finish_unheld(core, session, other)
    return ended
