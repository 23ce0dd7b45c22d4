"""The task graph engine: what starts when, what a failure stops, when a run is over."""

from __future__ import annotations

from typing import Any

import pytest

from manager_core.graph import TaskGraph
from manager_core.graph.messages import (
    Begin,
    Cancel,
    Done,
    Failed,
    Finish,
    Postpone,
    Reason,
    Retry,
    Settle,
    Start,
    Tick,
)


def a_graph(*edges: str, tasks: str = "", wait_after_fail: float = 600) -> TaskGraph[str]:
    """Return a graph of one-letter tasks; an edge "b<a" lets b wait for a."""
    graph: TaskGraph[str] = TaskGraph(wait_after_fail)
    for name in dict.fromkeys([*tasks, *(letter for edge in edges for letter in reversed(edge.split("<")))]):
        graph.add(name)
    for edge in edges:
        later, earlier = edge.split("<")
        graph.depend(later, earlier)
    return graph


def started(commands: list[Any]) -> list[str]:
    return [command.task for command in commands if isinstance(command, Start)]


def settled(commands: list[Any]) -> list[tuple[str, str | None]]:
    return [(command.task, command.failed) for command in commands if isinstance(command, Settle)]


def finished(commands: list[Any]) -> Reason | None:
    return next((command.reason for command in commands if isinstance(command, Finish)), None)


def test_everything_ready_starts_in_the_order_it_was_added() -> None:
    graph = a_graph(tasks="cab")
    assert started(graph.step(Begin(), 0)) == ["c", "a", "b"]


def test_a_task_starts_when_the_last_of_what_it_waits_for_is_over() -> None:
    graph = a_graph("c<a", "c<b")
    assert started(graph.step(Begin(), 0)) == ["a", "b"]
    assert started(graph.step(Done("a"), 1)) == []
    assert started(graph.step(Done("b"), 2)) == ["c"]


def test_the_run_is_over_when_nothing_is_left() -> None:
    graph = a_graph(tasks="a")
    assert finished(graph.step(Begin(), 0)) is None
    assert finished(graph.step(Done("a"), 1)) is Reason.DONE


def test_an_empty_graph_is_over_at_once() -> None:
    assert finished(a_graph().step(Begin(), 0)) is Reason.DONE


def test_a_task_never_waits_for_itself() -> None:
    graph = a_graph(tasks="a")
    graph.depend("a", "a")
    assert started(graph.step(Begin(), 0)) == ["a"]


def test_what_depends_on_a_failure_never_runs_directly_or_transitively() -> None:
    graph = a_graph("b<a", "c<b", "b<x")
    graph.step(Begin(), 0)
    graph.step(Failed("a"), 1)
    commands = graph.step(Done("x"), 2)
    assert started(commands) == []
    assert finished(commands) is Reason.FAILED


def test_independent_branches_finish_after_a_failure() -> None:
    graph = a_graph("b<a", "d<c")
    graph.step(Begin(), 0)
    assert finished(graph.step(Failed("a"), 1)) is None
    assert started(graph.step(Done("c"), 2)) == ["d"]
    assert finished(graph.step(Done("d"), 3)) is Reason.FAILED


def test_the_run_ends_some_time_after_the_first_failure_even_if_tasks_run() -> None:
    graph = a_graph(tasks="abc", wait_after_fail=10)
    graph.step(Begin(), 0)
    graph.step(Failed("a"), 5)
    assert graph.wake_at() == 15
    assert finished(graph.step(Failed("b"), 14)) is None
    assert finished(graph.step(Tick(), 15)) is Reason.DEADLINE


def test_errors_of_an_earlier_run_are_forgotten() -> None:
    graph = a_graph(tasks="a")
    graph.step(Begin(), 0)
    assert finished(graph.step(Failed("a"), 1)) is Reason.FAILED
    graph.add("b")
    graph.step(Begin(), 2)
    assert finished(graph.step(Done("b"), 3)) is Reason.DONE


def test_a_cancel_ends_the_run_and_starts_nothing() -> None:
    graph = a_graph("b<a")
    graph.step(Begin(), 0)
    commands = graph.step(Cancel(), 1)
    assert commands == [Finish(Reason.CANCELLED)]
    assert started(graph.step(Done("a"), 2)) == []


def test_tasks_that_wait_for_each_other_end_the_run_as_stuck() -> None:
    graph = a_graph("a<b", "b<a")
    assert finished(graph.step(Begin(), 0)) is Reason.STUCK


