"""Stored tasks graphs and operations over REST, on both databases (REST contract §15)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from manager_core.access.caller import system_caller
from manager_core.bootstrap import Core
from tests.support.rows import a_deployment, an_execution

TYPES = ("RemoteWorkflowTask", "SubgraphTask", "LocalWorkflowTask", "NOPLocalWorkflowTask")


@pytest.fixture
def api(core: Core, client: TestClient) -> Iterator[TestClient]:
    """A client of a manager whose execution `e` has a graph `g` with one operation of each type."""
    a_deployment(core)
    an_execution(core, id="e", status="failed")
    operations = [
        {"id": f"o{at}", "name": f"n{at}", "type": kind, "dependencies": [], "parameters": {"current_retries": 2}}
        for at, kind in enumerate(TYPES)
    ]  # fmt: skip
    answer = client.post(
        "/tasks_graphs/tasks_graphs",
        json={"name": "work", "execution_id": "e", "graph_id": "g", "operations": operations},
    )
    assert answer.status_code == 201
    assert answer.json()["id"] == "g"
    yield client


def ids(api: TestClient, query: str) -> list[str]:
    answer = api.get(f"/operations?{query}")
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


def counters(api: TestClient) -> tuple[int, int]:
    shown = api.get("/executions/e").json()
    return shown["total_operations"], shown["finished_operations"]


def test_operations_are_found_by_graph_or_execution(api: TestClient) -> None:
    assert ids(api, "graph_id=g") == ids(api, "execution_id=e") == ["o0", "o1", "o2", "o3"]
    assert ids(api, "graph_id=g&skip_internal=True") == ["o0", "o1"]
    assert ids(api, "graph_id=g&state=succeeded") == []
    one = api.get("/operations/o0").json()
    assert one == {
        "id": "o0", "name": "n0", "state": "pending", "created_at": one["created_at"], "dependencies": [],
        "type": "RemoteWorkflowTask", "parameters": {"current_retries": 2}, "manager_name": None, "agent_name": None,
        "tasks_graph_id": "g",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("graph_id=g&execution_id=e", "Pass either graph_id or execution_id, not both"),
        ("", "Missing required param: graph_id or execution_id"),
    ],
)
def test_operations_need_exactly_one_owner(api: TestClient, query: str, text: str) -> None:
    answer = api.get(f"/operations?{query}")
    assert (answer.status_code, answer.json()["message"]) == (400, text)


def test_only_what_counts_is_counted_and_once(api: TestClient) -> None:
    assert counters(api) == (3, 0)
    for state in ("started", "succeeded", "succeeded", "failed"):
        assert api.patch("/operations/o0", json={"state": state}).status_code == 200
    api.patch("/operations/o3", json={"state": "succeeded"})
    assert counters(api) == (3, 1)
    more = {"name": "x", "graph_id": "g", "dependencies": ["o0"], "type": "RemoteWorkflowTask", "parameters": {}}
    assert api.put("/operations/new", json=more).status_code == 201
    assert counters(api) == (4, 1)
    assert api.delete("/operations/new").status_code == 204
    assert api.get("/operations/new").status_code == 404


def test_a_graphs_name_is_unique_within_its_execution(api: TestClient) -> None:
    body = {"name": "work", "execution_id": "e"}
    assert api.post("/tasks_graphs/tasks_graphs", json=body).status_code == 409
    assert api.post("/tasks_graphs/tasks_graphs", json={**body, "name": "other"}).status_code == 201
    assert api.get("/tasks_graphs?execution_id=e").json()["metadata"]["pagination"]["total"] == 2
    (found,) = api.get("/tasks_graphs?execution_id=e&name=work").json()["items"]
    assert (found["id"], found["execution_id"]) == ("g", "e")
    assert api.get("/tasks_graphs").status_code == 400
    assert api.patch("/tasks_graphs/g", json={"state": "x"}).status_code == 200


@pytest.mark.parametrize(
    ("action", "reset"),
    [("resume", {"o1", "o2"}), ("force-resume", {"o0", "o1", "o2"})],
)
def test_resuming_resets_what_had_failed_with_a_fresh_budget(
    api: TestClient, core: Core, action: str, reset: set[str]
) -> None:
    for key, state in (("o0", "started"), ("o1", "failed"), ("o2", "rescheduled"), ("o3", "succeeded")):
        api.patch(f"/operations/{key}", json={"state": state})
    core.executions.act(system_caller("default_tenant"), "e", action)
    shown: list[dict[str, Any]] = api.get("/operations?graph_id=g").json()["items"]
    assert {item["id"] for item in shown if item["state"] == "pending"} == reset
    assert {item["id"] for item in shown if item["parameters"]["current_retries"] == 0} == reset
    assert counters(api) == (3, 0)


def test_an_operation_whose_retry_is_stored_is_not_reset(api: TestClient, core: Core) -> None:
    retry = {
        "name": "x", "graph_id": "g", "dependencies": [], "type": "RemoteWorkflowTask",
        "parameters": {"retried_task": "o0", "current_retries": 1},
    }  # fmt: skip
    api.put("/operations/again", json=retry)
    for key in ("o0", "again"):
        api.patch(f"/operations/{key}", json={"state": "failed"})
    core.executions.act(system_caller("default_tenant"), "e", "resume")
    assert api.get("/operations/o0").json()["state"] == "failed"
    assert api.get("/operations/again").json()["state"] == "pending"
