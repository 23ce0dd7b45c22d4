"""check_status and check_drift (workflow-runtime.md §4.9)."""

# mypy: allow-untyped-decorators
# (the SDK is no part of the checked program: mypy sees its decorators as Any)

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from cloudify.decorators import workflow
from cloudify.exceptions import NonRecoverableError
from cloudify.workflows.tasks import HandlerResult
from cloudify.workflows.tasks_graph import make_or_get_graph

from manager_core.graph.retries import may_retry
from manager_core.workflows.instance_install import LIFECYCLE, RELATIONSHIP, VALIDATION
from manager_core.workflows.operations import order_by_relationships
from manager_core.workflows.selection import selected_instances
from manager_core.workflows.status_records import change_system_properties, check_record

Names = Collection[str] | None

CHECK_STATUS = f"{VALIDATION}.check_status"
CHECK_DRIFT = f"{LIFECYCLE}.check_drift"
RELATIONSHIP_CHECK_DRIFT = f"{RELATIONSHIP}.check_drift"


@make_or_get_graph
def make_check_status_graph(
    ctx: Any,
    run_by_dependency_order: bool = False,
    type_names: Names = None,
    node_ids: Names = None,
    node_instance_ids: Names = None,
    ignore_failure: bool = False,
) -> Any:
    """Return the graph that checks the status of the selected instances; without retries by default."""
    ctx.internal.bootstrap_context["workflows"]["task_retries"] = 0
    graph = ctx.graph_mode()
    subgraphs: dict[str, Any] = {}
    for instance in selected_instances(ctx, node_ids, node_instance_ids, type_names):
        if not instance.node.has_operation(CHECK_STATUS):
            continue
        task = instance.execute_operation(CHECK_STATUS)
        task.on_success = status_is_good
        task.on_failure = status_is_bad_go_on if ignore_failure else status_is_bad
        _place(graph, subgraphs, instance, [task], run_by_dependency_order)
    if run_by_dependency_order:
        order_by_relationships(ctx, graph, subgraphs)
    return graph


def _place(graph: Any, subgraphs: dict[str, Any], instance: Any, tasks: list[Any], by_order: bool) -> None:
    """Add the checks of an instance, all side by side; where order matters they need a subgraph to be ordered by."""
    place = graph
    if by_order:
        place = subgraphs[instance.id] = graph.subgraph(instance.id)
    for task in tasks:
        place.add_task(task)


@workflow(resumable=True)
def check_status(
    ctx: Any,
    run_by_dependency_order: bool = False,
    type_names: Names = None,
    node_ids: Names = None,
    node_instance_ids: Names = None,
    **_: Any,
) -> None:
    """Check the status of the selected instances; a failed check fails the workflow."""
    graph = make_check_status_graph(
        ctx, run_by_dependency_order, type_names, node_ids, node_instance_ids, name="check_status"
    )
    graph.execute()


def status_is_good(task: Any) -> Any:
    """Success handler: note what the check said."""
    _note_status(task, True)
    return HandlerResult.cont()


def status_is_bad(task: Any) -> Any:
    """Failure handler: retry while retries are left, else note the failure and fail."""
    if _will_be_retried(task):
        return HandlerResult.retry()
    _note_status(task, False)
    return HandlerResult.fail()


def status_is_bad_go_on(task: Any) -> Any:
    """Failure handler: retry while retries are left, else note the failure and go on."""
    return _go_on(status_is_bad(task))


def _note_status(task: Any, ok: bool) -> None:
    def note(properties: dict[str, Any]) -> None:
        properties["previous_status"] = properties.get("status")
        properties["status"] = check_record(task, ok)

    change_system_properties(task.workflow_context, task.cloudify_context["node_id"], note)


@make_or_get_graph
def make_check_drift_graph(
    ctx: Any,
    run_by_dependency_order: bool = True,
    type_names: Names = None,
    node_ids: Names = None,
    node_instance_ids: Names = None,
    ignore_failure: bool = False,
) -> Any:
    """Return the graph that checks the selected instances and their relationships for drift; no retries by default."""
    ctx.internal.bootstrap_context["workflows"]["task_retries"] = 0
    graph = ctx.graph_mode()
    subgraphs: dict[str, Any] = {}
    for instance in selected_instances(ctx, node_ids, node_instance_ids, type_names):
        checks = [instance.execute_operation(CHECK_DRIFT)]
        for relationship in instance.relationships:
            checks.append(relationship.execute_source_operation(RELATIONSHIP_CHECK_DRIFT))
            checks.append(relationship.execute_target_operation(RELATIONSHIP_CHECK_DRIFT))
        checks = [task for task in checks if not task.is_nop()]
        if not checks:
            continue
        for task in checks:
            task.on_success = no_drift_trouble
            task.on_failure = drift_trouble_go_on if ignore_failure else drift_trouble
        _place(graph, subgraphs, instance, checks, run_by_dependency_order)
    if run_by_dependency_order:
        order_by_relationships(ctx, graph, subgraphs)
    return graph


@workflow(resumable=True)
def check_drift(
    ctx: Any,
    run_by_dependency_order: bool = True,
    type_names: Names = None,
    node_ids: Names = None,
    node_instance_ids: Names = None,
    **_: Any,
) -> None:
    """Check the selected instances for drift; a failed check fails the workflow."""
    graph = make_check_drift_graph(
        ctx, run_by_dependency_order, type_names, node_ids, node_instance_ids, name="check_drift"
    )
    graph.execute()


def no_drift_trouble(task: Any) -> Any:
    """Success handler: note what the check said."""
    _note_drift(task, True)
    return HandlerResult.cont()


def drift_trouble(task: Any) -> Any:
    """Failure handler: retry while retries are left, else note the failure and fail."""
    if _will_be_retried(task):
        return HandlerResult.retry()
    _note_drift(task, False)
    return HandlerResult.fail()


def drift_trouble_go_on(task: Any) -> Any:
    """Failure handler: retry while retries are left, else note the failure and go on."""
    return _go_on(drift_trouble(task))


def _note_drift(task: Any, ok: bool) -> None:
    context = task.cloudify_context
    record = check_record(task, ok)
    related = context.get("related")

    def note(properties: dict[str, Any]) -> None:
        if related is None:
            properties["configuration_drift"] = record
            return
        side = context["operation"]["relationship"]
        key = f"{side}_relationships_configuration_drift"
        properties[key] = {**(properties.get(key) or {}), related["node_id"]: record}

    change_system_properties(task.workflow_context, context["node_id"], note)


def _will_be_retried(task: Any) -> bool:
    if isinstance(task.async_result.result, NonRecoverableError):
        return False
    return may_retry(task.total_retries, task.current_retries)


def _go_on(verdict: Any) -> Any:
    return HandlerResult.ignore() if verdict.action == HandlerResult.HANDLER_FAIL else verdict
