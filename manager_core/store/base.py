"""What tables share: the row id, the columns every resource has, and shorthands for columns."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Integer
from sqlmodel import Field, SQLModel

from manager_core.states import Visibility
from manager_core.store.column_types import Json, UtcDateTime

RowId = BigInteger().with_variant(Integer, "sqlite")
"""Type of the internal row id; also the last sort key of every list, so that paging has a total order."""

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
SQLModel.metadata.naming_convention = NAMING


def row_id() -> Any:
    """Declare the internal row id column."""
    return Field(default=None, primary_key=True, sa_type=RowId)


def instant(*, index: bool = False) -> Any:
    """Declare an optional instant column."""
    return Field(default=None, sa_type=UtcDateTime, nullable=True, index=index)


def required_instant(*, index: bool = False) -> Any:
    """Declare a mandatory instant column."""
    return Field(sa_type=UtcDateTime, nullable=False, index=index)


def json_column() -> Any:
    """Declare an optional JSON column."""
    return Field(default=None, sa_type=Json, nullable=True)


class ResourceColumns(SQLModel):
    """Columns of every resource that belongs to a tenant (REST contract §1.9)."""

    tenant_name: str = Field(foreign_key="tenants.name", index=True)
    created_by: str = Field(index=True)
    visibility: str = Field(default=Visibility.TENANT.value)
    created_at: datetime = required_instant()
