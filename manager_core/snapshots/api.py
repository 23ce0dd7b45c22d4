"""REST endpoints of the room `snapshots` (REST contract §18)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel

from manager_core.access.caller import Caller
from manager_core.blueprints.api import file_response, include_of
from manager_core.blueprints.receiving import Received, streamed
from manager_core.rest.auth import caller_of, core_of
from manager_core.rest.listing import parse_boolean, parse_list_query
from manager_core.rest.responses import empty_response, json_response

router = APIRouter(tags=["snapshots"])

_BODY: dict[str, Any] = {
    "requestBody": {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
}


class NewSnapshot(BaseModel):
    """What to take into a snapshot, and whether it may wait."""

    include_credentials: bool | None = False
    include_logs: bool | None = True
    include_events: bool | None = True
    queue: Any = False
    tempdir_path: str | None = None
    legacy: bool | None = True
    listener_timeout: float | None = None


class Restore(BaseModel):
    """How to restore a snapshot."""

    force: Any = False
    restore_certificates: Any = False
    no_reboot: Any = False
    ignore_plugin_failure: Any = False
    timeout: float | None = None


class SnapshotStatus(BaseModel):
    """A snapshot's status, as workflows write it."""

    status: str
    error: str | None = None


@router.put("/snapshots/{snapshot_id}", status_code=201, summary="Create a snapshot")
def create_snapshot(snapshot_id: str, request: Request, body: NewSnapshot | None = None) -> Response:
    """Start `create_snapshot` and answer with its execution; refused while others run, unless `queue`."""
    caller = caller_of(request, "snapshot_create")
    wanted = body or NewSnapshot()
    execution = core_of(request).snapshots.create(
        caller,
        snapshot_id,
        queue=parse_boolean("queue", wanted.queue or False),
        include_credentials=bool(wanted.include_credentials),
        include_logs=wanted.include_logs is not False,
        include_events=wanted.include_events is not False,
        tempdir_path=wanted.tempdir_path,
        legacy=wanted.legacy is not False,
        listener_timeout=wanted.listener_timeout,
    )
    return json_response(execution, 201)


@router.get("/snapshots", summary="List snapshots")
def list_snapshots(request: Request) -> Response:
    """Return a page of snapshots."""
    caller = caller_of(request, "snapshot_list")
    query = parse_list_query(request.query_params.multi_items())
    return json_response(core_of(request).snapshots.page(caller, query))


@router.get("/snapshots/{snapshot_id}", summary="Get a snapshot")
def get_snapshot(snapshot_id: str, request: Request) -> Response:
    """Return one snapshot."""
    caller = caller_of(request, "snapshot_get")
    return json_response(core_of(request).snapshots.get(caller, snapshot_id, include_of(request)))


@router.patch("/snapshots/{snapshot_id}", summary="Set a snapshot's status")
def set_snapshot_status(snapshot_id: str, request: Request, body: SnapshotStatus) -> Response:
    """Used by workflows."""
    caller = caller_of(request, "snapshot_status_update")
    return json_response(core_of(request).snapshots.set_status(caller, snapshot_id, body.status, body.error))


@router.delete("/snapshots/{snapshot_id}", status_code=204, summary="Delete a snapshot")
def delete_snapshot(snapshot_id: str, request: Request) -> Response:
    """Refused while it is being made."""
    caller = caller_of(request, "snapshot_delete")
    core_of(request).snapshots.delete(caller, snapshot_id)
    return empty_response()


@router.post("/snapshots/{snapshot_id}/restore", summary="Restore a snapshot")
def restore_snapshot(snapshot_id: str, request: Request, body: Restore | None = None) -> Response:
    """Start `restore_snapshot` and answer with its execution; refused while others run."""
    caller = caller_of(request, "snapshot_restore")
    wanted = body or Restore()
    flags = {
        name: parse_boolean(name, getattr(wanted, name) or False)
        for name in ("force", "restore_certificates", "no_reboot", "ignore_plugin_failure")
    }
    return json_response(core_of(request).snapshots.restore(caller, snapshot_id, timeout=wanted.timeout, **flags))


@router.put("/snapshots/{snapshot_id}/archive", status_code=201, summary="Upload a snapshot", openapi_extra=_BODY)
async def upload_snapshot(snapshot_id: str, request: Request) -> Response:
    """Take the zip that another manager's snapshot was downloaded as."""

    def answer(caller: Caller, received: Received) -> Response:
        url = request.query_params.get("snapshot_archive_url")
        return json_response(core_of(request).snapshots.upload(caller, snapshot_id, received.file, url), 201)

    return await streamed(request, "snapshot_upload", answer)


@router.get("/snapshots/{snapshot_id}/archive", summary="Download a snapshot", response_class=FileResponse)
def download_snapshot(snapshot_id: str, request: Request) -> Response:
    """Return the zip."""
    caller = caller_of(request, "snapshot_download")
    return file_response(core_of(request).snapshots.download(caller, snapshot_id), f"{snapshot_id}.zip")


@router.get("/snapshot-status", summary="Tell whether a restore is under way")
def snapshot_status(request: Request) -> Response:
    """Needs no login."""
    return json_response({"status": "running" if core_of(request).snapshots.restoring() else "not-running"})
