"""The web console: readable, and no wider open than the API."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from manager_core.access.tables import Token
from manager_core.bootstrap import Core
from manager_core.deployments.tables import Deployment
from manager_core.executions.tables import Execution
from manager_core.rest.app import create_app
from tests.support.clock import FakeClock
from tests.support.databases import ADMIN_PASSWORD
from tests.support.people import PASSWORD, a_tenant, a_user
from tests.support.requests import ROOT


@pytest.fixture
def browser(core: Core) -> Iterator[TestClient]:
    """A visitor who keeps cookies and follows redirects."""
    with TestClient(create_app(core), base_url=ROOT) as browser:
        yield browser


def sign_in(browser: TestClient, username: str = "admin", password: str = ADMIN_PASSWORD) -> object:
    """Send the login form."""
    return browser.post("/console/login", data={"username": username, "password": password})


def test_a_stranger_is_sent_to_the_login_page(browser: TestClient) -> None:
    for path in ("/console", "/console/executions", "/console/executions/e"):
        answer = browser.get(path, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/login")


@pytest.mark.parametrize("credentials", [("admin", "wrong"), ("nobody", "x"), ("", "")])
def test_a_wrong_login_says_nothing_of_names(browser: TestClient, credentials: tuple[str, str]) -> None:
    answer = sign_in(browser, *credentials)
    assert answer.status_code == 401
    assert "Wrong user name or password, or the account is locked." in answer.text
    assert "set-cookie" not in answer.headers


def test_the_session_is_a_token_in_a_cookie_scripts_cannot_read(core: Core, browser: TestClient) -> None:
    answer = browser.post(
        "/console/login", data={"username": "admin", "password": ADMIN_PASSWORD}, follow_redirects=False
    )
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/console" in cookie
    with core.store.read() as session:
        token = session.query(Token).one()
    assert token.description == "console"
    assert token.expiration_date is not None


def test_the_session_ends_with_its_token(browser: TestClient, clock: FakeClock) -> None:
    sign_in(browser)
    assert browser.get("/console", follow_redirects=False).status_code == 200
    clock.advance(12 * 3600 + 1)
    assert browser.get("/console", follow_redirects=False).status_code == 303


def test_a_changed_password_ends_the_sessions_and_leaves_the_tokens(
    core: Core, client: TestClient, browser: TestClient
) -> None:
    carol = a_user(client, "carol")
    sign_in(browser, "carol", PASSWORD)
    assert browser.get("/console").status_code == 200
    api = client.post("/tokens", json={"description": "for scripts"}, headers=carol)
    assert api.status_code == 200
    assert client.post("/users/carol", json={"password": "another-password"}).status_code == 200
    assert browser.get("/console", follow_redirects=False).status_code == 303
    with core.store.read() as session:
        assert [token.description for token in session.query(Token).filter_by(username="carol")] == ["for scripts"]


def test_signing_out_takes_the_token_back(core: Core, browser: TestClient) -> None:
    sign_in(browser)
    browser.post("/console/logout")
    with core.store.read() as session:
        assert session.query(Token).count() == 0
    assert browser.get("/console", follow_redirects=False).status_code == 303


@pytest.fixture
def busy(core: Core, client: TestClient) -> Core:
    """A deployment with a schedule, and an execution with an event that tries to be markup."""
    common = {"tenant_name": "default_tenant", "created_by": "admin", "created_at": core.clock.now()}
    with core.store.write() as session:
        session.add(Deployment(id="db", display_name="db", workflows={"backup": {"parameters": {}}}, **common))
        session.flush()
        session.add(
            Execution(
                id="e1", workflow_id="backup", deployment_id="db", status="failed", error="<b>disk full</b>", **common
            )
        )
        session.flush()
        core.events.add_in(
            session,
            [
                {
                    "execution_id": "e1", "tenant_name": "default_tenant", "deployment_id": "db",
                    "type": "cloudify_event", "event_type": "workflow_failed", "message": "<script>alert(1)</script>",
                }
            ],
        )  # fmt: skip
    body = {"workflow_id": "backup", "since": "2026-03-03 01:30:00", "recurrence": "1 day"}
    assert client.put("/execution-schedules/nightly", params={"deployment_id": "db"}, json=body).status_code == 201
    return core


def test_schedules_show_what_comes_next(busy: Core, browser: TestClient) -> None:
    page = sign_in(browser)
    assert page.status_code == 200
    for text in ("nightly", "backup", "2026-03-03 01:30:00", "2026-03-04 01:30:00", "it is 2026-03-02 12:00:00"):
        assert text in page.text


def test_executions_lead_to_their_events(busy: Core, browser: TestClient) -> None:
    sign_in(browser)
    page = browser.get("/console/executions")
    link = re.search(r'href="(/console/executions/e1[^"]*)"', page.text).group(1)
    page = browser.get(link)
    assert "workflow_failed" in page.text
    assert "&lt;b&gt;disk full&lt;/b&gt;" in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
    assert "<script" not in page.text
    assert browser.get("/console/executions/none").status_code == 404


def test_pages_load_nothing_from_elsewhere(busy: Core, browser: TestClient) -> None:
    sign_in(browser)
    for path in ("/console", "/console/executions", "/console/executions/e1", "/console/login"):
        page = browser.get(path)
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "no-store" in page.headers["cache-control"]
        assert not re.search(r"""(src|href)=["']?(https?:)?//""", page.text)


def test_a_visitor_sees_the_own_tenants_only(busy: Core, client: TestClient, browser: TestClient) -> None:
    a_tenant(client, "other")
    a_user(client, "olga", tenant="other", role="viewer")
    sign_in(browser, "olga", PASSWORD)
    for path in ("/console", "/console?tenant=default_tenant", "/console/executions?tenant=default_tenant"):
        page = browser.get(path)
        assert page.status_code == 200
        assert "backup" not in page.text
    assert browser.get("/console/executions/e1?tenant=default_tenant").status_code == 404


def test_a_user_without_a_tenant_is_told_so(client: TestClient, browser: TestClient) -> None:
    client.put("/users", json={"username": "lonely", "password": PASSWORD})
    page = sign_in(browser, "lonely", PASSWORD)
    assert page.status_code == 403
    assert "not permitted" in page.text


def test_the_sessions_cookie_opens_no_api(busy: Core, browser: TestClient) -> None:
    """What a browser sends by itself must not be able to change anything."""
    sign_in(browser)
    browser.cookies.set("console_token", browser.cookies["console_token"], path="/")
    assert browser.get("/api/v3.1/executions").status_code == 401
