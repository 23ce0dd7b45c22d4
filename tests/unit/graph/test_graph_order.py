"""A graph in one line, and without what does nothing."""

from __future__ import annotations

from itertools import pairwise

import pytest

from manager_core.graph import TaskGraph
from manager_core.graph.messages import Begin, Done, Start
from manager_core.graph.order import CycleError, linearize, prune


def a_chain(names: str) -> TaskGraph[str]:
    graph: TaskGraph[str] = TaskGraph()
    for name in names:
        graph.add(name)
    for earlier, later in pairwise(names):
        graph.depend(later, earlier)
    return graph


def is_nop(task: str) -> bool:
    return task.startswith("n")


def is_subgraph(task: str) -> bool:
    return task.startswith("S")


def test_every_task_comes_after_what_it_waits_for_and_after_its_subgraph() -> None:
    graph = a_chain("cba")
    graph.add("S", subgraph=True)
    graph.add("x", "S")
    graph.depend("S", "a")
    order = linearize(graph)
    assert order == ["c", "b", "a", "S", "x"]


def test_a_cycle_is_named() -> None:
    graph = a_chain("abc")
    graph.depend("a", "c")
    graph.add("free")
    with pytest.raises(CycleError) as caught:
        linearize(graph)
    assert sorted(caught.value.tasks) == ["a", "b", "c"]


def test_what_does_nothing_goes_and_the_order_stays() -> None:
    graph = a_chain("anmb".replace("m", "N"))
    graph.remove("N")
    graph.depend("b", "n")
    assert prune(graph, is_nop, is_subgraph) == ["n"]
    assert graph.dependencies["b"] == {"a"}


def test_a_subgraph_that_becomes_empty_goes_too() -> None:
    graph: TaskGraph[str] = TaskGraph()
    graph.add("a")
    graph.add("S", subgraph=True)
    graph.add("n", "S")
    graph.add("b")
    graph.depend("S", "a")
    graph.depend("b", "S")
    assert set(prune(graph, is_nop, is_subgraph)) == {"n", "S"}
    assert graph.dependencies["b"] == {"a"}


def test_a_nop_between_many_and_many_stays() -> None:
    """Going around it would take 2500 edges instead of 100."""
    graph: TaskGraph[str] = TaskGraph()
    graph.add("n")
    for number in range(50):
        graph.add(f"a{number}")
        graph.add(f"b{number}")
        graph.depend("n", f"a{number}")
        graph.depend(f"b{number}", "n")
    assert prune(graph, is_nop, is_subgraph) == []


def test_a_pruned_graph_runs_what_is_left() -> None:
    graph = a_chain("anb")
    prune(graph, is_nop, is_subgraph)
    assert graph.step(Begin(), 0) == [Start("a")]
    assert Start("b") in graph.step(Done("a"), 1)
