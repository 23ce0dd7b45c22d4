"""API tokens and permissions (REST contract §2.6, §4.1)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from tests.support.clock import FakeClock
from tests.support.people import a_user
from tests.support.requests import error


def test_a_token_shows_its_value_once(client: TestClient) -> None:
    answer = client.post("/tokens", json={"description": "for ci"})
    assert answer.status_code == 200
    token = answer.json()
    prefix, token_id, secret = token["value"].split("-")
    assert (prefix, token_id, len(token_id), len(secret)) == ("ctok", token["id"], 10, 40)
    assert token["description"] == "for ci"
    shown = client.get(f"/tokens/{token_id}").json()
    assert shown["value"] == f"ctok-{token_id}-********"
    assert secret not in client.get("/tokens").text
    assert set(shown) == {"id", "username", "value", "role", "expiration_date", "last_used", "description"}


@pytest.mark.parametrize("body", [None, {}, {"description": None}])
def test_a_token_needs_nothing_said_about_it(client: TestClient, body: object) -> None:
    assert client.post("/tokens", json=body).status_code == 200


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("+10min", timedelta(minutes=10)),
        ("+1day+10min", timedelta(days=1, minutes=10)),
        ("+2 weeks", timedelta(weeks=2)),
        ("2026-03-02 13:30", timedelta(hours=1, minutes=30)),
        ("23:00", timedelta(hours=11)),
    ],
)
def test_expiration_is_a_time_or_a_sum(client: TestClient, clock: FakeClock, text: str, after: timedelta) -> None:
    shown = client.post("/tokens", json={"expiration_date": text}).json()["expiration_date"]
    assert shown == (clock.now() + after).strftime("%Y-%m-%dT%H:%M:%S.000Z")


@pytest.mark.parametrize("text", ["soon", "+1 blue", "25:00", "+", "+1d nonsense", "+999999y"])
def test_an_unreadable_expiration_is_refused(client: TestClient, text: str) -> None:
    assert error(client.post("/tokens", json={"expiration_date": text}))[:2] == (400, "bad_parameters_error")


@pytest.mark.parametrize("text", ["2020-01-01 00:00", "11:59", "+0min"])
def test_an_expiration_in_the_past_is_refused(client: TestClient, text: str) -> None:
    answer = error(client.post("/tokens", json={"expiration_date": text}))
    assert answer == (400, "bad_parameters_error", "Expiration date was in the past.")


def test_expired_tokens_go_when_their_owner_makes_another(client: TestClient, clock: FakeClock) -> None:
    old = client.post("/tokens", json={"expiration_date": "+1h"}).json()["id"]
    clock.advance(7200)
    new = client.post("/tokens", json={}).json()["id"]
    assert [item["id"] for item in client.get("/tokens").json()["items"]] == [new]
    assert error(client.get(f"/tokens/{old}")) == (404, "not_found_error", f"Could not find token {old}")


def test_tokens_of_others_are_not_there(client: TestClient) -> None:
    mine = client.post("/tokens", json={}).json()["id"]
    headers = a_user(client, "alice")
    hers = client.post("/tokens", json={}, headers=headers).json()["id"]
    assert [item["id"] for item in client.get("/tokens", headers=headers).json()["items"]] == [hers]
    assert error(client.delete(f"/tokens/{mine}", headers=headers))[2] == f"Could not find token {mine}"
    assert error(client.get(f"/tokens/{mine}", headers=headers))[0] == 404
    assert {item["id"] for item in client.get("/tokens").json()["items"]} == {mine, hers}


def test_a_deleted_token_is_useless_at_once(client: TestClient) -> None:
    token = client.post("/tokens", json={}).json()
    with TestClient(client.app, base_url=client.base_url) as other:
        headers = {"Authentication-Token": token["value"]}
        assert other.get("/user", headers=headers).status_code == 200
        assert client.delete(f"/tokens/{token['id']}").status_code == 204
        assert other.get("/user", headers=headers).status_code == 401


def test_permissions_are_pairs(client: TestClient) -> None:
    everything = client.get("/permissions").json()["items"]
    assert {"role": "viewer", "permission": "execution_list"} in everything
    assert {"role": "viewer", "permission": "execution_start"} not in everything
    viewer = client.get("/permissions/viewer").json()["items"]
    assert viewer == [pair for pair in everything if pair["role"] == "viewer"]
