"""Nodes, node instances and their relationships as a workflow sees them (contract §1.5 to §1.7).

All are snapshots: what they show is what was stored when they were loaded.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any

from cloudify.workflows.operation_tasks import copied
from cloudify.workflows.tasks import (
    GetNodeInstanceStateTask,
    NOPLocalWorkflowTask,
    SendNodeEventTask,
    SetNodeInstanceStateTask,
)

_CONTAINED_IN = "cloudify.relationships.contained_in"


class Record(dict[str, Any]):
    """A stored record whose items are also attributes, as plugins use them (`node_instance._node_instance.host_id`)."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


class CloudifyWorkflowRelationship:
    """A relationship of a node."""

    def __init__(
        self, ctx: Any, node: Any, nodes_and_instances: WorkflowNodesAndInstancesContainer, relationship: dict[str, Any]
    ) -> None:
        self.ctx = ctx
        self.node = node
        self._nodes_and_instances = nodes_and_instances
        self._relationship = Record(relationship)

    @property
    def type(self) -> str:
        """Its type."""
        return self._relationship["type"]

    @property
    def target_id(self) -> str:
        """Id of the target node."""
        return self._relationship["target_id"]

    @property
    def target_node(self) -> CloudifyWorkflowNode | None:
        """The target node."""
        return self._nodes_and_instances.get_node(self.target_id)

    @property
    def source_operations(self) -> dict[str, Any]:
        """Operations run in the source's environment, by full name."""
        return self._relationship.get("source_operations") or {}

    @property
    def target_operations(self) -> dict[str, Any]:
        """Operations run in the target's environment, by full name."""
        return self._relationship.get("target_operations") or {}

    @property
    def properties(self) -> dict[str, Any]:
        """Its properties."""
        return self._relationship.get("properties") or {}

    def is_derived_from(self, other_relationship: str) -> bool:
        """Return whether its type is that one or derived from it."""
        return other_relationship in self._relationship["type_hierarchy"]


class CloudifyWorkflowRelationshipInstance:
    """A relationship of a node instance."""

    def __init__(
        self,
        ctx: Any,
        node_instance: CloudifyWorkflowNodeInstance,
        nodes_and_instances: WorkflowNodesAndInstancesContainer,
        relationship_instance: dict[str, Any],
    ) -> None:
        self.ctx = ctx
        self.node_instance = node_instance
        self._nodes_and_instances = nodes_and_instances
        self._relationship_instance = Record(relationship_instance)
        self._relationship = node_instance.node.get_relationship(relationship_instance["target_name"])

    def __repr__(self) -> str:
        return f"<CloudifyWorkflowRelationshipInstance {self.source_id} -> {self.target_id}>"

    @property
    def type(self) -> str:
        """Its type."""
        return self._relationship_instance["type"]

    @property
    def source_id(self) -> str:
        """Id of the source instance."""
        return self.node_instance.id

    @property
    def target_id(self) -> str:
        """Id of the target instance."""
        return self._relationship_instance["target_id"]

    @property
    def target_node_instance(self) -> CloudifyWorkflowNodeInstance | None:
        """The target instance."""
        return self._nodes_and_instances.get_node_instance(self.target_id)

    @property
    def relationship(self) -> CloudifyWorkflowRelationship:
        """The relationship of the nodes."""
        return self._relationship

    def execute_source_operation(
        self,
        operation: str,
        kwargs: dict[str, Any] | None = None,
        allow_kwargs_override: bool = False,
        send_task_events: bool = True,
    ) -> Any:
        """Run a source operation in the source instance's environment (contract §1.7)."""
        return self.ctx._execute_operation(
            operation,
            node_instance=self.node_instance,
            related_node_instance=self.target_node_instance,
            operations=self.relationship.source_operations,
            kwargs=kwargs,
            allow_kwargs_override=allow_kwargs_override,
            send_task_events=send_task_events,
        )

    def execute_target_operation(
        self,
        operation: str,
        kwargs: dict[str, Any] | None = None,
        allow_kwargs_override: bool = False,
        send_task_events: bool = True,
    ) -> Any:
        """Run a target operation in the target instance's environment (contract §1.7)."""
        return self.ctx._execute_operation(
            operation,
            node_instance=self.target_node_instance,
            related_node_instance=self.node_instance,
            operations=self.relationship.target_operations,
            kwargs=kwargs,
            allow_kwargs_override=allow_kwargs_override,
            send_task_events=send_task_events,
        )


