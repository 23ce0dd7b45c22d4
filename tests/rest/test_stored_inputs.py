"""Stored operations get the inputs of an update, so that a resume runs with them (workflow-runtime checklist 136)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from manager_core.bootstrap import Core
from manager_core.executions.stored_inputs import declared_by
from tests.support.archives_made import blueprint_tar
from tests.support.inline_worker import InlineWorker
from tests.support.rows import an_execution

START, ESTABLISH = "cloudify.interfaces.lifecycle.start", "cloudify.interfaces.relationship_lifecycle.establish"
BLUEPRINT = """\
tosca_definitions_version: cloudify_dsl_1_4
imports: [cloudify/types/types.yaml]
plugins:
  p: {{executor: central_deployment_agent, install: false}}
node_templates:
  db: {{type: cloudify.nodes.Root}}
  app:
    type: cloudify.nodes.Root
    interfaces:
      cloudify.interfaces.lifecycle:
        start: {{implementation: p.m.start, inputs: {{size: {size}, who: {{get_attribute: [SELF, name]}}}}}}
    relationships:
      - type: cloudify.relationships.connected_to
        target: db
        source_interfaces:
          cloudify.interfaces.relationship_lifecycle:
            establish: {{implementation: p.m.link, inputs: {{size: {size}}}}}
        target_interfaces:
          cloudify.interfaces.relationship_lifecycle:
            establish: {{implementation: p.m.link, inputs: {{size: {target_size}}}}}
"""


@pytest.fixture
def api(core: Core, client: TestClient) -> TestClient:
    """A client of a manager with the deployment `dep` and two versions of its blueprint."""
    InlineWorker(core)
    for name, sizes in (("old", {"size": 1, "target_size": 10}), ("new", {"size": 2, "target_size": 20})):
        text = BLUEPRINT.format(**sizes)
        client.put(
            f"/blueprints/{name}",
            files={
                "params": (None, json.dumps({"application_file_name": "b.yaml"})),
                "blueprint_archive": ("b.tar.gz", blueprint_tar({"b.yaml": text})),
            },
        )
    assert client.put("/deployments/dep", json={"blueprint_id": "old"}).status_code == 201
    return client


def stored(api: TestClient, core: Core, execution: str, status: str, **states: str) -> None:
    """Store an execution with one operation of each kind, in the given states."""
    an_execution(core, id=execution, status=status, deployment_id="dep")
    subjects = {
        "own": {"node_name": "app", "operation": {"name": START}},
        "source": {
            "node_name": "app",
            "operation": {"name": ESTABLISH, "relationship": "source"},
            "related": {"node_name": "db", "is_target": True},
        },
        "target": {
            "node_name": "db",
            "operation": {"name": ESTABLISH, "relationship": "target"},
            "related": {"node_name": "app", "is_target": False},
        },
    }
    operations = [
        {
            "id": f"{execution}-{kind}",
            "name": "n",
            "type": "RemoteWorkflowTask",
            "dependencies": [],
            "state": states.get(kind, "pending"),
            "parameters": {
                "current_retries": 1,
                "task_kwargs": {
                    "timeout": 5,
                    "kwargs": {"size": 1, "given": "by the workflow", "__cloudify_context": context},
                },
            },
        }
        for kind, context in subjects.items()
    ]
    body = {"name": "work", "execution_id": execution, "operations": operations}
    assert api.post("/tasks_graphs/tasks_graphs", json=body).status_code == 201


def kwargs(api: TestClient, operation: str) -> dict[str, Any]:
    parameters = api.get(f"/operations/{operation}").json()["parameters"]
    assert (parameters["current_retries"], parameters["task_kwargs"]["timeout"]) == (1, 5), "the rest stays"
    found: dict[str, Any] = parameters["task_kwargs"]["kwargs"]
    return found


def test_an_update_rewrites_what_has_not_succeeded(api: TestClient, core: Core) -> None:
    stored(api, core, "broken", "failed", own="failed", source="succeeded")
    stored(api, core, "good", "terminated")
    answer = api.post("/deployment-updates/dep/update/initiate", json={"blueprint_id": "new"})
    assert answer.status_code == 200, answer.text
    assert api.get(f"/deployment-updates/{answer.json()['id']}").json()["state"] == "successful"
    own = kwargs(api, "broken-own")
    assert (own["size"], own["given"], own["who"]) == (2, "by the workflow", {"get_attribute": ["SELF", "name"]})
    assert own["__cloudify_context"]["has_intrinsic_functions"] is True
    assert kwargs(api, "broken-target")["size"] == 20
    assert kwargs(api, "broken-source")["size"] == 1, "it will not run again"
    assert kwargs(api, "good-own")["size"] == 1, "its execution ended well"


def rewrite(api: TestClient, **fields: Any) -> Any:
    body = {"action": "update-stored", "deployment_id": "dep", "node_id": "app", **fields}
    return api.post("/operations", json=body)


def test_a_client_chooses_what_is_rewritten(api: TestClient, core: Core) -> None:
    stored(api, core, "broken", "failed")
    assert api.post("/deployment-updates/dep/update/initiate", json={"blueprint_id": "new"}).status_code == 200
    stored(api, core, "later", "failed")
    answer = rewrite(api, operation=ESTABLISH, key="target_operations", rel_index=0)
    assert (answer.status_code, answer.content) == (204, b"")
    assert [kwargs(api, f"later-{kind}")["size"] for kind in ("own", "source", "target")] == [1, 1, 20]
    assert rewrite(api, operation=ESTABLISH, key="source_operations", rel_index=7).status_code == 204
    assert kwargs(api, "later-source")["size"] == 1
    assert rewrite(api, operation=START, key="operations").status_code == 204
    assert kwargs(api, "later-own")["size"] == 2


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"deployment_id": "none"}, 404),
        ({"node_id": "none"}, 404),
        ({"key": "properties"}, 400),
        ({"action": "delete"}, 400),
    ],
)
def test_a_wrong_request_is_refused(api: TestClient, fields: dict[str, Any], status: int) -> None:
    assert rewrite(api, **{"operation": START, **fields}).status_code == status


def test_operations_that_are_not_mapped_declare_nothing() -> None:
    assert declared_by({"id": "n", "operations": {"op": {"operation": "", "inputs": {"a": 1}}}}) == []
