"""What checks leave in the system properties of an instance (workflow-runtime.md §4.9)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

SystemProperties = dict[str, Any]


def change_system_properties(ctx: Any, instance_id: str, change: Callable[[SystemProperties], None]) -> None:
    """Apply `change` to an instance's system properties as they are stored now.

    Only the thread that executes the workflow's graph does this, so nothing comes between the read and the write.
    """
    stored = ctx.internal.handler.get_node_instance(instance_id)
    properties = dict(stored.get("system_properties") or {})
    change(properties)
    ctx.update_node_instance(instance_id, force=True, system_properties=properties)


def check_record(task: Any, ok: bool) -> dict[str, Any]:
    """Return the record of a check that ended: ``ok, timestamp, task, result``."""
    result = task.async_result.result
    return {
        "ok": ok,
        "timestamp": task.workflow_context.internal.now_text(),
        "task": task.name,
        "result": result if ok else str(result),
    }