class CloudifyWorkflowNodeInstance:
    """An instance of a node."""

    def __init__(
        self,
        ctx: Any,
        node: CloudifyWorkflowNode,
        node_instance: dict[str, Any],
        nodes_and_instances: WorkflowNodesAndInstancesContainer,
    ) -> None:
        self.ctx = ctx
        self._node = node
        self._node_instance = Record(node_instance)
        self._nodes_and_instances = nodes_and_instances
        self._contained_instances: list[CloudifyWorkflowNodeInstance] = []
        self._logger: logging.Logger | None = None
        self._relationship_instances = {
            each["target_id"]: CloudifyWorkflowRelationshipInstance(ctx, self, nodes_and_instances, each)
            for each in node_instance.get("relationships") or ()
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CloudifyWorkflowNodeInstance) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"<CloudifyWorkflowNodeInstance {self.id}>"

    @property
    def id(self) -> str:
        """Its id."""
        return self._node_instance["id"]

    @property
    def state(self) -> str:
        """Its state when it was loaded."""
        return self._node_instance["state"]

    @property
    def version(self) -> int:
        """Its version when it was loaded."""
        return self._node_instance.get("version") or 0

    @property
    def node_id(self) -> str:
        """Id of its node."""
        return self._node_instance["node_id"]

    @property
    def node(self) -> CloudifyWorkflowNode:
        """Its node."""
        return self._node

    @property
    def index(self) -> int | None:
        """Its number among the instances of its node, from 1."""
        return self._node_instance.get("index")

    @property
    def relationships(self) -> Iterator[CloudifyWorkflowRelationshipInstance]:
        """Iterator over its relationships in declared order."""
        return iter(self._relationship_instances.values())

    @property
    def modification(self) -> str | None:
        """``added`` or ``removed`` when reached through a modification, else None."""
        return self._node_instance.get("modification")

    @property
    def scaling_groups(self) -> list[dict[str, Any]]:
        """The group instances it is in, innermost first: ``name`` and ``id``."""
        return self._node_instance.get("scaling_groups") or []

    @property
    def deployment_id(self) -> str | None:
        """Id of its deployment."""
        return self._node_instance.get("deployment_id")

    @property
    def runtime_properties(self) -> dict[str, Any]:
        """Its runtime properties when it was loaded."""
        return self._node_instance.get("runtime_properties") or {}

    @property
    def system_properties(self) -> dict[str, Any]:
        """Its system properties when it was loaded (status, drift)."""
        return self._node_instance.get("system_properties") or {}

    @property
    def logger(self) -> logging.Logger:
        """Logger whose records carry the instance's id."""
        if self._logger is None:
            self._logger = self.ctx.internal.make_logger(self.id, self.node_id)
        return self._logger

    @property
    def contained_instances(self) -> list[CloudifyWorkflowNodeInstance]:
        """The instances directly contained in this one."""
        return self._contained_instances

    def _add_contained_node_instance(self, node_instance: CloudifyWorkflowNodeInstance) -> None:
        self._contained_instances.append(node_instance)

    def get_contained_subgraph(self) -> set[CloudifyWorkflowNodeInstance]:
        """Return the instance itself and everything transitively contained in it."""
        found: set[CloudifyWorkflowNodeInstance] = set()
        waiting = [self]
        while waiting:
            instance = waiting.pop()
            if instance not in found:
                found.add(instance)
                waiting.extend(instance.contained_instances)
        return found

    def set_state(self, state: str) -> Any:
        """Write the instance's state; any text is accepted, nothing is done in a dry run."""
        if self.ctx.dry_run:
            return self.ctx._process_task(NOPLocalWorkflowTask(self.ctx))
        return self.ctx._process_task(SetNodeInstanceStateTask(self.id, state, workflow_context=self.ctx))

    def get_state(self) -> Any:
        """Read the stored state when the task runs."""
        return self.ctx._process_task(GetNodeInstanceStateTask(self.id, workflow_context=self.ctx))

    def send_event(self, event: str, additional_context: dict[str, Any] | None = None) -> Any:
        """Send a ``workflow_node_event``."""
        return self.ctx._process_task(SendNodeEventTask(self.id, event, additional_context, workflow_context=self.ctx))

    def execute_operation(
        self,
        operation: str,
        kwargs: dict[str, Any] | None = None,
        allow_kwargs_override: bool = False,
        send_task_events: bool = True,
    ) -> Any:
        """Run an operation of the node (contract §1.6.1)."""
        return self.ctx._execute_operation(
            operation=operation,
            node_instance=self,
            operations=self.node.known_operations,
            kwargs=kwargs,
            allow_kwargs_override=allow_kwargs_override,
            send_task_events=send_task_events,
        )


