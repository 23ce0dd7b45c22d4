"""Every row of the manager from SQLite to an empty PostgreSQL, inside one transaction of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Integer, Table, func, insert, select, text
from sqlalchemy.exc import DataError, IntegrityError

from manager_core.moving.source import MoveRefused
from manager_core.store.metadata import metadata

BATCH = 1000
_OF_PROCESSES = frozenset({"heartbeats"})
"""Tables about processes of the old installation; they end with it."""


def moved_tables() -> list[Table]:
    """Return the tables to copy, each after those it refers to."""
    return [table for table in metadata.sorted_tables if table.name not in _OF_PROCESSES]


def require_empty(target: Connection) -> None:
    """Refuse a database that holds rows of a manager.

    Raises:
        MoveRefused: it does; the text counts them.
    """
    found = [f"{table.name} {count}" for table in moved_tables() if (count := _count(target, table))]
    if found:
        raise MoveRefused(
            f"the PostgreSQL database is not empty ({', '.join(found[:6])}{', …' if len(found) > 6 else ''}): "
            "copy into a new one, which no manager was started on"
        )


def copy(source: Connection, target: Connection) -> dict[str, tuple[int, int]]:
    """Copy all rows and let new ones count on from them.

    Returns:
        table → rows in the source, rows in the target.

    Raises:
        MoveRefused: a row that PostgreSQL cannot keep, or the counts differ.
    """
    counts = {}
    for table in moved_tables():
        for rows in _batches(source, table):
            try:
                target.execute(insert(table), rows)
            except (DataError, IntegrityError) as error:
                said = str(error.orig).splitlines()[0]
                raise MoveRefused(f"a row of table {table.name} cannot be kept by PostgreSQL: {said}") from error
        counts[table.name] = (_count(source, table), _count(target, table))
    different = [name for name, (before, after) in counts.items() if before != after]
    if different:
        raise MoveRefused(f"not everything arrived, nothing was kept: the counts differ in {', '.join(different)}")
    _advance_sequences(target)
    return counts


def _batches(source: Connection, table: Table) -> Iterator[list[dict[str, Any]]]:
    statement = select(table).order_by(*table.primary_key.columns)
    found = source.execution_options(yield_per=BATCH).execute(statement)
    for part in found.mappings().partitions(BATCH):
        yield [{name: _keepable(value) for name, value in row.items()} for row in part]


def _keepable(value: Any) -> Any:
    """Replace U+0000 in texts, as the manager does when it writes to PostgreSQL, which has no such character."""
    return value.replace("\x00", "\ufffd") if isinstance(value, str) else value


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def _advance_sequences(target: Connection) -> None:
    for table in moved_tables():
        for column in table.primary_key.columns:
            if not isinstance(column.type, Integer):
                continue
            owned = {"table": table.name, "column": column.name}
            sequence = target.execute(text("SELECT pg_get_serial_sequence(:table, :column)"), owned).scalar()
            if sequence is not None:
                highest = select(func.coalesce(func.max(column), 0)).scalar_subquery()
                target.execute(select(func.setval(sequence, highest + 1, False)))
