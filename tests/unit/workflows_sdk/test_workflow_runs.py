"""Runs of workflow functions: standard workflows, endings, cancellation, dry run (checklist 57 to 64, 69, 91, 92)."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from manager_core.runtime.ports import RetryDefaults
from manager_core.runtime.testing import InMemoryRuntime
from tests.support.workflow_play import NO_RETRIES, a_runtime, node, play

ONE_RETRY = RetryDefaults(1, 0, 0)


def failing(times: int) -> Any:
    """Return an operation that fails so often before it succeeds, and counts its runs as an attribute."""

    def operation(ctx: Any, **_: Any) -> str:
        operation.runs += 1
        if operation.runs <= times:
            raise ValueError("boom")
        return f"run {operation.runs}"

    operation.runs = 0
    return operation


def runtime_with(operation: Any, retries: RetryDefaults = NO_RETRIES, **struct: Any) -> InMemoryRuntime:
    """Return a runtime with one instance ``a_1`` whose operation ``i.op`` is this function."""
    return a_runtime([node("a", {"i.op": struct})], resolve=lambda _: operation, retry_defaults=retries)


def run_operation(ctx: Any) -> Any:
    return ctx.get_node_instance("a_1").execute_operation("i.op")


class TestResults:
    """get() of standard workflows."""

    def test_it_returns_the_result_and_retries_inside(self) -> None:
        def workflow(ctx: Any) -> None:
            ctx.send_event(f"got {run_operation(ctx).get()}").get()

        played = play(workflow, runtime_with(failing(1), ONE_RETRY))
        assert played.status == "terminated"
        assert "got run 2" in played.messages("workflow_stage")

    def test_it_raises_the_last_exception(self) -> None:
        def workflow(ctx: Any) -> None:
            run_operation(ctx).get()

        operation = failing(9)
        played = play(workflow, runtime_with(operation, ONE_RETRY))
        assert played.status == "failed" and operation.runs == 2
        assert (played.error or "").rstrip().endswith("RecoverableError: boom")

    def test_it_does_not_retry_when_told_so(self) -> None:
        def workflow(ctx: Any) -> None:
            run_operation(ctx).get(retry_on_failure=False)

        operation = failing(1)
        assert play(workflow, runtime_with(operation, ONE_RETRY)).status == "failed" and operation.runs == 1

    def test_retries_of_the_operation_win_over_the_configuration(self) -> None:
        def workflow(ctx: Any) -> None:
            run_operation(ctx).get()

        operation = failing(3)
        played = play(workflow, runtime_with(operation, NO_RETRIES, max_retries=3, retry_interval=0))
        assert played.status == "terminated" and operation.runs == 4

    def test_an_operation_sees_how_often_it_is_retried(self) -> None:
        seen: list[Any] = []

        def operation(ctx: Any, **_: Any) -> None:
            seen.append((ctx.operation.retry_number, ctx.operation.max_retries))
            if len(seen) < 3:
                ctx.operation.retry(retry_after=0)

        def workflow(ctx: Any) -> None:
            run_operation(ctx).get()

        assert play(workflow, runtime_with(operation, RetryDefaults(5, 0, 0))).status == "terminated"
        assert seen == [(0, 5), (1, 5), (2, 5)]

    def test_an_exception_wins_over_a_retry_asked_for_before_it(self) -> None:
        from cloudify.exceptions import NonRecoverableError

        def operation(ctx: Any, **_: Any) -> None:
            ctx.operation.retry(retry_after=0)
            raise NonRecoverableError("no")

        def workflow(ctx: Any) -> None:
            run_operation(ctx).get()

        played = play(workflow, runtime_with(operation, RetryDefaults(5, 0, 0)))
        assert played.status == "failed" and len(played.messages("task_failed")) == 1

    def test_a_nop_has_no_get(self) -> None:
        def workflow(ctx: Any) -> None:
            ctx.get_node_instance("a_1").execute_operation("i.unknown").get()

        played = play(workflow, a_runtime([node("a")]))
        assert "AttributeError" in (played.error or "")

    def test_what_nobody_fetched_is_waited_for_and_may_fail_the_execution(self) -> None:
        def workflow(ctx: Any) -> None:
            run_operation(ctx)

        operation = failing(1)
        assert play(workflow, runtime_with(operation, ONE_RETRY)).status == "terminated" and operation.runs == 2
        assert play(workflow, runtime_with(failing(9))).status == "failed"

    def test_local_tasks_run_here_with_retries(self) -> None:
        calls: list[int] = []

        def work(x: int) -> int:
            calls.append(x)
            if len(calls) == 1:
                raise ValueError("first")
            return x + 1

        def workflow(ctx: Any) -> None:
            assert ctx.local_task(work, kwargs={"x": 1}).get() == 2

        assert play(workflow, InMemoryRuntime(retry_defaults=ONE_RETRY)).status == "terminated" and calls == [1, 1]

    def test_states_are_written_and_read_when_the_task_runs(self) -> None:
        def workflow(ctx: Any) -> None:
            instance = ctx.get_node_instance("a_1")
            assert instance.set_state("odd").get() is None
            assert instance.get_state().get() == "odd"
            assert instance.state == "uninitialized"

        assert play(workflow, a_runtime([node("a")])).status == "terminated"


class TestEndings:
    """How an execution ends."""

    def test_success_is_told_once_with_the_start_before_it(self) -> None:
        played = play(lambda ctx: "whatever", workflow_id="wf")
        assert played.status == "terminated" and played.error is None
        assert played.messages() == ["Starting 'wf' workflow execution", "'wf' workflow execution succeeded"]

    def test_an_author_s_error_is_a_traceback_that_starts_in_his_code(self) -> None:
        def workflow(ctx: Any) -> None:
            raise LookupError("nothing here")

        played = play(workflow)
        error = played.error or ""
        assert error.startswith("Traceback (most recent call last):")
        assert error.rstrip().endswith("LookupError: nothing here")
        assert "entry.py" not in error and "in workflow" in error
        assert played.messages("workflow_failed") == ["'wf' workflow execution failed: nothing here"]
        assert played.runtime.events[-1]["arguments"] == {"error": error}

    def test_a_failed_task_s_error_is_its_text_alone(self) -> None:
        from cloudify.exceptions import WorkflowFailed

        def workflow(ctx: Any) -> None:
            raise WorkflowFailed("Task failed: x")

        assert play(workflow).error == "Task failed: x"

    @pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), GeneratorExit()])
    def test_whatever_is_raised_is_a_failure(self, error: BaseException) -> None:
        def workflow(ctx: Any) -> None:
            raise error

        assert play(workflow).status == "failed"

    def test_a_function_without_ctx_fails_clearly(self) -> None:
        played = play(lambda: None)
        assert played.status == "failed" and "unexpected keyword argument 'ctx'" in (played.error or "")

    def test_parameters_arrive_as_keywords(self) -> None:
        seen: dict[str, Any] = {}
        assert play(lambda ctx, **given: seen.update(given), parameters={"a": 1, "b": None}).status == "terminated"
        assert seen == {"a": 1, "b": None}


class TestCancellation:
    """Asked to stop, or stopping by itself."""

    def test_raising_or_returning_cancels_also_without_a_request(self) -> None:
        from cloudify.workflows import api

        def by_raising(ctx: Any) -> None:
            raise api.ExecutionCancelled()

        for workflow in (by_raising, lambda ctx: api.EXECUTION_CANCELLED_RESULT):
            played = play(workflow)
            assert played.status == "cancelled" and played.error is None
            assert played.messages("workflow_cancelled") == ["'wf' workflow execution cancelled"]

    def test_the_flags_and_their_callbacks(self) -> None:
        from cloudify.workflows import api

        called: list[str] = []

        def workflow(ctx: Any) -> None:
            api.cancel_callbacks.add(lambda: called.append("cancel"))
            assert not api.has_cancel_request() and not api.has_kill_request()
            api.set_cancel_request()
            assert api.has_cancel_request() and called == ["cancel"]

        assert play(workflow).status == "terminated"

    def test_get_reacts_while_it_waits_and_before(self) -> None:
        from cloudify.workflows import api

        release = threading.Event()

        def workflow(ctx: Any) -> None:
            waiting = ctx.local_task(lambda: release.wait(120))
            threading.Timer(0.05, api.set_cancel_request).start()
            waiting.get()

        try:
            assert play(workflow).status == "cancelled"
        finally:
            release.set()

    def test_the_final_wait_reacts(self) -> None:
        from cloudify.workflows import api

        release = threading.Event()

        def workflow(ctx: Any) -> None:
            ctx.local_task(lambda: release.wait(120))
            api.set_cancel_request()

        try:
            assert play(workflow).status == "cancelled"
        finally:
            release.set()

    def test_a_graph_ends_without_waiting_and_what_follows_does_not_start(self) -> None:
        from cloudify.workflows import api

        release = threading.Event()
        log: list[str] = []

        def first() -> None:
            api.set_cancel_request()
            release.wait(120)

        def workflow(ctx: Any) -> None:
            graph = ctx.graph_mode()
            graph.sequence().add(ctx.local_task(first), ctx.local_task(lambda: log.append("second")))
            try:
                graph.execute()
            except api.ExecutionCancelled:
                log.append("cleanup")
                raise

        try:
            played = play(workflow)
        finally:
            release.set()
        assert played.status == "cancelled" and log == ["cleanup"]

    def test_recorded_errors_beat_the_cancel(self) -> None:
        from cloudify.workflows import api

        release = threading.Event()

        def fail(task: Any) -> Any:
            from cloudify.workflows.tasks import HandlerResult

            threading.Timer(0.05, api.set_cancel_request).start()
            return HandlerResult.fail()

        def workflow(ctx: Any) -> None:
            graph = ctx.graph_mode()
            bad = ctx.local_task(lambda: 1 / 0, name="bad")
            bad.on_failure = fail
            graph.add(bad, ctx.local_task(lambda: release.wait(120)))
            graph.execute()

        try:
            played = play(workflow)
        finally:
            release.set()
        assert played.status == "failed" and (played.error or "").startswith("Task failed: bad")

    def test_one_that_ignores_the_request_ends_as_it_ends(self) -> None:
        from cloudify.workflows import api

        assert play(lambda ctx: api.set_cancel_request()).status == "terminated"

    def test_a_retry_that_waits_for_its_time_is_not_started_after_a_cancel(self) -> None:
        from cloudify.workflows import api

        runs: list[int] = []

        def operation(ctx: Any, **_: Any) -> None:
            runs.append(1)
            threading.Timer(0.1, api.set_cancel_request).start()
            raise ValueError("boom")

        def workflow(ctx: Any) -> None:
            graph = ctx.graph_mode()
            graph.add_task(run_operation(ctx))
            graph.execute()

        played = play(workflow, runtime_with(operation, RetryDefaults(5, 600, 0)))
        assert played.status == "cancelled" and runs == [1]


class TestDryRun:
    """Everything is told, nothing is done (checklist 91)."""

    def test_operations_are_told_and_not_run_and_states_stay(self) -> None:
        operation = failing(0)

        def workflow(ctx: Any) -> None:
            graph = ctx.graph_mode()
            instance = ctx.get_node_instance("a_1")
            graph.sequence().add(instance.set_state("x"), run_operation(ctx), instance.send_event("told"))
            graph.execute()

        played = play(workflow, runtime_with(operation), dry_run=True)
        assert operation.runs == 0 and played.runtime.instances["a_1"]["state"] == "uninitialized"
        assert played.messages() == [
            "Starting 'wf' workflow execution (dry run)",
            "Sending task 'op' (dry run)",
            "Task started 'op' (dry run)",
            "Task succeeded 'op' (dry run)",
            "told",
            "'wf' workflow execution succeeded (dry run)",
        ]

    def test_a_long_chain_of_operations_is_no_deep_recursion(self) -> None:
        def workflow(ctx: Any) -> None:
            graph = ctx.graph_mode()
            graph.sequence().add(*[run_operation(ctx) for _ in range(3000)])
            graph.execute()

        played = play(workflow, runtime_with(failing(0)), dry_run=True)
        assert played.status == "terminated" and len(played.messages("task_succeeded")) == 3000

    def test_nothing_is_stored(self) -> None:
        from cloudify.workflows.tasks_graph import make_or_get_graph

        @make_or_get_graph
        def build(ctx: Any) -> Any:
            return ctx.graph_mode()

        played = play(lambda ctx: build(ctx, name="g").execute(), dry_run=True)
        assert played.status == "terminated" and played.runtime.graphs == {}


def test_operations_run_in_the_order_the_graph_gives_and_their_results_are_told() -> None:
    order: list[str] = []

    def operation(ctx: Any, **_: Any) -> str:
        order.append(ctx.operation.name)
        return "done"

    def workflow(ctx: Any) -> None:
        graph = ctx.graph_mode()
        instance = ctx.get_node_instance("a_1")
        graph.sequence().add(instance.execute_operation("i.one"), instance.execute_operation("i.two"))
        graph.execute()

    played = play(workflow, a_runtime([node("a", ["i.one", "i.two"])], resolve=lambda _: operation))
    assert order == ["i.one", "i.two"]
    assert played.messages()[1:3] == ["Sending task 'op'", "Task succeeded 'op' - done"]


def test_execute_task_runs_a_function_without_an_instance() -> None:
    seen: list[Any] = []

    def operation(ctx: Any, **given: Any) -> str:
        seen.append((ctx.type, given["x"]))
        return "ok"

    def workflow(ctx: Any) -> None:
        assert ctx.execute_task("mod.fn", kwargs={"x": 1}).get() == "ok"
        assert ctx.execute_task("mod.fn", local=False, kwargs={"x": 2}).get() == "ok"

    played = play(workflow, InMemoryRuntime(resolve=lambda _: operation, retry_defaults=NO_RETRIES))
    assert played.status == "terminated", played.error
    assert seen == [("deployment", 1), ("deployment", 2)]


def test_ten_thousand_tasks_in_a_row_run_flat() -> None:
    """Far beyond any recursion limit, and in seconds."""
    count = [0]

    def workflow(ctx: Any) -> None:
        graph = ctx.graph_mode()

        def work() -> None:
            count[0] += 1

        graph.sequence().add(*[ctx.local_task(work, send_task_events=False) for _ in range(10_000)])
        graph.execute()

    assert play(workflow).status == "terminated" and count == [10_000]