class CloudifyWorkflowNode:
    """A node of the deployment."""

    def __init__(self, ctx: Any, node: dict[str, Any], nodes_and_instances: WorkflowNodesAndInstancesContainer) -> None:
        self.ctx = ctx
        self._node = Record(node)
        self._nodes_and_instances = nodes_and_instances
        self._node_instances: dict[str, CloudifyWorkflowNodeInstance] = {}
        self._has_own_operations = False
        self._relationships = {
            each["target_id"]: CloudifyWorkflowRelationship(ctx, self, nodes_and_instances, each)
            for each in node.get("relationships") or ()
        }

    def __repr__(self) -> str:
        return f"<CloudifyWorkflowNode {self.id}>"

    @property
    def id(self) -> str:
        """Its id: the name in the blueprint."""
        return self._node["id"]

    @property
    def type(self) -> str:
        """Its type."""
        return self._node["type"]

    @property
    def type_hierarchy(self) -> list[str]:
        """Its type and those it is derived from, base first."""
        return self._node["type_hierarchy"]

    @property
    def properties(self) -> dict[str, Any]:
        """Its properties."""
        return self._node.get("properties") or {}

    @property
    def plugins_to_install(self) -> list[dict[str, Any]]:
        """Plugins a host agent needs for it."""
        return self._node.get("plugins_to_install") or []

    @property
    def plugins(self) -> list[dict[str, Any]]:
        """Plugins its operations use."""
        return self._node.get("plugins") or []

    @property
    def host_id(self) -> str | None:
        """Id of the node of its host, or None."""
        return self._node.get("host_id")

    @property
    def host_node(self) -> CloudifyWorkflowNode | None:
        """The node of its host (itself for a host), or None."""
        return self._nodes_and_instances.get_node(self.host_id) if self.host_id else None

    @property
    def number_of_instances(self) -> int:
        """How many instances it has."""
        return self._node["number_of_instances"]

    @property
    def planned_number_of_instances(self) -> int:
        """How many it will have when the modification under way is finished."""
        return self._node["planned_number_of_instances"]

    @property
    def relationships(self) -> Iterator[CloudifyWorkflowRelationship]:
        """Iterator over its relationships in declared order, one a target node."""
        return iter(self._relationships.values())

    @property
    def operations(self) -> dict[str, Any]:
        """Its operations, by full name; from here on they are this node's own, whoever changes them."""
        if not self._has_own_operations:
            self._has_own_operations = True
            self._node["operations"] = copied(self.known_operations)
        return self.known_operations

    @property
    def known_operations(self) -> dict[str, Any]:
        """Its operations, to be looked at only: nodes of one type may hold the same mapping."""
        return self._node.get("operations") or {}

    @property
    def instances(self) -> Iterator[CloudifyWorkflowNodeInstance]:
        """Iterator over its instances."""
        return iter(self._node_instances.values())

    def has_operation(self, operation_interface: str) -> bool:
        """Return whether the operation is declared and mapped."""
        operation = self.known_operations.get(operation_interface)
        return bool(operation and operation.get("operation"))

    def get_relationship(self, target_id: str) -> CloudifyWorkflowRelationship | None:
        """Return its relationship to that node, or None."""
        return self._relationships.get(target_id)


class WorkflowNodesAndInstancesContainer:
    """Nodes and node instances that know each other."""

    def __init__(
        self,
        workflow_context: Any,
        raw_nodes: Iterable[dict[str, Any]],
        raw_node_instances: Iterable[dict[str, Any]],
    ) -> None:
        self._nodes = {node["id"]: CloudifyWorkflowNode(workflow_context, node, self) for node in raw_nodes}
        self._node_instances: dict[str, CloudifyWorkflowNodeInstance] = {}
        for raw in raw_node_instances:
            node = self._nodes[raw["node_id"]]
            instance = CloudifyWorkflowNodeInstance(workflow_context, node, raw, self)
            self._node_instances[instance.id] = instance
            node._node_instances[instance.id] = instance
        for instance in self._node_instances.values():
            for relationship in instance.relationships:
                target = relationship.target_node_instance
                if target is None or relationship.relationship is None:
                    continue
                if relationship.relationship.is_derived_from(_CONTAINED_IN):
                    target._add_contained_node_instance(instance)

    @property
    def nodes(self) -> Iterator[CloudifyWorkflowNode]:
        """Iterator over the nodes."""
        return iter(self._nodes.values())

    @property
    def node_instances(self) -> Iterator[CloudifyWorkflowNodeInstance]:
        """Iterator over the node instances."""
        return iter(self._node_instances.values())

    def get_node(self, node_id: str) -> CloudifyWorkflowNode | None:
        """Return a node, or None."""
        return self._nodes.get(node_id)

    def get_node_instance(self, node_instance_id: str) -> CloudifyWorkflowNodeInstance | None:
        """Return a node instance, or None."""
        return self._node_instances.get(node_instance_id)
