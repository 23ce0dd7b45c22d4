"""Notice commits of other processes on SQLite, by the number that `PRAGMA data_version` shows.

The number belongs to one connection and changes when any other connection commits, so it is watched on a connection of
its own. It is a hint and nothing more: whoever is woken looks at the rows.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable

from sqlalchemy.engine import make_url

log = logging.getLogger("manager.dispatch")

LOOK_SECONDS = 0.03
"""How often the number is looked at: half of this is what a start in another process waits on average."""


class DataVersionWatch:
    """A thread that calls `wake` when another process (or connection) has committed. Life cycle: start, stop."""

    def __init__(self, url: str, wake: Callable[[], None]) -> None:
        """Watch the SQLite database at a SQLAlchemy URL."""
        self._path = make_url(url).database or ""
        self._wake = wake
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="data-version", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread. Repeatable."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def _watch(self) -> None:
        connection: sqlite3.Connection | None = None
        seen: int | None = None
        while not self._stopped.wait(LOOK_SECONDS):
            try:
                if connection is None:
                    connection = sqlite3.connect(self._path, isolation_level=None)
                version = connection.execute("PRAGMA data_version").fetchone()[0]
            except sqlite3.Error:
                log.warning("data_version_unreadable", exc_info=True)
                connection = None
                self._stopped.wait(1.0)
                continue
            if version != seen:
                seen = version
                self._wake()
        if connection is not None:
            connection.close()
