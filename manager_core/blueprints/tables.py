"""Rows of blueprints and their labels."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKeyConstraint, UniqueConstraint
from sqlmodel import Field, SQLModel

from manager_core.blueprints.stored_plan import PlanJson
from manager_core.states import BlueprintState
from manager_core.store.base import ResourceColumns, instant, json_column, required_instant, row_id


class Blueprint(ResourceColumns, table=True):
    """An uploaded blueprint (REST contract §5.1). `archive_hash` addresses its files under the data directory."""

    __tablename__ = "blueprints"
    __table_args__ = (UniqueConstraint("tenant_name", "id"),)

    storage_id: int | None = row_id()
    id: str = Field(index=True)
    main_file_name: str | None = None
    plan: dict[str, Any] | None = Field(default=None, sa_type=PlanJson, nullable=True)
    requirements: dict[str, Any] | None = json_column()
    description: str | None = None
    updated_at: datetime | None = instant()
    is_hidden: bool = False
    state: str = BlueprintState.UPLOADING.value
    error: str | None = None
    error_traceback: str | None = None
    upload_execution_id: str | None = None
    archive_hash: str | None = None


class BlueprintLabel(SQLModel, table=True):
    """One (key, value) of a blueprint."""

    __tablename__ = "blueprint_labels"
    __table_args__ = (
        UniqueConstraint("tenant_name", "blueprint_id", "key", "value"),
        ForeignKeyConstraint(
            ["tenant_name", "blueprint_id"], ["blueprints.tenant_name", "blueprints.id"], ondelete="CASCADE"
        ),
    )

    storage_id: int | None = row_id()
    tenant_name: str
    blueprint_id: str
    key: str = Field(index=True)
    value: str
    created_at: datetime = required_instant()
    created_by: str
