"""REST endpoints of calendars: exclusion calendars, feeds and the import (scheduling contract §6)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict
from starlette.concurrency import run_in_threadpool

from manager_core.access.caller import Caller
from manager_core.errors import BadParameters
from manager_core.rest.auth import caller_of, core_of
from manager_core.rest.listing import parse_boolean
from manager_core.rest.responses import empty_response, json_response

router = APIRouter(tags=["calendars"])

MAX_BODY = 2_000_000
_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"text/calendar": {"schema": {"type": "string"}}}}
}


class FeedFields(BaseModel):
    """What a feed shall show."""

    model_config = ConfigDict(extra="ignore")

    deployment_id: str | None = None


async def _body(request: Request) -> bytes:
    """Read a calendar's text, refusing one that is too large before it is all there."""
    blocks, size = [], 0
    async for block in request.stream():
        size += len(block)
        if size > MAX_BODY:
            raise BadParameters(f"A calendar has at most {MAX_BODY} bytes")
        blocks.append(block)
    return b"".join(blocks)


@router.put("/calendars/{name}", summary="Create or replace an exclusion calendar", openapi_extra=_BODY)
async def put_calendar(request: Request, name: str) -> Response:
    """Store iCalendar text; occurrences inside its events do not exist for schedules that name it."""
    caller = await run_in_threadpool(caller_of, request, "execution_schedule_create")
    text = await _body(request)
    return json_response(await run_in_threadpool(core_of(request).schedules.calendars.put, caller, name, text))


@router.get("/calendars", summary="List exclusion calendars")
def list_calendars(request: Request) -> Response:
    """List the tenant's calendars."""
    caller = caller_of(request, "execution_schedule_list")
    return json_response(core_of(request).schedules.calendars.page(caller))


@router.get("/calendars/{name}", summary="Get an exclusion calendar")
def get_calendar(request: Request, name: str) -> Response:
    """Get a calendar with its text."""
    caller = caller_of(request, "execution_schedule_get")
    return json_response(core_of(request).schedules.calendars.get(caller, name))


@router.delete("/calendars/{name}", summary="Delete an exclusion calendar", status_code=204)
def delete_calendar(request: Request, name: str) -> Response:
    """Delete a calendar that no schedule names; 409 otherwise."""
    caller = caller_of(request, "execution_schedule_create")
    core_of(request).schedules.calendars.delete(caller, name)
    return empty_response()


Token = Annotated[str | None, Query(description="A feed token, instead of ordinary authentication")]


def _reader(request: Request, token: str | None, deployment_id: str | None) -> Caller:
    if token is None:
        return caller_of(request, "execution_schedule_list")
    core = core_of(request)
    core.maintenance.gate(request.method, request.url.path, request.headers)
    return core.schedules.feeds.caller_by_token(token, deployment_id)


class CalendarResponse(Response):
    """An iCalendar text; named in routes, so that the OpenAPI document tells the content type."""

    media_type = "text/calendar"


@router.get("/execution-schedules.ics", summary="All schedules as a calendar feed", response_class=CalendarResponse)
def feed(request: Request, token: Token = None) -> Response:
    """Answer `text/calendar`: an event a schedule."""
    caller = _reader(request, token, None)
    return CalendarResponse(core_of(request).schedules.feeds.calendar(caller, None))


@router.get(
    "/deployments/{deployment_id}/schedules.ics",
    summary="A deployment's schedules as a calendar feed",
    response_class=CalendarResponse,
)
def deployment_feed(request: Request, deployment_id: str, token: Token = None) -> Response:
    """Answer `text/calendar`: an event a schedule of the deployment."""
    caller = _reader(request, token, deployment_id)
    return CalendarResponse(core_of(request).schedules.feeds.calendar(caller, deployment_id))


@router.post("/feeds", summary="Make a feed token", status_code=201)
def create_feed(request: Request, body: FeedFields | None = None) -> Response:
    """Make a revocable token that reads a feed and nothing else; its secret is shown once."""
    caller = caller_of(request, "execution_schedule_list")
    deployment_id = body.deployment_id if body else None
    return json_response(core_of(request).schedules.feeds.create(caller, deployment_id), 201)


@router.get("/feeds", summary="List one's feed tokens")
def list_feeds(request: Request) -> Response:
    """List the caller's feed tokens, without their secrets."""
    caller = caller_of(request, "execution_schedule_list")
    return json_response(core_of(request).schedules.feeds.page(caller))


@router.delete("/feeds/{feed_id}", summary="Revoke a feed token", status_code=204)
def delete_feed(request: Request, feed_id: str) -> Response:
    """Revoke one of the caller's feed tokens."""
    caller = caller_of(request, "execution_schedule_list")
    core_of(request).schedules.feeds.delete(caller, feed_id)
    return empty_response()


@router.post("/execution-schedules/import", summary="Make schedules of a calendar's events", openapi_extra=_BODY)
async def import_schedules(
    request: Request,
    deployment_id: Annotated[str | None, Query()] = None,
    workflow_id: Annotated[str | None, Query()] = None,
    dry_run: Annotated[str, Query()] = "false",
    partial: Annotated[str, Query()] = "false",
) -> Response:
    """Import iCalendar events as schedules of a deployment; all or nothing unless `partial=true`."""
    caller = await run_in_threadpool(caller_of, request, "execution_schedule_create")
    for name, value in (("deployment_id", deployment_id), ("workflow_id", workflow_id)):
        if not value:
            raise BadParameters(f"Missing required parameter: {name}")
    text = await _body(request)

    def run() -> dict[str, Any]:
        return core_of(request).schedules.feeds.import_events(
            caller,
            deployment_id or "",
            workflow_id or "",
            text,
            dry_run=parse_boolean("dry_run", dry_run),
            partial=parse_boolean("partial", partial),
        )

    return json_response(await run_in_threadpool(run))
