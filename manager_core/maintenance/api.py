"""REST endpoints of maintenance mode (REST contract §3)."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from manager_core.rest.auth import caller_of, core_of
from manager_core.rest.responses import json_response

router = APIRouter(tags=["maintenance"])


@router.get("/maintenance", summary="Show whether maintenance mode is on, and what it waits for")
def get_maintenance(request: Request) -> Response:
    """Answer the state; `activating` becomes `activated` here once no execution is left."""
    caller_of(request, "maintenance_mode_get")
    return json_response(core_of(request).maintenance.state())


@router.post("/maintenance/{action}", summary="Activate or deactivate maintenance mode")
def change_maintenance(request: Request, action: str) -> Response:
    """Answer the new state, or 304 without a body when nothing changes."""
    caller = caller_of(request, "maintenance_mode_set")
    return json_response(core_of(request).maintenance.act(caller, action))
