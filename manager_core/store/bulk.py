"""The fast way into the database: many rows with few statements, and statements that are ready to be run.

SQLite's driver lets other threads run around every single step of a statement; a statement a row therefore costs
several times what it does, and much more where the other threads have work. A statement with a hundred rows of values
is one step. And what SQLAlchemy does for a statement takes longer than SQLite does: `run` gives it to the driver as it
is, in a transaction of SQLAlchemy's all the same.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from sqlalchemy import Connection, TextClause, text
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError

from manager_core.store.column_types import to_json_text

ROWS = 100
"""Rows a statement; with some twenty columns far below the number of values that SQLite allows (32,766)."""


def insert_tuples(connection: Connection, table: str, columns: tuple[str, ...], rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows, in their order, on SQLite.

    Args:
        table, columns: names; never what a user wrote.
        rows: values in the order of `columns`, each already as the database keeps it.
    """
    whole = len(rows) - len(rows) % ROWS
    if whole:
        statement = _insert(table, columns, ROWS)
        for at in range(0, whole, ROWS):
            _on_sqlite(connection, statement, tuple(chain.from_iterable(rows[at : at + ROWS])))
    left = rows[whole:]
    if left:
        _on_sqlite(connection, _insert(table, columns, len(left)), tuple(chain.from_iterable(left)))


def run(connection: Connection, statement: str, values: Mapping[str, Any]) -> None:
    """Run a statement that returns nothing, once.

    Args:
        statement: SQL that both databases understand, with `:name` for values; never what a user wrote.
        values: numbers, texts and nulls.

    Raises:
        DatabaseError: SQLAlchemy's, as from any statement.
    """
    if connection.dialect.name == "sqlite":
        _on_sqlite(connection, statement, values)
    else:
        connection.execute(_text(statement), values)


def run_each(connection: Connection, statement: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Run a statement once for each row of values; see `run`."""
    if connection.dialect.name == "sqlite":
        for row in rows:
            _on_sqlite(connection, statement, row)
    else:
        connection.execute(_text(statement), list(rows))


@lru_cache(maxsize=128)
def _text(statement: str) -> TextClause:
    return text(statement)


def first(connection: Connection, statement: str, values: Mapping[str, Any]) -> Any:
    """Run a query and return its first row, or None; see `run`."""
    if connection.dialect.name == "sqlite":
        return _on_sqlite(connection, statement, values).fetchone()
    return connection.execute(_text(statement), values).first()


def chosen(connection: Connection, statement: str, values: Mapping[str, Any]) -> Sequence[Any]:
    """Run a query and return its rows, each value as the driver gives it; see `run`."""
    if connection.dialect.name == "sqlite":
        return _on_sqlite(connection, statement, values).fetchall()  # type: ignore[no-any-return]
    return connection.execute(_text(statement), values).all()


IN_MANY = {"sqlite": "IN (SELECT value FROM json_each(:keys))", "postgresql": "= ANY(:keys)"}
"""What follows a column in a statement for any number of keys: one text, however many there are."""


def many(connection: Connection, keys: list[str]) -> Any:
    """Return the value of `IN_MANY`'s `:keys`."""
    return to_json_text(keys) if connection.dialect.name == "sqlite" else keys


_KINDS: dict[type[sqlite3.Error], type[DatabaseError]] = {
    sqlite3.OperationalError: OperationalError,
    sqlite3.IntegrityError: IntegrityError,
}


def _on_sqlite(connection: Connection, statement: str, values: Any) -> Any:
    if not connection.in_transaction():
        connection.begin()
    return on_driver(connection, statement, values)


def on_driver(connection: Connection, statement: str, values: Any = ()) -> Any:
    """Run a statement on SQLite's own connection, in whatever transaction there is; returns the driver's cursor.

    Raises:
        DatabaseError: SQLAlchemy's, as from any statement.
    """
    driver: Any = connection.connection.dbapi_connection
    try:
        return driver.execute(statement, values)
    except sqlite3.Error as error:
        raise _KINDS.get(type(error), DatabaseError)(statement, None, error, hide_parameters=True) from error


@lru_cache(maxsize=512)
def _insert(table: str, columns: tuple[str, ...], rows: int) -> str:
    values = f"({', '.join('?' * len(columns))})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([values] * rows)}"
