"""REST endpoints of execution schedules (REST contract §10; scheduling contract §6)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from manager_core.errors import BadParameters
from manager_core.rest.auth import caller_of, core_of
from manager_core.rest.listing import parse_boolean, parse_list_query
from manager_core.rest.responses import empty_response, json_response
from manager_core.schedules.calendar_api import router as calendar_router
from manager_core.schedules.service import next_cap
from manager_core.schedules.simulation import simulate_schedules

router = APIRouter(tags=["execution schedules"])
router.include_router(calendar_router)


def _shown_as(kind: str, description: str, **more: Any) -> Any:
    """Document a member whose value is checked by the service, in the contract's order and words."""
    return Field(default=None, description=description, json_schema_extra={"type": [kind, "null"], **more})


class ScheduleFields(BaseModel):
    """The members of a schedule that a client may give (scheduling contract §1)."""

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={
            "example": {
                "workflow_id": "backup",
                "since": "2026-12-01 02:30",
                "recurrence": "1 day",
                "timezone": "Asia/Jerusalem",
                "slip": 30,
            }
        },
    )

    workflow_id: Any = _shown_as("string", "The workflow to run; the deployment must have it")
    parameters: Any = _shown_as("object", "Parameters of the workflow")
    execution_arguments: Any = _shown_as(
        "object", "allow_custom_parameters, force, dry_run (booleans), wait_after_fail (seconds)"
    )
    since: Any = _shown_as("string", "Earliest instant and anchor; without an offset it is UTC; null means now")
    until: Any = _shown_as("string", "Latest instant, inclusive; an empty text clears it")
    recurrence: Any = _shown_as("string", "<number> seconds|minutes|hours|days|weeks|months|years")
    weekdays: Any = _shown_as("array", "MO to SU, with 1- to 4 or L- before it in months and years", items={})
    count: Any = _shown_as("integer", "Maximum number of occurrences from `since` on")
    rrule: Any = _shown_as("string", "An iCalendar RRULE or recurrence set; excludes the three above")
    timezone: Any = _shown_as("string", "IANA name of the zone the rule is expanded in; default UTC")
    slip: Any = _shown_as("integer", "How many minutes a missed occurrence may be late")
    stop_on_fail: Any = _shown_as("boolean", "Disable the schedule after a failed run")
    enabled: Any = _shown_as("boolean", "A disabled schedule never fires")
    overlap: Any = _shown_as("string", "While the previous run has not ended: skip, queue or parallel")
    exclude_calendars: Any = _shown_as("array", "Names of exclusion calendars", items={"type": "string"})
    created_at: Any = _shown_as("string", "For restores: needs the permission set_timestamp")
    created_by: Any = _shown_as("string", "For restores: needs the permission set_owner")

    def given(self) -> dict[str, Any]:
        """Return the members that the request had, null ones too."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class RunNote(BaseModel):
    """Why somebody started a schedule by hand."""

    note: str | None = None


def _deployment_id(request: Request) -> str:
    deployment_id = request.query_params.get("deployment_id")
    if not deployment_id:
        raise BadParameters("Missing required parameter: deployment_id")
    return deployment_id


def _dry_run(request: Request) -> bool:
    return parse_boolean("dry_run", request.query_params.get("dry_run", "false"))


Deployment = Annotated[str | None, Query(alias="deployment_id", description="The deployment the schedule belongs to")]
DryRun = Annotated[str | None, Query(alias="dry_run", description="`true`: tell what would change, change nothing")]


@router.get("/execution-schedules", summary="List execution schedules")
def list_schedules(request: Request) -> Response:
    """List schedules; `_next` (0 to 1000) caps `all_next_occurrences`."""
    caller = caller_of(request, "execution_schedule_list")
    query = parse_list_query(request.query_params.multi_items())
    return json_response(core_of(request).schedules.page(caller, query))


class PreviewFields(BaseModel):
    """A rule to look at before a schedule is made of it."""

    model_config = ConfigDict(extra="ignore")

    since: Any = _shown_as("string", "Earliest instant and anchor; null means now")
    until: Any = _shown_as("string", "Latest instant, inclusive")
    recurrence: Any = _shown_as("string", "<number> seconds|minutes|hours|days|weeks|months|years")
    weekdays: Any = _shown_as("array", "MO to SU, with 1- to 4 or L- before it in months and years", items={})
    count: Any = _shown_as("integer", "Maximum number of occurrences")
    rrule: Any = _shown_as("string", "An iCalendar RRULE or recurrence set")
    timezone: Any = _shown_as("string", "IANA name of the zone")
    exclude_calendars: Any = _shown_as("array", "Names of exclusion calendars", items={"type": "string"})
    count_shown: Any = _shown_as("integer", "How many instants to show, 1 to 1000; default 10")


@router.post("/execution-schedules/preview", summary="Preview a rule")
def preview_schedule(request: Request, body: PreviewFields) -> Response:
    """Show the next instants of a rule in UTC and in its zone, its last one, and what to be warned of."""
    caller = caller_of(request, "execution_schedule_get")
    fields = {name: getattr(body, name) for name in body.model_fields_set}
    return json_response(core_of(request).schedules.preview(caller, fields))


class SimulationFields(BaseModel):
    """A span to simulate."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    start: Any = Field(default=None, alias="from", description="First instant; now when absent")
    end: Any = Field(default=None, alias="to", description="Last instant, at most 366 days later; a day when absent")
    deployments: Any = _shown_as("array", "Only the schedules of these deployments", items={"type": "string"})
    run_seconds: Any = _shown_as("object", "Seconds a run takes, by workflow; `default` for the others")
    maintenance: Any = _shown_as("array", "Planned maintenance: [from, to] pairs", items={})


