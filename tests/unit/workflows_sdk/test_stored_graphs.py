"""Stored graphs and resuming (contract §3.4, checklist 70 to 76)."""

from __future__ import annotations

import copy
from typing import Any

from cloudify.decorators import workflow as declare
from cloudify.workflows.tasks import HandlerResult
from cloudify.workflows.tasks_graph import make_or_get_graph

from manager_core.runtime.ports import OperationReport, RetryDefaults
from manager_core.runtime.testing import InMemoryRuntime
from tests.support.workflow_play import NO_RETRIES, Played, a_runtime, context_of, node, play

NAMES = ["i.one", "i.two", "i.three"]


class Operations:
    """Operations that note their runs and fail as often as they are told."""

    def __init__(self, **failures: int) -> None:
        self.failures = failures
        self.runs: list[str] = []

    def __call__(self, task_name: str) -> Any:
        def operation(ctx: Any, **_: Any) -> str:
            name = ctx.operation.name.rpartition(".")[2]
            self.runs.append(name)
            if self.failures.get(name, 0) > 0:
                self.failures[name] -= 1
                raise ValueError("boom")
            return name

        return operation


def a_stage(operations: Operations, retries: RetryDefaults = NO_RETRIES) -> InMemoryRuntime:
    return a_runtime([node("a", NAMES)], resolve=operations, retry_defaults=retries)


@make_or_get_graph
def sequence_of_three(ctx: Any) -> Any:
    graph = ctx.graph_mode()
    instance = ctx.get_node_instance("a_1")
    graph.sequence().add(*[instance.execute_operation(name) for name in NAMES])
    return graph


@declare(resumable=True)
def three(ctx: Any, **_: Any) -> None:
    sequence_of_three(ctx, name="three").execute()


def resume(function: Any, runtime: InMemoryRuntime, *, force: bool = False) -> Played:
    runtime.prepare_resume(force=force)
    runtime.events.clear()
    return play(function, runtime, resume=True)


def test_what_succeeded_does_not_run_again_and_what_failed_does() -> None:
    operations = Operations(two=1)
    runtime = a_stage(operations)
    assert play(three, runtime).status == "failed"
    assert operations.runs == ["one", "two"]
    played = resume(three, runtime)
    assert played.status == "terminated" and operations.runs == ["one", "two", "two", "three"]
    assert played.messages()[0] == "Resuming 'wf' workflow execution"


def test_the_retry_budget_is_fresh_after_a_resume() -> None:
    operations = Operations(one=3)
    runtime = a_stage(operations, RetryDefaults(1, 0, 0))
    assert play(three, runtime).status == "failed" and operations.runs == ["one", "one"]
    assert resume(three, runtime).status == "terminated"
    assert operations.runs == ["one"] * 4 + ["two", "three"]


def test_a_workflow_that_is_not_resumable_fails_without_a_start() -> None:
    runtime = a_stage(Operations(two=1))
    plain = lambda ctx, **_: three(ctx)  # noqa: E731 - a function that says nothing about resuming
    play(plain, runtime)
    played = resume(plain, runtime)
    assert played.status == "failed" and "workflow_started" not in [e["event_type"] for e in runtime.events]
    assert "Cannot resume - workflow not resumable" in (played.error or "")


def test_graphs_of_an_execution_are_kept_apart_by_name() -> None:
    @declare(resumable=True)
    def twice(ctx: Any, **_: Any) -> None:
        sequence_of_three(ctx, name="first").execute()
        sequence_of_three(ctx, name="second").execute()

    operations = Operations()
    runtime = a_stage(operations)
    assert play(twice, runtime).status == "terminated"
    assert operations.runs == ["one", "two", "three"] * 2 and set(runtime.graphs) == {"first", "second"}


def test_a_graph_is_looked_up_on_every_run() -> None:
    operations = Operations()
    runtime = a_stage(operations)
    play(three, runtime)
    assert play(three, runtime).status == "terminated"
    assert operations.runs == ["one", "two", "three"]


def test_the_name_is_asked_for() -> None:
    played = play(lambda ctx: sequence_of_three(ctx), a_stage(Operations()))
    assert played.status == "failed" and "KeyError: 'name'" in (played.error or "")


def test_every_state_is_stored_and_told_of_operations_and_subgraphs_alone() -> None:
    @make_or_get_graph
    def build(ctx: Any) -> Any:
        graph = ctx.graph_mode()
        subgraph = graph.subgraph("S")
        subgraph.add_task(ctx.get_node_instance("a_1").execute_operation("i.one"))
        graph.sequence().add(subgraph, ctx.local_task(lambda: 1, name="here"))
        return graph

    played = play(lambda ctx: build(ctx, name="g").execute(), a_stage(Operations()))
    assert {each["state"] for each in played.runtime.operations.values()} == {"succeeded"}
    assert played.messages()[1:-1] == [
        "Subgraph started 'S'",
        "Sending task 'op'",
        "Task started 'op'",
        "Task succeeded 'op' - one",
        "Subgraph succeeded 'S'",
    ]
    told = next(event for event in played.runtime.events if event["message"] == "Task started 'op'")
    assert (told["operation"], told["node_instance_id"]) == ("i.one", "a_1")


