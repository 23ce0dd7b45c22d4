"""What is special about hosts: waiting until they answer, and their agent (workflow-runtime.md §4.3)."""

from __future__ import annotations

from typing import Any

from cloudify import constants
from cloudify.workflows.tasks import HandlerResult

_AGENT = "cloudify.interfaces.cloudify_agent"
NONE = "none"
_MONITORING_AGENT = "cloudify.interfaces.monitoring_agent"


def is_host_node(node_instance: Any) -> bool:
    """Return whether an instance is a host."""
    return constants.COMPUTE_NODE_TYPE in node_instance.node.type_hierarchy


def install_method(node_instance: Any) -> str:
    """Return how the agent of a host is installed; ``none`` if it has none."""
    properties = node_instance.node.properties
    installs = properties.get("install_agent")
    if installs is False:
        return NONE
    if installs is True:
        return str(constants.AGENT_INSTALL_METHOD_REMOTE)
    config = properties.get("agent_config") or properties.get("cloudify_agent") or {}
    return str(config.get("install_method") or NONE)


def wait_for_host(host: Any) -> Any:
    """Return the task that asks a host's state until it is truthy."""
    task = host.execute_operation("cloudify.interfaces.host.get_state")
    if not task.is_nop():
        task.on_success = retry_until_started
    return task


def retry_until_started(task: Any) -> Any:
    """Success handler: ask again while the host says it is not started, without limit."""
    if task.async_result.result:
        return HandlerResult.cont()
    return HandlerResult.retry(ignore_total_retries=True)


def host_post_start(host: Any) -> list[Any]:
    """Return what follows the start of a host: wait for it, install its agent, monitor it."""
    tasks = [wait_for_host(host)]
    method = install_method(host)
    if method != NONE:
        tasks += _with_events(host, "Creating agent", host.execute_operation(f"{_AGENT}.create"), "Agent created")
        if method in (constants.AGENT_INSTALL_METHOD_PLUGIN, constants.AGENT_INSTALL_METHOD_INIT_SCRIPT):
            tasks += _with_events(
                host, "Waiting for agent to start", host.execute_operation(f"{_AGENT}.start"), "Agent started"
            )
    tasks += [
        host.execute_operation(f"{_MONITORING_AGENT}.install"),
        host.execute_operation(f"{_MONITORING_AGENT}.start"),
    ]
    return [task for task in tasks if not task.is_nop()]


def host_pre_stop(host: Any) -> list[Any]:
    """Return what precedes the stop of a host: end monitoring, stop and delete its agent."""
    tasks = [
        host.execute_operation(f"{_MONITORING_AGENT}.stop"),
        host.execute_operation(f"{_MONITORING_AGENT}.uninstall"),
    ]
    method = install_method(host)
    if method != NONE:
        by_script = method in constants.AGENT_INSTALL_METHODS_SCRIPTS
        stop = host.execute_operation(f"{_AGENT}.stop_amqp" if by_script else f"{_AGENT}.stop")
        tasks += _with_events(host, "Stopping agent", stop, None)
        tasks += _with_events(host, "Deleting agent", host.execute_operation(f"{_AGENT}.delete"), "Agent deleted")
    return [task for task in tasks if not task.is_nop()]


def _with_events(host: Any, before: str, task: Any, after: str | None) -> list[Any]:
    if task.is_nop():
        return []
    return [host.send_event(before), task, *([host.send_event(after)] if after else [])]
