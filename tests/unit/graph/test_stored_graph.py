"""What is built again of a stored graph."""

from __future__ import annotations

from manager_core.graph.stored import StoredTask, restore_plan


def a_task(task_id: str, state: str = "pending", *dependencies: str, **more: str) -> StoredTask:
    return StoredTask(task_id, state, dependencies, more.get("container"), more.get("retried"))


def test_what_had_ended_is_left_out() -> None:
    plan = restore_plan([a_task("a", "succeeded"), a_task("b", "failed"), a_task("c", "rescheduled"), a_task("d")])
    assert plan.tasks == ["d"]


def test_a_dependency_on_what_had_ended_is_dropped() -> None:
    plan = restore_plan([a_task("a", "succeeded"), a_task("b", "pending", "a")])
    assert plan.dependencies == {"b": []}


def test_a_dependency_on_a_retried_task_is_one_on_its_latest_retry() -> None:
    plan = restore_plan(
        [
            a_task("a", "rescheduled"),
            a_task("b", "pending", "a"),
            a_task("a2", "failed", retried="a"),
            a_task("a3", "pending", retried="a2"),
        ]
    )
    assert plan.dependencies["b"] == ["a3"]


def test_a_subgraph_comes_before_its_members() -> None:
    plan = restore_plan([a_task("x", container="inner"), a_task("inner", container="outer"), a_task("outer")])
    assert plan.tasks == ["outer", "inner", "x"]


def test_a_subgraph_with_something_under_way_is_started_and_so_is_the_one_around_it() -> None:
    plan = restore_plan([a_task("outer"), a_task("inner", container="outer"), a_task("x", "sent", container="inner")])
    assert plan.states == {"outer": "started", "inner": "started", "x": "sent"}


def test_a_subgraph_in_which_nothing_is_under_way_keeps_its_state() -> None:
    plan = restore_plan([a_task("s"), a_task("x", "succeeded", container="s"), a_task("y", container="s")])
    assert plan.states == {"s": "pending", "y": "pending"}


def test_what_is_left_of_a_subgraph_that_had_ended_stays_away() -> None:
    plan = restore_plan([a_task("s", "failed"), a_task("x", container="s"), a_task("y", "pending", "x")])
    assert plan.tasks == ["y"]
    assert plan.dependencies == {"y": []}


def test_a_chain_of_retries_that_bites_its_tail_is_no_endless_loop() -> None:
    plan = restore_plan(
        [a_task("a", "failed", retried="b"), a_task("b", "failed", retried="a"), a_task("c", "pending", "a")]
    )
    assert plan.dependencies == {"c": []}


class TestDecidingAgain:
    """After a loss: what had failed, and was not tried again, is there once more."""

    def test_what_failed_without_a_retry_is_built_as_it_was_and_waited_for(self) -> None:
        tasks = [
            a_task("a", "failed"),
            a_task("b", "pending", "a"),
            a_task("c", "rescheduled"),
            a_task("d", "succeeded"),
        ]
        plan = restore_plan(tasks, decide_again=True)
        assert plan.tasks == ["a", "b", "c"]
        assert plan.states == {"a": "failed", "b": "pending", "c": "rescheduled"}
        assert plan.dependencies == {"a": [], "b": ["a"], "c": []}

    def test_what_was_tried_again_is_left_to_its_retry(self) -> None:
        tasks = [a_task("a", "failed"), a_task("a2", "failed", retried="a"), a_task("b", "pending", "a")]
        plan = restore_plan(tasks, decide_again=True)
        assert plan.tasks == ["a2", "b"] and plan.dependencies["b"] == ["a2"]

    def test_a_failed_subgraph_stands_for_all_that_was_in_it_but_what_succeeded(self) -> None:
        tasks = [
            a_task("s", "failed"),
            a_task("x", "failed", container="s"),
            a_task("y", "succeeded", container="s"),
            a_task("z", "pending", "x", container="s"),
            a_task("after x", "pending", "x"),
            a_task("after y", "pending", "y"),
            a_task("after z", "pending", "z"),
        ]
        plan = restore_plan(tasks, decide_again=True)
        assert plan.tasks == ["s", "after x", "after y", "after z"]
        assert plan.dependencies == {"s": [], "after x": ["s"], "after y": [], "after z": ["s"]}

    def test_a_failed_member_of_a_subgraph_that_goes_on_is_in_it(self) -> None:
        tasks = [
            a_task("s", "started"),
            a_task("x", "failed", container="s"),
            a_task("y", "pending", "x", container="s"),
        ]
        plan = restore_plan(tasks, decide_again=True)
        assert plan.tasks == ["s", "x", "y"]
        assert plan.states == {"s": "started", "x": "failed", "y": "pending"}
