"""Tasks: what a workflow does, one step at a time (contract §1.10, §2).

`apply_async` starts a task and returns its result object; `set_state` is the one door through which a task
moves, and there the state is stored, the event told and the result handed over. The task that changes
states in storage lives in a stored graph (`stored`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from cloudify.constants import (
    INSPECT_TIMEOUT,
    MGMTWORKER_QUEUE,
    TASK_FAILED,
    TASK_PENDING,
    TASK_RESCHEDULED,
    TASK_RESPONSE_SENT,
    TASK_SENDING,
    TASK_SENT,
    TASK_STARTED,
    TASK_SUCCEEDED,
    TERMINATED_STATES,
)
from cloudify.errors_as_data import describe, restore
from cloudify.exceptions import NonRecoverableError, OperationRetry, RecoverableError
from cloudify.workflows import workflow_api as api
from cloudify.workflows.events import tell
from cloudify.workflows.handler_result import HandlerResult
from cloudify.workflows.ids import new_id
from cloudify.workflows.stored_handlers import dump_handler, load_handler
from cloudify.workflows.task_result import WorkflowTaskResult
from manager_core.graph.retries import delay, may_retry

INFINITE_TOTAL_RETRIES = -1
DEFAULT_TOTAL_RETRIES = INFINITE_TOTAL_RETRIES
DEFAULT_RETRY_INTERVAL = 30
DEFAULT_SUBGRAPH_TOTAL_RETRIES = 0
DEFAULT_SEND_TASK_EVENTS = True
DISPATCH_TASK = "cloudify.dispatch.dispatch"

_STATES = frozenset(
    {
        TASK_PENDING,
        TASK_SENDING,
        TASK_SENT,
        TASK_STARTED,
        TASK_RESPONSE_SENT,
        TASK_RESCHEDULED,
        TASK_SUCCEEDED,
        TASK_FAILED,
    }
)
_TERMINAL = frozenset(TERMINATED_STATES)
_NOT_SET: Any = object()


class WorkflowTask:
    """A step of a workflow.

    Attributes:
        id: a UUID; tasks compare and hash by it.
        info: what the task is about; free.
        on_success, on_failure: called with the task when it ends, answering with a `HandlerResult`.
        total_retries: how many retries there may be; -1 is without limit.
        retry_interval: seconds before a retry.
        current_retries: how many retries led to this task.
        retried_task: id of the task this one is a retry of.
        execute_after: unix time before which it is not started, or None.
        containing_subgraph: the subgraph it belongs to, or None.
        stored: whether its states are kept in storage.
        error: what a failed operation raised, as data.
        dependency_error: whether a task it waits for has failed.
    """

    is_terminated = False
    retried_task: str | None = None
    execute_after: float | None = None
    containing_subgraph: Any = None
    stored = False
    error: dict[str, Any] | None = None
    dependency_error = False
    current_retries = 0
    is_subgraph = False
    ends_at_once = False  # whether `apply_async` has the task over when it returns
    _sink: Callable[[WorkflowTask], object] | None = None

    def __init__(
        self,
        workflow_context: Any,
        task_id: str | None = None,
        info: Any = None,
        on_success: Any = None,
        on_failure: Any = None,
        total_retries: int = DEFAULT_TOTAL_RETRIES,
        retry_interval: float = DEFAULT_RETRY_INTERVAL,
        timeout: float | None = None,
        timeout_recoverable: bool | None = None,
        send_task_events: bool = DEFAULT_SEND_TASK_EVENTS,
    ) -> None:
        self.id = task_id or new_id()
        self._state = TASK_PENDING
        self.async_result = WorkflowTaskResult(self)
        self.workflow_context = workflow_context
        self.info = info
        self.on_success = on_success
        self.on_failure = on_failure
        self.total_retries = total_retries
        self.retry_interval = retry_interval
        self.timeout = timeout
        self.timeout_recoverable = timeout_recoverable
        self.send_task_events = send_task_events

    def __hash__(self) -> int:
        return hash(self.id)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return self.id == (other.id if isinstance(other, WorkflowTask) else other)

    def __repr__(self) -> str:
        return f"<{self.task_type} {self.id}>"

    def __str__(self) -> str:
        return f"{self.name}({self.info if self.info is not None else ''})"

    @property
    def task_type(self) -> str:
        """The class name, under which the task is stored."""
        return type(self).__name__

    @property
    def name(self) -> str:
        """What the task is called in events."""
        return self.task_type

    @property
    def short_description(self) -> str:
        """What the task is called in errors."""
        return self.name

    @property
    def cloudify_context(self) -> dict[str, Any]:
        """The context sent to the operation; empty for tasks that send none."""
        return {}

    def is_local(self) -> bool:
        """Whether the task runs in the workflow process."""
        raise TypeError(f"{self.task_type} does not say where it runs")

    def is_remote(self) -> bool:
        """Whether the task runs in another process."""
        return not self.is_local()

    def is_nop(self) -> bool:
        """Whether leaving the task out would change nothing."""
        return False

    def apply_async(self) -> WorkflowTaskResult:
        """Start the task and return its result object."""
        raise TypeError(f"{self.task_type} cannot be started")

    # --- states

    def get_state(self) -> str:
        """Return the state (contract §2.1)."""
        return self._state

    def set_state(self, state: str, result: Any = _NOT_SET, exception: BaseException | None = None) -> None:
        """Move the task to `state`; does nothing once it is in a terminal one.

        Args:
            result: of a success.
            exception: of a failure or a rescheduling; becomes the result.

        Raises:
            RuntimeError: there is no such state.
        """
        if state not in _STATES:
            raise RuntimeError(f"Illegal state set on task: {state} [task={self}]")
        if self.is_terminated:
            return
        terminal = state in _TERMINAL
        self._state = state
        if exception is not None and self.error is None:
            self.error = describe(exception)
        if self.stored:
            self._store_state(state, None if result is _NOT_SET else result)
        self._tell(state, None if result is _NOT_SET else result, exception)
        if terminal:
            self.is_terminated = True
            self.async_result.result = exception if exception is not None else None if result is _NOT_SET else result
            sink = self._sink
            if sink is not None:
                sink(self)

    def _store_state(self, state: str, result: Any) -> None:
        self.workflow_context.internal.handler.update_operation(
            self.id, state, result=result, error=self.error if state in _TERMINAL else None
        )

    def _tell(self, state: str, result: Any, exception: BaseException | None) -> None:
        """Send the event of a new state. Of stored tasks only operations and subgraphs are told (contract §2.2)."""
        if self.stored and not self.is_subgraph and self.is_local():
            return
        if self.send_task_events or state == TASK_FAILED:
            tell(self.workflow_context.internal.handler, self, state, result, exception)

    # --- the end

    def handle_task_terminated(self) -> HandlerResult:
        """Return what follows the task's end, with `retried_task` filled in for a retry (contract §2.4)."""
        if self._state == TASK_SUCCEEDED:
            verdict = self.on_success(self) if self.on_success else HandlerResult.cont()
        else:
            verdict = self._verdict_over_failure()
        if verdict is None:
            verdict = HandlerResult.cont() if self._state == TASK_SUCCEEDED else HandlerResult.fail()
        if verdict.action == HandlerResult.HANDLER_RETRY:
            if not may_retry(self.total_retries, self.current_retries, ignore_total=verdict.ignore_total_retries):
                verdict.action = HandlerResult.HANDLER_FAIL
            elif verdict.retried_task is None:
                seconds = delay(verdict.retry_after, self.retry_interval)
                internal = self.workflow_context.internal
                verdict.retried_task = self.duplicate_for_retry(internal.unix_time() + seconds if seconds > 0 else None)
        return verdict

    def _verdict_over_failure(self) -> HandlerResult:
        exception = self.async_result.result
        if isinstance(exception, OperationRetry):
            return HandlerResult.retry(retry_after=exception.retry_after)
        if self.on_failure:
            return self.on_failure(self)
        if isinstance(exception, NonRecoverableError):
            return HandlerResult.fail()
        return HandlerResult.retry(retry_after=getattr(exception, "retry_after", None))

    def duplicate_for_retry(self, execute_after: float | None) -> WorkflowTask:
        """Return the task that tries this one again, not before the unix time `execute_after`."""
        again = self._duplicate()
        again.execute_after = execute_after
        again.current_retries = self.current_retries + 1
        again.retried_task = self.id
        operation = again.cloudify_context.get("operation")
        if operation is not None:
            operation["retry_number"] = again.current_retries
        return again

    def _duplicate(self) -> WorkflowTask:
        raise RuntimeError(f"{self.task_type} cannot be retried by itself: its handler has to set retried_task")

    # --- storage

    def dump(self) -> dict[str, Any]:
        """Return the task as it is stored (contract §3.4)."""
        container = self.containing_subgraph
        return {
            "id": self.id,
            "name": self.name,
            "state": self._state,
            "type": self.task_type,
            "parameters": {
                "on_success": dump_handler(self.on_success),
                "on_failure": dump_handler(self.on_failure),
                "retried_task": self.retried_task,
                "current_retries": self.current_retries,
                "total_retries": self.total_retries,
                "retry_interval": self.retry_interval,
                "send_task_events": self.send_task_events,
                "info": self.info,
                "error": self.error,
                "containing_subgraph": container.id if container is not None else None,
                "task_kwargs": self._dump_kwargs(),
            },
        }

    def _dump_kwargs(self) -> dict[str, Any]:
        return {}

    @classmethod
    def restore(cls, ctx: Any, graph: Any, task_descr: dict[str, Any]) -> WorkflowTask:
        """Build the task again from what `dump` returned."""
        parameters = task_descr["parameters"]
        task = cls._build(
            ctx,
            graph,
            parameters.get("task_kwargs") or {},
            {
                "task_id": task_descr["id"],
                "info": parameters.get("info"),
                "total_retries": parameters.get("total_retries", DEFAULT_TOTAL_RETRIES),
                "retry_interval": parameters.get("retry_interval", DEFAULT_RETRY_INTERVAL),
                "send_task_events": parameters.get("send_task_events", DEFAULT_SEND_TASK_EVENTS),
            },
        )
        task.on_success = load_handler(parameters.get("on_success"))
        task.on_failure = load_handler(parameters.get("on_failure"))
        task.current_retries = parameters.get("current_retries") or 0
        task.retried_task = parameters.get("retried_task")
        task._state = task_descr["state"]
        task.stored = True
        return task

    def end_as_stored(self, error: dict[str, Any] | None) -> None:
        """Be over as it was in an earlier run, without telling it again; what follows from that is asked anew.

        Args:
            error: what it raised, as data; None where that was not kept.
        """
        if error is not None:
            exception = restore(error)
        elif self._state == TASK_RESCHEDULED:
            exception = OperationRetry(f"{self.short_description} asked for a retry in an earlier run")
        else:
            exception = NonRecoverableError(f"{self.short_description} failed in an earlier run of this execution")
        self.error = error or describe(exception)
        self.is_terminated = True
        self.async_result.result = exception

    @classmethod
    def _build(cls, ctx: Any, graph: Any, task_kwargs: dict[str, Any], common: dict[str, Any]) -> WorkflowTask:
        return cls(workflow_context=ctx, **task_kwargs, **common)


