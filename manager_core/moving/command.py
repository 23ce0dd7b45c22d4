"""`cloudify-manager migrate --from-sqlite DIR`: the whole manager into an empty PostgreSQL, or nothing of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, Engine, select, text
from sqlmodel import Session

from manager_core.access.seed import LOCK_KEY
from manager_core.bootstrap import make_data_dir
from manager_core.executions.dispatch.procrastinate import ensure_schema
from manager_core.executions.dispatch.signals import announce_pending
from manager_core.moving import keys, rows
from manager_core.moving.source import MoveRefused, opened
from manager_core.moving.stored_files import copy_files
from manager_core.secrets.agreement import leave_in
from manager_core.settings import Settings
from manager_core.states import ExecutionStatus
from manager_core.store.engine import make_engine, refuse_old
from manager_core.store.metadata import metadata
from manager_core.store.migrate import HEAD, current_revision, migrate
from manager_core.store.problems import shown_url


def move(settings: Settings, folder: Path, say: Callable[[str], None]) -> None:
    """Copy the data directory `folder` into the database and the data directory of the settings.

    Files first, then all rows in one transaction: whoever interrupts it finds an empty database and can repeat it.

    Args:
        say: is told what was done, line by line.

    Raises:
        MoveRefused: it cannot be done; the text says why.
        SQLAlchemyError: PostgreSQL cannot be reached.
        RuntimeError: PostgreSQL was used by a newer version.
    """
    if not settings.url.startswith("postgresql"):
        raise MoveRefused(f"DATABASE_URL has to name the PostgreSQL database to copy into; it is {_shown(settings)}")
    with opened(folder) as source:
        key = keys.find_key(source, folder, settings)
        engine = make_engine(settings.url)
        try:
            _prepare(engine)
            make_data_dir(settings)
            files = copy_files(folder, settings.data_dir)
            keys.carry_over(key, settings.data_dir)
            counts = _copy_rows(source, engine, key)
        finally:
            engine.dispose()
    for line in _table(counts):
        say(line)
    total = sum(after for _, after in counts.values())
    say(f"{total} rows are in {_shown(settings)}, {files} files in {settings.data_dir}; {folder} is as it was.")
    say(key.advice)


def _prepare(engine: Engine) -> None:
    """Make the tables, unless the database is somebody's: that one is left as it is."""
    refuse_old(engine)
    revision = current_revision(engine)
    if revision not in (None, HEAD):
        raise MoveRefused(
            f"the PostgreSQL database is a manager's already, with table layout {revision}: take a new one"
        )
    if revision is not None:
        with engine.connect() as connection:
            rows.require_empty(connection)
    migrate(engine)
    ensure_schema(engine)


def _copy_rows(source: Connection, engine: Engine, key: keys.MovedKey) -> dict[str, tuple[int, int]]:
    with Session(engine) as session:
        target = session.connection()
        # A manager that starts now would make its first user: it waits, and then finds one.
        target.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
        rows.require_empty(target)
        counts = rows.copy(source, target)
        if key.fingerprint is not None:
            leave_in(session, key.fingerprint)
        executions = metadata.tables["executions"]
        pending = select(executions.c.id).where(executions.c.status == ExecutionStatus.PENDING.value)
        for _ in target.execute(pending).all():
            announce_pending(session)
        session.commit()
    return counts


def _table(counts: dict[str, tuple[int, int]]) -> list[str]:
    """Return the counts as lines of text."""
    width = max(map(len, counts))
    lines = [f"{'table':<{width}}  {'SQLite':>10}  {'PostgreSQL':>10}"]
    lines += [f"{name:<{width}}  {before:>10}  {after:>10}" for name, (before, after) in sorted(counts.items())]
    return lines


def _shown(settings: Settings) -> str:
    return shown_url(settings.url) if settings.database_url else "not set"
