"""Hear PostgreSQL's notifications: each tells that a transaction which changed executions has been committed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy.engine import make_url

from manager_core.executions.dispatch.signals import CHANNEL
from manager_core.store.engine import network
from manager_core.store.problems import one_line

log = logging.getLogger("manager.dispatch")

RETRY_SECONDS = 1.0
STOP_SECONDS = 0.5


class NotificationWatch:
    """A thread that calls `wake` for every notification, and after every reconnection. Life cycle: start, stop."""

    def __init__(self, url: str, wake: Callable[[], None]) -> None:
        """Listen on the database at a SQLAlchemy URL."""
        self._url = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._network: dict[str, Any] = dict(network(url))
        self._wake = wake
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="notifications", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread. Repeatable."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def _watch(self) -> None:
        import psycopg

        while not self._stopped.is_set():
            try:
                with psycopg.connect(self._url, autocommit=True, **self._network) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    self._wake()  # whatever was committed while nobody listened
                    while not self._stopped.is_set():
                        for _ in connection.notifies(timeout=STOP_SECONDS, stop_after=1):
                            self._wake()
            except psycopg.Error as error:
                log.warning("notifications_lost error=%s", one_line(error))
                self._stopped.wait(RETRY_SECONDS)
