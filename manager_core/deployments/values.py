"""What exists, for inputs whose type is an object of the manager (`dsl.constraints.ValueSource`, contract §16.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlmodel import Session

from manager_core.access.caller import Caller
from manager_core.blueprints.listing import BLUEPRINTS
from manager_core.deployments.listing import DEPLOYMENTS
from manager_core.dsl.evaluate import evaluate_capabilities
from manager_core.filters.constraints import check_constraints, constraint_conditions, name_matches
from manager_core.nodes.listing import NODE_INSTANCES
from manager_core.nodes.rows import load_nodes
from manager_core.rest.listing import Listing, visible
from manager_core.secrets.listing import SECRETS

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

_ROWS: dict[str, tuple[str, Listing]] = {
    "blueprint_id": ("blueprints", BLUEPRINTS),
    "deployment_id": ("deployments", DEPLOYMENTS),
    "secret_key": ("secrets", SECRETS),
    "node_instance": ("node-instances", NODE_INSTANCES),
}


class DatabaseValues:
    """Looks values up among the rows a caller may see, and in the plan being deployed."""

    def __init__(
        self,
        core: Core,
        session: Session,
        caller: Caller,
        *,
        plan: Mapping[str, Any] | None = None,
        deployment_id: str | None = None,
    ) -> None:
        """Look up for `caller`.

        Args:
            plan: the plan being deployed, the context of node names and types.
            deployment_id: the deployment whose workflow parameters are bound.
        """
        self._core = core
        self._session = session
        self._caller = caller
        self._plan = plan
        self._deployment_id = deployment_id

    def has_deployment(self) -> bool:
        """Tell whether a running deployment is the context."""
        return self._deployment_id is not None

    def has_blueprint(self) -> bool:
        """Tell whether a blueprint being deployed is the context."""
        return self._plan is not None

    def matches(self, type_name: str, value: Any, query: Mapping[str, Any]) -> bool:
        """Tell whether `value` is among what exists of the type and satisfies every part of the query."""
        check_constraints(query)
        if type_name in _ROWS:
            return self._row_exists(type_name, value, query)
        deployment_id = query.get("deployment_id") or self._deployment_id
        named = {key: item for key, item in query.items() if key in ("name_pattern", "valid_values")}
        if type_name == "capability_value":
            return self._capability_exists(deployment_id, value, named)
        return any(item == value and name_matches(named, item) for item in self._names(type_name, deployment_id))

    def _row_exists(self, type_name: str, value: Any, query: Mapping[str, Any]) -> bool:
        kind, listing = _ROWS[type_name]
        constraints = dict(query)
        if type_name == "node_instance" and self._deployment_id is not None:
            constraints.setdefault("deployment_id", self._deployment_id)
        table: Any = listing.table
        statement = select(table.storage_id).where(
            listing.expression(listing.key) == str(value),
            *visible(listing, self._caller),
            *constraint_conditions(self._core, self._session, self._caller, kind, constraints),
        )
        return self._session.connection().execute(statement.limit(1)).first() is not None

    def _capability_exists(self, deployment_id: str | None, value: Any, named: Mapping[str, Any]) -> bool:
        if deployment_id is None:
            return False
        deployment = self._core.deployments.find(self._session, self._caller, deployment_id)
        storage = self._core.deployments.evaluation_storage(self._session, deployment.tenant_name, deployment_id)
        chosen = {name: body for name, body in (deployment.capabilities or {}).items() if name_matches(named, name)}
        return any(item == value for item in evaluate_capabilities(chosen, storage=storage).values())

    def _names(self, type_name: str, deployment_id: str | None) -> set[str]:
        """Return the node names, node types, group or operation names of the deployment or the plan."""
        if deployment_id is not None:
            deployment = self._core.deployments.find(self._session, self._caller, deployment_id)
            nodes = load_nodes(self._session, deployment.tenant_name, deployment_id)
            groups = deployment.scaling_groups or {}
        else:
            plan = self._plan or {}
            nodes, groups = list(plan.get("nodes") or ()), plan.get("scaling_groups") or {}
        if type_name == "scaling_group":
            return set(groups)
        if type_name == "node_type":
            return {node["type"] for node in nodes}
        if type_name == "operation_name":
            return {name for node in nodes for name in node["operations"] or ()}
        return {node["id"] for node in nodes}
