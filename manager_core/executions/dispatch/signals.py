"""Wake-ups within one process, and the notification that travels with a PostgreSQL transaction."""

from __future__ import annotations

import threading

from sqlalchemy import text
from sqlmodel import Session

from manager_core.executions.dispatch.procrastinate import defer_wake_up

CHANNEL = "cloudify_executions"
"""PostgreSQL's notification channel; the payload is empty, whoever hears it looks at the rows."""


class Wakeups:
    """Tells the listeners of this process that execution rows have changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: list[threading.Event] = []

    def listen(self) -> threading.Event:
        """Return an event that every later `wake` sets; the listener clears it before it looks."""
        event = threading.Event()
        with self._lock:
            self._listeners.append(event)
        return event

    def forget(self, event: threading.Event) -> None:
        """Stop telling a listener."""
        with self._lock:
            if event in self._listeners:
                self._listeners.remove(event)

    def wake(self) -> None:
        """Wake every listener of this process."""
        with self._lock:
            listeners = list(self._listeners)
        for event in listeners:
            event.set()


def announce_pending(session: Session) -> None:
    """Let the commit of this transaction wake a worker, because an execution has become pending.

    On PostgreSQL the wake-up is also kept as a job, for a worker that comes later.
    """
    announce(session)
    if session.get_bind().dialect.name == "postgresql":
        defer_wake_up(session)


def announce(session: Session) -> None:
    """Let the commit of this transaction wake the workers of other processes.

    PostgreSQL delivers a notification exactly when the transaction commits, so row and wake-up exist together or not at
    all. On SQLite the commit itself is what others see (`PRAGMA data_version`).
    """
    if session.get_bind().dialect.name == "postgresql":
        session.connection().execute(text(f"NOTIFY {CHANNEL}"))
