"""Large bodies are taken in from people the manager knows, and from nobody else.

A body is read and parsed before an endpoint asks who sent it; parsed, it can take thirty times its size. For small
bodies that does not matter. Uploads are not concerned: they ask first, and write to the disk what comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from manager_core.errors import ManagerError
from manager_core.rest.responses import error_response

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

SMALL = 1 << 20
"""Bytes of a body that is read from anybody."""

_DRAINED = 64 << 20
"""Bytes that are thrown away at most before a refusal: a client that is still sending does not look at an answer."""

_UPLOADS = ("/api/v3.1/blueprints/", "/api/v3.1/plugins", "/api/v3.1/snapshots/", "/api/v3.1/internal/")


class Strangers:
    """Middleware that asks who sends a large body before it is read."""

    def __init__(self, app: ASGIApp, core: Core) -> None:
        """Stand before `app`."""
        self._app = app
        self._core = core

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it as its endpoint would."""
        if scope["type"] != "http" or not _is_large(scope["headers"]) or scope["path"].startswith(_UPLOADS):
            await self._app(scope, receive, send)
            return
        if not scope["path"].startswith("/api/"):
            await PlainTextResponse("The body is too large", 413)(scope, receive, send)
            return
        try:
            await run_in_threadpool(self._core.access.authenticate, Headers(scope=scope))
        except ManagerError as refusal:
            await _drain(receive)
            await error_response(refusal)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _is_large(headers: list[tuple[bytes, bytes]]) -> bool:
    for name, value in headers:
        if name == b"content-length":
            return not value.isdigit() or len(value) > 18 or int(value) > SMALL
        if name == b"transfer-encoding":
            return True
    return False


async def _drain(receive: Receive) -> None:
    size = 0
    while size <= _DRAINED:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body", False):
            return
