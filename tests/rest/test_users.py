"""Users and their roles (REST contract §4.2)."""

from __future__ import annotations

import pytest
from sqlmodel import select
from starlette.testclient import TestClient

from manager_core.bootstrap import Core
from manager_core.filters.tables import Filter
from tests.support.clock import FakeClock
from tests.support.people import PASSWORD, a_tenant, a_user
from tests.support.requests import basic, error

KEYS = {
    "username", "role", "groups", "tenants", "tenant_roles", "group_system_roles", "active", "is_locked", "created_at",
    "first_login_at", "last_login_at", "show_getting_started", "password_hash",
}  # fmt: skip


def test_a_new_user_is_shown_whole(client: TestClient, clock: FakeClock) -> None:
    answer = client.put("/users", json={"username": "Alice", "password": PASSWORD, "role": "default"})
    assert answer.status_code == 201
    user = answer.json()
    assert set(user) == KEYS
    assert user["username"] == "Alice"
    assert user["active"] is True
    assert user["is_locked"] is False
    assert (user["groups"], user["tenants"], user["tenant_roles"], user["group_system_roles"]) == (0, 0, None, {})
    assert user["created_at"] == clock.now().strftime("%Y-%m-%dT%H:%M:%S.000Z")
    assert client.get("/users/alice").json() == user


def test_get_data_expands_tenants(client: TestClient) -> None:
    a_tenant(client, "second")
    a_user(client, "alice", role="viewer", tenant="second")
    user = client.get("/users/alice", params={"_get_data": "True"}).json()
    assert user["groups"] == []
    assert user["tenants"] == {"second": {"tenant-role": "viewer", "roles": ["viewer"]}}
    assert user["tenant_roles"] == {"direct": {"second": "viewer"}, "groups": {}}
    assert client.get("/users/alice").json()["tenants"] == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"password": PASSWORD}, "Missing username in json request body"),
        ({"username": "u"}, "Missing password in json request body"),
        ({"username": "u", "password": "four"}, "The password is too short. Minimum allowed length is 5 characters"),
        (
            {"username": "u", "password": "x" * 257},
            "The password is too long. Maximum allowed length is 256 characters",
        ),
        (
            {"username": "u", "password": PASSWORD, "role": "king"},
            "Invalid role: `king`. Valid system_role roles are: ['sys_admin', 'default']",
        ),
        (
            {"username": "u", "password": PASSWORD, "role": "viewer"},
            "Role `viewer` is a tenant_role and cannot be assigned as a system_role",
        ),
        ({"username": "1u", "password": PASSWORD}, "The `username` argument must begin with a letter"),
        ({"username": "", "password": PASSWORD}, "The `username` argument is empty"),
        ({"username": 7, "password": PASSWORD}, "username parameter is expected to be of type str but is of type int"),
        ({"username": "u", "password": "plain", "is_prehashed": True}, "A prehashed password must be an argon2 hash"),
    ],
)
def test_a_bad_user_is_refused_by_field(client: TestClient, body: dict[str, object], message: str) -> None:
    assert error(client.put("/users", json=body)) == (400, "bad_parameters_error", message)


def test_a_taken_name_is_refused_in_any_letter_case(client: TestClient) -> None:
    a_user(client, "alice")
    status, code, _ = error(client.put("/users", json={"username": "ALICE", "password": PASSWORD}))
    assert (status, code) == (409, "conflict_error")


def test_a_prehashed_password_works_as_it_was(client: TestClient) -> None:
    a_user(client, "alice")
    hashed = client.get("/users/alice").json()["password_hash"]
    body = {"username": "bob", "password": hashed, "is_prehashed": True}
    assert client.put("/users", json=body).status_code == 201
    assert client.get("/user", headers=basic("bob", PASSWORD)).status_code == 200


def test_hashes_are_shown_to_administrators_alone(client: TestClient) -> None:
    headers = a_user(client, "alice")
    assert client.get("/user", headers=headers).json()["password_hash"] is None
    assert client.get("/users", headers=headers).status_code == 403


