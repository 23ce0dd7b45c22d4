"""The run of a workflow function, from its first event to its outcome (contract §3.1, §3.2, §3.3).

The runtime calls `run_workflow` in the workflow's thread and `announce` with what came out; when it ends an
execution early (force-cancel, kill) it announces the cancellation itself and drops what comes out.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import manager_core
from cloudify import errors_as_data
from cloudify.exceptions import WorkflowFailed
from cloudify.models_states import ExecutionState
from cloudify.state import current_workflow_ctx
from cloudify.workflows import workflow_api as api

_OURS = (str(Path(__file__).resolve().parents[1]), str(Path(manager_core.__file__).resolve().parent))


@dataclass(frozen=True)
class Outcome:
    """How a workflow function ended.

    Attributes:
        status: ``terminated``, ``failed`` or ``cancelled``.
        error: the execution's error: a traceback, or the bare text of a `WorkflowFailed`; None without one.
        text: the failure in a line, for the event.
    """

    status: str
    error: str | None = None
    text: str = ""


CANCELLED = Outcome(ExecutionState.CANCELLED)


def run_workflow(function: Callable[..., Any], ctx: Any, parameters: Mapping[str, Any]) -> Outcome:
    """Call a workflow function and wait for the tasks it left running.

    Sends ``workflow_started``, unless an execution is resumed that cannot be.
    """
    if ctx.resume and not getattr(function, "resumable", False):
        return failure(RuntimeError(f"Cannot resume - workflow not resumable: {function}"))
    with current_workflow_ctx.push(ctx, parameters):
        internal = ctx.internal
        internal.local_tasks_processor.parameters = dict(parameters)
        verb = "Resuming" if ctx.resume else "Starting"
        internal.send_workflow_event("workflow_started", f"{verb} '{ctx.workflow_id}' workflow execution{_dry(ctx)}")
        try:
            result = function(**{**parameters, "ctx": ctx})
            internal.wait_for_unfetched()
        except api.ExecutionCancelled:
            return CANCELLED
        except BaseException as error:
            # Whatever an author's function raises, SystemExit among it, is the execution's failure.
            return failure(error)
    if isinstance(result, str) and result == api.EXECUTION_CANCELLED_RESULT:
        return CANCELLED
    return Outcome(ExecutionState.TERMINATED)


def announce(ctx: Any, outcome: Outcome) -> None:
    """Send the workflow's last event (contract §8.2); the final status follows it."""
    name = ctx.workflow_id
    send = ctx.internal.send_workflow_event
    if outcome.status == ExecutionState.TERMINATED:
        send("workflow_succeeded", f"'{name}' workflow execution succeeded{_dry(ctx)}")
    elif outcome.status == ExecutionState.CANCELLED:
        send("workflow_cancelled", f"'{name}' workflow execution cancelled")
    else:
        send("workflow_failed", f"'{name}' workflow execution failed: {outcome.text}", args={"error": outcome.error})


def failure(error: BaseException) -> Outcome:
    """Return the outcome of a workflow that raised `error`."""
    text = errors_as_data.text_of(error)
    if isinstance(error, WorkflowFailed):
        return Outcome(ExecutionState.FAILED, text, text)
    return Outcome(ExecutionState.FAILED, _author_traceback(error, text), text)


def _author_traceback(error: BaseException, text: str) -> str:
    frames: TracebackType | None = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_OURS):
        frames = frames.tb_next
    try:
        return errors_as_data.cut("".join(traceback.format_exception(type(error), error, frames)))
    except BaseException:  # an author's __str__ may do anything
        return f"{type(error).__name__}: {text}"


def _dry(ctx: Any) -> str:
    return " (dry run)" if ctx.dry_run else ""
