"""Rows of maintenance mode: the present state, and the windows the scheduler has to account for."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field, SQLModel

from manager_core.states import MaintenanceStatus
from manager_core.store.base import instant, required_instant, row_id


class Maintenance(SQLModel, table=True):
    """The one row of the present state (`id` is 1)."""

    __tablename__ = "maintenance"

    id: int = Field(default=1, primary_key=True)
    status: str = MaintenanceStatus.DEACTIVATED.value
    activation_requested_at: datetime | None = instant()
    activated_at: datetime | None = instant()
    requested_by: str = ""


class MaintenanceWindow(SQLModel, table=True):
    """A span in which nothing was scheduled; `ended_at` is null while it lasts."""

    __tablename__ = "maintenance_windows"

    storage_id: int | None = row_id()
    started_at: datetime = required_instant(index=True)
    ended_at: datetime | None = instant()
    requested_by: str = ""
