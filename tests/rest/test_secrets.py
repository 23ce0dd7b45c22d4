"""Secrets: encrypted, hidden where asked, shown where allowed (REST contract §17)."""

from __future__ import annotations

import stat

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from manager_core.bootstrap import Core
from manager_core.errors import ManagerError, NotFound
from manager_core.secrets.cipher import cipher_from
from tests.support.people import a_tenant, a_user
from tests.support.requests import error


def put(client: TestClient, key: str = "k", **body: object) -> object:
    """Store a secret and return what is answered."""
    answer = client.put(f"/secrets/{key}", json={"value": "v", **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_secret_is_shown_whole_alone_and_without_value_in_lists(client: TestClient) -> None:
    put(client, value="s3cret-value")
    one = client.get("/secrets/k").json()
    assert (one["value"], one["private_resource"], one["resource_availability"]) == ("s3cret-value", False, "tenant")
    assert "s3cret-value" not in client.get("/secrets").text
    assert "value" not in client.get("/secrets/k", params={"_skip_value": "True"}).json()


def test_nothing_of_the_value_is_in_the_database(core: Core, client: TestClient) -> None:
    put(client, value="s3cret-value")
    with core.store.read() as session:
        rows = session.connection().execute(text("SELECT * FROM secrets")).mappings().all()
    assert "s3cret-value" not in str(rows)


def test_the_key_file_is_its_owners_alone_and_kept(core: Core, client: TestClient) -> None:
    put(client, value="v1")
    path = core.settings.data_dir / "secret-key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert cipher_from(None, core.settings.data_dir).decrypt(
        cipher_from(None, core.settings.data_dir).encrypt({"a": 2**70}), "k"
    ) == {"a": 2**70}


def test_a_secret_under_another_key_is_an_error_that_says_so(core: Core) -> None:
    token = cipher_from("one key", core.settings.data_dir).encrypt("v")
    assert cipher_from("one key", core.settings.data_dir).decrypt(token, "k") == "v"
    with pytest.raises(ManagerError, match="CLOUDIFY_SECRET_KEY"):
        cipher_from("another key", core.settings.data_dir).decrypt(token, "k")


def test_functions_read_the_own_tenants_value_before_a_global_one(core: Core, client: TestClient) -> None:
    a_tenant(client, "other")
    put(client, "shared", value="everywhere", visibility="global")
    put(client, "own", value="here")
    with core.store.read() as session:
        assert core.secrets.value(session, "other", "shared") == "everywhere"
        assert core.secrets.existing_names(session, "other", ["shared", "own", "none"]) == {"shared"}
        assert core.secrets.existing_names(session, "default_tenant", ["shared", "own", "none"]) == {"shared", "own"}
        with pytest.raises(NotFound, match="Requested `Secret` with ID `own` was not found"):
            core.secrets.value(session, "other", "own")


@pytest.mark.parametrize("body", [{}, {"value": ""}, {"value": None}])
def test_an_empty_value_is_refused(client: TestClient, body: dict[str, object]) -> None:
    status, code, message = error(client.put("/secrets/k", json=body))
    assert (status, code) == (400, "bad_parameters_error")
    assert message.startswith("Cannot create a secret with empty value or provider")


def test_a_taken_key_is_refused_unless_an_update_is_meant(client: TestClient) -> None:
    put(client, value="v1")
    where = "already exists on <Tenant name=`default_tenant`> or with global visibility"
    message = f"<Secret id=`k` tenant=`default_tenant`> {where}"
    assert error(client.put("/secrets/k", json={"value": "v2"})) == (409, "conflict_error", message)
    assert put(client, value="v2", update_if_exists=True)["value"] == "v2"


def test_a_global_secret_takes_its_key_everywhere(client: TestClient) -> None:
    a_tenant(client, "other")
    put(client, visibility="global")
    assert error(client.put("/secrets/k", json={"value": "v"}, headers={"Tenant": "other"}))[0] == 409
    put(client, "l")
    client.put("/secrets/l", json={"value": "v"}, headers={"Tenant": "other"})
    status, _, message = error(client.patch("/secrets/l/set-visibility", json={"visibility": "global"}))
    assert (status, "its visibility can't be global" in message) == (409, True)


def test_a_hidden_value_is_its_creators_and_administrators(client: TestClient) -> None:
    alice, bob = a_user(client, "alice"), a_user(client, "bob")
    mary = a_user(client, "mary", role="manager")
    assert client.put("/secrets/k", json={"value": "v", "is_hidden_value": True}, headers=alice).status_code == 200
    assert client.get("/secrets/k", headers=bob).json()["value"] == ""
    assert [client.get("/secrets/k", headers=who).json()["value"] for who in (alice, mary, {})] == ["v", "v", "v"]
    message = "User `bob` is not permitted to modify the hidden value secret `k`"
    for answer in (
        client.patch("/secrets/k", json={"value": "w"}, headers=bob),
        client.delete("/secrets/k", headers=bob),
        client.put("/secrets/k", json={"value": "w", "update_if_exists": True}, headers=bob),
    ):
        assert error(answer) == (403, "forbidden_error", message)


def test_a_private_secret_is_not_there_for_others(client: TestClient) -> None:
    alice, bob = a_user(client, "alice"), a_user(client, "bob")
    client.put("/secrets/k", json={"value": "v", "visibility": "private"}, headers=alice)
    assert client.get("/secrets/k", headers=bob).status_code == 404
    assert client.get("/secrets", headers=bob).json()["items"] == []
    assert client.get("/secrets/k", headers=alice).json()["private_resource"] is True


def test_visibility_only_widens(client: TestClient) -> None:
    put(client, visibility="tenant")
    same = client.patch("/secrets/k/set-visibility", json={"visibility": "tenant"})
    assert same.status_code == 200
    answer = error(client.patch("/secrets/k/set-visibility", json={"visibility": "private"}))
    assert answer[:2] == (400, "illegal_action_error")
    answer = error(client.patch("/secrets/k/set-visibility", json={"visibility": "all"}))
    valid = "Valid visibility's values are: ['private', 'tenant', 'global']"
    assert answer == (400, "bad_parameters_error", f"Invalid visibility: `all`. {valid}")
    headers = a_user(client, "alice")
    answer = error(client.patch("/secrets/k/set-visibility", json={"visibility": "global"}, headers=headers))
    assert answer == (403, "forbidden_error", "User `alice` is not permitted to set or create a global resource")


def test_a_patch_changes_what_it_names(client: TestClient) -> None:
    put(client, value="v1")
    assert client.patch("/secrets/k", json={"value": "v2", "provider_options": {}}).json()["value"] == "v2"
    hidden = client.patch("/secrets/k", json={"is_hidden_value": True}).json()
    assert (hidden["is_hidden_value"], hidden["value"]) == (True, "v2")
    assert client.patch("/secrets/none", json={"value": "v"}).status_code == 404


def test_a_schema_binds_the_value_now_and_later(client: TestClient) -> None:
    schema = {"type": "object", "properties": {"port": {"type": "integer"}}, "required": ["port"]}
    assert put(client, value={"port": 22}, schema=schema)["value"] == {"port": 22}
    status, code, message = error(client.patch("/secrets/k", json={"value": {"port": "s3cret"}}))
    assert (status, code) == (409, "conflict_error")
    assert message.startswith("Error validating secret value: ")
    assert "s3cret" not in message
    assert error(client.put("/secrets/l", json={"value": {"a": 1}}))[0] == 400, "without a schema only texts"
    assert error(client.put("/secrets/l", json={"value": "v", "schema": {"type": "blue"}}))[0] == 400


def test_secrets_are_searched_by_rules_and_constraints(client: TestClient) -> None:
    for key in ("db-user", "db-password", "other"):
        put(client, key)
    rule = {"key": "key", "values": ["db-"], "operator": "starts_with", "type": "attribute"}
    found = client.post("/searches/secrets", json={"filter_rules": [rule]}).json()
    assert [item["key"] for item in found["items"]] == ["db-user", "db-password"]
    assert found["metadata"]["filtered"] == 1
    found = client.post("/searches/secrets", json={"constraints": {"name_pattern": {"contains": "USER"}}}).json()
    assert [item["key"] for item in found["items"]] == ["db-user"]


def test_a_deleted_secret_is_gone(client: TestClient) -> None:
    put(client)
    assert client.delete("/secrets/k").status_code == 204
    assert error(client.get("/secrets/k")) == (404, "not_found_error", "Requested `Secret` with ID `k` was not found")
