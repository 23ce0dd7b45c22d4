"""Nodes and node instances: read them, change them under the version rule, count them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select, update
from sqlmodel import Session

from manager_core import ids
from manager_core.access.caller import Caller
from manager_core.deployments.tables import Deployment
from manager_core.dsl import evaluate
from manager_core.errors import Conflict, Forbidden, NotFound
from manager_core.executions.tables import Execution
from manager_core.filters.searches import SearchBody, search_conditions
from manager_core.nodes import rows
from manager_core.nodes.listing import NODE_INSTANCES, NODES
from manager_core.nodes.modifications import Modifications, plain_modification
from manager_core.nodes.tables import Node, NodeInstance
from manager_core.rest.listing import ListQuery, fixed_page, get_one, list_page, visible
from manager_core.rest.responses import to_json

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

Record = dict[str, Any]
_NODE_PARTS = frozenset(
    {"plugins", "plugins_to_install", "operations", "relationships", "properties", "type_hierarchy"}
)


class Nodes:
    """Nodes and node instances.

    Attributes:
        modifications: changes of the number of instances.
    """

    def __init__(self, core: Core) -> None:
        """Work on the given Core."""
        self._core = core
        self.modifications = Modifications(core)

    # -- reading

    def page(
        self, caller: Caller, query: ListQuery, body: SearchBody | None = None, *, evaluated: bool = False
    ) -> Record:
        """List nodes; with `evaluated` the calls in their properties and operations are replaced by values."""
        with self._core.store.read() as session:
            hidden_by = search_conditions(self._core, session, caller, "nodes", query, body)
            page = list_page(session, NODES, query, caller, hidden_by=hidden_by)
            if evaluated:
                self._evaluate(session, caller, page["items"], ("properties", "operations"))
            return page

    def types_page(self, caller: Caller, query: ListQuery, body: SearchBody | None = None) -> Record:
        """List the distinct types of nodes."""
        table: Any = Node
        names = query.filters.get("deployment_id")
        with self._core.store.read() as session:
            conditions = [
                *visible(NODES, caller, all_tenants=query.all_tenants),
                *search_conditions(self._core, session, caller, "nodes", query, body),
            ]
            if names:
                conditions.append(table.deployment_id.in_(names))
            statement = (
                select(table.type, table.deployment_id)
                .distinct()
                .where(*conditions)
                .order_by(table.deployment_id, table.type)
            )
            found = [
                {"deployment_id": deployment, "type": name}
                for name, deployment in session.connection().execute(statement)
                if not query.search or query.search.lower() in name.lower()
            ]
        return fixed_page(found, size=query.page_size)

    def instances_page(
        self, caller: Caller, query: ListQuery, body: SearchBody | None = None, *, evaluated: bool = False
    ) -> Record:
        """List node instances."""
        with self._core.store.read() as session:
            hidden_by = search_conditions(self._core, session, caller, "node-instances", query, body)
            page = list_page(session, NODE_INSTANCES, query, caller, hidden_by=hidden_by)
            if evaluated:
                self._evaluate(session, caller, page["items"], ("runtime_properties",))
            return page

    def instance(
        self, caller: Caller, instance_id: str, include: list[str] | None = None, *, evaluated: bool = False
    ) -> Record:
        """Return one node instance."""
        with self._core.store.read() as session:
            found = get_one(session, NODE_INSTANCES, caller, instance_id, include=include)
            if evaluated:
                self._evaluate(session, caller, [found], ("runtime_properties",))
            return found

    def _evaluate(self, session: Session, caller: Caller, items: list[Record], names: Sequence[str]) -> None:
        """Replace the function calls in members of items; needs the members that name the deployment.

        Other tenants' stay as they are: values may be secrets of theirs.
        """
        for item in items:
            if not {"deployment_id", "tenant_name"} <= set(item):
                continue
            if not caller.belongs_to(item["tenant_name"]):
                continue
            storage = self._core.deployments.evaluation_storage(session, item["tenant_name"], item["deployment_id"])
            context = {"self": item["id"]} if "node_id" in item else self._context(session, item)
            for name in names:
                if name in item:
                    # The lists pass JSON through as text.
                    value = _plain(to_json(item[name]))
                    item[name] = evaluate.evaluate(value, storage=storage, context=context)

    def _context(self, session: Session, node: Record) -> dict[str, str]:
        table: Any = NodeInstance
        statement = select(table.id).where(
            table.tenant_name == node["tenant_name"],
            table.deployment_id == node["deployment_id"],
            table.node_id == node["id"],
        )
        found = list(session.connection().execute(statement.limit(2)).scalars())
        return {"self": found[0]} if len(found) == 1 else {}

    def load(self, session: Session, tenant: str, deployment_id: str) -> tuple[list[Record], list[Record]]:
        """Return all nodes and all node instances of a deployment as plain records, in plan order."""
        return rows.load_nodes(session, tenant, deployment_id), rows.load_instances(session, tenant, deployment_id)

    # -- changing node instances

    def update_instance(self, caller: Caller, instance_id: str, *, force: bool = False, **changes: Any) -> Record:
        """Change a node instance as a client asks (REST contract §13); see `update_instance_in`."""
        with self._core.store.write() as session:
            tenant = self._tenant_of(session, caller, instance_id)
            if changes.get("relationships") is not None:
                self.require_update(session, caller)
            self.update_instance_in(session, tenant, instance_id, force=force, **changes)
            return get_one(session, NODE_INSTANCES, caller, instance_id)

    def update_instance_in(
        self,
        session: Session,
        tenant: str,
        instance_id: str,
        *,
        version: int | None,
        state: str | None = None,
        runtime_properties: Record | None = None,
        system_properties: Record | None = None,
        relationships: list[Record] | None = None,
        force: bool = False,
    ) -> Record:
        """Write the given parts of a node instance and return its record.

        Args:
            version: the version the caller read; a stored one that is higher is a conflict. None with `force`.
            force: do not look at the version.

        Raises:
            NotFound: no such instance.
            Conflict: somebody else changed it since.
        """
        table: Any = NodeInstance
        statement = select(NodeInstance).where(table.tenant_name == tenant, table.id == instance_id)
        row: NodeInstance | None = session.scalars(
            statement.with_for_update().execution_options(populate_existing=True)
        ).first()
        if row is None:
            raise NotFound.of("NodeInstance", instance_id)
        if not force and (version is None or row.version > version):
            raise Conflict(f"Node instance update conflict [current version={row.version}, update version={version}]")
        given = {
            "state": state,
            "runtime_properties": runtime_properties,
            "system_properties": system_properties,
            "relationships": relationships,
        }
        changed = {name: value for name, value in given.items() if value is not None and value != getattr(row, name)}
        for name, value in changed.items():
            setattr(row, name, value)
        if "system_properties" in changed:
            row.has_configuration_drift = rows.drifted(system_properties)
            row.is_status_check_ok = rows.status_ok(system_properties)
        if changed:
            row.version += 1
            session.add(row)
            session.flush()
        return rows.instance_record(row)

    def enter_state_in(self, session: Session, caller: Caller, instance_id: str, state: str) -> None:
        """Give a node instance the state that a workflow set, whatever its version (runtime contract §3.4).

        Raises:
            NotFound: no such instance that the caller may change.
        """
        tenant = self._tenant_of(session, caller, instance_id)
        table: Any = NodeInstance
        statement = select(NodeInstance).where(table.tenant_name == tenant, table.id == instance_id)
        row = session.scalars(statement.with_for_update().execution_options(populate_existing=True)).one()
        if state in rows.TOUCHING_STATES:
            system = dict(row.system_properties or {})
            rows.enter_state(system, state, self._core.clock.now())
            row.system_properties = system
            row.has_configuration_drift = rows.drifted(system)
            row.is_status_check_ok = rows.status_ok(system)
        row.state = state
        row.version += 1
        session.add(row)
        session.flush()

    def add_instances(self, caller: Caller, deployment_id: str, instances: list[Record]) -> int:
        """Store node instances that a workflow made; an id that the tenant uses already is replaced by a new one."""
        with self._core.store.write() as session:
            deployment = self._core.deployments.owned(session, caller, deployment_id)
            renamed = dict.fromkeys(rows.taken_ids(session, deployment.tenant_name, [item["id"] for item in instances]))
            for old in renamed:
                renamed[old] = f"{old.rpartition('_')[0] or old}_{ids.instance_suffix()}"
            made = [_renamed(item, renamed) for item in instances]
            rows.insert_instances(session, deployment, made, self._core.clock.now())
        return len(instances)

    def delete_instance(self, caller: Caller, instance_id: str) -> None:
        """Remove a node instance."""
        with self._core.store.write() as session:
            tenant = self._tenant_of(session, caller, instance_id)
            table: Any = NodeInstance
            session.connection().execute(delete(table).where(table.tenant_name == tenant, table.id == instance_id))

    @staticmethod
    def _tenant_of(session: Session, caller: Caller, instance_id: str) -> str:
        """Return the tenant of a node instance that the caller may change; those of global deployments are read only.

        Raises:
            NotFound: there is none.
        """
        found = get_one(session, NODE_INSTANCES, caller, instance_id, include=["tenant_name"])
        tenant: str = found["tenant_name"]
        if tenant != caller.tenant and not caller.is_admin:
            raise NotFound.of("NodeInstance", instance_id)
        return tenant

    # -- modifications, as workflows ask for them

    def start_modification(
        self, caller: Caller, deployment_id: str, nodes: Record, *, context: Record | None = None
    ) -> Record:
        """Start a modification and return its plain record; see `Modifications.start_in`."""
        with self._core.store.write() as session:
            deployment = self._core.deployments.owned(session, caller, deployment_id)
            row = self.modifications.start_in(session, deployment, nodes, context or {}, by=caller.username)
            return plain_modification(row)

    def finish_modification(self, caller: Caller, modification_id: str) -> None:
        """Let the new numbers of a modification stand."""
        with self._core.store.write() as session:
            self.modifications.finish_in(session, self.modifications.owned(session, caller, modification_id))

    def rollback_modification(self, caller: Caller, modification_id: str) -> None:
        """Put everything back as it was before a modification."""
        with self._core.store.write() as session:
            self.modifications.rollback_in(session, self.modifications.owned(session, caller, modification_id))

    def modifications_in_state(self, caller: Caller, deployment_id: str, status: str) -> list[Record]:
        """Return the plain records of a deployment's modifications in a state."""
        with self._core.store.read() as session:
            deployment = self._core.deployments.find(session, caller, deployment_id)
            return self.modifications.in_state(session, deployment.tenant_name, deployment_id, status)

    # -- changing nodes

    def add_nodes(self, caller: Caller, deployment_id: str, nodes: list[Record]) -> int:
        """Store nodes that a workflow made."""
        with self._core.store.write() as session:
            deployment = self._core.deployments.owned(session, caller, deployment_id)
            rows.insert_nodes(session, deployment, nodes, self._core.clock.now())
        return len(nodes)

    def patch_node(self, caller: Caller, deployment_id: str, node_id: str, changes: Record) -> None:
        """Change parts of a node; for deployment updates alone.

        Raises:
            Forbidden: `only_deployment_update`.
        """
        with self._core.store.write() as session:
            self.require_update(session, caller)
            self.update_node_in(session, self._node(session, caller, deployment_id, node_id), changes)

    def update_node_in(self, session: Session, row: Node, changes: Mapping[str, Any]) -> None:
        """Write the given parts of a node; a `capabilities.scalable` part sets the counts."""
        for name in _NODE_PARTS & set(changes):
            if changes[name] is not None:
                setattr(row, name, changes[name])
        scalable = changes.get("scalable") or (changes.get("capabilities") or {}).get("scalable")
        if scalable:
            counts = rows.node_values({"id": row.id, "type": row.type, "capabilities": {"scalable": scalable}})
            for name, value in counts.items():
                if name.endswith("_instances"):
                    setattr(row, name, value)
        session.add(row)

    def delete_node(self, caller: Caller, deployment_id: str, node_id: str) -> None:
        """Remove a node; for deployment updates alone.

        Raises:
            Forbidden: `only_deployment_update`.
        """
        with self._core.store.write() as session:
            self.require_update(session, caller)
            session.delete(self._node(session, caller, deployment_id, node_id))

    def _node(self, session: Session, caller: Caller, deployment_id: str, node_id: str) -> Node:
        table: Any = Node
        statement = select(Node).where(
            table.deployment_id == deployment_id, table.id == node_id, *visible(NODES, caller)
        )
        row: Node | None = session.scalars(statement).first()
        if row is None:
            raise NotFound.of("Node", node_id, {"deployment_id": deployment_id})
        return row

    def require_update(self, session: Session, caller: Caller) -> None:
        """Refuse what only a deployment update may do.

        Raises:
            Forbidden: `only_deployment_update`, unless the caller is an execution of an update workflow.
        """
        if caller.execution_id is not None:
            table: Any = Execution
            statement = select(table.workflow_id).where(table.id == caller.execution_id)
            if session.connection().execute(statement).scalar() in rows.UPDATE_WORKFLOWS:
                return
        raise Forbidden("This can only be done by a deployment update", code="only_deployment_update")

    def follow_visibility_in(self, session: Session, deployment: Deployment) -> None:
        """Give the nodes and instances of a deployment its visibility."""
        for table in (Node, NodeInstance):
            columns: Any = table
            session.connection().execute(
                update(columns)
                .where(columns.tenant_name == deployment.tenant_name, columns.deployment_id == deployment.id)
                .values(visibility=deployment.visibility)
            )


def _plain(text: bytes) -> Any:
    return json.loads(text)


def _renamed(item: Record, renamed: Mapping[str, Any]) -> Record:
    relationships = [
        {**entry, "target_id": renamed.get(entry["target_id"], entry["target_id"])}
        for entry in item.get("relationships") or []
    ]
    host: Any = item.get("host_id")
    return {
        **item,
        "id": renamed.get(item["id"], item["id"]),
        "host_id": renamed.get(host, host),
        "relationships": relationships,
    }
