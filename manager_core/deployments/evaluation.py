"""The facts that intrinsic functions are evaluated with, read from the database (`dsl.evaluate.EvaluationStorage`).

One storage serves one evaluation: what it has read it does not read again, so an evaluation sees one state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, cast, or_, select
from sqlmodel import Session

from manager_core.blueprints.labels import labels_of
from manager_core.deployments.tables import Deployment, DeploymentLabel, InterDeploymentDependency
from manager_core.dsl.evaluate import evaluate_capabilities
from manager_core.errors import Kind, ManagerError
from manager_core.nodes.tables import Node, NodeInstance
from manager_core.states import Visibility

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

MAX_DEPTH = 20
"""Deployments whose capabilities read each other in a chain; a longer one is a cycle or a mistake."""

_D: Any = Deployment
_I: Any = NodeInstance
_N: Any = Node
_INSTANCE = (_I.id, _I.node_id, _I.index, _I.runtime_properties, _I.relationships, _I.scaling_groups)


class DatabaseStorage:
    """The facts of one deployment and its tenant."""

    def __init__(self, core: Core, session: Session, tenant: str, deployment_id: str, *, depth: int = 0) -> None:
        """Read in the given session; nothing is read before it is asked for."""
        self._core = core
        self._session = session
        self._tenant = tenant
        self._deployment_id = deployment_id
        self._depth = depth
        self._deployment: Mapping[str, Any] | None = None

    def _execute(self, statement: Any) -> Any:
        return self._session.connection().execute(statement)

    def _own(self) -> Mapping[str, Any]:
        if self._deployment is None:
            self._deployment = self._find(self._deployment_id)
        return self._deployment

    def _find(self, deployment_id: str) -> Mapping[str, Any]:
        statement = (
            select(_D.id, _D.tenant_name, _D.display_name, _D.blueprint_id, _D.created_by, _D.inputs, _D.capabilities)
            .where(
                _D.id == deployment_id,
                or_(_D.tenant_name == self._tenant, _D.visibility == Visibility.GLOBAL.value),
            )
            .order_by((_D.tenant_name == self._tenant).desc())
        )
        row = self._execute(statement.limit(1)).mappings().first()
        if row is None:
            raise KeyError(f"Requested `Deployment` with ID `{deployment_id}` was not found")
        return dict(row)

    def get_input(self, name: str) -> Any:
        """Return an input's value."""
        inputs = self._own()["inputs"] or {}
        if name not in inputs:
            raise KeyError(f"The deployment {self._deployment_id} has no input '{name}'")
        return inputs[name]

    def get_node(self, name: str) -> Mapping[str, Any]:
        """Return a node's properties and relationships."""
        statement = select(_N.id, _N.type, _N.properties, _N.relationships).where(
            _N.tenant_name == self._tenant, _N.deployment_id == self._deployment_id, _N.id == name
        )
        row = self._execute(statement).mappings().first()
        if row is None:
            raise KeyError(f"Node '{name}' was not found in deployment '{self._deployment_id}'")
        return dict(row)

    def get_node_instances(self, node: str) -> Sequence[Mapping[str, Any]]:
        """Return a node's instances, by index."""
        statement = (
            select(*_INSTANCE)
            .where(_I.tenant_name == self._tenant, _I.deployment_id == self._deployment_id, _I.node_id == node)
            .order_by(_I.index, _I.storage_id)
        )
        return [dict(row) for row in self._execute(statement).mappings()]

    def get_node_instance(self, instance_id: str) -> Mapping[str, Any]:
        """Return one instance."""
        statement = select(*_INSTANCE).where(_I.tenant_name == self._tenant, _I.id == instance_id)
        row = self._execute(statement).mappings().first()
        if row is None:
            raise KeyError(f"Requested `NodeInstance` with ID `{instance_id}` was not found")
        return dict(row)

    def get_secret(self, key: str) -> Any:
        """Return a secret's value."""
        try:
            return self._core.secrets.value(self._session, self._tenant, key)
        except ManagerError as error:
            if error.kind is Kind.NOT_FOUND:
                raise KeyError(error.message) from error
            raise

    def get_capability(self, deployment_id: str, name: str) -> Any:
        """Return the evaluated value of a deployment's capability.

        Raises:
            KeyError: no such deployment or capability, or too long a chain of deployments.
        """
        if self._depth >= MAX_DEPTH:
            raise KeyError(
                f"More than {MAX_DEPTH} deployments read each other's capabilities; the last is {deployment_id}"
            )
        found = self._find(deployment_id)
        definitions = found["capabilities"] or {}
        if name not in definitions:
            raise KeyError(f"Requested capability `{name}` is not declared in deployment `{deployment_id}`")
        storage = DatabaseStorage(self._core, self._session, found["tenant_name"], deployment_id, depth=self._depth + 1)
        return evaluate_capabilities({name: definitions[name]}, storage=storage).get(name)

    def get_group_deployments(self, group_id: str) -> Sequence[str]:
        """Return the ids of the deployments that joined a group."""
        statement = select(_D.id, _D.deployment_groups).where(
            _D.tenant_name == self._tenant,
            cast(_D.deployment_groups, Text).contains(f'"{group_id}"', autoescape=True),
        )
        found = [identifier for identifier, groups in self._execute(statement) if group_id in (groups or ())]
        if not found:
            raise KeyError(f"Requested `DeploymentGroup` with ID `{group_id}` was not found")
        return found

    def get_label(self, key: str) -> Sequence[str]:
        """Return the values of a label, by creation time and value."""
        wanted = key.lower()
        labels = labels_of(self._session, DeploymentLabel, "deployment_id", self._tenant, self._deployment_id)
        return [value for name, value in labels if name == wanted]

    def get_system(self, entity: str, name: str) -> Any:
        """Return a property of the tenant or the deployment."""
        if entity == "tenant" and name == "name":
            return self._tenant
        own = self._own()
        known = {
            "id": own["id"],
            "name": own["display_name"],
            "blueprint": own["blueprint_id"],
            "owner": own["created_by"],
        }
        if entity == "deployment" and name in known:
            return known[name]
        raise KeyError(f"get_sys does not know the property {name} of {entity}")

    def get_consumers(self) -> Sequence[Mapping[str, Any]]:
        """Return the deployments that need this one."""
        need: Any = InterDeploymentDependency
        statement = (
            select(_D.id, _D.display_name)
            .join(need, (need.tenant_name == _D.tenant_name) & (need.deployment_id == _D.id))
            .where(
                need.tenant_name == self._tenant,
                need.target_deployment == self._deployment_id,
                need.deployment_id != self._deployment_id,
            )
            .distinct()
            .order_by(_D.id)
        )
        return [dict(row) for row in self._execute(statement).mappings()]
