"""Needs that an operation registers itself: a component it made, a shared resource it uses (REST contract §6.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select
from sqlmodel import Session

from manager_core.access.caller import Caller
from manager_core.deployments.tables import InterDeploymentDependency
from manager_core.errors import BadParameters, NotFound

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

_D: Any = InterDeploymentDependency
_FILTERS = {
    "source_deployment_id": _D.deployment_id,
    "target_deployment_id": _D.target_deployment,
    "dependency_creator": _D.dependency_creator,
}


class Needs:
    """Lists, registers and removes needs between the deployments of a tenant."""

    def __init__(self, core: Core) -> None:
        """Keep the parts of the application."""
        self._core = core

    def listed(self, caller: Caller, filters: dict[str, list[str]]) -> list[dict[str, Any]]:
        """Return the needs of the caller's tenant, the oldest first.

        Args:
            filters: ``source_deployment_id``, ``target_deployment_id``, ``dependency_creator`` → accepted values.
        """
        with self._core.store.read() as session:
            return self._found(session, caller, filters)

    def register(
        self, caller: Caller, *, creator: str, source: str, target: str | None, function: Any = None
    ) -> dict[str, Any]:
        """Register that `source` needs `target`; a need that is known already stays as it is.

        Args:
            creator: what needs it: ``component.NODE_INSTANCE``, ``sharedresource.NODE_INSTANCE``.
            source: id of the deployment that needs.
            target: id of the deployment that is needed; None when it is not on this manager.
            function: the function call that names the needed one.

        Raises:
            BadParameters: a deployment that needs itself.
            NotFound: one of the two is not there.
        """
        if source == target:
            raise BadParameters(f"Deployment `{source}` cannot depend on itself")
        key = {"dependency_creator": [creator], "source_deployment_id": [source]}
        with self._core.store.write() as session:
            row = self._core.deployments.owned(session, caller, source)
            if target is not None:
                self._core.deployments.find(session, caller, target)
            known = [need for need in self._found(session, caller, key) if need["target_deployment_id"] == target]
            if not known:
                values = {
                    "tenant_name": row.tenant_name,
                    "deployment_id": source,
                    "dependency_creator": creator,
                    "target_deployment": target,
                    "target_deployment_function": function,
                    "created_at": self._core.clock.now(),
                }
                session.connection().execute(insert(_D), [values])
                known = [need for need in self._found(session, caller, key) if need["target_deployment_id"] == target]
            return known[0]

    def remove(self, caller: Caller, *, creator: str, source: str, target: str | None) -> None:
        """Remove a need.

        Raises:
            NotFound: there is none like it.
        """
        with self._core.store.write() as session:
            row = self._core.deployments.owned(session, caller, source)
            mine = (_D.tenant_name == row.tenant_name) & (_D.deployment_id == source)
            same = _D.target_deployment.is_(None) if target is None else _D.target_deployment == target
            statement = delete(_D).where(mine, _D.dependency_creator == creator, same).returning(_D.storage_id)
            if not session.connection().execute(statement).all():
                raise NotFound(f"Deployment `{source}` does not depend on `{target}` by `{creator}`")

    def _found(self, session: Session, caller: Caller, filters: dict[str, list[str]]) -> list[dict[str, Any]]:
        statement = select(_D.__table__).where(_D.tenant_name == caller.tenant_name).order_by(_D.storage_id)
        for name, values in filters.items():
            if name in _FILTERS:
                statement = statement.where(_FILTERS[name].in_(values))
        return [
            {
                "id": str(row.storage_id),
                "dependency_creator": row.dependency_creator,
                "source_deployment_id": row.deployment_id,
                "target_deployment_id": row.target_deployment,
                "target_deployment_func": row.target_deployment_function,
                "tenant_name": row.tenant_name,
                "created_at": row.created_at,
            }
            for row in session.connection().execute(statement)
        ]
