"""The cancel and kill flags of the workflow process, and the ways to end as cancelled (contract §1.9, §3.3)."""

from __future__ import annotations

from collections.abc import Callable

EXECUTION_CANCELLED_RESULT = "execution_cancelled"
"""Returning this from a workflow function does what raising `ExecutionCancelled` does; kept for old workflows."""

cancel_request = False
kill_request = False
cancel_callbacks: set[Callable[[], object]] = set()
kill_callbacks: set[Callable[[], object]] = set()


class ExecutionCancelled(Exception):
    """Raise it in a workflow function to end the execution as cancelled."""


def set_cancel_request() -> None:
    """Set the cancel flag and call every cancel callback (the runtime calls this)."""
    global cancel_request
    cancel_request = True
    for callback in list(cancel_callbacks):
        callback()


def set_kill_request() -> None:
    """Set the kill flag and call every kill callback (the runtime calls this)."""
    global kill_request
    kill_request = True
    for callback in list(kill_callbacks):
        callback()


def has_cancel_request() -> bool:
    """Return whether a cancel of any kind was requested."""
    return cancel_request


def has_kill_request() -> bool:
    """Return whether a kill was requested."""
    return kill_request
