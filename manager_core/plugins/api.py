"""REST endpoints of the room `plugins` (REST contract §16)."""

from __future__ import annotations

import re
from typing import Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel

from manager_core.access.caller import Caller
from manager_core.blueprints.api import attachment, aware_instant, file_response, include_of
from manager_core.blueprints.receiving import Received, streamed
from manager_core.plugins.service import PluginRequest
from manager_core.rest.auth import caller_of, core_of
from manager_core.rest.listing import parse_boolean, parse_list_query
from manager_core.rest.responses import empty_response, json_response
from manager_core.rest.visibility import add_set_visibility

router = APIRouter(tags=["plugins"])

_BODY: dict[str, Any] = {
    "requestBody": {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
}


class PluginState(BaseModel):
    """The installation state of a plugin on a manager or an agent."""

    state: str
    manager: str | None = None
    agent: str | None = None
    error: str | None = None


class Removal(BaseModel):
    """The body of a removal."""

    force: bool = False


@router.post("/plugins", status_code=201, summary="Upload a plugin", openapi_extra=_BODY)
async def upload_plugin(request: Request) -> Response:
    """Take a zip with one wagon (or wheel) and its YAML files, or a bare wagon."""

    def answer(caller: Caller, received: Received) -> Response:
        query = request.query_params
        upload = PluginRequest(
            visibility=query.get("visibility") or "tenant",
            title=query.get("title"),
            id=query.get("id"),
            url=query.get("plugin_archive_url"),
            uploaded_at=aware_instant("uploaded_at", query.get("uploaded_at") or query.get("_plugin_created_at")),
            created_by=query.get("created_by"),
        )
        return json_response(core_of(request).plugins.upload(caller, upload, received.file), 201)

    return await streamed(request, "plugin_upload", answer)


@router.get("/plugins", summary="List plugins")
def list_plugins(request: Request) -> Response:
    """Return a page of plugins."""
    caller = caller_of(request, "plugin_list")
    query = parse_list_query(request.query_params.multi_items())
    return json_response(core_of(request).plugins.page(caller, query))


@router.get("/plugins/{plugin_id}", summary="Get a plugin")
def get_plugin(plugin_id: str, request: Request) -> Response:
    """Return one plugin."""
    caller = caller_of(request, "plugin_get")
    return json_response(core_of(request).plugins.get(caller, plugin_id, include_of(request)))


@router.put("/plugins/{plugin_id}", summary="Set a plugin's installation state")
def set_plugin_state(plugin_id: str, request: Request, body: PluginState) -> Response:
    """Record where the plugin is installed; used by workflows."""
    caller = caller_of(request, "plugin_upload")
    return json_response(core_of(request).plugins.set_state(caller, plugin_id, body.model_dump()))


@router.delete("/plugins/{plugin_id}", status_code=204, summary="Delete a plugin")
def delete_plugin(plugin_id: str, request: Request, body: Removal | None = None) -> Response:
    """Refused while blueprints use it, unless the body says `force`."""
    caller = caller_of(request, "plugin_delete")
    core_of(request).plugins.delete(caller, plugin_id, force=body.force if body is not None else False)
    return empty_response()


@router.get("/plugins/{plugin_id}/archive", summary="Download a plugin", response_class=FileResponse)
def download_plugin(plugin_id: str, request: Request, full_archive: str = Query("false")) -> Response:
    """Return the package; with `full_archive` the zip that was uploaded."""
    caller = caller_of(request, "plugin_download")
    full = parse_boolean("full_archive", full_archive)
    path, name = core_of(request).plugins.archive(caller, plugin_id, full=full)
    return file_response(path, name)


@router.get("/plugins/{plugin_id}/yaml", summary="Download a plugin's YAML file", response_class=FileResponse)
def download_yaml(plugin_id: str, request: Request, dsl_version: str = Query("cloudify_dsl_1_4")) -> Response:
    """Return the file that blueprints of the given language version import."""
    caller = caller_of(request, "plugin_download")
    found = re.search(r"(\d+)_(\d+)$", dsl_version)
    version = (int(found[1]), int(found[2])) if found else (1, 4)
    name, text = core_of(request).plugins.yaml(caller, plugin_id, version)
    return Response(
        text.encode(),
        media_type="application/octet-stream",
        headers=attachment(name),
    )


add_set_visibility(
    router,
    "plugins",
    "plugin",
    lambda core, caller, identifier, wider: core.plugins.set_visibility(caller, identifier, wider),
)
