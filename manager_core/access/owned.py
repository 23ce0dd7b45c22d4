"""What a user or a tenant still owns: asked before either is removed."""

from __future__ import annotations

from sqlalchemy import select
from sqlmodel import Session, SQLModel

_NOT_RESOURCES = frozenset({"tenant_members", "tenants", "users"})


def tables_holding(session: Session, column: str, value: str) -> list[str]:
    """Return the names of the tables that have a row whose `column` is `value`."""
    found = []
    for table in SQLModel.metadata.sorted_tables:
        if column not in table.c or table.name in _NOT_RESOURCES:
            continue
        if session.connection().execute(select(1).select_from(table).where(table.c[column] == value).limit(1)).first():
            found.append(table.name)
    return found
