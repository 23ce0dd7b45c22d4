"""What a deployment update stores, phase by phase (workflow-runtime contract §6.4).

`prepare` computes the difference and writes it to the record; `perform` makes the model what the new plan wants,
keeping what is still to be removed; `finish` removes it. Between the last two the lifecycle of the instances runs. Each
phase is one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import delete, select, update
from sqlmodel import Session

from manager_core import ids
from manager_core.blueprints.labels import add_labels, labels_of, plan_labels
from manager_core.deployments import dependencies
from manager_core.deployments.environment import plan_columns, prepare_for
from manager_core.deployments.tables import Deployment, DeploymentLabel, DeploymentUpdate
from manager_core.deployments.updates import SUCCESSFUL, with_ids
from manager_core.dsl.evaluate import evaluate
from manager_core.dsl.modification import modify
from manager_core.dsl.prepare import inter_deployment_functions
from manager_core.dsl.update_steps import ADD, MODIFY, REMOVE, diff, unsupported
from manager_core.errors import Kind, ManagerError, NotFound
from manager_core.executions.stored_inputs import declared_by, rewrite
from manager_core.nodes import rows
from manager_core.nodes.tables import Node, NodeInstance
from manager_core.plugins.service import PLUGIN_LISTS
from manager_core.rest.responses import to_json

if TYPE_CHECKING:
    from manager_core.runtime.system_work import SystemWork

Record = dict[str, Any]
_COUNTS = ("current_instances", "planned_instances")


class UnsupportedUpdate(ManagerError):
    """The new blueprint changes what an update cannot change."""

    code = "bad_parameters_error"
    kind = Kind.BAD_INPUT


@dataclass(frozen=True)
class Changes:
    """What an update does, as found by `prepare`.

    Attributes:
        prepared: the new plan, with the deployment's inputs.
        added_nodes, changed_nodes, removed_nodes: node ids.
        instances: the four lists of `dsl.modification.modify`.
    """

    prepared: Record
    added_nodes: list[str]
    changed_nodes: list[str]
    removed_nodes: list[str]
    instances: dict[str, list[Record]] = field(default_factory=dict)

    def marked(self, kind: str) -> list[Record]:
        """Return the instances that are themselves `added`, `removed`, `extended` or `reduced`."""
        return [item for item in self.instances[f"{kind}_and_related"] if item.get("modification") == kind]

    def related(self, kind: str) -> list[str]:
        """Return the ids of the instances next to those."""
        return [item["id"] for item in self.instances[f"{kind}_and_related"] if item.get("modification") != kind]


class UpdatePhases:
    """One update of one deployment."""

    def __init__(self, work: SystemWork) -> None:
        """Work for the execution that `work` describes; parameters as the contract names them."""
        assert work.deployment_id is not None
        self.work = work
        self.core = work.core
        self.tenant = work.tenant_name
        self.deployment_id: str = work.deployment_id
        self.update_id: str = work.parameters["update_id"]

    # -- prepare

    def prepare(self) -> Changes:
        """Compute what changes and write it to the update's record; the deployment stays as it is.

        Raises:
            DslErrors: the new plan cannot be prepared with the merged inputs.
            UnsupportedUpdate: a step that no update can carry out.
        """
        with self.core.store.read() as session:
            deployment, record = self._deployment(session), self._record(session)
            nodes, instances = self.core.nodes.load(session, self.tenant, self.deployment_id)
            plan = self._plan(session, record)
            known = plan.get("inputs") or {}
            given = self.work.parameters.get("inputs") or {}
            inputs = {name: value for name, value in (record.old_inputs or {}).items() if name in known}
            prepared = prepare_for(
                self.work,
                session,
                plan,
                {**inputs, **given},
                runtime_only=record.runtime_only_evaluation,
                auto_correct=bool(self.work.parameters.get("auto_correct_types")),
            )
        prepared, wanted = _with_present_counts(prepared, nodes, deployment.scaling_groups or {})
        steps = diff(_present(deployment, nodes), prepared)
        refused = unsupported(steps)
        if refused:
            named = ", ".join(f"{step.action} {step.entity_type} {':'.join(step.entity_id)}" for step in refused)
            raise UnsupportedUpdate(f"Cannot update: unsupported steps found: {named}")
        changes = Changes(
            prepared=prepared,
            added_nodes=[step.entity_id[1] for step in steps if (step.action, step.entity_type) == (ADD, "node")],
            removed_nodes=[step.entity_id[1] for step in steps if (step.action, step.entity_type) == (REMOVE, "node")],
            changed_nodes=list(
                dict.fromkeys(
                    step.entity_id[1]
                    for step in steps
                    if step.entity_id[0] == "nodes" and (len(step.entity_id) > 2 or step.action == MODIFY)
                )
            ),
            instances=modify(
                prepared["nodes"], prepared.get("scaling_groups"), instances, wanted, ids=ids.instance_suffix
            ),
        )
        with self.core.store.write() as session:
            self._write_record(session, changes, [step.as_dict() for step in steps])
        return changes

    def _deployment(self, session: Session) -> Deployment:
        row = self.core.deployments.row(session, self.tenant, self.deployment_id)
        if row is None:
            raise NotFound.of("Deployment", self.deployment_id)
        return row

    def _record(self, session: Session) -> DeploymentUpdate:
        table: Any = DeploymentUpdate
        statement = select(DeploymentUpdate).where(table.tenant_name == self.tenant, table.id == self.update_id)
        row: DeploymentUpdate | None = session.scalars(statement).first()
        if row is None:
            raise NotFound.of("DeploymentUpdate", self.update_id)
        return row

    def _plan(self, session: Session, record: DeploymentUpdate) -> Record:
        blueprint = self.core.blueprints.of_tenant(session, self.tenant, record.new_blueprint_id or "")
        if blueprint is None or blueprint.plan is None:
            raise NotFound.of("Blueprint", str(record.new_blueprint_id))
        return blueprint.plan

    def _write_record(self, session: Session, changes: Changes, steps: list[Record]) -> None:
        record, deployment = self._record(session), self._deployment(session)
        old_plan = None
        if deployment.blueprint_id is not None:
            blueprint = self.core.blueprints.of_tenant(session, self.tenant, deployment.blueprint_id)
            old_plan = blueprint.plan if blueprint is not None else None
        old_plugins, new_plugins = _central_plugins(old_plan or {}), _central_plugins(changes.prepared)
        labels = set(plan_labels(changes.prepared.get("labels")))
        record.steps = with_ids(steps)
        record.new_inputs = changes.prepared["inputs"]
        record.deployment_plan = changes.prepared
        record.deployment_update_nodes = {
            "add": changes.added_nodes, "modify": changes.changed_nodes, "remove": changes.removed_nodes,
        }  # fmt: skip
        record.deployment_update_node_instances = _plain(changes.instances)
        record.deployment_update_deployment = plan_columns(changes.prepared)
        record.central_plugins_to_install = [item for item in new_plugins if item not in old_plugins]
        record.central_plugins_to_uninstall = [item for item in old_plugins if item not in new_plugins]
        record.modified_entity_ids = {
            "node": [*changes.added_nodes, *changes.changed_nodes, *changes.removed_nodes],
            "node_instance": [item["id"] for kind in ("added", "removed") for item in changes.marked(kind)],
        }
        record.labels_to_create = [
            {"key": key, "value": value} for key, value in sorted(labels - set(self._labels(session)))
        ]
        settings = changes.prepared.get("deployment_settings") or {}
        record.schedules_to_create = sorted(settings.get("default_schedules") or {})
        session.add(record)

    def _labels(self, session: Session) -> list[tuple[str, str]]:
        return labels_of(session, DeploymentLabel, "deployment_id", self.tenant, self.deployment_id)

    # -- perform

    def perform(self, changes: Changes) -> None:
        """Store the new model beside what is still to be removed."""
        now = self.core.clock.now()
        prepared = changes.prepared
        with self.core.store.write() as session:
            deployment, record = self._deployment(session), self._record(session)
            for name, value in plan_columns(prepared).items():
                setattr(deployment, name, value)
            deployment.blueprint_id = record.new_blueprint_id
            deployment.runtime_only_evaluation = record.runtime_only_evaluation
            session.add(deployment)
            session.flush()
            labels = plan_labels(prepared.get("labels"))
            self.core.deployments.require_parents(session, self.tenant, labels)
            add_labels(
                session, DeploymentLabel, "deployment_id", self.tenant, self.deployment_id, labels,
                by=self.work.caller.username, now=now,
            )  # fmt: skip
            self._store_nodes(session, deployment, changes)
            rows.insert_instances(session, deployment, changes.marked("added"), now)
            for item in changes.marked("extended"):
                self._extend(session, item, _targets(prepared, item["node_id"]))
            _, instances = self.core.nodes.load(session, self.tenant, self.deployment_id)
            dependencies.register(self.core, session, deployment, inter_deployment_functions(prepared, instances), now)
            self._apply_schedules(session, deployment, prepared)

    def _store_nodes(self, session: Session, deployment: Deployment, changes: Changes) -> None:
        nodes = {node["id"]: node for node in changes.prepared["nodes"]}
        added = set(changes.added_nodes)
        rows.insert_nodes(session, deployment, [nodes[name] for name in changes.added_nodes], self.core.clock.now())
        table: Any = Node
        statement = select(Node).where(table.tenant_name == self.tenant, table.deployment_id == self.deployment_id)
        for row in session.scalars(statement):
            if row.id in added:
                continue
            row.blueprint_id = deployment.blueprint_id
            if row.id in nodes:
                values = rows.node_values(nodes[row.id])
                values["relationships"] = _with_leaving(values["relationships"], row.relationships or [])
                # What counts stays until the end; what is planned shows at once.
                values.pop("number_of_instances")
                for name, value in values.items():
                    setattr(row, name, value)
            session.add(row)
        session.flush()

    def _extend(self, session: Session, item: Record, order: Sequence[str]) -> None:
        row = self._instance(session, item["id"])
        known = list(row.relationships or [])
        known.extend(entry for entry in item["relationships"] if entry not in known)
        row.relationships = _ordered(known, order)
        row.version += 1
        session.add(row)
        session.flush()

    def _instance(self, session: Session, instance_id: str) -> NodeInstance:
        table: Any = NodeInstance
        statement = select(NodeInstance).where(table.tenant_name == self.tenant, table.id == instance_id)
        return session.scalars(statement.with_for_update().execution_options(populate_existing=True)).one()

    def _apply_schedules(self, session: Session, deployment: Deployment, prepared: Record) -> None:
        """Bring the blueprint's schedules in line with the new plan.

        It comes with the model and not after the lifecycle, so that a name which a user's schedule has fails the update
        before anything was done to an instance.

        Raises:
            BadParameters: naming the schedule.
        """
        settings = prepared.get("deployment_settings") or {}
        storage = self.core.deployments.evaluation_storage(session, self.tenant, self.deployment_id)
        evaluated: Record = evaluate(settings, storage=storage)
        done = self.core.schedules.apply_defaults_in(
            session,
            self.work.caller,
            deployment,
            evaluated.get("default_schedules"),
            self.core.clock.now(),
            updating=True,
        )
        record = self._record(session)
        record.schedules_to_create = [str(item) for item in done["created"]]
        record.schedules_to_delete = [str(item) for item in done["deleted"]]
        session.add(record)

    # -- finish

    def finish(self, changes: Changes) -> None:
        """Remove what is not wanted any more, and let the new numbers stand."""
        nodes = {node["id"]: node for node in changes.prepared["nodes"]}
        with self.core.store.write() as session:
            removed = {item["id"] for item in changes.marked("removed")}
            for item in changes.marked("reduced"):
                self._reduce(session, item, removed)
            self._drop_instances(session, removed)
            table: Any = Node
            mine = [table.tenant_name == self.tenant, table.deployment_id == self.deployment_id]
            for name in changes.removed_nodes:
                session.connection().execute(delete(table).where(*mine, table.id == name))
            for name, node in nodes.items():
                values = rows.node_values(node)
                session.connection().execute(
                    update(table)
                    .where(*mine, table.id == name)
                    .values(
                        relationships=values["relationships"],
                        number_of_instances=values["number_of_instances"],
                        planned_number_of_instances=values["number_of_instances"],
                    )
                )
            # What a resume of an earlier execution runs, it runs with the inputs of today.
            declared = [item for name in changes.changed_nodes if name in nodes for item in declared_by(nodes[name])]
            rewrite(session, self.tenant, self.deployment_id, declared)

    def _reduce(self, session: Session, item: Record, removed: set[str]) -> None:
        if item["id"] in removed:
            return
        row = self._instance(session, item["id"])
        leaving = [(entry["type"], entry["target_id"]) for entry in item["relationships"]]
        row.relationships = [
            entry for entry in row.relationships or [] if (entry["type"], entry["target_id"]) not in leaving
        ]
        row.version += 1
        session.add(row)
        session.flush()

    def _drop_instances(self, session: Session, removed: set[str]) -> None:
        table: Any = NodeInstance
        if not removed:
            return
        mine = select(NodeInstance).where(table.tenant_name == self.tenant, table.deployment_id == self.deployment_id)
        for row in list(session.scalars(mine)):
            if row.id in removed:
                session.delete(row)
                continue
            kept = [entry for entry in row.relationships or [] if entry["target_id"] not in removed]
            if kept != row.relationships:
                row.relationships = kept
                row.version += 1
                session.add(row)
        session.flush()

    def set_state(self, state: str) -> None:
        """Write the update's state; a successful one that is no preview stamps the deployment."""
        with self.core.store.write() as session:
            record = self._record(session)
            record.state = state
            session.add(record)
            if state == SUCCESSFUL and not record.preview:
                deployment = self._deployment(session)
                deployment.updated_at = self.core.clock.now()
                session.add(deployment)


