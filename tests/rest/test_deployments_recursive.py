"""Deleting a deployment with those inside it (workflow-runtime contract §6.3)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from manager_core.bootstrap import Core
from manager_core.nodes.tables import NodeInstance
from tests.support.archives_made import blueprint_tar
from tests.support.inline_worker import InlineWorker

BLUEPRINT = """\
tosca_definitions_version: cloudify_dsl_1_4
imports: [cloudify/types/types.yaml]
node_templates:
  n: {type: cloudify.nodes.Root}
"""


@pytest.fixture
def worker(core: Core) -> InlineWorker:
    """Runs executions when they become pending."""
    return InlineWorker(core)


@pytest.fixture
def api(client: TestClient, worker: InlineWorker) -> TestClient:
    """A client of a manager with `outer`, `middle` and `other` inside it, and `inner` inside `middle`."""
    files: dict[str, Any] = {"params": (None, json.dumps({})), "blueprint_archive": ("a", blueprint_tar(BLUEPRINT))}
    assert client.put("/blueprints/bp", files=files).status_code == 201
    for name, parent in (("outer", None), ("middle", "outer"), ("other", "outer"), ("inner", "middle")):
        labels = [{"csys-obj-parent": parent}] if parent else []
        answer = client.put(f"/deployments/{name}", json={"blueprint_id": "bp", "labels": labels})
        assert answer.status_code == 201, answer.text
    return client


def install(core: Core, deployment_id: str) -> None:
    table: Any = NodeInstance
    with core.store.write() as session:
        session.execute(update(NodeInstance).where(table.deployment_id == deployment_id).values(state="started"))


def left(api: TestClient) -> set[str]:
    return {item["id"] for item in api.get("/deployments").json()["items"]}


def test_what_is_inside_stands_in_the_way(api: TestClient) -> None:
    answer = api.delete("/deployments/outer")
    assert (answer.status_code, answer.json()["error_code"]) == (400, "dependent_exists_error")
    assert "Deployment `middle` has the current deployment as its environment" in answer.json()["message"]
    assert len(left(api)) == 4


def test_a_recursive_deletion_takes_everything_inside(api: TestClient, core: Core, worker: InlineWorker) -> None:
    workdir = core.deployments.workdir("default_tenant", "inner")
    workdir.joinpath("f").write_text("x")
    assert api.delete("/deployments/outer?recursive=true").status_code == 204
    assert left(api) == set()
    assert not workdir.exists()
    gone = [text.rpartition(" ")[2] for text in worker.events if text.startswith("Deleted the contained")]
    assert sorted(gone) == ["inner", "middle", "other"]
    assert gone.index("inner") < gone.index("middle")


def test_one_installed_inside_refuses_it_unless_forced(api: TestClient, core: Core) -> None:
    install(core, "inner")
    answer = api.delete("/deployments/outer?recursive=true")
    assert answer.status_code == 400
    assert "Can't delete deployment inner - There are live nodes" in answer.json()["message"]
    assert len(left(api)) == 4
    assert api.delete("/deployments/outer?recursive=true&force=true").status_code == 204
    assert left(api) == set()


def test_what_was_installed_meanwhile_fails_the_deletion_as_a_whole(
    api: TestClient, core: Core, worker: InlineWorker
) -> None:
    worker.held.add("delete_deployment_environment")
    assert api.delete("/deployments/outer?recursive=true").status_code == 204
    install(core, "inner")
    worker.held.clear()
    worker.set()
    assert len(left(api)) == 4
    (execution,) = api.get("/executions?workflow_id=delete_deployment_environment").json()["items"]
    assert execution["status"] == "failed"
    assert "Can't delete deployment inner" in execution["error"]


def test_labels_that_form_a_ring_end_as_well(api: TestClient) -> None:
    assert api.patch("/deployments/outer", json={"labels": [{"csys-obj-parent": "inner"}]}).status_code == 200
    assert api.delete("/deployments/outer?recursive=true").status_code == 204
    assert left(api) == set()
