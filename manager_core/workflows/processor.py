"""Lifecycles of many instances: a subgraph each, ordered by their relationships (workflow-runtime.md §4.4, §4.5)."""

# mypy: allow-untyped-decorators
# (the SDK is no part of the checked program: mypy sees its decorators as Any)

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from cloudify.workflows.tasks import TASK_PENDING, TASK_SENDING, TASK_SENT, TASK_STARTED
from cloudify.workflows.tasks_graph import make_or_get_graph

from manager_core.workflows.hosts import host_pre_stop, is_host_node
from manager_core.workflows.instance_install import LIFECYCLE, RELATIONSHIP
from manager_core.workflows.instance_uninstall import build_rollback
from manager_core.workflows.lifecycle_retry import (
    install_node_instance_subgraph,
    uninstall_node_instance_subgraph,
)
from manager_core.workflows.relationship_steps import relationship_operations, relationships_operations
from manager_core.workflows.steps import Mark, ignore_failures, ignore_silently, operation_step

_BY_OPERATION = "cloudify.relationships.depends_on_lifecycle_operation"
"""A relationship whose property ``operation`` names what of the target its source waits for."""

Subgraphs = dict[str, Any]


class LifecycleProcessor:
    """Builds and runs graphs of lifecycles.

    Attributes:
        graph: the workflow's graph; it is run, and when the lifecycle is stored, replaced by the stored one.
        node_instances: the instances whose lifecycle runs.
        intact_nodes: instances that stay as they are, but whose relationships to the first may be touched.
        modified_relationship_ids: instance id -> target ids of the relationships to run, None for all.
        ignore_failure: ignore failures of uninstall and rollback operations.
        name_prefix: put before the name of the stored graph.
    """

    def __init__(
        self,
        graph: Any,
        node_instances: Iterable[Any] | None = None,
        related_nodes: Iterable[Any] | None = None,
        modified_relationship_ids: dict[str, Collection[str]] | None = None,
        ignore_failure: bool = False,
        name_prefix: str = "",
    ) -> None:
        self.graph = graph
        self.node_instances = _in_order(node_instances)
        self.intact_nodes = _in_order(related_nodes)
        self.modified_relationship_ids = modified_relationship_ids
        self.ignore_failure = ignore_failure
        self.name_prefix = name_prefix

    # --- what can be run

    def install(self) -> None:
        """Install the instances; an instance starts when the targets of its relationships are started."""
        graph = self._stored("install", self._install_graph)
        if self.graph.ctx.resume:
            _roll_back_interrupted(graph)
        graph.execute()

    def uninstall(self) -> None:
        """Uninstall the instances, in the opposite order."""
        self._stored("uninstall", self._uninstall_graph).execute()

    def rollback(self) -> None:
        """Take interrupted instances back to a resting state."""
        self._stored("rollback", self._rollback_graph).execute()

    def heal(self, subgraph_of: Callable[..., Any]) -> None:
        """Run the subgraph `subgraph_of` makes of each instance, ordered like an install."""
        self._stored("heal", lambda graph: self._ordered(graph, subgraph_of)).execute()

    def update(self, subgraph_of: Callable[..., Any]) -> None:
        """Run the subgraph `subgraph_of` makes of each instance, ordered like an install."""
        self._stored("update", lambda graph: self._ordered(graph, subgraph_of)).execute()

    def _stored(self, name: str, build: Callable[[Any], None]) -> Any:
        graph = self.graph

        @make_or_get_graph
        def made(ctx: Any) -> Any:
            build(graph)
            return graph

        return made(graph.ctx, name=f"{self.name_prefix}{name}")

    # --- graphs

    def _install_graph(self, graph: Any) -> None:
        self._ordered(graph, install_node_instance_subgraph)
        self._touch_intact(graph, self._subgraphs, "establish", ignore_failure=False)

    def _ordered(self, graph: Any, subgraph_of: Callable[..., Any], *, reverse: bool = False) -> None:
        """Add a subgraph for each instance; it waits for those of its relationships' targets, or they for it."""
        subgraphs = self._make_subgraphs(graph, subgraph_of)
        for instance in self.node_instances:
            for relationship in instance.relationships:
                target = subgraphs.get(relationship.target_id)
                if target is None:
                    continue
                one, other = subgraphs[instance.id], target
                if reverse:
                    one, other = other, one
                operation = _awaited_operation(relationship)
                if operation is None:
                    graph.add_dependency(one, other)
                else:
                    _depend_on_operation(graph, one, other, operation)

    def _uninstall_graph(self, graph: Any) -> None:
        self._ordered(
            graph,
            lambda instance, graph: uninstall_node_instance_subgraph(instance, graph, self.ignore_failure),
            reverse=True,
        )
        self._touch_intact(graph, self._subgraphs, "unlink", ignore_failure=True)

    def _rollback_graph(self, graph: Any) -> None:
        self._ordered(graph, lambda instance, graph: build_rollback(instance, graph, self.ignore_failure), reverse=True)

    def _make_subgraphs(self, graph: Any, subgraph_of: Callable[..., Any]) -> Subgraphs:
        subgraphs: Subgraphs = {instance.id: subgraph_of(instance, graph) for instance in self.node_instances}
        for instance in self.intact_nodes:
            if instance.id not in subgraphs:
                subgraphs[instance.id] = graph.subgraph(f"stub_{instance.id}")
        self._subgraphs = subgraphs
        return subgraphs

    def _touch_intact(self, graph: Any, subgraphs: Subgraphs, operation: str, *, ignore_failure: bool) -> None:
        """Run an operation of the relationships of intact instances to the ones at work.

        ``establish`` runs after the target's lifecycle, ``unlink`` before it.
        """
        at_work = {instance.id for instance in self.node_instances}
        for instance in self.intact_nodes:
            if instance.id in at_work:
                continue
            stub = subgraphs[instance.id]
            sequence = stub.sequence()
            for relationship in instance.relationships:
                if relationship.target_id not in at_work:
                    continue
                if operation == "establish":
                    graph.add_dependency(stub, subgraphs[relationship.target_id])
                else:
                    graph.add_dependency(subgraphs[relationship.target_id], stub)
                tasks = relationship_operations(relationship, f"{RELATIONSHIP}.{operation}")
                tasks = [task for task in tasks if not task.is_nop()]
                if ignore_failure:
                    for task in tasks:
                        task.on_failure = ignore_silently
                sequence.add(*tasks)


