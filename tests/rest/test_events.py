"""Events and logs over REST, on both databases (REST contract §11)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from manager_core.bootstrap import Core
from manager_core.nodes.tables import NodeInstance
from tests.support.clock import START
from tests.support.rows import a_deployment, an_execution

KEYS = {
    "_storage_id", "type", "message", "reported_timestamp", "timestamp", "blueprint_id", "deployment_id",
    "deployment_display_name", "execution_id", "execution_group_id", "workflow_id", "operation", "node_name",
    "node_instance_id", "source_id", "target_id", "error_causes", "manager_name", "agent_name",
}  # fmt: skip


@pytest.fixture
def api(core: Core, client: TestClient) -> Iterator[TestClient]:
    """A client of a manager with one execution `e` of the deployment `dep`."""
    a_deployment(core)
    an_execution(core, id="e", blueprint_id="bp")
    yield client


def store(core: Core, *messages: str, execution_id: str = "e", **more: Any) -> None:
    """Store events a second apart, beginning at the clock's start."""
    rows = [
        {
            "tenant_name": "default_tenant", "execution_id": execution_id, "deployment_id": "dep",
            "type": "cloudify_event", "event_type": "workflow_stage", "message": message,
            "reported_timestamp": START + timedelta(seconds=number), **more,
        }
        for number, message in enumerate(messages)
    ]  # fmt: skip
    with core.store.write() as session:
        core.events.add_in(session, rows)


def listed(api: TestClient, query: str = "") -> list[str]:
    answer = api.get(f"/events{query}")
    assert answer.status_code == 200, answer.text
    return [item["message"] for item in answer.json()["items"]]


def test_an_event_and_a_log_have_every_key_that_clients_read(api: TestClient, core: Core) -> None:
    causes = [{"type": "E", "message": "m", "traceback": "t"}]
    store(core, "one", error_causes=causes, node_instance_id="n_1", node_name="n", operation="op")
    store(core, "two", type="cloudify_log", event_type=None, logger="ctx.e", level="info")
    page = api.get("/events").json()
    event, log = page["items"]
    assert set(event) == {*KEYS, "event_type"}
    assert set(log) == {*KEYS, "logger", "level"}
    assert event["error_causes"] == causes
    assert (event["workflow_id"], event["blueprint_id"], event["deployment_display_name"]) == ("backup", "bp", "dep")
    assert event["reported_timestamp"] == "2026-03-02T12:00:00.000Z"
    assert page["metadata"]["pagination"] == {"total": 2, "size": 10000, "offset": 0}


def test_pages_keep_one_order_in_both_directions_from_either_end(api: TestClient, core: Core) -> None:
    names = [f"m{number}" for number in range(10)]
    store(core, *names)
    for size in (1, 3, 4, 10):
        forwards = [name for offset in range(0, 10, size) for name in listed(api, f"?_size={size}&_offset={offset}")]
        assert forwards == names
        query = f"?_sort=-reported_timestamp&_size={size}"
        backwards = [name for offset in range(0, 10, size) for name in listed(api, f"{query}&_offset={offset}")]
        assert backwards == names[::-1]
    assert listed(api, "?_offset=10") == []
    assert listed(api, "?_size=0") == []


def test_ties_are_in_the_order_of_arrival(api: TestClient, core: Core) -> None:
    for name in ("a", "b", "c"):
        store(core, name)
    assert listed(api) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?type=cloudify_event", ["plain", "node"]),
        ("?type=cloudify_log", ["log"]),
        ("?type=cloudify_event&type=cloudify_log", ["plain", "node", "log"]),
        ("?event_type=workflow_stage", ["plain"]),
        ("?level=info", ["log"]),
        ("?level=info&level=debug", ["log"]),
        ("?node_id=n", ["node"]),
        ("?node_instance_id=n_1", ["node"]),
        ("?operation=%25create", ["node"]),
        ("?message=PL%25", ["plain"]),
        ("?message.text=%25o%25", ["node", "log"]),
        ("?execution_id=e", ["plain", "node", "log"]),
        ("?execution_id=other", []),
        ("?deployment_id=dep", ["plain", "node", "log"]),
        ("?blueprint_id=bp", ["plain", "node", "log"]),
        ("?blueprint_id=none", []),
        ("?_range=reported_timestamp,2026-03-02T12:00:01,", []),
        ("?_range=@timestamp,,2026-03-02T12:00:01", ["plain", "node", "log"]),
    ],
)
def test_filters_take_what_the_contract_names(api: TestClient, core: Core, query: str, expected: list[str]) -> None:
    store(core, "plain")
    store(core, "node", event_type="task_started", node_name="n", node_instance_id="n_1", operation="i.create")
    store(core, "log", type="cloudify_log", event_type=None, logger="l", level="info")
    assert listed(api, query) == expected


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("?odd=1", "Unknown field to filter by: odd. Allowed values: "),
        ("?_sort=message", "Unknown field to sort by: message"),
        ("?_range=message,a,b", "Unknown field to filter by range: message"),
        ("?_range=reported_timestamp,x,", "x is not a legal time format"),
        ("?_range=reported_timestamp", "Range parameter is not valid"),
        ("?_size=-1", "_size must be a non-negative integer, got -1"),
    ],
)
def test_a_wrong_query_is_refused(api: TestClient, query: str, text: str) -> None:
    answer = api.get(f"/events{query}")
    assert (answer.status_code, answer.json()["error_code"]) == (400, "bad_parameters_error")
    assert answer.json()["message"].startswith(text)


