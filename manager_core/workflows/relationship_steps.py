"""The relationship operations of an instance as one subgraph (workflow-runtime.md §4.2)."""

from __future__ import annotations

from collections.abc import Collection
from itertools import groupby
from typing import Any

from cloudify.workflows.tasks import HandlerResult
from cloudify.workflows.tasks_graph import forkjoin

from manager_core.workflows.steps import give_up


def relationships_operations(
    graph: Any,
    node_instance: Any,
    operation: str,
    reverse: bool = False,
    modified_relationship_ids: dict[str, Collection[str]] | None = None,
) -> Any:
    """Return a subgraph with one operation of all relationships of an instance, or None if none is mapped.

    Relationships to consecutive same target nodes form a group; groups run one after the other in declared order
    (`reverse`: in the opposite one), what is in a group runs side by side.

    Args:
        graph: where the subgraph goes: a graph or a subgraph.
        modified_relationship_ids: instance id -> target ids; with it only those relationships take part.
    """
    relationships = list(node_instance.relationships)
    if modified_relationship_ids is not None:
        wanted = modified_relationship_ids.get(node_instance.id, ())
        relationships = [each for each in relationships if each.target_id in wanted]
    groups = [list(group) for _, group in groupby(relationships, lambda each: each.relationship.target_id)]
    if reverse:
        groups.reverse()
    forks = []
    for group in groups:
        tasks = [task for each in group for task in relationship_operations(each, operation) if not task.is_nop()]
        if tasks:
            forks.append(forkjoin(*tasks))
    if not forks:
        return None
    result = graph.subgraph(f"{operation}_subgraph")
    result.on_failure = relationship_subgraph_failed
    result.sequence().add(*forks)
    return result


def relationship_operations(relationship: Any, operation: str) -> list[Any]:
    """Return the source's and the target's operation of one relationship."""
    return [relationship.execute_source_operation(operation), relationship.execute_target_operation(operation)]


def relationship_subgraph_failed(subgraph: Any) -> Any:
    """Failure handler: drop what is left of the relationship operations and pass the failure on."""
    give_up(subgraph)
    return HandlerResult.fail()
