"""What the scheduler asks of the executions room, and what it gets back (scheduling contract §5).

Firing is set-wise: one call creates the executions of a whole poll with a handful of statements, whatever their number.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import insert, select
from sqlmodel import Session

from manager_core import ids
from manager_core.deployments.tables import Deployment
from manager_core.errors import ManagerError, NotFound
from manager_core.executions import admission, binding, facts, starting
from manager_core.executions.admission import DeploymentKey, Facts, Outcome
from manager_core.executions.dispatch.signals import announce_pending
from manager_core.executions.facts import ACTIVE_VALUES, QUEUED, E
from manager_core.executions.tables import Execution
from manager_core.states import ExecutionStatus

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

S = ExecutionStatus
CHUNK = 400
"""Names in one IN list."""


@dataclass(frozen=True, slots=True)
class Firing:
    """One occurrence of one schedule that shall run.

    Attributes:
        tenant_name, deployment_id, workflow_id: what to run.
        created_by, visibility: of the schedule; the execution takes them over.
        occurrence: the instant it runs for, aware, UTC; becomes `scheduled_for`.
        schedule_storage_id, schedule_id: the schedule.
        parameters, allow_custom_parameters, force, dry_run, wait_after_fail: its execution arguments.
        parallel: the schedule's overlap rule lets runs overlap: start with force.
    """

    tenant_name: str
    deployment_id: str
    workflow_id: str
    created_by: str
    occurrence: datetime
    schedule_storage_id: int
    schedule_id: str
    parameters: dict[str, Any] | None = None
    allow_custom_parameters: bool = False
    force: bool = False
    dry_run: bool = False
    wait_after_fail: int = 600
    visibility: str = "tenant"
    parallel: bool = False


@dataclass(frozen=True, slots=True)
class Fired:
    """What became of a `Firing`: an execution (`pending` or `queued`), or the refusal and no execution."""

    firing: Firing
    execution_id: str | None = None
    status: str | None = None
    error: ManagerError | None = None


def fire(core: Core, session: Session, requests: Sequence[Firing]) -> list[Fired]:
    """Create the executions of all firings; see `Executions.fire_in`."""
    facts.lock_admission(session)
    wanted = {(firing.tenant_name, firing.deployment_id) for firing in requests}
    deployments = _deployments(session, wanted)
    queue = _Queue(session, wanted)
    now = core.clock.now()
    results: list[Fired] = []
    rows: list[dict[str, Any]] = []
    for firing in requests:
        try:
            row = _row(core, session, firing, deployments.get((firing.tenant_name, firing.deployment_id)), queue, now)
        except ManagerError as error:
            results.append(Fired(firing, error=error))
            continue
        rows.append(row)
        results.append(Fired(firing, execution_id=row["id"], status=row["status"]))
    if rows:
        session.connection().execute(insert(Execution.__table__), rows)  # type: ignore[attr-defined]
        if any(row["status"] == S.PENDING for row in rows):
            announce_pending(session)
    return results


class _Queue:
    """Who stands in the way of whom, kept up to date while a batch is admitted."""

    def __init__(self, session: Session, wanted: Iterable[DeploymentKey]) -> None:
        connection = session.connection()
        unended = E.status.in_([*ACTIVE_VALUES, QUEUED])
        blocking = select(E.id).where(unended, facts.is_system_wide()).order_by(E.created_at).limit(facts.SHOWN)
        self.system_wide = tuple(connection.execute(blocking).scalars())
        # Only the deployments of this batch: a poll has many batches, and each adds to what is unended.
        self.occupied: dict[DeploymentKey, str] = {}
        statement = select(E.id, E.deployment_id)
        for tenant, names in _by_tenant(wanted).items():
            for chunk in _chunks(sorted(names)):
                found = statement.where(E.tenant_name == tenant, E.deployment_id.in_(chunk), unended)
                for execution_id, deployment in connection.execute(found):
                    self.occupied[(tenant, deployment)] = execution_id

    def admit(self, firing: Firing, execution_id: str) -> str:
        """Return the status with which a firing begins."""
        key = (firing.tenant_name, firing.deployment_id)
        start = admission.Start(
            deployment=key, queue=True, own=True, scheduled=True, force=firing.force or firing.parallel
        )
        occupant = self.occupied.get(key)
        found = Facts(system_wide=self.system_wide, deployment=(occupant,) if occupant else ())
        decision = admission.decide(start, found)
        self.occupied.setdefault(key, execution_id)
        return (S.PENDING if decision.outcome is Outcome.START else S.QUEUED).value


@dataclass(slots=True)
class _Target:
    """A deployment as firing sees it. `bound` remembers values that were bound once in this batch."""

    deployment: Deployment
    environment: tuple[str, str | None] | None
    bound: dict[tuple[str, str, bool], dict[str, Any]]


def _deployments(session: Session, wanted: Iterable[DeploymentKey]) -> dict[DeploymentKey, _Target]:
    table: Any = Deployment
    statement = select(
        table.tenant_name, table.id, table.blueprint_id, table.visibility, table.workflows, table.inputs,
        table.create_execution, E.id.label("environment_id"), E.status, E.error,
    ).join_from(Deployment, Execution, E.id == table.create_execution, isouter=True)  # fmt: skip
    found: dict[DeploymentKey, _Target] = {}
    for tenant, names in _by_tenant(wanted).items():
        for chunk in _chunks(sorted(names)):
            chosen = statement.where(table.tenant_name == tenant, table.id.in_(chunk))
            for row in session.connection().execute(chosen):
                found[(row.tenant_name, row.id)] = _target(row)
    return found


def _by_tenant(wanted: Iterable[DeploymentKey]) -> dict[str, list[str]]:
    by_tenant: dict[str, list[str]] = defaultdict(list)
    for tenant, name in wanted:
        by_tenant[tenant].append(name)
    return by_tenant


def _chunks(names: list[str]) -> Iterator[list[str]]:
    for begin in range(0, len(names), CHUNK):
        yield names[begin : begin + CHUNK]


def _target(row: Any) -> _Target:
    # Not a row object: making one costs more than all the rest of a firing.
    deployment = cast(
        Deployment,
        SimpleNamespace(
            tenant_name=row.tenant_name,
            id=row.id,
            blueprint_id=row.blueprint_id,
            visibility=row.visibility,
            workflows=row.workflows,
            inputs=row.inputs,
            create_execution=row.create_execution,
        ),
    )
    environment = None if row.environment_id is None else (row.status, row.error)
    return _Target(deployment, environment, {})


def _row(
    core: Core, session: Session, firing: Firing, target: _Target | None, queue: _Queue, now: datetime
) -> dict[str, Any]:
    """Return the row of one firing's execution, or raise the refusal that leaves none."""
    if target is None:
        raise NotFound.of("Deployment", firing.deployment_id)
    deployment = target.deployment
    if target.environment is not None and target.environment[0] != S.TERMINATED:
        raise starting.environment_problem(deployment.id, *target.environment)
    workflow = starting.declared_workflow(deployment, firing.workflow_id)
    parameters: dict[str, Any] = firing.parameters or {}
    if workflow is not None:
        key = (firing.workflow_id, repr(firing.parameters), firing.allow_custom_parameters)
        known = target.bound.get(key)
        if known is None:
            known = binding.bind(core, session, deployment, firing.workflow_id, workflow, firing)
            target.bound[key] = known
        parameters = known
    execution_id = ids.new_id()
    force = firing.force or firing.parallel
    if workflow is not None and not force and not binding.is_available(session, deployment, workflow):
        raise starting.bad_request(f"Workflow not available: {firing.workflow_id}", "unavailable_workflow_error")
    return {
        "id": execution_id,
        "tenant_name": deployment.tenant_name,
        "created_by": firing.created_by,
        "visibility": firing.visibility,
        "created_at": now,
        "deployment_id": deployment.id,
        "blueprint_id": deployment.blueprint_id,
        "workflow_id": firing.workflow_id,
        "status": queue.admit(firing, execution_id),
        "parameters": parameters,
        "is_system_workflow": False,
        "is_dry_run": firing.dry_run,
        "scheduled_for": firing.occurrence,
        "total_operations": 0,
        "finished_operations": 0,
        "resume": False,
        "allow_custom_parameters": firing.allow_custom_parameters,
        "force": force,
        "wait_after_fail": firing.wait_after_fail,
        "allow_overlap": False,
        "attempt": 0,
        "lost_worker": False,
        "schedule_storage_id": firing.schedule_storage_id,
        "schedule_id": firing.schedule_id,
        "occurrence": firing.occurrence,
    }
