"""Lists as the REST contract §1.6 wants them: one page, one resource, a summary, each from one SELECT or two.

A `Listing` (`rest.resource`) describes one resource as a table of fields; `rest.query` reads the parameters,
`rest.prepared` makes the statements and keeps them, `rest.rendering` turns rows into JSON. Rooms import what they need
from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session

from manager_core.access.caller import Caller
from manager_core.errors import BadParameters, NotFound
from manager_core.rest.prepared import fixed, prepare_one, prepare_page
from manager_core.rest.query import (
    DEFAULT_SIZE,
    ListQuery,
    contains,
    like_escaped,
    parse_boolean,
    parse_list_query,
)
from manager_core.rest.resource import (
    Field,
    Listing,
    base_fields,
    column,
    filter_conditions,
    select_from,
    visible,
)

__all__ = [
    "DEFAULT_SIZE", "Field", "ListQuery", "Listing", "base_fields", "column", "contains", "count", "filter_conditions",
    "fixed", "fixed_page", "get_one", "like_escaped", "list_page", "parse_boolean", "parse_list_query", "summarise",
    "visible",
]  # fmt: skip


def list_page(
    session: Session,
    listing: Listing,
    query: ListQuery,
    caller: Caller,
    *,
    where: Sequence[Any] = (),
    hidden_by: Sequence[Any] = (),
) -> dict[str, Any]:
    """Answer a list request with the envelope of the REST contract §1.7.

    Args:
        where: further conditions of the endpoint.
        hidden_by: conditions that came from filter rules; the envelope's `filtered` tells how many rows they hid.

    Raises:
        BadParameters: an unknown field in `_sort` or a filter.
        ManagerError: `no_such_include_field_error`.
    """
    prepared, values = prepare_page(session, listing, query, caller, where=where, hidden_by=hidden_by)
    connection = session.connection()
    rows = connection.execute(prepared.page, values).all()
    full = query.size is not None and len(rows) >= query.size
    if full or (not rows and query.offset):
        total = prepared.total_of(session, values)
    else:
        total = query.offset + len(rows)
    filtered = None
    if hidden_by:
        base = [*visible(listing, caller, all_tenants=query.all_tenants), *where]
        filtered = count(session, listing, base) - total
    return {
        "items": prepared.columns.render(session, rows),
        "metadata": {
            "pagination": {"total": total, "size": query.page_size, "offset": query.offset},
            "filtered": filtered,
        },
    }


def count(session: Session, listing: Listing, conditions: Sequence[Any]) -> int:
    """Return how many rows satisfy the conditions."""
    statement = select_from(select(func.count()), listing).where(*conditions)
    return int(session.connection().execute(statement).scalar_one())


def get_one(
    session: Session,
    listing: Listing,
    caller: Caller,
    identifier: str,
    *,
    include: list[str] | None = None,
    where: Sequence[Any] = (),
    filters: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Return one resource as its JSON object.

    Args:
        where: further conditions (for instance the deployment of a schedule).
        filters: shown at the end of the message when nothing is found.

    Raises:
        NotFound: no such row that the caller may read.
    """
    prepared, values = prepare_one(session, listing, caller, identifier, include=include, where=where)
    row = session.connection().execute(prepared.page, values).first()
    if row is None:
        raise NotFound.of(listing.model, identifier, filters)
    return prepared.columns.render(session, [row])[0]


def summarise(
    session: Session,
    listing: Listing,
    caller: Caller,
    query: ListQuery,
    *,
    type_name: str,
    target: str,
    sub: str | None,
    allowed: Sequence[str],
    where: Sequence[Any] = (),
) -> list[dict[str, Any]]:
    """Count rows by one field, or by two (REST contract §19).

    Raises:
        BadParameters: a field is not one of `allowed`.
    """
    for name in (target, sub):
        if name is not None and name not in allowed:
            raise BadParameters(f"Field {name} is not summarizable. Allowed fields are: {list(allowed)}")
    names = [target] if sub is None else [target, sub]
    expressions = [listing.expression(name) for name in names]
    conditions = [
        *visible(listing, caller, all_tenants=query.all_tenants),
        *where,
        *filter_conditions(listing, query.filters),
    ]
    statement = select_from(select(*expressions, func.count()), listing).where(*conditions).group_by(*expressions)
    rows = session.connection().execute(statement.order_by(*expressions)).all()
    if sub is None:
        return [{target: value, type_name: total} for value, total in rows]
    found: dict[Any, dict[str, Any]] = {}
    for value, sub_value, total in rows:
        entry = found.setdefault(value, {target: value, type_name: 0, f"by {sub}": []})
        entry[type_name] += total
        entry[f"by {sub}"].append({sub: sub_value, type_name: total})
    return list(found.values())


def fixed_page(items: list[Any], *, size: int = DEFAULT_SIZE) -> dict[str, Any]:
    """Wrap a complete list that did not come from a table in the envelope."""
    return {
        "items": items,
        "metadata": {"pagination": {"total": len(items), "size": size, "offset": 0}, "filtered": None},
    }
