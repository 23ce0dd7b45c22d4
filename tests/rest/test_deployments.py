"""Deployments over REST, on both databases (REST contract §6)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from manager_core.bootstrap import Core
from manager_core.deployments.tables import Deployment, InterDeploymentDependency
from manager_core.events.tables import Event
from manager_core.executions.tables import Execution
from manager_core.nodes.tables import Node, NodeInstance
from manager_core.schedules.tables import ExecutionSchedule
from tests.support.archives_made import blueprint_tar
from tests.support.inline_worker import InlineWorker

SERVICE = """\
tosca_definitions_version: cloudify_dsl_1_4
imports: [cloudify/types/types.yaml]
description: a service
inputs:
  port: {type: integer, default: 80}
  name: {required: true}
  note: {required: false}
node_templates:
  host: {type: cloudify.nodes.Compute, instances: {deploy: 2}}
  app:
    type: cloudify.nodes.WebServer
    properties: {port: {get_input: port}}
    relationships: [{type: cloudify.relationships.contained_in, target: host}]
outputs:
  url: {description: where, value: {concat: ['http://', {get_input: name}, ':', {get_property: [app, port]}]}}
capabilities:
  address: {value: {get_attribute: [host, ip]}}
  name: {value: {get_input: name}}
labels:
  Env: {values: [prod, {get_input: name}]}
deployment_settings:
  display_name: {concat: ['Service ', {get_input: name}]}
  default_groups: [services]