class RemoteWorkflowTask(WorkflowTask):
    """An operation, run by a worker in another process."""

    def __init__(
        self,
        kwargs: dict[str, Any],
        cloudify_context: dict[str, Any],
        workflow_context: Any,
        task_id: str | None = None,
        task_queue: str | None = None,
        task_target: str | None = None,
        **kw: Any,
    ) -> None:
        super().__init__(workflow_context, task_id, **kw)
        self._kwargs = kwargs
        self._cloudify_context = cloudify_context
        self._task_queue = task_queue
        self._task_target = task_target

    @property
    def name(self) -> str:
        return self._cloudify_context["task_name"]

    @property
    def short_description(self) -> str:
        context = self._cloudify_context
        operation = (context.get("operation") or {}).get("name")
        if not operation and not context.get("node_id"):
            return self.name
        return f"{self.name} ({context.get('node_id')}:{operation})"

    @property
    def cloudify_context(self) -> dict[str, Any]:
        return self._cloudify_context

    @property
    def kwargs(self) -> dict[str, Any]:
        """The operation's arguments, ``__cloudify_context`` among them."""
        return self._kwargs

    @property
    def queue(self) -> str:
        """Which worker it goes to."""
        return self._task_queue or MGMTWORKER_QUEUE

    @property
    def target(self) -> str:
        """Which worker it goes to."""
        return self._task_target or MGMTWORKER_QUEUE

    def is_local(self) -> bool:
        return False

    def apply_async(self) -> WorkflowTaskResult:
        """Send the operation; one found in storage as already sent is taken up instead."""
        state = self._state
        internal = self.workflow_context.internal
        self._kwargs.setdefault("__cloudify_context", self._cloudify_context)
        if state in (TASK_PENDING, TASK_SENDING):
            self._state = TASK_SENDING
            self._tell(TASK_SENDING, None, None)
            # `sending` is not stored: for whoever resumes it is the same as `pending`.
            self.set_state(TASK_SENT)
            internal.send_operation(self)
        elif not self.is_terminated:
            internal.recover_operation(self, state)
        return self.async_result

    def on_report(self, report: Any) -> None:
        """Take what the runner says; called from a thread of the runtime, which has stored it already."""
        if self.workflow_context.internal.closed or self.is_terminated:
            return
        if report.stage == "started":
            self._state = TASK_STARTED
            if self.stored:
                self._tell(TASK_STARTED, None, None)
        elif report.error is None:
            self.set_state(TASK_SUCCEEDED, result=report.result)
        else:
            self.error = report.error
            exception = restore(report.error)
            state = TASK_RESCHEDULED if isinstance(exception, OperationRetry) else TASK_FAILED
            self.set_state(state, exception=exception)

    def _duplicate(self) -> WorkflowTask:
        again_id = new_id()
        context = dict(self._cloudify_context, task_id=again_id)
        if "operation" in context:
            context["operation"] = dict(context["operation"])
        return type(self)(
            kwargs={**self._kwargs, "__cloudify_context": context},
            cloudify_context=context,
            workflow_context=self.workflow_context,
            task_id=again_id,
            task_queue=self._task_queue,
            task_target=self._task_target,
            info=self.info,
            on_success=self.on_success,
            on_failure=self.on_failure,
            total_retries=self.total_retries,
            retry_interval=self.retry_interval,
            timeout=self.timeout,
            timeout_recoverable=self.timeout_recoverable,
            send_task_events=self.send_task_events,
        )

    def _dump_kwargs(self) -> dict[str, Any]:
        context = {
            key: value for key, value in self._cloudify_context.items() if key not in ("execution_token", "rest_token")
        }
        return {
            "kwargs": {**self._kwargs, "__cloudify_context": context},
            "task_queue": self._task_queue,
            "task_target": self._task_target,
            "timeout": self.timeout,
            "timeout_recoverable": self.timeout_recoverable,
        }

    @classmethod
    def _build(cls, ctx: Any, graph: Any, task_kwargs: dict[str, Any], common: dict[str, Any]) -> WorkflowTask:
        kwargs = dict(task_kwargs["kwargs"])
        context = {**kwargs["__cloudify_context"], **ctx.internal.tokens()}
        kwargs["__cloudify_context"] = context
        return cls(
            kwargs=kwargs,
            cloudify_context=context,
            workflow_context=ctx,
            task_queue=task_kwargs.get("task_queue"),
            task_target=task_kwargs.get("task_target"),
            timeout=task_kwargs.get("timeout"),
            timeout_recoverable=task_kwargs.get("timeout_recoverable"),
            **common,
        )


