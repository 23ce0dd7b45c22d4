"""The database engine: one recipe for SQLite and one for PostgreSQL.

SQLite: WAL, foreign keys, a busy timeout, and transactions begun by us: `BEGIN IMMEDIATE` for writers, plain `BEGIN`
for readers (`readonly=True`), because the driver's own deferred begin lets a reader upgrade and lose an update.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError
from sqlmodel import Session

from manager_core.store.bulk import on_driver
from manager_core.store.changes import ChangeMark

BUSY_TIMEOUT_MS = 30_000
CHECKPOINT_PAGES = 4_000
"""After so many pages (of 4 KiB) the log goes into the database file. SQLite's own 1,000 do it, with syncs, every few
commits of a busy workflow."""
OLDEST_POSTGRESQL = 15
NETWORK: dict[str, int] = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""How soon a PostgreSQL that is cut off is given up (seconds; the last in milliseconds), unless the URL says otherwise.
Without these a cut network holds a worker up for a quarter of an hour."""
CHECKED_BYTES = 64 * 1024 * 1024
"""Files up to this size are checked whole at the start: some 0.1 s."""


def make_engine(url: str, *, synchronous: str = "NORMAL", pool_size: int = 10) -> Engine:
    """Return an engine for `url` (`sqlite:///…` or `postgresql+psycopg://…`). Connects lazily.

    Raises:
        ArgumentError, NoSuchModuleError, ModuleNotFoundError: the URL is not one of these.
    """
    if _backend(url) == "sqlite":
        engine = create_engine(
            url,
            connect_args={"check_same_thread": False},
            pool_size=pool_size,
            max_overflow=40,
            hide_parameters=True,  # an error's text goes into logs and answers; what was stored does not
        )
        _prepare_sqlite(engine, synchronous)
    else:
        engine = create_engine(
            url,
            connect_args=network(url),
            pool_size=pool_size,
            max_overflow=20,
            pool_pre_ping=True,  # a connection that a restart of the server broke is replaced before it is used
            hide_parameters=True,
        )
        _prepare_postgresql(engine)
    return engine


def _backend(url: str) -> str:
    try:
        name = make_url(url).get_backend_name()
    except ValueError as error:  # a port that is no number
        raise ArgumentError(str(error)) from None
    if name not in ("sqlite", "postgresql"):
        raise ArgumentError(f"{name} is neither sqlite nor postgresql")
    return name


def network(url: str) -> dict[str, int]:
    """Return the timeouts of a connection to `url`: ours, but for those that the URL itself sets."""
    given = make_url(url).query
    return {name: value for name, value in NETWORK.items() if name not in given}


def _prepare_sqlite(engine: Engine, synchronous: str) -> None:
    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA synchronous={synchronous}")
        cursor.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA cache_size=-8000")
        cursor.execute("PRAGMA temp_store=MEMORY")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        readonly = connection.get_execution_options().get("readonly", False)
        on_driver(connection, "BEGIN" if readonly else "BEGIN IMMEDIATE")  # a tenth of what SQLAlchemy adds to it


def _reader_of(engine: Engine) -> Engine:
    """Return an engine over the same pool whose transactions only read.

    Not `engine.execution_options`: an engine made by that asks two lists of listeners at every step of a request.
    """
    reader = Engine(engine.pool, engine.dialect, engine.url, hide_parameters=True, execution_options={"readonly": True})
    if engine.dialect.name == "sqlite":

        @event.listens_for(reader, "begin")
        def _on_begin(connection: Connection) -> None:
            # On the driver's own connection: it never waits and cannot fail, so nothing needs to be wrapped.
            driver: Any = connection.connection.dbapi_connection
            driver.execute("BEGIN")

    return reader


def _prepare_postgresql(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        connection.execute("SET TIME ZONE 'UTC'")
        # A host that is frozen in the middle of a transaction lets go of its rows after this.
        connection.execute("SET idle_in_transaction_session_timeout = '60s'")
        connection.commit()


def refuse_old(engine: Engine) -> None:
    """Make sure that the server is not older than what this program needs.

    Raises:
        RuntimeError: naming both versions.
    """
    if engine.dialect.name != "postgresql":
        return
    with engine.connect() as connection:
        number = int(connection.exec_driver_sql("SHOW server_version_num").scalar_one())
    if number // 10_000 < OLDEST_POSTGRESQL:
        raise RuntimeError(
            f"the PostgreSQL server has version {number // 10_000}; version {OLDEST_POSTGRESQL} or newer is needed"
        )


def refuse_damaged(engine: Engine) -> None:
    """Look a SQLite file over before anything is written to it: a start reports damage, it never guesses.

    A large file is only opened: looking at all of its pages would hold up the start.

    Raises:
        RuntimeError: naming the file and what is wrong with it.
    """
    file = engine.url.database
    if engine.dialect.name != "sqlite" or not file or not Path(file).exists():
        return
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM sqlite_master")
            thorough = Path(file).stat().st_size <= CHECKED_BYTES
            verdict = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar() if thorough else "ok"
    except DatabaseError as error:
        if isinstance(error, OperationalError):  # locked, or not readable: that is no damage
            raise
        verdict = str(error.orig)
    if verdict != "ok":
        raise RuntimeError(
            f"the database file {file} is damaged: {verdict}. Nothing was changed. Restore it from a copy, or start "
            "with an empty data directory and restore a snapshot."
        )


class Store:
    """The database, as use cases see it: a session to write in, a session to read in.

    A `write()` block is one transaction: it commits when the block ends and rolls back when it raises.
    A `read()` block never takes a write lock; what is changed in it is not kept.
    """

    def __init__(self, engine: Engine) -> None:
        """Keep the engine. Readers share its pool under the `readonly` option."""
        self.engine = engine
        self.reader = _reader_of(engine)
        self.changes = ChangeMark(engine)

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.engine.dialect.name

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Open a session that commits at the end of the block; objects stay readable afterwards."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session
            session.commit()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a session that only reads."""
        # The mark is read before the transaction begins: what is read here is at least as new.
        info = {"mark": self.changes.read()}
        with Session(self.reader, expire_on_commit=False, autoflush=False, info=info) as session:
            yield session

    def leave_the_log(self) -> None:
        """Let no commit of this process on SQLite stop for moving the log into the database file; `checkpoint` does it.

        Called before the first connection. What a process that is killed leaves of the log, others move.
        """
        if self.dialect != "sqlite":
            return

        @event.listens_for(self.engine, "connect")
        def _on_connect(connection: Any, _record: Any) -> None:
            connection.execute("PRAGMA wal_autocheckpoint=0")

    def checkpoint(self) -> None:
        """Move what SQLite's log holds into the database file, as far as nobody has to wait for it.

        What cannot be moved stays in the log and is moved another time.
        """
        connection = self.engine.raw_connection()
        try:
            driver: Any = connection.dbapi_connection
            with contextlib.suppress(sqlite3.OperationalError):
                driver.execute("PRAGMA wal_checkpoint(PASSIVE)")
        finally:
            connection.close()

    def close(self) -> None:
        """Close all pooled connections."""
        self.changes.close()
        self.engine.dispose()
