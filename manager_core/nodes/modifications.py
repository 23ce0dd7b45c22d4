"""Deployment modifications: start one, finish it, roll it back (REST contract §14, workflow-runtime contract §7).

What changes is computed by `dsl.modification`; here it is carried out on the rows, one transaction a step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select, update
from sqlmodel import Session

from manager_core import ids
from manager_core.access.caller import Caller
from manager_core.deployments.tables import Deployment
from manager_core.dsl.modification import modify
from manager_core.errors import BadParameters, Kind, ManagerError, NotFound
from manager_core.nodes import rows
from manager_core.nodes.listing import MODIFICATIONS
from manager_core.nodes.tables import DeploymentModification, Node, NodeInstance
from manager_core.rest.listing import ListQuery, get_one, list_page, visible
from manager_core.rest.responses import timestamp

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

Record = dict[str, Any]
STARTED, FINISHED, ROLLED_BACK = "started", "finished", "rolledback"
_RESTORED = (
    "state", "runtime_properties", "system_properties", "relationships", "host_id", "scaling_groups",
    "has_configuration_drift", "is_status_check_ok",
)  # fmt: skip


class Modifications:
    """Changes of the number of instances of nodes and scaling groups."""

    def __init__(self, core: Core) -> None:
        """Work on the given Core."""
        self._core = core

    def page(self, caller: Caller, query: ListQuery) -> Record:
        """List modifications."""
        with self._core.store.read() as session:
            return list_page(session, MODIFICATIONS, query, caller)

    def get(self, caller: Caller, modification_id: str, include: list[str] | None = None) -> Record:
        """Return one modification."""
        with self._core.store.read() as session:
            return get_one(session, MODIFICATIONS, caller, modification_id, include=include)

    def in_state(self, session: Session, tenant: str, deployment_id: str, status: str) -> list[Record]:
        """Return a deployment's modifications in a state, as plain records."""
        table: Any = DeploymentModification
        statement = (
            select(DeploymentModification)
            .where(table.tenant_name == tenant, table.deployment_id == deployment_id, table.status == status)
            .order_by(table.storage_id)
        )
        return [plain_modification(row) for row in session.scalars(statement)]

    # -- starting

    def start(self, caller: Caller, deployment_id: str, nodes: Record, context: Record | None = None) -> Record:
        """Start a modification and return it as clients see it; see `start_in`."""
        with self._core.store.write() as session:
            deployment = self._core.deployments.owned(session, caller, deployment_id)
            row = self.start_in(session, deployment, nodes, context or {}, by=caller.username)
        return self.get(caller, row.id)

    def start_in(
        self, session: Session, deployment: Deployment, nodes: Mapping[str, Any], context: Record, *, by: str
    ) -> DeploymentModification:
        """Plan the wanted numbers and create what they add.

        Args:
            nodes: node or scaling group → `instances` and hints, see `dsl.modification.modify`.

        Raises:
            BadParameters: an unknown name, or a number that is none.
            ManagerError: another modification is started.
        """
        session.refresh(deployment, with_for_update=True)
        started = [item["id"] for item in self.in_state(session, deployment.tenant_name, deployment.id, STARTED)]
        if started:
            raise ManagerError(
                "Cannot start deployment modification while there are existing started deployment modifications. "
                f"Currently started deployment modifications: {started}",
                code="existing_started_deployment_modification_error",
                kind=Kind.BAD_INPUT,
            )
        found, instances = self._core.nodes.load(session, deployment.tenant_name, deployment.id)
        groups = deployment.scaling_groups or {}
        wanted = _checked(nodes, {node["id"] for node in found} | set(groups))
        existing = [_serializable(item) for item in instances]
        changes = modify(found, groups, existing, wanted, ids=ids.instance_suffix)
        now = self._core.clock.now()
        self._set_planned(session, deployment, {name: body["instances"] for name, body in wanted.items()})
        added = [item for item in changes["added_and_related"] if item.get("modification") == "added"]
        rows.insert_instances(session, deployment, added, now)
        order = {node["id"]: [item["target_id"] for item in node["relationships"] or []] for node in found}
        for item in changes["extended_and_related"]:
            if item.get("modification") == "extended":
                self._extend(session, deployment, item, order.get(item["node_id"], []))
        row = DeploymentModification(
            id=ids.new_id(),
            deployment_id=deployment.id,
            tenant_name=deployment.tenant_name,
            created_by=by,
            visibility=deployment.visibility,
            created_at=now,
            status=STARTED,
            context=context,
            modified_nodes=dict(wanted),
            node_instances={
                "added_and_related": self._with_rows(session, deployment, changes["added_and_related"]),
                "removed_and_related": changes["removed_and_related"],
                "before_modification": existing,
                "before_rollback": [],
            },
        )
        session.add(row)
        session.flush()
        return row

    def _with_rows(self, session: Session, deployment: Deployment, items: Sequence[Record]) -> list[Record]:
        """Complete new instances with what storing gave them: state, version, index."""
        stored = {
            item["id"]: _serializable(item)
            for item in rows.load_instances(session, deployment.tenant_name, deployment.id)
        }
        return [{**stored[item["id"]], **item} for item in items]

    def _extend(self, session: Session, deployment: Deployment, item: Record, order: Sequence[str]) -> None:
        row = _instance(session, deployment, item["id"])
        known = list(row.relationships or [])
        known.extend(entry for entry in item["relationships"] if entry not in known)
        place = {name: index for index, name in reversed(list(enumerate(order)))}
        row.relationships = sorted(known, key=lambda entry: place.get(entry["target_name"], len(order)))
        row.version += 1
        session.add(row)
        session.flush()

    def _set_planned(self, session: Session, deployment: Deployment, numbers: Mapping[str, int]) -> None:
        groups = {name: dict(body) for name, body in (deployment.scaling_groups or {}).items()}
        table: Any = Node
        for name, number in numbers.items():
            if name in groups:
                groups[name]["properties"] = {**groups[name]["properties"], "planned_instances": number}
                continue
            session.connection().execute(
                update(table)
                .where(
                    table.tenant_name == deployment.tenant_name,
                    table.deployment_id == deployment.id,
                    table.id == name,
                )
                .values(planned_number_of_instances=number)
            )
        deployment.scaling_groups = groups
        session.add(deployment)

    # -- ending

    def finish(self, caller: Caller, modification_id: str) -> Record:
        """Let the new numbers stand; see `finish_in`."""
        with self._core.store.write() as session:
            self.finish_in(session, self.owned(session, caller, modification_id))
        return self.get(caller, modification_id)

    def rollback(self, caller: Caller, modification_id: str) -> Record:
        """Put everything back; see `rollback_in`."""
        with self._core.store.write() as session:
            self.rollback_in(session, self.owned(session, caller, modification_id))
        return self.get(caller, modification_id)

    def row_in(self, session: Session, tenant: str, modification_id: str) -> DeploymentModification:
        """Return a modification's row, held until the transaction ends.

        Raises:
            NotFound: there is none.
        """
        table: Any = DeploymentModification
        statement = select(DeploymentModification).where(table.tenant_name == tenant, table.id == modification_id)
        row: DeploymentModification | None = session.scalars(statement.with_for_update()).first()
        if row is None:
            raise NotFound.of("DeploymentModification", modification_id)
        return row

    def owned(self, session: Session, caller: Caller, modification_id: str) -> DeploymentModification:
        """Return the row that the caller means, held until the transaction ends.

        Raises:
            NotFound: none that the caller may see.
        """
        table: Any = DeploymentModification
        statement = select(table.tenant_name).where(table.id == modification_id, *visible(MODIFICATIONS, caller))
        tenant = session.connection().execute(statement).scalar()
        if tenant is None:
            raise NotFound.of("DeploymentModification", modification_id)
        return self.row_in(session, tenant, modification_id)

    def finish_in(self, session: Session, row: DeploymentModification) -> None:
        """Delete the removed instances and their relationships, and make the planned numbers the real ones.

        Raises:
            ManagerError: it has ended already.
        """
        _require_started(row, "finish")
        deployment = self._deployment(session, row)
        removed = {
            item["id"]
            for item in (row.node_instances or {})["removed_and_related"]
            if item.get("modification") == "removed"
        }
        self._delete(session, deployment, removed)
        if removed:
            for instance in self._instances(session, deployment):
                kept = [item for item in instance.relationships or [] if item["target_id"] not in removed]
                if kept != instance.relationships:
                    instance.relationships = kept
                    instance.version += 1
                    session.add(instance)
        self._settle_counts(session, deployment, row, to_planned=True)
        self._end(session, row, FINISHED)

    def rollback_in(self, session: Session, row: DeploymentModification) -> None:
        """Delete the added instances, restore the others as they were, and forget the planned numbers.

        Raises:
            ManagerError: it has ended already.
        """
        _require_started(row, "rollback")
        deployment = self._deployment(session, row)
        recorded = dict(row.node_instances or {})
        before = {item["id"]: item for item in recorded["before_modification"]}
        present = rows.load_instances(session, deployment.tenant_name, deployment.id)
        recorded["before_rollback"] = [_serializable(item) for item in present]
        self._delete(session, deployment, {item["id"] for item in present if item["id"] not in before})
        there = set()
        for instance in self._instances(session, deployment):
            there.add(instance.id)
            old = before[instance.id]
            for name in _RESTORED:
                setattr(instance, name, old[name])
            instance.version += 1
            session.add(instance)
        missing = [{**item, "version": item["version"] + 1} for key, item in before.items() if key not in there]
        rows.insert_instances(session, deployment, missing, self._core.clock.now())
        row.node_instances = recorded
        self._settle_counts(session, deployment, row, to_planned=False)
        self._end(session, row, ROLLED_BACK)

    def _settle_counts(
        self, session: Session, deployment: Deployment, row: DeploymentModification, *, to_planned: bool
    ) -> None:
        groups = {name: dict(body) for name, body in (deployment.scaling_groups or {}).items()}
        table: Any = Node
        for name, wanted in (row.modified_nodes or {}).items():
            if name in groups:
                properties = dict(groups[name]["properties"])
                number = wanted["instances"] if to_planned else properties["current_instances"]
                groups[name]["properties"] = {**properties, "current_instances": number, "planned_instances": number}
                continue
            number = wanted["instances"] if to_planned else table.number_of_instances
            session.connection().execute(
                update(table)
                .where(
                    table.tenant_name == deployment.tenant_name,
                    table.deployment_id == deployment.id,
                    table.id == name,
                )
                .values(number_of_instances=number, planned_number_of_instances=number)
            )
        deployment.scaling_groups = groups
        session.add(deployment)

    def _end(self, session: Session, row: DeploymentModification, status: str) -> None:
        row.status = status
        row.ended_at = self._core.clock.now()
        session.add(row)
        session.flush()

    def _deployment(self, session: Session, row: DeploymentModification) -> Deployment:
        table: Any = Deployment
        statement = select(Deployment).where(table.tenant_name == row.tenant_name, table.id == row.deployment_id)
        return session.scalars(statement.with_for_update().execution_options(populate_existing=True)).one()

    def _instances(self, session: Session, deployment: Deployment) -> list[NodeInstance]:
        table: Any = NodeInstance
        statement = select(NodeInstance).where(
            table.tenant_name == deployment.tenant_name, table.deployment_id == deployment.id
        )
        return list(session.scalars(statement.with_for_update().execution_options(populate_existing=True)))

    def _delete(self, session: Session, deployment: Deployment, instance_ids: set[str]) -> None:
        table: Any = NodeInstance
        listed = sorted(instance_ids)
        for start in range(0, len(listed), 500):
            session.connection().execute(
                delete(table).where(
                    table.tenant_name == deployment.tenant_name,
                    table.deployment_id == deployment.id,
                    table.id.in_(listed[start : start + 500]),
                )
            )