def execute_relationship_operations(
    graph: Any,
    node_instances: Iterable[Any],
    operation: str,
    modified_relationship_ids: dict[str, Collection[str]] | None,
    reverse: bool,
) -> None:
    """Run one relationship operation of the given instances, all side by side, as a graph of its own."""
    for instance in _in_order(node_instances):
        relationships_operations(
            graph, instance, f"{RELATIONSHIP}.{operation}", reverse, modified_relationship_ids=modified_relationship_ids
        )
    graph.execute()


def _in_order(instances: Iterable[Any] | None) -> list[Any]:
    """Return instances without doubles, in the order of their ids: the same graph twice for the same set."""
    return sorted(set(instances or ()), key=lambda instance: str(instance.id))


def _awaited_operation(relationship: Any) -> str | None:
    if not relationship.relationship.is_derived_from(_BY_OPERATION):
        return None
    operation = relationship.relationship.properties.get("operation")
    return None if operation is None else str(operation)


def _depend_on_operation(graph: Any, subgraph: Any, other: Any, operation: str) -> None:
    """Let `subgraph` wait for a lifecycle operation in `other`; for nothing if it has no such operation."""
    name = f"{LIFECYCLE}.{operation}"
    for task in other.tasks.values():
        if (task.cloudify_context.get("operation") or {}).get("name") == name:
            graph.add_dependency(subgraph, task)


# --- resuming an install


def _roll_back_interrupted(graph: Any) -> None:
    """Undo what was interrupted before it is sent again: stop before start, delete before create."""
    ctx = graph.ctx
    for subgraph in list(graph.tasks):
        if not subgraph.is_subgraph or subgraph.info.get("lifecycle") != "install":
            continue
        instance = ctx.get_node_instance(subgraph.info["instance_id"])
        if instance is None:
            continue
        if instance.state == "starting" and _will_send(subgraph, f"{LIFECYCLE}.start"):
            undo = _undo_start(instance)
        elif instance.state == "creating" and _will_send(subgraph, f"{LIFECYCLE}.create"):
            undo = _undo_create(instance)
        else:
            continue
        if undo:
            _run_before(graph, subgraph, instance, undo)


def _will_send(subgraph: Any, operation: str) -> bool:
    return any(
        task.get_state() in (TASK_PENDING, TASK_SENDING)
        for task in subgraph.tasks.values()
        if (task.cloudify_context.get("operation") or {}).get("name") == operation
    )


def _undo_start(instance: Any) -> list[Any]:
    return [
        *operation_step(
            instance, f"{LIFECYCLE}.prestop", Mark("Prestopping node instance"), Mark("Node instance prestopped")
        ),
        *(host_pre_stop(instance) if is_host_node(instance) else []),
        *operation_step(instance, f"{LIFECYCLE}.stop", Mark("Stopping node instance"), Mark("Stopped node instance")),
    ]


def _undo_create(instance: Any) -> list[Any]:
    return [
        *operation_step(instance, f"{LIFECYCLE}.delete", Mark("Deleting node instance")),
        *operation_step(
            instance, f"{LIFECYCLE}.postdelete", Mark("Postdeleting node instance"), Mark("Node instance postdeleted")
        ),
    ]


def _run_before(graph: Any, subgraph: Any, instance: Any, items: list[Any]) -> None:
    undo = graph.subgraph(f"rollback_{instance.id}")
    undo.sequence().add(
        instance.send_event("Rolling back prior to resuming install"),
        *items,
        instance.send_event("Finished rolling back, now resuming install"),
    )
    ignore_failures(undo, instance)
    graph.add_dependency(subgraph, undo)
    if subgraph.get_state() in (TASK_STARTED, TASK_SENT):
        # The subgraph was already open: its first waiting tasks are what has to wait.
        for task in list(subgraph.tasks.values()):
            if task.get_state() == TASK_PENDING:
                graph.add_dependency(task, undo)
