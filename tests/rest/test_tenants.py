"""Tenants and membership (REST contract §4.3)."""

from __future__ import annotations

from starlette.testclient import TestClient

from tests.support.people import PASSWORD, a_tenant, a_user
from tests.support.requests import error


def test_a_new_tenant_is_shown_with_counts(client: TestClient) -> None:
    answer = client.post("/tenants/second", json={"rabbitmq_password": ""})
    assert answer.status_code == 201
    assert answer.json() == {
        "name": "second",
        "groups": 0,
        "users": 0,
        "user_roles": None,
        "rabbitmq_username": None,
        "rabbitmq_password": None,
        "rabbitmq_vhost": None,
    }


def test_get_data_expands_members(client: TestClient) -> None:
    a_user(client, "alice", role="operations")
    tenant = client.get("/tenants/default_tenant", params={"_get_data": "True"}).json()
    assert tenant["groups"] == {}
    assert tenant["users"]["alice"] == {"tenant-role": "operations", "roles": ["operations"]}
    assert tenant["user_roles"]["direct"]["alice"] == "operations"


def test_taken_reserved_and_unknown_names(client: TestClient) -> None:
    a_tenant(client, "second")
    assert error(client.post("/tenants/second", json={}))[:2] == (409, "conflict_error")
    assert error(client.post("/tenants/user-groups", json={}))[0] == 400
    assert error(client.get("/tenants/third"))[:2] == (404, "not_found_error")
    assert error(client.delete("/tenants/third"))[:2] == (404, "not_found_error")


def test_membership_begins_changes_and_ends(client: TestClient) -> None:
    client.put("/users", json={"username": "alice", "password": PASSWORD})
    member = {"tenant_name": "default_tenant", "username": "alice"}
    assert client.put("/tenants/users", json=member).status_code == 200
    assert error(client.put("/tenants/users", json=member))[:2] == (409, "conflict_error")
    assert client.patch("/tenants/users", json={**member, "role": "viewer"}).status_code == 200
    assert client.get("/users/alice", params={"_get_data": "true"}).json()["tenant_roles"]["direct"] == {
        "default_tenant": "viewer"
    }
    assert client.request("DELETE", "/tenants/users", json=member).status_code == 204
    assert error(client.request("DELETE", "/tenants/users", json=member))[:2] == (404, "not_found_error")
    assert error(client.patch("/tenants/users", json={**member, "role": "viewer"}))[:2] == (404, "not_found_error")


def test_a_system_role_is_no_role_in_a_tenant(client: TestClient) -> None:
    body = {"tenant_name": "default_tenant", "username": "admin", "role": "sys_admin"}
    assert error(client.patch("/tenants/users", json=body))[0] == 400


def test_a_user_sees_the_own_tenants_and_no_others(client: TestClient) -> None:
    a_tenant(client, "second")
    headers = a_user(client, "alice")
    assert [item["name"] for item in client.get("/tenants", headers=headers).json()["items"]] == ["default_tenant"]
    assert [item["name"] for item in client.get("/tenants").json()["items"]] == ["default_tenant", "second"]
    assert client.get("/tenants/default_tenant", headers=headers).status_code == 200
    assert error(client.get("/tenants/second", headers=headers))[0] == 403
    assert error(client.get("/tenants", params={"_get_data": "True"}, headers=headers))[0] == 403


def test_the_first_tenant_and_tenants_that_own_things_stay(client: TestClient) -> None:
    assert error(client.delete("/tenants/default_tenant"))[:2] == (409, "conflict_error")
    a_tenant(client, "second")
    assert client.put("/secrets/k", json={"value": "v"}, headers={"Tenant": "second"}).status_code == 200
    assert error(client.delete("/tenants/second"))[:2] == (409, "conflict_error")
    assert client.delete("/secrets/k", headers={"Tenant": "second"}).status_code == 204
    assert client.delete("/tenants/second").status_code == 204
