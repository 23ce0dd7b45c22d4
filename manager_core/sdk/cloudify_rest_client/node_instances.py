"""Node instances."""

from __future__ import annotations

from typing import Any

from cloudify_rest_client.records import ListResponse, Record, record
from cloudify_rest_client.resource import Resource, given


class NodeInstance(Record):
    """One of them."""


class NodeInstancesClient(Resource):
    """Node instances."""

    path = "/node-instances"

    def get(  # type: ignore[override]
        self, node_instance_id: str, _include: Any = None, evaluate_functions: bool = False
    ) -> Any:
        """Return one instance."""
        return super().get(node_instance_id, _include=_include, _evaluate_functions=evaluate_functions)

    def update(
        self,
        node_instance_id: str,
        state: str | None = None,
        runtime_properties: dict[str, Any] | None = None,
        version: int | None = 1,
        force: bool = False,
        relationships: Any = None,
        system_properties: dict[str, Any] | None = None,
    ) -> Any:
        """Store parts of an instance; refused (409) when `version` is not the stored one, unless `force`."""
        body = given(
            state=state,
            runtime_properties=runtime_properties,
            relationships=relationships,
            system_properties=system_properties,
        )
        body["version"] = version or 0
        params = {"force": True} if force else None
        return record(self.api.patch(f"/node-instances/{node_instance_id}", data=body, params=params))

    def create_many(self, deployment_id: str, node_instances: Any) -> Any:
        """Create instances."""
        body = {"deployment_id": deployment_id, "node_instances": node_instances}
        return self.api.post("/node-instances", data=body)

    def delete(self, instance_id: str) -> None:  # type: ignore[override]
        """Delete an instance."""
        self.api.delete(f"/node-instances/{instance_id}")

    def search(self, ids: Any, all_tenants: bool = False) -> ListResponse:
        """Return the instances with these ids."""
        return self.list(id=list(ids), _all_tenants=all_tenants or None)
