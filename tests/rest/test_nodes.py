"""Nodes, node instances and modifications over REST, on both databases (REST contract §12-§14)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from manager_core.bootstrap import Core
from manager_core.errors import Conflict
from tests.support.archives_made import blueprint_tar
from tests.support.inline_worker import InlineWorker

TEXT = """\
tosca_definitions_version: cloudify_dsl_1_4
imports: [cloudify/types/types.yaml]
inputs: {port: {default: 80}}
node_templates:
  host: {type: cloudify.nodes.Compute}
  app:
    type: cloudify.nodes.WebServer
    properties: {port: {get_input: port}, use_external_resource: false}
    relationships:
      - {type: cloudify.relationships.contained_in, target: host}
      - {type: cloudify.relationships.connected_to, target: db}
  db: {type: cloudify.nodes.Root, properties: {resource_id: {get_attribute: [app, url]}}}
groups: {pair: {members: [host]}}
policies: {p: {type: cloudify.policies.scaling, targets: [pair], properties: {default_instances: 2}}}
"""


@pytest.fixture
def api(client: TestClient, core: Core) -> Iterator[TestClient]:
    """A client of a manager with the deployment `dep`."""
    InlineWorker(core)
    files: dict[str, Any] = {"params": (None, json.dumps({})), "blueprint_archive": ("a", blueprint_tar(TEXT))}
    assert client.put("/blueprints/bp", files=files).status_code == 201
    answer = client.put("/deployments/dep", json={"blueprint_id": "bp"})
    assert answer.status_code == 201, answer.text
    yield client


def instances(api: TestClient, node: str | None = None) -> list[dict[str, Any]]:
    query = f"&node_id={node}" if node else ""
    found: list[dict[str, Any]] = api.get(f"/node-instances?deployment_id=dep{query}").json()["items"]
    return found


def node(api: TestClient, name: str) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"/nodes?deployment_id=dep&id={name}&_evaluate_functions=False").json()["items"][0]
    return found


def modify(api: TestClient, **nodes: Any) -> Any:
    return api.post("/deployment-modifications", json={"deployment_id": "dep", "nodes": nodes, "context": {"why": 1}})


def test_nodes_are_listed_with_their_counts(api: TestClient) -> None:
    found = node(api, "host")
    assert (found["number_of_instances"], found["actual_number_of_instances"]) == (1, 2)
    assert found["actual_planned_number_of_instances"] == 2
    assert found["deployment_display_name"] == "dep"
    assert found["blueprint_id"] == "bp"
    assert (found["min_number_of_instances"], found["max_number_of_instances"]) == (0, -1)
    assert (found["drifted_instances"], found["unavailable_instances"]) == (0, 0)
    assert isinstance(found["operations"], dict)
    page = api.get("/nodes?_search=ap&_instance_counts=true&_include=id").json()
    assert page["items"] == [{"id": "app"}]
    types = api.post("/searches/node-types?deployment_id=dep", json={"constraints": {}}).json()["items"]
    assert {"deployment_id": "dep", "type": "cloudify.nodes.WebServer"} in types
    rule = {"key": "type", "values": ["cloudify.nodes.WebServer"], "operator": "any_of", "type": "attribute"}
    assert [item["id"] for item in api.post("/searches/nodes", json={"filter_rules": [rule]}).json()["items"]] == [
        "app"
    ]


def test_functions_are_evaluated_when_asked_for(api: TestClient) -> None:
    (app, _other) = instances(api, "app")
    for item in instances(api, "app"):
        api.patch(f"/node-instances/{item['id']}", json={"version": 1, "runtime_properties": {"url": item["id"]}})
    raw = node(api, "db")["properties"]["resource_id"]
    assert raw == {"get_attribute": ["app", "url"]}
    answer = api.get("/nodes?deployment_id=dep&id=app&_evaluate_functions=True")
    assert answer.json()["items"][0]["properties"]["port"] == 80
    api.patch(
        f"/node-instances/{app['id']}",
        json={"version": 2, "runtime_properties": {"again": {"get_input": "port"}}},
    )
    found = api.get(f"/node-instances/{app['id']}?_evaluate_functions=True").json()
    assert found["runtime_properties"] == {"again": 80}
    found = api.get(f"/node-instances/{app['id']}?_evaluate_functions=False").json()
    assert found["runtime_properties"] == {"again": {"get_input": "port"}}


def test_versions_guard_changes_the_way_the_clients_need(api: TestClient) -> None:
    identifier = instances(api, "db")[0]["id"]
    path = f"/node-instances/{identifier}"
    body = api.patch(path, json={"version": 1, "runtime_properties": {"a": 1}, "state": "started"}).json()
    assert (body["version"], body["state"], body["runtime_properties"]) == (2, "started", {"a": 1})
    stale = api.patch(path, json={"version": 1, "runtime_properties": {"b": 1}})
    assert stale.status_code == 409
    assert stale.json()["message"] == "Node instance update conflict [current version=2, update version=1]"
    assert stale.json()["error_code"] == "conflict_error"
    assert api.patch(path, json={"version": 3, "runtime_properties": {"b": 1}}).json()["runtime_properties"] == {"b": 1}
    assert api.patch(f"{path}?force=true", json={"version": 0, "state": "x"}).json()["version"] == 4
    assert api.patch(path, json={"version": 4, "state": "x"}).json()["version"] == 4
    assert api.patch(path, json={"version": 4, "runtime_properties": {}}).json()["runtime_properties"] == {}
    for body in ({}, {"version": "1"}, {"version": -1}, {"version": 1.5}, {"version": None}):
        answer = api.patch(path, json=body)
        assert (answer.status_code, answer.json()["error_code"]) == (400, "bad_parameters_error")
    answer = api.patch(path, json={"version": 9, "relationships": []})
    assert (answer.status_code, answer.json()["error_code"]) == (403, "only_deployment_update")
    missing = api.patch("/node-instances/none", json={"version": 1})
    assert (missing.status_code, missing.json()["message"]) == (
        404, "Requested `NodeInstance` with ID `none` was not found",
    )  # fmt: skip


def test_drift_and_failed_checks_are_counted(api: TestClient) -> None:
    identifier = instances(api, "db")[0]["id"]
    properties = {"configuration_drift": {"ok": True, "result": "changed"}, "status": {"ok": False}}
    body = api.patch(f"/node-instances/{identifier}", json={"version": 1, "system_properties": properties}).json()
    assert (body["has_configuration_drift"], body["is_status_check_ok"]) == (True, False)
    assert (node(api, "db")["drifted_instances"], node(api, "db")["unavailable_instances"]) == (1, 1)
    deployment = api.get("/deployments/dep").json()
    assert (deployment["drifted_instances"], deployment["unavailable_instances"]) == (1, 1)


def test_only_an_update_may_touch_nodes(api: TestClient) -> None:
    for call in (api.delete, lambda path: api.patch(path, json={"properties": {}})):
        answer = call("/nodes/dep/db")
        assert (answer.status_code, answer.json()["error_code"]) == (403, "only_deployment_update")


def test_workflows_add_and_remove_nodes_and_instances(api: TestClient) -> None:
    answer = api.post("/nodes", json={"deployment_id": "dep", "nodes": [{"id": "new", "type": "cloudify.nodes.Root"}]})
    assert (answer.status_code, answer.json()) == (201, None)
    assert node(api, "new")["type_hierarchy"] == ["cloudify.nodes.Root"]
    assert api.post("/nodes", json={"deployment_id": "dep", "nodes": []}).status_code == 204
    taken = instances(api, "db")[0]["id"]
    made = [{"id": "new_1", "node_id": "new"}, {"id": taken, "node_id": "db"}]
    assert api.post("/node-instances", json={"deployment_id": "dep", "node_instances": made}).status_code == 201
    assert len(instances(api, "db")) == 2
    assert [item["index"] for item in instances(api, "db")] == [1, 2]
    assert api.delete("/node-instances/new_1").status_code == 204
    assert api.get("/node-instances/new_1").status_code == 404
    assert api.post("/nodes", json={"deployment_id": "none", "nodes": [{"id": "x", "type": "t"}]}).status_code == 404


def test_scaling_out_shows_at_once_and_stands_when_finished(api: TestClient) -> None:
    before = instances(api)
    answer = modify(api, db={"instances": 3})
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert (body["status"], body["ended_at"], body["context"]) == ("started", None, {"why": 1})
    added = [item for item in body["node_instances"]["added_and_related"] if item.get("modification") == "added"]
    related = [item for item in body["node_instances"]["added_and_related"] if item.get("modification") is None]
    assert len(added) == 2
    assert {item["node_id"] for item in related} == {"app"}
    new = {item["id"] for item in added}
    assert all({entry["target_id"] for entry in item["relationships"]} == new for item in related)
    assert len(body["node_instances"]["before_modification"]) == len(before)
    assert (node(api, "db")["number_of_instances"], node(api, "db")["planned_number_of_instances"]) == (1, 3)
    assert len(instances(api, "db")) == 3
    for app in instances(api, "app"):
        assert [entry["target_name"] for entry in app["relationships"]] == ["host", "db", "db", "db"]
        assert app["version"] == 2
    again = modify(api, db={"instances": 4})
    assert again.status_code == 400
    assert again.json() == {
        "message": "Cannot start deployment modification while there are existing started deployment modifications. "
        f"Currently started deployment modifications: ['{body['id']}']",
        "error_code": "existing_started_deployment_modification_error",
        "server_traceback": None,
    }
    finished = api.post(f"/deployment-modifications/{body['id']}/finish").json()
    assert finished["status"] == "finished"
    assert finished["ended_at"] is not None
    assert node(api, "db")["number_of_instances"] == 3
    ended = api.post(f"/deployment-modifications/{body['id']}/rollback")
    assert ended.json()["message"] == (
        f"Cannot rollback deployment modification: {body['id']}. It is already in finished status."
    )
    assert ended.json()["error_code"] == "deployment_modification_already_ended_error"
    assert [item["id"] for item in api.get("/deployment-modifications?deployment_id=dep").json()["items"]] == [
        body["id"]
    ]


def test_scaling_in_removes_when_finished(api: TestClient) -> None:
    modification = modify(api, db={"instances": 0}).json()
    removed = [item for item in modification["node_instances"]["removed_and_related"] if item.get("modification")]
    assert [item["node_id"] for item in removed] == ["db"]
    assert len(instances(api, "db")) == 1
    api.post(f"/deployment-modifications/{modification['id']}/finish")
    assert instances(api, "db") == []
    for app in instances(api, "app"):
        assert [entry["target_name"] for entry in app["relationships"]] == ["host"]


def test_a_rollback_puts_everything_back(api: TestClient) -> None:
    first = instances(api, "app")[0]["id"]
    api.patch(f"/node-instances/{first}", json={"version": 1, "state": "started", "runtime_properties": {"a": 1}})
    before = {item["id"]: item for item in instances(api)}
    modification = modify(api, pair={"instances": 3}).json()
    assert len(instances(api, "host")) == 3
    api.patch(f"/node-instances/{first}", json={"version": 9, "state": "stopped", "runtime_properties": {"a": 2}})
    rolled = api.post(f"/deployment-modifications/{modification['id']}/rollback").json()
    assert rolled["status"] == "rolledback"
    assert len(rolled["node_instances"]["before_rollback"]) > len(before)
    after = {item["id"]: item for item in instances(api)}
    assert set(after) == set(before)
    for name in ("state", "runtime_properties", "relationships"):
        assert {key: item[name] for key, item in after.items()} == {key: item[name] for key, item in before.items()}
    groups = api.get("/deployments/dep").json()["scaling_groups"]
    assert groups["pair"]["properties"]["planned_instances"] == groups["pair"]["properties"]["current_instances"] == 2
    assert modify(api, db={"instances": 2}).status_code == 201


@pytest.mark.parametrize(
    ("nodes", "text"),
    [
        ({"nobody": {"instances": 1}}, "nobody"),
        ({"db": {"instances": -1}}, "must not be negative"),
        ({"db": {"instances": "2"}}, "expected to be of type int"),
        ({"db": {}}, "expected to be of type int"),
    ],
)
def test_impossible_modifications_are_refused(api: TestClient, nodes: dict[str, Any], text: str) -> None:
    answer = modify(api, **nodes)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "bad_parameters_error")
    assert text in answer.json()["message"]
    assert api.get("/deployment-modifications").json()["items"] == []


def test_of_two_writers_with_the_same_version_one_meets_a_conflict(api: TestClient, core: Core) -> None:
    identifier = instances(api, "db")[0]["id"]
    with core.store.write() as session:
        core.nodes.update_instance_in(session, "default_tenant", identifier, version=1, state="starting")
    with pytest.raises(Conflict), core.store.write() as session:
        core.nodes.update_instance_in(session, "default_tenant", identifier, version=1, state="started")
    assert instances(api, "db")[0]["state"] == "starting"
