"""Who is asking: the value every use case takes as its first argument."""

from __future__ import annotations

from dataclasses import dataclass, field

from manager_core.access.roles import SYS_ADMIN, SYSTEM_ROLES, allows
from manager_core.errors import Forbidden

MANAGER = "manager"


@dataclass(frozen=True)
class Caller:
    """An authenticated user, acting in a tenant.

    Attributes:
        username: the user's name as created.
        roles: system role and the roles in `tenant_name`.
        tenant: the tenant of the request; None when the request named none.
        tenant_roles: every tenant the user is a member of → role.
        execution_id: set when the request came with an execution's token.
        bypass_maintenance: the request asked to pass maintenance mode.
    """

    username: str
    roles: frozenset[str]
    tenant: str | None
    tenant_roles: dict[str, str] = field(default_factory=dict)
    execution_id: str | None = None
    bypass_maintenance: bool = False

    @property
    def is_admin(self) -> bool:
        """True for a system administrator."""
        return SYS_ADMIN in self.roles

    @property
    def is_tenant_admin(self) -> bool:
        """True for who may see the private things of others in this tenant."""
        return self.is_admin or MANAGER in self.roles

    @property
    def tenant_name(self) -> str:
        """The tenant of the request.

        Raises:
            Forbidden: the request named none.
        """
        if self.tenant is None:
            raise Forbidden("Authorization failed: tenant not provided")
        return self.tenant

    def may(self, permission: str) -> bool:
        """Tell whether the caller has `permission` in the request's tenant."""
        return allows(self.roles, permission)

    def require(self, permission: str) -> None:
        """Refuse unless the caller has `permission`.

        Raises:
            Forbidden: with the text of the REST contract §1.4.
        """
        if not self.may(permission):
            raise Forbidden(
                f"User `{self.username}` is not permitted to perform the action {permission} "
                f"in the tenant `{self.tenant}`"
            )

    def tenants_with(self, permission: str) -> list[str]:
        """Return the tenants in which the caller has `permission` (for `_all_tenants`).

        What the caller is in the request's tenant gives nothing in another one.
        """
        everywhere = self.roles & frozenset(SYSTEM_ROLES)
        return [
            tenant for tenant, role in self.tenant_roles.items() if allows(everywhere | frozenset({role}), permission)
        ]

    def belongs_to(self, tenant: str) -> bool:
        """Tell whether the caller is one of the tenant's people."""
        return self.is_admin or tenant == self.tenant or tenant in self.tenant_roles

    @property
    def managed_tenants(self) -> list[str]:
        """The tenants in which the caller may see the private things of others, besides being an administrator."""
        return [tenant for tenant, role in self.tenant_roles.items() if role == MANAGER]

    def require_at_home(self, tenant: str) -> None:
        """Refuse to run or steer what another tenant only shows, unless the caller may (REST contract §8.2).

        Args:
            tenant: whose it is.

        Raises:
            Forbidden: the caller acts in another tenant, without `execute_global_workflow`.
        """
        if tenant != self.tenant:
            self.require("execute_global_workflow")


def system_caller(tenant: str, username: str = "admin") -> Caller:
    """Return the caller as which the manager itself acts in a tenant."""
    return Caller(username=username, roles=frozenset({SYS_ADMIN}), tenant=tenant)