class LocalWorkflowTask(WorkflowTask):
    """A callable run in the workflow process, on one of its local task threads."""

    def __init__(
        self,
        local_task: Callable[..., Any],
        workflow_context: Any,
        node: Any = None,
        info: Any = None,
        total_retries: int = DEFAULT_TOTAL_RETRIES,
        retry_interval: float = DEFAULT_RETRY_INTERVAL,
        send_task_events: bool = DEFAULT_SEND_TASK_EVENTS,
        kwargs: dict[str, Any] | None = None,
        task_id: str | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            workflow_context,
            task_id,
            info,
            None,
            None,
            total_retries,
            retry_interval,
            send_task_events=send_task_events,
        )
        self.local_task = local_task
        self.node = node
        self.kwargs = kwargs or {}
        self._name = name or getattr(local_task, "__name__", None) or type(local_task).__name__

    @property
    def name(self) -> str:
        return self._name

    @property
    def cloudify_context(self) -> dict[str, Any]:
        return self.kwargs.get("__cloudify_context") or {}

    def is_local(self) -> bool:
        return True

    def apply_async(self) -> WorkflowTaskResult:
        """Hand the callable to the local task threads."""
        if not self.is_terminated:
            # Nobody is told of `sent`, and it is not stored: for whoever resumes, the task is as good as pending.
            self._state = TASK_SENT
            self.workflow_context.internal.add_local_task(self._run)
        return self.async_result

    def _run(self) -> None:
        self.set_state(TASK_STARTED)
        try:
            result = self.local_task(**self.kwargs)
        except OperationRetry as error:
            self.set_state(TASK_RESCHEDULED, exception=error)
        except BaseException as error:
            # Also SystemExit: a local task must not take the workflow process with it.
            self.set_state(TASK_FAILED, exception=error)
        else:
            self.set_state(TASK_SUCCEEDED, result=result)

    def _store_state(self, state: str, result: Any) -> None:
        # A local task's result belongs to this process and need not be JSON.
        super()._store_state(state, None)

    def _duplicate(self) -> WorkflowTask:
        again = type(self)(
            local_task=self.local_task,
            workflow_context=self.workflow_context,
            node=self.node,
            info=self.info,
            total_retries=self.total_retries,
            retry_interval=self.retry_interval,
            send_task_events=self.send_task_events,
            kwargs=self.kwargs,
            name=self._name,
        )
        again.on_success, again.on_failure = self.on_success, self.on_failure
        return again

    def _dump_kwargs(self) -> dict[str, Any]:
        return {"name": self._name}

    @classmethod
    def _build(cls, ctx: Any, graph: Any, task_kwargs: dict[str, Any], common: dict[str, Any]) -> WorkflowTask:
        # The callable is not stored, so a restored local task has nothing to run.
        return cls(local_task=_nothing, workflow_context=ctx, name=task_kwargs.get("name"), **common)