"""


@pytest.fixture
def worker(core: Core) -> InlineWorker:
    """Runs executions when they become pending."""
    return InlineWorker(core)


@pytest.fixture
def api(client: TestClient, worker: InlineWorker) -> Iterator[TestClient]:
    """A client of a manager that has the blueprint `service`."""
    upload(client, "service", SERVICE)
    yield client


def upload(api: TestClient, blueprint_id: str, text: str, **params: Any) -> None:
    files: dict[str, Any] = {"params": (None, json.dumps(params)), "blueprint_archive": ("a", blueprint_tar(text))}
    answer = api.put(f"/blueprints/{blueprint_id}", files=files)
    assert answer.status_code == 201, answer.text


def create(api: TestClient, deployment_id: str = "dep", blueprint: str = "service", **body: Any) -> Any:
    body.setdefault("inputs", {"name": "shop"} if blueprint == "service" else {})
    return api.put(f"/deployments/{deployment_id}", json={"blueprint_id": blueprint, **body})


def set_states(core: Core, state: str, deployment_id: str = "dep") -> None:
    from sqlalchemy import update

    table: Any = NodeInstance
    with core.store.write() as session:
        session.connection().execute(update(table).where(table.deployment_id == deployment_id).values(state=state))


def run(api: TestClient, workflow_id: str = "install", deployment_id: str = "dep", **body: Any) -> Any:
    return api.post("/executions", json={"deployment_id": deployment_id, "workflow_id": workflow_id, **body})


def test_a_created_deployment_has_its_plan_evaluated(api: TestClient) -> None:
    answer = create(api, labels=[{"owner": "me"}])
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert body["id"] == "dep"
    assert body["display_name"] == "Service shop"
    assert body["description"] == "a service"
    assert body["blueprint_id"] == "service"
    assert body["inputs"] == {"port": 80, "name": "shop", "note": None}
    assert body["outputs"]["url"] == {"description": "where", "value": "http://shop:80"}
    assert body["deployment_groups"] == ["services"]
    assert sorted((label["key"], label["value"]) for label in body["labels"]) == [
        ("env", "prod"), ("env", "shop"), ("owner", "me"),
    ]  # fmt: skip
    assert (body["installation_status"], body["deployment_status"]) == ("inactive", "requires_attention")
    assert body["latest_execution"] == body["create_execution"]
    assert body["latest_execution_status"] == "completed"
    assert body["latest_execution_workflow_id"] == "create_deployment_environment"
    assert body["scaling_groups"] == body["groups"] == {}
    assert body["environment_type"] == ""
    assert body["site_name"] is None
    assert body["has_sub_deployments"] is False
    assert (body["sub_services_count"], body["drifted_instances"], body["unavailable_instances"]) == (0, 0, 0)
    assert (
        api.get("/deployments/dep", params={"all_sub_deployments": "True", "include_workdir": "False"}).json() == body
    )


def test_workflows_are_a_list_that_says_what_can_start(api: TestClient, core: Core) -> None:
    body = create(api).json()
    workflows = {item["name"]: item for item in body["workflows"]}
    assert set(workflows["install"]) == {
        "name", "plugin", "operation", "parameters", "is_cascading", "is_available", "availability_rules",
    }  # fmt: skip
    assert workflows["install"]["is_available"] is True
    assert workflows["uninstall"]["is_available"] is False
    set_states(core, "started")
    workflows = {item["name"]: item for item in api.get("/deployments/dep").json()["workflows"]}
    assert workflows["install"]["is_available"] is False
    assert workflows["uninstall"]["is_available"] is True
    assert {item["name"] for item in api.get("/workflows").json()["items"]} == set(workflows)
    found = api.post("/searches/workflows", json={"constraints": {"name_pattern": {"starts_with": "heal"}}}).json()
    assert [item["name"] for item in found["items"]] == ["heal"]


def test_nodes_and_instances_come_from_the_plan(api: TestClient) -> None:
    create(api)
    nodes = {node["id"]: node for node in api.get("/nodes?deployment_id=dep").json()["items"]}
    assert nodes["app"]["properties"]["port"] == 80
    assert nodes["app"]["host_id"] == "host"
    assert nodes["app"]["type_hierarchy"][-1] == "cloudify.nodes.WebServer"
    assert "source_interfaces" not in nodes["app"]["relationships"][0]
    assert nodes["host"]["number_of_instances"] == nodes["host"]["deploy_number_of_instances"] == 2
    assert (nodes["app"]["actual_number_of_instances"], nodes["app"]["number_of_instances"]) == (2, 1)
    instances = api.get("/node-instances?deployment_id=dep&_sort=id").json()["items"]
    assert sorted(item["node_id"] for item in instances) == ["app", "app", "host", "host"]
    assert {(item["state"], item["version"]) for item in instances} == {("uninitialized", 1)}
    assert sorted(item["index"] for item in instances if item["node_id"] == "app") == [1, 2]
    hosts = {item["id"] for item in instances if item["node_id"] == "host"}
    assert {item["relationships"][0]["target_id"] for item in instances if item["node_id"] == "app"} == hosts


def test_outputs_and_capabilities_are_evaluated_on_demand(api: TestClient, core: Core) -> None:
    create(api)
    assert api.get("/deployments/dep/outputs").json() == {"deployment_id": "dep", "outputs": {"url": "http://shop:80"}}
    answer = api.get("/deployments/dep/capabilities")
    assert answer.status_code == 400
    assert answer.json()["error_code"] == "deployment_capabilities_evaluation_error"
    found = api.post(
        "/evaluate/functions",
        json={"deployment_id": "dep", "context": {}, "payload": {"a": {"get_label": ["env", 0]}, "b": [1]}},
    )
    assert found.json() == {"deployment_id": "dep", "payload": {"a": "prod", "b": [1]}}
    bad = api.post(
        "/evaluate/functions",
        json={"deployment_id": "dep", "context": {}, "payload": {"a": {"get_input": "none"}}},
    )
    assert (bad.status_code, bad.json()["error_code"]) == (400, "functions_evaluation_error")
    assert api.get("/deployments/none/outputs").status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "code", "message"),
    [
        ({"inputs": {}}, 400, "missing_required_deployment_input_error", "missing inputs: name"),
        ({"inputs": {"name": "x", "a": 1, "b": 2}}, 400, "unknown_deployment_input_error",
         "Cannot create deployment - unknown inputs: a, b"),
        ({"labels": ["x"]}, 400, "bad_parameters_error", "Labels must be a list of 1-entry dictionaries"),
        ({"visibility": "all"}, 400, "bad_parameters_error", "Invalid visibility: `all`"),
        ({"visibility": "global"}, 403, "forbidden_error",
         "Can't create global deployment dep because blueprint service is not global"),
        ({"display_name": "x" * 257}, 400, "bad_parameters_error", "display name is too long"),
        ({"display_name": "a\tb"}, 400, "bad_parameters_error", "control characters"),
        ({"inputs": []}, 400, "bad_parameters_error", "inputs parameter is expected to be of type dict"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("asynchronous", ["false", "True"])
def test_what_is_refused_in_the_request_stores_nothing(
    api: TestClient, body: dict[str, Any], status: int, code: str, message: str, asynchronous: str
) -> None:
    full = {"blueprint_id": "service", "inputs": {"name": "shop"}, **body}
    answer = api.put(f"/deployments/dep?async_create={asynchronous}", json=full)
    assert (answer.status_code, answer.json()["error_code"]) == (status, code), answer.text
    assert message in answer.json()["message"]
    assert api.get("/deployments").json()["items"] == []
    assert api.get("/executions?deployment_id=dep").json()["items"] == []


def test_unknown_and_unfinished_blueprints_are_refused(api: TestClient, worker: InlineWorker) -> None:
    answer = create(api, blueprint="none", inputs={})
    assert (answer.status_code, answer.json()["message"]) == (404, "Requested `Blueprint` with ID `none` was not found")
    assert create(api, "a/b").status_code == 404
    assert create(api, "a b").status_code == 400
    worker.held.add("upload_blueprint")
    files = {"params": (None, '{"async_upload": true}'), "blueprint_archive": ("a", blueprint_tar(SERVICE))}
    api.put("/blueprints/slow", files=files)
    answer = create(api, blueprint="slow", inputs={"name": "x"})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "deployment_creation_error")
    assert answer.json()["message"] == (
        "Unable to create a deployment based on a blueprint which is not `uploaded` but: `uploading`"
    )


def test_a_failed_creation_answers_with_the_last_line_and_can_be_repeated(api: TestClient) -> None:
    answer = create(api, inputs={"name": "x", "port": "eighty"})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "deployment_creation_error")
    message = answer.json()["message"]
    assert "\n" not in message
    assert "port" in message
    execution = api.get("/executions?deployment_id=dep").json()["items"][0]
    assert execution["status"] == "failed"
    assert execution["error"].rsplit("\n", 1)[-1] == message
    body = api.get("/deployments/dep").json()
    assert (body["deployment_status"], body["workflows"], body["outputs"]) == ("requires_attention", [], {})
    refused = run(api)
    assert refused.status_code == 400
    assert refused.json()["message"].endswith(f"deployment dep has failed: {message}")
    assert create(api).status_code == 201
    assert len(api.get("/executions?deployment_id=dep").json()["items"]) == 1
    taken = create(api)
    assert taken.status_code == 409
    assert taken.json()["message"] == (
        "<Deployment id=`dep` tenant=`default_tenant`> already exists on <Tenant name=`default_tenant`> "
        "or with global visibility"
    )


def test_an_asynchronous_creation_answers_before_the_environment_is_there(
    api: TestClient, worker: InlineWorker
) -> None:
    worker.held.add("create_deployment_environment")
    answer = api.put("/deployments/dep?async_create=True", json={"blueprint_id": "service", "inputs": {"name": "x"}})
    assert answer.status_code == 201
    body = answer.json()
    assert (body["inputs"], body["outputs"], body["capabilities"], body["workflows"]) == ({}, {}, {}, [])
    assert body["latest_execution_status"] == "in_progress"
    assert run(api).json()["error_code"] == "deployment_environment_creation_pending_error"
    shown = api.get("/executions", params={"deployment_id": "dep"}).json()["items"]
    assert [item["workflow_id"] for item in shown] == ["create_deployment_environment"]
    worker.held.clear()
    worker.set()
    assert api.get("/deployments/dep").json()["inputs"]["name"] == "x"


def test_a_creation_that_does_not_end_is_in_progress(api: TestClient, worker: InlineWorker) -> None:
    worker.held.add("create_deployment_environment")
    answer = create(api)
    assert answer.status_code == 400
    assert answer.json()["error_code"] == "deployment_environment_creation_in_progress_error"


def test_a_missing_secret_and_a_missing_parent_fail_the_creation(api: TestClient) -> None:
    upload(api, "secretive", SERVICE + "  token: 1\n" if False else SERVICE.replace(
        "outputs:\n", "outputs:\n  token: {value: {get_secret: absent}}\n"))  # fmt: skip
    answer = create(api, blueprint="secretive", inputs={"name": "x"})
    assert "Required secrets: [absent] don't exist in this tenant" in answer.json()["message"]
    answer = create(api, "child", labels=[{"csys-obj-parent": "nobody"}])
    assert answer.json()["message"] == "Environment referenced by `csys-obj-parent` not found: nobody"
    create(api)
    assert create(api, "child", labels=[{"csys-obj-parent": "dep"}]).status_code == 201
    parent = api.get("/deployments/dep").json()
    assert (parent["sub_services_count"], parent["has_sub_deployments"]) == (1, True)
    assert parent["sub_services_status"] == "requires_attention"


def test_plugins_of_the_plan_must_be_there(api: TestClient) -> None:
    text = SERVICE + (
        "plugins: {exotic: {executor: central_deployment_agent, package_name: exotic-plugin, package_version: '3.1'}}\n"
        "workflows: {w: exotic.run}\n"
    )
    upload(api, "exotic", text)
    answer = create(api, blueprint="exotic", inputs={"name": "x"})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "deployment_plugin_not_found")
    assert answer.json()["message"] == "Required plugin exotic-plugin, version 3.1 is not installed on the manager"
    assert create(api, blueprint="exotic", inputs={"name": "x"}, skip_plugins_validation=True).status_code == 201


SCHEDULES = """
  default_schedules:
    nightly:
      workflow: {workflow}
      since: '+1h'
      recurrence: 1 day
      workflow_parameters: {{ignore_failure: true}}