def test_posted_events_and_logs_are_stored_with_the_node_of_their_instance(api: TestClient, core: Core) -> None:
    with core.store.write() as session:
        session.add(
            NodeInstance(
                id="n_1", node_id="n", deployment_id="dep", tenant_name="default_tenant", created_by="admin",
                created_at=START,
            )
        )  # fmt: skip
    body = {
        "execution_id": "e",
        "events": [{"event_type": "x", "message": {"text": "one"}, "context": {"node_id": "n_1"}}],
        "logs": [{"logger": "l", "level": "INFO", "message": {"text": "two"}, "context": {"operation": "op"}}],
    }
    answer = api.post("/events", json=body)
    assert (answer.status_code, answer.json()) == (201, None)
    event, log = api.get("/events").json()["items"]
    assert (event["node_name"], event["node_instance_id"], event["event_type"]) == ("n", "n_1", "x")
    assert (log["level"], log["operation"], log["message"]) == ("info", "op", "two")
    assert api.post("/events", json={"execution_id": "e"}).status_code == 204


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"execution_id": "e", "execution_group_id": "g"}, 409, "not both"),
        ({}, 409, "No execution passed"),
        ({"execution_id": "none", "events": []}, 404, "was not found"),
        ({"execution_id": "e", "events": [{"event_type": "x", "message": {"text": "t"}}]}, 400, "Missing context"),
        ({"execution_id": "e", "events": [{"context": {}, "message": {"text": "t"}}]}, 400, "Missing event_type"),
        (
            {"execution_id": "e", "logs": [{"context": {}, "message": "t", "logger": "l", "level": "info"}]},
            400,
            "message.text",
        ),
    ],
)  # fmt: skip
def test_events_that_cannot_be_stored_are_refused(
    api: TestClient, body: dict[str, Any], status: int, text: str
) -> None:
    answer = api.post("/events", json=body)
    assert answer.status_code == status
    assert text in answer.json()["message"]


def test_deleting_takes_the_deployments_events_and_logs_only_when_asked(api: TestClient, core: Core) -> None:
    store(core, "one", "two")
    store(core, "log", type="cloudify_log", event_type=None, logger="l", level="info")
    query = "?deployment_id=dep&type=cloudify_event"
    answer = api.request("DELETE", f"/events{query}&_range=reported_timestamp,2026-03-02T12:00:01,")
    assert answer.json() == {"items": [1], "metadata": {"pagination": {"total": 1, "size": 0, "offset": 0}}}
    assert listed(api) == ["one", "log"]
    assert api.request("DELETE", f"/events{query}&type=cloudify_log").json()["items"] == [2]
    assert api.request("DELETE", "/events?deployment_id=dep&type=cloudify_log").status_code == 400
    assert api.request("DELETE", "/events?type=cloudify_event").status_code == 400
    assert api.request("DELETE", "/events?deployment_id=none&type=cloudify_event").status_code == 404


def test_a_private_executions_events_are_its_owners(core: Core, api: TestClient) -> None:
    from dataclasses import replace

    from manager_core.access.caller import Caller
    from manager_core.events.listing import parse_event_query

    an_execution(core, id="p", visibility="private", created_by="admin")
    store(core, "secret", execution_id="p")
    store(core, "open")
    other = Caller(username="bob", roles=frozenset({"default", "user"}), tenant="default_tenant")
    seen = core.events.list(other, parse_event_query([]))
    assert [item["message"] for item in seen["items"]] == ["open"]
    assert core.events.list(other, parse_event_query([("execution_id", "p")]))["items"] == []
    elsewhere = replace(other, tenant="elsewhere")
    assert core.events.list(elsewhere, parse_event_query([]))["items"] == []
