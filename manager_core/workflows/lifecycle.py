"""The lifecycles authors call on sets of node instances (workflow-runtime.md §4.13). Each call runs a graph."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from manager_core.workflows.heal_steps import build_heal
from manager_core.workflows.processor import LifecycleProcessor, execute_relationship_operations
from manager_core.workflows.selection import loaded
from manager_core.workflows.update_steps import build_update


def install_node_instances(
    graph: Any, node_instances: Iterable[Any], related_nodes: Iterable[Any] | None = None, name_prefix: str = ""
) -> None:
    """Install instances; `related_nodes` stay as they are, but establish their relationships to them."""
    LifecycleProcessor(graph, node_instances, related_nodes, name_prefix=name_prefix).install()


def uninstall_node_instances(
    graph: Any,
    node_instances: Iterable[Any],
    ignore_failure: bool,
    related_nodes: Iterable[Any] | None = None,
    name_prefix: str = "",
) -> None:
    """Uninstall instances; `related_nodes` stay as they are, but unlink their relationships to them."""
    LifecycleProcessor(
        graph, node_instances, related_nodes, ignore_failure=ignore_failure, name_prefix=name_prefix
    ).uninstall()


def reinstall_node_instances(
    graph: Any, node_instances: Iterable[Any], ignore_failure: bool, related_nodes: Iterable[Any] | None = None
) -> None:
    """Uninstall and install instances; they are loaded again in between."""
    ids = [instance.id for instance in node_instances]
    related_ids = [instance.id for instance in related_nodes or ()]
    ctx = graph.ctx
    uninstall_node_instances(
        graph, loaded(ctx, ids), ignore_failure, loaded(ctx, related_ids), name_prefix="reinstall-"
    )
    ctx.refresh_node_instances()
    install_node_instances(graph, loaded(ctx, ids), loaded(ctx, related_ids), name_prefix="reinstall-")


def rollback_node_instances(
    graph: Any,
    node_instances: Iterable[Any],
    related_nodes: Iterable[Any] | None = None,
    name_prefix: str = "",
    ignore_failure: bool = True,
) -> None:
    """Take instances whose lifecycle was interrupted back to a resting state."""
    LifecycleProcessor(
        graph, node_instances, related_nodes, ignore_failure=ignore_failure, name_prefix=name_prefix
    ).rollback()


def heal_node_instances(
    graph: Any,
    node_instances: Iterable[Any],
    related_nodes: Iterable[Any] | None = None,
    name_prefix: str = "",
    ignore_failure: bool = False,
) -> None:
    """Heal instances; a failed one is marked with ``heal_failed`` and does not fail the graph."""
    LifecycleProcessor(graph, node_instances, related_nodes, name_prefix=name_prefix).heal(build_heal)


def update_node_instances(
    graph: Any, node_instances: Iterable[Any], related_nodes: Iterable[Any] | None = None, name_prefix: str = ""
) -> None:
    """Update instances; a failed one is marked with ``update_failed`` and does not fail the graph."""
    LifecycleProcessor(graph, node_instances, related_nodes, name_prefix=name_prefix).update(build_update)


def execute_establish_relationships(
    graph: Any,
    node_instances: Iterable[Any],
    related_nodes: Iterable[Any] | None = None,
    modified_relationship_ids: dict[str, Collection[str]] | None = None,
) -> None:
    """Run the ``establish`` operations of instances, of all their relationships or only of the given ones."""
    execute_relationship_operations(graph, node_instances, "establish", modified_relationship_ids, reverse=False)


def execute_unlink_relationships(
    graph: Any,
    node_instances: Iterable[Any],
    related_nodes: Iterable[Any] | None = None,
    modified_relationship_ids: dict[str, Collection[str]] | None = None,
) -> None:
    """Run the ``unlink`` operations of instances, of all their relationships or only of the given ones."""
    execute_relationship_operations(graph, node_instances, "unlink", modified_relationship_ids, reverse=True)
