"""`/health` and `/metrics`: outside the API, for those who watch over the service."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from manager_core.health.metrics import CONTENT_TYPE, metrics_page
from manager_core.health.verdict import ServiceHealth
from manager_core.rest.auth import caller_of, core_of
from manager_core.rest.responses import json_response

router = APIRouter(tags=["health"])


_REPORT: dict[str, Any] = {
    "content": {"application/json": {"schema": {"type": "object", "required": ["status", "database"]}}}
}


@router.get(
    "/health",
    summary="Tell whether database, scheduler and worker are well",
    responses={
        200: {"description": "All is well", **_REPORT},
        503: {"description": "Something is not; the report says what", **_REPORT},
    },
)
def get_health(request: Request) -> Response:
    """Answer 200 when all is well, else 503. Needs no credentials and says nothing of data."""
    report = core_of(request).health.report()
    body: dict[str, Any] = {
        "status": "ok" if report.is_well else "fail",
        "database": {"status": "ok" if report.database else "unreachable"},
    }
    body.update({name: _shown(health) for name, health in report.services.items()})
    return json_response(body, 200 if report.is_well else 503)


def _shown(health: ServiceHealth) -> dict[str, Any]:
    return {
        "status": health.state.value,
        "instances": health.instances,
        "beat_at": health.beat_at,
        "next_due_at": health.next_due_at,
    }


@router.get("/metrics", summary="Figures for Prometheus", response_class=PlainTextResponse)
def get_metrics(request: Request) -> Response:
    """Answer the figures of all processes in Prometheus' text format. Takes Basic or a token."""
    caller_of(request, "status_get")
    return Response(metrics_page(core_of(request)), media_type=CONTENT_TYPE)
