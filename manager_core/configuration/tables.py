"""Rows of configuration values and the provider context."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlmodel import Field, SQLModel

from manager_core.store.base import instant, json_column


class ConfigValue(SQLModel, table=True):
    """A value that an operator changed; the defaults are in `configuration.service`."""

    __tablename__ = "config"

    scope: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    value: Any = json_column()
    updated_at: datetime | None = instant()
    updater_name: str | None = None


class ProviderContext(SQLModel, table=True):
    """The provider context old clients ask for."""

    __tablename__ = "provider_context"

    id: str = Field(default="CONTEXT", primary_key=True)
    name: str
    context: Any = json_column()
