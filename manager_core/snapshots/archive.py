"""The form of a snapshot: a zip of one JSON-lines file a table, the stored files, and a description.

`metadata.json`            what made it, when, with which table layout
`tables/<table>.jsonl`     one row a line; instants as ISO text, secrets decrypted (they are encrypted again on restore)
`files/<kind>/<hash>`      blueprint archives and plugin packages
`folders/<kind>/…`         work directories and resources of deployments
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO, Any

import orjson
from sqlalchemy import Table

from manager_core.errors import Kind, ManagerError
from manager_core.snapshots.folders import load_folders
from manager_core.store.column_types import UtcDateTime
from manager_core.store.metadata import metadata
from manager_core.store.migrate import HEAD

FORMAT = 1
DESCRIPTION = "metadata.json"
FILE_KINDS = ("blueprints", "plugins")
_KEPT_OUT = frozenset({"snapshots", "maintenance", "heartbeats", "counters", "event_counts"})
"""Tables about this installation and the present moment, not about what it manages; and what follows from others."""
BATCH = 1000
SECRET_VALUE = "value in the clear"  # noqa: S105 - the name of a member
"""The member of a secret's line that holds what the table keeps encrypted."""


class SnapshotError(ManagerError):
    """A snapshot cannot be used that way."""

    code = "snapshot_action_error"
    kind = Kind.BAD_INPUT


def dumped_tables() -> list[Table]:
    """Return the tables of a snapshot, each after those it refers to."""
    return [table for table in metadata.sorted_tables if table.name not in _KEPT_OUT]


def encode_row(row: dict[str, Any]) -> bytes:
    """Return a row as one line of JSON."""
    try:
        return orjson.dumps(row, default=_text, option=orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_NON_STR_KEYS)
    except TypeError:
        return json.dumps(row, default=_text).encode()  # integers beyond 64 bits


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def decode_row(table: Table, line: bytes) -> dict[str, Any]:
    """Return the values of a line, for the columns the table has."""
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        row = json.loads(line)
    found = {}
    for column in table.columns:
        if column.name not in row:
            continue
        value = row[column.name]
        if value is not None and isinstance(column.type, UtcDateTime):
            value = datetime.fromisoformat(value)
        found[column.name] = value
    if SECRET_VALUE in row:
        found[SECRET_VALUE] = row[SECRET_VALUE]
    return found


def describe(snapshot_id: str, execution_id: str, now: datetime, **options: Any) -> dict[str, Any]:
    """Return the description of a snapshot."""
    return {
        "format": FORMAT,
        "revision": HEAD,
        "snapshot_version": "7.0.5",
        "snapshot_id": snapshot_id,
        "execution_id": execution_id,
        "created_at": now.isoformat(),
        "options": options,
    }


class SnapshotFile:
    """A snapshot to restore."""

    def __init__(self, path: Path) -> None:
        """Open it and read its description.

        Raises:
            SnapshotError: it is no snapshot of ours, or one of another table layout.
        """
        try:
            self._zip = zipfile.ZipFile(path)
            self.description: dict[str, Any] = json.loads(self._zip.read(DESCRIPTION))
        except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
            raise SnapshotError(f"The archive is no snapshot: {error}") from error
        if self.description.get("format") != FORMAT or self.description.get("revision") != HEAD:
            raise SnapshotError(
                f"The snapshot was made by another version of the manager (table layout "
                f"{self.description.get('revision')}; this one has {HEAD})"
            )

    def __enter__(self) -> SnapshotFile:
        return self

    def __exit__(self, *_error: object) -> None:
        self._zip.close()

    def rows(self, table: Table) -> Iterator[list[dict[str, Any]]]:
        """Yield the rows of a table in batches."""
        name = f"tables/{table.name}.jsonl"
        if name not in self._zip.NameToInfo:
            return
        batch: list[dict[str, Any]] = []
        with self._zip.open(name) as stream:
            for line in stream:
                batch.append(decode_row(table, line))
                if len(batch) >= BATCH:
                    yield batch
                    batch = []
        if batch:
            yield batch

    def files(self) -> Iterator[tuple[str, str, IO[bytes]]]:
        """Yield (kind, hash, content) of every stored file."""
        for name in self._zip.namelist():
            parts = PurePosixPath(name).parts
            if len(parts) == 3 and parts[0] == "files" and parts[1] in FILE_KINDS:
                with self._zip.open(name) as stream:
                    yield parts[1], parts[2], stream

    def load_folders(self, home: Path) -> int:
        """Put every other file into a data directory; return how many."""
        return load_folders(self._zip, home)
