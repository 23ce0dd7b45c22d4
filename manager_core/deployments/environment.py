"""The workflows that build and remove a deployment's environment (workflow-runtime contract §6.2, §6.3).

Everything a creation stores is stored in one transaction; what costs time (evaluating the plan, making the instances)
happens before it. Running it again after it was cut off does it anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete as delete_rows
from sqlalchemy import update
from sqlmodel import Session

from manager_core import ids
from manager_core.blueprints.labels import add_labels, plan_labels
from manager_core.deployments import dependencies
from manager_core.deployments.listing import PARENT_LABEL
from manager_core.deployments.service import checked_display_name
from manager_core.deployments.tables import Deployment, DeploymentLabel
from manager_core.deployments.values import DatabaseValues
from manager_core.dsl.errors import DslErrors
from manager_core.dsl.evaluate import evaluate, evaluate_capabilities
from manager_core.dsl.instances import create_instances
from manager_core.dsl.prepare import inter_deployment_functions, prepare
from manager_core.errors import Kind, ManagerError, NotFound
from manager_core.filters.labels import parse_labels
from manager_core.nodes import rows
from manager_core.nodes.tables import Node, NodeInstance
from manager_core.runtime.system_work import SystemWork, WorkCancelled

Pairs = Sequence[tuple[str, str]]


class CreationFailed(ManagerError):
    """A deployment's environment could not be made; the last line of the message sums it up."""

    code = "deployment_creation_error"
    kind = Kind.BAD_INPUT


def one_line_at_the_end(error: DslErrors) -> CreationFailed:
    """Return the failure whose last line sums up what several lines tell."""
    summary = "; ".join(problem.message.splitlines()[0] for problem in error.problems)
    text = error.message if error.message == summary else f"{error.message}\n{summary}"
    return CreationFailed(text, code=error.code)


def create(work: SystemWork) -> None:
    """Turn the plan of a deployment's blueprint into nodes, instances, labels, schedules and needs.

    Parameters of the execution: inputs, labels, display_name.

    Raises:
        CreationFailed: the plan cannot be prepared with these inputs.
        ManagerError: a label, a parent or a default schedule is not right.
    """
    try:
        _Creation(work).run()
    except DslErrors as error:
        raise one_line_at_the_end(error) from error


