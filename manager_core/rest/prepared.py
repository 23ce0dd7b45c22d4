"""The statements of lists, made once for each shape of request and kept with the `Listing`.

Making a SELECT of thirty columns costs more than running it. Two requests have the same shape when they differ in
values alone: tenant, user, filter values, page. Conditions that rooms add are part of the shape when they are `fixed`;
others make the statement for this request only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Select, String, bindparam, func, or_, select
from sqlmodel import Session

from manager_core.access.caller import Caller
from manager_core.rest.query import ListQuery, like_escaped
from manager_core.rest.rendering import Columns
from manager_core.rest.resource import (
    Listing,
    chosen,
    converted,
    filter_conditions,
    select_from,
    sort_expressions,
    visible,
)
from manager_core.states import Visibility

_MOST_SHAPES = 500
_MOST_TOTALS = 200
_DEEP = 500
"""From this offset on, a page's rows are found by an index alone before any is read."""

_FIXED: dict[int, Any] = {}

Values = dict[str, Any]


def fixed(condition: Any) -> Any:
    """Declare a condition that is made once, at import, and never changes; returns it."""
    _FIXED[id(condition)] = condition
    return condition


@dataclass
class Prepared:
    """The statements of one shape.

    Attributes:
        page: the rows of the page, or the one row.
        total: how many rows there are over all pages; None for one row.
        columns: what the rows become.
        totals: values → (the database's state, total), see `ChangeMark`.
    """

    page: Select[Any]
    total: Select[Any] | None
    columns: Columns
    totals: dict[Any, tuple[int, int]] = field(default_factory=dict)

    def total_of(self, session: Session, values: Values) -> int:
        """Count the rows over all pages, unless nothing was committed since they were counted last."""
        assert self.total is not None
        mark = session.info.get("mark")
        key = tuple((name, value) for name, value in values.items() if name not in {"p_size", "p_offset"})
        known_at, known = self.totals.get(key, (None, 0))
        if mark is not None and known_at == mark:
            return known
        found = int(session.connection().execute(self.total, values).scalar_one())
        if mark is not None:
            if len(self.totals) >= _MOST_TOTALS:
                self.totals.clear()
            self.totals[key] = mark, found
        return found


def _reads(listing: Listing, caller: Caller, *, all_tenants: bool) -> tuple[list[Any], Values]:
    """Return the conditions of `visible` with their values apart."""
    if not listing.in_tenant:
        return [], {}
    table: Any = listing.table
    conditions: list[Any] = []
    values: Values = {}
    if not all_tenants:
        values["p_tenant"] = caller.tenant_name
        conditions.append(
            or_(table.tenant_name == bindparam("p_tenant", type_=String()), table.visibility == Visibility.GLOBAL.value)
        )
    if not caller.is_tenant_admin:
        values["p_me"] = caller.username
        conditions.append(
            or_(
                table.visibility != Visibility.PRIVATE.value,
                table.created_by == bindparam("p_me", type_=String()),
            )
        )
    return conditions, values


def _filters(listing: Listing, filters: dict[str, list[str]]) -> tuple[list[Any], Values]:
    """Return the conditions of `filter_conditions` with their values apart."""
    conditions: list[Any] = []
    values: Values = {}
    for place, (name, given) in enumerate(filters.items()):
        expression = listing.expression(name)
        parameters = []
        for number, text in enumerate(given):
            key = f"p_{place}_{number}"
            values[key] = converted(name, expression, text)
            parameters.append(bindparam(key, type_=expression.type))
        conditions.append(expression == parameters[0] if len(parameters) == 1 else expression.in_(parameters))
    return conditions, values


def _filter_values(listing: Listing, filters: dict[str, list[str]]) -> Values:
    return {
        f"p_{place}_{number}": converted(name, listing.expression(name), text)
        for place, (name, given) in enumerate(filters.items())
        for number, text in enumerate(given)
    }


