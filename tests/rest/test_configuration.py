"""Configuration values that an operator changes at run time (REST contract §2.3)."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from manager_core.bootstrap import Core
from manager_core.errors import NotFound
from tests.support.people import a_user
from tests.support.requests import error

ITEM = {"name", "value", "schema", "scope", "is_editable", "admin_only", "updated_at", "updater_name"}


def test_values_are_listed_with_roles_and_permissions(client: TestClient) -> None:
    body = client.get("/config").json()
    assert all(set(item) == ITEM for item in body["items"])
    assert body["metadata"]["pagination"]["total"] == len(body["items"])
    assert {role["name"] for role in body["authorization"]["roles"]} >= {"sys_admin", "default", "viewer"}
    assert body["authorization"]["permissions"]["execution_start"] == ["manager", "operations", "sys_admin", "user"]


def test_a_scope_narrows_the_list(client: TestClient) -> None:
    body = client.get("/config", params={"scope": "rest"}).json()
    assert {item["scope"] for item in body["items"]} == {"rest"}
    assert "authorization" not in body
    assert "blueprint_folder_max_size_mb" not in body, "clients then fall back to their own limits"


def test_a_change_holds_from_the_next_reading(core: Core, client: TestClient) -> None:
    assert core.configuration.value("max_concurrent_workflows") == 20
    answer = client.put("/config/max_concurrent_workflows", json={"value": 3})
    assert answer.status_code == 200
    assert (answer.json()["value"], answer.json()["updater_name"]) == (3, "admin")
    assert core.configuration.value("max_concurrent_workflows") == 3
    assert client.get("/config/rest.max_concurrent_workflows").json()["value"] == 3


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("max_concurrent_workflows", {"value": 0}, 400),
        ("max_concurrent_workflows", {"value": "20"}, 400),
        ("max_concurrent_workflows", {"value": True}, 400),
        ("max_concurrent_workflows", {}, 400),
        ("nothing", {"value": 1}, 404),
        ("workflow.max_concurrent_workflows", {"value": 1}, 404),
        ("public_ip", {"value": "10.0.0.1"}, 409),
    ],
)
def test_a_bad_change_is_refused(client: TestClient, name: str, body: dict[str, object], status: int) -> None:
    assert error(client.put(f"/config/{name}", json=body))[0] == status


def test_a_fixed_value_changes_by_force(client: TestClient) -> None:
    assert client.put("/config/public_ip", json={"value": "10.0.0.1", "force": True}).status_code == 200


def test_only_managers_change_values(client: TestClient) -> None:
    headers = a_user(client, "alice", role="user")
    assert client.get("/config", headers=headers).status_code == 200
    assert error(client.put("/config/max_concurrent_workflows", json={"value": 3}, headers=headers))[0] == 403


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("task_retries", 60),
        ("task_retry_interval", 15),
        ("subgraph_retries", 0),
        ("max_concurrent_workflows", 20),
        ("default_page_size", 1000),
        ("failed_logins_before_account_lock", 4),
    ],
)
def test_defaults_are_the_contracts(sqlite_core: Core, name: str, default: int) -> None:
    assert sqlite_core.configuration.value(name) == default


def test_an_unknown_value_is_an_error(sqlite_core: Core) -> None:
    with pytest.raises(NotFound):
        sqlite_core.configuration.value("nothing")
