"""Nodes of deployments, and their types."""

from __future__ import annotations

from typing import Any

from cloudify_rest_client.records import ListResponse, Record, listing
from cloudify_rest_client.resource import Resource, given


class Node(Record):
    """One of them."""


class NodeTypes(Record):
    """One of them."""


class NodeTypesClient:
    """Types of nodes."""

    def __init__(self, api: Any) -> None:
        self.api = api

    def list(self, node_type: str | None = None, constraints: Any = None, **kwargs: Any) -> ListResponse:
        """Return the types of a deployment's nodes that meet the constraints."""
        params = {**kwargs, **given(_search=node_type)}
        return listing(self.api.post("/searches/node-types", data={"constraints": constraints or {}}, params=params))


class NodesClient(Resource):
    """Nodes of deployments."""

    path = "/nodes"

    def __init__(self, api: Any) -> None:
        super().__init__(api)
        self.types = NodeTypesClient(api)

    def get(  # type: ignore[override]
        self,
        deployment_id: str,
        node_id: str,
        _include: Any = None,
        evaluate_functions: bool = False,
        instance_context: str | None = None,
    ) -> Any:
        """Return one node; `CloudifyClientError` 404 when there is none."""
        from cloudify_rest_client.exceptions import CloudifyClientError

        found = self.list(
            _include=_include,
            deployment_id=deployment_id,
            id=node_id,
            _evaluate_functions=evaluate_functions,
            **given(_instance_context=instance_context),
        )
        if not found.items:
            raise CloudifyClientError(
                f"Requested `Node` with ID `{node_id}` was not found", None, 404, "not_found_error"
            )
        return found.items[0]

    def list(  # type: ignore[override]
        self, _include: Any = None, filter_rules: Any = None, constraints: Any = None, **kwargs: Any
    ) -> Any:
        """Return nodes; `evaluate_functions` has their properties evaluated."""
        if "evaluate_functions" in kwargs:
            kwargs["_evaluate_functions"] = kwargs.pop("evaluate_functions")
        return super().list(_include=_include, filter_rules=filter_rules, constraints=constraints, **kwargs)

    def update(self, deployment_id: str, node_id: str, **kwargs: Any) -> None:
        """Change a node during a deployment update."""
        self.api.patch(f"/nodes/{deployment_id}/{node_id}", data=kwargs)

    def delete(self, deployment_id: str, node_id: str) -> None:  # type: ignore[override]
        """Delete a node during a deployment update."""
        self.api.delete(f"/nodes/{deployment_id}/{node_id}")

    def create_many(self, deployment_id: str, nodes: Any) -> None:
        """Create nodes."""
        self.api.post("/nodes", data={"deployment_id": deployment_id, "nodes": nodes})
