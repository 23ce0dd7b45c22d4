"""Loading a snapshot: the rows in one transaction, so that the manager is the old one or the restored one.

What belongs to this installation stays: the administrator made at its first start with the password it has, its
snapshots, and the execution that restores.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, case, delete, func, insert, select, text, update
from sqlmodel import Session

from manager_core.files.fetching import FetchingFiles
from manager_core.secrets.cipher import Cipher, cipher_from
from manager_core.snapshots import archive
from manager_core.snapshots.folders import only_folders
from manager_core.states import ACTIVE, BLUEPRINT_END, END, BlueprintState, ExecutionStatus
from manager_core.store.metadata import metadata

if TYPE_CHECKING:
    from collections.abc import Callable

    from manager_core.bootstrap import Core

EVENT, LOG = "cloudify_event", "cloudify_log"
DIRTY = "Snapshot restoration on a dirty manager is not permitted."
LOST = "The execution was under way when the snapshot was taken that this manager was restored from"
_DATA = ("blueprints", "deployments", "plugins", "secrets")
"""Tables whose rows make a manager one that holds data."""


def require_empty(session: Session) -> None:
    """Refuse a manager that holds data already.

    Raises:
        SnapshotError: it does.
    """
    for name in _DATA:
        table = metadata.tables[name]
        if session.connection().execute(select(table).limit(1)).first() is not None:
            raise archive.SnapshotError(DIRTY)


def restore_snapshot(
    core: Core, path: Path, execution_id: str, *, force: bool = False, progress: Callable[[str], None] = lambda _: None
) -> None:
    """Make this manager what the snapshot says.

    Args:
        path: the snapshot.
        execution_id: the execution that does it; it and its events stay.
        force: also when the manager holds data, which is lost.
        progress: is told what is done.

    Raises:
        SnapshotError: not a snapshot that can be restored here, or the manager holds data.
    """
    with archive.SnapshotFile(path) as snapshot:
        _load_files(core, snapshot)
        _load_folders(core, snapshot, path)
        progress("The files are restored")
        with core.store.write() as session:
            if not force:
                require_empty(session)
            restored = _Restore(core, session, snapshot, execution_id)
            restored.run()
        progress(f"{restored.total} rows are restored")
    # Blueprints are unpacked from their archives when they are needed.
    shutil.rmtree(core.settings.data_dir / "blueprints", ignore_errors=True)


class _Restore:
    def __init__(self, core: Core, session: Session, snapshot: archive.SnapshotFile, execution_id: str) -> None:
        self.core = core
        self.session = session
        self.connection = session.connection()
        self.snapshot = snapshot
        self.execution_id = execution_id
        self.total = 0
        self.tables = {table.name: table for table in archive.dumped_tables()}

    def run(self) -> None:
        self._clear()
        self._move_own_rows()
        cipher = cipher_from(self.core.settings.secret_key, self.core.settings.data_dir)
        for table in archive.dumped_tables():
            for batch in self.snapshot.rows(table):
                rows = self._prepared(table, batch, cipher)
                if rows:
                    self.connection.execute(insert(table), rows)
                    self.total += len(rows)
        self._settle()
        self._count_events()
        if self.core.store.dialect == "postgresql":
            self._advance_sequences()

    def _clear(self) -> None:
        """Delete what the snapshot replaces."""
        for table in reversed(archive.dumped_tables()):
            if table.name == "tenants":
                continue
            statement = delete(table)
            if table.name == "users":
                statement = statement.where(table.c.is_bootstrap_admin.is_(False))
            elif table.name == "executions":
                statement = statement.where(table.c.id != self.execution_id)
            elif table.name == "events":
                statement = statement.where(table.c.execution_id != self.execution_id)
            self.connection.execute(statement)

    def _move_own_rows(self) -> None:
        """Give the rows that stay places behind those of the snapshot."""
        for name, own in (("executions", "id"), ("events", "execution_id")):
            table = self.tables[name]
            highest = self._highest(table) + self._own_highest(table)
            self.connection.execute(
                update(table).where(table.c[own] == self.execution_id).values(storage_id=table.c.storage_id + highest)
            )

    def _highest(self, table: Table) -> int:
        return max((row["storage_id"] for batch in self.snapshot.rows(table) for row in batch), default=0)

    def _own_highest(self, table: Table) -> int:
        return int(self.connection.execute(select(func.max(table.c.storage_id))).scalar() or 0)

    def _prepared(self, table: Table, batch: list[dict[str, Any]], cipher: Cipher) -> list[dict[str, Any]]:
        if table.name == "tenants":
            return self._new_ones(table, "name", batch)
        if table.name == "users":
            return self._users(table, batch)
        if table.name == "secrets":
            return [_encrypted(row, cipher) for row in batch]
        if table.name == "executions":
            return [row for row in batch if row["id"] != self.execution_id]
        return batch

    def _new_ones(self, table: Table, key: str, batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
        present = set(self.connection.execute(select(table.c[key])).scalars())
        return [row for row in batch if row[key] not in present]

    def _users(self, table: Table, batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Leave out the administrator of this installation, whose password stays."""
        stays = set(
            self.connection.execute(select(table.c.name_key).where(table.c.is_bootstrap_admin.is_(True))).scalars()
        )
        return [{**row, "is_bootstrap_admin": False} for row in batch if row["name_key"] not in stays]

    def _settle(self) -> None:
        """End what was under way when the snapshot was taken: nothing will go on with it here."""
        executions, deployments = self.tables["executions"], self.tables["deployments"]
        taken_by = self.snapshot.description.get("execution_id")
        under_way = executions.c.status.not_in([str(status) for status in END])
        others = executions.c.id != self.execution_id
        now = self.core.clock.now()
        ended = {"ended_at": now, "worker_id": None, "lease_until": None}
        self.connection.execute(
            update(executions)
            .where(executions.c.id == taken_by)
            .values(status=ExecutionStatus.TERMINATED.value, error="", **ended)
        )
        touched = select(executions.c.id).where(under_way, others)
        self.connection.execute(
            update(deployments)
            .where(deployments.c.latest_execution.in_(touched))
            .values(deployment_status="requires_attention")
        )
        self.connection.execute(
            update(executions).where(under_way, others).values(status=ExecutionStatus.FAILED.value, error=LOST, **ended)
        )
        blueprints = self.tables["blueprints"]
        self.connection.execute(
            update(blueprints)
            .where(blueprints.c.state.not_in([str(state) for state in BLUEPRINT_END]))
            .values(state=BlueprintState.FAILED_UPLOADING.value, error=LOST)
        )

    def _count_events(self) -> None:
        """Make the numbers of events of every execution anew: the snapshot may hold fewer events than there were."""
        counts, events = metadata.tables["event_counts"], self.tables["events"]
        self.connection.execute(delete(counts))
        of_type = {name: func.sum(case((events.c.type == name, 1), else_=0)) for name in (EVENT, LOG)}
        self.connection.execute(
            insert(counts).from_select(
                ["execution_id", "tenant_name", "events", "logs"],
                select(events.c.execution_id, func.min(events.c.tenant_name), of_type[EVENT], of_type[LOG]).group_by(
                    events.c.execution_id
                ),
            )
        )

    def _advance_sequences(self) -> None:
        for table in archive.dumped_tables():
            if "storage_id" in table.c:
                self.connection.execute(
                    text(
                        f"SELECT setval(pg_get_serial_sequence('{table.name}', 'storage_id'), "
                        f"coalesce((SELECT max(storage_id) FROM {table.name}), 0) + 1, false)"
                    )
                )