def _nothing(**_: Any) -> None:
    return None


class NOPLocalWorkflowTask(WorkflowTask):
    """Does nothing; stands where an operation is not mapped."""

    ends_at_once = True

    @property
    def name(self) -> str:
        return "NOP"

    def is_local(self) -> bool:
        return True

    def is_nop(self) -> bool:
        return not (self.on_success or self.on_failure)

    def apply_async(self) -> WorkflowTaskResult:
        """Succeed at once, without an event."""
        if not self.is_terminated:
            self.set_state(TASK_SUCCEEDED)
        return self.async_result

    def _tell(self, state: str, result: Any, exception: BaseException | None) -> None:
        return

    def _duplicate(self) -> WorkflowTask:
        return type(self)(
            self.workflow_context,
            info=self.info,
            on_success=self.on_success,
            on_failure=self.on_failure,
            total_retries=self.total_retries,
            retry_interval=self.retry_interval,
        )


class DryRunLocalWorkflowTask(LocalWorkflowTask):
    """Stands for an operation in a dry run: its events are sent, nothing is run."""

    def apply_async(self) -> WorkflowTaskResult:
        """Succeed at once, with events."""
        self._state = TASK_SENDING
        self._tell(TASK_SENDING, None, None)
        self.set_state(TASK_STARTED)
        self.set_state(TASK_SUCCEEDED)
        return self.async_result


