"""Create, read, change and delete deployments."""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, cast, delete, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from manager_core.access import visibility as visibility_rules
from manager_core.access.caller import Caller
from manager_core.blueprints.labels import replace_labels
from manager_core.blueprints.tables import Blueprint
from manager_core.deployments import dependencies
from manager_core.deployments.evaluation import DatabaseStorage
from manager_core.deployments.listing import DEPLOYMENTS, PARENT_LABEL, workflow_lists
from manager_core.deployments.status import IN_PROGRESS, INACTIVE, REQUIRES_ATTENTION, follow_execution
from manager_core.deployments.tables import Deployment, DeploymentLabel, InterDeploymentDependency
from manager_core.deployments.updates import Updates
from manager_core.dsl.evaluate import evaluate, evaluate_capabilities, evaluate_outputs
from manager_core.errors import BadParameters, Conflict, Forbidden, IllegalAction, Kind, ManagerError, NotFound
from manager_core.executions.admission import CREATE_ENVIRONMENT, DELETE_ENVIRONMENT
from manager_core.executions.dependents import maker
from manager_core.executions.starting import environment_problem
from manager_core.executions.statuses import remove_deployment
from manager_core.executions.tables import Execution
from manager_core.filters.constraints import check_constraints, name_matches
from manager_core.filters.labels import parse_labels
from manager_core.filters.searches import SearchBody, search_conditions
from manager_core.nodes.rows import UPDATE_WORKFLOWS
from manager_core.nodes.tables import NodeInstance
from manager_core.rest.identifiers import check_id
from manager_core.rest.listing import ListQuery, contains, fixed_page, get_one, list_page, visible
from manager_core.states import (
    BLUEPRINT_END,
    DELETED_OR_NEVER_BUILT,
    END,
    VISIBILITY_ORDER,
    BlueprintState,
    ExecutionStatus,
    Visibility,
)

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

SYNCHRONOUS_SECONDS = 120.0
SET_ONCE = (
    "description", "workflows", "groups", "scaling_groups", "policy_types", "policy_triggers", "inputs", "outputs",
    "capabilities", "resource_tags", "runtime_only_evaluation",
)  # fmt: skip
_DISPLAY_NAME_LENGTH = 256
_WORKFLOW_FILTERS = ("id", "blueprint_id", "created_by", "display_name", "site_name", "tenant_name", "visibility")
"""Fields of deployments by which their workflows can be listed."""


@dataclass(frozen=True)
class NewDeployment:
    """The body of a creation (REST contract §6.2)."""

    blueprint_id: str
    inputs: dict[str, Any] = field(default_factory=dict)
    visibility: str = Visibility.TENANT.value
    labels: Any = None
    display_name: str | None = None
    skip_plugins_validation: bool = False
    runtime_only_evaluation: bool = False
    site_name: str | None = None
    created_at: datetime | None = None
    created_by: str | None = None


