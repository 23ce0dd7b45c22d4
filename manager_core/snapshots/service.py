"""Snapshots of the whole manager: make, keep, restore."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update
from sqlmodel import Session

from manager_core.access.caller import Caller
from manager_core.access.visibility import require_free
from manager_core.blueprints.fetching import download
from manager_core.errors import BadParameters, NotFound
from manager_core.executions.tables import Execution
from manager_core.rest.identifiers import check_id
from manager_core.rest.listing import ListQuery, get_one, list_page
from manager_core.snapshots.archive import SnapshotError
from manager_core.snapshots.listing import SNAPSHOTS
from manager_core.snapshots.restore import is_restoring
from manager_core.snapshots.tables import Snapshot
from manager_core.states import ACTIVE, END, ExecutionStatus, Visibility

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

FILES = "snapshots"
CREATING, CREATED, FAILED, UPLOADED = "creating", "created", "failed", "uploaded"
STATUSES = (CREATING, CREATED, FAILED, UPLOADED)
_UNDER_WAY = [str(status) for status in (*ACTIVE, ExecutionStatus.QUEUED)]


class Snapshots:
    """Snapshots of the whole manager."""

    def __init__(self, core: Core) -> None:
        """Work on the given Core."""
        self._core = core

    def page(self, caller: Caller, query: ListQuery) -> dict[str, Any]:
        """List snapshots."""
        with self._core.store.read() as session:
            return list_page(session, SNAPSHOTS, query, caller)

    def get(self, caller: Caller, snapshot_id: str, include: list[str] | None = None) -> dict[str, Any]:
        """Return one snapshot as clients see it."""
        with self._core.store.read() as session:
            return get_one(session, SNAPSHOTS, caller, snapshot_id, include=include)

    def row(self, session: Session, snapshot_id: str) -> Snapshot:
        """Return a snapshot's row.

        Raises:
            NotFound: there is none.
        """
        table: Any = Snapshot
        found: Snapshot | None = session.scalars(select(Snapshot).where(table.id == snapshot_id)).first()
        if found is None:
            raise NotFound.of("Snapshot", snapshot_id)
        return found

    def file(self, row: Snapshot) -> Path:
        """Return a snapshot's archive, fetched when it is on another host.

        Raises:
            SnapshotError: it has none, because it failed or is still being made.
            ManagerError: it is not here and cannot be fetched.
        """
        return self._core.files.require(FILES, _hash_of(row), f"The archive of snapshot `{row.id}`")

    # -- making

    def create(self, caller: Caller, snapshot_id: str, *, queue: bool = False, **options: Any) -> dict[str, Any]:
        """Start the making of a snapshot.

        Args:
            queue: wait for what runs, instead of being refused because of it.
            options: include_credentials, include_logs, include_events, tempdir_path, legacy, listener_timeout.

        Returns:
            The execution as clients see it.

        Raises:
            ManagerError: the id is taken, or other executions run; nothing is stored then.
        """
        check_id(snapshot_id, "snapshot_id")
        with self._core.store.write() as session:
            self._insert(session, caller, snapshot_id, CREATING)
            execution = self._core.executions.start_system_in(
                session,
                caller,
                "create_snapshot",
                parameters={"snapshot_id": snapshot_id, **options},
                is_system_workflow=True,
                queue=queue,
            )
        self._core.executions.wake()
        return self._core.executions.get(caller, execution.id)

    def _insert(self, session: Session, caller: Caller, snapshot_id: str, status: str) -> Snapshot:
        require_free(session, Snapshot, "Snapshot", caller.tenant_name, snapshot_id)
        table: Any = Snapshot
        if session.scalars(select(Snapshot).where(table.id == snapshot_id)).first() is not None:
            raise BadParameters(f"Snapshot `{snapshot_id}` exists in another tenant")
        row = Snapshot(
            id=snapshot_id,
            tenant_name=caller.tenant_name,
            created_by=caller.username,
            created_at=self._core.clock.now(),
            visibility=Visibility.PRIVATE.value,
            status=status,
        )
        session.add(row)
        session.flush()
        return row

    def upload(self, caller: Caller, snapshot_id: str, temporary: Path | None, url: str | None) -> dict[str, Any]:
        """Take in a snapshot made elsewhere.

        Raises:
            ManagerError: the id is taken, or the body is no zip.
        """
        check_id(snapshot_id, "snapshot_id")
        fetched = None
        try:
            if temporary is None:
                if not url:
                    raise BadParameters(
                        "Missing file: send the snapshot with the request, or name it in `snapshot_archive_url`",
                        code="upload_missing_file",
                    )
                fetched = temporary = self._core.files.temporary()
                download(url, fetched, self._core.clock)
            if not zipfile.is_zipfile(temporary):
                raise BadParameters("A snapshot is a zip archive")
            with self._core.store.write() as session:
                row = self._insert(session, caller, snapshot_id, UPLOADED)
                row.archive_hash = self._core.files.adopt(FILES, temporary)
                session.add(row)
        finally:
            if fetched is not None:
                fetched.unlink(missing_ok=True)
        return self.get(caller, snapshot_id)

    def set_status(self, caller: Caller, snapshot_id: str, status: str, error: str | None) -> dict[str, Any]:
        """Write a snapshot's status, as workflows do."""
        if status not in STATUSES:
            raise BadParameters(f"Invalid status: `{status}`. Valid snapshot statuses are: {list(STATUSES)}")
        with self._core.store.write() as session:
            row = self.row(session, snapshot_id)
            row.status, row.error = status, error
            session.add(row)
        return self.get(caller, snapshot_id)

    def on_execution_status_in(self, session: Session, execution: Execution) -> None:
        """Fail a snapshot whose execution ended without it."""
        if execution.workflow_id != "create_snapshot" or execution.status not in END:
            return
        table: Any = Snapshot
        session.connection().execute(
            update(table)
            .where(table.id == (execution.parameters or {}).get("snapshot_id"), table.status == CREATING)
            .values(status=FAILED, error=execution.error or f"The execution was {execution.status}")
        )

    # -- using

    def download(self, caller: Caller, snapshot_id: str) -> Path:
        """Return the file to download.

        Raises:
            SnapshotError: it failed, or is still being made.
        """
        self.get(caller, snapshot_id, ["id"])
        with self._core.store.read() as session:
            row = self.row(session, snapshot_id)
            if row.status == FAILED:
                raise SnapshotError("Failed snapshot cannot be downloaded")
            content_hash = _hash_of(row)
        path = self._core.files.find(FILES, content_hash, f"The archive of snapshot `{snapshot_id}`")
        if path is None:
            raise NotFound(f"Could not find the archive of snapshot `{snapshot_id}`")
        return path

    def restore(
        self,
        caller: Caller,
        snapshot_id: str,
        *,
        force: bool = False,
        restore_certificates: bool = False,
        no_reboot: bool = False,
        **options: Any,
    ) -> dict[str, Any]:
        """Start the restoring of a snapshot; refused while anything runs.

        Returns:
            The execution as clients see it.
        """
        if no_reboot and not restore_certificates:
            raise BadParameters("`no_reboot` is only relevant when `restore_certificates` is activated")
        with self._core.store.write() as session:
            row = self.row(session, snapshot_id)
            if row.status == FAILED:
                raise SnapshotError("Failed snapshot cannot be restored")
            _hash_of(row)
            execution = self._core.executions.start_system_in(
                session,
                caller,
                "restore_snapshot",
                parameters={
                    "snapshot_id": snapshot_id, "force": force, "restore_certificates": restore_certificates,
                    "no_reboot": no_reboot, **options,
                },
                is_system_workflow=True,
                queue=False,
            )  # fmt: skip
        self._core.executions.wake()
        return self._core.executions.get(caller, execution.id)

    def restoring(self) -> bool:
        """Tell whether a restore is under way."""
        with self._core.store.read() as session:
            return is_restoring(session)

    def delete(self, caller: Caller, snapshot_id: str) -> None:
        """Remove a snapshot and its archive.

        Raises:
            SnapshotError: it is being made.
        """
        self.get(caller, snapshot_id, ["id"])
        table: Any = Execution
        with self._core.store.write() as session:
            row = self.row(session, snapshot_id)
            making = select(table.parameters).where(
                table.workflow_id == "create_snapshot", table.status.in_(_UNDER_WAY)
            )
            for parameters in session.connection().execute(making).scalars():
                if (parameters or {}).get("snapshot_id") == snapshot_id:
                    raise SnapshotError(
                        f"Cannot delete snapshot `{snapshot_id}` which has an active `create_snapshot` execution"
                    )
            session.delete(row)
            session.flush()
            other: Any = Snapshot
            used = select(other.id).where(other.archive_hash == row.archive_hash)
            if row.archive_hash is not None and session.connection().execute(used.limit(1)).first() is None:
                self._core.files.remove(FILES, row.archive_hash)


def _hash_of(row: Snapshot) -> str:
    """Return the hash of a snapshot's archive; refuse one that has none."""
    if row.archive_hash is None:
        raise SnapshotError(f"Snapshot `{row.id}` has no archive: it is {row.status}")
    return row.archive_hash
