"""REST endpoints of events and logs (REST contract §11)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from manager_core.errors import BadParameters
from manager_core.events.listing import parse_event_query
from manager_core.rest.auth import caller_of, core_of
from manager_core.rest.responses import empty_response, json_response

router = APIRouter(tags=["events"])


class PostedEvents(BaseModel):
    """Events and logs of one execution."""

    events: list[dict[str, Any]] | None = Field(default=None, description="Events: event_type, message.text, context")
    logs: list[dict[str, Any]] | None = Field(default=None, description="Logs: logger, level, message.text, context")
    execution_id: str | None = None
    execution_group_id: str | None = None
    manager_name: str | None = None
    agent_name: str | None = None


@router.get("/events", summary="List events and logs")
def list_events(request: Request) -> Response:
    """Return events and logs, merged and in order; filters, `_range`, `_sort` and paging as the contract says."""
    caller = caller_of(request, "event_list")
    query = parse_event_query(request.query_params.multi_items())
    return json_response(core_of(request).events.list(caller, query))


@router.post(
    "/events", summary="Store events and logs", status_code=201, responses={204: {"description": "Nothing to store"}}
)
def post_events(request: Request, body: PostedEvents) -> Response:
    """Store events and logs of the named execution, or of the one whose token the request carries."""
    caller = caller_of(request, "event_create")
    stored = core_of(request).events.receive(caller, body.model_dump())
    return json_response(None, 201) if stored else empty_response(204)


@router.delete("/events", summary="Delete a deployment's events")
def delete_events(request: Request) -> Response:
    """Delete the events, and the logs when asked for, of one deployment."""
    caller = caller_of(request, "event_delete")
    query = request.query_params
    deployment_id = query.get("deployment_id")
    if not deployment_id:
        raise BadParameters("Missing required parameter: deployment_id")
    count = core_of(request).events.delete(caller, deployment_id, query.getlist("type"), query.getlist("_range"))
    pagination = {"total": count, "size": 0, "offset": 0}
    return json_response({"items": [count], "metadata": {"pagination": pagination}})
