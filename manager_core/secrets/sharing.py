"""Secrets that leave for another manager, and those that come from one (REST contract §17)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlmodel import col, select

from manager_core.access.caller import Caller
from manager_core.errors import BadParameters, ManagerError
from manager_core.rest.listing import ListQuery, contains, visible
from manager_core.secrets.listing import SECRETS
from manager_core.secrets.passphrase import Passphrase
from manager_core.secrets.service import NewSecret, Secrets
from manager_core.secrets.tables import Secret

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

_REQUIRED = ("key", "value", "visibility", "tenant_name", "is_hidden_value", "encrypted")


def export_secrets(
    core: Core, caller: Caller, query: ListQuery, *, passphrase: str | None, visibility: str | None
) -> list[dict[str, Any]]:
    """Return the secrets the caller may read the values of, each with its value.

    Args:
        query: `_search` and `_all_tenants` choose among them.
        passphrase: what to encrypt the values with; None leaves them readable.
        visibility: only those with this visibility.
    """
    key = None if passphrase is None else Passphrase(passphrase)
    now = int(core.clock.now().timestamp())
    conditions = visible(SECRETS, caller, all_tenants=query.all_tenants)
    if query.search:
        conditions.append(contains(Secret.key, query.search))
    if visibility is not None:
        conditions.append(col(Secret.visibility) == visibility)
    with core.store.read() as session:
        rows = session.exec(select(Secret).where(*conditions).order_by(col(Secret.created_at), col(Secret.key))).all()
    shown = []
    for row in rows:
        if not Secrets.may_handle(caller, row):
            continue
        value = core.secrets.stored_value(row)
        if key is not None:
            value = key.encrypt(value if row.value_schema is None else json.dumps(value), now)
        shown.append(
            {
                "key": row.key,
                "value": value,
                "schema": row.value_schema,
                "visibility": row.visibility,
                "tenant_name": row.tenant_name,
                "is_hidden_value": row.is_hidden_value,
                "encrypted": key is not None,
            }
        )
    return shown


def import_secrets(
    core: Core,
    caller: Caller,
    given: list[Any],
    *,
    passphrase: str | None,
    tenant_map: dict[str, str] | None,
    override_collisions: bool,
) -> dict[str, Any]:
    """Store secrets that were exported; each stands for itself, one that cannot be stored does not stop the others.

    Args:
        passphrase: what the values were encrypted with.
        tenant_map: tenant where a secret was → tenant where it goes; a tenant that is not in it keeps its name.
        override_collisions: replace secrets that are there already.

    Returns:
        `colliding_secrets` (tenant → keys that were there already) and `secrets_errors` (position in the list, as a
        text → what was wrong with which member).
    """
    key = None if passphrase is None else Passphrase(passphrase)
    collisions: dict[str, list[str]] = {}
    errors: dict[str, dict[str, Any]] = {}
    for position, secret in enumerate(given):
        try:
            new, name, tenant = _read(secret, key, tenant_map or {})
            there = _in_tenant(core, caller, tenant)
            if _exists(core, tenant, name):
                collisions.setdefault(tenant, []).append(name)
                if not override_collisions:
                    continue
            core.secrets.create(there, name, replace(new, update_if_exists=override_collisions))
        except _Wrong as wrong:
            errors[str(position)] = wrong.members
        except ManagerError as refusal:
            errors[str(position)] = {"secret": refusal.message}
    return {"colliding_secrets": collisions, "secrets_errors": errors}


class _Wrong(Exception):
    """Members of one secret that cannot be read, each with what is wrong."""

    def __init__(self, members: dict[str, Any]) -> None:
        super().__init__(members)
        self.members = members


def _read(secret: Any, key: Passphrase | None, tenants: dict[str, str]) -> tuple[NewSecret, str, str]:
    if not isinstance(secret, dict):
        raise _Wrong({"secret": "Must be an object"})
    missing = [name for name in _REQUIRED if name not in secret]
    if missing:
        raise _Wrong({"missing secret fields": missing})
    wrong = {name: "Must be a text" for name in ("key", "visibility", "tenant_name") if type(secret[name]) is not str}
    wrong |= {
        name: "Must be true or false" for name in ("is_hidden_value", "encrypted") if type(secret[name]) is not bool
    }
    if wrong:
        raise _Wrong(wrong)
    value, schema = secret["value"], secret.get("schema")
    if secret["encrypted"]:
        if key is None:
            raise _Wrong({"passphrase": "The value is encrypted: give the passphrase"})
        if not isinstance(value, str):
            raise _Wrong({"value": "Must be a text"})
        try:
            value = key.decrypt(value)
            value = value if schema is None else json.loads(value)
        except (BadParameters, json.JSONDecodeError) as error:
            raise _Wrong({"value": str(error)}) from None
    new = NewSecret(
        value=value, visibility=secret["visibility"], is_hidden_value=bool(secret["is_hidden_value"]), schema=schema
    )
    tenant: str = secret["tenant_name"]
    return new, secret["key"], tenants.get(tenant, tenant)


def _in_tenant(core: Core, caller: Caller, tenant: str) -> Caller:
    """Return the caller in the tenant of a secret.

    Raises:
        NotFound: there is no such tenant.
        Forbidden: the caller may not import secrets there.
    """
    if tenant == caller.tenant_name:
        return caller
    with core.store.read() as session:
        there = core.access.caller_for(session, caller.username, tenant)
    there.require("secret_import")
    core.access.tenants.get(caller, tenant)
    return there


def _exists(core: Core, tenant: str, key: str) -> bool:
    with core.store.read() as session:
        found = session.exec(select(Secret.key).where(Secret.tenant_name == tenant, Secret.key == key)).first()
    return found is not None
