"""Which deployments need which."""

from __future__ import annotations

from typing import Any

from cloudify_rest_client.records import ListResponse, Record, listing, record
from cloudify_rest_client.resource import Resource, given


class InterDeploymentDependency(Record):
    """One of them."""


class InterDeploymentDependencyClient(Resource):
    """Which deployments use which."""

    path = "/inter-deployment-dependencies"

    def create(
        self,
        dependency_creator: str,
        source_deployment: str,
        target_deployment: str | None = None,
        external_source: Any = None,
        external_target: Any = None,
        target_deployment_func: Any = None,
        **_: Any,
    ) -> Any:
        """Record that a deployment needs another one.

        Args:
            dependency_creator: what needs it, as in ``component.NODE_INSTANCE``.
            source_deployment: the deployment that needs.
            target_deployment: the deployment that is needed.
            external_source: where the one that needs is, when it is on another manager.
            external_target: where the needed one is, when it is on another manager.
            target_deployment_func: the function call that names the needed one.
        """
        body = given(
            dependency_creator=dependency_creator,
            source_deployment=source_deployment,
            target_deployment=target_deployment,
            external_source=external_source,
            external_target=external_target,
            target_deployment_func=target_deployment_func,
        )
        return record(self.api.put(self.path, data=body))

    def delete(  # type: ignore[override]
        self,
        dependency_creator: str,
        source_deployment: str,
        target_deployment: str | None = None,
        is_component_deletion: bool = False,
        external_source: Any = None,
        external_target: Any = None,
    ) -> None:
        """Remove a recorded need."""
        body = given(
            dependency_creator=dependency_creator,
            source_deployment=source_deployment,
            target_deployment=target_deployment,
            external_source=external_source,
            external_target=external_target,
        )
        self.api.delete(self.path, data={**body, "is_component_deletion": is_component_deletion})

    def create_many(self, source_deployment_id: str, inter_deployment_dependencies: Any) -> ListResponse:
        """Record several needs of one deployment."""
        body = {
            "source_deployment_id": source_deployment_id,
            "inter_deployment_dependencies": inter_deployment_dependencies,
        }
        return listing(self.api.post(self.path, data=body))

    def update_all(self, source_deployment_id: str, inter_deployment_dependencies: Any) -> ListResponse:
        """Replace all needs of a deployment."""
        address = f"/deployments/{source_deployment_id}/inter-deployment-dependencies"
        return listing(self.api.put(address, data={"inter_deployment_dependencies": inter_deployment_dependencies}))
