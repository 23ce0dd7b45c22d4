"""The system-wide workflows `create_snapshot` and `restore_snapshot` (workflow-runtime contract §6.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import update

from manager_core.snapshots.archive import describe
from manager_core.snapshots.dump import write_snapshot
from manager_core.snapshots.restore import restore_snapshot
from manager_core.snapshots.service import CREATED, FILES
from manager_core.snapshots.tables import Snapshot

if TYPE_CHECKING:
    from manager_core.runtime.system_work import SystemWork


def create(work: SystemWork) -> None:
    """Write a snapshot and mark it `created`; a failure is noted by the end of the execution.

    Parameters: snapshot_id, include_events (true), include_logs (true).
    """
    core, snapshot_id = work.core, work.parameters["snapshot_id"]
    options = {name: work.parameters.get(name) is not False for name in ("include_events", "include_logs")}
    temporary = core.files.temporary()
    try:
        description = describe(snapshot_id, work.execution_id, core.clock.now(), **options)
        write_snapshot(core, temporary, description, **options, progress=work.send_event)
        content_hash = core.files.adopt(FILES, temporary)
    finally:
        temporary.unlink(missing_ok=True)
    table: Any = Snapshot
    with core.store.write() as session:
        session.connection().execute(
            update(table).where(table.id == snapshot_id).values(status=CREATED, error=None, archive_hash=content_hash)
        )


def restore(work: SystemWork) -> None:
    """Make this manager what a snapshot says.

    Parameters: snapshot_id, force (false).

    Raises:
        SnapshotError: see `restore.restore_snapshot`.
    """
    core = work.core
    with core.store.read() as session:
        row = core.snapshots.row(session, work.parameters["snapshot_id"])
    path = core.snapshots.file(row)
    restore_snapshot(core, path, work.execution_id, force=bool(work.parameters.get("force")), progress=work.send_event)
