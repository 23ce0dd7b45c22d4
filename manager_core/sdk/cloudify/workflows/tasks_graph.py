"""Task graphs: tasks, what waits for what, subgraphs and sequences (contract §1.11, §2.4, §2.6, §3.4).

The decisions (what may start now, what a failure stops, when the run is over) are made by
`manager_core.graph`; here they are carried out: tasks are started, handlers asked, results awaited.
"""

from __future__ import annotations

import functools
import queue
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from cloudify.constants import TASK_FAILED, TASK_PENDING, TASK_STARTED, TASK_SUCCEEDED
from cloudify.exceptions import WorkflowFailed
from cloudify.workflows import tasks as task_classes
from cloudify.workflows import workflow_api as api
from cloudify.workflows.graph_errors import TaskDependencyGraphError, TaskDependencyGraphErrors
from cloudify.workflows.handler_result import HandlerResult
from cloudify.workflows.task_result import WorkflowTaskResult
from cloudify.workflows.tasks import DEFAULT_SUBGRAPH_TOTAL_RETRIES, LocalWorkflowTask, WorkflowTask
from manager_core.graph.engine import TaskGraph
from manager_core.graph.messages import (
    Begin,
    Cancel,
    Command,
    Done,
    Event,
    Failed,
    Finish,
    Postpone,
    Reason,
    Retry,
    Settle,
    Start,
    Tick,
)
from manager_core.graph.order import linearize, prune
from manager_core.graph.stored import UNHAPPY, StoredTask, restore_plan

_LONGEST_WAIT = 1.0  # the loop looks around at least this often, seconds


def make_or_get_graph(f: Callable[..., TaskDependencyGraph]) -> Callable[..., TaskDependencyGraph]:
    """Decorate a function that builds a graph, so that the graph is stored once and restored afterwards.

    The decorated function takes one more keyword, ``name``: the graph's name in the execution (contract §3.4).
    """

    @functools.wraps(f)
    def wrapper(*args: Any, **kwargs: Any) -> TaskDependencyGraph:
        ctx = kwargs.get("ctx") or (args[0] if args else None)
        if ctx is None or not hasattr(ctx, "get_tasks_graph"):
            from cloudify.state import workflow_ctx

            ctx = workflow_ctx
        if ctx.dry_run:
            kwargs.pop("name", None)
            return f(*args, **kwargs)
        name = kwargs.pop("name")
        found = ctx.get_tasks_graph(name)
        if found:
            return TaskDependencyGraph.restore(ctx, found)
        graph = f(*args, **kwargs)
        graph.store(name)
        return graph

    return wrapper


def _flat(items: Iterable[Any]) -> Iterator[Any]:
    for item in items:
        if isinstance(item, list | tuple):
            yield from _flat(item)
        elif item is not None:
            yield item


class forkjoin:
    """Tasks that run side by side as one item of a sequence."""

    def __init__(self, *tasks: Any) -> None:
        self.tasks = list(_flat(tasks))


class TaskSequence:
    """Adds tasks so that each item waits for the previous one."""

    def __init__(self, graph: Any) -> None:
        self.graph = graph
        self.last_fork_join_tasks: list[WorkflowTask] | None = None

    def add(self, *tasks: Any) -> None:
        """Add items: tasks, `forkjoin`s, or lists of them (taken one by one). An empty `forkjoin` is skipped."""
        add_task, depend = self.graph.add_task, getattr(self.graph, "graph", self.graph)._engine.depend
        for item in (
            tasks if not any(isinstance(item, list | tuple) or item is None for item in tasks) else _flat(tasks)
        ):
            fork = item.tasks if isinstance(item, forkjoin) else [item]
            if not fork:
                continue
            before = self.last_fork_join_tasks or ()
            for task in fork:
                add_task(task)
                for other in before:
                    depend(task.id, other.id)
            self.last_fork_join_tasks = fork


class _Records:
    """The tasks of a graph as they are stored, made anew each time somebody goes through them."""

    def __init__(self, graph: TaskDependencyGraph) -> None:
        self._graph = graph

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return map(self._graph._record, self._graph.tasks)


