"""The calls of the workflow context that go straight to storage (contract §1.4)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class StorageCalls:
    """Thin storage calls, most of them for the update workflow, and the persistence hooks of graphs."""

    internal: Any
    execution_id: str

    def _call(self, call: str, /, *args: Any, **kwargs: Any) -> Any:
        return self.internal.handler.call(call, *args, **kwargs)

    # --- executions and resources

    def get_execution(self, execution_id: str | None = None) -> Any:
        """Return an execution, by default this one."""
        from cloudify.workflows.nodes import Record

        return Record(self.internal.handler.get_execution(execution_id or self.execution_id))

    def start_execution(self, deployment_id: str, workflow_id: str, **kwargs: Any) -> Any:
        """Start another execution."""
        from cloudify.workflows.nodes import Record

        return Record(self.internal.handler.start_execution(deployment_id, workflow_id, **kwargs))

    def download_resource(self, resource_path: str, target_path: str | None = None) -> str:
        """Fetch a blueprint or deployment resource into a file and return its path."""
        return self.internal.handler.download_resource(resource_path, target_path)

    # --- stored graphs

    def get_tasks_graph(self, name: str) -> Any:
        """Return this execution's stored graph of that name, or None."""
        return self.internal.handler.get_tasks_graph(name)

    def store_tasks_graph(self, name: str, operations: Iterable[dict[str, Any]]) -> Any:
        """Store a graph with all its operations."""
        return self.internal.handler.store_tasks_graph(name, operations)

    def get_operations(self, graph_id: str) -> list[dict[str, Any]]:
        """Return the stored operations of a graph."""
        return self.internal.handler.get_operations(graph_id)

    def store_operation(self, task: Any, dependencies: list[str], graph_id: str) -> None:
        """Add a task to a stored graph."""
        self.internal.handler.store_operation(graph_id, {**task.dump(), "dependencies": list(dependencies)})

    def update_operation(self, operation_id: str, state: str, result: Any = None, exception: Any = None) -> None:
        """Write the state of a stored operation."""
        from cloudify.errors_as_data import describe

        error = describe(exception) if isinstance(exception, BaseException) else exception
        self.internal.handler.update_operation(operation_id, state, result=result, error=error)

    def remove_operation(self, operation_id: str) -> None:
        """Delete a stored operation."""
        self.internal.handler.remove_operation(operation_id)

    # --- passed through

    def get_deployment(self, deployment_id: str) -> Any:
        """Return a deployment."""
        return self._call("get_deployment", deployment_id)

    def set_deployment_attributes(self, deployment_id: str, **kwargs: Any) -> Any:
        """Write attributes of a deployment."""
        return self._call("set_deployment_attributes", deployment_id, **kwargs)

    def get_blueprint(self, blueprint_id: str) -> Any:
        """Return a blueprint with its plan."""
        return self._call("get_blueprint", blueprint_id)

    def list_nodes(self, **kwargs: Any) -> Any:
        """Return nodes by filters."""
        return self._call("list_nodes", **kwargs)

    def list_node_instances(self, **kwargs: Any) -> Any:
        """Return node instances by filters."""
        return self._call("list_node_instances", **kwargs)

    def update_node(self, deployment_id: str, node_id: str, **kwargs: Any) -> Any:
        """Write attributes of a node."""
        return self._call("update_node", deployment_id, node_id, **kwargs)

    def delete_node(self, deployment_id: str, node_id: str) -> Any:
        """Delete a node."""
        return self._call("delete_node", deployment_id, node_id)

    def delete_node_instance(self, instance_id: str) -> Any:
        """Delete a node instance."""
        return self._call("delete_node_instance", instance_id)

    def create_nodes(self, deployment_id: str, nodes: Any) -> Any:
        """Create nodes."""
        return self._call("create_nodes", deployment_id, nodes)

    def create_node_instances(self, deployment_id: str, node_instances: Any) -> Any:
        """Create node instances."""
        return self._call("create_node_instances", deployment_id, node_instances)

    def get_deployment_update(self, update_id: str) -> Any:
        """Return a deployment update."""
        return self._call("get_deployment_update", update_id)

    def set_deployment_update_attributes(self, update_id: str, **kwargs: Any) -> Any:
        """Write attributes of a deployment update."""
        return self._call("set_deployment_update_attributes", update_id, **kwargs)

    def list_execution_schedules(self, **kwargs: Any) -> Any:
        """Return execution schedules by filters."""
        return self._call("list_execution_schedules", **kwargs)

    def create_execution_schedule(self, schedule_id: str, deployment_id: str, **kwargs: Any) -> Any:
        """Create an execution schedule."""
        return self._call("create_execution_schedule", schedule_id, deployment_id, **kwargs)

    def update_execution_schedule(self, schedule_id: str, deployment_id: str, **kwargs: Any) -> Any:
        """Change an execution schedule."""
        return self._call("update_execution_schedule", schedule_id, deployment_id, **kwargs)

    def get_managers(self) -> Any:
        """Return the managers of the cluster."""
        return self._call("get_managers")

    def list_idds(self, **kwargs: Any) -> Any:
        """Return inter-deployment dependencies by filters."""
        return self._call("list_idds", **kwargs)

    def update_idds(self, deployment_id: str, idds: Any) -> Any:
        """Replace a deployment's inter-deployment dependencies."""
        return self._call("update_idds", deployment_id, idds)

    def get_secret(self, key: str) -> Any:
        """Return a secret."""
        return self._call("get_secret", key)

    def _update_operation_inputs(self, *args: Any, **kwargs: Any) -> Any:
        return self._call("update_operation_inputs", *args, **kwargs)
