"""Take executions out of the queue when they can run (REST contract §9.5)."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, or_, select, tuple_
from sqlmodel import Session

from manager_core.deployments.tables import Deployment
from manager_core.errors import ManagerError
from manager_core.executions import admission, binding, facts, starting
from manager_core.executions.admission import CREATE_ENVIRONMENT, DELETE_ENVIRONMENT, Outcome, Waiting
from manager_core.executions.dispatch.signals import announce_pending
from manager_core.executions.facts import ACTIVE_VALUES, QUEUED, E
from manager_core.executions.statuses import locked, set_status
from manager_core.executions.tables import Execution
from manager_core.states import ExecutionStatus, MaintenanceStatus

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

log = logging.getLogger("manager.executions")

ROUNDS = 5
FRONT = (datetime(1970, 1, 1, tzinfo=UTC), 0)
"""The place of an execution that nobody in the queue is before."""
S = ExecutionStatus


def anything_queued(session: Session) -> bool:
    """Tell, with one look at an index, whether a dequeue step has anything to do."""
    return session.connection().execute(select(E.id).where(E.status == QUEUED).limit(1)).first() is not None


def dequeue(core: Core) -> int:
    """Run the dequeue step; returns how many executions became `pending`. One that cannot start raises nothing."""
    with core.store.read() as session:
        if not anything_queued(session):
            return 0
    started = 0
    for _ in range(ROUNDS):
        with core.store.write() as session:
            if core.maintenance.status_in(session) is not MaintenanceStatus.DEACTIVATED:
                break
            made, failed = _round(core, session)
            started += made
            if made:
                announce_pending(session)
        if not failed:
            break
    if started:
        core.executions.wake()
    return started


def _round(core: Core, session: Session) -> tuple[int, bool]:
    """Return how many executions started, and whether a candidate failed."""
    facts.lock_admission(session)
    made, failed = 0, False
    for candidate in _candidates(core, session):
        execution = locked(session, candidate.id)
        if execution is None or execution.status != S.QUEUED:
            continue
        try:
            made += _prepare(core, session, execution)
        except Exception as error:  # one that cannot start must not hold up the queue
            if not isinstance(error, ManagerError):
                log.exception("dequeue_failed execution=%s", execution.id)
            failed = True
            text = error.message if isinstance(error, ManagerError) else f"{type(error).__name__}: {error}"
            set_status(core, session, execution, S.FAILED, error=f"Error dequeueing execution: {text}")
    return made, failed


def _candidates(core: Core, session: Session) -> list[Waiting]:
    """Gather as much of the queue as `choose` needs: oldest first, until enough free deployments are found."""
    connection = session.connection()
    active = connection.execute(select(func.count()).where(E.status.in_(ACTIVE_VALUES))).scalar_one()
    limit = int(core.configuration.value_in(session, "max_concurrent_workflows"))
    system_wide = (
        select(*_COLUMNS)
        .where(E.status == QUEUED, facts.is_system_wide())
        .order_by(E.created_at, E.storage_id)
        .limit(1)
    )
    waiting = [_waiting(row) for row in connection.execute(system_wide)]
    if waiting:
        return admission.choose(waiting, busy=(), active=active, limit=limit, system_wide_active=False)
    running = select(E.id).where(E.status.in_(ACTIVE_VALUES), facts.is_system_wide()).limit(1)
    if active >= limit or connection.execute(running).first() is not None:
        return []
    busy = facts.busy_deployments(session)
    statement = select(*_COLUMNS).where(E.status == QUEUED)
    if busy:
        free = tuple_(E.tenant_name, E.deployment_id).not_in(sorted(busy))
        statement = statement.where(or_(E.deployment_id.is_(None), free))
    # Of a deployment that waits for its environment the environment goes first, wherever it stands in the queue.
    first = (E.workflow_id == CREATE_ENVIRONMENT).desc()
    seen: set[Any] = set()
    for row in connection.execute(statement.order_by(first, E.created_at, E.storage_id)):
        item = _waiting(row)
        if item.deployment in seen:
            continue
        seen.add(item.deployment)
        waiting.append(item)
        if row.workflow_id != CREATE_ENVIRONMENT and active + len(waiting) >= limit:
            break
    return admission.choose(waiting, busy=busy, active=active, limit=limit, system_wide_active=False)


_COLUMNS = (E.id, E.created_at, E.storage_id, E.workflow_id, E.is_system_workflow, E.tenant_name, E.deployment_id)


def _waiting(row: Any) -> Waiting:
    return Waiting(
        id=row.id,
        created_at=row.created_at,
        row=row.storage_id,
        workflow_id=row.workflow_id,
        system_wide=bool(row.is_system_workflow) and row.deployment_id is None,
        deployment=None if row.deployment_id is None else (row.tenant_name, row.deployment_id),
    )


def _prepare(core: Core, session: Session, execution: Execution) -> bool:
    """Check a candidate as if it started now; returns False when it has to stay in the queue (§9.5 #5).

    Raises:
        ManagerError: it can never start; the text says why.
    """
    if execution.deployment_id is not None:
        _check_deployment(core, session, execution)
    deployment = (execution.tenant_name, execution.deployment_id) if execution.deployment_id else None
    start = admission.Start(
        system_wide=execution.is_system_workflow and deployment is None,
        deployment=deployment,
        queue=True,
        overlap=execution.allow_overlap,
    )
    place = (execution.created_at, execution.storage_id or 0)
    if execution.workflow_id == CREATE_ENVIRONMENT:
        place = FRONT  # the others of its deployment wait for it, whenever they came
    decision = admission.decide(start, facts.gather(session, start, but=execution.id, place=place))
    if decision.outcome is not Outcome.START:
        return False
    set_status(core, session, execution, S.PENDING)
    return True


def _check_deployment(core: Core, session: Session, execution: Execution) -> None:
    table: Any = Deployment
    deployment = session.scalars(
        select(Deployment).where(table.tenant_name == execution.tenant_name, table.id == execution.deployment_id)
    ).first()
    if deployment is None or execution.workflow_id in (CREATE_ENVIRONMENT, DELETE_ENVIRONMENT):
        return
    if deployment.create_execution is not None:
        row = session.connection().execute(select(E.status, E.error).where(E.id == deployment.create_execution)).first()
        if row is not None and row.status == S.FAILED:
            raise starting.environment_problem(deployment.id, row.status, row.error)
    workflow = starting.declared_workflow(deployment, execution.workflow_id)
    if workflow is None:
        return
    execution.parameters = binding.bind(core, session, deployment, execution.workflow_id, workflow, execution)
    if not execution.resume and not binding.is_available(session, deployment, workflow):
        raise starting.bad_request(f"Workflow not available: {execution.workflow_id}", "unavailable_workflow_error")
