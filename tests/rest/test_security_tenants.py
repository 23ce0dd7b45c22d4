"""What a tenant shows to all is still changed, run and looked into by its own people alone (REST contract §1.9)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from manager_core.access.caller import Caller
from manager_core.bootstrap import Core
from manager_core.executions.tables import Execution, Operation, TasksGraph
from tests.support.archives_made import blueprint_tar, plugin_zip, wagon
from tests.support.inline_worker import InlineWorker
from tests.support.people import a_tenant, a_user
from tests.support.requests import error
from tests.support.rows import an_execution

TEXT = """\
tosca_definitions_version: cloudify_dsl_1_4
imports: [cloudify/types/types.yaml]
node_templates:
  vm:
    type: cloudify.nodes.WebServer
    properties: {port: {get_secret: pin}}
"""
SECRET = "4711-in-the-clear"
SINCE = "2030-01-01 00:00"


@pytest.fixture
def owner(client: TestClient, core: Core) -> Iterator[TestClient]:
    """The administrator, whose tenant has the global deployment `dep` and the secret `pin`."""
    InlineWorker(core)
    assert client.put("/secrets/pin", json={"value": SECRET}).status_code == 200
    files: dict[str, Any] = {
        "params": (None, json.dumps({"visibility": "global"})),
        "blueprint_archive": ("a", blueprint_tar(TEXT)),
    }
    assert client.put("/blueprints/bp", files=files).status_code == 201
    made = client.put("/deployments/dep", json={"blueprint_id": "bp", "visibility": "global"})
    assert made.status_code == 201, made.text
    a_tenant(client, "other")
    yield client


@pytest.fixture
def stranger(owner: TestClient) -> dict[str, str]:
    """A user of another tenant."""
    return a_user(owner, "eve", role="user", tenant="other")


def the_instance(owner: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = owner.get("/node-instances?deployment_id=dep").json()["items"][0]
    return found


def test_node_instances_of_another_tenant_are_read_only(owner: TestClient, stranger: dict[str, str]) -> None:
    before = the_instance(owner)
    path = f"/node-instances/{before['id']}"
    assert owner.get(path, headers=stranger).status_code == 200
    change = {"version": before["version"], "state": "started", "runtime_properties": {"ip": "6.6.6.6"}}
    assert error(owner.patch(path, json=change, headers=stranger))[:2] == (404, "not_found_error")
    assert error(owner.patch(path, params={"force": "true"}, json=change, headers=stranger))[0] == 404
    assert error(owner.delete(path, headers=stranger))[:2] == (404, "not_found_error")
    assert the_instance(owner) == before


@pytest.mark.parametrize("action", ["cancel", "force-cancel", "kill", "resume", "force-resume"])
def test_executions_of_another_tenant_are_not_acted_on(
    owner: TestClient, stranger: dict[str, str], core: Core, action: str
) -> None:
    execution = an_execution(core, status="started", visibility="global")
    answer = owner.post(f"/executions/{execution}", json={"action": action}, headers=stranger)
    assert error(answer)[:2] == (403, "forbidden_error")
    assert owner.get(f"/executions/{execution}").json()["status"] == "started"


def test_the_status_of_an_execution_of_another_tenant_is_not_set(
    owner: TestClient, stranger: dict[str, str], core: Core
) -> None:
    execution = an_execution(core, status="started", visibility="global")
    answer = owner.patch(f"/executions/{execution}", json={"status": "failed"}, headers=stranger)
    assert error(answer)[:2] == (403, "forbidden_error")
    assert owner.get(f"/executions/{execution}").json()["status"] == "started"


def a_graph(core: Core, visibility: str) -> str:
    """Store an execution with a graph `g` of one operation `o`; return the execution's id."""
    execution = an_execution(core, status="started", visibility=visibility)
    now = core.clock.now()
    with core.store.write() as session:
        session.add(TasksGraph(id="g", execution_id=execution, name="n", created_at=now))
        session.flush()
        session.add(Operation(id="o", tasks_graph_id="g", name="n", state="pending", type="t", created_at=now))
    return execution


