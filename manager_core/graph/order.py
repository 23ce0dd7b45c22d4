"""Questions about a graph's shape: the order of its tasks, and the same graph without tasks that do nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from manager_core.graph.engine import TaskGraph
from manager_core.graph.messages import T


class CycleError(ValueError):
    """Some tasks wait for each other.

    Attributes:
        tasks: those that are in a cycle or wait for one.
    """

    def __init__(self, tasks: list[T]) -> None:
        super().__init__(f"{len(tasks)} tasks wait for each other")
        self.tasks = tasks


def linearize(graph: TaskGraph[T]) -> list[T]:
    """Return the tasks so that each comes after what it waits for and after its subgraph.

    Raises:
        CycleError: there is no such order.
    """
    waiting: dict[T, int] = {}
    ready: deque[T] = deque()
    followers: dict[T, list[T]] = {}
    for task in graph:
        before = [other for other in graph.dependencies.get(task, ()) if other in graph]
        container = graph.container(task)
        if container is not None:
            before.append(container)
        waiting[task] = len(before)
        for other in before:
            followers.setdefault(other, []).append(task)
        if not before:
            ready.append(task)
    ordered: list[T] = []
    while ready:
        task = ready.popleft()
        ordered.append(task)
        for follower in followers.get(task, ()):
            waiting[follower] -= 1
            if not waiting[follower]:
                ready.append(follower)
    if len(ordered) != len(waiting):
        raise CycleError([task for task, count in waiting.items() if count])
    return ordered


def splice_out(graph: TaskGraph[T], task: T) -> None:
    """Take a task out and let what waited for it wait for what it waited for."""
    before = list(graph.dependencies.get(task, ()))
    after = list(graph.dependents.get(task, ()))
    graph.remove(task)
    for dependent in after:
        for other in before:
            graph.depend(dependent, other)


def prune(graph: TaskGraph[T], does_nothing: Callable[[T], bool], is_subgraph: Callable[[T], bool]) -> list[T]:
    """Splice out every task that does nothing and every subgraph that is, or becomes, empty; return them.

    A task between many and many is left: going around it would need more edges than it saves.
    """
    gone: list[T] = []
    queue = list(graph)
    while queue:
        task = queue.pop()
        if task not in graph:
            continue
        if is_subgraph(task):
            if any(True for _ in graph.members(task)):
                continue
        elif not does_nothing(task):
            continue
        before = len(graph.dependencies.get(task, ()))
        after = len(graph.dependents.get(task, ()))
        if before * after > 4 * (before + after) + 16:
            continue
        container = graph.container(task)
        splice_out(graph, task)
        gone.append(task)
        if container is not None:
            queue.append(container)
    return gone
