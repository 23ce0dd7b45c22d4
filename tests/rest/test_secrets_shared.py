"""Secrets that leave for another manager and come from one (REST contract §17)."""

from __future__ import annotations

from typing import Any

from starlette.testclient import TestClient

from tests.support.people import a_tenant, a_user
from tests.support.requests import error

EXPORT, IMPORT = "/secrets/share/export", "/secrets/share/import"


def a_secret(**members: Any) -> dict[str, Any]:
    """Return one secret as it is exported."""
    return {
        "key": "k", "value": "v", "visibility": "tenant", "tenant_name": "default_tenant", "is_hidden_value": False,
        "encrypted": False, **members,
    }  # fmt: skip


def brought(client: TestClient, *secrets: Any, **body: Any) -> dict[str, Any]:
    """Import secrets; return what is answered."""
    answer = client.post(IMPORT, json={"secrets_list": list(secrets), **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_secrets_go_out_readable_or_encrypted_and_come_back_whole(client: TestClient) -> None:
    client.put("/secrets/text", json={"value": "open"})
    client.put("/secrets/map", json={"value": {"a": [1]}, "schema": {"type": "object"}, "visibility": "private"})
    plain = client.get(EXPORT).json()
    assert {row["key"]: row["value"] for row in plain} == {"text": "open", "map": {"a": [1]}}
    assert [row["key"] for row in client.get(EXPORT, params={"visibility": "private"}).json()] == ["map"]
    assert [row["key"] for row in client.get(EXPORT, params={"_search": "TEX"}).json()] == ["text"]
    kept = client.get(EXPORT, params={"_passphrase": "a long passphrase"}).json()
    assert {row["encrypted"] for row in kept} == {True}
    assert "open" not in str(kept)
    client.delete("/secrets/text")
    client.delete("/secrets/map")
    assert brought(client, *kept, passphrase="a long passphrase") == {"colliding_secrets": {}, "secrets_errors": {}}
    assert client.get(EXPORT).json() == plain


def test_a_secret_that_is_there_collides_and_is_replaced_only_when_asked(client: TestClient) -> None:
    client.put("/secrets/k", json={"value": "old"})
    collided = {"colliding_secrets": {"default_tenant": ["k"]}, "secrets_errors": {}}
    assert brought(client, a_secret()) == collided
    assert client.get("/secrets/k").json()["value"] == "old"
    assert brought(client, a_secret(), override_collisions=True) == collided
    assert client.get("/secrets/k").json()["value"] == "v"


def test_each_wrong_secret_is_named_and_stops_no_other(client: TestClient) -> None:
    found = brought(
        client,
        "nothing",
        {"key": "k"},
        a_secret(key=1, encrypted="yes"),
        a_secret(encrypted=True),
        a_secret(value=""),
        a_secret(tenant_name="nowhere"),
        a_secret(key="good"),
    )
    wrong = found["secrets_errors"]
    assert wrong["0"] == {"secret": "Must be an object"}
    assert wrong["1"]["missing secret fields"] == [
        "value", "visibility", "tenant_name", "is_hidden_value", "encrypted",
    ]  # fmt: skip
    assert wrong["2"] == {"key": "Must be a text", "encrypted": "Must be true or false"}
    assert wrong["3"] == {"passphrase": "The value is encrypted: give the passphrase"}
    assert "empty value" in wrong["4"]["secret"]
    assert "nowhere" in wrong["5"]["secret"]
    assert set(wrong) == {"0", "1", "2", "3", "4", "5"}
    assert client.get("/secrets/good").json()["value"] == "v"


def test_a_tenant_map_moves_secrets(client: TestClient) -> None:
    a_tenant(client, "red")
    assert brought(client, a_secret(), tenant_map={"default_tenant": "red"})["secrets_errors"] == {}
    assert client.get("/secrets/k", headers={"Tenant": "red"}).json()["tenant_name"] == "red"
    assert client.get("/secrets/k").status_code == 404


def test_who_may_not_read_a_value_exports_none_and_imports_only_where_allowed(client: TestClient) -> None:
    a_tenant(client, "red")
    ann = a_user(client, "ann")
    client.put("/secrets/hidden", json={"value": "v", "is_hidden_value": True})
    client.put("/secrets/private", json={"value": "v", "visibility": "private"})
    client.put("/secrets/open", json={"value": "v"})
    assert [row["key"] for row in client.get(EXPORT, headers=ann).json()] == ["open"]
    answer = client.post(IMPORT, json={"secrets_list": [a_secret(tenant_name="red")]}, headers=ann).json()
    assert "not permitted" in answer["secrets_errors"]["0"]["secret"]
    viewer = a_user(client, "vic", role="viewer")
    assert error(client.get(EXPORT, headers=viewer))[:2] == (403, "forbidden_error")
    assert error(client.post(IMPORT, json={"secrets_list": []}, headers=viewer))[:2] == (403, "forbidden_error")
