"""Alembic's entry point: runs on the connection that `manager_core.store.migrate` hands over."""

from __future__ import annotations

from typing import Any

from alembic import context
from sqlmodel.sql.sqltypes import AutoString

from manager_core.store.column_types import Json, UtcDateTime
from manager_core.store.metadata import metadata


def _render(kind: str, thing: Any, _autogen: Any) -> Any:
    """Write our own column types by their short names."""
    if kind == "type":
        if isinstance(thing, AutoString):
            return "sa.String()"
        if isinstance(thing, (UtcDateTime, Json)):
            return f"{type(thing).__name__}()"
    return False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_item=_render,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
