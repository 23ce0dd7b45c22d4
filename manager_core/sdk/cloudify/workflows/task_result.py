"""The result of a task that may still be running (contract §1.10, §3.1)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cloudify.constants import TASK_SUCCEEDED
from cloudify.workflows import workflow_api
from cloudify.workflows.handler_result import HandlerResult

if TYPE_CHECKING:
    from cloudify.workflows.tasks import WorkflowTask

_NOT_SET = object()
_callbacks_lock = threading.Lock()


class WorkflowTaskResult:
    """What a task will come to.

    Attributes:
        task: the task.
    """

    __slots__ = ("_callbacks", "_result", "_waiter", "task")

    def __init__(self, task: WorkflowTask) -> None:
        self.task = task
        self._result: Any = _NOT_SET
        self._callbacks: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] | None = None
        self._waiter: threading.Event | None = None

    @property
    def is_set(self) -> bool:
        """Whether the task is over."""
        return self._result is not _NOT_SET

    @property
    def result(self) -> Any:
        """The result, or the exception object of a task that did not succeed; `RuntimeError` before the end."""
        if self._result is _NOT_SET:
            raise RuntimeError("Result not set yet")
        return self._result

    @result.setter
    def result(self, value: Any) -> None:
        # The order matters: a waiter looks at the result after it has hung itself up here.
        self._result = value
        if self._callbacks is not None:
            with _callbacks_lock:
                callbacks, self._callbacks = self._callbacks, None
            for function, args, kwargs in callbacks or ():
                function(value, *args, **kwargs)
        waiter = self._waiter
        if waiter is not None:
            waiter.set()

    def on_result(self, f: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Call `f` with the result once it is set; at once if it is."""
        with _callbacks_lock:
            if self._callbacks is None:
                self._callbacks = []
            mine = (f, args, kwargs)
            self._callbacks.append(mine)
        if self._result is not _NOT_SET:
            with _callbacks_lock:
                if not self._callbacks or mine not in self._callbacks:
                    return
                self._callbacks.remove(mine)
            f(self._result, *args, **kwargs)

    def get(self, retry_on_failure: bool = True) -> Any:
        """Wait for the task and return its result; raise what it raised.

        Args:
            retry_on_failure: on failure apply the retry rules and wait for the retries as well.

        Raises:
            ExecutionCancelled: a cancel was requested before the task was over.
        """
        task: WorkflowTask = self.task
        while True:
            outcome = task.async_result._wait()
            task.workflow_context.internal.forget_task(task)
            if task.get_state() == TASK_SUCCEEDED:
                return outcome
            if not retry_on_failure:
                raise outcome
            verdict = task.handle_task_terminated()
            if verdict.action != HandlerResult.HANDLER_RETRY:
                raise outcome
            task = verdict.retried_task
            task.workflow_context.internal.start_task(task)

    def _wait(self) -> Any:
        if self._result is _NOT_SET:
            if workflow_api.has_cancel_request():
                raise workflow_api.ExecutionCancelled
            waiter = self._waiter = threading.Event()
            workflow_api.cancel_callbacks.add(waiter.set)
            try:
                while self._result is _NOT_SET and not workflow_api.has_cancel_request():
                    waiter.wait(1)
                    waiter.clear()
            finally:
                workflow_api.cancel_callbacks.discard(waiter.set)
            if self._result is _NOT_SET:
                raise workflow_api.ExecutionCancelled
        return self._result
