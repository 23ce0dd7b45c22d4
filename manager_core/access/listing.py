"""Users, tenants and tokens as clients see them (REST contract §4)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import literal, select
from sqlmodel import Session, col

from manager_core.access.authentication import is_locked
from manager_core.access.tables import Tenant, TenantMember, Token, User
from manager_core.rest.listing import Field, Listing, column

Batch = Callable[[Session, list[tuple[Any, ...]]], list[Any]]


def _roles_by(owner: Any, other: Any) -> Callable[[Session, list[tuple[Any, ...]]], dict[str, dict[str, str]]]:
    """Return a function from a page to: owner → other → role."""

    def read(session: Session, rows: list[tuple[Any, ...]]) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = defaultdict(dict)
        names = [row[0] for row in rows]
        for start in range(0, len(names), 500):
            statement = select(owner, other, col(TenantMember.role)).where(owner.in_(names[start : start + 500]))
            for name, counterpart, role in session.connection().execute(statement.order_by(other)):
                found[name][counterpart] = role
        return found

    return read


def _memberships(owner: Any, other: Any, show: Callable[[dict[str, str]], Any]) -> Batch:
    read = _roles_by(owner, other)

    def batch(session: Session, rows: list[tuple[Any, ...]]) -> list[Any]:
        found = read(session, rows)
        return [show(found.get(row[0], {})) for row in rows]

    return batch


def _detailed(roles: dict[str, str]) -> dict[str, Any]:
    return {name: {"tenant-role": role, "roles": [role]} for name, role in roles.items()}


def _direct(roles: dict[str, str]) -> dict[str, Any]:
    return {"direct": roles, "groups": {}}


def _constant(value: Any) -> Field:
    return Field((literal(0),), render=lambda _: value, filterable=False)


def users_listing(
    *, now: datetime, limit: int, minutes: float, expanded: bool = False, with_hash: bool = False
) -> Listing:
    """Describe users.

    Args:
        now, limit, minutes: what decides whether a user is locked, see `is_locked`.
        expanded: tenants and groups in full instead of counts (`_get_data`).
        with_hash: show the hash of the password.
    """
    members = (TenantMember.username, TenantMember.tenant_name)
    return Listing(
        model="User",
        table=User,
        permission="user_list",
        key="username",
        search=("username",),
        in_tenant=False,
        fields={
            "username": column(User.username),
            "role": column(User.role),
            "groups": _constant([] if expanded else 0),
            "tenants": Field(
                (User.username,), batch=_memberships(*members, _detailed if expanded else len), filterable=False
            ),
            "tenant_roles": Field((User.username,), batch=_memberships(*members, _direct), filterable=False)
            if expanded
            else _constant(None),
            "group_system_roles": _constant({}),
            "active": column(User.active),
            "is_locked": column(
                User.failed_logins,
                User.last_failed_login_at,
                render=lambda failed, last: is_locked(failed, last, now, limit, minutes),
                filterable=False,
            ),
            "created_at": column(User.created_at),
            "first_login_at": column(User.first_login_at),
            "last_login_at": column(User.last_login_at),
            "show_getting_started": column(User.show_getting_started),
            "password_hash": column(User.password_hash, filterable=False) if with_hash else _constant(None),
        },
    )


def tenants_listing(*, expanded: bool = False) -> Listing:
    """Describe tenants; `expanded` shows users and groups in full instead of counts (`_get_data`)."""
    members = (TenantMember.tenant_name, TenantMember.username)
    return Listing(
        model="Tenant",
        table=Tenant,
        permission="tenant_list",
        key="name",
        search=("name",),
        default_sort=("name",),
        in_tenant=False,
        fields={
            "name": column(Tenant.name),
            "groups": _constant({} if expanded else 0),
            "users": Field(
                (Tenant.name,), batch=_memberships(*members, _detailed if expanded else len), filterable=False
            ),
            "user_roles": Field((Tenant.name,), batch=_memberships(*members, _direct), filterable=False)
            if expanded
            else _constant(None),
            "rabbitmq_username": _constant(None),
            "rabbitmq_password": _constant(None),
            "rabbitmq_vhost": _constant(None),
        },
    )


TOKENS = Listing(
    model="Token",
    table=Token,
    permission="token_get",
    in_tenant=False,
    source=Token.__table__.join(User.__table__),  # type: ignore[attr-defined]
    fields={
        "id": column(Token.id),
        "username": column(Token.username),
        "value": column(Token.id, render=lambda token_id: f"ctok-{token_id}-********", filterable=False),
        "role": column(User.role),
        "expiration_date": column(Token.expiration_date),
        "last_used": column(Token.last_used),
        "description": column(Token.description),
    },
    extra_filters={"created_at": Token.created_at},
)
