"""Rows of users, tenants, memberships and tokens."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field, SQLModel

from manager_core.store.base import instant, required_instant


class Tenant(SQLModel, table=True):
    """A tenant: the space in which resource ids are unique."""

    __tablename__ = "tenants"

    name: str = Field(primary_key=True)
    created_at: datetime = required_instant()


class User(SQLModel, table=True):
    """A user. `name_key` is the lower-cased name: names compare case-insensitively."""

    __tablename__ = "users"

    username: str = Field(primary_key=True)
    name_key: str = Field(unique=True)
    password_hash: str
    role: str = "default"
    active: bool = True
    failed_logins: int = 0
    last_failed_login_at: datetime | None = instant()
    created_at: datetime = required_instant()
    first_login_at: datetime | None = instant()
    last_login_at: datetime | None = instant()
    show_getting_started: bool = False
    is_bootstrap_admin: bool = False


class TenantMember(SQLModel, table=True):
    """A user's role in a tenant."""

    __tablename__ = "tenant_members"

    tenant_name: str = Field(foreign_key="tenants.name", primary_key=True, ondelete="CASCADE")
    username: str = Field(foreign_key="users.username", primary_key=True, ondelete="CASCADE", index=True)
    role: str = "user"


class Token(SQLModel, table=True):
    """An API token; only the digest of its secret part is kept."""

    __tablename__ = "tokens"

    id: str = Field(primary_key=True)
    username: str = Field(foreign_key="users.username", index=True, ondelete="CASCADE")
    secret_hash: str
    description: str | None = None
    expiration_date: datetime | None = instant()
    last_used: datetime | None = instant()
    created_at: datetime = required_instant()
