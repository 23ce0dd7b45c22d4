"""Custom workflows of the oracle scenarios, written as authors write them."""

from cloudify.decorators import workflow
from cloudify.workflows import tasks
from cloudify.workflows.tasks_graph import forkjoin

LIFECYCLE = "cloudify.interfaces.lifecycle."


def _instances(ctx):
    return sorted(ctx.node_instances, key=lambda instance: instance.id)


@workflow
def one_operation_each(ctx, operation="start", **kwargs):
    graph = ctx.graph_mode()
    for instance in _instances(ctx):
        graph.add_task(instance.execute_operation(LIFECYCLE + operation))
    return graph.execute()


@workflow
def sequences(ctx, **kwargs):
    graph = ctx.graph_mode()
    for instance in _instances(ctx):
        sequence = graph.sequence()
        sequence.add(
            instance.send_event("before"),
            instance.execute_operation(LIFECYCLE + "create"),
            forkjoin(
                instance.execute_operation(LIFECYCLE + "configure"),
                instance.execute_operation(LIFECYCLE + "start"),
            ),
            forkjoin(),
            instance.execute_operation(LIFECYCLE + "stop"),
            instance.send_event("after"),
            instance.set_state("visited"),
        )
    graph.execute()


@workflow
def by_relationships(ctx, **kwargs):
    graph = ctx.graph_mode()
    done = {}
    begun = {}
    for instance in _instances(ctx):
        begun[instance.id] = instance.send_event("begun")
        done[instance.id] = instance.send_event("done")
        graph.sequence().add(begun[instance.id], instance.execute_operation(LIFECYCLE + "start"), done[instance.id])
    for instance in _instances(ctx):
        for relationship in instance.relationships:
            graph.add_dependency(begun[instance.id], done[relationship.target_id])
    graph.execute()


@workflow
def with_handler(ctx, action="ignore", operation="create", times=1, **kwargs):
    """The failure (or, with `on_success`, the success) of one operation is answered with `action`."""
    graph = ctx.graph_mode()
    asked = []

    def answer(task):
        asked.append(task)
        if len(asked) > times:
            return tasks.HandlerResult.cont() if kwargs.get("on_success") else tasks.HandlerResult.fail()
        if action == "retry":
            return tasks.HandlerResult.retry(
                ignore_total_retries=kwargs.get("ignore_total_retries", False), retry_after=kwargs.get("retry_after")
            )
        if action == "raise":
            raise RuntimeError("the handler gave up")
        return getattr(tasks.HandlerResult, action)()

    for instance in _instances(ctx):
        task = instance.execute_operation(LIFECYCLE + operation)
        if not task.is_nop():
            setattr(task, "on_success" if kwargs.get("on_success") else "on_failure", answer)
        graph.sequence().add(task, instance.execute_operation(LIFECYCLE + "start"))
    graph.execute()


@workflow
def subgraphs(ctx, action="fail", total_retries=0, **kwargs):
    """Two subgraphs one after the other; the failure of the first is answered with `action`."""
    graph = ctx.graph_mode()
    instances = _instances(ctx)

    def fill(name):
        subgraph = graph.subgraph(name)
        for instance in instances:
            subgraph.sequence().add(
                instance.execute_operation(LIFECYCLE + "create"), instance.execute_operation(LIFECYCLE + "configure")
            )
        return subgraph

    first = fill("first")
    first.total_retries = total_retries

    def answer(subgraph):
        assert subgraph.failed_task is not None
        for task in list(subgraph.tasks.values()):
            subgraph.remove_task(task)
        result = getattr(tasks.HandlerResult, action)()
        if action == "retry":
            again = fill("again")
            again.on_failure = answer
            again.total_retries = total_retries
            again.current_retries = subgraph.current_retries + 1
            result.retried_task = again
        return result

    first.on_failure = answer
    second = graph.subgraph("second")
    for instance in instances:
        second.add_task(instance.execute_operation(LIFECYCLE + "start"))
    graph.add_dependency(second, first)
    graph.execute()


@workflow
def nested(ctx, **kwargs):
    graph = ctx.graph_mode()
    outer = graph.subgraph("outer")
    previous = None
    for instance in _instances(ctx):
        inner = outer.subgraph("inner_" + instance.node_id)
        inner.sequence().add(
            instance.execute_operation(LIFECYCLE + "create"), instance.execute_operation(LIFECYCLE + "configure")
        )
        if previous is not None:
            outer.add_dependency(inner, previous)
        previous = inner
    empty = graph.subgraph("empty")
    graph.add_dependency(empty, outer)
    last = graph.subgraph("last")
    graph.add_dependency(last, empty)
    for instance in _instances(ctx):
        last.add_task(instance.execute_operation(LIFECYCLE + "start"))
    graph.execute()


@workflow
def standard(ctx, swallow=False, retry_on_failure=True, fetch=True, **kwargs):
    for instance in _instances(ctx):
        result = instance.execute_operation(LIFECYCLE + "create")
        if not fetch:
            continue
        try:
            instance.send_event(f"result {result.get(retry_on_failure=retry_on_failure)}").get()
        except Exception:
            instance.send_event("raised").get()
            if not swallow:
                raise
        instance.execute_operation(LIFECYCLE + "start").get()
        instance.set_state("visited").get()
        instance.send_event(f"state {instance.get_state().get()}").get()


@workflow
def relationship_operations(ctx, **kwargs):
    graph = ctx.graph_mode()
    for instance in _instances(ctx):
        sequence = graph.sequence()
        operations = []
        for relationship in instance.relationships:
            operations.append(
                relationship.execute_source_operation("cloudify.interfaces.relationship_lifecycle.establish")
            )
            operations.append(
                relationship.execute_target_operation("cloudify.interfaces.relationship_lifecycle.establish")
            )
        sequence.add(instance.send_event("before"), forkjoin(*operations), instance.send_event("after"))
    graph.execute()


@workflow
def with_kwargs(ctx, allow=False, **kwargs):
    graph = ctx.graph_mode()
    for instance in _instances(ctx):
        graph.add_task(
            instance.execute_operation(
                LIFECYCLE + "create", kwargs={"given": 1, "declared": 2}, allow_kwargs_override=allow
            )
        )
    graph.execute()


@workflow
def local_tasks(ctx, fail_times=0, **kwargs):
    calls = []

    def work(number):
        calls.append(number)
        if len([each for each in calls if each == number]) <= fail_times:
            raise ValueError("not yet")
        return number

    graph = ctx.graph_mode()
    sequence = graph.sequence()
    for number in range(3):
        sequence.add(ctx.local_task(work, kwargs={"number": number}))
    graph.execute()
    next(iter(_instances(ctx))).logger.info("calls")
    ctx.internal.send_workflow_event("custom", f"calls {calls}")


@workflow
def removed_and_executed_again(ctx, **kwargs):
    graph = ctx.graph_mode()
    instances = _instances(ctx)
    first = [instance.execute_operation(LIFECYCLE + "create") for instance in instances]
    middle = ctx.send_event("never")
    second = [instance.execute_operation(LIFECYCLE + "configure") for instance in instances]
    for task in [*first, middle, *second]:
        graph.add_task(task)
    for task in first:
        graph.add_dependency(middle, task)
    for task in second:
        graph.add_dependency(task, middle)
    graph.remove_task(middle)
    graph.execute()
    graph.execute()
    for instance in instances:
        graph.add_task(instance.execute_operation(LIFECYCLE + "start"))
    graph.execute()