class _BuiltinTask(WorkflowTask):
    """A step done at once in the workflow process; only its failure is told."""

    ends_at_once = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("send_task_events", False)
        kwargs.setdefault("total_retries", 0)
        super().__init__(*args, **kwargs)

    def is_local(self) -> bool:
        return True

    def apply_async(self) -> WorkflowTaskResult:
        if not self.is_terminated:
            try:
                result = self._run()
            except Exception as error:
                self.set_state(TASK_FAILED, exception=error)
            else:
                self.set_state(TASK_SUCCEEDED, result=result)
        return self.async_result

    def _run(self) -> Any:
        raise TypeError(f"{self.task_type} does nothing")

    def _tell(self, state: str, result: Any, exception: BaseException | None) -> None:
        if state == TASK_FAILED:
            self.workflow_context.internal.send_task_event(state, self, {"result": result, "exception": exception})

    def _duplicate(self) -> WorkflowTask:
        return type(self)(
            workflow_context=self.workflow_context,
            info=self.info,
            on_success=self.on_success,
            on_failure=self.on_failure,
            total_retries=self.total_retries,
            retry_interval=self.retry_interval,
            **copy.copy(self._dump_kwargs()),
        )


class SetNodeInstanceStateTask(_BuiltinTask):
    """Writes the state of a node instance."""

    def __init__(self, node_instance_id: str, state: str, *args: Any, **kwargs: Any) -> None:
        self._node_instance_id = node_instance_id
        self._new_state = state
        kwargs.setdefault("info", state)
        super().__init__(*args, **kwargs)

    def _run(self) -> None:
        self.workflow_context.internal.handler.set_node_instance_state(self._node_instance_id, self._new_state)

    def _dump_kwargs(self) -> dict[str, Any]:
        return {"node_instance_id": self._node_instance_id, "state": self._new_state}


