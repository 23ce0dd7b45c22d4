"""Rows of stored filters."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from manager_core.store.base import ResourceColumns, instant, json_column, row_id


class Filter(ResourceColumns, table=True):
    """A stored filter over `blueprints` or `deployments` (REST contract §20.1)."""

    __tablename__ = "filters"
    __table_args__ = (UniqueConstraint("tenant_name", "filtered_resource", "id"),)

    storage_id: int | None = row_id()
    id: str
    filtered_resource: str = Field(index=True)
    value: list[Any] | None = json_column()
    is_system_filter: bool = False
    updated_at: datetime | None = instant()
