"""How values leave the manager: JSON bodies, timestamps, the error envelope, files."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import orjson
from fastapi import Response

from manager_core.errors import Kind, ManagerError

STATUS_OF_KIND = {
    Kind.BAD_INPUT: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.IN_USE: 405,
    Kind.CONFLICT: 409,
    Kind.UNSUPPORTED: 415,
    Kind.NOT_MODIFIED: 304,
    Kind.UNAVAILABLE: 503,
    Kind.INTERNAL: 500,
}


def timestamp(value: datetime | None) -> str | None:
    """Return `YYYY-MM-DDTHH:MM:SS.mmmZ` (REST contract §1.9), or None."""
    if value is None:
        return None
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:23] + "Z"


def _fallback(value: Any) -> Any:
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return str(value)


def to_json(value: Any) -> bytes:
    """Serialise; instants become `timestamp` texts.

    What valid JSON may hold and orjson refuses (lone surrogates, integers beyond 64 bits) comes out as it came in:
    whoever stored it must be able to read it again.
    """
    try:
        return _dumps(value)
    except orjson.JSONEncodeError:
        return _dumps(_escaped(value))


def _dumps(value: Any) -> bytes:
    return orjson.dumps(
        value,
        default=lambda item: timestamp(item) if isinstance(item, datetime) else _fallback(item),
        option=orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_NON_STR_KEYS,
    )


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return value if _is_utf8(value) else orjson.Fragment(json.dumps(value))
    if isinstance(value, dict):
        # A key cannot be a fragment: there the characters are shown as Python shows them.
        return {_readable(key): _escaped(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_escaped(item) for item in value]
    if type(value) is int and not -(2**63) <= value < 2**64:
        return orjson.Fragment(str(value))
    return value


def _is_utf8(text: str) -> bool:
    readable: str = _readable(text)
    return text == readable


def _readable(key: Any) -> Any:
    return key.encode(errors="backslashreplace").decode() if isinstance(key, str) else key


def json_response(value: Any, status: int = 200) -> Response:
    """Answer with a JSON body. `value` may hold `orjson.Fragment`s."""
    return Response(to_json(value), status_code=status, media_type="application/json")


def empty_response(status: int = 204) -> Response:
    """Answer without a body."""
    return Response(status_code=status)


def error_response(error: ManagerError) -> Response:
    """Answer with the error envelope (REST contract §1.10); 304 has no body."""
    status = STATUS_OF_KIND[error.kind]
    if status == 304:
        return Response(status_code=304)
    body = {"message": error.message, "error_code": error.code, "server_traceback": None, **error.extra}
    return json_response(body, status)
