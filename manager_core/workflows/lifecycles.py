"""The workflows that take instances up and down: install, uninstall, reinstall, rollback (workflow-runtime.md §4)."""

# mypy: allow-untyped-decorators
# (the SDK is no part of the checked program: mypy sees its decorators as Any)

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from cloudify.decorators import workflow
from cloudify.exceptions import WorkflowFailed
from cloudify.models_states import ExecutionState

from manager_core.workflows import lifecycle
from manager_core.workflows.selection import others, selected_instances
from manager_core.workflows.waiting import wait

Names = Collection[str] | None


@workflow(resumable=True)
def install(
    ctx: Any, node_ids: Names = None, node_instance_ids: Names = None, type_names: Names = None, **_: Any
) -> None:
    """Install the selected instances; the others establish their relationships to them."""
    selected = selected_instances(ctx, node_ids, node_instance_ids, type_names)
    lifecycle.install_node_instances(ctx.graph_mode(), selected, others(ctx, selected))


@workflow(resumable=True)
def uninstall(
    ctx: Any,
    ignore_failure: bool = False,
    node_ids: Names = None,
    node_instance_ids: Names = None,
    type_names: Names = None,
    recursive: bool = False,
    **_: Any,
) -> None:
    """Uninstall the selected instances; with `recursive` first all deployments contained in this one."""
    if recursive:
        _uninstall_contained(ctx, ignore_failure)
    selected = selected_instances(ctx, node_ids, node_instance_ids, type_names)
    lifecycle.uninstall_node_instances(ctx.graph_mode(), selected, ignore_failure, others(ctx, selected))


@workflow(resumable=True)
def reinstall(
    ctx: Any,
    ignore_failure: bool = False,
    node_ids: Names = None,
    node_instance_ids: Names = None,
    type_names: Names = None,
    **_: Any,
) -> None:
    """Uninstall and install the selected instances."""
    selected = selected_instances(ctx, node_ids, node_instance_ids, type_names)
    lifecycle.reinstall_node_instances(ctx.graph_mode(), selected, ignore_failure, others(ctx, selected))


@workflow(resumable=True)
def rollback(
    ctx: Any,
    type_names: Names = None,
    node_ids: Names = None,
    node_instance_ids: Names = None,
    full_rollback: bool = False,
    **_: Any,
) -> None:
    """Take interrupted instances back to a resting state; with `full_rollback` uninstall everything afterwards."""
    selected = selected_instances(ctx, node_ids, node_instance_ids, type_names)
    interrupted = [each for each in selected if each.state in ("creating", "configuring", "starting")]
    graph = ctx.graph_mode()
    lifecycle.rollback_node_instances(graph, interrupted, others(ctx, interrupted))
    if full_rollback:
        ctx.refresh_node_instances()
        lifecycle.uninstall_node_instances(graph, set(ctx.node_instances), ignore_failure=False)


def _uninstall_contained(ctx: Any, ignore_failure: bool) -> None:
    """Uninstall the deployments that have this one as their parent, and wait for all of them."""
    children = ctx.internal.handler.call("list_child_deployments")
    started = [
        ctx.start_execution(
            child,
            "uninstall",
            parameters={"ignore_failure": ignore_failure, "recursive": True},
            allow_custom_parameters=True,
        )
        for child in children
    ]
    failed = []
    for execution in started:
        status = execution["status"]
        while status not in ExecutionState.END_STATES:
            wait(ctx, 1)
            status = ctx.get_execution(execution["id"])["status"]
        if status != ExecutionState.TERMINATED:
            failed.append(execution["id"])
    if failed:
        raise WorkflowFailed(f"Uninstalling contained deployments failed. Executions: {', '.join(failed)}")