class TaskDependencyGraph:
    """The tasks of a workflow.

    Attributes:
        ctx: the workflow context.
        id: id of the stored graph, or None.
    """

    def __init__(
        self, workflow_context: Any, graph_id: str | None = None, default_subgraph_task_config: Any = None
    ) -> None:
        self.ctx = workflow_context
        self.id = graph_id
        self._default_subgraph_task_config = default_subgraph_task_config or {}
        self._engine: TaskGraph[str] = TaskGraph(getattr(workflow_context, "wait_after_fail", 600))
        self._tasks: dict[str, WorkflowTask] = {}
        self._inbox: queue.SimpleQueue[WorkflowTask | BaseException | None] = queue.SimpleQueue()
        self._lock = threading.RLock()
        self._executing: int | None = None  # the thread at work on the graph; 0 while it waits, None without one
        self._left_over: list[Command[str]] = []
        self._failed_members: dict[str, WorkflowTask] = {}  # by the id of the subgraph that is about to fail for it
        self._errors = TaskDependencyGraphErrors()

    def __repr__(self) -> str:
        return f"<TaskDependencyGraph of {len(self._engine)} tasks>"

    # --- the model

    @property
    def _dependencies(self) -> dict[WorkflowTask, set[WorkflowTask]]:
        return self._edges(self._engine.dependencies)

    @property
    def _dependents(self) -> dict[WorkflowTask, set[WorkflowTask]]:
        return self._edges(self._engine.dependents)

    def _edges(self, edges: dict[str, set[str]]) -> dict[WorkflowTask, set[WorkflowTask]]:
        """Return edges as plugins look at them: a copy, between tasks, empty for a task that has none."""
        found: defaultdict[WorkflowTask, set[WorkflowTask]] = defaultdict(set)
        for task_id, others in edges.items():
            if others and task_id in self._tasks:
                found[self._tasks[task_id]] = {self._tasks[other] for other in others if other in self._tasks}
        return found

    @property
    def tasks(self) -> list[WorkflowTask]:
        """The tasks not yet over, as a new list."""
        return [self._tasks[task_id] for task_id in self._engine]

    def tasks_iter(self) -> Iterator[WorkflowTask]:
        """Return an iterator over `tasks`; older plugins ask for one."""
        return iter(self.tasks)

    def get_task(self, task_id: str) -> WorkflowTask | None:
        """Return the task with that id, or None."""
        return self._tasks[task_id] if task_id in self._engine else None

    def add_task(self, task: WorkflowTask) -> None:
        """Add a task."""
        self._tasks[task.id] = task
        self._engine.add(task.id, subgraph=task.is_subgraph)

    def add(self, *tasks: Any) -> None:
        """Add tasks; lists of them are taken one by one."""
        for task in _flat(tasks):
            self.add_task(task)

    def remove_task(self, task: WorkflowTask) -> None:
        """Take a task out, a subgraph with its tasks; what waited for it waits no longer."""
        self._forget(self._engine.remove(task.id))

    def _forget(self, gone: Iterable[str]) -> None:
        for task_id in gone:
            self._tasks.pop(task_id, None)

    def add_dependency(self, src_task: WorkflowTask, dst_task: WorkflowTask) -> None:
        """Let `src_task` run after `dst_task` has terminated.

        Raises:
            RuntimeError: one of them is not in the graph.
        """
        engine, src, dst = self._engine, src_task.id, dst_task.id
        if src not in engine or dst not in engine:
            self._check_edge(src_task, dst_task)
        engine.depend(src, dst)

    def remove_dependency(self, src_task: WorkflowTask, dst_task: WorkflowTask) -> None:
        """Take a dependency back; raises as `add_dependency`."""
        self._check_edge(src_task, dst_task)
        self._engine.undepend(src_task.id, dst_task.id)

    def _check_edge(self, src_task: WorkflowTask, dst_task: WorkflowTask) -> None:
        if src_task.id not in self._engine:
            raise RuntimeError(f"src not in graph: {src_task!r}")
        if dst_task.id not in self._engine:
            raise RuntimeError(f"dst not in graph: {dst_task!r}")

    def sequence(self) -> TaskSequence:
        """Return a new sequence that adds to this graph."""
        return TaskSequence(self)

    def subgraph(self, name: str) -> SubgraphTask:
        """Add a new, empty subgraph and return it."""
        task = SubgraphTask(self, self.ctx, info={"name": name}, **self._default_subgraph_task_config)
        self.add_task(task)
        return task

    def linearize(self) -> list[WorkflowTask]:
        """Return the tasks in an order in which they could run one by one."""
        return [self._tasks[task_id] for task_id in linearize(self._engine)]

    def optimize(self) -> None:
        """Drop tasks that do nothing and empty subgraphs; what waited for them waits for what they waited for."""
        tasks = self._tasks
        gone = prune(self._engine, lambda each: tasks[each].is_nop(), lambda each: tasks[each].is_subgraph)
        self._forget(gone)

    # --- storage

    def store(self, name: str, optimize: bool = True) -> None:
        """Store the graph under a name; from then on the states of its tasks are kept."""
        if optimize:
            self.optimize()
        graph = self.ctx.store_tasks_graph(name, operations=_Records(self))
        if graph:
            self.id = graph["id"]
            for task in self.tasks:
                task.stored = True

    def _record(self, task: WorkflowTask) -> dict[str, Any]:
        record = task.dump()
        record["dependencies"] = list(self._engine.dependencies.get(task.id, ()))
        return record

    @classmethod
    def restore(cls, workflow_context: Any, retrieved_graph: dict[str, Any]) -> TaskDependencyGraph:
        """Build a stored graph again: what had ended is left out (contract §3.4).

        In a resumed execution tasks that failed and were not tried again are there once more, over as they were: what
        follows from a failure is decided when the graph is executed, and may have been lost with whoever was to do it.
        """
        # Handlers of a restored graph make tasks for it, as those of a new one do.
        workflow_context.graph_mode()
        graph = cls(
            workflow_context,
            retrieved_graph["id"],
            workflow_context.internal.get_subgraph_task_configuration(),
        )
        operations = {each["id"]: each for each in workflow_context.get_operations(retrieved_graph["id"])}
        plan = restore_plan(
            (
                StoredTask(
                    id=each["id"],
                    state=each["state"],
                    dependencies=tuple(each.get("dependencies") or ()),
                    container=each["parameters"].get("containing_subgraph"),
                    retried=each["parameters"].get("retried_task"),
                )
                for each in operations.values()
            ),
            decide_again=bool(workflow_context.resume),
        )
        for task_id in plan.tasks:
            record = {**operations[task_id], "state": plan.states[task_id]}
            task = graph._restored(record, operations)
            container = record["parameters"].get("containing_subgraph")
            if container is None:
                graph.add_task(task)
            else:
                graph._tasks[container].add_task(task)
        for task_id, dependencies in plan.dependencies.items():
            for dependency in dependencies:
                graph.add_dependency(graph._tasks[task_id], graph._tasks[dependency])
        return graph

    def _restored(self, record: dict[str, Any], operations: dict[str, dict[str, Any]]) -> WorkflowTask:
        """Return the task of a stored operation; one that failed with its failure, a subgraph with its failed task."""
        task = self._class_of(record["type"]).restore(self.ctx, self, record)
        if record["state"] not in UNHAPPY:
            return task
        task.end_as_stored(record.get("error"))
        if isinstance(task, SubgraphTask):
            retried = {each["parameters"].get("retried_task") for each in operations.values()}
            for each in operations.values():
                mine = each["parameters"].get("containing_subgraph") == task.id
                if mine and each["state"] == TASK_FAILED and each["id"] not in retried:
                    task.failed_task = self._restored(each, operations)
                    task.error = task.failed_task.error
                    break
        return task

    @staticmethod
    def _class_of(type_name: str) -> type[WorkflowTask]:
        found = SubgraphTask if type_name == "SubgraphTask" else getattr(task_classes, type_name, None)
        if found is None:
            raise RuntimeError(f"Unknown task type: {type_name}")
        return found

    # --- running

    def execute(self) -> None:
        """Run the tasks until all are over (contract §2.6).

        Raises:
            WorkflowFailed: tasks failed.
            ExecutionCancelled: a cancel was requested and nothing had failed.
        """
        self._engine.wait_after_fail = self.ctx.wait_after_fail
        self._errors = TaskDependencyGraphErrors()
        wake = functools.partial(self._inbox.put, None)
        api.cancel_callbacks.add(wake)
        try:
            self._conclude(self._run())
        finally:
            with self._lock:
                self._executing = None
            api.cancel_callbacks.discard(wake)

    def _run(self) -> Reason:
        engine, now = self._engine, self.ctx.internal.monotonic
        events: deque[Event[str]] = deque([Begin()])
        while True:
            with self._lock:
                self._executing = threading.get_ident()
                if api.cancel_request:
                    events.append(Cancel())
                if self._left_over:
                    commands, self._left_over = self._left_over, []
                    reason = self._carry_out(commands, events, now)
                    if reason is not None:
                        return reason
                while events:
                    reason = self._carry_out(engine.step(events.popleft(), now()), events, now)
                    if reason is not None:
                        return reason
                self._executing = 0  # waiting: whoever ends a task may go on by itself
                wake_at = engine.wake_at()
            patience = _LONGEST_WAIT if wake_at is None else min(_LONGEST_WAIT, max(0.0, wake_at - now()))
            try:
                ended = self._inbox.get(timeout=patience)
            except queue.Empty:
                events.append(Tick())
                continue
            while True:
                if isinstance(ended, BaseException):
                    raise ended
                if ended is not None:
                    with self._lock:
                        self._executing = threading.get_ident()
                        event = self._verdict(ended)
                    if event is not None:
                        events.append(event)
                if self._inbox.empty():
                    break
                ended = self._inbox.get()

    def _task_ended(self, task: WorkflowTask) -> None:
        """Take note that a started task is over; called by whichever thread ended it.

        Usually the thread that executes the graph is told. While that one only waits, a local task's own thread goes on
        with what the task was holding up, if that is nothing but starting tasks: two changes of threads a task are
        saved, which is most of the cost of a small one.
        """
        if (
            self._executing == 0
            and task.on_success is None
            and task._state == TASK_SUCCEEDED
            and isinstance(task, LocalWorkflowTask)
            and self._inbox.empty()
            and self._lock.acquire(blocking=False)
        ):
            try:
                if self._executing == 0 and not api.cancel_request and task.id in self._engine:
                    self._executing = threading.get_ident()
                    self._go_on_after(task)
                    self._executing = 0
                    return
            except BaseException as error:
                self._inbox.put(error)
                return
            finally:
                self._lock.release()
        self._inbox.put(task)

    def _go_on_after(self, task: WorkflowTask) -> None:
        internal = self.ctx.internal
        self._tasks.pop(task.id, None)
        commands = self._engine.step(Done(task.id), internal.monotonic())
        events: deque[Event[str]] = deque()
        if all(isinstance(command, Start) for command in commands):
            with internal.local_tasks_processor.going_on():
                self._carry_out(commands, events)
        else:
            self._left_over.extend(commands)
            self._inbox.put(None)
        for event in events:
            self._left_over.extend(self._engine.step(event, internal.monotonic()))
            self._inbox.put(None)

    def _carry_out(
        self, commands: list[Command[str]], events: deque[Event[str]], now: Callable[[], float] | None = None
    ) -> Reason | None:
        """Do what the engine says; returns why the run is over, if it is.

        Args:
            events: what happened meanwhile and the engine has to be told is put here.
            now: the clock; with it, what the end of a task makes ready is put behind the commands and done as well.
        """
        for command in commands:  # which grow meanwhile
            if isinstance(command, Start):
                if api.cancel_request:
                    events.append(Cancel())
                    return None
                if command.task not in self._engine:  # a handler may have removed it since it became ready
                    continue
                event = self._start(self._tasks[command.task])
            elif isinstance(command, Settle):
                if command.task not in self._engine:
                    continue
                event = self._settle(self._tasks[command.task], command.failed)
            elif isinstance(command, Finish) and not events:
                return command.reason
            else:
                continue
            if event is None:
                continue
            if now is not None and isinstance(event, Done):
                self._engine.done(event.task, now(), commands)
            else:
                events.append(event)
        return None

    def _start(self, task: WorkflowTask) -> Event[str] | None:
        """Start a task; returns what the engine has to be told of it at once."""
        if task.execute_after is not None:
            internal = self.ctx.internal
            seconds = task.execute_after - internal.unix_time()
            if seconds > 0:
                return Postpone(task.id, internal.monotonic() + seconds)
        if task.is_subgraph:
            task.apply_async()
            return None
        if task.ends_at_once and self._has_no_handlers(task):
            task.apply_async()
        elif not task.is_terminated:
            task._sink = self._task_ended
            task.apply_async()
            return None
        if task._state == TASK_SUCCEEDED and task.on_success is None:
            self._tasks.pop(task.id, None)
            return Done(task.id)
        self._inbox.put(task)
        return None

    @staticmethod
    def _has_no_handlers(task: WorkflowTask) -> bool:
        return task.on_success is None and task.on_failure is None

    def _settle(self, subgraph: Any, failed: str | None) -> Event[str] | None:
        if failed is None:
            subgraph.set_state(TASK_SUCCEEDED)
        else:
            if subgraph.failed_task is None:
                subgraph.failed_task = self._failed_members.pop(subgraph.id)
            subgraph.error = subgraph.failed_task.error
            subgraph.set_state(TASK_FAILED)
        return self._verdict(subgraph)

    def _verdict(self, task: WorkflowTask) -> Event[str] | None:
        """Ask what follows a task's end; its handlers run here, in the thread that executes the graph."""
        if task.id not in self._engine:
            return None
        if task._state == TASK_SUCCEEDED and task.on_success is None:
            self._tasks.pop(task.id, None)
            return Done(task.id)
        verdict = task.handle_task_terminated()
        replacement = verdict.retried_task
        if verdict.action == HandlerResult.HANDLER_RETRY:
            self._take_over(task, replacement)
            self._tasks.pop(task.id, None)
            return Retry(task.id, replacement.id)
        if replacement is not None and replacement.id in self._engine:
            self.remove_task(replacement)
        self._tasks.pop(task.id, None)
        if verdict.action == HandlerResult.HANDLER_FAIL:
            container = task.containing_subgraph
            if container is None:
                self._errors.add_error(task.async_result.result, task, self.ctx.internal.unix_time())
                for dependent in self._engine.dependents.get(task.id, ()):
                    self._tasks[dependent].dependency_error = True
            else:
                self._failed_members.setdefault(container.id, task)
            return Failed(task.id)
        return Done(task.id)

    def _take_over(self, task: WorkflowTask, replacement: WorkflowTask) -> None:
        """Let a retry stand in the graph, in the subgraph and in storage where the first try stood."""
        container = task.containing_subgraph
        if container is not None:
            container.add_task(replacement)
        else:
            self.add_task(replacement)
        replacement.retried_task = task.id
        if self.id is not None and task.stored:
            self._store_late(replacement)

    def _store_late(self, task: WorkflowTask) -> None:
        """Store a task that came into a stored graph while it ran, a subgraph with all that is in it: all or nothing.

        A retry of which only a part is found after a loss would be over when that part is.
        """
        late = [each for each in self._with_members(task) if not each.stored]
        self.ctx.internal.handler.store_operations(self.id, [self._record(each) for each in late])
        for each in late:
            each.stored = True

    def _with_members(self, task: WorkflowTask) -> Iterator[WorkflowTask]:
        yield task
        for member in self._engine.members(task.id):
            yield from self._with_members(self._tasks[member])

    def _conclude(self, reason: Reason) -> None:
        if self._errors:
            raise WorkflowFailed(self._errors.format_exception(), hide_traceback=True)
        if reason is Reason.CANCELLED:
            raise api.ExecutionCancelled
        if reason is Reason.STUCK:
            names = ", ".join(sorted(str(task) for task in self.tasks))
            raise RuntimeError(f"These tasks wait for each other, or for a task that failed, and cannot run: {names}")


