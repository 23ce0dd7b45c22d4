"""The heal lifecycle of one node instance (workflow-runtime.md §4.7)."""

from __future__ import annotations

from typing import Any

from cloudify.workflows.tasks import HandlerResult

from manager_core.workflows.instance_install import LIFECYCLE
from manager_core.workflows.status_records import change_system_properties
from manager_core.workflows.steps import operation_step


def build_heal(instance: Any, graph: Any) -> Any:
    """Add the subgraph ``heal_<id>`` to `graph` and return it; how it ended is noted on the instance."""
    subgraph = graph.subgraph(f"heal_{instance.id}")
    subgraph.info.update(instance_id=instance.id)
    subgraph.on_success = heal_succeeded
    subgraph.on_failure = heal_failed
    subgraph.sequence().add(
        instance.send_event("Healing node instance"),
        *operation_step(instance, f"{LIFECYCLE}.preheal"),
        *operation_step(instance, f"{LIFECYCLE}.heal"),
        *operation_step(instance, f"{LIFECYCLE}.postheal"),
        instance.send_event("Node instance healed"),
    )
    return subgraph


def heal_succeeded(subgraph: Any) -> Any:
    """Success handler: the instance counts as healthy."""

    def healthy(properties: dict[str, Any]) -> None:
        properties["status"] = {**(properties.get("status") or {}), "ok": True, "task": None, "healed": True}

    change_system_properties(subgraph.workflow_context, subgraph.info["instance_id"], healthy)
    return HandlerResult.cont()


def heal_failed(subgraph: Any) -> Any:
    """Failure handler: note it on the instance, which will be reinstalled, and go on."""
    ctx = subgraph.workflow_context

    def failed(properties: dict[str, Any]) -> None:
        properties["heal_failed"] = ctx.execution_id

    change_system_properties(ctx, subgraph.info["instance_id"], failed)
    return HandlerResult.ignore()
