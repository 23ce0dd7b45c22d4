"""Deployment updates over REST, without a lifecycle, on both databases (REST contract §7)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from manager_core.bootstrap import Core
from tests.support.archives_made import blueprint_tar
from tests.support.inline_worker import InlineWorker

OLD = """\
tosca_definitions_version: cloudify_dsl_1_4
imports: [cloudify/types/types.yaml]
description: old
inputs:
  size: {type: integer, default: 1}
  gone: {default: x}
node_templates:
  host: {type: cloudify.nodes.Compute}
  app:
    type: cloudify.nodes.WebServer
    properties: {port: 80}
    relationships:
      - {type: cloudify.relationships.contained_in, target: host}
      - {type: cloudify.relationships.connected_to, target: db}
  db: {type: cloudify.nodes.Root}
outputs:
  a: {value: 1}
labels: {stage: {values: [one]}}
"""
NEW = """\
tosca_definitions_version: cloudify_dsl_1_4
imports: [cloudify/types/types.yaml]
description: new
inputs:
  size: {type: integer, default: 1}
  extra: {default: y}
node_templates:
  host: {type: cloudify.nodes.Compute}
  app:
    type: cloudify.nodes.WebServer
    properties: {port: 8080}
    relationships:
      - {type: cloudify.relationships.contained_in, target: host}
      - {type: cloudify.relationships.connected_to, target: cache}
  cache: {type: cloudify.nodes.Root, instances: {deploy: 2}}
outputs:
  a: {value: 2}
  size: {value: {get_input: size}}
