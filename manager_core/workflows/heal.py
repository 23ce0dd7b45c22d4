"""The heal workflow: check, heal what can be healed, reinstall the rest (workflow-runtime.md §4.7)."""

# mypy: allow-untyped-decorators
# (the SDK is no part of the checked program: mypy sees its decorators as Any)

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cloudify.decorators import workflow
from cloudify.workflows import api

from manager_core.workflows import lifecycle
from manager_core.workflows.checks import make_check_status_graph
from manager_core.workflows.instance_install import LIFECYCLE
from manager_core.workflows.selection import loaded, others
from manager_core.workflows.status_records import change_system_properties

_NAMES_SHOWN = 5


@workflow
def auto_heal_reinstall_node_subgraph(
    ctx: Any,
    node_instance_id: str | None = None,
    diagnose_value: str = "Not provided",
    ignore_failure: bool = True,
    check_status: bool = True,
    allow_reinstall: bool = True,
    force_reinstall: bool = False,
    **_: Any,
) -> None:
    """Heal one instance with all that is on its host, or the whole deployment.

    Raises:
        ValueError: there is no such instance.
        RuntimeError: something would have to be reinstalled and that is not allowed.
    """
    about = node_instance_id or f"deployment {ctx.deployment.id}"
    ctx.logger.info("Healing %s. Diagnosis: %s", about, diagnose_value)
    ids = {instance.id for instance in _neighbourhood(ctx, node_instance_id)}
    graph = ctx.graph_mode()
    if force_reinstall:
        _reinstall(ctx, graph, loaded(ctx, ids), ignore_failure)
        return
    if check_status:
        checks = make_check_status_graph(ctx, node_instance_ids=sorted(ids), ignore_failure=True, name="check_status")
        checks.execute()
        ctx.refresh_node_instances()
    to_heal, to_reinstall = sort_out(loaded(ctx, ids), targeted=bool(node_instance_id))
    if to_reinstall and not allow_reinstall:
        raise _refusal(to_reinstall)
    if to_heal:
        to_reinstall |= heal_or_name(ctx, graph, to_heal)
    if to_reinstall and not allow_reinstall:
        raise _refusal(to_reinstall)
    if to_reinstall:
        _reinstall(ctx, graph, to_reinstall, ignore_failure)


def sort_out(instances: Iterable[Any], *, targeted: bool) -> tuple[set[Any], set[Any]]:
    """Return what is to be healed and what is to be reinstalled; the healthy ones are in neither.

    What is reinstalled takes all that it contains with it.

    Args:
        targeted: an instance was named: then only a check that was made says that something is healthy.
    """
    unhealthy = {instance for instance in instances if not is_healthy(instance, targeted=targeted)}
    to_heal = {instance for instance in unhealthy if instance.node.has_operation(f"{LIFECYCLE}.heal")}
    to_reinstall: set[Any] = set()
    for instance in unhealthy - to_heal:
        to_reinstall |= instance.get_contained_subgraph()
    return to_heal - to_reinstall, to_reinstall


def is_healthy(instance: Any, *, targeted: bool) -> bool:
    """Return what the last check said; without one an instance is healthy unless it was named."""
    status = instance.system_properties.get("status") or {}
    checked = bool(status.get("task"))
    if targeted:
        return bool(status.get("ok")) and checked
    return bool(status.get("ok")) or not checked


def _neighbourhood(ctx: Any, node_instance_id: str | None) -> set[Any]:
    if not node_instance_id:
        return set(ctx.node_instances)
    instance = ctx.get_node_instance(node_instance_id)
    if instance is None:
        raise ValueError(f"No node instance with id `{node_instance_id}` was found")
    host_id = instance._node_instance.get("host_id")
    host = ctx.get_node_instance(host_id) if host_id else None
    found: set[Any] = (host or instance).get_contained_subgraph()
    return found


def heal_or_name(ctx: Any, graph: Any, to_heal: set[Any]) -> set[Any]:
    """Heal instances and return what has to be reinstalled because that failed."""
    ids = {instance.id for instance in to_heal}
    try:
        lifecycle.heal_node_instances(graph, to_heal, others(ctx, to_heal))
    except api.ExecutionCancelled:
        raise
    except Exception as error:  # noqa: BLE001 - whatever went wrong, reinstalling is still there
        ctx.logger.error("Error running heal: %s", error)
        for task in graph.tasks:
            graph.remove_task(task)
    ctx.refresh_node_instances()
    failed: set[Any] = set()
    for instance in loaded(ctx, ids):
        if instance.system_properties.get("heal_failed") == ctx.execution_id:
            change_system_properties(ctx, instance.id, lambda properties: properties.pop("heal_failed", None))
            failed |= instance.get_contained_subgraph()
    return failed


def _reinstall(ctx: Any, graph: Any, instances: set[Any], ignore_failure: bool) -> None:
    lifecycle.reinstall_node_instances(graph, instances, ignore_failure, others(ctx, instances))


def _refusal(instances: Iterable[Any]) -> RuntimeError:
    ids = sorted(instance.id for instance in instances)
    names = ", ".join(ids[:_NAMES_SHOWN])
    more = f" (and {len(ids) - _NAMES_SHOWN} more)" if len(ids) > _NAMES_SHOWN else ""
    return RuntimeError(f"allow_reinstall is false, but would need to reinstall instances: {names}{more}")
