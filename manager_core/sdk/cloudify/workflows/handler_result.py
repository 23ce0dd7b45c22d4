"""What a task handler answers (contract §1.10, §2.4)."""

from __future__ import annotations

from typing import Any


class HandlerResult:
    """The verdict over a task that ended.

    Attributes:
        action: one of the `HANDLER_*` constants.
        ignore_total_retries: retry even beyond the task's limit.
        retry_after: seconds to wait before the retry; None is the task's own interval.
        retried_task: the task that replaces this one; a subgraph's handler sets it itself.
    """

    HANDLER_RETRY = "handler_retry"
    HANDLER_FAIL = "handler_fail"
    HANDLER_IGNORE = "handler_ignore"
    HANDLER_CONTINUE = "handler_continue"

    def __init__(self, action: str, ignore_total_retries: bool = False, retry_after: float | None = None) -> None:
        self.action = action
        self.ignore_total_retries = ignore_total_retries
        self.retry_after = retry_after
        self.retried_task: Any = None

    def __repr__(self) -> str:
        return f"HandlerResult({self.action})"

    @classmethod
    def retry(cls, ignore_total_retries: bool = False, retry_after: float | None = None) -> HandlerResult:
        """Run the task once more."""
        return cls(cls.HANDLER_RETRY, ignore_total_retries=ignore_total_retries, retry_after=retry_after)

    @classmethod
    def fail(cls) -> HandlerResult:
        """Let the task be failed: what waits for it never runs."""
        return cls(cls.HANDLER_FAIL)

    @classmethod
    def cont(cls) -> HandlerResult:
        """Go on."""
        return cls(cls.HANDLER_CONTINUE)

    @classmethod
    def ignore(cls) -> HandlerResult:
        """Go on as if the task had succeeded."""
        return cls(cls.HANDLER_IGNORE)
