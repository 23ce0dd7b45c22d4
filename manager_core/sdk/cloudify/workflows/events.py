"""Task events: which state is told, and in which words (contract §2.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cloudify.constants import TASK_FAILED
from cloudify.errors_as_data import describe
from manager_core.graph.task_events import EVENT_TYPES
from manager_core.graph.task_events import message as format_event_message


def get_event_type(state: str) -> str:
    """Return the event type of a task state; raises `RuntimeError` for a state that is not told."""
    try:
        return EVENT_TYPES[state]
    except KeyError:
        raise RuntimeError(f"unhandled event type: {state}") from None


def send_task_event(state: str, task: Any, send_event_func: Callable[..., Any], event: Any = None) -> None:
    """Send the event of a task that has just entered `state`, unless this state of this task is not told.

    Args:
        send_event_func: called with the task, the event type, the message and the additional context.
        event: ``result`` and ``exception`` of the task, as a dict.
    """
    event_type = EVENT_TYPES.get(state)
    if event_type is None or (state != TASK_FAILED and not task.send_task_events):
        return
    event = event or {}
    exception = event.get("exception")
    message = _text_of(task, state, event.get("result"), exception)
    context: dict[str, Any] = {
        "task_current_retries": task.current_retries,
        "task_total_retries": task.total_retries,
    }
    causes = error_causes(exception) if exception is not None else None
    if causes:
        context["task_error_causes"] = causes
    send_event_func(task, event_type, message, context)


def tell(handler: Any, task: Any, state: str, result: Any, exception: BaseException | None) -> None:
    """Hand the event of a task's new state to the runtime; what every task goes through, and so kept short."""
    event_type = EVENT_TYPES.get(state)
    if event_type is None:
        return
    message = _text_of(task, state, result, exception)
    causes = error_causes(exception) if exception is not None else None
    context = task.cloudify_context
    if context:
        _send(handler, task, context, event_type, message, causes)
    else:
        handler.send_event(event_type, message, error_causes=causes)


def _text_of(task: Any, state: str, result: Any, exception: BaseException | None) -> str:
    return format_event_message(
        task.name,
        task.task_type,
        state,
        result,
        exception,
        task.current_retries,
        task.total_retries,
        " (dry run)" if task.workflow_context.dry_run else None,
    )


def error_causes(exception: BaseException) -> list[dict[str, Any]]:
    """Return the causes an exception carries, or itself as the only one."""
    causes = getattr(exception, "causes", None)
    if causes:
        return list(causes)
    return describe(exception)["causes"]


def send_task_event_func_remote(
    task: Any, event_type: str, message: str, additional_context: dict[str, Any] | None = None
) -> None:
    """Hand a task event to the runtime, with the instance and operation the task is about."""
    context = task.cloudify_context or {}
    additional = dict(additional_context or {})
    causes = additional.pop("task_error_causes", None)
    about = {
        "task_id": task.id,
        "task_name": context.get("task_name"),
        "task_queue": context.get("task_queue"),
        "task_target": context.get("task_target"),
    }
    told = {**{key: value for key, value in about.items() if value is not None}, **additional}
    _send(task.workflow_context.internal.handler, task, context, event_type, message, causes, told)


def _send(
    handler: Any,
    task: Any,
    context: Mapping[str, Any],
    event_type: str,
    message: str,
    causes: list[dict[str, Any]] | None,
    told: dict[str, Any] | None = None,
) -> None:
    related = context.get("related")
    operation = source = target = None
    if task.stored:
        operation = (context.get("operation") or {}).get("name")
    elif related:
        node_id, other = context.get("node_id"), related.get("node_id")
        source, target = (node_id, other) if related.get("is_target") else (other, node_id)
    handler.send_event(
        event_type,
        message,
        node_instance_id=context.get("node_id"),
        node_name=context.get("node_name"),
        source_id=source,
        target_id=target,
        operation=operation,
        error_causes=causes,
        context=told,
    )


send_task_event_func_local = send_task_event_func_remote

__all__ = [
    "error_causes",
    "format_event_message",
    "get_event_type",
    "send_task_event",
    "send_task_event_func_local",
    "send_task_event_func_remote",
    "tell",
]
