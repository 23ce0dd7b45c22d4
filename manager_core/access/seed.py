"""The first tenant and the first user: made once for a database, whoever starts first."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlmodel import col, select

from manager_core.access.roles import SYS_ADMIN
from manager_core.access.tables import Tenant, TenantMember, User
from manager_core.access.users import check_password
from manager_core.ids import password_text

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

ADMIN = "admin"
FIRST_TENANT = "default_tenant"
LOCK_KEY = 0x73656564
"""Advisory lock under which PostgreSQL lets one process seed at a time; SQLite's write transaction is one."""


def seed(core: Core) -> str | None:
    """Create the first tenant and the administrator unless they are there.

    Returns:
        the password that was generated, None when one was given or the user existed.

    Raises:
        BadParameters: `CLOUDIFY_ADMIN_PASSWORD` is too short or too long.
    """
    with core.store.read() as session:
        if session.exec(select(User.username).where(col(User.is_bootstrap_admin))).first() is not None:
            return None
    given = core.settings.admin_password
    password = given if given is not None else password_text()
    check_password(password)
    hashed = core.access.passwords.hash(password)
    with core.store.write() as session:
        if core.store.dialect == "postgresql":
            session.connection().execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
        if session.exec(select(User.username).where(col(User.is_bootstrap_admin))).first() is not None:
            return None
        now = core.clock.now()
        if session.get(Tenant, FIRST_TENANT) is None:
            session.add(Tenant(name=FIRST_TENANT, created_at=now))
        session.add(
            User(
                username=ADMIN,
                name_key=ADMIN,
                password_hash=hashed,
                role=SYS_ADMIN,
                created_at=now,
                is_bootstrap_admin=True,
            )
        )
        session.flush()
        session.add(TenantMember(tenant_name=FIRST_TENANT, username=ADMIN, role="manager"))
        if given is None:
            # Before the commit: a crash in between leaves a stale file, not a user nobody can be.
            _keep(core, password)
    return None if given is not None else password


def _keep(core: Core, password: str) -> None:
    """Write the generated password where only the service's owner reads it."""
    path = core.settings.data_dir / "admin-password"
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(password + "\n")
