"""The web console: what is scheduled, what ran, and what it said. Made on the server, with nothing from elsewhere.

It reads through the same services as the API and changes nothing but its own session.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from manager_core.access.caller import Caller
from manager_core.console.session import is_from_elsewhere, sign_in, sign_out, visitor
from manager_core.errors import ManagerError
from manager_core.events.listing import parse_event_query
from manager_core.rest.auth import core_of
from manager_core.rest.listing import parse_list_query
from manager_core.rest.responses import STATUS_OF_KIND, to_json
from manager_core.states import STATUS_DISPLAY

router = APIRouter(prefix="/console", include_in_schema=False)

PAGE = 50
_EVENTS = 500
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def _moment(text: str | None) -> str:
    """Return an API timestamp for people: to the second, in UTC."""
    return "" if not text else text[:19].replace("T", " ")


_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)
_PAGES.filters["moment"] = _moment
_PAGES.filters["shown"] = lambda status: STATUS_DISPLAY.get(status, status)


def _page(name: str, status: int = 200, **values: Any) -> Response:
    return HTMLResponse(_PAGES.get_template(name).render(**values), status, headers=_HEADERS)


def _plain(value: Any) -> Any:
    """Return what an API client would read."""
    return orjson.loads(to_json(value))


def _visited(request: Request, permission: str, show: Callable[[Caller], Response]) -> Response:
    """Show a page to who is signed in; send others to the login page."""
    caller = visitor(core_of(request), request)
    if caller is None:
        return RedirectResponse("/console/login", 303, headers=_HEADERS)
    try:
        caller.require(permission)
        return show(caller)
    except ManagerError as refusal:
        status = STATUS_OF_KIND[refusal.kind]
        return _page(
            "refused.html", status, caller=caller, tenants=sorted(caller.tenant_roles), refusal=refusal.message
        )


def _number(request: Request, name: str) -> int:
    text = request.query_params.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 10 else 0


@router.get("/login")
def login_page(request: Request) -> Response:
    """Show the login form."""
    return _page("login.html", refusal=None)


@router.post("/login")
def login(request: Request, username: Annotated[str, Form()] = "", password: Annotated[str, Form()] = "") -> Response:
    """Sign in with a user's name and password."""
    if is_from_elsewhere(request):
        return _page("login.html", 403, refusal="This form was sent from another site.")
    response: Response = RedirectResponse("/console", 303, headers=_HEADERS)
    try:
        sign_in(core_of(request), request, response, username, password)
    except ManagerError:
        # One text for every reason: the page does not tell which names exist.
        return _page("login.html", 401, refusal="Wrong user name or password, or the account is locked.")
    return response


@router.post("/logout")
def logout(request: Request) -> Response:
    """Sign out."""
    if is_from_elsewhere(request):
        return RedirectResponse("/console/login", 303, headers=_HEADERS)
    response = RedirectResponse("/console/login", 303, headers=_HEADERS)
    sign_out(core_of(request), request, response)
    return response


@router.get("")
def schedules_page(request: Request) -> Response:
    """Show the schedules of a tenant, those that fire next first."""

    def show(caller: Caller) -> Response:
        core, offset = core_of(request), _number(request, "offset")
        query = parse_list_query(
            [
                ("_sort", "-enabled"),
                ("_sort", "next_occurrence"),
                ("_size", str(PAGE)),
                ("_offset", str(offset)),
                ("_next", "3"),
            ]
        )
        found = _plain(core.schedules.page(caller, query))
        return _page(
            "schedules.html", caller=caller, tenants=sorted(caller.tenant_roles), schedules=found["items"],
            total=found["metadata"]["pagination"]["total"], offset=offset, size=PAGE,
            now=_moment(_plain(core.clock.now())),
        )  # fmt: skip

    return _visited(request, "execution_schedule_list", show)


@router.get("/executions")
def executions_page(request: Request) -> Response:
    """Show the executions of a tenant, newest first."""

    def show(caller: Caller) -> Response:
        core, offset = core_of(request), _number(request, "offset")
        asked = [("_sort", "-created_at"), ("_size", str(PAGE)), ("_offset", str(offset))]
        deployment = request.query_params.get("deployment_id", "")
        if deployment:
            asked.append(("deployment_id", deployment))
        found = _plain(core.executions.list(caller, parse_list_query(asked)))
        return _page(
            "executions.html", caller=caller, tenants=sorted(caller.tenant_roles), executions=found["items"],
            total=found["metadata"]["pagination"]["total"], offset=offset, size=PAGE, deployment=deployment,
        )  # fmt: skip

    return _visited(request, "execution_list", show)


@router.get("/executions/{execution_id}")
def execution_page(request: Request, execution_id: str) -> Response:
    """Show one execution with its events and logs."""

    def show(caller: Caller) -> Response:
        core, offset = core_of(request), _number(request, "offset")
        execution = _plain(core.executions.get(caller, execution_id))
        query = parse_event_query(
            [
                ("execution_id", execution_id), ("type", "cloudify_event"), ("type", "cloudify_log"),
                ("_sort", "reported_timestamp"), ("_size", str(_EVENTS)), ("_offset", str(offset)),
            ]
        )  # fmt: skip
        events = _plain(core.events.list(caller, query))
        return _page(
            "execution.html", caller=caller, tenants=sorted(caller.tenant_roles), execution=execution,
            events=events["items"], total=events["metadata"]["pagination"]["total"], offset=offset, size=_EVENTS,
        )  # fmt: skip

    return _visited(request, "execution_get", show)
