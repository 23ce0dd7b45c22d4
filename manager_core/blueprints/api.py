"""REST endpoints of the room `blueprints` (REST contract §5)."""

from __future__ import annotations

import ast
import re
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import orjson
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict

from manager_core.access.caller import Caller
from manager_core.blueprints.receiving import Received, streamed
from manager_core.blueprints.service import UploadRequest
from manager_core.errors import BadParameters
from manager_core.filters.searches import SearchBody
from manager_core.rest.auth import caller_of, core_of
from manager_core.rest.listing import parse_boolean, parse_list_query
from manager_core.rest.responses import empty_response, json_response
from manager_core.rest.visibility import add_set_visibility

router = APIRouter(tags=["blueprints"])

_ARCHIVE_BODY = {
    "requestBody": {
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "params": {"type": "string", "description": "JSON object with the parameters"},
                        "blueprint_archive": {"type": "string", "format": "binary"},
                    },
                }
            },
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        }
    }
}
_RAW_BODY = {
    "requestBody": {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
}


class BlueprintChanges(BaseModel):
    """What can be changed of a blueprint; other names are refused."""

    model_config = ConfigDict(extra="allow")

    plan: dict[str, Any] | None = None
    requirements: dict[str, Any] | None = None
    description: str | None = None
    main_file_name: str | None = None
    visibility: str | None = None
    state: str | None = None
    error: str | None = None
    error_traceback: str | None = None
    labels: list[Any] | None = None
    creator: str | None = None
    created_at: datetime | None = None
    upload_execution: str | None = None


_UNQUOTED = re.compile(r"[^ !#-\[\]-~]")
"""What a quoted file name in a header cannot hold: quotes, backslashes, line ends, and all beyond ASCII."""


def attachment(name: str) -> dict[str, str]:
    """Return the headers of a download: its name, with `_` for each character that would end or break a header."""
    return {"Content-Disposition": f'attachment; filename="{_UNQUOTED.sub("_", name)}"'}


def file_response(path: Any, name: str) -> Response:
    """Answer with a file to download: whole, with its length and name (REST contract §1.8)."""
    return FileResponse(path, media_type="application/octet-stream", headers=attachment(name))


def include_of(request: Request) -> list[str] | None:
    """Return the names in `_include`, or None."""
    return parse_list_query(request.query_params.multi_items()).include if "_include" in request.query_params else None


def aware_instant(name: str, value: Any) -> datetime | None:
    """Read an instant that must carry a zone (REST contract §1.9).

    Raises:
        BadParameters: it is no instant, or has no zone.
    """
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise BadParameters(f"{name}: `{value}` is not a legal date") from None
    if moment.tzinfo is None:
        raise BadParameters(f"Date `{value}` missing timezone information, please provide valid date.")
    return moment


def _parameters(request: Request, received: Received) -> dict[str, Any]:
    if "params" in received.fields:
        try:
            found = orjson.loads(received.fields["params"])
        except orjson.JSONDecodeError as error:
            raise BadParameters(f"params: not valid json: {error}") from error
        if not isinstance(found, dict):
            given = type(found).__name__
            raise BadParameters(f"params parameter is expected to be of type dict but is of type {given}")
        return {**request.query_params, **found}
    found = dict(request.query_params)
    if "labels" in found:
        found["labels"] = [_label(text) for text in request.query_params.getlist("labels")]
    return found


def _label(text: str) -> Any:
    """Read a label of the raw form: the client writes its dicts as Python does."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise BadParameters(f"labels: `{text}` is not a label") from None


def _text(parameters: dict[str, Any], name: str) -> str | None:
    value = parameters.get(name)
    if value is not None and not isinstance(value, str):
        raise BadParameters(f"{name} parameter is expected to be of type str but is of type {type(value).__name__}")
    return value or None


def _upload_request(parameters: dict[str, Any]) -> UploadRequest:
    requirements = parameters.get("requirements")
    if requirements is not None and not isinstance(requirements, dict):
        raise BadParameters("requirements parameter is expected to be of type dict")
    main_file = _text(parameters, "application_file_name")
    return UploadRequest(
        visibility=parameters.get("visibility") or "tenant",
        asynchronous=parse_boolean("async_upload", parameters.get("async_upload") or False),
        main_file=unquote(main_file) if main_file else None,
        url=_text(parameters, "blueprint_archive_url"),
        labels=parameters.get("labels"),
        skip_execution=parse_boolean("skip_execution", parameters.get("skip_execution") or False),
        state=_text(parameters, "state"),
        requirements=requirements,
        created_at=aware_instant("created_at", parameters.get("created_at")),
        created_by=_text(parameters, "created_by"),
    )


async def _upload(request: Request, blueprint_id: str, *, validate_only: bool) -> Response:
    service = core_of(request).blueprints

    def answer(caller: Caller, received: Received) -> Response:
        upload = _upload_request(_parameters(request, received))
        return json_response(
            service.upload(caller, blueprint_id, upload, received.file, validate_only=validate_only), 201
        )

    def check(caller: Caller) -> None:
        if not validate_only:
            service.check_free(caller, blueprint_id)

    return await streamed(request, "blueprint_upload", answer, check=check)


@router.put(
    "/blueprints/{blueprint_id}", status_code=201, summary="Upload a blueprint", openapi_extra=_ARCHIVE_BODY,
    responses={201: {"description": "The blueprint; with `async_upload` before it is parsed"}},
)  # fmt: skip
async def upload_blueprint(blueprint_id: str, request: Request) -> Response:
    """Take an archive (zip, tar, tar.gz, tar.bz2) with one top folder, parse its blueprint and keep both."""
    return await _upload(request, blueprint_id, validate_only=False)


@router.put(
    "/blueprints/{blueprint_id}/validate", status_code=201, summary="Validate a blueprint without keeping it",
    openapi_extra=_ARCHIVE_BODY, responses={201: {"description": "The temporary blueprint"}},
)  # fmt: skip
async def validate_blueprint(blueprint_id: str, request: Request) -> Response:
    """Parse an archive; the result is the upload execution's."""
    return await _upload(request, blueprint_id, validate_only=True)


@router.get("/blueprints", summary="List blueprints")
def list_blueprints(request: Request) -> Response:
    """Hidden blueprints are left out unless the request filters by `is_hidden`."""
    caller = caller_of(request, "blueprint_list")
    query = parse_list_query(request.query_params.multi_items())
    return json_response(core_of(request).blueprints.page(caller, query))


@router.post("/searches/blueprints", summary="List blueprints by filter rules or constraints")
def search_blueprints(request: Request, body: SearchBody) -> Response:
    """The query parameters are those of the list."""
    caller = caller_of(request, "blueprint_list")
    query = parse_list_query(request.query_params.multi_items())
    return json_response(core_of(request).blueprints.page(caller, query, body))


@router.get("/blueprints/{blueprint_id}", summary="Get a blueprint")
def get_blueprint(blueprint_id: str, request: Request) -> Response:
    """Return one blueprint with its plan."""
    caller = caller_of(request, "blueprint_get")
    return json_response(core_of(request).blueprints.get(caller, blueprint_id, include_of(request)))


@router.patch("/blueprints/{blueprint_id}", summary="Change a blueprint")
def patch_blueprint(blueprint_id: str, request: Request, body: BlueprintChanges) -> Response:
    """Labels replace the full set."""
    caller = caller_of(request, "blueprint_upload")
    changes = body.model_dump(exclude_unset=True)
    if changes.get("created_at") is not None:
        changes["created_at"] = aware_instant("created_at", changes["created_at"].isoformat())
    return json_response(core_of(request).blueprints.patch(caller, blueprint_id, changes))


@router.delete("/blueprints/{blueprint_id}", status_code=204, summary="Delete a blueprint")
def delete_blueprint(blueprint_id: str, request: Request, force: str = Query("false")) -> Response:
    """Refused while deployments of it exist; `force` skips the other checks."""
    caller = caller_of(request, "blueprint_delete")
    core_of(request).blueprints.delete(caller, blueprint_id, force=parse_boolean("force", force))
    return empty_response()


@router.get("/blueprints/{blueprint_id}/archive", summary="Download a blueprint's archive", response_class=FileResponse)
def download_blueprint(blueprint_id: str, request: Request) -> Response:
    """Return the tar.gz."""
    caller = caller_of(request, "blueprint_download")
    return file_response(core_of(request).blueprints.archive(caller, blueprint_id), f"{blueprint_id}.tar.gz")


@router.put("/blueprints/{blueprint_id}/archive", summary="Replace a blueprint's archive", openapi_extra=_RAW_BODY)
async def put_archive(blueprint_id: str, request: Request) -> Response:
    """Store the body as the blueprint's archive."""

    def answer(caller: Caller, received: Received) -> Response:
        core_of(request).blueprints.put_archive(caller, blueprint_id, received.file)
        return json_response(None)

    return await streamed(request, "blueprint_upload", answer)


add_set_visibility(
    router,
    "blueprints",
    "blueprint",
    lambda core, caller, identifier, wider: core.blueprints.set_visibility(caller, identifier, wider),
)


@router.patch("/blueprints/{blueprint_id}/icon", summary="Set or remove a blueprint's icon", openapi_extra=_RAW_BODY)
async def set_icon(blueprint_id: str, request: Request) -> Response:
    """Take a png; an empty body removes the icon."""

    def answer(caller: Caller, received: Received) -> Response:
        return json_response(core_of(request).blueprints.set_icon(caller, blueprint_id, received.file))

    return await streamed(request, "blueprint_upload", answer)
