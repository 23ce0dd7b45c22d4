"""Events and logs that a client posts (REST contract §11.2)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlmodel import Session

from manager_core.access.caller import Caller
from manager_core.errors import BadParameters, Conflict, NotFound
from manager_core.events.listing import EVENT, LOG, instant, node_names
from manager_core.executions.tables import Execution


def rows(session: Session, caller: Caller, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the columns of the posted events and logs, in the order of the body.

    Raises:
        Conflict: both, or none, of execution and group are named, and no execution's token says which it is.
        NotFound: no such execution in the caller's tenant.
        BadParameters: an item lacks what it must have.
    """
    execution_id = body.get("execution_id")
    if execution_id and body.get("execution_group_id"):
        raise Conflict("Pass either execution_id or execution_group_id, not both")
    execution_id = execution_id or caller.execution_id
    if body.get("execution_group_id") or not execution_id:
        raise Conflict("No execution passed, and not authenticated by an execution token")
    table: Any = Execution
    execution = session.scalars(
        select(Execution).where(table.id == execution_id, table.tenant_name == caller.tenant_name)
    ).first()
    if execution is None:
        raise NotFound.of("Execution", execution_id)
    items = [(EVENT, item) for item in body.get("events") or []] + [(LOG, item) for item in body.get("logs") or []]
    instances = [_context(item).get("node_id") for _, item in items]
    names = node_names(session, execution.tenant_name, [name for name in instances if name])
    made = []
    for kind, item in items:
        row = _row(kind, item, caller)
        row.update(
            tenant_name=execution.tenant_name,
            execution_id=execution.id,
            deployment_id=execution.deployment_id,
            manager_name=body.get("manager_name"),
            agent_name=body.get("agent_name"),
            node_name=names.get(row["node_instance_id"] or ""),
        )
        made.append(row)
    return made


def _context(item: Any) -> dict[str, Any]:
    context = item.get("context") if isinstance(item, dict) else None
    if not isinstance(context, dict):
        raise BadParameters("Missing context in json request body")
    return context


def _row(kind: str, item: dict[str, Any], caller: Caller) -> dict[str, Any]:
    context = _context(item)
    required = ["message", "event_type"] if kind == EVENT else ["message", "logger", "level"]
    for name in required:
        if item.get(name) is None:
            raise BadParameters(f"Missing {name} in json request body")
    message = item["message"]
    text = message.get("text") if isinstance(message, dict) else None
    if not isinstance(text, str):
        raise BadParameters("Missing message.text in json request body")
    event = kind == EVENT
    causes = context.get("task_error_causes") if event else None
    return {
        "type": kind,
        "event_type": str(item["event_type"]) if event else None,
        "logger": None if event else str(item["logger"]),
        "level": None if event else str(item["level"]).lower(),
        "message": text,
        "operation": _text(item.get("operation") if event else context.get("operation")),
        "node_instance_id": _text(context.get("node_id")),
        "source_id": _text(context.get("source_id")),
        "target_id": _text(context.get("target_id")),
        "error_causes": causes if isinstance(causes, list) else None,
        "timestamp": _instant(item.get("timestamp")),
        "reported_timestamp": _reported(item.get("reported_timestamp"), caller),
    }


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _instant(value: Any) -> datetime | None:
    return None if not value else instant(str(value))


def _reported(value: Any, caller: Caller) -> datetime | None:
    if not value:
        return None
    caller.require("set_timestamp")
    return instant(str(value))