@router.post("/execution-schedules/simulate", summary="Simulate all schedules over a span")
def simulate_execution_schedules(request: Request, body: SimulationFields | None = None) -> Response:
    """Show what would fire, wait or be skipped: the real poll and queue rules on a virtual clock. Nothing is stored."""
    caller = caller_of(request, "execution_schedule_list")
    fields = body.model_dump(by_alias=True) if body else {}
    return json_response(simulate_schedules(core_of(request), caller, fields))


@router.get("/execution-schedules/{schedule_id}", summary="Get one execution schedule")
def get_schedule(request: Request, schedule_id: str, _deployment: Deployment = None) -> Response:
    """Get a schedule of a deployment, with its coming occurrences."""
    caller = caller_of(request, "execution_schedule_get")
    query = parse_list_query(request.query_params.multi_items(), ignore=("deployment_id",))
    found = core_of(request).schedules.get(
        caller, schedule_id, _deployment_id(request), include=query.include, cap=next_cap(query.first("_next"))
    )
    return json_response(found)


@router.put("/execution-schedules/{schedule_id}", summary="Create an execution schedule", status_code=201)
def create_schedule(
    request: Request, schedule_id: str, body: ScheduleFields, _deployment: Deployment = None, _dry: DryRun = None
) -> Response:
    """Create a schedule; with `dry_run=true` answer 200 with what would change in 30 days."""
    caller = caller_of(request, "execution_schedule_create")
    dry = _dry_run(request)
    answer = core_of(request).schedules.create(caller, schedule_id, _deployment_id(request), body.given(), dry_run=dry)
    return json_response(answer, 200 if dry else 201)


@router.patch("/execution-schedules/{schedule_id}", summary="Change an execution schedule", status_code=201)
def update_schedule(
    request: Request, schedule_id: str, body: ScheduleFields, _deployment: Deployment = None, _dry: DryRun = None
) -> Response:
    """Change the members given; null, and an empty list, mean "not given"."""
    caller = caller_of(request, "execution_schedule_create")
    dry = _dry_run(request)
    answer = core_of(request).schedules.update(caller, schedule_id, _deployment_id(request), body.given(), dry_run=dry)
    return json_response(answer, 200 if dry else 201)


@router.delete("/execution-schedules/{schedule_id}", summary="Delete an execution schedule", status_code=204)
def delete_schedule(request: Request, schedule_id: str, _deployment: Deployment = None) -> Response:
    """Delete a schedule; executions it started are not touched."""
    caller = caller_of(request, "execution_schedule_create")
    core_of(request).schedules.delete(caller, schedule_id, _deployment_id(request))
    return empty_response()


@router.post("/execution-schedules/{schedule_id}/run", summary="Run a schedule's workflow now", status_code=201)
def run_schedule(
    request: Request, schedule_id: str, body: RunNote | None = None, _deployment: Deployment = None
) -> Response:
    """Start the workflow at once; the rule and its next occurrence stay as they are."""
    caller = caller_of(request, "execution_start")
    note = body.note if body else None
    return json_response(core_of(request).schedules.run_now(caller, schedule_id, _deployment_id(request), note), 201)


@router.get("/execution-schedules/{schedule_id}/history", summary="What became of each occurrence")
def schedule_history(request: Request, schedule_id: str, _deployment: Deployment = None) -> Response:
    """List the verdicts, newest first; `outcome=` filters."""
    caller = caller_of(request, "execution_schedule_get")
    query = parse_list_query(request.query_params.multi_items(), ignore=("deployment_id",))
    return json_response(core_of(request).schedules.history(caller, schedule_id, _deployment_id(request), query))


@router.get("/execution-schedules/{schedule_id}/explain", summary="Why an occurrence ran or did not")
def explain_schedule(
    request: Request,
    schedule_id: str,
    _deployment: Deployment = None,
    at: Annotated[str | None, Query(description="A time; absent = the last judged occurrence")] = None,
) -> Response:
    """Answer "why didn't it run?" in words and data."""
    caller = caller_of(request, "execution_schedule_get")
    return json_response(core_of(request).schedules.explain(caller, schedule_id, _deployment_id(request), at))
