"""execute_operation and the workflows that run one lifecycle operation everywhere (workflow-runtime.md §4.6)."""

# mypy: allow-untyped-decorators
# (the SDK is no part of the checked program: mypy sees its decorators as Any)

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from cloudify.decorators import workflow
from cloudify.workflows.tasks_graph import make_or_get_graph

from manager_core.workflows.selection import selected_instances

_LIFECYCLE = "cloudify.interfaces.lifecycle"
Names = Collection[str] | None
Arguments = dict[str, Any] | None


@make_or_get_graph
def make_execute_operation_graph(
    ctx: Any,
    operation: str,
    operation_kwargs: Arguments,
    allow_kwargs_override: bool | None,
    run_by_dependency_order: bool,
    type_names: Names,
    node_ids: Names,
    node_instance_ids: Names,
    **_: Any,
) -> Any:
    """Return the graph that runs an operation of all selected instances that map it.

    With `run_by_dependency_order` the subgraph of an instance waits for those of its targets; instances that are not
    selected pass the order on.
    """
    graph = ctx.graph_mode()
    subgraphs: dict[str, Any] = {}
    override = {} if allow_kwargs_override is None else {"allow_kwargs_override": allow_kwargs_override}
    arguments = operation_kwargs or {}
    suffix = f" (Operation parameters: {arguments})" if arguments else ""
    for instance in selected_instances(ctx, node_ids, node_instance_ids, type_names):
        if not instance.node.has_operation(operation):
            continue
        subgraph = subgraphs[instance.id] = graph.subgraph(instance.id)
        subgraph.sequence().add(
            instance.send_event(f"Starting operation {operation}{suffix}"),
            instance.execute_operation(operation, kwargs=arguments, **override),
            instance.send_event(f"Finished operation {operation}"),
        )
    if run_by_dependency_order:
        order_by_relationships(ctx, graph, subgraphs)
    return graph


def order_by_relationships(ctx: Any, graph: Any, subgraphs: dict[str, Any]) -> None:
    """Let the subgraph of each instance wait for those of its targets, through stubs of the other instances."""
    instances = list(ctx.node_instances)
    for instance in instances:
        if instance.id not in subgraphs:
            subgraphs[instance.id] = graph.subgraph(f"stub_{instance.id}")
    for instance in instances:
        for relationship in instance.relationships:
            target = subgraphs.get(relationship.target_id)
            if target is not None:
                graph.add_dependency(subgraphs[instance.id], target)


def run_operation(
    ctx: Any,
    operation: str,
    operation_kwargs: Arguments = None,
    allow_kwargs_override: bool | None = None,
    run_by_dependency_order: bool = False,
    type_names: Names = None,
    node_ids: Names = None,
    node_instance_ids: Names = None,
) -> None:
    """Run an operation of all selected instances."""
    graph = make_execute_operation_graph(
        ctx,
        operation,
        operation_kwargs,
        allow_kwargs_override,
        run_by_dependency_order,
        type_names,
        node_ids,
        node_instance_ids,
        name=f"execute_operation_{operation}",
    )
    graph.execute()


@workflow(resumable=True)
def execute_operation(
    ctx: Any,
    operation: str,
    operation_kwargs: Arguments = None,
    allow_kwargs_override: bool | None = None,
    run_by_dependency_order: bool = False,
    type_names: Names = None,
    node_ids: Names = None,
    node_instance_ids: Names = None,
    **_: Any,
) -> None:
    """Run an operation of all selected instances; states are not changed."""
    run_operation(
        ctx,
        operation,
        operation_kwargs,
        allow_kwargs_override,
        run_by_dependency_order,
        type_names,
        node_ids,
        node_instance_ids,
    )


def _lifecycle(ctx: Any, name: str, arguments: Arguments, by_order: bool, *filters: Names) -> None:
    run_operation(ctx, f"{_LIFECYCLE}.{name}", arguments, True, by_order, *filters)


@workflow(resumable=True)
def start(
    ctx: Any,
    operation_parms: Arguments = None,
    run_by_dependency_order: bool = True,
    type_names: Names = None,
    node_ids: Names = None,
    node_instance_ids: Names = None,
    **_: Any,
) -> None:
    """Run ``start`` of the selected instances."""
    _lifecycle(ctx, "start", operation_parms, run_by_dependency_order, type_names, node_ids, node_instance_ids)


@workflow(resumable=True)
def stop(
    ctx: Any,
    operation_parms: Arguments = None,
    run_by_dependency_order: bool = True,
    type_names: Names = None,
    node_ids: Names = None,
    node_instance_ids: Names = None,
    **_: Any,
) -> None:
    """Run ``stop`` of the selected instances, in the order of ``start``."""
    _lifecycle(ctx, "stop", operation_parms, run_by_dependency_order, type_names, node_ids, node_instance_ids)


@workflow(resumable=True)
def pull(
    ctx: Any,
    operation_parms: Arguments = None,
    run_by_dependency_order: bool = True,
    type_names: Names = None,
    node_ids: Names = None,
    node_instance_ids: Names = None,
    **_: Any,
) -> None:
    """Run ``pull`` of the selected instances."""
    _lifecycle(ctx, "pull", operation_parms, run_by_dependency_order, type_names, node_ids, node_instance_ids)


@workflow(resumable=True)
def restart(
    ctx: Any,
    stop_parms: Arguments = None,
    start_parms: Arguments = None,
    run_by_dependency_order: bool = True,
    type_names: Names = None,
    node_ids: Names = None,
    node_instance_ids: Names = None,
    **_: Any,
) -> None:
    """Run ``stop`` of all selected instances, then ``start`` of all."""
    _lifecycle(ctx, "stop", stop_parms, run_by_dependency_order, type_names, node_ids, node_instance_ids)
    _lifecycle(ctx, "start", start_parms, run_by_dependency_order, type_names, node_ids, node_instance_ids)
