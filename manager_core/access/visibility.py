"""Who may see a resource, and the rules for setting it (REST contract §1.9)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import or_, select
from sqlmodel import Session, SQLModel

from manager_core.access.caller import Caller
from manager_core.errors import BadParameters, Conflict, Forbidden, IllegalAction
from manager_core.states import VISIBILITY_ORDER, Visibility


def checked(value: Any, caller: Caller) -> str:
    """Return a visibility that `caller` may give to a resource.

    Raises:
        BadParameters: no such visibility.
        Forbidden: it is `global` and the caller may not make global resources.
    """
    known = [str(item) for item in VISIBILITY_ORDER]
    if value not in known:
        raise BadParameters(f"Invalid visibility: `{value}`. Valid visibility's values are: {known}")
    if value == Visibility.GLOBAL and not caller.may("create_global_resource"):
        raise Forbidden(f"User `{caller.username}` is not permitted to set or create a global resource")
    return str(value)


def is_taken(session: Session, table: Any, tenant: str, identifier: str, *, key: str = "id") -> bool:
    """Tell whether an id belongs to a resource of the tenant, or to a global one of any tenant."""
    found = (
        select(table.storage_id)
        .where(getattr(table, key) == identifier)
        .where(or_(table.tenant_name == tenant, table.visibility == Visibility.GLOBAL.value))
    )
    return session.connection().execute(found.limit(1)).first() is not None


def require_free(
    session: Session, table: type[SQLModel], model: str, tenant: str, identifier: str, *, key: str = "id"
) -> None:
    """Refuse an id that is taken.

    Raises:
        Conflict: with the text clients match on.
    """
    if is_taken(session, table, tenant, identifier, key=key):
        raise taken(model, tenant, identifier)


def taken(model: str, tenant: str, identifier: str) -> Conflict:
    """Return the refusal of an id that is taken."""
    return Conflict(
        f"<{model} id=`{identifier}` tenant=`{tenant}`> already exists on <Tenant name=`{tenant}`> "
        "or with global visibility"
    )


def require_unique_if_global(
    session: Session, table: Any, model: str, tenant: str, identifier: str, visibility: str, *, key: str = "id"
) -> None:
    """Refuse to make a resource global whose id other tenants use too.

    Raises:
        Conflict: another tenant has a resource of this id.
    """
    if visibility != Visibility.GLOBAL:
        return
    others = select(table.storage_id).where(getattr(table, key) == identifier, table.tenant_name != tenant).limit(1)
    if session.connection().execute(others).first() is not None:
        raise Conflict(
            f"Can't set or create the resource <{model} id=`{identifier}` tenant=`{tenant}`>, "
            "its visibility can't be global because it also exists in other tenants"
        )


def widen(session: Session, caller: Caller, row: Any, model: str, wanted: Any, *, key: str = "id") -> bool:
    """Set a row's visibility; it can only become wider.

    Returns: whether it changed.

    Raises:
        ManagerError: an unknown or narrower value, one the caller may not set, or an id other tenants use.
    """
    value = checked(wanted, caller)
    identifier = getattr(row, key)
    if VISIBILITY_ORDER.index(Visibility(value)) < VISIBILITY_ORDER.index(Visibility(row.visibility)):
        raise IllegalAction(
            f"Can't set the visibility of `{identifier}` to {value} because it already has wider visibility"
        )
    if value == row.visibility:
        return False
    require_unique_if_global(session, type(row), model, row.tenant_name, identifier, value, key=key)
    row.visibility = value
    session.add(row)
    return True


def may_modify(caller: Caller, row: Any) -> bool:
    """Tell whether a readable row belongs to the caller's tenant: a global one of another tenant is read only."""
    return caller.tenant is not None and (row.tenant_name == caller.tenant or caller.is_admin)