def _present(deployment: Deployment, nodes: Sequence[Record]) -> Record:
    return {
        "nodes": list(nodes),
        "workflows": deployment.workflows or {},
        "outputs": deployment.outputs or {},
        "capabilities": deployment.capabilities or {},
        "description": deployment.description,
        "groups": deployment.groups or {},
        "policy_types": deployment.policy_types or {},
        "policy_triggers": deployment.policy_triggers or {},
    }


def _with_present_counts(
    prepared: Record, nodes: Sequence[Record], groups: Mapping[str, Any]
) -> tuple[Record, dict[str, Record]]:
    """Let nodes and groups keep the numbers they have, except where a node's template states its own.

    Returns:
        The plan, and the nodes whose number changes: name → `instances`.
    """
    present = {node["id"]: node["number_of_instances"] for node in nodes}
    wanted: dict[str, Record] = {}
    changed_nodes = []
    for node in prepared["nodes"]:
        name, deploy = node["id"], (node.get("instances") or {}).get("deploy")
        if name not in present:
            changed_nodes.append(node)
            continue
        number = present[name] if deploy is None else deploy
        if number != present[name]:
            wanted[name] = {"instances": number}
        changed_nodes.append(_with_count(node, number))
    changed_groups = {}
    for name, group in (prepared.get("scaling_groups") or {}).items():
        properties = dict(group["properties"])
        if name in groups:
            properties.update(dict.fromkeys(_COUNTS, groups[name]["properties"]["current_instances"]))
        changed_groups[name] = {**group, "properties": properties}
    return {**prepared, "nodes": changed_nodes, "scaling_groups": changed_groups}, wanted


