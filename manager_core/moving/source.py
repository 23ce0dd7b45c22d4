"""The SQLite data directory that is moved: opened so that nothing else can use it meanwhile, and left as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import StaticPool

from manager_core.store.migrate import HEAD, current_revision

DATABASE = "manager.db"
_WAIT_MS = 2000


class MoveRefused(Exception):
    """The move cannot be made; the text is for the operator, and nothing was changed that matters."""


@contextmanager
def opened(folder: Path) -> Iterator[Connection]:
    """Open the database of a data directory for this process alone, inside one transaction.

    Raises:
        MoveRefused: there is none, a manager runs on it, it is damaged, or it has another table layout.
    """
    path = folder / DATABASE
    if not path.is_file():
        raise MoveRefused(f"there is no SQLite database to copy: {path} is missing")
    engine = create_engine(f"sqlite:///{path.resolve()}", poolclass=StaticPool, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout={_WAIT_MS}")
        # In WAL mode every open connection of another process keeps this one from being alone.
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    try:
        connection = _taken(engine, path, folder)
        try:
            yield connection
        finally:
            connection.close()
    finally:
        engine.dispose()


def _taken(engine: Engine, path: Path, folder: Path) -> Connection:
    """Return a connection inside a transaction, once it is known that the database can be copied."""
    try:
        revision = current_revision(engine)
        if revision != HEAD:
            raise MoveRefused(
                f"the database {path} has table layout {revision or 'none'}, this version of the manager has {HEAD}: "
                f"bring it up first with `cloudify-manager migrate --data-dir {folder}` (without DATABASE_URL)"
            )
        connection = engine.connect()
        verdict = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    except DatabaseError as error:
        if "locked" in str(error.orig):
            text = f"a manager is running on {folder}: stop it first, and start it again on PostgreSQL"
        else:
            text = f"the database {path} cannot be read: {error.orig}"
        raise MoveRefused(text) from error
    if verdict != "ok":
        connection.close()
        raise MoveRefused(f"the database {path} is damaged: {verdict}")
    return connection
