"""Requests that no honest client sends are refused in the envelope of errors, and what was stored stays readable."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError
from starlette.testclient import TestClient

from manager_core.bootstrap import Core
from manager_core.rest.app import create_app
from manager_core.store.problems import is_too_much
from tests.support.databases import ADMIN_PASSWORD
from tests.support.requests import basic, error

HALF = "\ud800"
"""Half a character: valid in JSON (as an escape), impossible in UTF-8."""

JSON = {"Content-Type": "application/json"}


def escaped(value: object) -> bytes:
    """Return JSON in ASCII, lone surrogates as their escapes."""
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    "field", ["workflow_id", "deployment_id", "force", "scheduled_time", "created_at", "force_status", "dry_run"]
)
def test_half_a_character_in_a_start_is_refused(client: TestClient, field: str) -> None:
    body = {"workflow_id": "install", "deployment_id": "d", field: HALF}
    status, code, _ = error(client.post("/executions", content=escaped(body), headers=JSON))
    assert status in (400, 404) and code in ("bad_parameters_error", "not_found_error")


def test_half_a_character_in_a_name_that_is_looked_up_is_a_bad_parameter(client: TestClient) -> None:
    body = {"name": "graph", "execution_id": HALF}
    answer = client.post("/tasks_graphs/tasks_graphs", content=escaped(body), headers=JSON)
    assert error(answer)[:2] == (400, "bad_parameters_error")


@pytest.mark.parametrize("value", [HALF, "a\x00b", 2**70, -(2**70), {"deep": [HALF, {HALF: 2**64}]}])
def test_odd_values_in_free_json_are_refused_or_read_back_as_they_were_sent(client: TestClient, value: object) -> None:
    answer = client.post("/provider/context", content=escaped({"name": "x", "context": {"odd": value}}), headers=JSON)
    assert answer.status_code in (201, 400), answer.text
    read = client.get("/provider/context")
    assert read.status_code in (200, 404)
    if answer.status_code == 201:
        assert set(read.json()["context"]) == {"odd"}


@pytest.mark.parametrize("value", [0, False, [], {}, 5])
def test_a_forced_status_of_another_type_is_a_bad_parameter(client: TestClient, value: object) -> None:
    body = {"workflow_id": "install", "deployment_id": "d", "force_status": value}
    assert error(client.post("/executions", json=body))[:2] == (400, "bad_parameters_error")


@pytest.mark.parametrize("start", ["9999-12-31T23:59:59+14:00", "9999-12-31 23:59", "0001-01-01 00:00"])
def test_a_simulation_at_the_ends_of_time_is_answered(client: TestClient, start: str) -> None:
    answer = client.post("/execution-schedules/simulate", json={"from": start})
    assert answer.status_code in (200, 400), answer.text


@pytest.mark.parametrize("path", ["plugins", "snapshots/cut/archive", "blueprints/cut"])
def test_an_upload_that_is_cut_leaves_nothing_and_no_traceback(
    core: Core, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    method = "POST" if path == "plugins" else "PUT"
    headers = {"tenant": "default_tenant", "content-type": "application/json", **basic("admin", ADMIN_PASSWORD)}
    answers = cut_request(core, method, f"/api/v3.1/{path}", headers, b"half of")
    assert [answer["status"] for answer in answers if answer["type"] == "http.response.start"] == [400]
    assert not [record for record in caplog.records if record.exc_info]
    assert not [left for left in (core.settings.data_dir / "files" / "tmp").glob("**/*") if left.is_file()]


def cut_request(core: Core, method: str, path: str, headers: dict[str, str], sent: bytes) -> list[dict[str, Any]]:
    """Make a request whose client leaves in the middle of the body; returns what the application sent."""
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"visibility=tenant", "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
    }  # fmt: skip
    arriving = [{"type": "http.request", "body": sent, "more_body": True}, {"type": "http.disconnect"}]
    answers: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return arriving.pop(0) if len(arriving) > 1 else arriving[0]

    async def send(message: Any) -> None:
        answers.append(message)

    asyncio.run(create_app(core)(scope, receive, send))
    return answers


def test_more_terms_than_a_database_can_take_are_bad_parameters(client: TestClient) -> None:
    rule = {"values": ["b"], "operator": "any_of", "type": "label"}
    body = {"filter_rules": [{"key": f"a{number}", **rule} for number in range(2000)]}
    requests = [
        client.post("/searches/deployments", json=body),
        client.post("/searches/deployments", json={"filter_rules": [{"key": "a", **rule, "values": ["b"] * 70_000}]}),
        client.get("/executions", params={"_sort": ",".join(["id"] * 3000)}),
    ]
    for answer in requests:
        assert answer.status_code == 400, answer.text


def test_a_name_that_no_index_can_hold_is_a_bad_parameter(core: Core, client: TestClient) -> None:
    noise = "".join(f"{number:x}" for number in range(20_000))
    answers = [
        client.post("/executions", json={"workflow_id": noise, "deployment_id": noise}),
        client.get("/executions", params={"id": noise[:30_000]}),
        client.put("/users", json={"username": noise, "password": "password"}),
        client.post("/tokens", json={"description": noise}),
        client.put("/secrets/s", json={"value": noise}),
    ]
    for answer in answers:
        assert answer.status_code < 500, answer.text


@pytest.mark.parametrize(
    ("said", "state", "expected"),
    [
        ("too many terms in ORDER BY clause", None, True),
        ("Expression tree is too large (maximum depth 1000)", None, True),
        ("disk I/O error", None, False),
        ("index row size 3000 exceeds btree maximum 2704", "54000", True),
        ("too many connections", "53300", False),
    ],
)
def test_what_is_too_much_for_a_database_is_told_from_its_other_troubles(
    said: str, state: str | None, expected: bool
) -> None:
    class Said(Exception):
        sqlstate = state

    assert is_too_much(DBAPIError("SELECT", {}, Said(said))) is expected
