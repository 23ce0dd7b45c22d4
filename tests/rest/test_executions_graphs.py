"""Stored tasks graphs and operations over REST, on both databases (REST contract §15)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from manager_core.access.caller import system_caller
from manager_core.bootstrap import Core
from manager_core.executions.tables import Operation
from manager_core.nodes.tables import Node, NodeInstance
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
    ("operation", "text"),
    [
        ({"type": "RemoteWorkflowTask"}, "id"),
        ({"id": "x"}, "type"),
        ({"id": "x", "type": "t", "parameters": [1]}, "parameters"),
        ({"id": "x", "type": "t", "dependencies": "o0"}, "dependencies"),
        ({"id": "x", "type": "t", "dependencies": [{}]}, "dependencies"),
        ({"id": "x", "type": "t", "state": "odd"}, "Invalid operation state: odd"),
    ],
)
def test_a_graph_of_operations_that_are_none_is_refused(api: TestClient, operation: dict[str, Any], text: str) -> None:
    body = {"name": "odd", "execution_id": "e", "operations": [operation]}
    answer = api.post("/tasks_graphs/tasks_graphs", json=body)
    assert (answer.status_code, text in answer.json()["message"]) == (400, True), answer.text
    assert api.get("/tasks_graphs?execution_id=e&name=odd").json()["items"] == []


def test_a_stored_state_is_the_one_that_was_given_and_odd_parameters_stop_no_resume(
    api: TestClient, core: Core
) -> None:
    operation = {"id": "x", "type": "RemoteWorkflowTask", "state": "failed", "parameters": {"retried_task": ["o0"]}}
    body = {"name": "more", "execution_id": "e", "operations": [operation]}
    assert api.post("/tasks_graphs/tasks_graphs", json=body).status_code == 201
    assert api.get("/operations/x").json()["state"] == "failed"
    core.executions.act(system_caller("default_tenant"), "e", "resume")
    assert api.get("/operations/x").json()["state"] == "pending"


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


INSTANCE = "n_1"


@pytest.fixture
def reporting(core: Core, client: TestClient) -> Iterator[TestClient]:
    """A client of a manager whose execution `e` has a graph of what a client runs: operations, states, events."""
    a_deployment(core)
    an_execution(core, id="e", status="started")
    owned: dict[str, Any] = {"tenant_name": "default_tenant", "created_by": "admin", "created_at": core.clock.now()}
    with core.store.write() as session:
        session.add(Node(id="n", deployment_id="dep", blueprint_id="bp", type="t", type_hierarchy=["t"], **owned))
        session.flush()
        session.add(
            NodeInstance(
                id=INSTANCE, node_id="n", deployment_id="dep", state="starting", scaling_groups=[], relationships=[],
                runtime_properties={}, **owned,
            )
        )  # fmt: skip
    context = {"node_id": INSTANCE, "node_name": "n", "operation": {"name": "i.start"}}
    remote = {"task_kwargs": {"kwargs": {"__cloudify_context": context}}, "total_retries": 2}
    tasks: dict[str, tuple[str, dict[str, Any]]] = {
        "remote": ("RemoteWorkflowTask", {**remote, "current_retries": 0}),
        "again": ("RemoteWorkflowTask", {**remote, "current_retries": 1}),
        "silent": ("RemoteWorkflowTask", {**remote, "send_task_events": False}),
        "group": ("SubgraphTask", {"info": {"name": "group"}}),
        "local": ("LocalWorkflowTask", {}),
        "state": ("SetNodeInstanceStateTask", {"task_kwargs": {"node_instance_id": INSTANCE, "state": "started"}}),
        "told": ("SendNodeEventTask", {"task_kwargs": {"node_instance_id": INSTANCE, "event": "seen"}}),
        "odd": ("SetNodeInstanceStateTask", {"task_kwargs": "nothing"}),
        "lost": ("SetNodeInstanceStateTask", {"task_kwargs": {"node_instance_id": "gone", "state": "started"}}),
    }
    operations = [
        {"id": key, "name": f"mod.{key}", "type": kind, "dependencies": [], "parameters": parameters}
        for key, (kind, parameters) in tasks.items()
    ]
    body = {"name": "work", "execution_id": "e", "operations": operations}
    assert client.post("/tasks_graphs/tasks_graphs", json=body).status_code == 201
    yield client


def report(api: TestClient, operation: str, state: str, **more: Any) -> None:
    answer = api.patch(f"/operations/{operation}", json={"state": state, **more})
    assert (answer.status_code, answer.json()) == (200, {}), answer.text


def told(api: TestClient) -> list[tuple[str, str]]:
    return [(item["event_type"], item["message"]) for item in api.get("/events?execution_id=e").json()["items"]]


def test_every_told_state_of_an_operation_is_an_event_and_the_others_are_none(reporting: TestClient) -> None:
    for state in ("sending", "sent", "started", "response-sent"):
        report(reporting, "remote", state)
    report(reporting, "remote", "succeeded", result={"a": 1})
    assert told(reporting) == [
        ("sending_task", "Sending task 'mod.remote'"),
        ("task_started", "Task started 'mod.remote'"),
        ("task_succeeded", "Task succeeded 'mod.remote' - {'a': 1}"),
    ]
    event = reporting.get("/events?execution_id=e").json()["items"][-1]
    assert (event["operation"], event["node_instance_id"], event["node_name"]) == ("i.start", INSTANCE, "n")
    assert (event["deployment_id"], event["workflow_id"], event["error_causes"]) == ("dep", "backup", None)


def test_a_failure_and_a_reschedule_tell_the_exception_its_causes_and_the_retry(reporting: TestClient) -> None:
    causes = [{"type": "ValueError", "message": "boom", "traceback": "File x"}]
    report(reporting, "remote", "rescheduled", exception="later", manager_name="m1", agent_name="a1")
    report(reporting, "again", "failed", exception="boom", exception_causes=causes)
    assert told(reporting) == [
        ("task_rescheduled", "Task rescheduled 'mod.remote' -> later"),
        ("task_failed", "Task failed 'mod.again' -> boom [retry 1/2]"),
    ]
    first, second = reporting.get("/events?execution_id=e").json()["items"]
    assert (first["manager_name"], first["agent_name"], second["error_causes"]) == ("m1", "a1", causes)


def test_subgraphs_are_told_as_such_and_local_tasks_not_at_all(reporting: TestClient) -> None:
    for operation in ("group", "local"):
        report(reporting, operation, "started")
        report(reporting, operation, "failed")
    assert told(reporting) == [
        ("task_started", "Subgraph started 'mod.group'"),
        ("task_failed", "Subgraph failed 'mod.group'"),
    ]


def test_a_task_without_events_tells_its_failure_alone(reporting: TestClient) -> None:
    for state in ("sending", "started", "failed"):
        report(reporting, "silent", state, exception="no" if state == "failed" else None)
    assert told(reporting) == [("task_failed", "Task failed 'mod.silent' -> no")]


def test_a_state_that_is_reported_twice_is_told_and_counted_once(reporting: TestClient) -> None:
    for _ in range(2):
        report(reporting, "remote", "started")
        report(reporting, "told", "succeeded")
    for _ in range(2):
        report(reporting, "remote", "succeeded")
        report(reporting, "state", "succeeded")
    assert [event for event, _ in told(reporting)] == ["task_started", "workflow_node_event", "task_succeeded"]
    assert counters(reporting) == (9, 3)
    assert reporting.get(f"/node-instances/{INSTANCE}").json()["version"] == 2


def test_a_state_task_that_succeeds_gives_the_instance_its_state(reporting: TestClient, core: Core) -> None:
    for state in ("started", "failed"):
        report(reporting, "state", state)
        assert reporting.get(f"/node-instances/{INSTANCE}").json()["state"] == "starting"
    report(reporting, "state", "succeeded")
    shown = reporting.get(f"/node-instances/{INSTANCE}").json()
    assert (shown["state"], shown["version"], shown["is_status_check_ok"]) == ("started", 2, True)
    status = shown["system_properties"]["status"]
    assert (status["ok"], status["result"], status["task"]) == (True, None, None)
    assert status["timestamp"].endswith("Z")
    assert shown["system_properties"]["previous_status"] is None
    assert told(reporting) == []


def test_a_configured_instance_has_not_drifted_any_more(reporting: TestClient, core: Core) -> None:
    drifted = {"configuration_drift": {"ok": True, "result": "changed"}, "mine": 1}
    path = f"/node-instances/{INSTANCE}"
    assert reporting.patch(path, json={"version": 1, "system_properties": drifted}).json()["has_configuration_drift"]
    kwargs = {"node_instance_id": INSTANCE, "state": "configured"}
    body = {"name": "s", "graph_id": reporting.get("/tasks_graphs?execution_id=e").json()["items"][0]["id"]}
    more = {"dependencies": [], "type": "SetNodeInstanceStateTask", "parameters": {"task_kwargs": kwargs}}
    assert reporting.put("/operations/configured", json={**body, **more}).status_code == 201
    report(reporting, "configured", "succeeded")
    shown = reporting.get(path).json()
    assert (shown["state"], shown["has_configuration_drift"]) == ("configured", False)
    assert shown["system_properties"] == {"configuration_drift": None, "mine": 1}


def test_an_event_task_that_succeeds_tells_its_message(reporting: TestClient) -> None:
    report(reporting, "told", "started")
    assert told(reporting) == []
    report(reporting, "told", "succeeded")
    assert told(reporting) == [("workflow_node_event", "seen")]
    (event,) = reporting.get("/events?execution_id=e").json()["items"]
    assert (event["node_instance_id"], event["node_name"], event["operation"]) == (INSTANCE, "n", None)


def test_a_task_that_says_nothing_of_an_instance_changes_none(reporting: TestClient) -> None:
    report(reporting, "odd", "succeeded")
    assert reporting.get(f"/node-instances/{INSTANCE}").json()["version"] == 1


def test_a_state_of_an_instance_that_has_gone_is_refused_and_leaves_the_operation(reporting: TestClient) -> None:
    answer = reporting.patch("/operations/lost", json={"state": "succeeded"})
    assert (answer.status_code, answer.json()["message"]) == (
        404,
        "Requested `NodeInstance` with ID `gone` was not found",
    )
    assert reporting.get("/operations/lost").json()["state"] == "pending"
    assert counters(reporting) == (9, 0)


def test_a_deleted_operation_counts_no_more(reporting: TestClient) -> None:
    report(reporting, "remote", "succeeded")
    assert counters(reporting) == (9, 1)
    assert reporting.delete("/operations/remote").status_code == 204
    assert counters(reporting) == (8, 0)
    assert reporting.delete("/operations/group").status_code == 204
    assert counters(reporting) == (7, 0)


def test_what_a_client_reported_is_what_a_resume_finds(reporting: TestClient, core: Core) -> None:
    report(reporting, "remote", "response-sent", result=5)
    report(reporting, "again", "response-sent", exception="boom")
    with core.store.read() as session:
        kept = {row.id: row.response for row in session.query(Operation)}  # type: ignore[deprecated]
    assert kept["remote"] == {"result": 5}
    error = kept["again"]["error"]
    assert (error["kind"], error["message"], error["causes"][0]["message"]) == ("recoverable", "boom", "boom")
