"""What a client asks first: version, status, and the one-manager cluster (REST contract §2)."""

from __future__ import annotations

from starlette.testclient import TestClient


def test_version_is_served_with_and_without_the_api_version(client: TestClient) -> None:
    versioned, plain = client.get("/version"), client.get("http://testserver/api/version")
    assert versioned.status_code == plain.status_code == 200
    assert versioned.json() == plain.json()
    assert plain.json()["version"] == "7.0.5"
    assert plain.json()["edition"] == "community"


def test_status_shows_services_as_a_map(client: TestClient) -> None:
    body = client.get("/status").json()
    assert body["status"] == "Fail", "no scheduler and no worker was ever started"
    assert body["services"]["Database"] == {"status": "Active", "is_remote": False, "extra_info": {}}
    assert client.get("/status", params={"summary": "True"}).json() == {"status": "Fail"}


def test_ok_needs_no_credentials(anonymous: TestClient) -> None:
    answer = anonymous.get("/ok")
    assert (answer.status_code, answer.json()) == (200, "OK")


def test_manager_broker_and_database_are_one_host(client: TestClient) -> None:
    managers, brokers, nodes = (client.get(path).json() for path in ("/managers", "/brokers", "/db-nodes"))
    for found in (managers, brokers, nodes):
        assert found["metadata"]["pagination"] == {"total": 1, "size": 1000, "offset": 0}
    assert managers["items"][0]["private_ip"] == brokers["items"][0]["host"] == nodes["items"][0]["host"]
    assert brokers["items"][0]["password"] is None


def test_provider_context_always_has_a_context(client: TestClient) -> None:
    assert "context" in client.get("/provider/context").json()
    assert client.post("/provider/context", json={"name": "n", "context": {"a": 1}}).status_code == 201
    assert client.post("/provider/context", json={"name": "n", "context": {}}).status_code == 409
    changed = client.post("/provider/context", params={"update": "true"}, json={"name": "n", "context": {"a": 1}})
    assert changed.status_code == 200
    assert client.put("/provider/context", json={"name": "n", "context": {"a": 2}}).status_code == 200
    assert client.get("/provider/context").json() == {"name": "n", "context": {"a": 2}}