class Deployments:
    """Create, read, change and delete deployments.

    Attributes:
        updates: deployment updates.
    """

    def __init__(self, core: Core) -> None:
        """Work on the given Core."""
        self._core = core
        self.updates = Updates(core)

    # -- reading

    def page(self, caller: Caller, query: ListQuery, body: SearchBody | None = None) -> dict[str, Any]:
        """List deployments."""
        with self._core.store.read() as session:
            hidden_by = search_conditions(self._core, session, caller, "deployments", query, body)
            where, query = self._special_conditions(caller, query)
            return list_page(session, DEPLOYMENTS, query, caller, where=where, hidden_by=hidden_by)

    def _special_conditions(self, caller: Caller, query: ListQuery) -> tuple[list[Any], ListQuery]:
        """Return the conditions of `_search_name`, `_group_id` and `_dependencies_of`."""
        table: Any = Deployment
        where: list[Any] = []
        name = query.first("_search_name")
        if name:
            parts = [contains(table.display_name, name)]
            if query.search:
                parts.append(contains(table.id, query.search))
                query = replace(query, search=None)
            where.append(or_(*parts))
        group = query.first("_group_id")
        if group:
            where.append(cast(table.deployment_groups, Text).contains(f'"{group}"', autoescape=True))
        source = query.first("_dependencies_of")
        if source:
            need: Any = InterDeploymentDependency
            targets = select(need.target_deployment).where(
                need.tenant_name == caller.tenant_name, need.deployment_id == source
            )
            where.append(table.id.in_(targets))
        return where, query

    def get(self, caller: Caller, deployment_id: str, include: list[str] | None = None) -> dict[str, Any]:
        """Return one deployment as clients see it."""
        with self._core.store.read() as session:
            return get_one(session, DEPLOYMENTS, caller, deployment_id, include=include)

    def find(self, session: Session, caller: Caller, deployment_id: str) -> Deployment:
        """Return the row the caller means: the own tenant's, else a global one.

        Raises:
            NotFound: none that the caller may read.
        """
        table: Any = Deployment
        statement = (
            select(Deployment)
            .where(table.id == deployment_id, *visible(DEPLOYMENTS, caller))
            .order_by((table.tenant_name == caller.tenant_name).desc())
        )
        row: Deployment | None = session.scalars(statement).first()
        if row is None:
            raise NotFound.of("Deployment", deployment_id)
        return row

    def owned(self, session: Session, caller: Caller, deployment_id: str) -> Deployment:
        """Return a row of the caller's own tenant, to change it.

        Raises:
            NotFound: none.
        """
        row = self.find(session, caller, deployment_id)
        if row.tenant_name != caller.tenant_name:
            raise NotFound.of("Deployment", deployment_id)
        return row

    def row(self, session: Session, tenant: str, deployment_id: str) -> Deployment | None:
        """Return the row of this very tenant, or None."""
        table: Any = Deployment
        statement = select(Deployment).where(table.tenant_name == tenant, table.id == deployment_id)
        return session.scalars(statement.execution_options(populate_existing=True)).first()

    def evaluation_storage(self, session: Session, tenant: str, deployment_id: str) -> DatabaseStorage:
        """Return the facts that a deployment's intrinsic functions are evaluated with."""
        return DatabaseStorage(self._core, session, tenant, deployment_id)

    def folder(self, tenant: str, deployment_id: str) -> Path:
        """Return the folder of a deployment's own resources, whether or not it exists."""
        return self._core.settings.data_dir.resolve() / "deployments" / tenant / _segment(deployment_id)

    def workdir(self, tenant: str, deployment_id: str) -> Path:
        """Return a deployment's work directory, whether or not it exists."""
        return self._core.settings.data_dir.resolve() / "workdirs" / tenant / _segment(deployment_id)

    def outputs(self, caller: Caller, deployment_id: str) -> dict[str, Any]:
        """Return the evaluated outputs.

        Raises:
            DslErrors: `deployment_outputs_evaluation_error`.
        """
        with self._core.store.read() as session:
            row = self.find(session, caller, deployment_id)
            storage = self.evaluation_storage(session, row.tenant_name, row.id)
            return {
                "deployment_id": deployment_id,
                "outputs": evaluate_outputs(row.outputs or {}, storage=storage),
            }

    def capabilities(self, caller: Caller, deployment_id: str) -> dict[str, Any]:
        """Return the evaluated capabilities.

        Raises:
            DslErrors: `deployment_capabilities_evaluation_error`.
        """
        with self._core.store.read() as session:
            row = self.find(session, caller, deployment_id)
            storage = self.evaluation_storage(session, row.tenant_name, row.id)
            return {
                "deployment_id": deployment_id,
                "capabilities": evaluate_capabilities(row.capabilities or {}, storage=storage),
            }

    def evaluate(
        self, caller: Caller, deployment_id: str, context: dict[str, Any], payload: dict[str, Any]
    ) -> dict[str, Any]:
        """Replace the intrinsic functions in a payload (REST contract §20.3)."""
        with self._core.store.read() as session:
            row = self.find(session, caller, deployment_id)
            if not visibility_rules.may_modify(
                caller, row
            ):  # the payload could name any secret of the deployment's tenant
                raise NotFound.of("Deployment", deployment_id)
            storage = self.evaluation_storage(session, row.tenant_name, row.id)
            value = evaluate(payload, storage=storage, context=context)
        return {"deployment_id": deployment_id, "payload": value}

    def workflows_page(self, caller: Caller, query: ListQuery, body: SearchBody | None = None) -> dict[str, Any]:
        """List the workflows of all deployments that match, each name once."""
        table: Any = Deployment
        constraints = (body.constraints if body is not None else None) or {}
        check_constraints(constraints)
        if constraints.get("deployment_id"):
            query = replace(query, filters={**query.filters, "id": [str(constraints["deployment_id"])]})
        filters = {("id" if name == "deployment_id" else name): values for name, values in query.filters.items()}
        rules = SearchBody(filter_rules=body.filter_rules) if body is not None else None
        with self._core.store.read() as session:
            hidden_by = search_conditions(self._core, session, caller, "deployments", query, rules)
            statement = select(table.tenant_name, table.id, cast(table.workflows, Text)).where(
                *visible(DEPLOYMENTS, caller, all_tenants=query.all_tenants), *hidden_by
            )
            for name, values in filters.items():
                if name not in _WORKFLOW_FILTERS:
                    raise BadParameters(
                        f"Filter keys '['{name}']' do not exist. Allowed keys are: ['deployment_id', "
                        f"{', '.join(map(repr, _WORKFLOW_FILTERS))}]"
                    )
                statement = statement.where(getattr(table, name).in_(values))
            rows = [tuple(row) for row in session.connection().execute(statement.order_by(table.storage_id))]
            found: dict[str, Any] = {}
            for items in workflow_lists(session, rows):
                for item in items:
                    if name_matches(constraints, item["name"]) and (query.search or "").lower() in item["name"].lower():
                        found.setdefault(item["name"], item)
        return _paged(list(found.values()), query)

    def parts_page(self, caller: Caller, query: ListQuery, body: SearchBody, *, part: str) -> dict[str, Any]:
        """List the capabilities or scaling groups of the deployments named by `deployment_id`."""
        constraints = body.constraints or {}
        check_constraints(constraints)
        named = query.filters.get("deployment_id") or [str(constraints.get("deployment_id") or "")]
        if not named[0]:
            raise BadParameters("Missing required parameter: deployment_id")
        items: list[dict[str, Any]] = []
        with self._core.store.read() as session:
            for deployment_id in named:
                row = self.find(session, caller, deployment_id)
                if part == "scaling_groups":
                    names = [name for name in row.scaling_groups or {} if name_matches(constraints, name)]
                    items.extend({"deployment_id": deployment_id, "name": name} for name in names)
                    continue
                storage = self.evaluation_storage(session, row.tenant_name, row.id)
                chosen = {
                    name: body for name, body in (row.capabilities or {}).items() if name_matches(constraints, name)
                }
                values = evaluate_capabilities(chosen, storage=storage)
                items.append(
                    {"deployment_id": deployment_id, "capabilities": [{name: value} for name, value in values.items()]}
                )
        return _paged(items, query)

    # -- creating

    def create(
        self, caller: Caller, deployment_id: str, *, asynchronous: bool = False, **fields: Any
    ) -> dict[str, Any]:
        """Create a deployment and start building its environment (REST contract §6.2).

        Args:
            asynchronous: answer when the execution is there; otherwise wait for its end, at most 120 s.
            fields: the fields of `NewDeployment`.

        Returns:
            The deployment as clients see it.

        Raises:
            ManagerError: as the contract says; nothing is stored for what is refused before the execution starts.
        """
        wanted = NewDeployment(**fields)
        check_id(deployment_id, "deployment_id", any_first=True)
        if asynchronous:
            self._wait_for_upload(caller, wanted.blueprint_id)
        with self._core.store.write() as session:
            execution_id = self._create_in(session, caller, deployment_id, wanted)
        self._core.executions.wake()
        if not asynchronous:
            self._wait_for_environment(deployment_id, execution_id)
        return self.get(caller, deployment_id)

    def _wait_for_upload(self, caller: Caller, blueprint_id: str) -> None:
        with self._core.store.read() as session:
            blueprint = self._core.blueprints.find(session, caller, blueprint_id)
        if blueprint.state not in BLUEPRINT_END and blueprint.upload_execution_id is not None:
            self._core.executions.wait_until_end(blueprint.upload_execution_id, SYNCHRONOUS_SECONDS)

    def _create_in(self, session: Session, caller: Caller, deployment_id: str, wanted: NewDeployment) -> str:
        blueprint = self._core.blueprints.find(session, caller, wanted.blueprint_id)
        if blueprint.state != BlueprintState.UPLOADED:
            raise _creation_error(
                f"Unable to create a deployment based on a blueprint which is not `uploaded` but: `{blueprint.state}`"
            )
        self._replace_failed(session, caller, deployment_id)
        visibility = visibility_rules.checked(wanted.visibility, caller)
        if visibility == Visibility.GLOBAL and blueprint.visibility != Visibility.GLOBAL:
            raise Forbidden(
                f"Can't create global deployment {deployment_id} because blueprint {blueprint.id} is not global"
            )
        visibility_rules.require_unique_if_global(
            session, Deployment, "Deployment", caller.tenant_name, deployment_id, visibility
        )
        pairs = parse_labels(wanted.labels or [])
        display_name = checked_display_name(wanted.display_name) or deployment_id
        if wanted.created_at is not None:
            caller.require("set_timestamp")
        if wanted.created_by is not None:
            caller.require("set_owner")
        plan = blueprint.plan or {}
        if not wanted.skip_plugins_validation:
            self._core.plugins.require_installed(session, caller.tenant_name, plan)
        check_input_names(plan, wanted.inputs)
        row = Deployment(
            id=deployment_id,
            display_name=display_name,
            tenant_name=caller.tenant_name,
            created_by=wanted.created_by or caller.username,
            created_at=wanted.created_at or self._core.clock.now(),
            visibility=visibility,
            blueprint_id=blueprint.id,
            site_name=wanted.site_name,
            runtime_only_evaluation=wanted.runtime_only_evaluation,
            deployment_status=REQUIRES_ATTENTION,
            installation_status=INACTIVE,
        )
        session.add(row)
        try:
            session.flush()
        except IntegrityError as error:
            raise visibility_rules.taken("Deployment", caller.tenant_name, deployment_id) from error
        execution = self._core.executions.start_system_in(
            session,
            caller,
            CREATE_ENVIRONMENT,
            deployment_id=deployment_id,
            blueprint_id=blueprint.id,
            parameters={
                "inputs": wanted.inputs,
                "labels": [{key: value} for key, value in pairs],
                "display_name": wanted.display_name,
                "skip_plugins_validation": wanted.skip_plugins_validation,
            },
        )
        row.create_execution = row.latest_execution = execution.id
        session.add(row)
        return execution.id

    def _replace_failed(self, session: Session, caller: Caller, deployment_id: str) -> None:
        """Remove a deployment of this id whose creation failed; refuse when it is a good one."""
        table: Any = Deployment
        runs: Any = Execution
        tenant = caller.tenant_name
        row = self.row(session, tenant, deployment_id)
        if row is not None:
            found = session.connection().execute(
                select(runs.workflow_id, runs.status).where(
                    runs.tenant_name == tenant, runs.deployment_id == deployment_id
                )
            )
            if [tuple(run) for run in found] == [(CREATE_ENVIRONMENT, ExecutionStatus.FAILED.value)]:
                session.expunge(row)
                session.connection().execute(
                    delete(table).where(table.tenant_name == tenant, table.id == deployment_id)
                )
        visibility_rules.require_free(session, Deployment, "Deployment", tenant, deployment_id)

    def _wait_for_environment(self, deployment_id: str, execution_id: str) -> None:
        execution = self._core.executions.wait_until_end(execution_id, SYNCHRONOUS_SECONDS)
        if execution is None or execution.status == ExecutionStatus.TERMINATED:
            return
        if execution.status == ExecutionStatus.FAILED:
            raise _creation_error((execution.error or "").strip().rsplit("\n", 1)[-1])
        raise environment_problem(deployment_id, ExecutionStatus.STARTED, None)

    # -- changing

    def patch(self, caller: Caller, deployment_id: str, changes: dict[str, Any]) -> dict[str, Any]:
        """Change a deployment (REST contract §6.3); labels replace the full set."""
        if not changes:
            raise IllegalAction("Update a deployment request must include at least one parameter to update")
        pairs = parse_labels(changes["labels"]) if changes.get("labels") is not None else None
        now = self._core.clock.now()
        with self._core.store.write() as session:
            row = self.owned(session, caller, deployment_id)
            self._change_planned(session, caller, row, changes)
            self._change_plain(session, caller, row, changes)
            row.updated_at = now
            session.add(row)
            session.flush()
            if pairs is not None:
                self.require_parents(session, row.tenant_name, pairs)
                replace_labels(
                    session, DeploymentLabel, "deployment_id", row.tenant_name, row.id, pairs, by=caller.username,
                    now=now,
                )  # fmt: skip
        return self.get(caller, deployment_id)

    def _change_planned(self, session: Session, caller: Caller, row: Deployment, changes: dict[str, Any]) -> None:
        """Change what comes from the plan: once, or by a deployment update."""
        updating = self._is_update(session, caller)
        if changes.get("blueprint_id") is not None:
            if not updating:
                raise Forbidden(
                    "The blueprint can only be changed by a deployment update", code="only_deployment_update"
                )
            row.blueprint_id = self._core.blueprints.find(session, caller, changes["blueprint_id"]).id
        for name in SET_ONCE:
            if changes.get(name) is None:
                continue
            if getattr(row, name) not in (None, False) and not updating:
                raise Conflict(f"{name} is already set")
            setattr(row, name, changes[name])

    def _change_plain(self, session: Session, caller: Caller, row: Deployment, changes: dict[str, Any]) -> None:
        if changes.get("visibility") is not None:
            self._widen(session, caller, row, changes["visibility"])
        if changes.get("display_name") is not None:
            row.display_name = checked_display_name(changes["display_name"]) or row.display_name
        if changes.get("creator") is not None:
            caller.require("set_owner")
            row.created_by = self._core.access.caller_for(session, changes["creator"], None).username
        for name in ("create_execution", "latest_execution"):
            if changes.get(name) is not None:
                setattr(row, name, self._core.executions.found(session, changes[name]).id)
        for name in ("deployment_groups", "site_name"):
            if changes.get(name) is not None:
                setattr(row, name, changes[name])

    def _is_update(self, session: Session, caller: Caller) -> bool:
        if caller.execution_id is None:
            return False
        return self._core.executions.found(session, caller.execution_id).workflow_id in UPDATE_WORKFLOWS

    def require_parents(self, session: Session, tenant: str, pairs: Sequence[tuple[str, str]]) -> None:
        """Refuse labels that name a parent which does not exist.

        Raises:
            ManagerError: `deployment_parent_not_found_error`.
        """
        for key, value in pairs:
            if key == PARENT_LABEL and self.row(session, tenant, value) is None:
                raise ManagerError(
                    f"Environment referenced by `{PARENT_LABEL}` not found: {value}",
                    code="deployment_parent_not_found_error",
                    kind=Kind.NOT_FOUND,
                )

    def set_visibility(self, caller: Caller, deployment_id: str, visibility: Any) -> dict[str, Any]:
        """Make a deployment visible to more people; nodes and instances follow."""
        with self._core.store.write() as session:
            self._widen(session, caller, self.owned(session, caller, deployment_id), visibility)
        return self.get(caller, deployment_id)

    def _widen(self, session: Session, caller: Caller, row: Deployment, visibility: Any) -> None:
        wanted = visibility_rules.checked(visibility, caller)
        blueprint: Blueprint | None = None
        if row.blueprint_id is not None:
            blueprint = self._core.blueprints.of_tenant(session, row.tenant_name, row.blueprint_id)
        if blueprint is not None and _width(wanted) > _width(blueprint.visibility) and wanted != row.visibility:
            raise IllegalAction(
                f"The visibility of deployment `{row.id}` can't be wider than the visibility of its blueprint "
                f"`{blueprint.id}`. Current blueprint visibility is {blueprint.visibility}"
            )
        if visibility_rules.widen(session, caller, row, "Deployment", wanted):
            session.flush()
            self._core.nodes.follow_visibility_in(session, row)

    def set_site(
        self, caller: Caller, deployment_id: str, site_name: str | None, *, detach: bool = False
    ) -> dict[str, Any]:
        """Set or remove the name of the site."""
        if bool(site_name) == detach:
            raise BadParameters("Must provide either a `site_name` of a valid site or `detach_site` with true value")
        with self._core.store.write() as session:
            row = self.owned(session, caller, deployment_id)
            row.site_name = None if detach else site_name
            session.add(row)
        return self.get(caller, deployment_id)

    def on_execution_status_in(self, session: Session, execution: Execution) -> None:
        """Bring a deployment's statuses up to date after a change of one of its executions."""
        if execution.deployment_id is not None:
            session.flush()
            follow_execution(session, execution)

    # -- deleting

    def delete(
        self,
        caller: Caller,
        deployment_id: str,
        *,
        force: bool = False,
        delete_logs: bool = False,
        recursive: bool = False,
    ) -> None:
        """Start the removal of a deployment (REST contract §6.4).

        Raises:
            ManagerError: `dependent_exists_error`: it is in use.
        """
        table: Any = Deployment
        with self._core.store.write() as session:
            row = self.owned(session, caller, deployment_id)
            inside = self._contained(session, row) if recursive else []
            made_by = maker(session, caller)
            leaving = [row.id, *(item.id for item in inside)]
            for each in (row, *inside):
                self._require_removable(session, each, force=force, leaving=leaving, made_by=made_by)
            session.connection().execute(
                update(table).where(table.storage_id == row.storage_id).values(deployment_status=IN_PROGRESS)
            )
            self._core.executions.start_system_in(
                session,
                caller,
                DELETE_ENVIRONMENT,
                deployment_id=deployment_id,
                blueprint_id=row.blueprint_id,
                parameters={"delete_logs": delete_logs, "force": force, "recursive": recursive},
                force=force,
            )
        self._core.executions.wake()

    def _contained(self, session: Session, row: Deployment) -> list[Deployment]:
        """Return the deployments inside a deployment, the innermost first."""
        names = dependencies.contained(session, row.tenant_name, row.id)
        found = (self.row(session, row.tenant_name, name) for name in names)
        return [each for each in found if each is not None]

    def remove_contained(self, tenant: str, deployment_id: str, *, force: bool) -> list[str]:
        """Delete the deployments inside a deployment, all of them or none; returns their ids.

        Raises:
            ManagerError: `dependent_exists_error`: one of them is in use.
        """
        with self._core.store.write() as session:
            row = self.row(session, tenant, deployment_id)
            inside = self._contained(session, row) if row is not None else []
            names = [each.id for each in inside]
            for each in inside:
                self._require_removable(session, each, force=force, leaving=[deployment_id, *names])
            for name in names:
                remove_deployment(session, tenant, name)
        for name in names:
            self.remove_files(tenant, name)
        return names

    def _require_removable(
        self,
        session: Session,
        row: Deployment,
        *,
        force: bool,
        leaving: Collection[str] = (),
        made_by: str | None = None,
    ) -> None:
        runs: Any = Execution
        not_ended = (
            select(runs.id)
            .where(
                runs.tenant_name == row.tenant_name,
                runs.deployment_id == row.id,
                runs.status.not_in([str(status) for status in (*END, ExecutionStatus.SCHEDULED)]),
            )
            .order_by(runs.storage_id)
        )
        running = list(session.connection().execute(not_ended).scalars())
        if running:
            raise _dependent(
                f"Can't delete deployment {row.id} - There are running or queued executions for this deployment. "
                f"Running executions ids: {','.join(running)}"
            )
        if force:
            return
        needed = dependencies.blocking(session, row.tenant_name, row.id, leaving=leaving, maker=made_by)
        if needed:
            raise _dependent(
                f"Can't delete deployment {row.id} - the following existing installations depend on it:\n{needed}"
            )
        table: Any = NodeInstance
        alive = (
            select(table.id)
            .where(
                table.tenant_name == row.tenant_name,
                table.deployment_id == row.id,
                table.state.not_in(sorted(DELETED_OR_NEVER_BUILT)),
            )
            .order_by(table.storage_id)
        )
        live = list(session.connection().execute(alive).scalars())
        if live:
            raise _dependent(
                f"Can't delete deployment {row.id} - There are live nodes for this deployment. "
                f"Live nodes ids: {','.join(live)}"
            )

    def remove_files(self, tenant: str, deployment_id: str) -> None:
        """Delete a deployment's work directory and resources."""
        for folder in (self.workdir(tenant, deployment_id), self.folder(tenant, deployment_id)):
            shutil.rmtree(folder, ignore_errors=True)


