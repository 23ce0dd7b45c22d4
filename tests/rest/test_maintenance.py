"""Maintenance mode and what it refuses (REST contract §3)."""

from __future__ import annotations

import pytest
from sqlmodel import select
from starlette.testclient import TestClient

from manager_core.bootstrap import Core
from manager_core.executions.tables import Execution
from manager_core.maintenance.tables import MaintenanceWindow
from tests.support.clock import FakeClock
from tests.support.people import a_user
from tests.support.requests import error

REFUSED = "Your request was rejected since Cloudify manager is currently in maintenance mode"
OFF = {
    "status": "deactivated",
    "activation_requested_at": "",
    "activated_at": "",
    "requested_by": "",
    "remaining_executions": None,
}


def an_execution(core: Core, status: str) -> None:
    with core.store.write() as session:
        session.add(
            Execution(
                id="e1", workflow_id="w", status=status, tenant_name="default_tenant", created_by="admin",
                created_at=core.clock.now(),
            )
        )  # fmt: skip


def end(core: Core) -> None:
    with core.store.write() as session:
        row = session.exec(select(Execution)).one()
        row.status = "cancelled"
        session.add(row)


def test_an_idle_manager_is_in_maintenance_at_once(client: TestClient, clock: FakeClock) -> None:
    assert client.get("/maintenance").json() == OFF
    state = client.post("/maintenance/activate")
    assert state.status_code == 200
    now = clock.now().strftime("%Y-%m-%dT%H:%M:%S.000Z")
    assert state.json() == {
        "status": "activated",
        "activation_requested_at": now,
        "activated_at": now,
        "requested_by": "admin",
        "remaining_executions": None,
    }
    again = client.post("/maintenance/activate", headers={"Content-Type": "application/json"})
    assert (again.status_code, again.content) == (304, b"")


def test_switching_off_what_is_off_changes_nothing(client: TestClient) -> None:
    answer = client.post("/maintenance/deactivate")
    assert (answer.status_code, answer.content) == (304, b"")


def test_another_action_is_refused(client: TestClient) -> None:
    message = "Invalid action: pause, Valid action values are: ['activate', 'deactivate']"
    assert error(client.post("/maintenance/pause")) == (400, "bad_parameters_error", message)


@pytest.mark.parametrize("status", ["queued", "pending", "started", "scheduled", "kill_cancelling"])
def test_activation_waits_for_every_execution_that_has_not_ended(
    core: Core, client: TestClient, clock: FakeClock, status: str
) -> None:
    an_execution(core, status)
    state = client.post("/maintenance/activate").json()
    assert (state["status"], state["activated_at"]) == ("activating", "")
    assert state["remaining_executions"] == [{"id": "e1", "status": status, "deployment_id": None, "workflow_id": "w"}]
    clock.advance(30)
    end(core)
    assert error(client.get("/secrets")) == (503, "maintenance_mode_active", REFUSED), "any request settles it"
    state = client.get("/maintenance").json()
    assert (state["status"], state["remaining_executions"]) == ("activated", None)
    assert state["activated_at"] > state["activation_requested_at"]


def test_a_window_is_kept_from_request_to_deactivation(core: Core, client: TestClient, clock: FakeClock) -> None:
    begun = clock.now()
    client.post("/maintenance/activate")
    clock.advance(600)
    with core.store.read() as session:
        window = session.exec(select(MaintenanceWindow)).one()
    assert (window.started_at, window.ended_at, window.requested_by) == (begun, None, "admin")
    assert client.post("/maintenance/deactivate").json() == OFF
    with core.store.read() as session:
        window = session.exec(select(MaintenanceWindow)).one()
    assert window.ended_at == clock.now()


def test_what_tells_about_the_manager_stays_open(client: TestClient) -> None:
    client.post("/maintenance/activate")
    for path in ("/status", "/version", "/config", "/managers", "/brokers", "/db-nodes", "/maintenance"):
        assert client.get(path).status_code == 200, path


@pytest.mark.parametrize("path", ["/secrets", "/users", "/tenants", "/tokens", "/provider/context"])
def test_everything_else_is_refused_before_credentials_are_looked_at(
    client: TestClient, anonymous: TestClient, path: str
) -> None:
    client.post("/maintenance/activate")
    for asker in (client, anonymous):
        assert error(asker.get(path)) == (503, "maintenance_mode_active", REFUSED)


def test_only_administrators_bypass(client: TestClient) -> None:
    headers = a_user(client, "alice")
    client.post("/maintenance/activate")
    bypass = {"X-BYPASS-MAINTENANCE": "True"}
    assert client.get("/secrets", headers=bypass).status_code == 200
    assert error(client.get("/secrets", headers={**headers, **bypass}))[0] == 503


def test_only_administrators_switch(client: TestClient) -> None:
    headers = a_user(client, "alice", role="manager")
    assert client.get("/maintenance", headers=headers).status_code == 200
    assert error(client.post("/maintenance/activate", headers=headers))[0] == 403


def test_activating_refuses_new_work_and_nothing_else(core: Core, client: TestClient) -> None:
    an_execution(core, "started")
    client.post("/maintenance/activate")
    for method, path in (
        ("POST", "/executions"),
        ("PUT", "/deployments/d"),
        ("POST", "/deployment-modifications"),
    ):
        answer = error(client.request(method, path, json={}))
        assert answer == (503, "entering_maintenance_mode", REFUSED), (method, path)
    assert client.get("/secrets").status_code == 200
    assert client.put("/secrets/k", json={"value": "v"}).status_code == 200
    assert client.get("/executions").status_code == 200
