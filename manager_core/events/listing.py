"""List events and logs (REST contract §11.1).

A page at any offset of a million rows has to come within 100 ms: the rows of the page are found on an index alone, from
whichever end is nearer, and only those rows are read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, false, func, or_, select
from sqlmodel import Session

from manager_core.access.caller import Caller
from manager_core.errors import BadParameters
from manager_core.events.tables import Event, EventCount
from manager_core.executions.listing import deployment_names
from manager_core.executions.tables import Execution
from manager_core.nodes.tables import NodeInstance
from manager_core.rest.listing import ListQuery, parse_list_query
from manager_core.rest.responses import timestamp
from manager_core.states import Visibility

EVENT, LOG = "cloudify_event", "cloudify_log"
DEFAULT_SIZE = 10_000

_T: Any = Event
_X: Any = Execution
_C: Any = EventCount

_EQUAL = {
    "execution_id": _T.execution_id,
    "node_id": _T.node_name,
    "node_instance_id": _T.node_instance_id,
    "event_type": _T.event_type,
    "level": _T.level,
    "logger": _T.logger,
}
_LIKE = {"message": _T.message, "message.text": _T.message, "operation": _T.operation}
ALLOWED = sorted({*_EQUAL, *_LIKE, "type", "deployment_id", "blueprint_id", "execution_group_id"})
_TIMES = {"reported_timestamp": _T.reported_timestamp, "timestamp": _T.reported_timestamp}

_COLUMNS = (
    "storage_id", "tenant_name", "type", "message", "deployment_id", "execution_id", "operation", "node_name",
    "node_instance_id", "error_causes", "source_id", "target_id", "event_type", "logger", "level", "timestamp",
    "reported_timestamp", "manager_name", "agent_name",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class EventQuery:
    """A list request: `base` holds paging and filters, `ranges` the `_range` parameters."""

    base: ListQuery
    ranges: list[str] = field(default_factory=list)


def parse_event_query(items: Iterable[tuple[str, str]]) -> EventQuery:
    """Read the query parameters of `GET /events`.

    Raises:
        BadParameters: an unknown filter or sort field, or a bad number.
    """
    base = parse_list_query(items, default_size=DEFAULT_SIZE)
    for name in base.filters:
        if name not in ALLOWED:
            raise BadParameters(f"Unknown field to filter by: {name}. Allowed values: {', '.join(ALLOWED)}")
    for name, _ in base.sort:
        if name.lstrip("@") not in _TIMES:
            raise BadParameters(f"Unknown field to sort by: {name}")
    return EventQuery(base, base.special.get("_range", []))


def instant(text: str) -> datetime:
    """Read a naive UTC ISO instant.

    Raises:
        BadParameters: it is none.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadParameters(f"{text} is not a legal time format") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def range_condition(text: str) -> ColumnElement[bool]:
    """Return the condition of one `_range`: field, from (inclusive), to (exclusive); either may be empty.

    Raises:
        BadParameters: another form, or an unknown field.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 3:
        raise BadParameters(f"Range parameter is not valid: {text}. It must be `field,from,to`")
    name, begin, end = parts
    expression = _TIMES.get(name.lstrip("@"))
    if expression is None:
        raise BadParameters(f"Unknown field to filter by range: {name}")
    conditions = []
    if begin:
        conditions.append(expression >= instant(begin))
    if end:
        conditions.append(expression < instant(end))
    return and_(*conditions) if conditions else expression == expression


def readable(session: Session, caller: Caller, query: ListQuery, table: Any = Event) -> list[ColumnElement[bool]]:
    """Return the conditions under which the caller may read events: those of the executions it may read.

    Args:
        table: the table with `execution_id` and `tenant_name` that is read.
    """
    mine = or_(_X.visibility != Visibility.PRIVATE.value, _X.created_by == caller.username)
    sees_all = caller.is_tenant_admin
    if query.all_tenants and not caller.is_admin:
        sees_all, mine = False, or_(mine, _X.tenant_name.in_(caller.managed_tenants))
    wanted = query.filters.get("execution_id")
    if wanted is not None:
        statement = select(_X.id).where(_X.id.in_(wanted))
        if not query.all_tenants:
            statement = statement.where(
                or_(_X.tenant_name == caller.tenant_name, _X.visibility == Visibility.GLOBAL.value)
            )
        elif not caller.may("all_tenants"):
            statement = statement.where(_X.tenant_name.in_(caller.tenants_with("event_list")))
        if not sees_all:
            statement = statement.where(mine)
        ids = session.connection().execute(statement).scalars().all()
        return [table.execution_id == ids[0] if len(ids) == 1 else table.execution_id.in_(ids)] if ids else [false()]
    conditions: list[ColumnElement[bool]] = []
    if not query.all_tenants:
        conditions.append(table.tenant_name == caller.tenant_name)
    elif not caller.may("all_tenants"):
        conditions.append(table.tenant_name.in_(caller.tenants_with("event_list")))
    if not sees_all:
        conditions.append(table.execution_id.in_(select(_X.id).where(mine)))
    return conditions


def conditions_of(session: Session, caller: Caller, query: EventQuery) -> list[ColumnElement[bool]]:
    """Return all conditions of a list request."""
    filters = query.base.filters
    conditions = readable(session, caller, query.base)
    types = set(filters.get("type", [EVENT, LOG]))
    if types != {EVENT, LOG}:
        conditions.append(_T.type.in_(sorted(types)))
    for name, values in filters.items():
        if name == "execution_id" or name == "type":
            continue
        if name in _EQUAL:
            conditions.append(_EQUAL[name] == values[0] if len(values) == 1 else _EQUAL[name].in_(values))
        elif name in _LIKE:
            conditions.append(or_(*(_LIKE[name].ilike(value) for value in values)))
        elif name == "deployment_id":  # by way of the executions, whose events the index finds
            tenant = None if query.base.all_tenants else caller.tenant_name
            conditions.append(_T.execution_id.in_(executions_of(tenant, values)))
        elif name == "blueprint_id":
            conditions.append(_T.execution_id.in_(select(_X.id).where(_X.blueprint_id.in_(values))))
        else:
            conditions.append(false())
    conditions.extend(range_condition(text) for text in query.ranges)
    return conditions


def executions_of(tenant: str | None, deployments: list[str]) -> Any:
    """Select the ids of all executions of some deployments, of a tenant or of all."""
    statement = select(_X.id).where(_X.deployment_id.in_(deployments))
    return statement if tenant is None else statement.where(_X.tenant_name == tenant)


def page(session: Session, caller: Caller, query: EventQuery) -> dict[str, Any]:
    """Answer `GET /events` with the list envelope."""
    base = query.base
    conditions = conditions_of(session, caller, query)
    connection = session.connection()
    total = _known_total(session, caller, base) if not query.ranges else None
    if total is None:
        total = connection.execute(select(func.count()).select_from(Event).where(*conditions)).scalar_one()
    descending = bool(base.sort) and base.sort[0][1]
    rows = _rows(session, conditions, total, base.offset, base.size, descending=descending)
    return {
        "items": render(session, rows),
        "metadata": {
            "pagination": {"total": total, "size": base.page_size, "offset": base.offset},
            "filtered": None,
        },
    }


def _rows(
    session: Session, conditions: list[Any], total: int, offset: int, size: int | None, *, descending: bool
) -> list[Any]:
    count = total - offset if size is None else min(size, total - offset)
    if count <= 0:
        return []
    start, backwards = offset, descending
    if offset > total // 2:  # the other end is nearer
        start, backwards = total - offset - count, not descending
    order = [_T.reported_timestamp, _T.storage_id]
    order = [column.desc() for column in order] if backwards else order
    chosen = select(_T.storage_id).where(*conditions).order_by(*order).limit(count).offset(start).subquery()
    columns = [getattr(_T, name) for name in _COLUMNS]
    statement = select(*columns).join(chosen, _T.storage_id == chosen.c.storage_id).order_by(*order)
    rows = list(session.connection().execute(statement))
    if backwards != descending:
        rows.reverse()
    return rows


def _known_total(session: Session, caller: Caller, query: ListQuery) -> int | None:
    """Return the number of rows from the counts of the executions, or None when other filters are given."""
    if not set(query.filters) <= {"execution_id", "type"}:
        return None
    types = set(query.filters.get("type", [EVENT, LOG]))
    counted = [column for kind, column in ((EVENT, _C.events), (LOG, _C.logs)) if kind in types]
    if not counted:
        return 0
    total = counted[0] if len(counted) == 1 else counted[0] + counted[1]
    statement = select(func.coalesce(func.sum(total), 0)).where(*readable(session, caller, query, _C))
    return int(session.connection().execute(statement).scalar_one())


def render(session: Session, rows: list[Any]) -> list[dict[str, Any]]:
    """Return the flat JSON objects of event rows."""
    executions = _executions(session, {row.execution_id for row in rows})
    names = deployment_names(session, [(row.tenant_name, row.deployment_id) for row in rows])
    items = []
    for row, name in zip(rows, names, strict=True):
        workflow_id, blueprint_id = executions.get(row.execution_id, (None, None))
        item: dict[str, Any] = {
            "_storage_id": row.storage_id,
            "type": row.type,
            "message": row.message,
            "reported_timestamp": timestamp(row.reported_timestamp),
            "timestamp": timestamp(row.timestamp),
            "blueprint_id": blueprint_id,
            "deployment_id": row.deployment_id,
            "deployment_display_name": name,
            "execution_id": row.execution_id,
            "execution_group_id": None,
            "workflow_id": workflow_id,
            "operation": row.operation,
            "node_name": row.node_name,
            "node_instance_id": row.node_instance_id,
            "source_id": row.source_id,
            "target_id": row.target_id,
            "error_causes": row.error_causes,
            "manager_name": row.manager_name,
            "agent_name": row.agent_name,
        }
        if row.type == EVENT:
            item["event_type"] = row.event_type
        else:
            item["logger"] = row.logger
            item["level"] = row.level
        items.append(item)
    return items


def _executions(session: Session, wanted: set[str]) -> dict[str, tuple[str, str | None]]:
    names = sorted(wanted)
    found: dict[str, tuple[str, str | None]] = {}
    for begin in range(0, len(names), 500):
        statement = select(_X.id, _X.workflow_id, _X.blueprint_id).where(_X.id.in_(names[begin : begin + 500]))
        found.update(
            {key: (workflow, blueprint) for key, workflow, blueprint in session.connection().execute(statement)}
        )
    return found


def node_names(session: Session, tenant: str, instances: Iterable[str]) -> dict[str, str]:
    """Return instance id → node name for the instances of a tenant."""
    table: Any = NodeInstance
    wanted = sorted(set(instances))
    if not wanted:
        return {}
    statement = select(table.id, table.node_id).where(table.tenant_name == tenant, table.id.in_(wanted))
    return {row.id: row.node_id for row in session.connection().execute(statement)}
