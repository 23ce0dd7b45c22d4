"""Workflows that cascade, and cancels that reach components (REST contract §8.2, §8.6)."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from manager_core.bootstrap import Core
from manager_core.deployments.tables import Deployment, InterDeploymentDependency
from tests.support.rows import WORKFLOW, a_deployment, an_execution


@pytest.fixture
def api(core: Core, client: TestClient) -> TestClient:
    """A client of a manager with `dep`, its component `part`, the component's component `bolt`, and `other`."""
    for name in ("dep", "part", "bolt", "other"):
        a_deployment(core, name, workflows=("backup", "stop"))
    needs = (("dep", "component.n", "part"), ("part", "component.m", "bolt"), ("dep", "sharedresource.s", "other"))
    with core.store.write() as session:
        for deployment, creator, target in needs:
            session.add(
                InterDeploymentDependency(
                    tenant_name="default_tenant", deployment_id=deployment, dependency_creator=creator,
                    target_deployment=target, created_at=core.clock.now(),
                )
            )  # fmt: skip
    declare(core, "dep", "part", "bolt", "other")
    return client


def declare(core: Core, *names: str) -> None:
    """Let the deployments have a workflow `check` that cascades."""
    with core.store.write() as session:
        for row in session.query(Deployment):  # type: ignore[deprecated]
            row.workflows = {**(row.workflows or {})}
            row.workflows.pop("check", None)
            if row.id in names:
                row.workflows = {**row.workflows, "check": {**WORKFLOW, "is_cascading": True}}
            session.add(row)


def start(api: TestClient, workflow: str) -> Any:
    return api.post("/executions", json={"deployment_id": "dep", "workflow_id": workflow})


def running(api: TestClient) -> dict[str, str]:
    items = api.get("/executions?_sort=created_at").json()["items"]
    return {item["deployment_id"]: item["status"] for item in items}


def test_a_cascading_workflow_starts_on_the_components_and_theirs(api: TestClient) -> None:
    assert start(api, "check").status_code == 201
    assert running(api) == dict.fromkeys(("dep", "part", "bolt"), "pending")


def test_any_other_workflow_stays_with_its_deployment(api: TestClient) -> None:
    assert start(api, "backup").status_code == 201
    assert running(api) == {"dep": "pending"}


def test_a_busy_component_lets_it_wait(api: TestClient, core: Core) -> None:
    an_execution(core, deployment_id="part", status="started")
    assert start(api, "check").status_code == 201
    assert running(api) == {"dep": "pending", "part": "queued", "bolt": "pending"}


def test_a_component_that_cannot_run_it_refuses_it_for_all(api: TestClient, core: Core) -> None:
    declare(core, "dep", "bolt")
    answer = start(api, "check")
    assert (answer.status_code, answer.json()["error_code"]) == (400, "nonexistent_workflow_error")
    assert "in the deployment part" in answer.json()["message"]
    assert running(api) == {}


@pytest.mark.parametrize("action", ["cancel", "force-cancel", "kill"])
def test_a_cancel_reaches_what_runs_on_the_components(api: TestClient, core: Core, action: str) -> None:
    key = start(api, "check").json()["id"]
    far = {"lease_until": core.clock.now().replace(year=2100), "worker_id": "w"}
    kept = an_execution(core, deployment_id="bolt", status="started", **far)
    an_execution(core, deployment_id="other", status="started", **far)
    assert api.post(f"/executions/{key}", json={"action": action}).status_code == 200
    shown = {item["id"]: item["status"] for item in api.get("/executions").json()["items"]}
    assert shown.pop(kept) == {"cancel": "cancelling", "force-cancel": "force_cancelling"}.get(
        action, "kill_cancelling"
    )
    assert sorted(shown.values()) == ["cancelled", "cancelled", "cancelled", "started"]
