"""Rows of secrets; the value is kept encrypted."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from manager_core.store.base import ResourceColumns, instant, json_column, row_id


class Secret(ResourceColumns, table=True):
    """A secret (REST contract §17). `encrypted_value` is a Fernet token over the JSON of the value."""

    __tablename__ = "secrets"
    __table_args__ = (UniqueConstraint("tenant_name", "key"),)

    storage_id: int | None = row_id()
    key: str = Field(index=True)
    encrypted_value: str
    value_schema: Any = json_column()
    is_hidden_value: bool = False
    provider_name: str | None = None
    provider_options: Any = json_column()
    updated_at: datetime | None = instant()