"""


def test_default_schedules_are_made_and_a_wrong_one_fails_the_creation(api: TestClient, core: Core) -> None:
    upload(api, "scheduled", SERVICE + SCHEDULES.format(workflow="uninstall")[1:])
    assert create(api, blueprint="scheduled", inputs={"name": "x"}).status_code == 201
    found = api.get("/execution-schedules?deployment_id=dep").json()["items"]
    assert [(item["id"], item["workflow_id"]) for item in found] == [("nightly", "uninstall")]
    assert found[0]["parameters"] == {"ignore_failure": True}
    upload(api, "wrong", SERVICE + SCHEDULES.format(workflow="absent")[1:])
    answer = create(api, "dep2", blueprint="wrong", inputs={"name": "x"})
    assert answer.status_code == 400
    assert "nightly" in answer.json()["message"]
    with core.store.read() as session:
        assert session.execute(select(Node).where(Node.deployment_id == "dep2")).first() is None


def test_reading_a_capability_makes_a_dependency_that_guards_the_other(api: TestClient, core: Core) -> None:
    create(api)
    reader = """\
tosca_definitions_version: cloudify_dsl_1_4
imports: [cloudify/types/types.yaml]
node_templates:
  n: {type: cloudify.nodes.Root}
outputs:
  name: {value: {get_capability: [dep, name]}}
