"""The task graph engine under random graphs, ends, removals, restarts: what always holds.

A task starts only when everything it waits for is over, at most once a life; a member only while its subgraph is
open; a task that is over never starts again, also when the graph is saved and built again in between; the same
events give the same commands; and when all is over the run is.
"""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from manager_core.graph import TaskGraph
from manager_core.graph.messages import Begin, Command, Done, Event, Failed, Finish, Reason, Retry, Settle, Start, Tick
from manager_core.graph.stored import StoredTask, restore_plan


@st.composite
def shapes(draw: st.DrawFn) -> list[tuple[bool, int | None, list[int]]]:
    """Return tasks: is it a subgraph, which earlier subgraph is it in, which earlier tasks does it wait for."""
    count = draw(st.integers(1, 14))
    tasks: list[tuple[bool, int | None, list[int]]] = []
    for number in range(count):
        subgraphs = [earlier for earlier in range(number) if tasks[earlier][0]]
        container = draw(st.none() | st.sampled_from(subgraphs)) if subgraphs else None
        # A member waits for siblings and a top-level task for top-level ones: then there is always a way to finish.
        siblings = [earlier for earlier in range(number) if tasks[earlier][1] == container]
        waits = draw(st.lists(st.sampled_from(siblings), max_size=3, unique=True)) if siblings else []
        tasks.append((draw(st.booleans()) if number < count - 1 else False, container, waits))
    return tasks


class TaskGraphMachine(RuleBasedStateMachine):
    """Plays the shell: starts what it is told to, ends it in random ways, and keeps its own books."""

    @initialize(tasks=shapes())
    def build(self, tasks: list[tuple[bool, int | None, list[int]]]) -> None:
        self.now = 0.0
        self.next_id = len(tasks)
        self.is_subgraph = {number: task[0] for number, task in enumerate(tasks)}
        self.container = {number: task[1] for number, task in enumerate(tasks)}
        self.waits = {number: list(task[2]) for number, task in enumerate(tasks)}
        self.replaced_by: dict[int, int] = {}
        self.retried: dict[int, int] = {}
        self.state = dict.fromkeys(self.is_subgraph, "pending")
        self.running: list[int] = []
        self.finish: Reason | None = None
        self.graph = self.a_graph()
        self.twin = self.a_graph()
        self.take(Begin())

    def a_graph(self) -> TaskGraph[int]:
        graph: TaskGraph[int] = TaskGraph()
        for task, subgraph in self.is_subgraph.items():
            graph.add(task, self.container[task], subgraph=subgraph)
        for task, waits in self.waits.items():
            for other in waits:
                graph.depend(task, other)
        return graph

    def take(self, event: Event[int]) -> None:
        commands = self.graph.step(event, self.now)
        if isinstance(event, Done):  # both ways to tell of an end are one
            others: list[Command[int]] = []
            self.twin.done(event.task, self.now, others)
        else:
            others = self.twin.step(event, self.now)
        assert commands == others
        self.carry_out(commands)

    def carry_out(self, commands: list[Command[int]]) -> None:
        for command in commands:
            match command:
                case Start(task):
                    self.check_may_start(task)
                    self.state[task] = "started"
                    if not self.is_subgraph[task]:
                        self.running.append(task)
                case Settle(task, failed):
                    assert self.state[task] == "started"
                    assert failed is not None or not list(self.graph.members(task))
                    self.over(task, "failed" if failed is not None else "succeeded")
                    self.take(Done(task))
                case Finish(reason):
                    self.finish = reason

    def check_may_start(self, task: int) -> None:
        assert self.state[task] == "pending", "a task starts once"
        for other in self.waits[task]:
            latest = other
            while latest in self.replaced_by:
                latest = self.replaced_by[latest]
            assert self.state[latest] in ("succeeded", "failed", "gone"), "it waits for what it depends on"
        container = self.container[task]
        assert container is None or self.state[container] == "started", "its subgraph is open"

    def over(self, task: int, state: str) -> None:
        """Note that a task is over; with a subgraph goes what is left of it."""
        self.state[task] = state
        if task in self.running:
            self.running.remove(task)
        for member, container in self.container.items():
            if container == task and self.state[member] in ("pending", "started"):
                self.over(member, "gone")

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def succeed(self, data: st.DataObject) -> None:
        task = data.draw(st.sampled_from(self.running))
        self.over(task, "succeeded")
        self.take(Done(task))

    @precondition(lambda self: any(self.container[task] is not None for task in self.running))
    @rule(data=st.data())
    def fail_in_a_subgraph(self, data: st.DataObject) -> None:
        """The subgraph's failure is ignored, so that the run can go on to its end."""
        task = data.draw(st.sampled_from([task for task in self.running if self.container[task] is not None]))
        self.over(task, "failed")
        self.take(Failed(task))

    @precondition(lambda self: self.running)
    @rule(data=st.data(), delay=st.sampled_from([None, 5.0]))
    def retry(self, data: st.DataObject, delay: float | None) -> None:
        task = data.draw(st.sampled_from(self.running))
        again = self.next_id
        self.next_id += 1
        self.is_subgraph[again], self.container[again], self.waits[again] = False, self.container[task], []
        self.state[again] = "pending"
        self.retried[again], self.replaced_by[task] = task, again
        self.over(task, "failed")
        self.take(Retry(task, again, None if delay is None else self.now + delay))

    @rule(seconds=st.floats(0, 6))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.take(Tick())

    @rule()
    def save_and_build_again(self) -> None:
        """A new engine from what storage would hold; what ran was sent and is taken up again."""
        order = sorted(self.state)
        stored = [
            StoredTask(
                id=str(task),
                state={"gone": "failed"}.get(self.state[task], self.state[task]),
                dependencies=tuple(map(str, self.waits[task])),
                container=None if self.container[task] is None else str(self.container[task]),
                retried=str(self.retried[task]) if task in self.retried else None,
            )
            for task in order
        ]
        plan = restore_plan(stored)
        alive = {task for task in order if self.state[task] in ("pending", "started")}
        assert {int(task) for task in plan.tasks} == alive
        graphs: list[TaskGraph[int]] = []
        for _ in range(2):
            graph: TaskGraph[int] = TaskGraph()
            for name in plan.tasks:
                graph.add(int(name), self.container[int(name)], subgraph=self.is_subgraph[int(name)])
            for name, others in plan.dependencies.items():
                for other in others:
                    graph.depend(int(name), int(other))
            graphs.append(graph)
        self.graph, self.twin = graphs
        for task in alive:
            self.state[task] = "pending"
        self.running.clear()
        self.finish = None
        self.take(Begin())

    @invariant()
    def the_run_ends_when_everything_is_over_and_not_before(self) -> None:
        if not hasattr(self, "graph"):
            return
        over = all(state not in ("pending", "started") for state in self.state.values())
        assert (self.finish is Reason.DONE) == over
        assert self.finish in (None, Reason.DONE)

    @invariant()
    def somebody_can_always_go_on(self) -> None:
        if hasattr(self, "graph") and self.finish is None:
            assert self.running or self.graph.wake_at() is not None

    def teardown(self) -> None:
        """Whatever happened, finishing what runs finishes the rest."""
        if not hasattr(self, "graph"):
            return
        for _ in range(1000):
            if self.finish is not None:
                break
            if self.running:
                task: Any = self.running[0]
                self.over(task, "succeeded")
                self.take(Done(task))
            else:
                self.now = max(self.now, self.graph.wake_at() or 0)
                self.take(Tick())
        assert self.finish is Reason.DONE


TestTaskGraph = TaskGraphMachine.TestCase
TestTaskGraph.settings = settings(deadline=None)