def _encrypted(row: dict[str, Any], cipher: Cipher) -> dict[str, Any]:
    return {**row, "encrypted_value": cipher.encrypt(row.pop(archive.SECRET_VALUE))}


def _load_files(core: Core, snapshot: archive.SnapshotFile) -> None:
    for kind, content_hash, stream in snapshot.files():
        if core.files.path(kind, content_hash).is_file():
            continue
        temporary = core.files.temporary()
        with temporary.open("wb") as target:
            shutil.copyfileobj(stream, target, 1 << 20)
        core.files.adopt(kind, temporary)


def _load_folders(core: Core, snapshot: archive.SnapshotFile, path: Path) -> None:
    """Put work directories, resources and icons where operations find them, and where the API does."""
    snapshot.load_folders(core.settings.data_dir.resolve())
    files = core.files
    if not isinstance(files, FetchingFiles) or files.holds_originals:
        return
    alone = files.temporary()
    try:
        if only_folders(path, alone):
            files.send_folders(alone)
    finally:
        alone.unlink(missing_ok=True)


def is_restoring(session: Session) -> bool:
    """Tell whether a restore is under way."""
    table = metadata.tables["executions"]
    statement = select(table.c.id).where(
        table.c.workflow_id == "restore_snapshot", table.c.status.in_([str(status) for status in ACTIVE])
    )
    return session.connection().execute(statement.limit(1)).first() is not None
