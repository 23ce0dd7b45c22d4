"""Bodies that are too large are refused in the envelope of errors like everything else (REST contract §1.10)."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.types import Message, Receive, Scope, Send

from manager_core.rest.responses import to_json

STATUS = 413


class Application(FastAPI):
    """FastAPI, but for the plain text with which its outermost layer refuses a body by its declared length."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http" and scope["method"] not in {"GET", "HEAD"}:
            send = _enveloped(send)
        await super().__call__(scope, receive, send)


def _enveloped(send: Send) -> Send:
    body: bytes | None = None

    async def sending(message: Message) -> None:
        nonlocal body
        if message["type"] == "http.response.start" and message["status"] == STATUS and _is_plain(message):
            text = "The request body is larger than this endpoint takes"
            body = to_json({"message": text, "error_code": "bad_parameters_error", "server_traceback": None})
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": STATUS, "headers": headers})
        elif body is None:
            await send(message)
        elif not message.get("more_body"):
            await send({"type": "http.response.body", "body": body})

    return sending


def _is_plain(message: Message) -> bool:
    return any(
        name.lower() == b"content-type" and value.startswith(b"text/plain") for name, value in message["headers"]
    )
