"""Change an execution's status, with everything that hangs on it (REST contract §8.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select, update
from sqlmodel import Session

from manager_core.deployments.tables import Deployment, DeploymentUpdate
from manager_core.errors import Kind, ManagerError, NotFound
from manager_core.events.clean import clean_text
from manager_core.executions.admission import DELETE_ENVIRONMENT
from manager_core.executions.tables import Execution
from manager_core.states import END, ExecutionStatus, can_change

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

S = ExecutionStatus


def locked(session: Session, execution_id: str, *, wait: bool = True) -> Execution | None:
    """Return the execution's row as it is now, held until the transaction ends.

    Without `wait`, None also where another transaction holds it.
    """
    table: Any = Execution
    statement = select(Execution).where(table.id == execution_id).with_for_update(skip_locked=not wait)
    found: Execution | None = session.scalars(statement.execution_options(populate_existing=True)).first()
    return found


def set_status(
    core: Core,
    session: Session,
    execution: Execution,
    status: ExecutionStatus,
    *,
    error: str | None = None,
    check: bool = True,
    release: bool = True,
) -> None:
    """Give a locked execution a new status, with all side effects.

    Args:
        error: replaces the stored one; None stores an empty text.
        check: refuse illegal changes; the runtime, which knows what really happened, does not ask.
        release: an END status gives the lease back; False when operations of the execution still run.

    Raises:
        ManagerError: `invalid_exception_status_update`.
    """
    if check and not can_change(execution.status, status, execution.workflow_id):
        raise ManagerError(
            f"Invalid relationship - can't change status from {execution.status} to {status.value} "
            f'for "{execution.id}" execution while running "{execution.workflow_id}" workflow.',
            code="invalid_exception_status_update",
            kind=Kind.BAD_INPUT,
        )
    now = core.clock.now()
    execution.status = status.value
    execution.error = clean_text(error or "")
    if status is S.STARTED:
        execution.started_at = now
    if status in END:
        execution.ended_at = now
        if release:
            execution.worker_id = None
            execution.lease_until = None
    session.add(execution)
    session.flush()
    if status in (S.FAILED, S.CANCELLED):
        _fail_updates(session, execution)
    core.blueprints.on_execution_status_in(session, execution)
    core.snapshots.on_execution_status_in(session, execution)
    if execution.deployment_id is None:
        return
    if execution.workflow_id == DELETE_ENVIRONMENT and _removes_deployment(execution, status):
        remove_deployment(session, execution.tenant_name, execution.deployment_id)
        return
    core.deployments.on_execution_status_in(session, execution)


def set_status_of(
    core: Core, session: Session, execution_id: str, status: ExecutionStatus, error: str | None = None
) -> Execution:
    """Look an execution up, then `set_status`.

    Raises:
        NotFound: there is none.
    """
    execution = locked(session, execution_id)
    if execution is None:
        raise NotFound.of("Execution", execution_id)
    set_status(core, session, execution, status, error=error)
    return execution


def _fail_updates(session: Session, execution: Execution) -> None:
    """A deployment update whose execution did not end well is failed too."""
    table: Any = DeploymentUpdate
    session.connection().execute(
        update(DeploymentUpdate)
        .where(table.execution_id == execution.id, table.state.not_in(["successful", "failed"]))
        .values(state="failed")
    )


def _removes_deployment(execution: Execution, status: ExecutionStatus) -> bool:
    """A deletion that ended well, or badly but with force, leaves nothing behind (REST contract §6.4)."""
    forced = bool((execution.parameters or {}).get("force"))
    return status is S.TERMINATED or (status is S.FAILED and forced)


def remove_deployment(session: Session, tenant: str, deployment_id: str) -> None:
    """Delete a deployment; everything under it goes with it, this transaction's execution included."""
    table: Any = Deployment
    session.expunge_all()  # what was loaded of it stays readable
    session.connection().execute(delete(Deployment).where(table.tenant_name == tenant, table.id == deployment_id))
