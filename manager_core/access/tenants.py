"""Tenants and who is a member of them (REST contract §4.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlmodel import Session, col, select

from manager_core.access.caller import Caller
from manager_core.access.listing import tenants_listing
from manager_core.access.owned import tables_holding
from manager_core.access.roles import SYSTEM_ROLES, TENANT_ROLES
from manager_core.access.seed import FIRST_TENANT
from manager_core.access.tables import Tenant, TenantMember
from manager_core.access.users import named
from manager_core.errors import BadParameters, Conflict, NotFound
from manager_core.rest.identifiers import check_id
from manager_core.rest.listing import ListQuery, get_one, list_page

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

_RESERVED = frozenset({"users", "user-groups"})
"""Names that the URLs below `/tenants` need."""


def check_tenant_role(role: str) -> str:
    """Return `role` when it may be a role in a tenant.

    Raises:
        BadParameters: it may not.
    """
    if role in SYSTEM_ROLES:
        raise BadParameters(f"Role `{role}` is a system_role and cannot be assigned as a tenant_role")
    if role not in TENANT_ROLES:
        raise BadParameters(f"Invalid role: `{role}`. Valid tenant_role roles are: {list(TENANT_ROLES)}")
    return role


class Tenants:
    """The tenants of the manager."""

    def __init__(self, core: Core) -> None:
        """Work on the given Core."""
        self._core = core

    def page(self, caller: Caller, query: ListQuery, *, expanded: bool = False) -> dict[str, Any]:
        """Return a page of the caller's tenants; an administrator's are all."""
        if expanded:
            caller.require("tenant_list_get_data")
        where = [] if caller.is_admin else [col(Tenant.name).in_(sorted(caller.tenant_roles))]
        with self._core.store.read() as session:
            return list_page(session, tenants_listing(expanded=expanded), query, caller, where=where)

    def get(
        self, caller: Caller, name: str, include: list[str] | None = None, *, expanded: bool = False
    ) -> dict[str, Any]:
        """Return one tenant.

        Raises:
            NotFound: there is no such tenant.
            Forbidden: the caller's role in it does not grant `tenant_get`.
        """
        with self._core.store.read() as session:
            self._require(session, name)
            self._core.access.caller_for(session, caller.username, name).require("tenant_get")
            return get_one(session, tenants_listing(expanded=expanded), caller, name, include=include)

    def create(self, caller: Caller, name: str) -> dict[str, Any]:
        """Create a tenant.

        Raises:
            BadParameters: a bad or reserved name.
            Conflict: the name is taken.
        """
        check_id(name, "tenant_name")
        if name in _RESERVED:
            raise BadParameters(f"{name!r} is not allowed as a tenant name")
        with self._core.store.write() as session:
            if session.get(Tenant, name) is not None:
                raise Conflict(f"<Tenant name=`{name}`> already exists")
            session.add(Tenant(name=name, created_at=self._core.clock.now()))
        return self._shown(caller, name)

    def delete(self, name: str) -> None:
        """Remove a tenant that owns nothing.

        Raises:
            NotFound: there is no such tenant.
            Conflict: it is the first one, or owns resources.
        """
        with self._core.store.write() as session:
            tenant = self._require(session, name)
            if name == FIRST_TENANT:
                raise Conflict(f"The tenant {name} cannot be deleted")
            owned = tables_holding(session, "tenant_name", name)
            if owned:
                raise Conflict(f"Cannot delete tenant {name}: it owns resources ({', '.join(owned)})")
            session.delete(tenant)

    def add_member(self, caller: Caller, name: str, username: str, role: str) -> dict[str, Any]:
        """Make a user a member of a tenant.

        Raises:
            NotFound: no such tenant or user.
            Conflict: the user is a member already.
        """
        check_tenant_role(role)
        with self._core.store.write() as session:
            self._require(session, name)
            user = named(session, username)
            if session.get(TenantMember, (name, user.username)) is not None:
                raise Conflict(f"The user {user.username} is already associated with the tenant {name}")
            session.add(TenantMember(tenant_name=name, username=user.username, role=role))
        return self._shown(caller, name)

    def change_member(self, caller: Caller, name: str, username: str, role: str) -> dict[str, Any]:
        """Give a member another role.

        Raises:
            NotFound: no such tenant, user or membership.
        """
        check_tenant_role(role)
        with self._core.store.write() as session:
            member = self._member(session, name, username)
            member.role = role
            session.add(member)
        return self._shown(caller, name)

    def remove_member(self, name: str, username: str) -> None:
        """End a membership.

        Raises:
            NotFound: no such tenant, user or membership.
        """
        with self._core.store.write() as session:
            session.delete(self._member(session, name, username))

    def _shown(self, caller: Caller, name: str) -> dict[str, Any]:
        with self._core.store.read() as session:
            return get_one(session, tenants_listing(), caller, name)

    def _require(self, session: Session, name: str) -> Tenant:
        tenant = session.get(Tenant, name)
        if tenant is None:
            raise NotFound.of("Tenant", name)
        return tenant

    def _member(self, session: Session, name: str, username: str) -> TenantMember:
        self._require(session, name)
        user = named(session, username)
        statement = select(TenantMember).where(TenantMember.tenant_name == name, TenantMember.username == user.username)
        member = session.exec(statement.with_for_update()).first()
        if member is None:
            raise NotFound(f"The user {user.username} is not associated with the tenant {name}")
        return member