"""
    upload(api, "reader", reader)
    assert create(api, "reader", blueprint="reader").status_code == 201
    assert api.get("/deployments/reader/outputs").json()["outputs"] == {"name": "shop"}
    with core.store.read() as session:
        row = session.execute(select(InterDeploymentDependency)).scalars().one()
    assert (row.deployment_id, row.target_deployment) == ("reader", "dep")
    assert row.dependency_creator == "outputs.name.value.get_capability"
    page = api.get("/deployments?_dependencies_of=reader").json()
    assert [item["id"] for item in page["items"]] == ["dep"]
    answer = api.delete("/deployments/dep")
    assert (answer.status_code, answer.json()["error_code"]) == (400, "dependent_exists_error")
    assert answer.json()["message"].startswith(
        "Can't delete deployment dep - the following existing installations depend on it:\n[1] "
    )
    assert api.delete("/deployments/dep?force=True").status_code == 204
    assert api.get("/deployments/dep").status_code == 404


def test_statuses_follow_executions_and_instances(api: TestClient, core: Core, worker: InlineWorker) -> None:
    create(api)
    worker.held.add("install")
    execution = run(api).json()
    assert execution["status"] == "pending"
    core.executions.set_status(system(), execution["id"], "started")
    body = api.get("/deployments/dep").json()
    assert (body["deployment_status"], body["latest_execution"]) == ("in_progress", execution["id"])
    set_states(core, "started")
    core.executions.set_status(system(), execution["id"], "terminated")
    body = api.get("/deployments/dep").json()
    assert (body["deployment_status"], body["installation_status"]) == ("good", "active")
    worker.failing["restart"] = "broke"
    run(api, "restart")
    body = api.get("/deployments/dep").json()
    assert (body["deployment_status"], body["latest_execution_status"]) == ("requires_attention", "failed")


def system() -> Any:
    from manager_core.access.caller import system_caller

    return system_caller("default_tenant")


def test_deletion_removes_everything_under_the_deployment(api: TestClient, core: Core, worker: InlineWorker) -> None:
    create(api)
    core.deployments.workdir("default_tenant", "dep").joinpath("f").write_text("x")
    worker.held.add("install")
    execution = run(api).json()
    answer = api.delete("/deployments/dep?force=True")
    assert answer.status_code == 400
    assert answer.json()["message"] == (
        "Can't delete deployment dep - There are running or queued executions for this deployment. "
        f"Running executions ids: {execution['id']}"
    )
    core.executions.set_status(system(), execution["id"], "terminated")
    set_states(core, "started")
    answer = api.delete("/deployments/dep")
    ids = [item["id"] for item in api.get("/node-instances?deployment_id=dep").json()["items"]]
    assert answer.json()["message"] == (
        f"Can't delete deployment dep - There are live nodes for this deployment. Live nodes ids: {','.join(ids)}"
    )
    set_states(core, "deleted")
    api.put("/execution-schedules/s?deployment_id=dep", json={"workflow_id": "install", "since": None, "count": 1})
    answer = api.delete("/deployments/dep?force=False&delete_logs=False&recursive=False")
    assert (answer.status_code, answer.content) == (204, b"")
    assert api.get("/deployments/dep").json()["message"] == "Requested `Deployment` with ID `dep` was not found"
    with core.store.read() as session:
        for table in (Deployment, Node, NodeInstance, Event, ExecutionSchedule):
            assert session.execute(select(table)).first() is None, table
        left: Any = Execution
        assert session.execute(select(left).where(left.deployment_id == "dep")).first() is None
    assert not core.deployments.workdir("default_tenant", "dep").exists()
    assert api.get("/executions?deployment_id=dep&workflow_id=delete_deployment_environment").json()["items"] == []
    assert api.delete("/deployments/dep").status_code == 404


def test_live_instances_keep_a_deployment_but_for_force(api: TestClient, core: Core) -> None:
    create(api)
    set_states(core, "started")
    refused = api.delete("/deployments/dep")
    assert (refused.status_code, "There are live nodes for this deployment" in refused.json()["message"]) == (400, True)
    assert api.delete("/deployments/dep?force=True").status_code == 204
    assert api.get("/deployments/dep").status_code == 404
    assert api.get("/node-instances?deployment_id=dep").json()["items"] == []


def test_a_deletion_that_failed_leaves_the_deployment(api: TestClient, worker: InlineWorker) -> None:
    create(api)
    worker.failing["delete_deployment_environment"] = "disk on fire"
    assert api.delete("/deployments/dep").status_code == 204
    assert api.get("/deployments/dep").status_code == 200
    assert api.delete("/deployments/dep?force=True").status_code == 204
    assert api.get("/deployments/dep").status_code == 404


def test_a_deployment_is_changed_by_patch(api: TestClient) -> None:
    create(api)
    answer = api.patch("/deployments/dep", json={})
    assert (answer.status_code, answer.json()["message"]) == (
        400, "Update a deployment request must include at least one parameter to update",
    )  # fmt: skip
    body = api.patch("/deployments/dep", json={"labels": [{"a": ["1", "2"]}], "display_name": "Shop"}).json()
    assert body["display_name"] == "Shop"
    assert [(label["key"], label["value"]) for label in body["labels"]] == [("a", "1"), ("a", "2")]
    answer = api.patch("/deployments/dep", json={"inputs": {}})
    assert (answer.status_code, answer.json()["message"]) == (409, "inputs is already set")
    answer = api.patch("/deployments/dep", json={"blueprint_id": "service"})
    assert (answer.status_code, answer.json()["error_code"]) == (403, "only_deployment_update")
    answer = api.patch("/deployments/dep", json={"labels": [{"csys-obj-parent": "nobody"}]})
    assert (answer.status_code, answer.json()["error_code"]) == (404, "deployment_parent_not_found_error")


def test_visibility_follows_the_blueprint_and_is_followed_by_nodes(api: TestClient) -> None:
    create(api, visibility="private")
    answer = api.patch("/deployments/dep/set-visibility", json={"visibility": "global"})
    assert (answer.status_code, answer.json()["message"]) == (
        400,
        "The visibility of deployment `dep` can't be wider than the visibility of its blueprint `service`. "
        "Current blueprint visibility is tenant",
    )
    assert api.patch("/deployments/dep/set-visibility", json={"visibility": "tenant"}).json()["visibility"] == "tenant"
    assert {item["visibility"] for item in api.get("/nodes").json()["items"]} == {"tenant"}
    assert {item["visibility"] for item in api.get("/node-instances").json()["items"]} == {"tenant"}


def test_a_site_is_set_and_detached(api: TestClient) -> None:
    create(api, site_name="london")
    assert api.get("/deployments?site_name=london").json()["items"][0]["site_name"] == "london"
    assert api.post("/deployments/dep/set-site", json={"detach_site": True}).json()["site_name"] is None
    assert api.post("/deployments/dep/set-site", json={"site_name": "rome"}).json()["site_name"] == "rome"
    assert api.post("/deployments/dep/set-site", json={}).status_code == 400


def test_lists_filter_search_and_group(api: TestClient) -> None:
    create(api, "one", inputs={"name": "alpha"})
    create(api, "two", inputs={"name": "beta"}, display_name="Second")
    ids = lambda answer: [item["id"] for item in answer.json()["items"]]  # noqa: E731
    assert ids(api.get("/deployments")) == ["one", "two"]
    assert ids(api.get("/deployments?_search_name=alpha")) == ["one"]
    assert ids(api.get("/deployments?_search_name=alpha&_search=tw")) == ["one", "two"]
    assert ids(api.get("/deployments?_group_id=services")) == ["one", "two"]
    assert ids(api.get("/deployments?_group_id=other")) == []
    assert ids(api.get("/deployments?latest_execution_status=completed&_sort=-display_name")) == ["one", "two"]
    rule = {"key": "env", "values": ["beta"], "operator": "any_of", "type": "label"}
    found = api.post("/searches/deployments?_include=id", json={"filter_rules": [rule]})
    assert found.json()["items"] == [{"id": "two"}]
    assert found.json()["metadata"]["filtered"] == 1
    both = {"filter_rules": [rule], "constraints": {"name_pattern": {"contains": "o"}}}
    assert api.post("/searches/deployments", json=both).status_code == 400
    groups = api.post("/searches/scaling-groups?deployment_id=one", json={"constraints": {}})
    assert groups.json()["items"] == []
    summary = api.get("/summary/deployments?_target_field=blueprint_id")
    if summary.status_code == 200:
        assert summary.json()["items"] == [{"blueprint_id": "service", "deployments": 2}]


def test_ids_of_dots_stay_inside(api: TestClient, core: Core) -> None:
    home = core.settings.data_dir.resolve()
    for name in (".", "..", "..."):
        assert core.deployments.workdir("default_tenant", name).resolve().parent == home / "workdirs/default_tenant"
