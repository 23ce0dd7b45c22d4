"""Graphs, subgraphs, sequences and handlers as authors use them (checklist 22 to 43)."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import pytest

from manager_core.runtime.ports import RetryDefaults
from manager_core.runtime.testing import InMemoryRuntime
from tests.support.workflow_play import NO_RETRIES, Played, context_of, play

Build = Callable[[Any, Any, list[str]], None]


def run(build: Build, retries: RetryDefaults = NO_RETRIES, **extra: Any) -> tuple[Played, list[str]]:
    """Build a graph with `build(ctx, graph, log)`, execute it, and return what was played and logged."""
    log: list[str] = []

    def workflow(ctx: Any) -> None:
        graph = ctx.graph_mode()
        build(ctx, graph, log)
        graph.execute()

    return play(workflow, InMemoryRuntime(retry_defaults=retries), **extra), log


def step(ctx: Any, log: list[str], name: str, *failures: BaseException, **options: Any) -> Any:
    """Return a local task that logs its name and raises each of `failures` once before it succeeds."""
    left = list(failures)

    def work() -> str:
        log.append(name)
        if left:
            raise left.pop(0)
        return name

    return ctx.local_task(work, name=name, **options)


def broken(ctx: Any, log: list[str], name: str) -> Any:
    """Return a local task that always fails."""
    return step(ctx, log, name, *(ValueError(name) for _ in range(99)))


def test_a_sequence_runs_item_by_item_and_an_empty_forkjoin_is_skipped() -> None:
    from cloudify.workflows.tasks_graph import forkjoin

    def build(ctx: Any, graph: Any, log: list[str]) -> None:
        make = lambda name: step(ctx, log, name)  # noqa: E731 - four letters of a test
        graph.sequence().add(make("a"), forkjoin(make("b1"), make("b2")), forkjoin(), make("c"))

    played, log = run(build)
    assert played.status == "terminated"
    assert log[0] == "a" and set(log[1:3]) == {"b1", "b2"} and log[3] == "c"


def test_the_guide_s_forms_work_as_printed() -> None:
    """`graph.add(task)` and `sequence.add([a, b])` (contract §1.12)."""

    def build(ctx: Any, graph: Any, log: list[str]) -> None:
        graph.add(step(ctx, log, "alone"))
        graph.subgraph("s").sequence().add([step(ctx, log, "a"), step(ctx, log, "b")])

    _, log = run(build)
    assert sorted(log) == ["a", "alone", "b"] and log.index("a") < log.index("b")


def test_ready_tasks_run_side_by_side() -> None:
    """Eight tasks that wait for each other end only if they run at the same time."""
    meeting = threading.Barrier(8, timeout=120)

    def build(ctx: Any, graph: Any, log: list[str]) -> None:
        for _ in range(8):
            graph.add_task(ctx.local_task(meeting.wait))

    assert run(build)[0].status == "terminated"


def test_dependencies_on_strangers_are_refused() -> None:
    ctx = context_of(InMemoryRuntime())
    graph = ctx.graph_mode()
    inside, outside = ctx.send_event("a"), ctx.send_event("b")
    graph.add_task(inside)
    with pytest.raises(RuntimeError, match="src not in graph"):
        graph.add_dependency(outside, inside)
    with pytest.raises(RuntimeError, match="dst not in graph"):
        graph.add_dependency(inside, outside)
    graph.add_dependency(inside, inside)
    assert graph._dependencies == {} and graph._dependents == {}


def test_the_edges_plugins_look_at() -> None:
    ctx = context_of(InMemoryRuntime())
    graph = ctx.graph_mode()
    a, b = ctx.send_event("a"), ctx.send_event("b")
    graph.add_task(a)
    graph.add_task(b)
    graph.add_dependency(b, a)
    assert graph._dependencies[b] == {a} and graph._dependents[a] == {b}
    assert graph.get_task(a.id) is a and graph.get_task("x") is None
    assert graph.linearize() == [a, b]


def test_an_empty_graph_returns_and_a_graph_runs_again() -> None:
    def workflow(ctx: Any) -> None:
        graph = ctx.graph_mode()
        assert graph.execute() is None
        graph.add_task(ctx.send_event("one"))
        graph.execute()
        graph.add_task(ctx.send_event("two"))
        graph.execute()

    assert play(workflow).messages("workflow_stage") == ["one", "two"]


def test_a_failure_stops_what_depends_on_it_and_nothing_else() -> None:
    def build(ctx: Any, graph: Any, log: list[str]) -> None:
        graph.sequence().add(broken(ctx, log, "bad"), step(ctx, log, "after"), step(ctx, log, "long after"))
        graph.sequence().add(step(ctx, log, "a"), step(ctx, log, "b"))

    played, log = run(build)
    assert played.status == "failed" and sorted(log) == ["a", "b", "bad"]


def test_the_text_of_one_failure_and_of_several() -> None:
    played, _ = run(lambda ctx, graph, log: graph.add_task(broken(ctx, log, "bad")))
    assert played.error is not None and played.error.startswith("Task failed: bad: ValueError `bad`")

    def build(ctx: Any, graph: Any, log: list[str]) -> None:
        graph.add_task(broken(ctx, log, "bad"))
        graph.add_task(broken(ctx, log, "worse"))

    played, _ = run(build)
    assert played.error is not None
    lines = played.error.splitlines()
    assert lines[0] == "2 operation errors:"
    assert set(lines[1:3]) == {"bad: ValueError `bad`", "worse: ValueError `worse`"}


def test_the_failure_is_raised_when_the_patience_after_it_is_over() -> None:
    """With no patience at all the graph does not wait for what still runs, and starts nothing new."""
    release = threading.Event()

    def build(ctx: Any, graph: Any, log: list[str]) -> None:
        slow = ctx.local_task(lambda: release.wait(120), name="slow")
        graph.sequence().add(slow, step(ctx, log, "after slow"))
        graph.add_task(broken(ctx, log, "bad"))

    try:
        played, log = run(build, wait_after_fail=0)
    finally:
        release.set()
    assert played.status == "failed" and log == ["bad"]


def test_what_still_runs_when_a_graph_is_given_up_starts_nothing_when_it_ends() -> None:
    release = threading.Event()
    threads: list[threading.Thread] = []

    def build(ctx: Any, graph: Any, log: list[str]) -> None:
        slow = ctx.local_task(lambda: threads.append(threading.current_thread()) or release.wait(120), name="slow")
        graph.sequence().add(slow, step(ctx, log, "after slow"))
        bad = broken(ctx, log, "bad")
        graph.add_task(bad)

    played, log = run(build, wait_after_fail=0)
    release.set()
    for thread in threads:
        thread.join(120)
    assert played.status == "failed" and log == ["bad"]


def test_tasks_that_wait_for_each_other_fail_instead_of_waiting_for_ever() -> None:
    def build(ctx: Any, graph: Any, log: list[str]) -> None:
        a, b = step(ctx, log, "a"), step(ctx, log, "b")
        graph.add(a, b)
        graph.add_dependency(a, b)
        graph.add_dependency(b, a)

    played, log = run(build)
    assert played.status == "failed" and log == []
    assert "cannot run" in (played.error or "")


class TestHandlers:
    """on_success and on_failure (checklist 38 to 40)."""

    def play(self, answer: Callable[[Any], Any], *failures: BaseException, on: str = "on_failure") -> Any:
        def build(ctx: Any, graph: Any, log: list[str]) -> None:
            task = step(ctx, log, "task", *failures)
            setattr(task, on, answer)
            graph.sequence().add(task, step(ctx, log, "after"))

        return run(build, RetryDefaults(1, 0, 0))

    def result(self) -> Any:
        from cloudify.workflows.tasks import HandlerResult

        return HandlerResult

    def test_ignore_goes_on_without_retries(self) -> None:
        played, log = self.play(lambda _: self.result().ignore(), ValueError("x"))
        assert played.status == "terminated" and log == ["task", "after"]

    def test_fail_fails_without_retries(self) -> None:
        played, log = self.play(lambda _: self.result().fail(), ValueError("x"))
        assert played.status == "failed" and log == ["task"]

    def test_retry_obeys_the_limit(self) -> None:
        played, log = self.play(lambda _: self.result().retry(), *[ValueError("x")] * 9)
        assert played.status == "failed" and log == ["task", "task"]

    def test_ignore_total_retries_goes_beyond_it(self) -> None:
        played, log = self.play(lambda _: self.result().retry(ignore_total_retries=True), *[ValueError("x")] * 3)
        assert played.status == "terminated" and log == ["task"] * 4 + ["after"]
        assert "Task succeeded 'task' - task [retry 3/1]" in played.messages("task_succeeded")

    def test_a_handler_decides_even_over_what_is_not_recoverable(self) -> None:
        from cloudify.exceptions import NonRecoverableError

        played, log = self.play(lambda _: self.result().retry(), NonRecoverableError("x"))
        assert played.status == "terminated" and log == ["task", "task", "after"]

    def test_a_handler_is_not_asked_about_a_reschedule(self) -> None:
        from cloudify.exceptions import OperationRetry

        asked: list[Any] = []
        played, log = self.play(lambda task: asked.append(task), OperationRetry("again", retry_after=0))
        assert played.status == "terminated" and log == ["task", "task", "after"] and asked == []

    def test_success_can_be_answered_with_a_retry(self) -> None:
        answers = [self.result().retry(), self.result().cont()]
        played, log = self.play(lambda _: answers.pop(0), on="on_success")
        assert played.status == "terminated" and log == ["task", "task", "after"]

    def test_a_handler_that_raises_fails_the_workflow_with_that(self) -> None:
        def answer(task: Any) -> Any:
            raise LookupError("the handler itself")

        played, log = self.play(answer, ValueError("x"))
        assert played.status == "failed" and log == ["task"]
        assert (played.error or "").rstrip().endswith("LookupError: the handler itself")

    def test_a_handler_gets_the_task_with_its_exception(self) -> None:
        seen: list[Any] = []

        def answer(task: Any) -> Any:
            seen.append((task.name, task.get_state(), str(task.async_result.result)))
            return self.result().ignore()

        self.play(answer, ValueError("x"))
        assert seen == [("task", "failed", "x")]


class TestSubgraphs:
    """Subgraphs (checklist 28 to 32, 41 to 43)."""

    def test_they_come_after_what_they_wait_for_and_before_what_waits_for_them(self) -> None:
        def build(ctx: Any, graph: Any, log: list[str]) -> None:
            second, first = graph.subgraph("second"), graph.subgraph("first")
            for number in range(3):
                second.add_task(step(ctx, log, f"second{number}"))
                first.add_task(step(ctx, log, f"first{number}"))
            graph.add_dependency(second, first)

        played, log = run(build)
        assert [name[:-1] for name in log] == ["first"] * 3 + ["second"] * 3
        assert played.messages("task_started")[0] == "Subgraph started 'first'"
        assert played.messages("task_succeeded")[-1] == "Subgraph succeeded 'second'"

    def test_one_task_in_two_of_them_is_refused(self) -> None:
        ctx = context_of(InMemoryRuntime())
        graph = ctx.graph_mode()
        task = ctx.send_event("x")
        graph.subgraph("A").add_task(task)
        with pytest.raises(RuntimeError) as caught:
            graph.subgraph("B").add_task(task)
        assert str(caught.value) == (
            f"task SendWorkflowEventTask[{task.id}] cannot be contained in more than one subgraph. "
            "It is currently contained in A and it is now being added to B"
        )

    def test_an_empty_one_succeeds_without_having_started(self) -> None:
        played, _ = run(lambda ctx, graph, log: graph.subgraph("S"))
        assert played.messages()[1:-1] == ["Subgraph succeeded 'S'"]

    def test_a_failed_one_fails_the_graph_by_default_and_drops_its_rest(self) -> None:
        def build(ctx: Any, graph: Any, log: list[str]) -> None:
            subgraph = graph.subgraph("S")
            subgraph.sequence().add(broken(ctx, log, "bad"), step(ctx, log, "rest"))
            graph.sequence().add(subgraph, step(ctx, log, "after"))

        played, log = run(build)
        assert played.status == "failed" and log == ["bad"]
        assert played.messages("task_failed") == ["Task failed 'bad' -> bad", "Subgraph failed 'S'"]

    def test_ignoring_its_failure_lets_dependents_run(self) -> None:
        from cloudify.workflows.tasks import HandlerResult

        seen: list[Any] = []

        def build(ctx: Any, graph: Any, log: list[str]) -> None:
            subgraph = graph.subgraph("S")
            rest = step(ctx, log, "rest")
            subgraph.sequence().add(broken(ctx, log, "bad"), rest)

            def answer(failed: Any) -> Any:
                seen.append((failed.failed_task.name, list(failed.tasks.values()) == [rest]))
                return HandlerResult.ignore()

            subgraph.on_failure = answer
            graph.sequence().add(subgraph, step(ctx, log, "after"))

        played, log = run(build)
        assert played.status == "terminated" and log == ["bad", "after"] and seen == [("bad", True)]

    def test_a_retry_needs_a_replacement_and_obeys_the_limit(self) -> None:
        from cloudify.workflows.tasks import HandlerResult

        def build(ctx: Any, graph: Any, log: list[str]) -> None:
            def answer(failed: Any) -> Any:
                again = graph.subgraph("again")
                again.add_task(broken(ctx, log, "again"))
                again.on_failure = answer
                again.total_retries = 2
                again.current_retries = failed.current_retries + 1
                result = HandlerResult.retry()
                result.retried_task = again
                return result

            subgraph = graph.subgraph("S")
            subgraph.total_retries = 2
            subgraph.on_failure = answer
            subgraph.add_task(broken(ctx, log, "bad"))
            graph.sequence().add(subgraph, step(ctx, log, "after"))

        played, log = run(build)
        assert played.status == "failed" and log == ["bad", "again", "again"]

    def test_a_retry_without_a_replacement_is_an_error_of_the_author(self) -> None:
        from cloudify.workflows.tasks import HandlerResult

        def build(ctx: Any, graph: Any, log: list[str]) -> None:
            subgraph = graph.subgraph("S")
            subgraph.total_retries = 1
            subgraph.on_failure = lambda _: HandlerResult.retry()
            subgraph.add_task(broken(ctx, log, "bad"))

        played, _ = run(build)
        assert played.status == "failed" and "retried_task" in (played.error or "")

    def test_nested_ones_work_and_pass_failures_on(self) -> None:
        def build(ctx: Any, graph: Any, log: list[str]) -> None:
            outer = graph.subgraph("outer")
            inner = outer.subgraph("inner")
            inner.add_task(broken(ctx, log, "bad"))
            outer.sequence().add(inner, step(ctx, log, "rest"))
            graph.sequence().add(outer, step(ctx, log, "after"))

        played, log = run(build)
        assert played.status == "failed" and log == ["bad"]


class TestTasks:
    """Task states and retries (checklist 44 to 52)."""

    def test_an_unknown_state_is_refused_and_nothing_follows_an_end(self) -> None:
        task = context_of(InMemoryRuntime()).internal.task_graph.subgraph("S")
        with pytest.raises(RuntimeError, match="Illegal state set on task"):
            task.set_state("odd")
        task.set_state("failed")
        task.set_state("succeeded")
        assert task.get_state() == "failed" and task.is_terminated

    def test_a_result_before_the_end_is_refused(self) -> None:
        ctx = context_of(InMemoryRuntime())
        ctx.graph_mode()
        with pytest.raises(RuntimeError, match="Result not set yet"):
            _ = ctx.send_event("x").async_result.result

    def test_on_result_is_called_with_the_result_before_and_after_the_end(self) -> None:
        ctx = context_of(InMemoryRuntime())
        ctx.graph_mode()
        task, seen = ctx.send_event("x"), []
        task.async_result.on_result(lambda result, *more: seen.append((result, more)), 1)
        task.apply_async()
        task.async_result.on_result(lambda result: seen.append(result))
        assert seen == [(None, (1,)), None]

    def test_retries_are_counted_and_marked_in_events(self) -> None:
        played, log = run(
            lambda ctx, graph, log: graph.add_task(step(ctx, log, "t", *[ValueError("no")] * 2)), RetryDefaults(2, 0, 0)
        )
        assert played.status == "terminated" and log == ["t"] * 3
        assert played.messages("task_failed") == ["Task failed 't' -> no", "Task failed 't' -> no [retry 1/2]"]
        assert played.messages("task_succeeded") == ["Task succeeded 't' - t [retry 2/2]"]

    def test_without_a_limit_the_suffix_has_none(self) -> None:
        played, _ = run(
            lambda ctx, graph, log: graph.add_task(step(ctx, log, "t", ValueError("no"))), RetryDefaults(-1, 0, 0)
        )
        assert played.messages("task_succeeded") == ["Task succeeded 't' - t [retry 1]"]

    def test_what_is_not_recoverable_is_not_retried(self) -> None:
        from cloudify.exceptions import NonRecoverableError

        played, log = run(
            lambda ctx, graph, log: graph.add_task(step(ctx, log, "t", NonRecoverableError("no"))),
            RetryDefaults(9, 0, 0),
        )
        assert played.status == "failed" and log == ["t"]

    def test_the_exception_s_own_delay_wins_and_nothing_is_at_once(self) -> None:
        from cloudify.exceptions import RecoverableError

        played, log = run(
            lambda ctx, graph, log: graph.add_task(step(ctx, log, "t", RecoverableError("later", retry_after=0))),
            RetryDefaults(1, 1000, 0),
        )
        assert played.status == "terminated" and log == ["t", "t"]
        assert played.messages("task_failed") == ["Task failed 't' -> later [retry_after=0]"]

    def test_a_reschedule_is_told_as_such(self) -> None:
        from cloudify.exceptions import OperationRetry

        played, _ = run(
            lambda ctx, graph, log: graph.add_task(step(ctx, log, "t", OperationRetry("again", retry_after=0))),
            RetryDefaults(1, 0, 0),
        )
        assert played.messages("task_rescheduled") == ["Task rescheduled 't' -> again [retry_after=0]"]

    def test_events_can_be_left_out_but_not_those_of_failures(self) -> None:
        played, _ = run(lambda ctx, graph, log: graph.add_task(step(ctx, log, "t", send_task_events=False)))
        assert played.messages()[1:-1] == []
        played, _ = run(
            lambda ctx, graph, log: graph.add_task(step(ctx, log, "t", ValueError("no"), send_task_events=False))
        )
        assert played.messages()[1:-1] == ["Task failed 't' -> no"]

    def test_failures_tell_their_causes(self) -> None:
        played, _ = run(lambda ctx, graph, log: graph.add_task(broken(ctx, log, "bad")))
        (cause,) = next(e for e in played.runtime.events if e["event_type"] == "task_failed")["error_causes"]
        assert (cause["type"], cause["message"]) == ("ValueError", "bad") and "ValueError: bad" in cause["traceback"]

    def test_configuration_of_local_tasks_weakest_first(self) -> None:
        from cloudify.workflows.workflow_context import task_config

        @task_config(total_retries=5)
        def decorated() -> None:
            """Nothing."""

        ctx = context_of(InMemoryRuntime(retry_defaults=RetryDefaults(1, 2, 0)))
        ctx.graph_mode()
        assert ctx.local_task(lambda: 1).total_retries == 1
        assert ctx.local_task(lambda: 1, total_retries=3).total_retries == 3
        assert ctx.local_task(decorated, total_retries=3).total_retries == 5
        assert ctx.local_task(decorated, total_retries=3, override_task_config=True).total_retries == 3
        assert ctx.local_task(decorated).retry_interval == 2

    def test_a_local_task_that_exits_is_a_failed_task(self) -> None:
        played, _ = run(lambda ctx, graph, log: graph.add_task(step(ctx, log, "t", SystemExit(3))))
        assert played.status == "failed" and "SystemExit" in (played.error or "")


def test_many_small_tasks_on_all_threads_run_once_each_and_in_order() -> None:
    """Whichever thread goes on after a task: no task is lost, none runs twice, none runs early."""
    for seed in range(12):
        chooser = random.Random(seed)
        began: list[int] = []
        over: set[int] = set()
        early: list[int] = []
        waits = {number: chooser.sample(range(number), min(number, chooser.randrange(4))) for number in range(300)}

        def work(number: int) -> None:
            began.append(number)  # noqa: B023 - the lists of this round
            if not over.issuperset(waits[number]):  # noqa: B023
                early.append(number)  # noqa: B023
            over.add(number)  # noqa: B023

        def build(ctx: Any, graph: Any, log: list[str]) -> None:
            tasks: list[Any] = []
            subgraph = graph.subgraph("S")
            for number, others in waits.items():  # noqa: B023
                tasks.append(ctx.local_task(work, kwargs={"number": number}))
                (subgraph if number % 3 else graph).add_task(tasks[-1])
                for other in others:
                    graph.add_dependency(tasks[-1], tasks[other])

        played, _ = run(build)
        assert played.status == "terminated", played.error
        assert sorted(began) == list(range(300)) and early == []