def graph_writes(execution: str) -> list[tuple[str, str, dict[str, Any] | None]]:
    operation = {"name": "x", "graph_id": "g", "dependencies": [], "type": "RemoteTask", "parameters": {}}
    stored = {"action": "update-stored", "deployment_id": "dep", "node_id": "vm", "operation": "start"}
    return [
        ("PUT", "/operations/mine", operation),
        ("PATCH", "/operations/o", {"state": "succeeded", "result": "forged"}),
        ("DELETE", "/operations/o", None),
        ("POST", "/operations", stored),
        ("POST", "/tasks_graphs/tasks_graphs", {"name": "mine", "execution_id": execution, "operations": []}),
    ]


def refused(client: TestClient, core: Core, execution: str, headers: dict[str, str]) -> None:
    for method, path, body in graph_writes(execution):
        answer = client.request(method, path, json=body, headers=headers)
        assert error(answer)[0] in (403, 404), (method, path, answer.text)
    with core.store.read() as session:
        assert session.connection().execute(Operation.__table__.select()).one().state == "pending"  # type: ignore[attr-defined]
        assert len(session.connection().execute(TasksGraph.__table__.select()).all()) == 1  # type: ignore[attr-defined]


def test_graphs_of_another_tenant_are_not_changed(owner: TestClient, stranger: dict[str, str], core: Core) -> None:
    refused(owner, core, a_graph(core, "global"), stranger)


def test_a_viewer_does_not_change_graphs(owner: TestClient, core: Core) -> None:
    execution = a_graph(core, "tenant")
    viewer = a_user(owner, "vera", role="viewer")
    assert owner.get("/operations", params={"execution_id": execution}, headers=viewer).status_code == 200
    refused(owner, core, execution, viewer)


def test_events_of_another_tenant_are_not_deleted(owner: TestClient, stranger: dict[str, str], core: Core) -> None:
    execution = an_execution(core, visibility="global")
    event = {
        "tenant_name": "default_tenant", "execution_id": execution, "deployment_id": "dep", "type": "cloudify_event",
        "message": "kept",
    }  # fmt: skip
    with core.store.write() as session:
        core.events.add_in(session, [event])
    before = owner.get("/events?deployment_id=dep").json()["metadata"]["pagination"]["total"]
    query = {"deployment_id": "dep", "type": ["cloudify_event", "cloudify_log"]}
    assert error(owner.delete("/events", params=query, headers=stranger))[:2] == (404, "not_found_error")
    assert owner.get("/events?deployment_id=dep").json()["metadata"]["pagination"]["total"] == before == 1


def test_schedules_of_another_tenant_are_neither_changed_nor_run(
    owner: TestClient, stranger: dict[str, str], core: Core
) -> None:
    fields = {"workflow_id": "install", "since": SINCE, "timezone": "UTC", "recurrence": "1 day"}
    made = owner.put("/execution-schedules/nightly?deployment_id=dep", json=fields)
    assert made.status_code in (200, 201), made.text
    at = "/execution-schedules/nightly?deployment_id=dep"
    assert owner.get(at, headers=stranger).status_code == 200
    assert error(owner.patch(at, json={"enabled": False}, headers=stranger))[0] == 404
    assert error(owner.delete(at, headers=stranger))[0] == 404
    run = owner.post("/execution-schedules/nightly/run?deployment_id=dep", json={}, headers=stranger)
    assert error(run)[0] == 404
    assert owner.get(at).json()["enabled"] is True
    with core.store.read() as session:
        names = session.connection().execute(Execution.__table__.select()).all()  # type: ignore[attr-defined]
    assert "install" not in {row.workflow_id for row in names}


def test_secrets_of_another_tenant_are_not_read_through_a_global_deployment(
    owner: TestClient, stranger: dict[str, str]
) -> None:
    body = {"deployment_id": "dep", "context": {}, "payload": {"x": {"get_secret": "pin"}}}
    assert owner.post("/evaluate/functions", json=body).json()["payload"] == {"x": SECRET}
    answer = owner.post("/evaluate/functions", json=body, headers=stranger)
    assert error(answer)[0] in (403, 404) and SECRET not in answer.text
    nodes = "/nodes?deployment_id=dep&_evaluate_functions=true"
    assert SECRET in owner.get(nodes).text
    seen = owner.get(nodes, headers=stranger)
    assert seen.status_code == 200 and SECRET not in seen.text


