"""The lifecycle helpers authors call (contract §4.13), which are written in `manager_core.workflows`."""

from typing import Any

from manager_core.workflows.hosts import host_post_start as _host_post_start
from manager_core.workflows.hosts import host_pre_stop as _host_pre_stop
from manager_core.workflows.hosts import is_host_node
from manager_core.workflows.instance_uninstall import build_rollback as rollback_node_instance_subgraph
from manager_core.workflows.lifecycle import (
    execute_establish_relationships,
    execute_unlink_relationships,
    heal_node_instances,
    install_node_instances,
    reinstall_node_instances,
    rollback_node_instances,
    uninstall_node_instances,
    update_node_instances,
)
from manager_core.workflows.lifecycle_retry import (
    install_node_instance_subgraph,
    reinstall_node_instance_subgraph,
    uninstall_node_instance_subgraph,
)
from manager_core.workflows.processor import LifecycleProcessor
from manager_core.workflows.relationship_steps import relationship_operations as _relationship_operations
from manager_core.workflows.relationship_steps import relationships_operations as _relationships_operations
from manager_core.workflows.steps import IgnoreFailure


def set_send_node_event_on_error_handler(task: Any, instance: Any) -> None:
    """Let a task's failure be an event of the instance and no more."""
    task.on_failure = IgnoreFailure(instance.id)


def _skip_nop_operations(task: Any, pre: Any = None, post: Any = None) -> list[Any]:
    """Return a task between those that belong to it; nothing when there is no task or it does nothing."""
    if not task or task.is_nop():
        return []
    before, after = (each if isinstance(each, list) else [] if each is None else [each] for each in (pre, post))
    return [*before, task, *after]


__all__ = [
    "LifecycleProcessor",
    "_host_post_start",
    "_host_pre_stop",
    "_relationship_operations",
    "_relationships_operations",
    "_skip_nop_operations",
    "execute_establish_relationships",
    "execute_unlink_relationships",
    "heal_node_instances",
    "install_node_instance_subgraph",
    "install_node_instances",
    "is_host_node",
    "reinstall_node_instance_subgraph",
    "reinstall_node_instances",
    "rollback_node_instance_subgraph",
    "rollback_node_instances",
    "set_send_node_event_on_error_handler",
    "uninstall_node_instance_subgraph",
    "uninstall_node_instances",
    "update_node_instances",
]
