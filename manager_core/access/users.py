"""Users: creating, changing, locking out and removing them (REST contract §4.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func
from sqlmodel import Session, col, select

from manager_core.access.caller import Caller
from manager_core.access.listing import users_listing
from manager_core.access.owned import tables_holding
from manager_core.access.roles import DEFAULT, SYS_ADMIN, SYSTEM_ROLES, TENANT_ROLES
from manager_core.access.tables import User
from manager_core.access.tokens import end_sessions
from manager_core.errors import BadParameters, Conflict, NotFound
from manager_core.ids import password_text
from manager_core.rest.identifiers import check_id
from manager_core.rest.listing import Listing, ListQuery, get_one, list_page

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

SHORTEST_PASSWORD = 5
LONGEST_PASSWORD = 256
_ARGON2_HASH = re.compile(r"\$argon2(id|i|d)\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+")


def check_password(password: str) -> None:
    """Refuse a password that is too short or too long.

    Raises:
        BadParameters: it is.
    """
    if len(password) < SHORTEST_PASSWORD:
        raise BadParameters(f"The password is too short. Minimum allowed length is {SHORTEST_PASSWORD} characters")
    if len(password) > LONGEST_PASSWORD:
        raise BadParameters(f"The password is too long. Maximum allowed length is {LONGEST_PASSWORD} characters")


def check_system_role(role: str) -> str:
    """Return `role` when it may be a user's system role.

    Raises:
        BadParameters: it may not.
    """
    if role in TENANT_ROLES:
        raise BadParameters(f"Role `{role}` is a tenant_role and cannot be assigned as a system_role")
    if role not in SYSTEM_ROLES:
        raise BadParameters(f"Invalid role: `{role}`. Valid system_role roles are: {list(SYSTEM_ROLES)}")
    return role


@dataclass(frozen=True)
class NewUser:
    """A user to create; the stamps are for restoring one."""

    username: str
    password: str
    role: str = DEFAULT
    is_prehashed: bool = False
    created_at: datetime | None = None
    first_login_at: datetime | None = None
    last_login_at: datetime | None = None


class Users:
    """The users of the manager."""

    def __init__(self, core: Core) -> None:
        """Work on the given Core."""
        self._core = core

    def page(self, caller: Caller, query: ListQuery, *, expanded: bool = False) -> dict[str, Any]:
        """Return a page of users."""
        with self._core.store.read() as session:
            return list_page(session, self._listing(session, caller, expanded), query, caller)

    def get(
        self, caller: Caller, username: str, include: list[str] | None = None, *, expanded: bool = False
    ) -> dict[str, Any]:
        """Return one user.

        Raises:
            NotFound: there is no such user.
        """
        with self._core.store.read() as session:
            name = named(session, username).username
            return get_one(session, self._listing(session, caller, expanded), caller, name, include=include)

    def create(self, caller: Caller, new: NewUser) -> dict[str, Any]:
        """Create a user.

        Raises:
            BadParameters: a bad name, password or role.
            Conflict: the name is taken, in any letter case.
        """
        check_id(new.username, "username")
        role = check_system_role(new.role)
        if new.is_prehashed:
            if not _ARGON2_HASH.fullmatch(new.password):
                raise BadParameters("A prehashed password must be an argon2 hash")
            hashed = new.password
        else:
            check_password(new.password)
            hashed = self._core.access.passwords.hash(new.password)
        with self._core.store.write() as session:
            key = new.username.lower()
            if session.exec(select(User.username).where(User.name_key == key)).first() is not None:
                raise Conflict(f"<User username=`{new.username}`> already exists")
            session.add(
                User(
                    username=new.username,
                    name_key=key,
                    password_hash=hashed,
                    role=role,
                    created_at=new.created_at or self._core.clock.now(),
                    first_login_at=new.first_login_at,
                    last_login_at=new.last_login_at,
                )
            )
        return self.get(caller, new.username)

    def change(
        self,
        caller: Caller,
        username: str,
        *,
        password: str | None = None,
        role: str | None = None,
        show_getting_started: bool | None = None,
    ) -> dict[str, Any]:
        """Set one thing of a user: password, role or the getting-started flag.

        Everybody may set the own password and flag; the rest needs `user_update`.

        Raises:
            Forbidden: the caller may not.
            BadParameters: nothing, or password and role together, or the last active administrator's role.
            NotFound: there is no such user.
        """
        own = username.lower() == caller.username.lower() and role is None
        if not own:
            caller.require("user_update")
        if password is not None and role is not None:
            raise BadParameters("Both `password` and `role` provided")
        if password is None and role is None and show_getting_started is None:
            raise BadParameters(
                "No valid user settings provided. Available settings: password, role, show_getting_started"
            )
        hashed = None
        if password is not None:
            check_password(password)
            hashed = self._core.access.passwords.hash(password)
        if role is not None:
            check_system_role(role)
        with self._core.store.write() as session:
            user = named(session, username, lock=True)
            if hashed is not None:
                user.password_hash = hashed
                end_sessions(session, user.username)
            if role is not None:
                if role != SYS_ADMIN and _is_last_admin(session, user):
                    raise BadParameters("Cannot modify the role of the last active sys_admin")
                user.role = role
            if show_getting_started is not None:
                user.show_getting_started = show_getting_started
            session.add(user)
        return self.get(caller, username)

    def set_active(self, caller: Caller, username: str, *, active: bool) -> dict[str, Any]:
        """Activate or deactivate a user.

        Raises:
            Conflict: the user is so already.
            BadParameters: it is the last active administrator.
        """
        with self._core.store.write() as session:
            user = named(session, username, lock=True)
            if user.active == active:
                raise Conflict(f"User {user.username} is already {'active' if active else 'inactive'}")
            if not active and _is_last_admin(session, user):
                raise BadParameters("Cannot deactivate the last active sys_admin")
            user.active = active
            session.add(user)
        return self.get(caller, username)

    def unlock(self, caller: Caller, username: str) -> dict[str, Any]:
        """Forget a user's wrong passwords."""
        with self._core.store.write() as session:
            user = named(session, username, lock=True)
            user.failed_logins, user.last_failed_login_at = 0, None
            session.add(user)
        return self.get(caller, username)

    def delete(self, username: str) -> None:
        """Remove a user who owns nothing.

        Raises:
            BadParameters: the bootstrap administrator, the last active one, or an owner of resources.
            NotFound: there is no such user.
        """
        with self._core.store.write() as session:
            user = named(session, username, lock=True)
            if user.is_bootstrap_admin:
                raise BadParameters(f"Cannot delete the bootstrap admin {user.username}")
            if _is_last_admin(session, user):
                raise BadParameters("Cannot delete the last active sys_admin")
            owned = tables_holding(session, "created_by", user.username)
            if owned:
                raise BadParameters(f"Cannot delete user {user.username}: it owns resources ({', '.join(owned)})")
            session.delete(user)

    def set_admin(self, username: str, password: str | None) -> str:
        """Make `username` an active administrator with this or a generated password; create it when it is missing.

        Returns: the password.
        """
        check_id(username, "username")
        secret = password if password is not None else password_text()
        check_password(secret)
        hashed = self._core.access.passwords.hash(secret)
        with self._core.store.write() as session:
            user = session.exec(select(User).where(User.name_key == username.lower())).first()
            if user is None:
                user = User(
                    username=username, name_key=username.lower(), password_hash="", created_at=self._core.clock.now()
                )
            user.password_hash, user.role, user.active = hashed, SYS_ADMIN, True
            user.failed_logins, user.last_failed_login_at = 0, None
            session.add(user)
        return secret

    def _listing(self, session: Session, caller: Caller, expanded: bool) -> Listing:
        configuration = self._core.configuration
        return users_listing(
            now=self._core.clock.now(),
            limit=int(configuration.value_in(session, "failed_logins_before_account_lock")),
            minutes=float(configuration.value_in(session, "account_lock_period")),
            expanded=expanded,
            with_hash=caller.may("get_password_hash"),
        )


def named(session: Session, username: str, *, lock: bool = False) -> User:
    """Return the user of this name, in any letter case.

    Raises:
        NotFound: there is none.
    """
    statement = select(User).where(User.name_key == username.lower())
    user = session.exec(statement.with_for_update() if lock else statement).first()
    if user is None:
        raise NotFound.of("User", username)
    return user


def _is_last_admin(session: Session, user: User) -> bool:
    if user.role != SYS_ADMIN or not user.active:
        return False
    others = select(func.count()).where(
        col(User.role) == SYS_ADMIN, col(User.active), col(User.username) != user.username
    )
    return session.exec(others).one() == 0