class SubgraphTask(WorkflowTask):
    """A task made of tasks: it is over when they are.

    Attributes:
        graph: the one graph all of its tasks are in.
        failed_task: the first of its tasks that failed, or None.
    """

    is_subgraph = True

    def __init__(
        self,
        graph: TaskDependencyGraph,
        workflow_context: Any = None,
        task_id: str | None = None,
        total_retries: int = DEFAULT_SUBGRAPH_TOTAL_RETRIES,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("on_failure", _on_failure_handler_fail)
        super().__init__(workflow_context or graph.ctx, task_id, total_retries=total_retries, **kwargs)
        self.graph = graph
        self.failed_task: WorkflowTask | None = None
        if not isinstance(self.info, dict):
            self.info = {"name": self.info} if self.info else {}

    @property
    def name(self) -> str:
        return self.info.get("name") or self.id

    @property
    def tasks(self) -> dict[str, WorkflowTask]:
        """Its tasks that are not over, by id."""
        return {task_id: self.graph._tasks[task_id] for task_id in self.graph._engine.members(self.id)}

    def is_local(self) -> bool:
        return True

    def is_nop(self) -> bool:
        return not any(True for _ in self.graph._engine.members(self.id))

    def add_task(self, task: WorkflowTask) -> None:
        """Add a task to the graph and to this subgraph.

        Raises:
            RuntimeError: it is in another subgraph.
        """
        current = task.containing_subgraph
        if current is not None and current is not self:
            raise RuntimeError(
                f"task {task.name}[{task.id}] cannot be contained in more than one subgraph. "
                f"It is currently contained in {current.name} and it is now being added to {self.name}"
            )
        task.containing_subgraph = self
        self.graph._tasks[task.id] = task
        self.graph._engine.add(task.id, self.id, subgraph=task.is_subgraph)

    def add(self, *tasks: Any) -> None:
        """Add tasks; lists of them are taken one by one."""
        for task in _flat(tasks):
            self.add_task(task)

    def remove_task(self, task: WorkflowTask) -> None:
        """Take a task out of the graph."""
        self.graph.remove_task(task)

    def add_dependency(self, src_task: WorkflowTask, dst_task: WorkflowTask) -> None:
        """Let `src_task` run after `dst_task` has terminated."""
        self.graph.add_dependency(src_task, dst_task)

    def sequence(self) -> TaskSequence:
        """Return a new sequence that adds to this subgraph."""
        return TaskSequence(self)

    def subgraph(self, name: str) -> SubgraphTask:
        """Add a new, empty subgraph to this one and return it."""
        task = self.graph.subgraph(name)
        self.add_task(task)
        return task

    def apply_async(self) -> WorkflowTaskResult:
        """Open the subgraph; an empty one ends without ever having been open."""
        if self._state == TASK_PENDING and not self.is_nop():
            self.set_state(TASK_STARTED)
        return self.async_result

    def _verdict_over_failure(self) -> HandlerResult:
        return self.on_failure(self) if self.on_failure else HandlerResult.fail()

    @classmethod
    def _build(cls, ctx: Any, graph: Any, task_kwargs: dict[str, Any], common: dict[str, Any]) -> WorkflowTask:
        return cls(graph=graph, workflow_context=ctx, **task_kwargs, **common)

    def __repr__(self) -> str:
        return f"<SubgraphTask {self.name}: {self.get_state()}>"


def _on_failure_handler_fail(task: WorkflowTask) -> HandlerResult:
    return HandlerResult.fail()


__all__ = [
    "SubgraphTask",
    "TaskDependencyGraph",
    "TaskDependencyGraphError",
    "TaskDependencyGraphErrors",
    "TaskSequence",
    "forkjoin",
    "make_or_get_graph",
]
