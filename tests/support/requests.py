"""How tests talk to the API in process."""

from __future__ import annotations

import base64

from starlette.testclient import TestClient

from manager_core.bootstrap import Core
from manager_core.rest.app import create_app

ROOT = "http://testserver"
BASE_URL = f"{ROOT}/api/v3.1"


def basic(username: str, password: str) -> dict[str, str]:
    """Return the header of Basic authentication."""
    return {"Authorization": "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()}


def client_of(core: Core, **headers: str) -> TestClient:
    """Return a client of a Core's API with these headers; paths are relative to `/api/v3.1`."""
    return TestClient(create_app(core), base_url=BASE_URL, headers=headers)


def error(answer: object) -> tuple[int, str, str]:
    """Return status, code and message of an error answer, after checking its envelope."""
    body = answer.json()  # type: ignore[attr-defined]
    assert set(body) >= {"message", "error_code", "server_traceback"}, body
    return answer.status_code, body["error_code"], body["message"]  # type: ignore[attr-defined]
