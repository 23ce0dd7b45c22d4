"""Counting resources by their fields (REST contract §19, §10.5)."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from manager_core.bootstrap import Core
from manager_core.deployments.tables import Deployment
from manager_core.executions.tables import Execution
from tests.support.people import a_tenant
from tests.support.requests import error


@pytest.fixture
def filled(core: Core, client: TestClient) -> TestClient:
    """Two deployments, four executions, one of another tenant."""
    a_tenant(client, "other")
    now = core.clock.now()
    with core.store.write() as session:
        for name, blueprint in (("a", "b1"), ("b", "b1")):
            session.add(
                Deployment(
                    id=name, display_name=name, blueprint_id=blueprint, tenant_name="default_tenant",
                    created_by="admin", created_at=now, workflows={"backup": {"parameters": {}}},
                )
            )  # fmt: skip
        session.flush()
        for number, (deployment, status, tenant) in enumerate(
            [("a", "terminated", "default_tenant"), ("a", "failed", "default_tenant"),
             ("b", "terminated", "default_tenant"), (None, "terminated", "other")]
        ):  # fmt: skip
            session.add(
                Execution(
                    id=f"e{number}", workflow_id="w", deployment_id=deployment, status=status, tenant_name=tenant,
                    created_by="admin", created_at=now,
                )
            )  # fmt: skip
    return client


def summary(client: TestClient, type_name: str, **params: str) -> list[dict[str, object]]:
    """Return the items of a summary."""
    answer = client.get(f"/summary/{type_name}", params={f"_{name}": value for name, value in params.items()})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["metadata"]["pagination"]["total"] == len(body["items"])
    return body["items"]


def test_one_field_counts(filled: TestClient) -> None:
    assert summary(filled, "executions", target_field="status") == [
        {"status": "failed", "executions": 1},
        {"status": "terminated", "executions": 2},
    ]
    assert summary(filled, "executions", target_field="status_display")[0] == {
        "status_display": "completed",
        "executions": 2,
    }


def test_a_sub_field_counts_within(filled: TestClient) -> None:
    assert summary(filled, "executions", target_field="deployment_id", sub_field="status") == [
        {
            "deployment_id": "a",
            "executions": 2,
            "by status": [{"status": "failed", "executions": 1}, {"status": "terminated", "executions": 1}],
        },
        {"deployment_id": "b", "executions": 1, "by status": [{"status": "terminated", "executions": 1}]},
    ]


def test_all_tenants_and_filters(filled: TestClient) -> None:
    counted = summary(filled, "executions", target_field="tenant_name", all_tenants="True")
    assert counted == [{"tenant_name": "default_tenant", "executions": 3}, {"tenant_name": "other", "executions": 1}]
    answer = filled.get("/summary/executions", params={"_target_field": "status", "deployment_id": "b"})
    assert answer.json()["items"] == [{"status": "terminated", "executions": 1}]


@pytest.mark.parametrize("type_name", ["deployments", "nodes", "node_instances", "executions", "blueprints"])
def test_every_type_counts_by_visibility(filled: TestClient, type_name: str) -> None:
    assert all(type_name in item for item in summary(filled, type_name, target_field="visibility"))


@pytest.mark.parametrize(
    ("type_name", "params", "status"),
    [
        ("executions", {}, 400),
        ("executions", {"_target_field": "parameters"}, 400),
        ("executions", {"_target_field": "status", "_sub_field": "id"}, 400),
        ("execution_schedules", {"_target_field": "rule", "_sub_field": "recurrence"}, 400),
        ("nothing", {"_target_field": "status"}, 404),
    ],
)
def test_bad_fields_are_refused(client: TestClient, type_name: str, params: dict[str, str], status: int) -> None:
    assert error(client.get(f"/summary/{type_name}", params=params))[0] == status


def test_schedules_are_counted_by_recurrence(filled: TestClient) -> None:
    for name, deployment, rule in (
        ("once", "a", {"count": 1}),
        ("daily", "a", {"recurrence": "1 day"}),
        ("single", "a", {"recurrence": "1 day", "count": 1}),
        ("rrule", "b", {"rrule": "FREQ=DAILY;COUNT=3"}),
        ("rrule-once", "b", {"rrule": "FREQ=DAILY;COUNT=1"}),
    ):
        body = {"workflow_id": "backup", "since": "2030-01-01 00:00:00", **rule}
        made = filled.put(f"/execution-schedules/{name}", params={"deployment_id": deployment}, json=body)
        assert made.status_code == 201, made.text
    assert summary(filled, "execution_schedules", target_field="deployment_id", sub_field="recurrence") == [
        {
            "deployment_id": "a",
            "execution_schedules": 3,
            "by recurrence": [
                {"recurrence": "recurring", "execution_schedules": 1},
                {"recurrence": "single", "execution_schedules": 2},
            ],
        },
        {
            "deployment_id": "b",
            "execution_schedules": 2,
            "by recurrence": [
                {"recurrence": "recurring", "execution_schedules": 1},
                {"recurrence": "single", "execution_schedules": 1},
            ],
        },
    ]
    assert summary(filled, "execution_schedules", target_field="workflow_id") == [
        {"workflow_id": "backup", "execution_schedules": 5}
    ]
