"""The operations: copy the database, verify the copy, rotate the old ones.

A copy is written under a temporary name and renamed when it is whole, so a kill leaves no half backup behind.
"""

import os
import sqlite3
import time

from cloudify import ctx
from cloudify.decorators import operation
from cloudify.exceptions import NonRecoverableError

SUFFIX = ".backup.db"


def _related_path(relationship_type):
    for relationship in ctx.instance.relationships:
        if relationship.type == relationship_type:
            return relationship.target.instance.runtime_properties["path"]
    raise NonRecoverableError(f"The node has no relationship of type {relationship_type}")


def _tables(database):
    names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    return {name: database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}


@operation
def copy(**_):
    """Copy the database with SQLite's online backup: consistent, also while others write."""
    source_path = _related_path("backup.relationships.reads")
    folder = _related_path("backup.relationships.writes_to")
    target = os.path.join(folder, time.strftime("%Y%m%dT%H%M%S", time.gmtime()) + "-" + ctx.execution_id[:8] + SUFFIX)
    partial = target + ".partial"
    source = sqlite3.connect(f"file:{source_path}?mode=ro", uri=True)
    try:
        with sqlite3.connect(partial) as destination:
            source.backup(destination)
        destination.close()
    finally:
        source.close()
    os.replace(partial, target)
    ctx.instance.runtime_properties["candidate"] = target
    ctx.logger.info("Copied %s to %s (%d bytes)", source_path, target, os.path.getsize(target))
    return target


@operation
def verify(**_):
    """Open the copy and let SQLite check all of it; a bad copy is deleted and the run fails."""
    path = ctx.instance.runtime_properties["candidate"]
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        verdict = database.execute("PRAGMA integrity_check").fetchone()[0]
        tables = _tables(database) if verdict == "ok" else {}
    except sqlite3.DatabaseError as error:
        verdict, tables = str(error), {}
    finally:
        database.close()
    if verdict != "ok":
        os.unlink(path)
        raise NonRecoverableError(f"The copy {path} is damaged and was deleted: {verdict}")
    ctx.instance.runtime_properties["latest"] = {"path": path, "bytes": os.path.getsize(path), "rows": tables}
    ctx.logger.info("Verified %s: %s", path, ", ".join(f"{count} rows in {name}" for name, count in tables.items()))


@operation
def rotate(**_):
    """Keep the newest copies, delete the others, and what earlier kills left half-written."""
    folder = _related_path("backup.relationships.writes_to")
    backups = sorted((name for name in os.listdir(folder) if name.endswith(SUFFIX)), reverse=True)
    keep = ctx.node.properties["keep"]
    partial = [name for name in os.listdir(folder) if name.endswith(SUFFIX + ".partial")]
    for name in backups[keep:] + partial:
        os.unlink(os.path.join(folder, name))
    ctx.instance.runtime_properties["kept"] = backups[:keep]
    ctx.logger.info("Kept %d backups, deleted %d", len(backups[:keep]), len(backups[keep:]))