def test_a_removed_task_holds_nothing_up_and_its_end_goes_unobserved() -> None:
    graph = a_graph("b<a", "c<b")
    assert started(graph.step(Begin(), 0)) == ["a"]
    graph.remove("b")
    assert started(graph.step(Tick(), 1)) == ["c"]
    assert "b" not in graph
    assert graph.step(Done("b"), 2) == []


def test_a_dependency_taken_back_holds_nothing_up() -> None:
    graph = a_graph("b<a")
    graph.step(Begin(), 0)
    graph.undepend("b", "a")
    assert started(graph.step(Tick(), 1)) == ["b"]


def test_a_retry_takes_the_place_of_the_task() -> None:
    graph = a_graph("b<a")
    graph.step(Begin(), 0)
    assert started(graph.step(Retry("a", "a2"), 1)) == ["a2"]
    assert started(graph.step(Done("a2"), 2)) == ["b"]


def test_a_delayed_retry_starts_at_its_time_and_keeps_the_run_alive() -> None:
    graph = a_graph(tasks="a")
    graph.step(Begin(), 0)
    commands = graph.step(Retry("a", "a2", at=10), 1)
    assert commands == []
    assert graph.wake_at() == 10
    assert graph.step(Tick(), 9.9) == []
    assert started(graph.step(Tick(), 10)) == ["a2"]


def test_a_postponed_task_counts_as_not_started() -> None:
    graph = a_graph(tasks="a")
    assert started(graph.step(Begin(), 0)) == ["a"]
    assert graph.step(Postpone("a", 5), 0) == []
    assert not graph.is_running("a")
    assert started(graph.step(Tick(), 5)) == ["a"]


