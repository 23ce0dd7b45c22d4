"""From request headers to a `Caller` (REST contract §1.3, §1.4).

Order: `Execution-Token`, Basic, `Authentication-Token`. One indexed look-up a request; nothing is written but failures,
and stamps of use at most once a minute.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select, update
from sqlmodel import Session, col

from manager_core.access.caller import Caller
from manager_core.access.tables import Tenant, TenantMember, Token, User
from manager_core.errors import Forbidden, Unauthorized
from manager_core.executions.tables import Execution, Operation, TasksGraph
from manager_core.ids import digest
from manager_core.states import ACTIVE, TASK_END, ExecutionStatus

if TYPE_CHECKING:
    from manager_core.bootstrap import Core
    from scheduler.clock import Clock

STAMP_EVERY = timedelta(minutes=1)
EXECUTION_TOKEN_LEAD = timedelta(seconds=60)
_EXECUTION_TOKEN = re.compile(r"[0-9a-f]{32}")

_TENANT_EXISTS = select(col(Tenant.name)).where(col(Tenant.name) == bindparam("tenant")).scalar_subquery()
_PERSON: tuple[Any, ...] = (
    User.username,
    User.name_key,
    User.password_hash,
    User.role,
    User.active,
    User.failed_logins,
    User.last_failed_login_at,
    User.first_login_at,
    User.last_login_at,
    col(TenantMember.tenant_name).label("member_of"),
    col(TenantMember.role).label("member_role"),
    _TENANT_EXISTS.label("tenant_exists"),
)
_MEMBERSHIP = col(TenantMember.username) == col(User.username)
_BY_NAME = select(*_PERSON).outerjoin(TenantMember, _MEMBERSHIP).where(col(User.name_key) == bindparam("name_key"))
_BY_TOKEN = (
    select(*_PERSON, col(Token.secret_hash), col(Token.expiration_date), col(Token.last_used))
    .select_from(Token)
    .join(User, col(User.username) == col(Token.username))
    .outerjoin(TenantMember, _MEMBERSHIP)
    .where(col(Token.id) == bindparam("token_id"))
)
_BY_EXECUTION = select(
    col(Execution.id),
    col(Execution.status),
    col(Execution.created_by),
    col(Execution.tenant_name),
    col(Execution.scheduled_for),
).where(col(Execution.token_hash) == bindparam("token_hash"))


@dataclass(frozen=True)
class Person:
    """A user as the database has it at this moment, with the roles in every tenant."""

    row: Any
    tenant_roles: dict[str, str]

    @classmethod
    def of(cls, rows: Sequence[Any]) -> Person | None:
        """Fold the rows of a look-up (one a membership) into one."""
        if not rows:
            return None
        return cls(rows[0], {row.member_of: row.member_role for row in rows if row.member_of is not None})

    def caller(self, tenant: str | None) -> Caller:
        """Place the user in a tenant.

        Raises:
            Forbidden: there is no such tenant.
        """
        if tenant is not None and self.row.tenant_exists is None:
            raise Forbidden(f"Authorization failed: Tried to authenticate with invalid tenant name: {tenant}")
        roles = {self.row.role}
        if tenant in self.tenant_roles:
            roles.add(self.tenant_roles[tenant])
        return Caller(self.row.username, frozenset(roles), tenant, self.tenant_roles)


def person_named(session: Session, username: str, tenant: str | None) -> Person | None:
    """Look a user up by name, in any letter case."""
    rows = session.connection().execute(_BY_NAME, {"name_key": username.lower(), "tenant": tenant}).all()
    return Person.of(rows)


def is_locked(failed_logins: int, last_failure: datetime | None, now: datetime, limit: int, minutes: float) -> bool:
    """Tell whether too many wrong passwords lock a user at `now`.

    Args:
        limit: as many wrong passwords in a row are forgiven.
        minutes: how long the lock lasts after the last failure; negative turns locking off.
    """
    if failed_logins <= limit or last_failure is None or minutes < 0:
        return False
    return now < last_failure + timedelta(minutes=minutes)


@dataclass(frozen=True, slots=True)
class Found:
    """A caller that was found for certain credentials, and how long that may be believed if nothing is committed.

    Attributes:
        until: monotonic seconds.
        expires: when the token ends, None for what does not.
    """

    caller: Caller
    until: float = 0.0
    expires: datetime | None = None

    def holds(self, clock: Clock) -> bool:
        """Tell whether it may still be believed."""
        return clock.monotonic() < self.until and (self.expires is None or clock.now() < self.expires)


_MOST_KNOWN = 10_000


class Authentication:
    """Finds out who sent a request."""

    def __init__(self, core: Core) -> None:
        """Work on the given Core."""
        self._core = core
        self._key = secrets.token_bytes(32)
        self._known: dict[bytes, tuple[int, Found]] = {}

    def caller(self, headers: Mapping[str, str], tenant: str | None) -> Caller:
        """Return the caller behind the headers, in `tenant` or else the `Tenant` header's.

        Raises:
            Unauthorized: no, wrong or expired credentials.
            Forbidden: the tenant does not exist.
        """
        wanted = tenant if tenant is not None else (headers.get("tenant") or None)
        bypass = headers.get("x-bypass-maintenance", "").lower() == "true"
        mark = self._core.store.changes.read()
        if mark is None or headers.get("execution-token"):
            caller = self._identify(headers, wanted).caller
        else:
            caller = self._identify_once(headers, wanted, mark)
        return replace(caller, bypass_maintenance=True) if bypass else caller

    def _identify_once(self, headers: Mapping[str, str], tenant: str | None, mark: int) -> Caller:
        """Look the caller up, unless nothing was committed since the same credentials were looked up last."""
        given = "\0".join((headers.get("authorization", ""), headers.get("authentication-token", ""), tenant or ""))
        key = hmac.digest(self._key, given.encode("utf-8", "surrogatepass"), "sha256")
        known_at, known = self._known.get(key, (None, None))
        if known is not None and known_at == mark and known.holds(self._core.clock):
            return known.caller
        found = self._identify(headers, tenant)
        if len(self._known) >= _MOST_KNOWN:
            self._known = {}
        self._known[key] = mark, found
        return found.caller

    def _identify(self, headers: Mapping[str, str], tenant: str | None) -> Found:
        execution_token = headers.get("execution-token")
        if execution_token:
            found = self._by_execution_token(execution_token)
            if found is None:
                raise Unauthorized("Authentication failed, invalid Execution Token")
            return Found(found)
        basic = _basic(headers.get("authorization", ""))
        if basic is not None:
            return self._by_password(*basic, tenant)
        token = headers.get("authentication-token")
        if token:
            return self._by_token(token, tenant)
        raise Unauthorized("No authentication info provided")

    def _by_password(self, username: str, password: str, tenant: str | None) -> Found:
        with self._core.store.read() as session:
            person = person_named(session, username, tenant)
            if person is None:
                raise Unauthorized("No authentication info provided")
            row = person.row
            refusal = _refusal(row.username)
            if not row.active or (row.failed_logins and self._locked(session, row)):
                raise refusal
        passwords, now = self._core.access.passwords, self._core.clock.monotonic()
        until = passwords.remembered_until(row.name_key, password, row.password_hash)
        if until is None or until <= now:
            until = passwords.verify(row.name_key, password, row.password_hash, now)
            if until is None:
                self._note_failure(row.username)
                raise refusal
            # While this password was looked at, others may have been tried: a lock that came meanwhile holds.
            if self._is_locked_now(row.username):
                raise refusal
            self._note_success(row)
        return Found(person.caller(tenant), until)

    def _by_token(self, token: str, tenant: str | None) -> Found:
        if _EXECUTION_TOKEN.fullmatch(token):
            found = self._by_execution_token(token)
            if found is not None:
                return Found(found)
        parts = token.split("-")
        if len(parts) != 3 or parts[0] != "ctok":
            raise Unauthorized("Invalid token structure")
        _, token_id, secret = parts
        with self._core.store.read() as session:
            rows = session.connection().execute(_BY_TOKEN, {"token_id": token_id, "tenant": tenant}).all()
        person = Person.of(rows)
        if person is None or not hmac.compare_digest(person.row.secret_hash, digest(secret)):
            raise Unauthorized("Unauthorized")
        now = self._core.clock.now()
        if person.row.expiration_date is not None and person.row.expiration_date <= now:
            raise Unauthorized("Token is expired")
        if not person.row.active:
            raise _refusal(person.row.username)
        believed = STAMP_EVERY
        if person.row.last_used is not None and now - person.row.last_used < STAMP_EVERY:
            believed -= now - person.row.last_used
        else:
            with self._core.store.write() as session:
                session.connection().execute(update(Token).where(col(Token.id) == token_id).values(last_used=now))
        until = self._core.clock.monotonic() + believed.total_seconds()
        return Found(person.caller(tenant), until, person.row.expiration_date)

    def _by_execution_token(self, token: str) -> Caller | None:
        with self._core.store.read() as session:
            found = session.connection().execute(_BY_EXECUTION, {"token_hash": digest(token)}).first()
            if found is None or not self._usable(session, found):
                return None
            person = person_named(session, found.created_by, found.tenant_name)
        if person is None or not person.row.active:
            return None
        return replace(person.caller(found.tenant_name), execution_id=found.id)

    def _usable(self, session: Session, execution: Any) -> bool:
        """Tell whether an execution's token still opens the door (REST contract §1.3)."""
        if execution.status in ACTIVE:
            return True
        if execution.status == ExecutionStatus.SCHEDULED:
            due = execution.scheduled_for
            return due is not None and abs(self._core.clock.now() - due) <= EXECUTION_TOKEN_LEAD
        if execution.status != ExecutionStatus.CANCELLED:
            return False
        # Operations outlive a cancelled workflow function, and must still be able to store their results.
        unfinished = (
            select(col(Operation.storage_id))
            .join(TasksGraph, col(TasksGraph.id) == col(Operation.tasks_graph_id))
            .where(col(TasksGraph.execution_id) == execution.id, col(Operation.state).not_in([*TASK_END]))
        )
        return session.connection().execute(unfinished.limit(1)).first() is not None

    def _locked(self, session: Session, row: Any) -> bool:
        configuration = self._core.configuration
        return is_locked(
            row.failed_logins,
            row.last_failed_login_at,
            self._core.clock.now(),
            int(configuration.value_in(session, "failed_logins_before_account_lock")),
            float(configuration.value_in(session, "account_lock_period")),
        )

    def _is_locked_now(self, username: str) -> bool:
        with self._core.store.read() as session:
            row = (
                session.connection()
                .execute(
                    select(col(User.failed_logins), col(User.last_failed_login_at)).where(
                        col(User.username) == username
                    )
                )
                .first()
            )
            return row is None or (row.failed_logins > 0 and self._locked(session, row))

    def _note_failure(self, username: str) -> None:
        with self._core.store.write() as session:
            session.connection().execute(
                update(User)
                .where(col(User.username) == username)
                .values(failed_logins=col(User.failed_logins) + 1, last_failed_login_at=self._core.clock.now())
            )

    def _note_success(self, row: Any) -> None:
        now = self._core.clock.now()
        fresh = row.last_login_at is not None and now - row.last_login_at < STAMP_EVERY
        if fresh and not row.failed_logins:
            return
        with self._core.store.write() as session:
            stamps = update(User).where(col(User.username) == row.username)
            session.connection().execute(stamps.values(failed_logins=0, last_failed_login_at=None, last_login_at=now))
            if row.first_login_at is None:
                session.connection().execute(
                    stamps.where(col(User.first_login_at).is_(None)).values(first_login_at=now)
                )


def _refusal(username: str) -> Unauthorized:
    return Unauthorized(f"Authentication failed for <User username=`{username}`>. Wrong credentials or locked account")


def _basic(header: str) -> tuple[str, str] | None:
    """Return (user, password) of a Basic header, or None when it is none."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    return (user, password) if colon and user and "\0" not in user else None
