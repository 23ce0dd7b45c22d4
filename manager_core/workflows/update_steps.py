"""The update lifecycle of one node instance (workflow-runtime.md §6.4)."""

from __future__ import annotations

from typing import Any

from cloudify.workflows.tasks import HandlerResult

from manager_core.workflows.instance_install import LIFECYCLE, RELATIONSHIP
from manager_core.workflows.relationship_steps import relationships_operations
from manager_core.workflows.status_records import change_system_properties
from manager_core.workflows.steps import operation_step

UPDATE_OPERATIONS = tuple(
    f"{LIFECYCLE}.{name}"
    for name in ("preupdate", "update", "postupdate", "update_config", "update_apply", "update_postapply")
)
"""In the order they run."""


def build_update(instance: Any, graph: Any) -> Any:
    """Add the subgraph ``update_<id>`` to `graph` and return it; how it ended is noted on the instance."""
    subgraph = graph.subgraph(f"update_{instance.id}")
    subgraph.info.update(instance_id=instance.id)
    subgraph.on_success = update_succeeded
    subgraph.on_failure = update_failed
    relationships = relationships_operations(subgraph, instance, f"{RELATIONSHIP}.update")
    subgraph.sequence().add(
        instance.send_event("Updating node instance"),
        *(item for operation in UPDATE_OPERATIONS for item in operation_step(instance, operation)),
        relationships,
        instance.send_event("Node instance updated"),
    )
    return subgraph


def update_succeeded(subgraph: Any) -> Any:
    """Success handler: what had drifted is as it should be."""

    def clean(properties: dict[str, Any]) -> None:
        for key in (
            "configuration_drift",
            "source_relationships_configuration_drift",
            "target_relationships_configuration_drift",
            "update_failed",
        ):
            properties.pop(key, None)

    change_system_properties(subgraph.workflow_context, subgraph.info["instance_id"], clean)
    return HandlerResult.cont()


def update_failed(subgraph: Any) -> Any:
    """Failure handler: note it on the instance, which will be reinstalled, and go on."""
    ctx = subgraph.workflow_context

    def failed(properties: dict[str, Any]) -> None:
        properties["update_failed"] = ctx.execution_id

    change_system_properties(ctx, subgraph.info["instance_id"], failed)
    return HandlerResult.ignore()