labels: {stage: {values: [two]}}
"""


@pytest.fixture
def worker(core: Core) -> InlineWorker:
    """Runs executions when they become pending."""
    return InlineWorker(core)


@pytest.fixture
def api(client: TestClient, worker: InlineWorker) -> Iterator[TestClient]:
    """A client of a manager with the deployment `dep` of blueprint `old`, and the blueprint `new`."""
    upload(client, "old", OLD)
    upload(client, "new", NEW)
    assert client.put("/deployments/dep", json={"blueprint_id": "old", "inputs": {"size": 3}}).status_code == 201
    yield client


def upload(api: TestClient, blueprint_id: str, text: str) -> None:
    files: dict[str, Any] = {"params": (None, json.dumps({})), "blueprint_archive": ("a", blueprint_tar(text))}
    answer = api.put(f"/blueprints/{blueprint_id}", files=files)
    assert answer.status_code == 201, answer.text


def initiate(api: TestClient, deployment_id: str = "dep", **body: Any) -> Any:
    return api.post(f"/deployment-updates/{deployment_id}/update/initiate", json=body)


def nodes_of(api: TestClient) -> dict[str, Any]:
    return {item["id"]: item for item in api.get("/nodes?deployment_id=dep").json()["items"]}


def instances_of(api: TestClient, node: str) -> list[dict[str, Any]]:
    return api.get(f"/node-instances?deployment_id=dep&node_id={node}").json()["items"]


def test_an_update_brings_the_model_to_the_new_plan(api: TestClient) -> None:
    host_before = instances_of(api, "host")
    answer = initiate(api, blueprint_id="new")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["id"].startswith("dep-")
    assert body["execution_id"]
    assert (body["old_blueprint_id"], body["new_blueprint_id"]) == ("old", "new")
    execution = api.get(f"/executions/{body['execution_id']}").json()
    assert (execution["workflow_id"], execution["status"], execution["error"]) == ("update", "terminated", "")
    update_now = api.get(f"/deployment-updates/{body['id']}").json()
    assert update_now["state"] == "successful"
    assert update_now["old_inputs"] == {"size": 3, "gone": "x"}
    assert update_now["new_inputs"] == {"size": 3, "extra": "y"}
    assert update_now["recursive_dependencies"] == []
    steps = {(step["action"], step["entity_type"], tuple(step["entity_id"])) for step in update_now["steps"]}
    assert ("add", "node", ("nodes", "cache")) in steps
    assert ("remove", "node", ("nodes", "db")) in steps
    assert ("modify", "property", ("nodes", "app", "properties", "port")) in steps
    assert ("modify", "output", ("outputs", "a")) in steps
    assert all(step["id"] for step in update_now["steps"])
    deployment = api.get("/deployments/dep").json()
    assert (deployment["blueprint_id"], deployment["description"]) == ("new", "new")
    assert deployment["inputs"] == {"size": 3, "extra": "y"}
    assert deployment["updated_at"] is not None
    assert api.get("/deployments/dep/outputs").json()["outputs"] == {"a": 2, "size": 3}
    assert {label["value"] for label in deployment["labels"]} == {"one", "two"}
    nodes = nodes_of(api)
    assert set(nodes) == {"host", "app", "cache"}
    assert nodes["app"]["properties"]["port"] == 8080
    assert [item["target_id"] for item in nodes["app"]["relationships"]] == ["host", "cache"]
    assert nodes["cache"]["number_of_instances"] == 2
    assert instances_of(api, "db") == []
    assert [item["id"] for item in instances_of(api, "host")] == [item["id"] for item in host_before]
    (app,) = instances_of(api, "app")
    assert [item["target_name"] for item in app["relationships"]] == ["host", "cache", "cache"]
    assert app["version"] > 1


def test_a_preview_tells_the_steps_and_changes_nothing(api: TestClient) -> None:
    before = [api.get("/deployments/dep").json()["inputs"], nodes_of(api), instances_of(api, "db")]
    body = initiate(api, blueprint_id="new", inputs={"size": 5}, preview=True).json()
    assert body["state"] == "successful"
    assert {step["action"] for step in body["steps"]} == {"add", "remove", "modify"}
    assert body["new_inputs"] == {"size": 5, "extra": "y"}
    assert body["old_inputs"]["size"] == 3
    assert [api.get("/deployments/dep").json()["inputs"], nodes_of(api), instances_of(api, "db")] == before
    assert api.get("/deployments/dep").json()["updated_at"] is None


def test_an_update_of_inputs_alone_keeps_the_blueprint(api: TestClient) -> None:
    body = initiate(api, inputs={"size": 9}).json()
    assert body["new_blueprint_id"] == "old"
    deployment = api.get("/deployments/dep").json()
    assert deployment["inputs"] == {"size": 9, "gone": "x"}
    assert deployment["blueprint_id"] == "old"


def test_counts_that_were_scaled_stay(api: TestClient) -> None:
    answer = api.post("/deployment-modifications", json={"deployment_id": "dep", "nodes": {"host": {"instances": 3}}})
    api.post(f"/deployment-modifications/{answer.json()['id']}/finish")
    assert len(instances_of(api, "app")) == 3
    initiate(api, blueprint_id="new")
    assert len(instances_of(api, "host")) == len(instances_of(api, "app")) == 3
    assert nodes_of(api)["host"]["number_of_instances"] == 3


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"blueprint_id": "none"}, 404, "Requested `Blueprint` with ID `none` was not found"),
        ({"inputs": [1]}, 400, "parameter `inputs` must be of type `dict`"),
        ({"reinstall_list": "x"}, 400, "parameter `reinstall_list` must be of type `list`"),
        ({"preview": "perhaps"}, 400, "preview must be <true/false>, got perhaps"),
    ],
)
def test_bad_requests_are_refused(api: TestClient, body: dict[str, Any], status: int, message: str) -> None:
    answer = initiate(api, **body)
    assert (answer.status_code, answer.json()["message"]) == (status, message)
    assert api.get("/deployment-updates").json()["items"] == []


def test_an_update_that_cannot_be_prepared_fails_and_changes_nothing(api: TestClient) -> None:
    answer = initiate(api, blueprint_id="new", inputs={"size": "many"}, preview=True)
    assert answer.status_code == 400
    assert "size" in answer.json()["message"]
    body = initiate(api, blueprint_id="new", inputs={"unknown": 1}).json()
    assert body["state"] == "failed"
    execution = api.get(f"/executions/{body['execution_id']}").json()
    assert (execution["status"], "unknown" in execution["error"]) == ("failed", True)
    assert api.get("/deployments/dep").json()["blueprint_id"] == "old"


def test_a_changed_node_type_is_not_supported(api: TestClient) -> None:
    upload(api, "retyped", OLD.replace("db: {type: cloudify.nodes.Root}", "db: {type: cloudify.nodes.Database}"))
    body = initiate(api, blueprint_id="retyped").json()
    execution = api.get(f"/executions/{body['execution_id']}").json()
    assert execution["error"] == "Cannot update: unsupported steps found: modify node nodes:db"


def test_dependants_refuse_an_update_that_stays_as_failed(api: TestClient) -> None:
    capable = OLD + "capabilities: {c: {value: 1}}\n"
    upload(api, "capable", capable)
    api.put("/deployments/base", json={"blueprint_id": "capable"})
    reader = OLD.replace("a: {value: 1}", "a: {value: {get_capability: [base, c]}}")
    upload(api, "reader", reader)
    api.put("/deployments/user", json={"blueprint_id": "reader"})
    answer = initiate(api, "base", inputs={"size": 2})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "dependent_exists_error")
    assert "\n[1] " in answer.json()["message"]
    (kept,) = api.get("/deployment-updates?deployment_id=base").json()["items"]
    assert (kept["state"], kept["execution_id"]) == ("failed", None)
    assert initiate(api, "base", inputs={"size": 2}, force=True).status_code == 200


def test_a_second_update_waits_for_the_first(api: TestClient, worker: InlineWorker) -> None:
    worker.held.add("update")
    first = initiate(api, inputs={"size": 2}).json()
    answer = initiate(api, inputs={"size": 3})
    assert (answer.status_code, first["id"] in answer.json()["message"]) == (409, True)
    answer = api.post(f"/executions/{first['execution_id']}", json={"action": "kill"})
    assert api.get(f"/deployment-updates/{first['id']}").json()["state"] == "failed"


def test_an_update_may_run_a_workflow_instead(api: TestClient, worker: InlineWorker, core: Core) -> None:
    body = initiate(api, blueprint_id="new", workflow_id="execute_operation").json()
    execution = api.get(f"/executions/{body['execution_id']}").json()
    assert execution["status"] in ("started", "failed", "terminated")
    started = api.get("/executions?workflow_id=execute_operation").json()["items"]
    if started:
        assert len(started[0]["parameters"]["added_instance_ids"]) == 2


def test_default_schedules_follow_an_update(api: TestClient) -> None:
    schedule = (
        "deployment_settings:\n  default_schedules:\n    {0}: {{workflow: install, since: '+1h', recurrence: 1 day}}\n"
    )
    upload(api, "s1", OLD + schedule.format("one"))
    upload(api, "s2", OLD + schedule.format("two"))
    names = lambda: [item["id"] for item in api.get("/execution-schedules?deployment_id=dep").json()["items"]]  # noqa: E731
    initiate(api, blueprint_id="s1")
    assert names() == ["one"]
    api.put("/execution-schedules/mine?deployment_id=dep", json={"workflow_id": "install", "since": None, "count": 1})
    initiate(api, blueprint_id="s2")
    assert sorted(names()) == ["mine", "two"]
    upload(api, "s3", OLD + schedule.format("mine"))
    body = initiate(api, blueprint_id="s3").json()
    assert "mine" in api.get(f"/executions/{body['execution_id']}").json()["error"]
    assert api.get("/deployments/dep").json()["blueprint_id"] == "s2"


def test_records_are_listed_and_written_by_executions_alone(api: TestClient) -> None:
    update_id = initiate(api, inputs={"size": 2}).json()["id"]
    page = api.get("/deployment-updates?deployment_id=dep&_include=id,steps").json()
    assert [item["id"] for item in page["items"]] == [update_id]
    assert isinstance(page["items"][0]["steps"], list)
    answer = api.put("/deployment-updates/u", json={"deployment_id": "dep"})
    assert (answer.status_code, answer.json()["message"]) == (
        403, "Deployment update objects can only be created by executions",
    )  # fmt: skip
    answer = api.put("/deployment-updates/u", json={"deployment_id": "dep", "execution_id": "e", "state": "updating"})
    assert answer.status_code == 200
    step = {"action": "add", "entity_type": "node", "entity_id": "nodes:x"}
    body = api.patch("/deployment-updates/u", json={"steps": [step], "state": "successful"}).json()
    assert body["steps"][0]["entity_id"] == ["nodes", "x"]
    assert body["state"] == "successful"
    assert api.patch("/deployment-updates/u", json={"state": "great"}).status_code == 400
    assert (
        api.post("/deployment-updates/u/update/finalize", headers={"Content-type": "application/json"}).json()["id"]
        == "u"
    )
    assert api.get("/deployment-updates/none").status_code == 404
