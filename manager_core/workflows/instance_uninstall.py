"""The uninstall and rollback lifecycles of one node instance (workflow-runtime.md §4.5, §4.11)."""

from __future__ import annotations

from typing import Any

from manager_core.workflows.hosts import host_pre_stop, is_host_node
from manager_core.workflows.instance_install import LIFECYCLE, MONITORING, RELATIONSHIP, VALIDATION
from manager_core.workflows.relationship_steps import relationships_operations
from manager_core.workflows.steps import Mark, ignore_failures, operation_step

_STOPPED = frozenset({"stopped", "deleting", "deleted"})
_NOT_RUNNING = _STOPPED | {"uninitialized", "configured"}
_GONE = frozenset({"deleted", "uninitialized"})


def build_uninstall(instance: Any, graph: Any, ignore_failure: bool = False) -> Any:
    """Add the subgraph named by the instance's id to `graph` and return it.

    With `ignore_failure` every task of it is ignored on its first failure.
    """
    subgraph = graph.subgraph(instance.id)
    subgraph.info.update(instance_id=instance.id, lifecycle="uninstall")
    sequence = subgraph.sequence()
    event = instance.send_event
    if instance.state in _NOT_RUNNING:
        sequence.add(
            event("Validating node instance after deletion: nothing to do"),
            event(f"Stop: instance already {instance.state}"),
        )
    else:
        sequence.add(*_stop(instance))
    if instance.state not in _STOPPED:
        sequence.add(instance.set_state("stopped"))
    if instance.state in _GONE:
        sequence.add(event(f"Delete: instance already {instance.state}"))
    else:
        sequence.add(*_delete(instance, subgraph))
    if instance.state != "deleted":
        sequence.add(Mark("Deleted node instance", "deleted").tasks(instance))
    if ignore_failure:
        ignore_failures(subgraph, instance)
    return subgraph


def build_rollback(instance: Any, graph: Any, ignore_failure: bool) -> Any:
    """Add the subgraph that takes an interrupted instance back to a resting state, and return it.

    ``starting`` goes back to ``configured``; ``creating`` and ``configuring`` to ``uninitialized``.
    """
    subgraph = graph.subgraph(instance.id)
    subgraph.info.update(instance_id=instance.id)
    sequence = subgraph.sequence()
    event = instance.send_event
    if instance.state == "starting":
        sequence.add(*_stop(instance), instance.set_state("configured"))
    else:
        sequence.add(event("Validating node instance after deletion: nothing to do"))
        sequence.add(event(f"Rollback Stop: nothing to do, instance state is {instance.state}"))
    if instance.state in ("creating", "configuring"):
        sequence.add(*_delete(instance, subgraph), instance.set_state("uninitialized"))
    else:
        sequence.add(event(f"Rollback Delete: nothing to do, instance state is {instance.state}"))
    sequence.add(event("Rollbacked node instance"))
    if ignore_failure:
        ignore_failures(subgraph, instance)
    return subgraph


def _stop(instance: Any) -> list[Any]:
    event = instance.send_event
    validate = operation_step(
        instance,
        f"{VALIDATION}.delete",
        Mark("Validating node instance before deletion"),
        Mark("Node instance validated before deletion"),
    )
    stop = operation_step(instance, f"{LIFECYCLE}.stop", after=Mark("Stopped node instance"))
    return [
        Mark("Stopping node instance", "stopping").tasks(instance),
        *(validate or [event("Validating node instance after deletion: nothing to do")]),
        *operation_step(instance, f"{MONITORING}.stop"),
        *operation_step(
            instance, f"{LIFECYCLE}.prestop", Mark("Prestopping node instance"), Mark("Node instance prestopped")
        ),
        *(host_pre_stop(instance) if is_host_node(instance) else []),
        *(stop or [event("Stopped node instance: nothing to do")]),
    ]


def _delete(instance: Any, subgraph: Any) -> list[Any]:
    event = instance.send_event
    unlink = relationships_operations(subgraph, instance, f"{RELATIONSHIP}.unlink", reverse=True)
    delete = operation_step(instance, f"{LIFECYCLE}.delete", Mark("Deleting node instance", "deleting"))
    return [
        *([event("Unlinking relationships"), unlink, event("Relationships unlinked")] if unlink is not None else []),
        *(delete or [event("Deleting node instance: nothing to do")]),
        *operation_step(
            instance, f"{LIFECYCLE}.postdelete", Mark("Postdeleting node instance"), Mark("Node instance postdeleted")
        ),
    ]
