"""How a deployment's statuses follow its executions and node instances (REST contract §6.1, status maintenance)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update
from sqlmodel import Session

from manager_core.deployments.tables import Deployment
from manager_core.executions.admission import DELETE_ENVIRONMENT
from manager_core.nodes.tables import NodeInstance
from manager_core.states import CANCELLING, ExecutionStatus

if TYPE_CHECKING:
    from manager_core.executions.tables import Execution

ACTIVE, INACTIVE = "active", "inactive"
GOOD, IN_PROGRESS, REQUIRES_ATTENTION = "good", "in_progress", "requires_attention"

_UNDER_WAY = frozenset({ExecutionStatus.PENDING, ExecutionStatus.STARTED, ExecutionStatus.QUEUED, *CANCELLING})


def deployment_status(latest: str | None, installation: str) -> str:
    """Return the status that follows from the latest execution's status and the installation status. Pure."""
    if latest in _UNDER_WAY:
        return IN_PROGRESS
    if latest == ExecutionStatus.FAILED or installation == INACTIVE:
        return REQUIRES_ATTENTION
    return GOOD


def installation_status(session: Session, tenant: str, deployment_id: str) -> str:
    """Return `active` when no node instance is in another state than `started`."""
    table: Any = NodeInstance
    other = select(table.storage_id).where(
        table.tenant_name == tenant, table.deployment_id == deployment_id, table.state != "started"
    )
    return ACTIVE if session.connection().execute(other.limit(1)).first() is None else INACTIVE


def follow_execution(session: Session, execution: Execution) -> None:
    """Bring a deployment's statuses up to date after a change of one of its executions."""
    assert execution.deployment_id is not None
    values: dict[str, Any] = {"latest_execution": execution.id}
    if execution.status == ExecutionStatus.STARTED:
        values["deployment_status"] = IN_PROGRESS
    elif execution.workflow_id == DELETE_ENVIRONMENT:
        return
    else:
        installation = installation_status(session, execution.tenant_name, execution.deployment_id)
        values["installation_status"] = installation
        values["deployment_status"] = deployment_status(execution.status, installation)
    table: Any = Deployment
    session.connection().execute(
        update(table)
        .where(table.tenant_name == execution.tenant_name, table.id == execution.deployment_id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
