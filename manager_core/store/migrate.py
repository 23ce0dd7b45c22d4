"""Bring a database to the newest table layout, and say whether it is there."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

HEAD = "0001"
"""The newest revision; a test holds it equal to the scripts' head. Known here so that a start needs no Alembic.

`0002` follows `0001` and ends what the versions before it can work with; `0001.1` follows `0001` and only adds to it,
so that a version which knows `0001` alone goes on beside the one that brought it (docs/decisions/0003).
"""

SCRIPTS = Path(__file__).parent / "migrations"
_LOCK_KEY = 0x636C6F75
"""Advisory lock under which PostgreSQL lets one process migrate at a time."""


def current_revision(engine: Engine) -> str | None:
    """Return the database's revision, or None when it has no tables of ours."""
    with engine.connect() as connection:
        return _revision(connection)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def generation(revision: str) -> str:
    """Return what stands before the dot: revisions of one generation only add to each other."""
    return revision.partition(".")[0]


def migrate(engine: Engine) -> bool:
    """Upgrade to the newest revision, in one transaction; several processes may call it at once.

    Returns:
        True when something was changed, False when the database was already up to date, or a newer version of the same
        generation has added to it.

    Raises:
        RuntimeError: the database is of a newer generation than this program.
    """
    if current_revision(engine) == HEAD:
        return False
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
        found = _revision(connection)
        if found == HEAD:
            return False
        if found is not None and found not in known:
            if generation(found) == generation(HEAD):
                return False  # a newer version of the program has only added to what this one knows
            raise RuntimeError(
                f"The database has revision {found}, which this version does not know: a newer version wrote it."
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return True
