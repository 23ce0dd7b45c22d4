"""Which states of a task are told, and in which words (workflow-runtime contract §2.2). Pure."""

from __future__ import annotations

from typing import Any

from manager_core.states import TaskState

SUBGRAPH, REMOTE = "SubgraphTask", "RemoteWorkflowTask"
TOLD_TYPES = (SUBGRAPH, REMOTE)
"""Types of stored tasks whose states are told; other stored tasks are silent."""

EVENT_TYPES: dict[str, str] = {
    TaskState.SENDING.value: "sending_task",
    TaskState.STARTED.value: "task_started",
    TaskState.SUCCEEDED.value: "task_succeeded",
    TaskState.RESCHEDULED.value: "task_rescheduled",
    TaskState.FAILED.value: "task_failed",
}
"""State → event type; a state that is not here is not told."""

_SENDING = TaskState.SENDING.value
_SUCCEEDED = TaskState.SUCCEEDED.value
_UNHAPPY = frozenset({TaskState.FAILED.value, TaskState.RESCHEDULED.value})


def message(
    name: str,
    task_type: str,
    state: str,
    result: Any = None,
    exception: Any = None,
    current_retries: int = 0,
    total_retries: int = 0,
    postfix: str | None = None,
) -> str:
    """Return the text of a task event.

    Args:
        name: the task's name.
        task_type: its class name; a subgraph is called so.
        state: the new state.
        result: of a success; told unless it is None.
        exception: of a failure or a rescheduling.
        current_retries: how many retries there were; told if there were any.
        total_retries: how many there may be; -1 leaves the limit out.
        postfix: put before the retries.
    """
    what = "Subgraph" if task_type == SUBGRAPH else "Task"
    if state == _SENDING:
        text = f"Sending task '{name}'"
    elif state == _SUCCEEDED:
        suffix = "" if result is None else f" - {result}"
        text = f"{what} succeeded '{name}'{suffix}"
    elif state in _UNHAPPY:
        suffix = "" if exception is None else f" -> {exception}"
        text = f"{what} {state} '{name}'{suffix}"
    else:
        text = f"{what} {state} '{name}'"
    if postfix:
        text += postfix
    if current_retries > 0:
        limit = "" if total_retries == -1 else f"/{total_retries}"
        text += f" [retry {current_retries}{limit}]"
    return text