def _instance(session: Session, deployment: Deployment, instance_id: str) -> NodeInstance:
    table: Any = NodeInstance
    statement = select(NodeInstance).where(table.tenant_name == deployment.tenant_name, table.id == instance_id)
    return session.scalars(statement.with_for_update().execution_options(populate_existing=True)).one()


def _require_started(row: DeploymentModification, action: str) -> None:
    if row.status != STARTED:
        raise ManagerError(
            f"Cannot {action} deployment modification: {row.id}. It is already in {row.status} status.",
            code="deployment_modification_already_ended_error",
            kind=Kind.BAD_INPUT,
        )


def _checked(nodes: Mapping[str, Any], known: set[str]) -> dict[str, Record]:
    wanted = {}
    for name, body in nodes.items():
        if name not in known:
            raise BadParameters(f"No scalable node or scaling group with name {name} was found")
        number = body.get("instances") if isinstance(body, dict) else None
        if not isinstance(number, int) or isinstance(number, bool):
            raise BadParameters(f"{name}: instances parameter is expected to be of type int")
        if number < 0:
            raise BadParameters(f"{name}: the number of instances must not be negative, got {number}")
        wanted[name] = dict(body)
    return wanted


def _serializable(record: Record) -> Record:
    return {**record, "created_at": timestamp(record["created_at"])}


def plain_modification(row: DeploymentModification) -> Record:
    """Return a modification's row as a plain record."""
    return row.model_dump(exclude={"storage_id"})