def test_everybody_may_set_the_own_password_but_not_the_own_role(client: TestClient) -> None:
    headers = a_user(client, "alice")
    a_user(client, "bob")
    assert client.post("/users/alice", json={"password": "changed"}, headers=headers).status_code == 200
    headers |= basic("alice", "changed")
    assert client.post("/users/alice", json={"role": "sys_admin"}, headers=headers).status_code == 403
    assert client.post("/users/bob", json={"password": "stolen"}, headers=headers).status_code == 403


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"password": "abcdef", "role": "default"}, "Both `password` and `role` provided"),
        ({}, "No valid user settings provided. Available settings: password, role, show_getting_started"),
        ({"role": "default"}, "Cannot modify the role of the last active sys_admin"),
    ],
)
def test_a_change_sets_one_thing_and_leaves_an_administrator(
    client: TestClient, body: dict[str, object], message: str
) -> None:
    assert error(client.post("/users/admin", json=body)) == (400, "bad_parameters_error", message)


def test_the_last_administrator_stays(client: TestClient) -> None:
    answer = client.post("/users/active/admin", json={"action": "deactivate"})
    assert error(answer)[2] == "Cannot deactivate the last active sys_admin"
    client.put("/users", json={"username": "second", "password": PASSWORD, "role": "sys_admin"})
    assert client.post("/users/active/second", json={"action": "deactivate"}).status_code == 200
    assert error(client.post("/users/admin", json={"role": "default"}))[0] == 400
    assert error(client.delete("/users/admin"))[0] == 400


def test_activation_is_refused_when_it_changes_nothing(client: TestClient) -> None:
    a_user(client, "alice")
    assert error(client.post("/users/active/alice", json={"action": "activate"}))[:2] == (409, "conflict_error")
    assert client.post("/users/active/alice", json={"action": "deactivate"}).json()["active"] is False
    assert client.post("/users/active/alice", json={"action": "activate"}).json()["active"] is True


def test_unlocking_lets_a_locked_user_in(client: TestClient) -> None:
    headers = a_user(client, "alice")
    for _ in range(5):
        client.get("/user", headers=basic("alice", "wrong"))
    assert client.get("/users/alice").json()["is_locked"] is True
    unlocked = client.post("/users/unlock/alice", headers={"Content-Type": "application/json"})
    assert (unlocked.status_code, unlocked.json()["is_locked"]) == (200, False)
    assert client.get("/user", headers=headers).status_code == 200


def test_an_owner_of_resources_is_not_removed(core: Core, client: TestClient) -> None:
    a_user(client, "alice")
    with core.store.write() as session:
        session.add(
            Filter(
                id="f", filtered_resource="blueprints", value=[], tenant_name="default_tenant", created_by="alice",
                created_at=core.clock.now(),
            )
        )  # fmt: skip
    assert error(client.delete("/users/alice"))[0] == 400
    with core.store.write() as session:
        session.delete(session.exec(select(Filter)).one())
    assert client.delete("/users/alice").status_code == 204
    assert error(client.get("/users/alice")) == (
        404,
        "not_found_error",
        "Requested `User` with ID `alice` was not found",
    )


def test_users_are_listed_by_the_list_conventions(client: TestClient) -> None:
    for name in ("carol", "alice", "bob"):
        a_user(client, name)
    page = client.get("/users", params={"_sort": "username", "_size": 2, "_offset": 1}).json()
    assert [item["username"] for item in page["items"]] == ["alice", "bob"]
    assert page["metadata"]["pagination"] == {"total": 4, "size": 2, "offset": 1}
    found = client.get("/users", params={"_search": "CAR", "_include": "username,role"}).json()["items"]
    assert found == [{"username": "carol", "role": "default"}]
    assert error(client.get("/users", params={"_sort": "nothing"}))[0] == 400
