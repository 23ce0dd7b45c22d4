"""The fence around a lost execution: what an execution process may write, and how long it may live.

Every transaction of an execution process first locks the execution's row and compares the attempt: whoever takes an
execution from its worker counts the attempt up, so a process that comes back from a pause or a cut network is locked
out, whatever it was about to write. `LeaseWatch` is the other half: the process ends itself, with its operations, when
its worker has not told of a renewed lease in time, before anyone else may begin to do the same work.

A database that is away for a moment is waited for: a transaction that did not happen is repeated, and of a COMMIT whose
answer was lost PostgreSQL is asked whether it happened.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NoReturn, TypeVar

from sqlalchemy import Connection, String, bindparam, cast, func, literal, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from manager_core.executions.tables import Execution
from manager_core.store.bulk import first
from manager_core.store.engine import Store
from manager_core.store.problems import is_passing, one_line
from scheduler.clock import Clock, SystemClock

log = logging.getLogger("manager.runtime")

LEASE_SHARE = 0.9
"""The part of a lease after which a process whose worker did not renew it ends itself; the rest is for dying."""
FIRST_WAIT_SECONDS = 0.05
LONGEST_WAIT_SECONDS = 1.0
CHECKPOINT_COMMITS = 50
"""After so many commits of an execution process on SQLite their log is moved into the database file."""
POSTPONED_SECONDS = 0.05
"""How often a process whose lease is over looks whether its transaction still holds off others."""

_X: Any = Execution
_FENCE = select(_X.attempt, literal(None).label("xid"), bindparam("idle")).where(_X.id == bindparam("key"))
_IDLE = "idle_in_transaction_session_timeout"
_FENCE_POSTGRESQL = (
    select(
        _X.attempt,
        cast(func.pg_current_xact_id(), String).label("xid"),
        func.set_config(_IDLE, bindparam("idle"), True),  # a host that is frozen in here lets go of the row
    )
    .where(_X.id == bindparam("key"))
    .with_for_update(key_share=True)  # taking over waits for this transaction, or this transaction sees the new attempt
)

_PLAIN_FENCE = {
    "sqlite": "SELECT attempt, NULL, :idle FROM executions WHERE id = :key",
    "postgresql": (
        f"SELECT attempt, CAST(pg_current_xact_id() AS VARCHAR), set_config('{_IDLE}', :idle, true) "
        "FROM executions WHERE id = :key FOR NO KEY UPDATE"
    ),
}
"""The same for `transaction`."""

C = TypeVar("C", bound=type)
F = TypeVar("F", bound=Callable[..., Any])


class LostExecution(Exception):
    """The execution was taken over, or deleted: what this process still does no longer counts."""


class FencedStore(Store):
    """The store of an execution process: its transactions happen only while the execution is this process's."""

    def __init__(
        self,
        store: Store,
        *,
        execution_id: str,
        attempt: int,
        on_lost: Callable[[], None],
        clock: Clock | None = None,
        lease_seconds: float = 30.0,
        on_renewed: Callable[[float], None] = lambda _until: None,
    ) -> None:
        """Share the engine of `store`.

        Args:
            attempt: the take of the execution that this process works for.
            on_lost: called when another process has taken the execution over; `LostExecution` follows if it returns.
            lease_seconds: a transaction that takes a quarter of this or longer renews the lease as its last statement,
                because the worker cannot renew it meanwhile; PostgreSQL ends one that does nothing for twice the time.
            on_renewed: told then until when this process may live, on the monotonic clock.
        """
        self._lease_seconds = lease_seconds
        self._on_renewed = on_renewed
        self._writing = 0
        self._counting = threading.Lock()
        self.engine, self.reader, self.changes = store.engine, store.reader, store.changes
        self.unfenced = store
        self._key = execution_id
        self._values = {"key": execution_id, "idle": str(int(2000 * lease_seconds))}
        self._attempt = attempt
        self._on_lost = on_lost
        self._clock = clock or SystemClock()
        self._local = threading.local()
        self._fence = _FENCE_POSTGRESQL if self.dialect == "postgresql" else _FENCE
        self._plain_fence = _PLAIN_FENCE[self.dialect]
        self._kept: list[Connection] = []
        self._unmoved = 0  # commits whose log is not moved yet

    @property
    def is_held(self) -> bool:
        """Whether a transaction of this process holds the execution's row, so that nobody can take it."""
        return self._writing > 0

    @contextmanager
    def _holding(self) -> Iterator[None]:
        with self._counting:
            self._writing += 1
        try:
            yield
        finally:
            with self._counting:
                self._writing -= 1

    def _renew(self, connection: Connection, began: float) -> float | None:
        """Renew the lease in a transaction that took long; returns until when this process may live then."""
        now = self._clock.monotonic()
        if now - began < self._lease_seconds / 4:
            return None
        instant = self._clock.now()
        if self.dialect == "postgresql":  # whose clock leases are compared with
            instant = connection.execute(select(func.clock_timestamp())).scalar_one()
        table: Any = Execution
        connection.execute(
            update(Execution)
            .where(table.id == self._key, table.worker_id.is_not(None))
            .values(lease_until=instant + timedelta(seconds=self._lease_seconds))
        )
        return now + LEASE_SHARE * self._lease_seconds

    @property
    def commits(self) -> int:
        """How many transactions the calling thread has committed."""
        return getattr(self._local, "commits", 0)

    def lose(self) -> NoReturn:
        """Say that this process can no longer tell what it did: it ends, and a resume goes on."""
        self._on_lost()
        raise LostExecution(self._key)

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Open a session that commits at the end of the block, if the execution is still this process's.

        Raises:
            LostExecution: it is not.
        """
        with Session(self.engine, expire_on_commit=False) as session:
            self._connect(session)
            began = self._clock.monotonic()
            row = session.connection().execute(self._fence, self._values).first()
            if row is None or row.attempt != self._attempt:
                self.lose()
            with self._holding():
                yield session
                until = self._renew(session.connection(), began)
                try:
                    session.commit()
                except DBAPIError as error:
                    if row.xid is None or not is_passing(error) or not self._happened(row.xid):
                        raise
                if until is not None:
                    self._on_renewed(until)
        self._committed()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Do as `write` without a session, which costs more than most of what the writer writes.

        The connection is kept for the next one, until `release`; one that failed is given up.

        Raises:
            LostExecution: the execution is no longer this process's.
        """
        connection = self._kept.pop() if self._kept else self.engine.connect()
        try:
            attempt, xid, _ = first(connection, self._plain_fence, self._values) or (None, None, None)
            if attempt != self._attempt:
                self.lose()
            yield connection
            try:
                connection.commit()
            except DBAPIError as error:
                if xid is None or not is_passing(error) or not self._happened(xid):
                    raise
                connection.close()
            else:
                self._kept.append(connection)
        except BaseException:
            connection.close()
            raise
        self._committed()

    def _committed(self) -> None:
        self._local.commits = self.commits + 1
        self._unmoved += 1

    def tidy(self) -> None:
        """Move the log of enough commits into SQLite's file; for a thread that nobody waits for."""
        if self._unmoved >= CHECKPOINT_COMMITS and self.dialect == "sqlite":
            self._unmoved = 0
            self.checkpoint()

    def release(self) -> None:
        """Give back the connections that `transaction` keeps. Repeatable."""
        while self._kept:
            self._kept.pop().close()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a session that only reads, waiting for a database that is away."""
        with super().read() as session:
            self._connect(session)
            yield session

    def _connect(self, session: Session) -> None:
        """Begin the transaction; a server that does not answer is waited for."""
        for wait in waits():
            try:
                session.connection()
            except DBAPIError as error:
                if not is_passing(error):
                    raise
                log.warning("database_awaited execution=%s error=%s", self._key, one_line(error))
                session.rollback()
                self._clock.wait(wait)
            else:
                return

    def _happened(self, xid: str) -> bool:
        """Ask what became of a transaction whose COMMIT was not answered."""
        for wait in waits():
            try:
                with self.engine.connect() as connection:
                    status = connection.execute(
                        text("SELECT pg_xact_status(CAST(:xid AS xid8))"), {"xid": xid}
                    ).scalar_one()
            except DBAPIError as error:
                if not is_passing(error):
                    raise
                status = "in progress"
            if status != "in progress":
                log.warning("commit_unanswered execution=%s transaction=%s", self._key, status)
                return bool(status == "committed")
            self._clock.wait(wait)
        raise AssertionError("unreachable")


def waits() -> Iterator[float]:
    """Yield the seconds between tries, without end: what ends the waiting is the lease."""
    wait = FIRST_WAIT_SECONDS
    while True:
        yield wait
        wait = min(2 * wait, LONGEST_WAIT_SECONDS)


def queued(function: F) -> F:
    """Mark a method that only puts something into the writer; it is called so often that nothing is to be added."""
    function.queued = True  # type: ignore[attr-defined]
    return function


def patient(cls: C) -> C:
    """Let every public method of a class be repeated when the database went away in the middle of it.

    Methods marked `queued` are left alone: they only put into the writer, which waits for the database itself.

    The class has a `core`. A method of which something is committed already is not repeated: the process is given up,
    and the execution resumed.
    """
    for name, function in list(vars(cls).items()):
        if callable(function) and not name.startswith("_") and not getattr(function, "queued", False):
            setattr(cls, name, _patient(function))
    return cls


def _patient(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        store = self.core.store
        if not isinstance(store, FencedStore):
            return function(self, *args, **kwargs)
        before = store.commits
        for wait in waits():
            try:
                return function(self, *args, **kwargs)
            except DBAPIError as error:
                if not is_passing(error):
                    raise
                if store.commits != before:
                    store.lose()
                log.warning("call_repeated method=%s error=%s", function.__name__, one_line(error))
            self.core.clock.wait(wait)
        raise AssertionError("unreachable")

    return call


class LeaseWatch:
    """Ends a process when its lease ran out, on its own clock, whatever the database or the worker do meanwhile."""

    def __init__(
        self,
        until: float,
        on_end: Callable[[], None],
        clock: Clock | None = None,
        *,
        postponed: Callable[[], bool] = lambda: False,
    ) -> None:
        """Watch.

        Args:
            until: the instant to end at, on the monotonic clock that all processes of a machine share.
            on_end: called once when `until` has passed, in the watch's thread.
            postponed: while it says yes, the end waits: nobody can take the execution over.
        """
        self._postponed = postponed
        self._until = until
        self._on_end = on_end
        self._clock = clock or SystemClock()
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._watch, name="lease", daemon=True)
        self._thread.start()

    def extend(self, until: float) -> None:
        """Let the process live until a later instant; an earlier one changes nothing."""
        with self._changed:
            self._until = max(self._until, until)

    def stop(self) -> None:
        """Watch no more. Repeatable."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join(5)

    def _watch(self) -> None:
        with self._changed:
            while not self._stopped:
                left = self._until - self._clock.monotonic()
                if left <= 0 and not self._postponed():
                    break
                self._changed.wait(max(left, POSTPONED_SECONDS))
            if self._stopped:
                return
        self._on_end()
