"""A resource as a table of fields, and the conditions that its visibility and its fields give to a SELECT."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Float, Integer, Select, or_
from sqlalchemy.sql.selectable import FromClause
from sqlmodel import Session, SQLModel

from manager_core.access.caller import Caller
from manager_core.errors import BadParameters, ManagerError
from manager_core.rest.query import parse_boolean
from manager_core.rest.rendering import Columns
from manager_core.states import Visibility
from manager_core.store.column_types import UtcDateTime


@dataclass(frozen=True)
class Field:
    """One member of a resource's JSON object.

    Attributes:
        columns: the SQL expressions it is made of; filters, sorting and summaries use the first.
        render: makes the value from the expressions' values; None passes a single one through.
        batch: makes the values of a whole page with one more query: (session, values of `columns` a row) → values.
        listed: False leaves it out of lists unless `_include` names it.
        filterable: whether `?name=value` and `_sort` accept it.
    """

    columns: tuple[Any, ...]
    render: Callable[..., Any] | None = None
    batch: Callable[[Session, list[tuple[Any, ...]]], list[Any]] | None = None
    listed: bool = True
    filterable: bool = True


def column(*columns: Any, render: Callable[..., Any] | None = None, filterable: bool = True) -> Field:
    """Describe a field that comes straight from the row."""
    return Field(columns=columns, render=render, filterable=filterable)


@dataclass(frozen=True)
class Listing:
    """How a resource is listed.

    Attributes:
        model: the name in messages (`Deployment`).
        table: its table class; must have `storage_id` or a unique `key`, and `tenant_name`, `visibility`, `created_by`
            if `in_tenant`.
        fields: name → `Field`, in the order of the answer.
        key: the field that names one row.
        source: what to select from when it is more than the table (a join).
        default_sort: used when the request sorts by nothing.
        search: fields that `_search` looks into.
        permission: the list permission, for `_all_tenants`.
        in_tenant: whether rows belong to tenants.
    """

    model: str
    table: type[SQLModel]
    fields: dict[str, Field]
    permission: str
    key: str = "id"
    source: FromClause | None = None
    default_sort: tuple[str, ...] = ("created_at",)
    search: tuple[str, ...] = ("id",)
    in_tenant: bool = True
    extra_filters: dict[str, Any] = field(default_factory=dict)
    prepared: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def columns(self, names: Sequence[str], dialect: str) -> Columns:
        """Return the SELECT list of these fields."""
        return Columns(self.fields, names, dialect, self.tie_breaker())

    def expression(self, name: str) -> Any:
        """Return the SQL expression behind a filter or sort name, or None."""
        if name in self.extra_filters:
            return self.extra_filters[name]
        found = self.fields.get(name)
        if found is None or not found.filterable or not found.columns:
            return None
        return found.columns[0]

    def tie_breaker(self) -> Any:
        """Return what makes every order total: the row id, or the key of tables that have none."""
        row_id = getattr(self.table, "storage_id", None)
        return self.fields[self.key].columns[0] if row_id is None else row_id

    def filter_names(self) -> list[str]:
        """Return the names that may be filtered and sorted by."""
        return [name for name in (*self.fields, *self.extra_filters) if self.expression(name) is not None]


def base_fields(table: Any) -> dict[str, Field]:
    """Return the fields every resource in a tenant has (REST contract §1.9)."""
    return {
        "created_by": column(table.created_by),
        "tenant_name": column(table.tenant_name),
        "visibility": column(table.visibility),
        "resource_availability": column(table.visibility, filterable=False),
        "private_resource": Field(
            (table.visibility,), render=lambda value: value == Visibility.PRIVATE, filterable=False
        ),
    }


def visible(listing: Listing, caller: Caller, *, all_tenants: bool = False) -> list[ColumnElement[bool]]:
    """Return the conditions under which `caller` may read rows (REST contract §1.9)."""
    if not listing.in_tenant:
        return []
    table: Any = listing.table
    conditions: list[ColumnElement[bool]] = []
    if all_tenants:
        if not caller.may("all_tenants"):
            conditions.append(table.tenant_name.in_(caller.tenants_with(listing.permission)))
    else:
        conditions.append(or_(table.tenant_name == caller.tenant_name, table.visibility == Visibility.GLOBAL.value))
    if all_tenants and not caller.is_admin:
        conditions.append(
            or_(
                table.visibility != Visibility.PRIVATE.value,
                table.created_by == caller.username,
                table.tenant_name.in_(caller.managed_tenants),
            )
        )
    elif not caller.is_tenant_admin:
        conditions.append(or_(table.visibility != Visibility.PRIVATE.value, table.created_by == caller.username))
    return conditions


def converted(name: str, expression: Any, value: str) -> Any:
    kind = expression.type
    if isinstance(kind, Boolean):
        return parse_boolean(name, value)
    try:
        if isinstance(kind, Integer):
            number = int(value)
            if not -(2**63) <= number < 2**63:
                raise ValueError(value)
            return number
        if isinstance(kind, Float):
            return float(value)
        if isinstance(kind, UtcDateTime):
            moment = datetime.fromisoformat(value)
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except ValueError:
        raise BadParameters(f"{name}: {value!r} is not a legal value to filter by") from None
    return value


def filter_conditions(listing: Listing, filters: dict[str, list[str]]) -> list[ColumnElement[bool]]:
    """Return the equality conditions of a request: one field's values OR-ed, fields AND-ed.

    Raises:
        BadParameters: a name is not a field of the resource.
    """
    unknown = [name for name in filters if listing.expression(name) is None]
    if unknown:
        raise BadParameters(f"Filter keys '{unknown}' do not exist. Allowed keys are: {listing.filter_names()}")
    conditions = []
    for name, values in filters.items():
        expression = listing.expression(name)
        values_of = [converted(name, expression, value) for value in values]
        conditions.append(expression == values_of[0] if len(values_of) == 1 else expression.in_(values_of))
    return conditions


def sort_expressions(listing: Listing, sort: list[tuple[str, bool]]) -> list[Any]:
    unknown = [name for name, _ in sort if listing.expression(name) is None]
    if unknown:
        raise BadParameters(f"Sort keys '{unknown}' do not exist. Allowed keys are: {listing.filter_names()}")
    wanted = sort or [(name.lstrip("-"), name.startswith("-")) for name in listing.default_sort]
    expressions = [
        listing.expression(name).desc() if descending else listing.expression(name).asc() for name, descending in wanted
    ]
    last_descending = bool(wanted) and wanted[-1][1]
    expressions.append(listing.tie_breaker().desc() if last_descending else listing.tie_breaker().asc())
    return expressions


def chosen(listing: Listing, include: list[str] | None) -> list[str]:
    if include is None:
        return [name for name, found in listing.fields.items() if found.listed]
    unknown = [name for name in include if name not in listing.fields]
    if unknown:
        raise ManagerError(
            f"Include keys '{unknown}' do not exist. Allowed keys are: {list(listing.fields)}",
            code="no_such_include_field_error",
            kind=BadParameters.kind,
        )
    return [name for name in listing.fields if name in set(include)]


def select_from(statement: Select[Any], listing: Listing) -> Select[Any]:
    return statement.select_from(listing.source if listing.source is not None else listing.table)