def test_nops_are_not_stored() -> None:
    @make_or_get_graph
    def build(ctx: Any) -> Any:
        graph = ctx.graph_mode()
        instance = ctx.get_node_instance("a_1")
        graph.sequence().add(
            instance.execute_operation("i.one"),
            instance.execute_operation("i.unknown"),
            instance.execute_operation("i.two"),
        )
        return graph

    operations = Operations()
    played = play(lambda ctx: build(ctx, name="g").execute(), a_stage(operations))
    stored = {each["id"]: each for each in played.runtime.operations.values()}
    assert len(stored) == 2 and operations.runs == ["one", "two"]
    assert sorted(len(each["dependencies"]) for each in stored.values()) == [0, 1]


def test_tokens_are_not_stored_and_come_back() -> None:
    runtime = a_stage(Operations())
    ctx = context_of(runtime, execution_token="secret", rest_token="secret")
    graph = sequence_of_three(ctx, name="g")
    assert "secret" not in repr(runtime.operations)
    assert all(task.cloudify_context["execution_token"] == "secret" for task in graph.tasks)
    restored = sequence_of_three(context_of(runtime, execution_token="new"), name="g")
    assert all(task.kwargs["__cloudify_context"]["execution_token"] == "new" for task in restored.tasks)


def test_a_response_that_came_after_a_cancel_is_used() -> None:
    """Stored as sent, the response kept: the operation does not run again."""
    operations = Operations()
    runtime = a_stage(operations)
    graph = sequence_of_three(context_of(runtime), name="three")
    first = next(each for each in runtime.operations.values() if not each["dependencies"])
    first["state"], first["response"] = "response-sent", OperationReport("ended", result="kept")
    assert len(graph.tasks) == 3
    played = resume(three, runtime)
    assert played.status == "terminated" and operations.runs == ["two", "three"]
    assert "Task succeeded 'op' - kept" in played.messages()


def test_force_resume_sends_started_operations_again_and_plain_resume_does_not() -> None:
    for force, expected in ((False, ["two", "three"]), (True, ["one", "two", "three"])):
        operations = Operations()
        runtime = a_stage(operations)
        sequence_of_three(context_of(runtime), name="three")
        first = next(each for each in runtime.operations.values() if not each["dependencies"])
        first["state"], first["response"] = "started", OperationReport("ended", result="kept")
        assert resume(three, runtime, force=force).status == "terminated"
        assert operations.runs == expected


class Note:
    """A handler that can be stored."""

    said: list[str] = []

    def __init__(self, text: str) -> None:
        self.text = text

    def __call__(self, task: Any) -> Any:
        self.said.append(self.text)
        return HandlerResult.ignore()

    def dump(self) -> dict[str, Any]:
        return {"text": self.text}


def note_success(task: Any) -> Any:
    Note.said.append(f"success of {task.name}")
    return HandlerResult.cont()


@make_or_get_graph
def with_handlers(ctx: Any) -> Any:
    graph = ctx.graph_mode()
    instance = ctx.get_node_instance("a_1")
    one, two = instance.execute_operation("i.one"), instance.execute_operation("i.two")
    one.on_success, two.on_failure = note_success, Note("two failed")
    graph.sequence().add(one, two)
    return graph


def test_importable_handlers_work_after_a_resume() -> None:
    Note.said.clear()
    runtime = a_stage(Operations(two=9))
    with_handlers(context_of(runtime), name="g")

    @declare(resumable=True)
    def run(ctx: Any, **_: Any) -> None:
        with_handlers(ctx, name="g").execute()

    assert resume(run, runtime).status == "terminated"
    assert Note.said == ["success of op", "two failed"]


def test_a_lambda_as_a_handler_is_refused_when_the_graph_is_stored() -> None:
    @make_or_get_graph
    def build(ctx: Any) -> Any:
        graph = ctx.graph_mode()
        task = ctx.get_node_instance("a_1").execute_operation("i.one")
        task.on_failure = lambda _: None
        graph.add_task(task)
        return graph

    played = play(lambda ctx: build(ctx, name="g"), a_stage(Operations()))
    assert played.status == "failed" and "Cannot serialize handler" in (played.error or "")


