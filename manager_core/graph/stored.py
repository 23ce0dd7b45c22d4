"""Which tasks of a stored graph to build again, and what they wait for (workflow-runtime.md §3.4).

Records go in, a plan comes out; the shell makes the tasks. What had ended stays away, so nothing that
succeeded runs twice; of what had failed nobody knows what was made of it, so that is decided again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

TERMINAL = frozenset({"succeeded", "failed", "rescheduled"})
UNHAPPY = frozenset({"failed", "rescheduled"})


@dataclass(frozen=True, slots=True)
class StoredTask:
    """What storage knows of a task's place in its graph.

    Attributes:
        id: its id.
        state: its last stored state.
        dependencies: ids of the tasks it waits for.
        container: id of its subgraph, or None.
        retried: id of the task it is a retry of, or None.
    """

    id: str
    state: str
    dependencies: tuple[str, ...] = ()
    container: str | None = None
    retried: str | None = None


@dataclass(slots=True)
class Plan:
    """What to build.

    Attributes:
        tasks: ids in the order to add them, a subgraph before its members.
        states: id -> the state to build it in; a subgraph is ``started`` whenever something in it is under way.
        dependencies: id -> ids among `tasks` to wait for.
    """

    tasks: list[str] = field(default_factory=list)
    states: dict[str, str] = field(default_factory=dict)
    dependencies: dict[str, list[str]] = field(default_factory=dict)


def restore_plan(stored: Iterable[StoredTask], *, decide_again: bool = False) -> Plan:
    """Return what to build of a graph found in storage.

    Tasks in a terminal state are left out. A dependency on one of them is dropped, unless it was retried: then it
    becomes one on the retry that is still active. A subgraph of which a member is under way counts as started, and so
    does the one that contains it. A task whose subgraph had ended is left out with it.

    Args:
        decide_again: build those tasks too that failed, or asked for a retry, and have none. Whoever ran the graph was
            lost, perhaps before it came to what follows from that; without them what waits for a failure would run. A
            dependency on something inside such a subgraph is one on the subgraph.
    """
    known = {task.id: task for task in stored}
    retry_of = {task.retried: task.id for task in known.values() if task.retried}
    undecided = {
        task.id for task in known.values() if decide_again and task.state in UNHAPPY and task.id not in retry_of
    }
    alive = {task.id for task in known.values() if _alive(task, known, undecided)}
    plan = Plan()
    placed: set[str] = set()
    for task_id in known:
        _place(task_id, known, alive, plan, placed)
    for task_id in plan.tasks:
        task = known[task_id]
        plan.states[task_id] = task.state
        wanted: dict[str, None] = {}
        for dependency in task.dependencies:
            active = _active(dependency, known, retry_of, alive)
            if active is not None and active != task_id:
                wanted[active] = None
        plan.dependencies[task_id] = list(wanted)
    for task_id in plan.tasks:
        container = known[task_id].container
        while known[task_id].state != "pending" and container is not None and container in alive:
            plan.states[container] = "started"
            container = known[container].container
    return plan


def _alive(task: StoredTask, known: dict[str, StoredTask], undecided: set[str]) -> bool:
    if task.state in TERMINAL and task.id not in undecided:
        return False
    each = known.get(task.container) if task.container else None
    while each is not None:
        if each.state in TERMINAL:
            return False
        each = known.get(each.container) if each.container else None
    return True


def _place(task_id: str, known: dict[str, StoredTask], alive: set[str], plan: Plan, placed: set[str]) -> None:
    chain: list[str] = []
    each: str | None = task_id
    while each is not None and each in alive and each not in placed:
        placed.add(each)
        chain.append(each)
        each = known[each].container
    plan.tasks.extend(reversed(chain))


def _active(task_id: str, known: dict[str, StoredTask], retry_of: dict[str, str], alive: set[str]) -> str | None:
    """Return what is waited for in place of a task: itself, its latest retry, or the failed subgraph it was in."""
    seen: set[str] = set()
    each: str | None = task_id
    while each is not None and each not in seen:
        if each in alive:
            return each
        seen.add(each)
        each = retry_of.get(each)
    task = known.get(task_id)
    container = known.get(task.container) if task is not None and task.container else None
    if task is None or task.state == "succeeded" or container is None or container.state not in UNHAPPY:
        return None
    return _active(container.id, known, retry_of, alive)
