"""Needs that operations register between deployments, and what a component's maker may do with it."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from manager_core.access.caller import system_caller
from manager_core.bootstrap import Core
from manager_core.ids import digest
from tests.support.rows import a_deployment, an_execution

NEED = {"dependency_creator": "component.n_1", "source_deployment": "dep", "target_deployment": "part"}
PATH = "/inter-deployment-dependencies"


@pytest.fixture
def api(core: Core, client: TestClient) -> TestClient:
    """A client of a manager with the deployments `dep`, `part` and `other`."""
    for name in ("dep", "part", "other"):
        a_deployment(core, name, workflows=("uninstall",))
    return client


def acting(core: Core, deployment: str) -> dict[str, str]:
    """Return the headers of an execution of a deployment."""
    token = f"{deployment:0<32}"
    an_execution(core, deployment_id=deployment, status="started", token_hash=digest(token))
    return {"Execution-Token": token, "Tenant": "default_tenant"}


def start(api: TestClient, headers: dict[str, str]) -> Any:
    return api.post("/executions", json={"deployment_id": "part", "workflow_id": "uninstall"}, headers=headers)


def test_a_need_is_registered_once_listed_by_its_ends_and_removed(api: TestClient) -> None:
    first = api.put(PATH, json=NEED)
    assert first.status_code == 200
    assert api.put(PATH, json=NEED).json()["id"] == first.json()["id"]
    found = api.get(f"{PATH}?source_deployment_id=dep&target_deployment_id=part").json()
    assert [(need["dependency_creator"], need["target_deployment_id"]) for need in found["items"]] == [
        ("component.n_1", "part")
    ]
    assert api.get(f"{PATH}?source_deployment_id=other").json()["metadata"]["pagination"]["total"] == 0
    removal = {**NEED, "is_component_deletion": True}
    assert api.request("DELETE", PATH, json=removal).status_code == 204
    assert api.get(PATH).json()["items"] == []
    gone = api.request("DELETE", PATH, json=removal)
    assert (gone.status_code, gone.json()["error_code"]) == (404, "not_found_error")


def test_a_need_of_another_manager_has_no_target_here(api: TestClient) -> None:
    elsewhere = {**NEED, "target_deployment": " ", "external_target": {"deployment": "far"}}
    assert api.put(PATH, json=elsewhere).json()["target_deployment_id"] is None
    refused = api.put(PATH, json={**NEED, "external_source": {"deployment": "far"}})
    assert (refused.status_code, refused.json()["error_code"]) == (400, "bad_parameters_error")


@pytest.mark.parametrize(
    ("changed", "status"),
    [({"target_deployment": "no"}, 404), ({"source_deployment": "no"}, 404), ({"target_deployment": "dep"}, 400)],
)
def test_a_need_of_nothing_or_of_itself_is_refused(api: TestClient, changed: dict[str, str], status: int) -> None:
    assert api.put(PATH, json={**NEED, **changed}).status_code == status


def test_its_maker_alone_stops_and_deletes_a_component(api: TestClient, core: Core) -> None:
    assert api.put(PATH, json=NEED).status_code == 200
    maker, stranger = acting(core, "dep"), acting(core, "other")
    for headers in ({}, stranger):
        refused = start(api, headers)
        assert (refused.status_code, refused.json()["error_code"]) == (400, "dependent_exists_error")
        assert api.delete("/deployments/part", headers=headers).status_code == 400
    started = start(api, maker)
    assert started.status_code == 201
    core.executions.set_status(system_caller("default_tenant"), started.json()["id"], "started")
    core.executions.set_status(system_caller("default_tenant"), started.json()["id"], "terminated")
    assert api.delete("/deployments/part", headers=maker).status_code == 204


def test_its_maker_is_held_back_by_what_others_need(api: TestClient, core: Core) -> None:
    maker = acting(core, "dep")
    for creator, source in (("component.n_1", "dep"), ("sharedresource.s_1", "other")):
        body = {"dependency_creator": creator, "source_deployment": source, "target_deployment": "part"}
        assert api.put(PATH, json=body).status_code == 200
    refused = api.delete("/deployments/part", headers=maker).json()
    assert "`other` uses the current deployment as a shared resource" in refused["message"]
    assert "`dep`" not in refused["message"]