class TestSubgraphs:
    """Containers: open, settled, over."""

    def graph(self) -> TaskGraph[str]:
        """Return ``before < s(x, y) < after`` with y waiting for x."""
        graph = a_graph(tasks="p")
        graph.add("s", subgraph=True)
        graph.add("x", "s")
        graph.add("y", "s")
        graph.add("q")
        graph.depend("s", "p")
        graph.depend("y", "x")
        graph.depend("q", "s")
        return graph

    def test_members_start_after_what_the_subgraph_waits_for(self) -> None:
        graph = self.graph()
        assert started(graph.step(Begin(), 0)) == ["p"]
        assert started(graph.step(Done("p"), 1)) == ["s", "x"]

    def test_dependents_start_after_all_members(self) -> None:
        graph = self.graph()
        graph.step(Begin(), 0)
        graph.step(Done("p"), 1)
        assert started(graph.step(Done("x"), 2)) == ["y"]
        commands = graph.step(Done("y"), 3)
        assert settled(commands) == [("s", None)]
        assert started(commands) == []
        assert started(graph.step(Done("s"), 3)) == ["q"]

    def test_an_empty_one_settles_at_once(self) -> None:
        graph: TaskGraph[str] = TaskGraph()
        graph.add("s", subgraph=True)
        commands = graph.step(Begin(), 0)
        assert started(commands) == ["s"]
        assert settled(commands) == [("s", None)]
        assert finished(graph.step(Done("s"), 0)) is Reason.DONE

    def test_one_emptied_by_removal_settles(self) -> None:
        graph = self.graph()
        graph.step(Begin(), 0)
        graph.step(Done("p"), 1)
        graph.remove("y")
        assert settled(graph.step(Done("x"), 2)) == [("s", None)]

    def test_a_failed_member_stops_the_others_and_settles_it_once(self) -> None:
        graph = self.graph()
        graph.add("z", "s")
        graph.step(Begin(), 0)
        assert started(graph.step(Done("p"), 1)) == ["s", "x", "z"]
        commands = graph.step(Failed("x"), 2)
        assert settled(commands) == [("s", "x")]
        assert started(commands) == []
        assert settled(graph.step(Failed("z"), 3)) == []

    def test_when_it_fails_its_dependents_never_run(self) -> None:
        graph = self.graph()
        graph.step(Begin(), 0)
        graph.step(Done("p"), 1)
        graph.step(Failed("x"), 2)
        assert finished(graph.step(Failed("s"), 2)) is Reason.FAILED

    def test_when_its_failure_is_ignored_the_rest_of_it_goes_and_its_dependents_run(self) -> None:
        graph = self.graph()
        graph.step(Begin(), 0)
        graph.step(Done("p"), 1)
        graph.step(Failed("x"), 2)
        assert started(graph.step(Done("s"), 2)) == ["q"]
        assert "y" not in graph

    def test_its_replacement_is_waited_for_instead(self) -> None:
        graph = self.graph()
        graph.step(Begin(), 0)
        graph.step(Done("p"), 1)
        graph.step(Failed("x"), 2)
        graph.add("s2", subgraph=True)
        graph.add("x2", "s2")
        assert started(graph.step(Retry("s", "s2"), 2)) == ["s2", "x2"]
        assert settled(graph.step(Done("x2"), 3)) == [("s2", None)]
        assert started(graph.step(Done("s2"), 3)) == ["q"]

    def test_who_waits_for_a_member_waits_for_the_replacement_of_its_subgraph(self) -> None:
        graph = self.graph()
        graph.add("w")
        graph.depend("w", "y")
        graph.step(Begin(), 0)
        graph.step(Done("p"), 1)
        graph.step(Failed("x"), 2)
        graph.add("s2", subgraph=True)
        graph.add("x2", "s2")
        assert "w" not in started(graph.step(Retry("s", "s2"), 2))
        graph.step(Done("x2"), 3)
        assert started(graph.step(Done("s2"), 3)) == ["q", "w"]

    def test_who_waits_for_a_member_never_runs_when_the_subgraph_fails(self) -> None:
        graph = self.graph()
        graph.add("w")
        graph.depend("w", "x")
        graph.step(Begin(), 0)
        graph.step(Done("p"), 1)
        assert started(graph.step(Failed("x"), 2)) == []
        commands = graph.step(Failed("s"), 2)
        assert started(commands) == []
        assert finished(commands) is Reason.FAILED

    def test_who_waits_for_a_failed_member_runs_when_the_failure_of_the_subgraph_is_ignored(self) -> None:
        graph = self.graph()
        graph.add("w")
        graph.depend("w", "x")
        graph.step(Begin(), 0)
        graph.step(Done("p"), 1)
        assert started(graph.step(Failed("x"), 2)) == []
        assert started(graph.step(Done("s"), 2)) == ["w", "q"]

    def test_a_nested_failure_settles_the_outer_one_in_turn(self) -> None:
        graph: TaskGraph[str] = TaskGraph()
        graph.add("outer", subgraph=True)
        graph.add("inner", "outer", subgraph=True)
        graph.add("x", "inner")
        graph.add("other", "outer")
        assert started(graph.step(Begin(), 0)) == ["outer", "inner", "x", "other"]
        assert settled(graph.step(Failed("x"), 1)) == [("inner", "x")]
        assert settled(graph.step(Failed("inner"), 1)) == [("outer", "inner")]
        assert finished(graph.step(Failed("outer"), 1)) is Reason.FAILED
        assert len(graph) == 0

    def test_removing_it_removes_its_members(self) -> None:
        graph = self.graph()
        assert graph.remove("s") == ["x", "y", "s"]
        assert list(graph) == ["p", "q"]


def test_the_same_events_give_the_same_commands() -> None:
    def play() -> list[Any]:
        graph = a_graph("b<a", "c<a", "d<b", "d<c", "e<a")
        log: list[Any] = []
        for moment, event in enumerate([Begin(), Done("a"), Failed("b"), Retry("c", "c2"), Done("c2"), Done("e")]):
            log.append(graph.step(event, moment))
        return log

    assert play() == play()


@pytest.mark.parametrize("shape", ["chain", "fan"])
def test_the_work_per_task_does_not_grow_with_the_graph(shape: str) -> None:
    """Counts the looks at tasks, not seconds: ten times the tasks cost ten times the looks."""

    def looks(count: int) -> int:
        seen = 0

        class Counted:
            def __init__(self, number: int) -> None:
                self.number = number

            def __hash__(self) -> int:
                nonlocal seen
                seen += 1
                return self.number

        graph: TaskGraph[Counted] = TaskGraph()
        tasks = [Counted(number) for number in range(count)]
        for number, task in enumerate(tasks):
            graph.add(task)
            if number:
                graph.depend(task, tasks[number - 1 if shape == "chain" else 0])
        ready = [command.task for command in graph.step(Begin(), 0) if isinstance(command, Start)]
        while ready:
            commands = graph.step(Done(ready.pop()), 0)
            ready.extend(command.task for command in commands if isinstance(command, Start))
        assert len(graph) == 0
        return seen

    assert looks(2000) < 11 * looks(200)
