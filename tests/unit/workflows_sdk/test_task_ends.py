"""What follows a task's end: delays, limits, who is told, and what a removed or a failed task leaves behind (§2.4)."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from manager_core.runtime.ports import RetryDefaults
from manager_core.runtime.testing import InMemoryRuntime
from tests.support.clock import PATIENCE, START, FakeClock
from tests.support.workflow_play import NO_RETRIES, a_runtime, context_of, node, play


class TestDelays:
    """When a retry starts."""

    def retry(self, error: BaseException, answer: Any = None) -> Any:
        """Return the retry of a task with an interval of 30 seconds that ended with `error`."""
        ctx = context_of(InMemoryRuntime(retry_defaults=RetryDefaults(5, 30, 0), clock=FakeClock()))
        ctx.graph_mode()
        task = ctx.local_task(lambda: None, name="t")
        if answer is not None:
            task.on_failure = lambda _: answer
        task.set_state("failed", exception=error)
        return task.handle_task_terminated().retried_task

    def seconds(self, *given: Any) -> float | None:
        after = self.retry(*given).execute_after
        return None if after is None else after - START.timestamp()

    def test_a_failure_waits_for_the_interval_and_one_with_a_delay_for_that(self) -> None:
        from cloudify.exceptions import OperationRetry, RecoverableError

        assert self.seconds(ValueError("x")) == 30
        assert self.seconds(RecoverableError("x")) == 30
        assert self.seconds(RecoverableError("x", retry_after=7)) == 7
        assert self.seconds(OperationRetry("x", retry_after=3)) == 3
        assert self.seconds(OperationRetry("x")) == 30

    def test_no_delay_is_at_once(self) -> None:
        from cloudify.exceptions import OperationRetry, RecoverableError

        assert self.seconds(RecoverableError("x", retry_after=0)) is None
        assert self.seconds(OperationRetry("x", retry_after=0)) is None

    def test_a_handler_may_set_another_delay(self) -> None:
        from cloudify.exceptions import NonRecoverableError
        from cloudify.workflows.tasks import HandlerResult

        assert self.seconds(NonRecoverableError("x"), HandlerResult.retry(retry_after=11)) == 11
        assert self.seconds(NonRecoverableError("x"), HandlerResult.retry()) == 30

    def test_a_retry_is_a_task_of_its_own_that_knows_what_it_repeats(self) -> None:
        again = self.retry(ValueError("x"))
        assert (again.current_retries, again.get_state(), again.name) == (1, "pending", "t")
        assert again.retried_task is not None and again.retried_task != again.id


def test_retries_of_an_operation_s_declaration_win_over_the_configured_ones() -> None:
    own = {"max_retries": 2, "retry_interval": 0}
    runtime = a_runtime([node("a", {"i.own": own, "i.plain": {}})], retry_defaults=RetryDefaults(5, 1000, 0))
    ctx = context_of(runtime)
    ctx.graph_mode()
    instance = ctx.get_node_instance("a_1")
    for name, retries, interval in (("i.own", 2, 0), ("i.plain", 5, 1000)):
        task = instance.execute_operation(name)
        assert (task.total_retries, task.retry_interval) == (retries, interval)
        assert task.cloudify_context["operation"]["max_retries"] == retries


def test_what_waited_for_a_removed_task_does_not_wait_for_what_that_one_waited_for() -> None:
    """The first task ends well only if the third one runs beside it."""
    third_ran = threading.Event()
    seen: list[bool] = []

    def workflow(ctx: Any) -> None:
        graph = ctx.graph_mode()
        first = ctx.local_task(lambda: seen.append(third_ran.wait(PATIENCE)))
        second, third = ctx.send_event("second"), ctx.local_task(third_ran.set)
        graph.sequence().add(first, second, third)
        graph.remove_task(second)
        graph.execute()

    played = play(workflow)
    assert played.status == "terminated" and seen == [True]
    assert played.messages("workflow_stage") == []


def test_the_failed_task_of_a_subgraph_is_the_first_and_what_fails_after_it_is_nobody_s() -> None:
    from cloudify.workflows.tasks import HandlerResult

    told = threading.Event()
    asked: list[Any] = []

    def fail_first() -> None:
        raise ValueError("first")

    def fail_later() -> None:
        told.wait(PATIENCE)
        raise ValueError("later")

    def answer(subgraph: Any) -> Any:
        asked.append((subgraph.failed_task.name, subgraph.error["message"]))
        told.set()
        return HandlerResult.fail()

    def workflow(ctx: Any) -> None:
        graph = ctx.graph_mode()
        subgraph = graph.subgraph("S")
        subgraph.add(ctx.local_task(fail_later, name="later"), ctx.local_task(fail_first, name="first"))
        subgraph.on_failure = answer
        graph.execute()

    played = play(workflow)
    assert played.status == "failed" and asked == [("first", "first")]
    assert (played.error or "").splitlines()[0] == "Task failed: first: ValueError `first`"


def test_a_built_in_task_is_told_only_when_it_fails() -> None:
    runtime = a_runtime([node("a")])

    def workflow(ctx: Any) -> None:
        instance = ctx.get_node_instance("a_1")
        instance.set_state("one").get()
        instance.get_state().get()
        ctx.send_event("two").get()
        instance.execute_operation("i.unmapped")
        del runtime.instances["a_1"]
        instance.get_state().get()

    played = play(workflow, runtime)
    assert played.status == "failed"
    assert [event["event_type"] for event in runtime.events] == [
        "workflow_started",
        "workflow_stage",
        "task_failed",
        "workflow_failed",
    ]
    assert runtime.events[2]["message"] == "Task failed 'GetNodeInstanceStateTask' -> 'a_1'"


@pytest.mark.parametrize("when", ["before", "while"])
def test_get_is_left_by_a_cancel_before_it_waits_and_while_it_waits(when: str) -> None:
    from cloudify.workflows import api

    release = threading.Event()
    left: list[str] = []

    def held() -> None:
        if when == "while":
            api.set_cancel_request()
        release.wait(PATIENCE)

    def workflow(ctx: Any) -> None:
        task = ctx.local_task(held)
        if when == "before":
            api.set_cancel_request()
        try:
            task.get()
        except api.ExecutionCancelled:
            left.append("cancelled")
            raise

    try:
        assert play(workflow, InMemoryRuntime(retry_defaults=NO_RETRIES)).status == "cancelled"
    finally:
        release.set()
    assert left == ["cancelled"]


def test_a_delayed_retry_of_a_standard_workflow_is_left_by_a_cancel() -> None:
    from cloudify.exceptions import RecoverableError
    from cloudify.workflows import api

    runs: list[int] = []

    def fails() -> None:
        runs.append(1)
        raise RecoverableError("later", retry_after=600)

    def workflow(ctx: Any) -> None:
        task = ctx.local_task(fails)
        task.on_result(lambda _: threading.Timer(0.05, api.set_cancel_request).start())
        task.get()

    assert play(workflow, InMemoryRuntime(retry_defaults=RetryDefaults(5, 600, 0))).status == "cancelled"
    assert runs == [1]
