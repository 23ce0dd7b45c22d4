"""The web application: routers, error mapping, OpenAPI. Made by a function, with no global."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError, StatementError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from manager_core.access.api import router as access_router
from manager_core.blueprints.api import router as blueprints_router
from manager_core.configuration.api import router as configuration_router
from manager_core.console.pages import router as console_router
from manager_core.deployments.api import router as deployments_router
from manager_core.errors import ManagerError
from manager_core.events.api import router as events_router
from manager_core.executions.api import router as executions_router
from manager_core.files.api import router as files_router
from manager_core.filters.api import router as filters_router
from manager_core.health.api import router as health_router
from manager_core.health.system_api import router as system_router
from manager_core.health.system_api import unversioned as unversioned_router
from manager_core.maintenance.api import router as maintenance_router
from manager_core.nodes.api import router as nodes_router
from manager_core.plugins.api import router as plugins_router
from manager_core.rest.auth import caller_of
from manager_core.rest.docs_page import router as docs_router
from manager_core.rest.openapi import DESCRIPTION, describe
from manager_core.rest.responses import error_response, json_response
from manager_core.rest.strangers import Strangers
from manager_core.rest.summaries import router as summaries_router
from manager_core.rest.too_large import Application
from manager_core.schedules.api import router as schedules_router
from manager_core.secrets.api import router as secrets_router
from manager_core.snapshots.api import router as snapshots_router
from manager_core.store.problems import is_passing, is_too_much, one_line

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

BASE = "/api/v3.1"
log = logging.getLogger("manager.rest")

_TYPE_NAMES = {
    "string_type": "str", "int_type": "int", "int_parsing": "int", "int_from_float": "int", "float_type": "float",
    "float_parsing": "float", "bool_type": "bool", "bool_parsing": "bool", "dict_type": "dict", "list_type": "list",
}  # fmt: skip


_OPEN = {("POST", "/console/login")}
"""Endpoints with a body that need no credentials."""

MAX_BODY = 64 * 2**20
MAX_UPLOAD = 2**40
"""Bytes of a request body; uploads are streamed to disk."""


def create_app(core: Core) -> FastAPI:
    """Return the ASGI application over a Core."""
    app = Application(
        title="Cloudify execution scheduler and manager",
        version="3.1",
        description=DESCRIPTION,
        redirect_slashes=False,
        separate_input_output_schemas=False,
        max_body_size=MAX_BODY,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    app.state.core = core
    core.files.serves = True
    # Routers are searched in this order: what clients poll comes first.
    for router in (
        executions_router, events_router, schedules_router, deployments_router, nodes_router, system_router,
        maintenance_router, secrets_router, access_router, configuration_router, filters_router, summaries_router,
    ):  # fmt: skip
        app.include_router(router, prefix=BASE)
    for router in (blueprints_router, plugins_router, snapshots_router, files_router):
        app.include_router(router, prefix=BASE, max_body_size=MAX_UPLOAD)
    app.include_router(unversioned_router, prefix="/api")
    app.include_router(health_router)
    app.include_router(console_router)
    app.include_router(docs_router)
    describe(app)
    app.add_middleware(Strangers, core=core)
    app.add_exception_handler(ManagerError, _manager_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(DataError, _data_error)
    app.add_exception_handler(ClientDisconnect, _client_left)
    app.add_exception_handler(UnicodeEncodeError, _unicode_error)
    app.add_exception_handler(OverflowError, _overflow_error)
    app.add_exception_handler(StatementError, _statement_error)
    app.add_exception_handler(IntegrityError, _integrity_error)
    app.add_exception_handler(DBAPIError, _database_error)
    app.add_exception_handler(Exception, _unexpected_error)
    return app


def _manager_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ManagerError)
    return error_response(error)


def _envelope(status: int, code: str, message: str) -> Response:
    return json_response({"message": message, "error_code": code, "server_traceback": None}, status)


def _validation_error(request: Request, error: Exception) -> Response:
    """Say in the contract's words what the framework found wrong (REST contract §1.5)."""
    assert isinstance(error, RequestValidationError)
    if (request.scope["method"], request.scope["path"]) not in _OPEN:
        try:
            caller_of(request)  # strangers do not learn what a body has to look like
        except ManagerError as refusal:
            return error_response(refusal)
    first: dict[str, Any] = dict(error.errors()[0])
    place, *path = first["loc"]
    name = ".".join(str(part) for part in path) or str(place)
    content_type = request.headers.get("content-type", "")
    if place == "body" and "json" not in content_type and "form" not in content_type:
        return _envelope(415, "unsupported_content_type_error", "Content type must be application/json")
    if first["type"] == "missing" and place == "body":
        message = f"Missing {name} in json request body" if path else "The request needs a json body"
    elif first["type"] == "missing":
        message = f"Missing required parameter: {name}"
    elif first["type"] == "json_invalid":
        message = f"The request body is not valid json: {first.get('ctx', {}).get('error', first['msg'])}"
    elif first["type"] == "timezone_aware":
        message = f"Date `{first.get('input')}` missing timezone information, please provide valid date."
    elif first["type"] in _TYPE_NAMES:
        given = type(first.get("input")).__name__
        message = f"{name} parameter is expected to be of type {_TYPE_NAMES[first['type']]} but is of type {given}"
    else:
        message = f"{name}: {first['msg']}"
    return _envelope(400, "bad_parameters_error", message)


