"""Rows of snapshots."""

from __future__ import annotations

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from manager_core.store.base import ResourceColumns, row_id


class Snapshot(ResourceColumns, table=True):
    """A snapshot of the whole manager (REST contract §18)."""

    __tablename__ = "snapshots"
    __table_args__ = (UniqueConstraint("id"),)

    storage_id: int | None = row_id()
    id: str = Field(index=True)
    status: str = "creating"
    error: str | None = None
    archive_hash: str | None = None
