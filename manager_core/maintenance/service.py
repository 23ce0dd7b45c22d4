"""Maintenance mode: switching it, and refusing requests while it lasts (REST contract §3)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update
from sqlmodel import Session, col
from sqlmodel import select as sqlmodel_select

from manager_core.access.caller import Caller
from manager_core.errors import BadParameters, Kind, ManagerError, NotModified
from manager_core.executions.tables import Execution
from manager_core.maintenance.refusals import refused_when_activated, refused_when_activating
from manager_core.maintenance.tables import Maintenance, MaintenanceWindow
from manager_core.states import END, MaintenanceStatus
from manager_core.store.upsert import upsert

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

PERMISSION = "maintenance_mode_set"
_STATUS = select(col(Maintenance.status)).where(col(Maintenance.id) == 1)
_REMAINING = select(
    col(Execution.id), col(Execution.status), col(Execution.deployment_id), col(Execution.workflow_id)
).where(col(Execution.status).not_in(sorted(END)))


class MaintenanceMode:
    """Maintenance mode."""

    def __init__(self, core: Core) -> None:
        """Work on the given Core."""
        self._core = core
        self._calm_at: int | None = None

    def status_in(self, session: Session) -> MaintenanceStatus:
        """Return the stored status; does not turn `activating` into `activated`."""
        stored = session.connection().execute(_STATUS).scalar()
        return MaintenanceStatus.DEACTIVATED if stored is None else MaintenanceStatus(stored)

    def was_passed_by(self, session: Session, created_at: datetime) -> bool:
        """Tell whether something that was made then passed maintenance mode, which still lasts.

        Whoever starts an execution while the mode refuses it must have asked to pass, and its calls pass too.
        """
        row = session.get(Maintenance, 1)
        if row is None or row.status == MaintenanceStatus.DEACTIVATED or row.activation_requested_at is None:
            return False
        return created_at >= row.activation_requested_at

    def gate(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        """Refuse a request that the present state does not let through; called before authentication.

        Raises:
            ManagerError: 503 `maintenance_mode_active` or `entering_maintenance_mode`.
        """
        mark = self._core.store.changes.read()
        if mark is not None and mark == self._calm_at:
            return
        with self._core.store.read() as session:
            status = self.status_in(session)
        if status is MaintenanceStatus.DEACTIVATED:
            self._calm_at = mark
            return
        status = self._settled(status)
        if status is MaintenanceStatus.ACTIVATED:
            code, refused = "maintenance_mode_active", refused_when_activated(path)
        elif status is MaintenanceStatus.ACTIVATING:
            code, refused = "entering_maintenance_mode", refused_when_activating(method, path)
        else:
            return
        if not refused or self._bypassed(headers):
            return
        raise ManagerError(
            "Your request was rejected since Cloudify manager is currently in maintenance mode",
            code=code,
            kind=Kind.UNAVAILABLE,
        )

    def _bypassed(self, headers: Mapping[str, str]) -> bool:
        if headers.get("x-bypass-maintenance", "").lower() != "true":
            return False
        return self._core.access.authenticate(headers).may(PERMISSION)

    def _settled(self, status: MaintenanceStatus) -> MaintenanceStatus:
        """Make `activating` `activated` once nothing runs and nothing waits any more, in any tenant."""
        if status is not MaintenanceStatus.ACTIVATING:
            return status
        with self._core.store.read() as session:
            if session.connection().execute(_REMAINING.limit(1)).first() is not None:
                return status
        with self._core.store.write() as session:
            if session.connection().execute(_REMAINING.limit(1)).first() is None:
                session.connection().execute(
                    update(Maintenance)
                    .where(col(Maintenance.id) == 1, col(Maintenance.status) == MaintenanceStatus.ACTIVATING)
                    .values(status=MaintenanceStatus.ACTIVATED.value, activated_at=self._core.clock.now())
                )
            return self.status_in(session)

    def state(self) -> dict[str, Any]:
        """Return the state as `GET /maintenance` shows it."""
        with self._core.store.read() as session:
            status = self.status_in(session)
        self._settled(status)
        with self._core.store.read() as session:
            return self._shown(session)

    def _shown(self, session: Session) -> dict[str, Any]:
        row = session.get(Maintenance, 1) or Maintenance()
        remaining = None
        if row.status == MaintenanceStatus.ACTIVATING:
            rows = session.connection().execute(_REMAINING.order_by(col(Execution.storage_id))).all()
            remaining = [dict(found._mapping) for found in rows]
        return {
            "status": row.status,
            "activation_requested_at": row.activation_requested_at or "",
            "activated_at": row.activated_at or "",
            "requested_by": row.requested_by,
            "remaining_executions": remaining,
        }

    def act(self, caller: Caller, action: str) -> dict[str, Any]:
        """Activate or deactivate, and return the new state.

        Raises:
            BadParameters: another action.
            NotModified: the wanted state is there already.
        """
        if action == "activate":
            return self._activate(caller)
        if action == "deactivate":
            return self._deactivate()
        raise BadParameters(f"Invalid action: {action}, Valid action values are: ['activate', 'deactivate']")

    def _activate(self, caller: Caller) -> dict[str, Any]:
        with self._core.store.write() as session:
            row = self._row_in(session)
            if row.status != MaintenanceStatus.DEACTIVATED:
                raise NotModified(f"Maintenance mode is already {row.status}")
            now = self._core.clock.now()
            busy = session.connection().execute(_REMAINING.limit(1)).first() is not None
            row.status = (MaintenanceStatus.ACTIVATING if busy else MaintenanceStatus.ACTIVATED).value
            row.activation_requested_at = now
            row.activated_at = None if busy else now
            row.requested_by = caller.username
            session.add(row)
            session.add(MaintenanceWindow(started_at=now, requested_by=caller.username))
            session.flush()
            return self._shown(session)

    def _deactivate(self) -> dict[str, Any]:
        with self._core.store.write() as session:
            row = self._row_in(session)
            if row.status == MaintenanceStatus.DEACTIVATED:
                raise NotModified("Maintenance mode is already deactivated")
            now = self._core.clock.now()
            row.status = MaintenanceStatus.DEACTIVATED.value
            row.activation_requested_at = row.activated_at = None
            row.requested_by = ""
            session.add(row)
            session.connection().execute(
                update(MaintenanceWindow).where(col(MaintenanceWindow.ended_at).is_(None)).values(ended_at=now)
            )
            session.flush()
            shown = self._shown(session)
        self._core.executions.dequeue()
        return shown

    def _row_in(self, session: Session) -> Maintenance:
        """Return the one row, locked for this transaction."""
        upsert(session, Maintenance, [{"id": 1, "status": "deactivated", "requested_by": ""}], key=["id"])
        return session.exec(sqlmodel_select(Maintenance).where(col(Maintenance.id) == 1).with_for_update()).one()