def _with_count(node: Record, number: int) -> Record:
    capabilities = node.get("capabilities") or {}
    scalable = dict((capabilities.get("scalable") or {}).get("properties") or {})
    scalable.update(dict.fromkeys(_COUNTS, number))
    return {**node, "capabilities": {**capabilities, "scalable": {"properties": scalable}}}


def _targets(prepared: Record, node_id: str) -> list[str]:
    node = next((item for item in prepared["nodes"] if item["id"] == node_id), None)
    return [item["target_id"] for item in (node or {}).get("relationships") or []]


def _ordered(relationships: Sequence[Record], order: Sequence[str]) -> list[Record]:
    place = {name: index for index, name in reversed(list(enumerate(order)))}
    return sorted(relationships, key=lambda entry: place.get(entry["target_name"], len(order)))


def _with_leaving(new: Sequence[Record], old: Sequence[Record]) -> list[Record]:
    """Return the new relationships, followed by those of the old that are not among them."""
    known = {(item["type"], item["target_id"]) for item in new}
    return [*new, *(item for item in old if (item["type"], item["target_id"]) not in known)]


def _central_plugins(plan: Mapping[str, Any]) -> list[Record]:
    found: list[Record] = []
    for name in PLUGIN_LISTS[:2]:
        found.extend(item for item in plan.get(name) or () if item.get("install") and item not in found)
    return found


def _plain(value: Any) -> Any:
    """Return a copy whose instants are text, as JSON columns want it."""
    return orjson.loads(to_json(value))
