"""Writing a snapshot: one consistent view of the database, while other transactions go on."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Table, select

from manager_core.files.fetching import FetchingFiles
from manager_core.secrets.cipher import Cipher, cipher_from
from manager_core.snapshots import archive
from manager_core.snapshots.folders import copy_folders, write_file, write_folders
from manager_core.store.metadata import metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from manager_core.bootstrap import Core

_EVENT_TYPES = {"include_events": "cloudify_event", "include_logs": "cloudify_log"}


def write_snapshot(
    core: Core,
    target: Path,
    description: dict[str, Any],
    *,
    include_events: bool = True,
    include_logs: bool = True,
    progress: Callable[[str], None] = lambda _text: None,
) -> None:
    """Write everything the manager knows into a zip.

    Args:
        target: the file to write; readable by its owner alone, because it holds secrets.
        description: see `archive.describe`.
        include_events: with the events of executions.
        include_logs: with their log lines.
        progress: is told what is done.
    """
    target.touch(mode=0o600)
    target.chmod(0o600)
    left_out = [
        kind
        for option, kind in _EVENT_TYPES.items()
        if not {"include_events": include_events, "include_logs": include_logs}[option]
    ]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as target_zip:
        target_zip.writestr(archive.DESCRIPTION, archive.encode_row(description))
        with _consistent(core) as connection, connection.begin():
            total = _write_tables(core, connection, target_zip, left_out)
        progress(f"{total} rows are written")
        total = _write_files(core, target_zip)
        progress(f"{total} files are written")


def _consistent(core: Core) -> Connection:
    """Return a connection whose one transaction sees one state of the database."""
    if core.store.dialect == "sqlite":
        return core.store.reader.connect()
    return core.store.engine.connect().execution_options(isolation_level="REPEATABLE READ")


def _write_tables(core: Core, connection: Connection, target: zipfile.ZipFile, left_out: list[str]) -> int:
    cipher = cipher_from(core.settings.secret_key, core.settings.data_dir)
    total = 0
    for table in archive.dumped_tables():
        statement = select(table)
        if table.name == "events" and left_out:
            statement = statement.where(table.c.type.not_in(left_out))
        if "storage_id" in table.c:
            statement = statement.order_by(table.c.storage_id)
        rows = connection.execution_options(yield_per=archive.BATCH).execute(statement)
        with target.open(f"tables/{table.name}.jsonl", "w", force_zip64=True) as stream:
            for row in rows.mappings():
                stream.write(archive.encode_row(_plain(table, dict(row), cipher)) + b"\n")
                total += 1
    return total


def _plain(table: Table, row: dict[str, Any], cipher: Cipher) -> dict[str, Any]:
    if table.name == "secrets":
        row[archive.SECRET_VALUE] = cipher.decrypt(row.pop("encrypted_value"), row["key"])
    return row


def _write_files(core: Core, target: zipfile.ZipFile) -> int:
    total = 0
    for kind in archive.FILE_KINDS:
        for path in _stored(core, kind):
            total += write_file(target, path, f"files/{kind}/{path.name}", zipfile.ZIP_STORED)
    total += write_folders(core.settings.data_dir, target)
    if isinstance(core.files, FetchingFiles) and not core.files.holds_originals:
        total += _folders_of_api(core.files, target)
    return total


def _folders_of_api(files: FetchingFiles, target: zipfile.ZipFile) -> int:
    """Add the work directories, resources and icons that the API's host has."""
    fetched = files.temporary()
    try:
        files.fetch_folders(fetched)
        with zipfile.ZipFile(fetched) as opened:
            return copy_folders(opened, target)
    finally:
        fetched.unlink(missing_ok=True)


def _stored(core: Core, kind: str) -> Iterator[Path]:
    """Yield the stored files: those that lie here, or, where the API is on another host, those that rows name."""
    if not core.files.fetches:
        yield from sorted((core.files.root / kind).glob("*/*"))
        return
    table = metadata.tables[kind]
    found: set[str] = set()
    with core.store.read() as session:
        for column in table.columns:
            if column.name in {"archive_hash", "package_hash"}:
                rows = session.connection().execute(select(column).where(column.is_not(None)).distinct())
                found.update(rows.scalars())
    for content_hash in sorted(found):
        path = core.files.find(kind, content_hash, "A file of the snapshot")
        if path is not None:
            yield path
