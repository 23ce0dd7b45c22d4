"""Blueprints as clients see them (REST contract §5.1)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Text, cast, func, select
from sqlmodel import Session

from manager_core.blueprints.labels import page_labels
from manager_core.blueprints.stored_plan import shown
from manager_core.blueprints.tables import Blueprint, BlueprintLabel
from manager_core.executions.tables import Execution
from manager_core.rest.listing import Field, Listing, base_fields, column
from manager_core.states import STATUS_DISPLAY

_NO_PLAN = '{"inputs":{},"metadata":null}'
"""The plan of a blueprint that is not parsed yet: clients cannot read a null."""

_HIDDEN_EXECUTION_COLUMNS = {"storage_id", "token_hash", "lease_until", "schedule_storage_id"}


def upload_executions(session: Session, rows: list[tuple[Any, ...]]) -> list[Any]:
    """Return the upload execution of each row, or None."""
    wanted = [identifier for (identifier,) in rows if identifier is not None]
    table = Execution.__table__  # type: ignore[attr-defined]
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(wanted), 500):
        statement = select(table).where(table.c.id.in_(wanted[start : start + 500]))
        for row in session.connection().execute(statement).mappings():
            item = {name: value for name, value in row.items() if name not in _HIDDEN_EXECUTION_COLUMNS}
            item["status_display"] = STATUS_DISPLAY.get(row["status"], row["status"])
            found[row["id"]] = item
    return [found.get(identifier) for (identifier,) in rows]


BLUEPRINTS = Listing(
    model="Blueprint",
    table=Blueprint,
    permission="blueprint_list",
    fields={
        "id": column(Blueprint.id),
        **base_fields(Blueprint),
        "created_at": column(Blueprint.created_at),
        "updated_at": column(Blueprint.updated_at),
        "main_file_name": column(Blueprint.main_file_name),
        "description": column(Blueprint.description),
        "is_hidden": column(Blueprint.is_hidden),
        "state": column(Blueprint.state),
        "error": column(Blueprint.error),
        "error_traceback": column(Blueprint.error_traceback),
        "plan": Field((func.coalesce(cast(Blueprint.plan, Text), _NO_PLAN),), render=shown, filterable=False),
        "requirements": column(Blueprint.requirements, filterable=False),
        "labels": Field(
            (Blueprint.tenant_name, Blueprint.id), batch=page_labels(BlueprintLabel, "blueprint_id"), filterable=False
        ),
        "upload_execution": Field((Blueprint.upload_execution_id,), batch=upload_executions, filterable=False),
    },
)