def prepare_page(
    session: Session,
    listing: Listing,
    query: ListQuery,
    caller: Caller,
    *,
    where: Sequence[Any],
    hidden_by: Sequence[Any],
) -> tuple[Prepared, Values]:
    """Return the statements of a page, and the values to run them with.

    Raises:
        BadParameters: an unknown field in `_sort` or a filter.
        ManagerError: `no_such_include_field_error`.
    """
    dialect = session.get_bind().dialect.name
    if any(listing.expression(name) is None for name in query.filters):
        filter_conditions(listing, query.filters)  # says which names are unknown
    searches = bool(query.search and listing.search)
    sees_all = query.all_tenants and (caller.may("all_tenants") or not listing.in_tenant)
    values: Values = {"p_offset": query.offset}
    if query.size is not None:
        values["p_size"] = query.size
    if searches:
        values["p_search"] = like_escaped(query.search or "")
    shape = None
    if not hidden_by and query.all_tenants == sees_all and all(id(condition) in _FIXED for condition in where):
        shape = (
            dialect,
            None if query.include is None else tuple(query.include),
            sees_all,
            caller.is_tenant_admin,
            tuple((name, len(given)) for name, given in query.filters.items()),
            tuple(query.sort),
            searches,
            query.size is None,
            query.offset >= _DEEP,
            tuple(id(condition) for condition in where),
        )
        known = listing.prepared.get(shape)
        if known is not None:
            return known, {
                **values,
                **_reads_values(listing, caller, all_tenants=sees_all),
                **_filter_values(listing, query.filters),
            }
    if query.all_tenants == sees_all:
        conditions, reads = _reads(listing, caller, all_tenants=sees_all)
    else:
        conditions, reads = list(visible(listing, caller, all_tenants=True)), {}
    filtered, filter_values = _filters(listing, query.filters)
    conditions = [*conditions, *where, *filtered, *hidden_by]
    if searches:
        pattern = bindparam("p_search", type_=String())
        conditions.append(or_(*(listing.expression(name).ilike(pattern, escape="\\") for name in listing.search)))
    made = _page(listing, query, conditions, dialect)
    if shape is not None:
        if len(listing.prepared) >= _MOST_SHAPES:
            listing.prepared.clear()
        listing.prepared[shape] = made
    return made, {**values, **reads, **filter_values}


def _reads_values(listing: Listing, caller: Caller, *, all_tenants: bool) -> Values:
    values: Values = {}
    if listing.in_tenant:
        if not all_tenants:
            values["p_tenant"] = caller.tenant_name
        if not caller.is_tenant_admin:
            values["p_me"] = caller.username
    return values


def _page(listing: Listing, query: ListQuery, conditions: list[Any], dialect: str) -> Prepared:
    columns = listing.columns(chosen(listing, query.include), dialect)
    order = sort_expressions(listing, query.sort)
    statement = select_from(select(*columns.expressions), listing)
    if query.offset >= _DEEP and listing.source is None:
        tie = listing.tie_breaker()
        rows = select(tie).where(*conditions).order_by(*order).offset(bindparam("p_offset"))
        if query.size is not None:
            rows = rows.limit(bindparam("p_size"))
        statement = statement.where(tie.in_(rows.scalar_subquery())).order_by(*order)
    else:
        statement = statement.where(*conditions).order_by(*order).offset(bindparam("p_offset"))
        if query.size is not None:
            statement = statement.limit(bindparam("p_size"))
    total = select_from(select(func.count()), listing).where(*conditions)
    return Prepared(statement, total, columns)


def prepare_one(
    session: Session,
    listing: Listing,
    caller: Caller,
    identifier: str,
    *,
    include: list[str] | None,
    where: Sequence[Any],
) -> tuple[Prepared, Values]:
    """Return the statement of one resource, and the values to run it with.

    Raises:
        ManagerError: `no_such_include_field_error`.
    """
    dialect = session.get_bind().dialect.name
    values: Values = {"p_key": identifier}
    shape = None
    if all(id(condition) in _FIXED for condition in where):
        names = None if include is None else tuple(include)
        shape = ("one", dialect, names, caller.is_tenant_admin, tuple(id(condition) for condition in where))
        known = listing.prepared.get(shape)
        if known is not None:
            return known, values | _reads_values(listing, caller, all_tenants=False)
    columns = listing.columns(list(listing.fields) if include is None else chosen(listing, include), dialect)
    conditions, reads = _reads(listing, caller, all_tenants=False)
    key = listing.expression(listing.key)
    statement = select_from(select(*columns.expressions), listing)
    statement = statement.where(key == bindparam("p_key", type_=key.type), *conditions, *where)
    if listing.in_tenant:
        # The own tenant's row comes before a global one of the same name.
        table: Any = listing.table
        statement = statement.order_by((table.tenant_name == bindparam("p_tenant", type_=String())).desc())
    made = Prepared(statement.limit(1), None, columns)
    if shape is not None:
        if len(listing.prepared) >= _MOST_SHAPES:
            listing.prepared.clear()
        listing.prepared[shape] = made
    return made, values | reads
