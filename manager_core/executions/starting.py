"""Start an execution: all checks in the contract's order, then admission, then the row (REST contract §8.2, §9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import or_, select
from sqlmodel import Session

from manager_core import ids
from manager_core.access.caller import Caller
from manager_core.deployments.tables import Deployment
from manager_core.errors import Conflict, Forbidden, Kind, ManagerError, NotFound
from manager_core.executions import admission, binding, dependents, facts
from manager_core.executions.admission import CREATE_ENVIRONMENT, Outcome
from manager_core.executions.dispatch.signals import announce_pending
from manager_core.executions.requests import StartRequest
from manager_core.executions.tables import Execution
from manager_core.states import CANCELLING, ExecutionStatus, Visibility

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

BUILT_IN = frozenset({"update", "csys_update_deployment", *admission.OWN_STARTS, *admission.SYSTEM_WIDE_WORKFLOWS})
"""Workflows that exist everywhere and take any parameters (§8.2 check 8)."""

GUARDED = frozenset({"stop", "uninstall", "update", "heal"})
"""Workflows that are refused while other deployments depend on this one (§8.2 check 10)."""

S = ExecutionStatus


def bad_request(message: str, code: str) -> ManagerError:
    """Return a refusal with a code of its own."""
    return ManagerError(message, code=code, kind=Kind.BAD_INPUT)


def start(core: Core, session: Session, caller: Caller, request: StartRequest) -> tuple[Execution, ManagerError | None]:
    """Create an execution, `pending` or `queued`.

    Returns: the row, and the error with which a row that is kept as `failed` has to be answered (§8.2 checks 10, 12).

    Raises:
        ManagerError: a refusal that leaves no row.
    """
    _check_caller(session, caller)
    facts.lock_admission(session)
    deployment = None
    if request.deployment_id is not None:
        deployment = find_deployment(session, caller, request.deployment_id)
        if request.force_status is None:
            if request.workflow_id not in (CREATE_ENVIRONMENT, admission.DELETE_ENVIRONMENT):
                check_environment(session, deployment)
            if deployment.tenant_name != caller.tenant:
                caller.require("execute_global_workflow")
    execution = _new(core, caller, request, deployment)
    if request.force_status is not None:
        return _store(session, execution, S(request.force_status)), None
    workflow = declared_workflow(deployment, request.workflow_id)
    if workflow is not None and deployment is not None:
        execution.parameters = binding.bind(core, session, deployment, request.workflow_id, workflow, request)
    problem = _refused_by_dependants(session, caller, deployment, request)
    if problem is not None:
        execution.error = f"Error preparing execution: {problem.message}"
        return _store(session, execution, S.FAILED, ended=True), problem
    start = _start_of(execution, request)
    decision = admission.decide(start, facts.gather(session, start))
    if decision.outcome is Outcome.REFUSE:
        raise refusal(session, decision)
    if decision.outcome is Outcome.QUEUE:
        return _store(session, execution, S.QUEUED), None
    if deployment is not None and not request.force and not binding.is_available(session, deployment, workflow):
        problem = bad_request(f"Workflow not available: {request.workflow_id}", "unavailable_workflow_error")
        execution.error = problem.message
        return _store(session, execution, S.FAILED, ended=True), problem
    return _store(session, execution, S.PENDING), None


def _check_caller(session: Session, caller: Caller) -> None:
    """An execution that is being cancelled may not start others (§1.10)."""
    if caller.execution_id is None:
        return
    table: Any = Execution
    statement = select(table.status).where(table.id == caller.execution_id)
    status = session.connection().execute(statement).scalar()
    if status in {value.value for value in CANCELLING}:
        raise Forbidden(
            f"Execution {caller.execution_id} is being cancelled and may not start others",
            code="forbidden_while_cancelling",
        )


def find_deployment(session: Session, caller: Caller, deployment_id: str) -> Deployment:
    """Return a deployment that the caller may see: of its tenant, or a global one.

    Raises:
        NotFound: there is none.
    """
    table: Any = Deployment
    statement = select(Deployment).where(
        table.id == deployment_id,
        or_(table.tenant_name == caller.tenant_name, table.visibility == Visibility.GLOBAL.value),
    )
    if not caller.is_tenant_admin:
        statement = statement.where(
            or_(table.visibility != Visibility.PRIVATE.value, table.created_by == caller.username)
        )
    statement = statement.order_by((table.tenant_name == caller.tenant).desc()).limit(1)
    found: Deployment | None = session.scalars(statement).first()
    if found is None:
        raise NotFound.of("Deployment", deployment_id)
    return found


def check_environment(session: Session, deployment: Deployment) -> None:
    """Refuse unless the deployment's environment has been created (§8.2 check 7)."""
    if deployment.create_execution is None:
        return
    table: Any = Execution
    statement = select(table.status, table.error).where(table.id == deployment.create_execution)
    row = session.connection().execute(statement).first()
    if row is None or row.status == S.TERMINATED:
        return
    raise environment_problem(deployment.id, row.status, row.error)