def test_a_nested_function_stores_and_fails_when_it_is_restored() -> None:
    @make_or_get_graph
    def build(ctx: Any) -> Any:
        def nested(task: Any) -> None:
            """Cannot be imported."""

        graph = ctx.graph_mode()
        task = ctx.get_node_instance("a_1").execute_operation("i.one")
        task.on_failure = nested
        graph.add_task(task)
        return graph

    @declare(resumable=True)
    def run(ctx: Any, **_: Any) -> None:
        build(ctx, name="g").execute()

    runtime = a_stage(Operations(one=0))
    build(context_of(runtime), name="g")
    assert "has no function named 'nested'" in (resume(run, runtime).error or "")


def test_local_tasks_restored_from_storage_do_nothing_but_built_in_ones_do() -> None:
    ran: list[str] = []

    @make_or_get_graph
    def build(ctx: Any) -> Any:
        graph = ctx.graph_mode()
        instance = ctx.get_node_instance("a_1")
        graph.sequence().add(
            ctx.local_task(lambda: ran.append("local")), instance.set_state("odd"), instance.send_event("told")
        )
        return graph

    @declare(resumable=True)
    def run(ctx: Any, **_: Any) -> None:
        build(ctx, name="g").execute()

    runtime = a_stage(Operations())
    build(context_of(runtime), name="g")
    played = resume(run, runtime)
    assert played.status == "terminated" and ran == []
    assert runtime.instances["a_1"]["state"] == "odd" and played.messages("workflow_node_event") == ["told"]


def test_a_retry_of_a_subgraph_is_stored_with_what_is_in_it() -> None:
    """A crash between the retry and its end loses nothing of it."""

    @make_or_get_graph
    def build(ctx: Any) -> Any:
        graph = ctx.graph_mode()
        subgraph = graph.subgraph("S")
        subgraph.total_retries = 1
        subgraph.on_failure = try_two_instead
        subgraph.add_task(ctx.get_node_instance("a_1").execute_operation("i.one"))
        return graph

    played = play(lambda ctx: build(ctx, name="g").execute(), a_stage(Operations(one=9)))
    assert played.status == "terminated"
    by_name = {each["name"]: each for each in played.runtime.operations.values()}
    again = by_name["again"]
    assert again["state"] == "succeeded" and again["parameters"]["retried_task"] == by_name["S"]["id"]
    members = [
        each for each in played.runtime.operations.values() if each["parameters"]["containing_subgraph"] == again["id"]
    ]
    assert [each["state"] for each in members] == ["succeeded"]


TRIED: list[str] = []


def try_two_instead(subgraph: Any) -> Any:
    TRIED.append(subgraph.failed_task.short_description)
    again = subgraph.graph.subgraph("again")
    again.current_retries = subgraph.current_retries + 1
    again.add_task(subgraph.workflow_context.get_node_instance("a_1").execute_operation("i.two"))
    result = HandlerResult.retry()
    result.retried_task = again
    return result