def check_input_names(plan: dict[str, Any], inputs: dict[str, Any]) -> None:
    """Refuse missing and unknown inputs, before anything is stored (REST contract §6.2).

    Raises:
        ManagerError: `missing_required_deployment_input_error` or `unknown_deployment_input_error`.
    """
    declared = plan.get("inputs") or {}
    missing = [
        name
        for name, schema in declared.items()
        if name not in inputs
        and (schema or {}).get("default") is None
        and (schema or {}).get("required", True) is not False
    ]
    if missing:
        raise ManagerError(
            f"missing inputs: {', '.join(missing)}",
            code="missing_required_deployment_input_error",
            kind=Kind.BAD_INPUT,
        )
    unknown = [name for name in inputs if name not in declared]
    if unknown:
        raise ManagerError(
            f"Cannot create deployment - unknown inputs: {', '.join(unknown)}",
            code="unknown_deployment_input_error",
            kind=Kind.BAD_INPUT,
        )


def checked_display_name(value: str | None) -> str | None:
    """Return a display name in its normal form; None or empty is none.

    Raises:
        BadParameters: too long, or it holds a control character.
    """
    if not value:
        return None
    if len(value) > _DISPLAY_NAME_LENGTH:
        raise BadParameters(
            f"The deployment display name is too long. Maximum allowed length is {_DISPLAY_NAME_LENGTH} characters"
        )
    if any(unicodedata.category(character)[0] == "C" for character in value):
        raise BadParameters("The deployment display name contains control characters")
    return unicodedata.normalize("NFKC", value)


def _width(visibility: str) -> int:
    return VISIBILITY_ORDER.index(Visibility(visibility))


def _segment(deployment_id: str) -> str:
    """Return the name of a deployment's folder; an id of dots alone must not climb."""
    return deployment_id.replace(".", "%2E") if not deployment_id.strip(".") else deployment_id


def _paged(items: list[dict[str, Any]], query: ListQuery) -> dict[str, Any]:
    page = fixed_page(items, size=query.page_size)
    end = None if query.size is None else query.offset + query.size
    page["items"] = items[query.offset : end]
    page["metadata"]["pagination"]["offset"] = query.offset
    return page


def _creation_error(message: str) -> ManagerError:
    return ManagerError(message, code="deployment_creation_error", kind=Kind.BAD_INPUT)


def _dependent(message: str) -> ManagerError:
    return ManagerError(message, code="dependent_exists_error", kind=Kind.BAD_INPUT)
