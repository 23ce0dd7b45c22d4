"""The failures of a graph's run and the one text they make (contract §2.6)."""

from __future__ import annotations

from typing import Any


class TaskDependencyGraphError:
    """One failed task.

    Attributes:
        task_name: how errors call it.
        traceback: of its cause, or None.
        error_causes: ``Type `message` `` a cause.
        time: unix time of the failure.
    """

    def __init__(
        self, task_name: str, traceback: str | None, error_causes: str | None, error_time: float | None = None
    ) -> None:
        self.task_name = task_name
        self.traceback = traceback
        self.error_causes = error_causes
        self.time = error_time


class TaskDependencyGraphErrors:
    """All failures of one run, in the order they happened."""

    def __init__(self) -> None:
        self._errors: list[TaskDependencyGraphError] = []

    def __len__(self) -> int:
        return len(self._errors)

    def __bool__(self) -> bool:
        return bool(self._errors)

    def add_error(self, result: Any, task: Any, error_time: float | None = None) -> None:
        """Add the failure of a task; of a subgraph, its failed task is the one named."""
        if task.is_subgraph and task.failed_task is not None:
            task = task.failed_task
        causes = (task.error or {}).get("causes") or []
        short = "\n".join(f"{cause.get('type')} `{cause.get('message')}`" for cause in causes)
        traceback = "\n".join(cause["traceback"] for cause in causes if cause.get("traceback")) or None
        self._errors.append(TaskDependencyGraphError(task.short_description, traceback, short, error_time))

    def first_error_time(self) -> float | None:
        """Return the unix time of the first failure, or None."""
        return min((error.time for error in self._errors if error.time is not None), default=None)

    def format_exception(self) -> str:
        """Return the text of the `WorkflowFailed` these failures make."""
        if not self._errors:
            return ""
        first = self._errors[0]
        if len(self._errors) == 1:
            text = f"Task failed: {first.task_name}: {first.error_causes}"
        else:
            lines = "\n".join(f"{error.task_name}: {error.error_causes}" for error in self._errors)
            text = f"{len(self._errors)} operation errors:\n{lines}"
        if first.traceback:
            text += f"\nTraceback of {first.task_name} (most recent call last):\n{first.traceback}"
        return text