def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    codes = {404: "not_found_error", 405: "method_not_allowed_error", 413: "bad_parameters_error"}
    response = _envelope(error.status_code, codes.get(error.status_code, "bad_parameters_error"), str(error.detail))
    response.headers.update(error.headers or {})
    return response


def _data_error(_request: Request, error: Exception) -> Response:
    """Answer for what a database cannot keep: NUL characters in text, numbers beyond its range."""
    assert isinstance(error, DataError)
    return _envelope(400, "bad_parameters_error", f"The request holds a value that cannot be stored: {error.orig}")


def _client_left(request: Request, error: Exception) -> Response:
    """Note that a client went away in the middle of its upload; nobody reads the answer."""
    assert isinstance(error, ClientDisconnect)
    log.info("client_left method=%s path=%s", request.method, request.url.path)
    return _envelope(400, "bad_parameters_error", "The request ended before its body did")


def _unicode_error(_request: Request, error: Exception) -> Response:
    """Answer for text that is no Unicode: half a character (a lone surrogate) where a database wants UTF-8."""
    assert isinstance(error, UnicodeEncodeError)
    return _envelope(400, "bad_parameters_error", f"The request holds text that is not valid Unicode: {error.reason}")


def _overflow_error(_request: Request, error: Exception) -> Response:
    """Answer for a number or an instant beyond what can be calculated with."""
    return _envelope(400, "bad_parameters_error", f"The request holds a value that is out of range: {error}")


def _statement_error(request: Request, error: Exception) -> Response:
    """Answer for a value that could not even be handed to the database: an instant before the first of all days."""
    assert isinstance(error, StatementError)
    if isinstance(error.orig, OverflowError):
        return _overflow_error(request, error.orig)
    if isinstance(error.orig, UnicodeEncodeError):
        return _unicode_error(request, error.orig)
    return _unexpected_error(request, error)


def _integrity_error(_request: Request, error: Exception) -> Response:
    """Answer for a name taken, or a thing gone, between a check and the write."""
    log.warning("integrity_error", exc_info=error)
    return _envelope(409, "storage_error", "Somebody else changed the same things at the same time, or a name is taken")


def _database_error(request: Request, error: Exception) -> Response:
    """Answer while the database is away: the request may be sent again. Or for more than it takes at once."""
    if is_too_much(error):
        return _envelope(400, "bad_parameters_error", f"The request asks for too much at once: {one_line(error)}")
    if not is_passing(error):
        return _unexpected_error(request, error)
    log.warning("database_awaited method=%s path=%s error=%s", request.method, request.url.path, one_line(error))
    answer = _envelope(503, "database_unavailable", "The database does not answer at the moment: try again")
    answer.headers["Retry-After"] = "1"
    return answer


def _unexpected_error(_request: Request, error: Exception) -> Response:
    log.error("unexpected_error", exc_info=error)
    # A failed statement's own text has the SQL in it: of no use to a client, and telling to a stranger.
    words = one_line(error) if isinstance(error, SQLAlchemyError) else str(error)
    text = f"Internal error occurred in manager REST server - {type(error).__name__}: {words}"
    return _envelope(500, "internal_server_error", text)
