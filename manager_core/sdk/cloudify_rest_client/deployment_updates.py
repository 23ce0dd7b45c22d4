"""Updates of deployments."""

from __future__ import annotations

from typing import Any

from cloudify_rest_client.records import Record, record
from cloudify_rest_client.resource import Resource, given


class DeploymentUpdate(Record):
    """One of them."""


class DeploymentUpdatesClient(Resource):
    """Updates of deployments."""

    path = "/deployment-updates"
    key = "update_id"

    def update_with_existing_blueprint(self, deployment_id: str, blueprint_id: Any = None, **kwargs: Any) -> Any:
        """Start the update of a deployment."""
        body = given(blueprint_id=blueprint_id, **kwargs)
        return record(self.api.post(f"/deployment-updates/{deployment_id}/update/initiate", data=body))

    def create(self, update_id: str, deployment_id: str, **kwargs: Any) -> Any:
        """Record an update."""
        body = {"deployment_id": deployment_id, **kwargs}
        return record(self.api.put(f"/deployment-updates/{update_id}", data=body))

    def set_attributes(self, update_id: str, **kwargs: Any) -> Any:
        """Change the record of an update."""
        return record(self.api.patch(f"/deployment-updates/{update_id}", data=kwargs))

    def finalize_commit(self, update_id: str) -> Any:
        """End an update."""
        return record(self.api.post(f"/deployment-updates/{update_id}/update/finalize"))
