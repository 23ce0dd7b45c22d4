"""The API's door for workers on other hosts: stored files by kind and content hash."""

from __future__ import annotations

import hashlib
import re
import zipfile
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from manager_core.blueprints.receiving import receive
from manager_core.errors import BadParameters, NotFound
from manager_core.files import proof
from manager_core.files.remote import FOLDERS, FOLDERS_PLACE, PLACE
from manager_core.rest.auth import core_of
from manager_core.rest.responses import empty_response
from manager_core.snapshots.folders import load_folders, write_folders

if TYPE_CHECKING:
    from pathlib import Path

    from manager_core.bootstrap import Core

router = APIRouter(tags=["internal"])

KINDS = frozenset({"blueprints", "plugins", "snapshots"})
_HASH = re.compile(r"^[0-9a-f]{64}$")
_BODY: dict[str, Any] = {
    "requestBody": {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
}


def _prove(request: Request, kind: str, content_hash: str) -> Core:
    """Return the Core once the request has proved who makes it.

    Raises:
        Unauthorized: see `proof.check`.
    """
    core = core_of(request)
    key = core.secrets.derived_key(proof.PURPOSE)
    proof.check(key, request.headers.get("Authorization"), request.method, kind, content_hash, core.clock.now())
    return core


def _place(request: Request, kind: str, content_hash: str) -> Path:
    """Return where a file is kept, once the request has proved who makes it.

    Raises:
        Unauthorized: see `proof.check`.
        NotFound: there can be no such file.
    """
    core = _prove(request, kind, content_hash)
    if kind not in KINDS or not _HASH.match(content_hash):
        raise NotFound.of("File", f"{kind}/{content_hash}")
    return core.files.path(kind, content_hash)


# Coroutines, not threads: an API that asks another one, or itself, must get its answer while all threads are busy.
@router.head(PLACE + "/{kind}/{content_hash}", summary="Tell whether a file is stored")
async def has_file(kind: str, content_hash: str, request: Request) -> Response:
    """Answer without a body: 200 or 404."""
    if not _place(request, kind, content_hash).is_file():
        raise NotFound.of("File", f"{kind}/{content_hash}")
    return empty_response(200)


@router.get(PLACE + "/{kind}/{content_hash}", summary="Fetch a stored file", response_class=FileResponse)
async def fetch_file(kind: str, content_hash: str, request: Request) -> Response:
    """Return a blueprint archive, plugin package or snapshot by its SHA-256, to a worker on another host."""
    path = _place(request, kind, content_hash)
    if not path.is_file():
        raise NotFound.of("File", f"{kind}/{content_hash}")
    return FileResponse(path, media_type="application/octet-stream")


@router.put(
    PLACE + "/{kind}/{content_hash}", status_code=201, summary="Store a file that a worker made", openapi_extra=_BODY
)
async def store_file(kind: str, content_hash: str, request: Request) -> Response:
    """Take the body in under its SHA-256; another body than the address says is refused."""
    _place(request, kind, content_hash)
    files = core_of(request).files
    received = await receive(request, files)
    try:
        if received.file is None:
            raise BadParameters("The body is empty")
        await run_in_threadpool(files.adopt, kind, received.file, content_hash)
    finally:
        received.discard()
    return empty_response(201)


@router.get(FOLDERS_PLACE, summary="Fetch work directories, resources and icons", response_class=FileResponse)
async def fetch_folders(request: Request) -> Response:
    """Return them as a zip, to a worker that makes a snapshot on another host."""
    core = _prove(request, FOLDERS, "")
    path = await run_in_threadpool(_packed, core)
    return FileResponse(path, media_type="application/zip", background=BackgroundTask(path.unlink, missing_ok=True))


@router.put(
    FOLDERS_PLACE + "/{content_hash}", summary="Restore work directories, resources and icons", openapi_extra=_BODY
)
async def store_folders(content_hash: str, request: Request) -> Response:
    """Take a zip of them, whose SHA-256 is in the address, from a worker that restores a snapshot on another host."""
    core = _prove(request, FOLDERS, content_hash)
    received = await receive(request, core.files)
    try:
        if received.file is None:
            raise BadParameters("The body is empty")
        await run_in_threadpool(_unpack, core, received.file, content_hash)
    finally:
        received.discard()
    return empty_response(200)


def _packed(core: Core) -> Path:
    path = core.files.temporary()
    try:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
            write_folders(core.settings.data_dir, target)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def _unpack(core: Core, path: Path, expected: str) -> None:
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != expected:
        raise BadParameters(f"The content has SHA-256 {found}, expected {expected}")
    try:
        with zipfile.ZipFile(path) as opened:
            load_folders(opened, core.settings.data_dir.resolve())
    except zipfile.BadZipFile as error:
        raise BadParameters(f"The body is no zip: {error}") from error
