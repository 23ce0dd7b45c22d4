"""Users, tenants, tokens, and who is asking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sqlmodel import Session

from manager_core.access.authentication import Authentication, person_named
from manager_core.access.caller import Caller
from manager_core.access.passwords import Passwords
from manager_core.access.seed import seed
from manager_core.access.tenants import Tenants
from manager_core.access.tokens import Tokens
from manager_core.access.users import Users, named
from manager_core.errors import NotFound, Unauthorized

if TYPE_CHECKING:
    from manager_core.bootstrap import Core


class Access:
    """Users, tenants, tokens, and who is asking.

    Attributes:
        users, tenants, tokens: the use cases of each.
        passwords: hashing and checking.
        generated_password: the administrator's password, when this process has just generated it; shown once.
    """

    def __init__(self, core: Core) -> None:
        """Work on the given Core."""
        self._core = core
        self.users = Users(core)
        self.tenants = Tenants(core)
        self.tokens = Tokens(core)
        self.passwords = Passwords(core.settings.password_memory_kib)
        self.generated_password: str | None = None
        self._authentication = Authentication(core)

    def seed(self) -> None:
        """Create the first tenant and the administrator unless they are there; safe to call from several processes."""
        self.generated_password = seed(self._core)

    def authenticate(self, headers: Mapping[str, str], tenant: str | None = None) -> Caller:
        """Return the caller behind request headers, in `tenant` or else the `Tenant` header's.

        Raises:
            Unauthorized: no, wrong or expired credentials (REST contract §1.3).
            Forbidden: the tenant does not exist (§1.4).
        """
        return self._authentication.caller(headers, tenant)

    def caller_for(self, session: Session, username: str, tenant: str | None) -> Caller:
        """Return the user as a caller in a tenant, for work that is done in the user's name.

        Raises:
            NotFound: there is no such user.
            Forbidden: there is no such tenant.
        """
        person = person_named(session, username, tenant)
        if person is None:
            raise NotFound.of("User", username)
        return person.caller(tenant)

    def active_caller(self, session: Session, username: str, tenant: str) -> Caller:
        """Return the user as a caller in a tenant, for credentials other than a password or token of the user.

        Raises:
            Unauthorized: there is no such user, or it was deactivated.
            Forbidden: there is no such tenant.
        """
        person = person_named(session, username, tenant)
        if person is None or not person.row.active:
            raise Unauthorized("Unauthorized")
        return person.caller(tenant)

    def existing_user(self, session: Session, username: str) -> str:
        """Return the user's name as it was created.

        Raises:
            NotFound: there is no such user.
        """
        return named(session, username).username

    def set_admin(self, username: str, password: str | None) -> str:
        """Make `username` an administrator with this password, or a generated one; returns the password."""
        return self.users.set_admin(username, password)