class GetNodeInstanceStateTask(_BuiltinTask):
    """Reads the stored state of a node instance."""

    def __init__(self, node_instance_id: str, *args: Any, **kwargs: Any) -> None:
        self._node_instance_id = node_instance_id
        super().__init__(*args, **kwargs)

    def _run(self) -> str:
        return self.workflow_context.internal.handler.get_node_instance(self._node_instance_id)["state"]

    def _dump_kwargs(self) -> dict[str, Any]:
        return {"node_instance_id": self._node_instance_id}


class SendNodeEventTask(_BuiltinTask):
    """Sends an event about a node instance."""

    def __init__(
        self,
        node_instance_id: str,
        event: str,
        additional_context: dict[str, Any] | None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        self._node_instance_id = node_instance_id
        self._event = event
        self._additional_context = additional_context
        kwargs.setdefault("info", event)
        super().__init__(*args, **kwargs)

    def _run(self) -> None:
        internal = self.workflow_context.internal
        internal.handler.send_event(
            "workflow_node_event",
            self._event,
            node_instance_id=self._node_instance_id,
            node_name=internal.node_name_of(self._node_instance_id),
            context=self._additional_context,
        )

    def _dump_kwargs(self) -> dict[str, Any]:
        return {
            "node_instance_id": self._node_instance_id,
            "event": self._event,
            "additional_context": self._additional_context,
        }


class SendWorkflowEventTask(_BuiltinTask):
    """Sends an event about the workflow."""

    def __init__(
        self,
        event: str,
        event_type: str,
        event_args: Any,
        additional_context: dict[str, Any] | None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        self._event = event
        self._event_type = event_type
        self._event_args = event_args
        self._additional_context = additional_context
        kwargs.setdefault("info", event)
        super().__init__(*args, **kwargs)

    def _run(self) -> None:
        self.workflow_context.internal.send_workflow_event(
            event_type=self._event_type,
            message=self._event,
            args=self._event_args,
            additional_context=self._additional_context,
        )

    def _dump_kwargs(self) -> dict[str, Any]:
        return {
            "event": self._event,
            "event_type": self._event_type,
            "event_args": self._event_args,
            "additional_context": self._additional_context,
        }


class UpdateExecutionStatusTask(_BuiltinTask):
    """Sets a custom status of the execution."""

    def __init__(self, status: str, *args: Any, **kwargs: Any) -> None:
        self._status = status
        kwargs.setdefault("info", status)
        super().__init__(*args, **kwargs)

    def _run(self) -> None:
        self.workflow_context.internal.handler.update_execution_status(self._status)

    def _dump_kwargs(self) -> dict[str, Any]:
        return {"status": self._status}


__all__ = [
    "DEFAULT_RETRY_INTERVAL",
    "DEFAULT_SEND_TASK_EVENTS",
    "DEFAULT_SUBGRAPH_TOTAL_RETRIES",
    "DEFAULT_TOTAL_RETRIES",
    "DISPATCH_TASK",
    "INFINITE_TOTAL_RETRIES",
    "INSPECT_TIMEOUT",
    "MGMTWORKER_QUEUE",
    "TASK_FAILED",
    "TASK_PENDING",
    "TASK_RESCHEDULED",
    "TASK_RESPONSE_SENT",
    "TASK_SENDING",
    "TASK_SENT",
    "TASK_STARTED",
    "TASK_SUCCEEDED",
    "TERMINATED_STATES",
    "DryRunLocalWorkflowTask",
    "GetNodeInstanceStateTask",
    "HandlerResult",
    "LocalWorkflowTask",
    "NOPLocalWorkflowTask",
    "RecoverableError",
    "RemoteWorkflowTask",
    "SendNodeEventTask",
    "SendWorkflowEventTask",
    "SetNodeInstanceStateTask",
    "UpdateExecutionStatusTask",
    "WorkflowTask",
    "WorkflowTaskResult",
    "api",
]
