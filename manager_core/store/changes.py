"""A cheap answer to "has anything been committed since?", so that what was read may be believed until then.

SQLite has one: `PRAGMA data_version`, asked on a connection that never writes, changes with every commit of any other
connection, in this process or another. PostgreSQL has none; there everything is read afresh.
"""

from __future__ import annotations

import itertools
import sqlite3
import threading

from sqlalchemy import Engine

_CONNECTIONS = itertools.count(1)
"""SQLite's numbers mean something on one connection alone, so each has a number too."""


class ChangeMark:
    """The number of the database's present state."""

    def __init__(self, engine: Engine) -> None:
        """Watch the engine's database; connects when first asked."""
        self._path = engine.url.database if engine.dialect.name == "sqlite" else None
        self._connection: sqlite3.Connection | None = None
        self._number = 0
        self._lock = threading.Lock()

    def read(self) -> int | None:
        """Return a number that differs after a commit and from every other database's, None when there is no telling.

        Read it before the data it is to stand for: a commit in between then only costs another reading.
        """
        if self._path is None:
            return None
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = sqlite3.connect(
                        f"file:{self._path}?mode=ro", uri=True, check_same_thread=False, isolation_level=None
                    )
                    self._number = next(_CONNECTIONS)
                version = int(self._connection.execute("PRAGMA data_version").fetchone()[0])
                return (self._number << 32) + version
            except sqlite3.Error:
                self._forget()
                return None

    def close(self) -> None:
        """Give the connection back."""
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
