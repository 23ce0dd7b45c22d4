"""What follows a task's end: once more, failure, or going on (workflow-runtime.md §2.4)."""

from __future__ import annotations

from enum import StrEnum

UNLIMITED = -1


class Action(StrEnum):
    """The four answers a task handler can give; the values are those authors see."""

    RETRY = "handler_retry"
    FAIL = "handler_fail"
    IGNORE = "handler_ignore"
    CONTINUE = "handler_continue"


def may_retry(total: int, used: int, *, ignore_total: bool = False) -> bool:
    """Return whether one more try is allowed.

    Args:
        total: how many retries there may be; -1 is without limit.
        used: how many there were.
        ignore_total: the handler asked to go beyond the limit.
    """
    return ignore_total or total == UNLIMITED or used < total


def settled(action: str, total: int, used: int, *, ignore_total: bool = False) -> Action:
    """Return what an answer comes to: a retry beyond the limit is a failure."""
    if action == Action.RETRY and not may_retry(total, used, ignore_total=ignore_total):
        return Action.FAIL
    return Action(action)


def delay(retry_after: float | None, interval: float) -> float:
    """Return the seconds to wait before a retry: what was asked for this time (0 is at once), else the interval."""
    return interval if retry_after is None else retry_after
