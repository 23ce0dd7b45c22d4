"""What people without credentials can cost, and what other sites can do to people with them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.testclient import TestClient

from manager_core.access.passwords import Passwords
from manager_core.bootstrap import Core
from manager_core.rest import strangers
from manager_core.rest.app import create_app
from tests.support.databases import ADMIN_PASSWORD
from tests.support.people import a_user
from tests.support.requests import ROOT, basic, client_of, error

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("headers", [{}, basic("admin", "wrong"), {"Authentication-Token": "ctok-a-b"}])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_body_of_a_stranger_is_not_parsed(
    sqlite_core: Core, headers: dict[str, str], chunked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strangers, "SMALL", 1000)
    broken = b"{" + b" " * 2000
    with client_of(sqlite_core, **JSON) as stranger:
        content: Any = iter([broken]) if chunked else broken
        answer = stranger.post("/executions", content=content, headers=headers)
        assert error(answer)[:2] == (401, "unauthorized_error")
        right = {**basic("admin", ADMIN_PASSWORD), "Tenant": "default_tenant"}
        content = iter([broken]) if chunked else broken
        assert error(stranger.post("/executions", content=content, headers=right))[0] == 400


def test_nothing_of_a_large_body_reaches_the_endpoint(sqlite_core: Core) -> None:
    reached: list[str] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["path"])

    gate = strangers.Strangers(inner, sqlite_core)
    scope = {
        "type": "http", "path": "/api/v3.1/executions", "method": "POST",
        "headers": [(b"content-length", str(strangers.SMALL + 1).encode())],
    }  # fmt: skip
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    async def run() -> None:
        await gate(scope, receive, send)
        await gate({**scope, "headers": [(b"content-length", b"7")]}, receive, send)
        await gate({**scope, "path": "/api/v3.1/blueprints/b"}, receive, send)

    asyncio.run(run())
    assert sent[0]["status"] == 401
    assert reached == ["/api/v3.1/executions", "/api/v3.1/blueprints/b"]


def test_the_login_form_takes_no_large_body(sqlite_core: Core) -> None:
    with TestClient(create_app(sqlite_core), base_url=ROOT) as browser:
        answer = browser.post("/console/login", content=b"username=" + b"x" * (strangers.SMALL + 1))
        assert answer.status_code == 413


def test_passwords_tried_at_the_same_time_do_not_pass_the_lock(
    client: TestClient, core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = a_user(client, "alice")
    real = Passwords.verify

    def crowded(self: Passwords, name_key: str, password: str, stored: str, now: float) -> float | None:
        found = real(self, name_key, password, stored, now)
        if name_key == "alice":
            for _ in range(5):
                core.access._authentication._note_failure("alice")
        return found

    monkeypatch.setattr(Passwords, "verify", crowded)
    assert error(client.get("/status", headers=headers))[:2] == (401, "unauthorized_error")


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_other_sites_sign_nobody_in_or_out(sqlite_core: Core, site: str) -> None:
    with TestClient(create_app(sqlite_core), base_url=ROOT) as browser:
        form = {"username": "admin", "password": ADMIN_PASSWORD}
        elsewhere = {"Sec-Fetch-Site": site}
        answer = browser.post("/console/login", data=form, headers=elsewhere, follow_redirects=False)
        assert answer.status_code == 403 and "set-cookie" not in answer.headers
        here = {"Sec-Fetch-Site": "same-origin"}
        assert browser.post("/console/login", data=form, headers=here, follow_redirects=False).status_code == 303
        answer = browser.post("/console/logout", headers=elsewhere, follow_redirects=False)
        assert "set-cookie" not in answer.headers
        assert browser.get("/console", follow_redirects=False).status_code == 200
        browser.post("/console/logout", headers=here)
        assert browser.get("/console", follow_redirects=False).status_code == 303


def test_no_other_origin_is_allowed_in(sqlite_core: Core) -> None:
    with client_of(sqlite_core) as stranger:
        for method in ("GET", "OPTIONS"):
            answer = stranger.request(
                method, "/executions", headers={"Origin": "http://x.example", "Access-Control-Request-Method": "POST"}
            )
            assert not [name for name in answer.headers if name.startswith("access-control-")]
