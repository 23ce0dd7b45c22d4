"""Deployment updates: start one, keep its record (REST contract §7)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlmodel import Session

from manager_core.access.caller import Caller
from manager_core.deployments.listing import UPDATES
from manager_core.deployments.tables import Deployment, DeploymentUpdate
from manager_core.errors import BadParameters, Conflict, Forbidden, IllegalAction, Kind, ManagerError, NotFound
from manager_core.executions.dependents import dependents, numbered
from manager_core.ids import new_id
from manager_core.rest.listing import ListQuery, get_one, list_page, visible
from manager_core.states import BlueprintState, ExecutionStatus

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

UPDATING, SUCCESSFUL, FAILED = "updating", "successful", "failed"
EXECUTING, FINALIZING, PREVIEW = "executing_workflow", "finalizing", "preview"
STATES = (UPDATING, EXECUTING, FINALIZING, SUCCESSFUL, FAILED, PREVIEW)
PREVIEW_SECONDS = 120.0
_WRITABLE = (
    "state", "new_blueprint_id", "old_blueprint_id", "new_inputs", "old_inputs", "execution_id",
    "runtime_only_evaluation", "deployment_plan", "deployment_update_nodes", "deployment_update_node_instances",
    "deployment_update_deployment", "central_plugins_to_install", "central_plugins_to_uninstall",
    "modified_entity_ids", "schedules_to_create", "schedules_to_delete", "labels_to_create",
)  # fmt: skip


@dataclass(frozen=True)
class UpdateRequest:
    """The body of an initiated update (REST contract §7)."""

    blueprint_id: str | None = None
    inputs: dict[str, Any] = field(default_factory=dict)
    workflow_id: str | None = None
    skip_install: bool = False
    skip_uninstall: bool = False
    skip_reinstall: bool = False
    skip_drift_check: bool = False
    skip_heal: bool = False
    force_reinstall: bool = False
    install_first: bool = False
    ignore_failure: bool = False
    reinstall_list: list[str] = field(default_factory=list)
    preview: bool = False
    update_plugins: bool = True
    force: bool = False
    runtime_only_evaluation: bool | None = None
    auto_correct_types: bool = False
    reevaluate_active_statuses: bool = False


class Updates:
    """Start deployment updates and keep their records."""

    def __init__(self, core: Core) -> None:
        """Work on the given Core."""
        self._core = core

    def page(self, caller: Caller, query: ListQuery) -> dict[str, Any]:
        """List updates."""
        with self._core.store.read() as session:
            return list_page(session, UPDATES, query, caller)

    def get(self, caller: Caller, update_id: str, include: list[str] | None = None) -> dict[str, Any]:
        """Return one update as clients see it."""
        with self._core.store.read() as session:
            return get_one(session, UPDATES, caller, update_id, include=include)

    def row(self, session: Session, caller: Caller, update_id: str) -> DeploymentUpdate:
        """Return an update's row, to change it.

        Raises:
            NotFound: none that the caller may see.
        """
        table: Any = DeploymentUpdate
        statement = select(DeploymentUpdate).where(table.id == update_id, *visible(UPDATES, caller))
        found: DeploymentUpdate | None = session.scalars(statement.execution_options(populate_existing=True)).first()
        if found is None:
            raise NotFound.of("DeploymentUpdate", update_id)
        return found

    # -- starting

    def initiate(self, caller: Caller, deployment_id: str, request: UpdateRequest) -> dict[str, Any]:
        """Start the update of a deployment; a preview waits for its result.

        Returns:
            The update as clients see it, with `execution_id`.

        Raises:
            NotFound: no such deployment or blueprint.
            ManagerError: `dependent_exists_error`, and the update stays as `failed`; or the preview failed.
        """
        problem: ManagerError | None = None
        with self._core.store.write() as session:
            deployment = self._core.deployments.owned(session, caller, deployment_id)
            row = self._new_row(session, caller, deployment, request)
            blocking = [] if request.force or request.preview else dependents(session, row.tenant_name, deployment_id)
            if blocking:
                row.state = FAILED
                session.add(row)
                problem = ManagerError(
                    f"Can't execute workflow `update` on deployment {deployment_id} - existing installations depend "
                    f"on it:\n{numbered(blocking)}",
                    code="dependent_exists_error",
                    kind=Kind.BAD_INPUT,
                )
            else:
                session.add(row)
                session.flush()
                self._start(session, caller, row, request)
        if problem is not None:
            raise problem
        self._core.executions.wake()
        if request.preview:
            self._wait_for_preview(row)
        return self.get(caller, row.id)

    def _new_row(
        self, session: Session, caller: Caller, deployment: Deployment, request: UpdateRequest
    ) -> DeploymentUpdate:
        blueprint_id = request.blueprint_id or deployment.blueprint_id
        if blueprint_id is None:
            raise BadParameters("The deployment has no blueprint: name one in blueprint_id")
        blueprint = self._core.blueprints.find(session, caller, blueprint_id)
        if blueprint.state != BlueprintState.UPLOADED:
            raise IllegalAction(
                f"Unable to update a deployment with a blueprint which is not `uploaded` but: `{blueprint.state}`"
            )
        if not request.force:
            self._require_none_active(session, deployment)
        runtime_only = request.runtime_only_evaluation
        return DeploymentUpdate(
            id=f"{deployment.id}-{new_id()}",
            deployment_id=deployment.id,
            tenant_name=deployment.tenant_name,
            created_by=caller.username,
            created_at=self._core.clock.now(),
            visibility=deployment.visibility,
            old_blueprint_id=deployment.blueprint_id,
            new_blueprint_id=blueprint_id,
            old_inputs=deployment.inputs or {},
            new_inputs={**(deployment.inputs or {}), **request.inputs},
            state=UPDATING,
            preview=request.preview,
            runtime_only_evaluation=deployment.runtime_only_evaluation if runtime_only is None else runtime_only,
            steps=[],
        )

    def _require_none_active(self, session: Session, deployment: Deployment) -> None:
        table: Any = DeploymentUpdate
        statement = select(table.id).where(
            table.tenant_name == deployment.tenant_name,
            table.deployment_id == deployment.id,
            table.state.not_in([SUCCESSFUL, FAILED]),
            table.preview.is_(False),
        )
        active = list(session.connection().execute(statement.order_by(table.storage_id)).scalars())
        if active:
            raise Conflict(f"there are deployment updates still active; update IDs: {', '.join(active)}")

    def _start(self, session: Session, caller: Caller, row: DeploymentUpdate, request: UpdateRequest) -> None:
        parameters = {
            **asdict(request),
            "update_id": row.id,
            "blueprint_id": row.new_blueprint_id,
            "runtime_only_evaluation": row.runtime_only_evaluation,
        }
        execution = self._core.executions.start_system_in(
            session,
            caller,
            "update",
            deployment_id=row.deployment_id,
            blueprint_id=row.new_blueprint_id,
            parameters=parameters,
            allow_overlap=True,
        )
        row.execution_id = execution.id
        session.add(row)

    def _wait_for_preview(self, row: DeploymentUpdate) -> None:
        assert row.execution_id is not None
        execution = self._core.executions.wait_until_end(row.execution_id, PREVIEW_SECONDS)
        if execution is None or execution.status == ExecutionStatus.TERMINATED:
            return
        if execution.status == ExecutionStatus.FAILED:
            raise BadParameters((execution.error or "").strip().rsplit("\n", 1)[-1])
        raise IllegalAction(f"The preview has not ended: its execution {execution.id} is {execution.status}")

    # -- the record, as workflows and clients change it

    def put(self, caller: Caller, update_id: str, fields: dict[str, Any]) -> dict[str, Any]:
        """Make or replace an update's record; for executions.

        Raises:
            Forbidden: the caller is no execution and names none.
        """
        execution_id = fields.get("execution_id") or caller.execution_id
        if execution_id is None:
            raise Forbidden("Deployment update objects can only be created by executions")
        with self._core.store.write() as session:
            deployment = self._core.deployments.owned(session, caller, fields["deployment_id"])
            try:
                row = self.row(session, caller, update_id)
            except NotFound:
                row = DeploymentUpdate(
                    id=update_id,
                    deployment_id=deployment.id,
                    tenant_name=deployment.tenant_name,
                    created_by=caller.username,
                    created_at=self._core.clock.now(),
                    visibility=deployment.visibility,
                    old_blueprint_id=deployment.blueprint_id,
                    new_blueprint_id=fields.get("blueprint_id") or deployment.blueprint_id,
                    old_inputs=deployment.inputs or {},
                    new_inputs={**(deployment.inputs or {}), **(fields.get("inputs") or {})},
                    steps=[],
                )
            row.execution_id = execution_id
            self._write(session, row, fields)
        return self.get(caller, update_id)

    def patch(self, caller: Caller, update_id: str, fields: dict[str, Any]) -> dict[str, Any]:
        """Change an update's record; `steps` are appended, `plan`, `nodes` and `node_instances` kept as given."""
        renamed = {
            "plan": "deployment_plan",
            "nodes": "deployment_update_nodes",
            "node_instances": "deployment_update_node_instances",
        }
        values = {renamed.get(name, name): value for name, value in fields.items()}
        with self._core.store.write() as session:
            row = self.row(session, caller, update_id)
            steps = values.pop("steps", None) or []
            row.steps = [*(row.steps or []), *with_ids(steps)]
            self._write(session, row, values)
        return self.get(caller, update_id)

    def _write(self, session: Session, row: DeploymentUpdate, fields: dict[str, Any]) -> None:
        state = fields.get("state")
        if state is not None and state not in STATES:
            raise BadParameters(f"Invalid state: `{state}`. Valid deployment update states are: {list(STATES)}")
        for name in _WRITABLE:
            if fields.get(name) is not None:
                setattr(row, name, fields[name])
        session.add(row)
        session.flush()
        if state == SUCCESSFUL and not row.preview:
            deployment = self._core.deployments.row(session, row.tenant_name, row.deployment_id)
            if deployment is not None:
                deployment.updated_at = self._core.clock.now()
                session.add(deployment)


def with_ids(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return steps in the form of the contract, each with an id."""
    return [
        {
            "id": step.get("id") or new_id(),
            "action": step["action"],
            "entity_type": step["entity_type"],
            "entity_id": step["entity_id"]
            if isinstance(step["entity_id"], list)
            else str(step["entity_id"]).split(":"),
            "topology_order": step.get("topology_order") or 0,
        }
        for step in steps
    ]
