"""Waiting inside a workflow, so that a cancel ends it at once."""

from __future__ import annotations

import threading
from typing import Any

from cloudify.workflows import api


def wait(ctx: Any, seconds: float) -> None:
    """Return after `seconds`; raises `ExecutionCancelled` when a cancel was or is requested."""
    cancelled = threading.Event()
    api.cancel_callbacks.add(cancelled.set)
    try:
        if not api.has_cancel_request():
            cancelled.wait(seconds)
    finally:
        api.cancel_callbacks.discard(cancelled.set)
    if api.has_cancel_request():
        raise api.ExecutionCancelled