class _Creation:
    def __init__(self, work: SystemWork) -> None:
        assert work.deployment_id is not None
        self.work = work
        self.core = work.core
        self.tenant = work.tenant_name
        self.deployment_id = work.deployment_id

    def run(self) -> None:
        with self.core.store.read() as session:
            deployment = self._row(session)
            plan = self._plan(session, deployment)
            prepared = prepare_for(
                self.work, session, plan, self.work.parameters.get("inputs") or {},
                runtime_only=deployment.runtime_only_evaluation,
            )  # fmt: skip
            labels = self._labels(session, prepared)
        self.work.send_event("The plan is prepared")
        instances = create_instances(prepared, ids=ids.instance_suffix)
        while taken := self._taken(instances):
            instances = create_instances(prepared, ids=ids.instance_suffix, existing=taken)
        if self.work.cancelled():
            raise WorkCancelled
        with self.core.store.write() as session:
            self._store(session, self._row(session), prepared, labels, instances)
        self.core.deployments.workdir(self.tenant, self.deployment_id).mkdir(parents=True, exist_ok=True)
        self.work.send_event(f"{len(prepared['nodes'])} nodes with {len(instances)} instances are created")

    def _row(self, session: Session) -> Deployment:
        row = self.core.deployments.row(session, self.tenant, self.deployment_id)
        if row is None:
            raise NotFound.of("Deployment", self.deployment_id)
        return row

    def _plan(self, session: Session, deployment: Deployment) -> dict[str, Any]:
        blueprint = None
        if deployment.blueprint_id is not None:
            blueprint = self.core.blueprints.of_tenant(session, self.tenant, deployment.blueprint_id)
        if blueprint is None or blueprint.plan is None:
            raise NotFound.of("Blueprint", str(deployment.blueprint_id))
        return blueprint.plan

    def _taken(self, instances: Sequence[Mapping[str, Any]]) -> set[str]:
        with self.core.store.read() as session:
            return rows.taken_ids(session, self.tenant, [item["id"] for item in instances])

    def _labels(self, session: Session, prepared: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return the labels of the request and of the plan, after checking the parents they name."""
        given = parse_labels(self.work.parameters.get("labels") or [])
        pairs = list(dict.fromkeys([*given, *plan_labels(prepared.get("labels"))]))
        self.core.deployments.require_parents(session, self.tenant, pairs)
        self._check_parent_capabilities(session, prepared, pairs)
        return pairs

    def _check_parent_capabilities(self, session: Session, prepared: Mapping[str, Any], pairs: Pairs) -> None:
        paths = (prepared.get("requirements") or {}).get("parent_capabilities") or []
        wanted = [path if isinstance(path, list) else [path] for path in paths]
        wanted = [path for path in wanted if all(isinstance(part, str | int) for part in path)]
        if not wanted:
            return
        parent_id = next((value for key, value in pairs if key == PARENT_LABEL), None)
        parent = self.core.deployments.row(session, self.tenant, parent_id) if parent_id is not None else None
        names = ", ".join(dict.fromkeys(".".join(str(part) for part in path) for path in wanted))
        if parent is None:
            raise CreationFailed(f"Environment not found, but environment capabilities are required: {names}")
        storage = self.core.deployments.evaluation_storage(session, self.tenant, parent.id)
        values = evaluate_capabilities(parent.capabilities or {}, storage=storage)
        missing = [path for path in wanted if not _reaches(values, path)]
        if missing:
            names = ", ".join(dict.fromkeys(".".join(str(part) for part in path) for path in missing))
            raise CreationFailed(
                f"Environment {parent.display_name} ({parent.id}) does not have the required capabilities: {names}"
            )

    def _store(
        self,
        session: Session,
        deployment: Deployment,
        prepared: Mapping[str, Any],
        labels: Pairs,
        instances: Sequence[Mapping[str, Any]],
    ) -> None:
        now = self.core.clock.now()
        self._clear(session)
        for name, value in plan_columns(prepared).items():
            setattr(deployment, name, value)
        session.add(deployment)
        session.flush()
        rows.insert_nodes(session, deployment, prepared["nodes"], now)
        rows.insert_instances(session, deployment, instances, now)
        add_labels(
            session, DeploymentLabel, "deployment_id", self.tenant, self.deployment_id, labels,
            by=deployment.created_by, now=now,
        )  # fmt: skip
        dependencies.register(self.core, session, deployment, inter_deployment_functions(prepared, instances), now)
        settings = self._settings(session, prepared)
        display_name = self.work.parameters.get("display_name") or settings.get("display_name")
        groups = [str(name) for name in settings.get("default_groups") or []]
        table: Any = Deployment
        session.connection().execute(
            update(table)
            .where(table.storage_id == deployment.storage_id)
            .values(
                display_name=checked_display_name(str(display_name) if display_name else None) or deployment.id,
                deployment_groups=list(dict.fromkeys([*(deployment.deployment_groups or []), *groups])),
            )
        )
        schedules = settings.get("default_schedules") or {}
        if schedules:
            self.core.schedules.apply_defaults_in(session, self.work.caller, deployment, schedules, now)

    def _clear(self, session: Session) -> None:
        """Remove what an earlier run of this execution stored."""
        for table in (NodeInstance, Node):
            columns: Any = table
            session.connection().execute(
                delete_rows(columns).where(
                    columns.tenant_name == self.tenant, columns.deployment_id == self.deployment_id
                )
            )

    def _settings(self, session: Session, prepared: Mapping[str, Any]) -> dict[str, Any]:
        """Evaluate `deployment_settings` again, now that the labels are there."""
        settings = prepared.get("deployment_settings") or {}
        storage = self.core.deployments.evaluation_storage(session, self.tenant, self.deployment_id)
        found: dict[str, Any] = evaluate(settings, storage=storage)
        return found


def prepare_for(
    work: SystemWork,
    session: Session,
    plan: dict[str, Any],
    inputs: Mapping[str, Any],
    *,
    runtime_only: bool = False,
    auto_correct: bool = False,
) -> dict[str, Any]:
    """Prepare a plan with what the manager knows: the tenant's secrets, and what exists for object-type inputs.

    Raises:
        DslErrors: see `dsl.prepare.prepare`.
    """
    core = work.core
    return prepare(
        plan,
        inputs,
        secrets=lambda names: core.secrets.existing_names(session, work.tenant_name, names),
        values=DatabaseValues(core, session, work.caller, plan=plan),
        runtime_only=runtime_only,
        auto_correct=auto_correct,
    )


def plan_columns(prepared: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a deployment that come from its prepared plan."""
    return {
        "description": prepared.get("description"),
        "workflows": prepared.get("workflows") or {},
        "inputs": prepared.get("inputs") or {},
        "outputs": prepared.get("outputs") or {},
        "capabilities": prepared.get("capabilities") or {},
        "policy_types": prepared.get("policy_types") or {},
        "policy_triggers": prepared.get("policy_triggers") or {},
        "groups": prepared.get("groups") or {},
        "scaling_groups": prepared.get("scaling_groups") or {},
        "resource_tags": prepared.get("resource_tags") or {},
    }


def _reaches(values: Any, path: Sequence[Any]) -> bool:
    for part in path:
        if (isinstance(values, Mapping) and part in values) or (
            isinstance(values, list) and isinstance(part, int) and -len(values) <= part < len(values)
        ):
            values = values[part]
        else:
            return False
    return True


def delete(work: SystemWork) -> None:
    """Remove a deployment's files; its rows go when the execution ends (REST contract §6.4).

    With `recursive` the deployments inside it go first.

    Raises:
        ManagerError: one of those is in use.
    """
    assert work.deployment_id is not None
    if work.parameters.get("recursive"):
        force = bool(work.parameters.get("force"))
        for name in work.core.deployments.remove_contained(work.tenant_name, work.deployment_id, force=force):
            work.send_event(f"Deleted the contained deployment {name}")
    work.send_event("Deleting the deployment's files")
    work.core.deployments.remove_files(work.tenant_name, work.deployment_id)
