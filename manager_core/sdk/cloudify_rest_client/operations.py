"""Stored tasks graphs and their operations."""

from __future__ import annotations

from typing import Any

from cloudify_rest_client.records import Record, record
from cloudify_rest_client.resource import Resource, given


class Operation(Record):
    """One of them."""


class TasksGraph(Record):
    """One of them."""


class OperationsClient(Resource):
    """Stored operations of tasks graphs."""

    path = "/operations"
    key = "operation_id"

    def list(self, graph_id: Any = None, execution_id: Any = None, **kwargs: Any) -> Any:  # type: ignore[override]
        """Return the operations of a graph or of an execution."""
        return super().list(**given(graph_id=graph_id, execution_id=execution_id), **kwargs)

    def update(self, operation_id: str, state: str, **kwargs: Any) -> Any:
        """Set the state of an operation."""
        return self.api.patch(f"/operations/{operation_id}", data={"state": state, **given(**kwargs)})

    def create(self, operation_id: str, graph_id: str, name: str, type: str, parameters: Any, dependencies: Any) -> Any:
        """Store an operation."""
        body = {
            "name": name,
            "graph_id": graph_id,
            "dependencies": dependencies,
            "type": type,
            "parameters": parameters,
        }
        return record(self.api.put(f"/operations/{operation_id}", data=body))


class TasksGraphClient(Resource):
    """Stored tasks graphs."""

    path = "/tasks_graphs"

    def list(self, execution_id: str, name: str | None = None, _include: Any = None) -> Any:  # type: ignore[override]
        """Return the graphs of an execution."""
        return super().list(_include=_include, execution_id=execution_id, **given(name=name))

    def create(
        self, execution_id: str, name: str, operations: Any = None, created_at: Any = None, graph_id: Any = None
    ) -> Any:
        """Store a tasks graph with its operations."""
        body = {
            "name": name,
            "execution_id": execution_id,
            "operations": operations,
            **given(created_at=created_at, graph_id=graph_id),
        }
        return record(self.api.post("/tasks_graphs/tasks_graphs", data=body))

    def update(self, tasks_graph_id: str, state: str) -> Any:
        """Set the state of a graph."""
        return record(self.api.patch(f"/tasks_graphs/{tasks_graph_id}", data={"state": state}))
