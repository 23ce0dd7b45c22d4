"""Install and uninstall subgraphs that are run again as a whole when they fail (workflow-runtime.md §4.12)."""

from __future__ import annotations

from typing import Any

from cloudify.workflows.tasks import HandlerResult

from manager_core.workflows.instance_install import build_install
from manager_core.workflows.instance_uninstall import build_uninstall
from manager_core.workflows.steps import give_up


def install_node_instance_subgraph(instance: Any, graph: Any, **_: Any) -> Any:
    """Add the install lifecycle of an instance to `graph`, a graph or a subgraph, and return it."""
    subgraph = build_install(instance, graph)
    subgraph.on_failure = node_lifecycle_failed
    return subgraph


def uninstall_node_instance_subgraph(instance: Any, graph: Any, ignore_failure: bool = False) -> Any:
    """Add the uninstall lifecycle of an instance to `graph`, a graph or a subgraph, and return it."""
    subgraph = build_uninstall(instance, graph, ignore_failure)
    subgraph.on_failure = node_lifecycle_failed
    return subgraph


def reinstall_node_instance_subgraph(instance: Any, graph: Any) -> Any:
    """Add the subgraph ``reinstall_<id>``, the instance's uninstall and then its install, and return it."""
    subgraph = graph.subgraph(f"reinstall_{instance.id}")
    subgraph.info.update(instance_id=instance.id, lifecycle="reinstall")
    subgraph.on_failure = node_lifecycle_failed
    subgraph.sequence().add(
        instance.send_event("Node lifecycle failed. Attempting to re-run node lifecycle"),
        uninstall_node_instance_subgraph(instance, subgraph),
        install_node_instance_subgraph(instance, subgraph),
    )
    return subgraph


def node_lifecycle_failed(subgraph: Any) -> Any:
    """Failure handler of the subgraphs above.

    What is left of the subgraph is dropped. A top-level one is retried, as often as ``subgraph_retries`` allows, by a
    new subgraph; one inside another passes its failure on.
    """
    give_up(subgraph)
    instance = subgraph.workflow_context.get_node_instance(subgraph.info["instance_id"])
    if subgraph.containing_subgraph is not None or instance is None:
        return HandlerResult.fail()
    if subgraph.info["lifecycle"] == "uninstall":
        again = uninstall_node_instance_subgraph(instance, subgraph.graph)
    else:
        again = reinstall_node_instance_subgraph(instance, subgraph.graph)
    again.current_retries = subgraph.current_retries + 1
    result = HandlerResult.retry()
    result.retried_task = again
    return result