class TestAfterALoss:
    """Whoever executed the graph was lost: nobody has reset anything, and what had failed has failed."""

    def again(self, function: Any, runtime: InMemoryRuntime) -> Played:
        runtime.events.clear()
        return play(function, runtime, resume=True)

    def stored(self, runtime: InMemoryRuntime, name: str) -> dict[str, Any]:
        return next(each for each in runtime.operations.values() if name in repr(each))

    def test_what_waits_for_a_failure_never_runs_and_the_failure_is_the_workflow_s(self) -> None:
        operations = Operations(two=1)
        runtime = a_stage(operations)
        assert play(three, runtime).status == "failed"
        played = self.again(three, runtime)
        assert played.status == "failed" and operations.runs == ["one", "two"]
        assert (played.error or "").startswith("Task failed: op (a_1:i.two): ValueError `boom`")
        assert played.messages("task_failed") == [], "it was told when it happened"

    def test_a_failure_that_was_ignored_is_ignored_again(self) -> None:
        @make_or_get_graph
        def build(ctx: Any) -> Any:
            graph = ctx.graph_mode()
            instance = ctx.get_node_instance("a_1")
            first, second = instance.execute_operation("i.one"), instance.execute_operation("i.two")
            first.on_failure = Note("one failed")
            graph.sequence().add(first, second)
            return graph

        @declare(resumable=True)
        def run(ctx: Any, **_: Any) -> None:
            build(ctx, name="g").execute()

        Note.said.clear()
        operations = Operations(one=1)
        runtime = a_stage(operations)
        assert play(run, runtime).status == "terminated"
        self.stored(runtime, "i.two")["state"] = "pending"
        assert self.again(run, runtime).status == "terminated"
        assert operations.runs == ["one", "two", "two"] and Note.said == ["one failed"] * 2

    def test_a_retry_that_was_not_stored_any_more_is_made(self) -> None:
        operations = Operations(one=1)
        runtime = a_stage(operations, RetryDefaults(1, 0, 0))
        assert play(three, runtime).status == "terminated"
        for operation in list(runtime.operations.values()):
            if operation["parameters"]["retried_task"]:
                del runtime.operations[operation["id"]]
            elif operation["state"] == "succeeded":
                operation["state"] = "pending"
        operations.runs.clear()
        played = self.again(three, runtime)
        assert played.status == "terminated" and operations.runs == ["one", "two", "three"]
        assert "Task succeeded 'op' - one [retry 1/1]" in played.messages("task_succeeded")

    def test_a_failed_subgraph_asks_its_handler_again_with_the_task_that_failed(self) -> None:
        @make_or_get_graph
        def build(ctx: Any) -> Any:
            graph = ctx.graph_mode()
            subgraph = graph.subgraph("S")
            subgraph.total_retries = 1
            subgraph.on_failure = try_two_instead
            instance = ctx.get_node_instance("a_1")
            subgraph.add_task(instance.execute_operation("i.one"))
            graph.sequence().add(subgraph, instance.execute_operation("i.three"))
            return graph

        @declare(resumable=True)
        def run(ctx: Any, **_: Any) -> None:
            build(ctx, name="g").execute()

        operations = Operations(one=9)
        runtime = a_stage(operations)
        build(context_of(runtime), name="g")
        one, subgraph = self.stored(runtime, "i.one"), self.stored(runtime, "SubgraphTask")
        one["state"] = subgraph["state"] = "failed"
        TRIED.clear()
        assert self.again(run, runtime).status == "terminated"
        assert operations.runs == ["two", "three"] and TRIED == ["op (a_1:i.one)"]

    def test_a_failed_member_fails_its_subgraph(self) -> None:
        @make_or_get_graph
        def build(ctx: Any) -> Any:
            graph = ctx.graph_mode()
            subgraph = graph.subgraph("S")
            instance = ctx.get_node_instance("a_1")
            subgraph.sequence().add(instance.execute_operation("i.one"), instance.execute_operation("i.two"))
            graph.sequence().add(subgraph, instance.execute_operation("i.three"))
            return graph

        @declare(resumable=True)
        def run(ctx: Any, **_: Any) -> None:
            build(ctx, name="g").execute()

        operations = Operations()
        runtime = a_stage(operations)
        build(context_of(runtime), name="g")
        self.stored(runtime, "i.one")["state"] = "failed"
        self.stored(runtime, "SubgraphTask")["state"] = "started"
        played = self.again(run, runtime)
        assert played.status == "failed" and operations.runs == []
        assert played.messages("task_failed") == ["Subgraph failed 'S'"]
        assert "op (a_1:i.one) failed in an earlier run of this execution" in (played.error or "")

    def test_a_retried_lifecycle_is_found_whole_or_not_at_all_whenever_the_loss_comes(self) -> None:
        """After every single write of a run whose subgraph is retried: a resume comes to the end the run came to."""
        found: list[Any] = []

        def then_remember(write: Any) -> Any:
            def wrapped(*given: Any, **more: Any) -> Any:
                write(*given, **more)
                found.append(copy.deepcopy((runtime.graphs, runtime.operations)))

            return wrapped

        @make_or_get_graph
        def build(ctx: Any) -> Any:
            graph = ctx.graph_mode()
            subgraph = graph.subgraph("S")
            subgraph.total_retries = 1
            subgraph.on_failure = try_three_and_two_instead
            instance = ctx.get_node_instance("a_1")
            subgraph.add_task(instance.execute_operation("i.one"))
            graph.sequence().add(subgraph, instance.execute_operation("i.last"))
            return graph

        @declare(resumable=True)
        def run(ctx: Any, **_: Any) -> None:
            build(ctx, name="g").execute()

        nodes = [node("a", [*NAMES, "i.last"])]
        runtime = a_runtime(nodes, resolve=Operations(one=9, two=9))
        for name in ("update_operation", "store_operations", "_note"):
            setattr(runtime, name, then_remember(getattr(runtime, name)))
        assert play(run, runtime).status == "failed"
        assert len(found) > 10
        for graphs, operations in found:
            again = Operations(one=9, two=9)
            resumed = a_runtime(nodes, resolve=again)
            resumed.graphs, resumed.operations = graphs, operations
            assert play(run, resumed, resume=True).status == "failed"
            assert "last" not in again.runs


def try_three_and_two_instead(subgraph: Any) -> Any:
    instance = subgraph.workflow_context.get_node_instance("a_1")
    again = subgraph.graph.subgraph("again")
    again.current_retries = subgraph.current_retries + 1
    again.sequence().add(instance.execute_operation("i.three"), instance.execute_operation("i.two"))
    result = HandlerResult.retry()
    result.retried_task = again
    return result
