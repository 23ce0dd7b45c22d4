"""Modifications of deployments."""

from __future__ import annotations

from typing import Any

from cloudify_rest_client.records import Record, record
from cloudify_rest_client.resource import Resource, given


class DeploymentModification(Record):
    """One of them."""


class DeploymentModificationsClient(Resource):
    """Modifications of deployments."""

    path = "/deployment-modifications"
    key = "modification_id"

    def list(self, deployment_id: str | None = None, _include: Any = None, **kwargs: Any) -> Any:  # type: ignore[override]
        """Return modifications, those of one deployment when it is given."""
        return super().list(_include=_include, **given(deployment_id=deployment_id), **kwargs)

    def start(self, deployment_id: str, nodes: dict[str, Any], context: dict[str, Any] | None = None) -> Any:
        """Start one."""
        body = {"deployment_id": deployment_id, "nodes": nodes, **given(context=context)}
        return record(self.api.post(self.path, data=body))

    def finish(self, modification_id: str) -> Any:
        """Commit one."""
        return record(self.api.post(f"{self.path}/{modification_id}/finish"))

    def rollback(self, modification_id: str) -> Any:
        """Undo one."""
        return record(self.api.post(f"{self.path}/{modification_id}/rollback"))