def test_a_global_plugin_of_another_tenant_keeps_its_state(owner: TestClient, stranger: dict[str, str]) -> None:
    package = plugin_zip({"plugin.yaml": "plugins: {}\n"}, wagon("thing", "1.0"))
    plugin = owner.post("/plugins", params={"visibility": "global"}, content=package).json()["id"]
    assert owner.get(f"/plugins/{plugin}", headers=stranger).status_code == 200
    assert error(owner.put(f"/plugins/{plugin}", json={"state": "error"}, headers=stranger))[0] == 404
    assert owner.get(f"/plugins/{plugin}").json()["installation_state"] == []


def test_a_manager_of_one_tenant_does_not_see_private_things_of_the_next(owner: TestClient, core: Core) -> None:
    assert owner.put("/secrets/mine", json={"value": "x", "visibility": "private"}).status_code == 200
    execution = an_execution(core, visibility="private")
    with core.store.write() as session:
        core.events.add_in(
            session,
            [{"tenant_name": "default_tenant", "execution_id": execution, "type": "cloudify_event", "message": "hush"}],
        )
    both = a_user(owner, "mia", role="manager", tenant="other")
    member = {"tenant_name": "default_tenant", "username": "mia", "role": "viewer"}
    assert owner.put("/tenants/users", json=member).status_code == 200
    everywhere = {"_all_tenants": "true"}
    keys = {item["key"] for item in owner.get("/secrets", params=everywhere, headers=both).json()["items"]}
    assert keys == {"pin"}
    found = owner.get("/executions", params=everywhere, headers=both).json()["items"]
    assert execution not in {item["id"] for item in found}
    for query in ({}, {"execution_id": execution}):
        assert "hush" not in owner.get("/events", params={**everywhere, **query}, headers=both).text
    promoted = {"tenant_name": "default_tenant", "username": "mia", "role": "manager"}
    assert owner.patch("/tenants/users", json=promoted).status_code == 200
    keys = {item["key"] for item in owner.get("/secrets", params=everywhere, headers=both).json()["items"]}
    assert keys == {"pin", "mine"}
    for query in ({}, {"execution_id": execution}):
        assert "hush" in owner.get("/events", params={**everywhere, **query}, headers=both).text


def test_a_role_in_one_tenant_gives_nothing_in_the_next(owner: TestClient) -> None:
    headers = a_user(owner, "uwe", role="user", tenant="other")
    member = {"tenant_name": "default_tenant", "username": "uwe", "role": "viewer"}
    assert owner.put("/tenants/users", json=member).status_code == 200
    secret = {
        "key": "planted", "value": "v", "visibility": "tenant", "tenant_name": "default_tenant",
        "is_hidden_value": False, "encrypted": False,
    }  # fmt: skip
    body = {"secrets_list": [secret], "override_collisions": True}
    refused = owner.post("/secrets/share/import", json=body, headers=headers).json()
    assert set(refused["secrets_errors"]) == {"0"}
    assert owner.get("/secrets/planted").status_code == 404
    promoted = {"tenant_name": "default_tenant", "username": "uwe", "role": "user"}
    assert owner.patch("/tenants/users", json=promoted).status_code == 200
    assert owner.post("/secrets/share/import", json=body, headers=headers).json()["secrets_errors"] == {}
    assert owner.get("/secrets/planted").status_code == 200


def test_roles_count_in_their_own_tenant() -> None:
    roles = frozenset({"default", "manager"})
    caller = Caller("mia", roles, "other", {"other": "manager", "default_tenant": "viewer"})
    assert caller.tenants_with("secret_create") == ["other"]
    assert caller.tenants_with("secret_list") == ["other", "default_tenant"]
    assert caller.managed_tenants == ["other"]


def test_the_feed_of_who_may_no_longer_come_in_is_closed(owner: TestClient) -> None:
    headers = a_user(owner, "fay", role="viewer")
    token = owner.post("/feeds", json={}, headers=headers).json()["token"]
    with TestClient(owner.app, base_url=owner.base_url) as anybody:
        feed = f"/execution-schedules.ics?token={token}"
        assert anybody.get(feed).status_code == 200
        assert owner.post("/users/active/fay", json={"action": "deactivate"}).status_code == 200
        assert error(anybody.get(feed))[:2] == (401, "unauthorized_error")