def environment_problem(deployment_id: str, status: str, error: str | None) -> ManagerError:
    """Return the refusal for an environment that is not there yet, or never will be."""
    if status == S.PENDING:
        return bad_request(
            "Deployment environment creation is still pending, try again in a minute",
            "deployment_environment_creation_pending_error",
        )
    if status == S.STARTED:
        return bad_request(
            "Deployment environment creation is still in progress, try again in a minute",
            "deployment_environment_creation_in_progress_error",
        )
    if status == S.FAILED:
        last_line = (error or "").strip().rsplit("\n", 1)[-1]
        text = (
            f"Can't launch executions since environment creation for deployment {deployment_id} has failed: {last_line}"
        )
    elif status in (S.CANCELLED, S.CANCELLING, S.FORCE_CANCELLING):
        text = (
            f"Can't launch executions since the environment creation for deployment {deployment_id} "
            f"has been cancelled [status={status}]"
        )
    else:
        text = f"Unexpected deployment status for deployment {deployment_id} [status={status}]"
    return bad_request(text, "deployment_creation_error")


def declared_workflow(deployment: Deployment | None, workflow_id: str) -> dict[str, Any] | None:
    """Return the workflow's declaration; None for a built-in one that takes what it gets."""
    declared = (deployment.workflows or {}) if deployment is not None else {}
    if workflow_id in declared:
        found: dict[str, Any] = declared[workflow_id]
        return found
    if workflow_id in BUILT_IN:
        return None
    if deployment is None:
        raise bad_request(f"Builtin workflow {workflow_id} does not exist", "nonexistent_workflow_error")
    raise bad_request(
        f"Workflow {workflow_id} does not exist in the deployment {deployment.id}", "nonexistent_workflow_error"
    )


def _refused_by_dependants(
    session: Session, caller: Caller, deployment: Deployment | None, request: StartRequest
) -> ManagerError | None:
    if deployment is None or request.force or request.own or request.workflow_id not in GUARDED:
        return None
    found = dependents.dependents(
        session,
        deployment.tenant_name,
        deployment.id,
        inactive_readers=request.workflow_id != "uninstall",
        maker=dependents.maker(session, caller),
    )
    if not found:
        return None
    return bad_request(
        f"Can't execute workflow `{request.workflow_id}` on deployment {deployment.id} - "
        f"existing installations depend on it:\n{dependents.numbered(found)}",
        "dependent_exists_error",
    )


def _new(core: Core, caller: Caller, request: StartRequest, deployment: Deployment | None) -> Execution:
    return Execution(
        id=request.id or ids.new_id(),
        tenant_name=deployment.tenant_name if deployment is not None else caller.tenant_name,
        created_by=request.created_by or caller.username,
        visibility=deployment.visibility if deployment is not None else Visibility.TENANT.value,
        created_at=request.created_at or core.clock.now(),
        started_at=request.started_at,
        ended_at=request.ended_at,
        deployment_id=deployment.id if deployment is not None else None,
        blueprint_id=request.blueprint_id or (deployment.blueprint_id if deployment is not None else None),
        workflow_id=request.workflow_id,
        parameters=request.parameters,
        error=request.error,
        is_system_workflow=request.is_system_workflow,
        is_dry_run=request.dry_run,
        allow_custom_parameters=request.allow_custom_parameters,
        force=request.force,
        wait_after_fail=request.wait_after_fail,
        allow_overlap=request.overlap,
    )


def _start_of(execution: Execution, request: StartRequest) -> admission.Start:
    deployment = (execution.tenant_name, execution.deployment_id) if execution.deployment_id else None
    return admission.Start(
        system_wide=execution.is_system_workflow and deployment is None,
        deployment=deployment,
        queue=request.queue,
        force=request.force,
        own=request.own or request.workflow_id in admission.OWN_STARTS,
        overlap=request.overlap
        or admission.is_non_blocking_snapshot(request.workflow_id, request.parameters, queue=request.queue),
        scheduled=execution.scheduled_for is not None,
    )


def refusal(session: Session, decision: admission.Decision) -> ManagerError:
    """Return the refusal of §9.2 in the contract's words."""
    named = ", ".join(decision.blockers)
    if decision.row == 2:
        text = (
            "You cannot start a system-wide execution if there are other executions running. "
            f"Running now e.g.: {named}. To have it wait for them, start it with `--queue` (queue=true)."
        )
    elif decision.row == 4:
        text = (
            f"You cannot start an execution if there is a running system-wide execution (id: {named}). "
            "To have it wait, start it with `--queue` (queue=true)."
        )
    else:
        text = (
            "The following executions are currently running for this deployment: "
            f"[{facts.described(session, decision.blockers)}]. To execute this workflow anyway, "
            'pass "force=true" as a query parameter to this request'
        )
    return bad_request(text, "existing_running_execution_error")


def _store(session: Session, execution: Execution, status: ExecutionStatus, *, ended: bool = False) -> Execution:
    table: Any = Execution
    if session.connection().execute(select(table.id).where(table.id == execution.id)).first() is not None:
        raise Conflict(
            f"<Execution id=`{execution.id}` tenant=`{execution.tenant_name}`> already exists on "
            f"<Tenant name=`{execution.tenant_name}`> or with global visibility"
        )
    execution.status = status.value
    if ended:
        execution.ended_at = execution.created_at
    session.add(execution)
    session.flush()
    if status is S.PENDING:
        announce_pending(session)
    return execution
