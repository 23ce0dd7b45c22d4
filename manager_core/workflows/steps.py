"""Steps of a lifecycle: an operation and the events and states around it (workflow-runtime.md §4.2, §4.5)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from cloudify.workflows.tasks import HandlerResult
from cloudify.workflows.tasks_graph import forkjoin


class Mark(NamedTuple):
    """What is told at a point of a lifecycle: an event, a state, or both side by side.

    Attributes:
        event: text of a ``workflow_node_event``.
        state: the instance's new state.
    """

    event: str | None = None
    state: str | None = None

    def tasks(self, instance: Any) -> Any:
        """Return the task, or the two as a `forkjoin`."""
        tasks = []
        if self.state is not None:
            tasks.append(instance.set_state(self.state))
        if self.event is not None:
            tasks.append(instance.send_event(self.event))
        return forkjoin(*tasks) if len(tasks) > 1 else tasks[0]


def operation_step(instance: Any, operation: str, before: Mark | None = None, after: Mark | None = None) -> list[Any]:
    """Return the items of a sequence that run an operation between two marks; empty if it is not mapped."""
    if not instance.node.has_operation(operation):
        return []
    items = [before.tasks(instance)] if before else []
    items.append(instance.execute_operation(operation))
    if after:
        items.append(after.tasks(instance))
    return items


def ignore_failures(subgraph: Any, instance: Any) -> None:
    """Let every task of a subgraph, inner ones too, be ignored on its first failure, with an event that says so."""
    for task in subgraph.tasks.values():
        if task.is_subgraph:
            ignore_failures(task, instance)
        else:
            task.on_failure = IgnoreFailure(instance.id)


class IgnoreFailure:
    """A failure handler that sends an event about the instance and goes on."""

    def __init__(self, instance_id: str) -> None:
        self.instance_id = instance_id

    def __call__(self, task: Any) -> Any:
        """Send ``Ignoring task NAME failure`` and ignore it."""
        internal = task.workflow_context.internal
        internal.handler.send_event(
            "workflow_node_event",
            f"Ignoring task {task.name} failure",
            node_instance_id=self.instance_id,
            node_name=internal.node_name_of(self.instance_id),
        )
        return HandlerResult.ignore()

    def dump(self) -> dict[str, Any]:
        """Return what `__init__` needs to build this again."""
        return {"instance_id": self.instance_id}


def ignore_silently(task: Any) -> Any:
    """Failure handler: go on."""
    return HandlerResult.ignore()


def give_up(subgraph: Any) -> None:
    """Take the tasks of a failed subgraph that have not ended out of the graph; tell its container what failed.

    So the error of the workflow names the operation that failed, however deep it was.
    """
    if subgraph.containing_subgraph is not None and subgraph.containing_subgraph.failed_task is None:
        subgraph.containing_subgraph.failed_task = subgraph.failed_task
    left: Iterable[Any] = list(subgraph.tasks.values())
    for task in left:
        subgraph.remove_task(task)
