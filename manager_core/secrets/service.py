"""Secrets: encrypted values that blueprints name instead of holding (REST contract §17)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import or_
from sqlmodel import Session, col, select

from manager_core.access import visibility as visibility_rules
from manager_core.access.caller import Caller
from manager_core.errors import BadParameters, Conflict, Forbidden, NotFound
from manager_core.filters.searches import SearchBody, search_conditions
from manager_core.rest.identifiers import check_id
from manager_core.rest.listing import ListQuery, get_one, list_page, visible
from manager_core.secrets.cipher import Cipher, cipher_from
from manager_core.secrets.listing import SECRETS
from manager_core.secrets.schema import check_schema, violation
from manager_core.secrets.tables import Secret
from manager_core.states import Visibility

if TYPE_CHECKING:
    from manager_core.bootstrap import Core


@dataclass(frozen=True)
class NewSecret:
    """A secret to create."""

    value: Any
    update_if_exists: bool = False
    is_hidden_value: bool = False
    visibility: str = Visibility.TENANT.value
    schema: Any = None
    provider_name: str | None = None
    provider_options: Any = None


class Secrets:
    """Encrypted values that blueprints name instead of holding."""

    def __init__(self, core: Core) -> None:
        """Work on the given Core; the key is read when it is first needed."""
        self._core = core
        self._made: Cipher | None = None

    @property
    def _cipher(self) -> Cipher:
        if self._made is None:
            self._made = cipher_from(self._core.settings.secret_key, self._core.settings.data_dir)
        return self._made

    def derived_key(self, purpose: str) -> bytes:
        """Return a key for another purpose than secrets, the same on every host with the same secret key."""
        return self._cipher.derived(purpose)

    def value(self, session: Session, tenant: str, key: str) -> Any:
        """Return a decrypted value, for intrinsic functions of `tenant`.

        Raises:
            NotFound: no such secret in the tenant, and no global one.
        """
        statement = (
            select(Secret)
            .where(Secret.key == key, self._usable_in(tenant))
            .order_by((col(Secret.tenant_name) == tenant).desc())
        )
        row = session.exec(statement).first()
        if row is None:
            raise NotFound.of("Secret", key)
        return self._cipher.decrypt(row.encrypted_value, key)

    def existing_names(self, session: Session, tenant: str, names: Iterable[str]) -> set[str]:
        """Return those of `names` that `value` would find."""
        wanted = sorted(set(names))
        found: set[str] = set()
        for start in range(0, len(wanted), 500):
            chosen = col(Secret.key).in_(wanted[start : start + 500])
            found.update(session.exec(select(Secret.key).where(chosen, self._usable_in(tenant))).all())
        return found

    @staticmethod
    def _usable_in(tenant: str) -> Any:
        return or_(col(Secret.tenant_name) == tenant, col(Secret.visibility) == Visibility.GLOBAL.value)

    def page(self, caller: Caller, query: ListQuery, body: SearchBody | None = None) -> dict[str, Any]:
        """Return a page of secrets, without their values."""
        with self._core.store.read() as session:
            hidden_by = search_conditions(self._core, session, caller, "secrets", query, body)
            return list_page(session, SECRETS, query, caller, hidden_by=hidden_by)

    def get(self, caller: Caller, key: str, *, skip_value: bool = False) -> dict[str, Any]:
        """Return one secret with its value; a hidden value is `""` to all but its creator and administrators.

        Raises:
            NotFound: the caller sees no such secret.
        """
        with self._core.store.read() as session:
            row = self._row(session, caller, key)
            shown = get_one(session, SECRETS, caller, key)
        if not skip_value:
            readable = self.may_handle(caller, row)
            shown["value"] = self._cipher.decrypt(row.encrypted_value, key) if readable else ""
        return shown

    def create(self, caller: Caller, key: str, new: NewSecret) -> dict[str, Any]:
        """Store a secret, or replace its value when `update_if_exists`.

        Raises:
            BadParameters: a bad key, no value, or a schema we cannot check.
            Conflict: the key is taken, or the value does not satisfy the schema.
            Forbidden: the secret that would be replaced is hidden from the caller.
        """
        check_id(key, "key")
        if new.provider_name:
            raise NotFound.of("SecretsProvider", new.provider_name)
        if new.value in (None, ""):
            raise BadParameters(f"Cannot create a secret with empty value or provider: {key}")
        if new.schema is not None:
            check_schema(new.schema)
        visibility = visibility_rules.checked(new.visibility, caller)
        _check_value(new.value, new.schema)
        encrypted = self._cipher.encrypt(new.value)
        tenant, now = caller.tenant_name, self._core.clock.now()
        with self._core.store.write() as session:
            row = session.exec(select(Secret).where(Secret.tenant_name == tenant, Secret.key == key)).first()
            if row is not None and new.update_if_exists:
                self._require_handling(caller, row)
                if visibility != row.visibility:
                    visibility_rules.widen(session, caller, row, "Secret", visibility, key="key")
                row.updated_at = now
            else:
                visibility_rules.require_free(session, Secret, "Secret", tenant, key, key="key")
                visibility_rules.require_unique_if_global(session, Secret, "Secret", tenant, key, visibility, key="key")
                row = Secret(
                    key=key,
                    encrypted_value="",
                    tenant_name=tenant,
                    created_by=caller.username,
                    visibility=visibility,
                    created_at=now,
                    updated_at=now,
                )
            row.encrypted_value = encrypted
            row.is_hidden_value = new.is_hidden_value
            row.value_schema = new.schema
            row.provider_options = new.provider_options
            session.add(row)
        return self.get(caller, key)

    def update(self, caller: Caller, key: str, changes: dict[str, Any]) -> dict[str, Any]:
        """Change what is given of value, is_hidden_value, visibility, creator and provider_options.

        Raises:
            NotFound: the caller sees no such secret.
            Forbidden: it is hidden from the caller.
            Conflict: the value does not satisfy the stored schema.
        """
        with self._core.store.write() as session:
            row = self._own(session, caller, key)
            if changes.get("provider_name"):
                raise NotFound.of("SecretsProvider", changes["provider_name"])
            if changes.get("value") is not None:
                _check_value(changes["value"], row.value_schema)
                row.encrypted_value = self._cipher.encrypt(changes["value"])
            if changes.get("is_hidden_value") is not None:
                row.is_hidden_value = changes["is_hidden_value"]
            if changes.get("visibility") is not None:
                visibility_rules.widen(session, caller, row, "Secret", changes["visibility"], key="key")
            if changes.get("creator") is not None:
                caller.require("set_owner")
                row.created_by = self._core.access.existing_user(session, changes["creator"])
            if changes.get("provider_options"):
                row.provider_options = changes["provider_options"]
            row.updated_at = self._core.clock.now()
            session.add(row)
        return self.get(caller, key)

    def set_visibility(self, caller: Caller, key: str, visibility: str) -> dict[str, Any]:
        """Widen a secret's visibility."""
        with self._core.store.write() as session:
            row = self._row(session, caller, key)
            if not visibility_rules.may_modify(caller, row):
                raise NotFound.of("Secret", key)
            visibility_rules.widen(session, caller, row, "Secret", visibility, key="key")
        return self.get(caller, key, skip_value=True)

    def delete(self, caller: Caller, key: str) -> None:
        """Remove a secret.

        Raises:
            NotFound: the caller sees no such secret.
            Forbidden: it is hidden from the caller.
        """
        with self._core.store.write() as session:
            session.delete(self._own(session, caller, key))

    def _row(self, session: Session, caller: Caller, key: str) -> Secret:
        statement = (
            select(Secret)
            .where(Secret.key == key, *visible(SECRETS, caller))
            .order_by((col(Secret.tenant_name) == caller.tenant_name).desc())
        )
        row = session.exec(statement).first()
        if row is None:
            raise NotFound.of("Secret", key)
        return row

    def _own(self, session: Session, caller: Caller, key: str) -> Secret:
        row = self._row(session, caller, key)
        if not visibility_rules.may_modify(caller, row):
            raise NotFound.of("Secret", key)
        self._require_handling(caller, row)
        return row

    def stored_value(self, row: Secret) -> Any:
        """Return the decrypted value of a row."""
        return self._cipher.decrypt(row.encrypted_value, row.key)

    @staticmethod
    def may_handle(caller: Caller, row: Secret) -> bool:
        """Tell whether the caller may read and change the value: anyone's, but a hidden one its creator's alone."""
        return not row.is_hidden_value or row.created_by == caller.username or caller.may("administrators")

    def _require_handling(self, caller: Caller, row: Secret) -> None:
        if not self.may_handle(caller, row):
            raise Forbidden(f"User `{caller.username}` is not permitted to modify the hidden value secret `{row.key}`")


def _check_value(value: Any, schema: Any) -> None:
    if schema is None:
        if not isinstance(value, str):
            raise BadParameters(f"value parameter is expected to be of type str but is of type {type(value).__name__}")
        return
    problem = violation(value, schema)
    if problem is not None:
        raise Conflict(f"Error validating secret value: {problem}")
