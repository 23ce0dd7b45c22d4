"""Counting resources by one or two of their fields (REST contract §19, §10.5)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import select
from sqlmodel import Session, col

from manager_core.access.caller import Caller
from manager_core.blueprints.listing import BLUEPRINTS
from manager_core.blueprints.tables import Blueprint
from manager_core.deployments.listing import DEPLOYMENTS
from manager_core.errors import BadParameters, NotFound
from manager_core.executions.listing import EXECUTIONS
from manager_core.nodes.listing import NODE_INSTANCES, NODES
from manager_core.rest.auth import caller_of, core_of
from manager_core.rest.listing import (
    Listing,
    ListQuery,
    filter_conditions,
    fixed_page,
    parse_list_query,
    summarise,
    visible,
)
from manager_core.rest.responses import json_response
from manager_core.schedules.listing import schedule_listing
from manager_core.schedules.tables import ExecutionSchedule
from scheduler.recurrence import Rule

router = APIRouter(tags=["summaries"])

SCHEDULES = "execution_schedules"
RECURRENCE = "recurrence"


@dataclass(frozen=True)
class Summarised:
    """A resource that can be counted, and the fields it can be counted by."""

    listing: Listing
    fields: tuple[str, ...]
    where: tuple[Any, ...] = ()


TYPES: dict[str, Summarised] = {
    "deployments": Summarised(
        DEPLOYMENTS,
        ("blueprint_id", "tenant_name", "visibility", "site_name", "deployment_status", "installation_status"),
    ),
    "nodes": Summarised(NODES, ("deployment_id", "tenant_name", "visibility")),
    "node_instances": Summarised(
        NODE_INSTANCES, ("deployment_id", "index", "node_id", "state", "host_id", "tenant_name", "visibility")
    ),
    "executions": Summarised(
        EXECUTIONS,
        ("status", "status_display", "blueprint_id", "deployment_id", "workflow_id", "tenant_name", "visibility"),
    ),
    "blueprints": Summarised(BLUEPRINTS, ("tenant_name", "visibility"), (col(Blueprint.is_hidden).is_(False),)),
}
SCHEDULE_FIELDS = ("deployment_id", "workflow_id", "tenant_name", "visibility")


@router.get("/summary/{type_name}", summary="Count resources by a field")
def get_summary(
    request: Request,
    type_name: str,
    target: Annotated[str | None, Query(alias="_target_field")] = None,
    sub: Annotated[str | None, Query(alias="_sub_field")] = None,
) -> Response:
    """Answer how many resources have each value of `_target_field`, and of `_sub_field` within it."""
    core = core_of(request)
    if type_name != SCHEDULES and type_name not in TYPES:
        caller_of(request)
        raise NotFound(f"There is no summary of {type_name}")
    permission = "execution_schedule_list" if type_name == SCHEDULES else TYPES[type_name].listing.permission
    caller = caller_of(request, permission)
    query = parse_list_query(request.query_params.multi_items())
    if not target:
        raise BadParameters("Missing required parameter: _target_field")
    with core.store.read() as session:
        if type_name == SCHEDULES and sub == RECURRENCE:
            listing = schedule_listing(core.clock.now())
            items = schedules_by_recurrence(session, listing, caller, query, target)
        elif type_name == SCHEDULES:
            counted = Summarised(schedule_listing(core.clock.now()), SCHEDULE_FIELDS)
            items = _count(session, counted, caller, query, type_name, target, sub)
        else:
            items = _count(session, TYPES[type_name], caller, query, type_name, target, sub)
    return json_response(fixed_page(items))


def _count(
    session: Session,
    described: Summarised,
    caller: Caller,
    query: ListQuery,
    type_name: str,
    target: str,
    sub: str | None,
) -> list[dict[str, Any]]:
    return summarise(
        session,
        described.listing,
        caller,
        query,
        type_name=type_name,
        target=target,
        sub=sub or None,
        allowed=described.fields,
        where=described.where,
    )


def schedules_by_recurrence(
    session: Session, listing: Listing, caller: Caller, query: ListQuery, target: str
) -> list[dict[str, Any]]:
    """Count schedules by `target`, and within each how many run once and how many again and again.

    Raises:
        BadParameters: `target` is not one of `SCHEDULE_FIELDS`.
    """
    if target not in SCHEDULE_FIELDS:
        raise BadParameters(f"Field {target} is not summarizable. Allowed fields are: {list(SCHEDULE_FIELDS)}")
    table: Any = ExecutionSchedule
    expression = listing.expression(target)
    conditions = [
        *visible(listing, caller, all_tenants=query.all_tenants),
        *filter_conditions(listing, query.filters),
    ]
    statement = select(expression, table.rule, table.compiled).where(*conditions).order_by(expression)
    found: dict[Any, dict[str, int]] = {}
    for value, rule, compiled in session.connection().execute(statement):
        kinds = found.setdefault(value, {})
        kind = "recurring" if is_recurring(rule or {}, compiled) else "single"
        kinds[kind] = kinds.get(kind, 0) + 1
    return [
        {
            target: value,
            SCHEDULES: sum(kinds.values()),
            f"by {RECURRENCE}": [{RECURRENCE: kind, SCHEDULES: number} for kind, number in sorted(kinds.items())],
        }
        for value, kinds in found.items()
    ]


def is_recurring(rule: dict[str, Any], compiled: Any) -> bool:
    """Tell whether a schedule has more than one occurrence: by its recurrence and count, or by its RRULE's instants."""
    if not rule.get("rrule"):
        return bool(rule.get("recurrence")) and rule.get("count") != 1
    if not compiled:
        return False
    loaded = Rule.load(compiled)
    return len(loaded.next(loaded.since - timedelta(seconds=1), 2)) == 2
