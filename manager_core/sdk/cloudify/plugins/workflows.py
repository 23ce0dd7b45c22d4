"""The built-in workflow functions (contract §4.1), which are written in `manager_core.workflows`."""

from cloudify.plugins import lifecycle
from manager_core.workflows.agents import install_new_agents, validate_agents
from manager_core.workflows.checks import check_drift, check_status
from manager_core.workflows.heal import auto_heal_reinstall_node_subgraph
from manager_core.workflows.lifecycles import install, reinstall, rollback, uninstall
from manager_core.workflows.operations import execute_operation, pull, restart, start, stop
from manager_core.workflows.operations import make_execute_operation_graph as _make_execute_operation_graph
from manager_core.workflows.scale import get_groups_with_members, scale, scale_entity
from manager_core.workflows.update import update

__all__ = [
    "_make_execute_operation_graph",
    "auto_heal_reinstall_node_subgraph",
    "check_drift",
    "check_status",
    "execute_operation",
    "get_groups_with_members",
    "install",
    "install_new_agents",
    "lifecycle",
    "pull",
    "reinstall",
    "restart",
    "rollback",
    "scale",
    "scale_entity",
    "start",
    "stop",
    "uninstall",
    "update",
    "validate_agents",
]
