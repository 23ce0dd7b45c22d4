"""Insert-or-update in one statement, the same on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel


def upsert(
    session: Session,
    table: type[SQLModel],
    rows: Sequence[Mapping[str, Any]],
    *,
    key: Sequence[str],
    change: Callable[[Any, Any], Mapping[str, Any]] | None = None,
) -> None:
    """Insert rows; where `key` is taken already, change the row that is there, or leave it when `change` is None.

    Args:
        rows: column name → value, all with the same columns.
        key: columns of a unique constraint.
        change: (present columns, offered columns) → column name → new value.
    """
    if not rows:
        return
    target: Any = table.__table__  # type: ignore[attr-defined]
    insert: Any = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    statement = insert(target)
    if change is None:
        statement = statement.on_conflict_do_nothing(index_elements=list(key))
    else:
        changed = dict(change(target.c, statement.excluded))
        statement = statement.on_conflict_do_update(index_elements=list(key), set_=changed)
    session.connection().execute(statement, [dict(row) for row in rows])
