"""How plugins spell their calls of the REST client: by name, in older forms, and what they read of the answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

NAMED = {
    "blueprints": "blueprint_id",
    "deployment_modifications": "modification_id",
    "deployment_updates": "update_id",
    "deployments": "deployment_id",
    "execution_groups": "execution_group_id",
    "executions": "execution_id",
    "plugins": "plugin_id",
    "secrets": "key",
    "sites": "name",
    "snapshots": "snapshot_id",
    "tenants": "tenant_name",
    "tokens": "token_id",
    "users": "username",
}


class Asked(list):
    """Takes the place of the HTTP client and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.answer: Any = {"items": [], "metadata": {}}

    def __getattr__(self, method: str) -> Any:
        def request(uri: str, data: Any = None, params: Any = None, **_: Any) -> Any:
            self.append((method.upper(), uri, data.read() if hasattr(data, "read") else data, params))
            return self.answer

        return request


@pytest.fixture
def asked() -> Asked:
    """What was asked."""
    return Asked()


@pytest.fixture
def client(asked: Asked) -> Any:
    """A client that asks nobody."""
    from cloudify_rest_client.resources import RESOURCES

    return type("Client", (), {name: make(asked) for name, make in RESOURCES.items()})


@pytest.mark.parametrize("resource", NAMED)
def test_an_object_is_asked_for_by_place_and_by_name(client: Any, asked: Asked, resource: str) -> None:
    """Under the name that plugins give it."""
    one = getattr(client, resource)
    one.get("x")
    one.get(**{NAMED[resource]: "x"})
    assert asked[0][:2] == asked[1][:2]
    assert asked[0][1].endswith("/x")
    with pytest.raises(TypeError, match=NAMED[resource]):
        one.get()


@pytest.mark.parametrize("resource", ["blueprints", "deployments", "plugins", "secrets", "snapshots", "users"])
def test_an_object_is_deleted_by_name(client: Any, asked: Asked, resource: str) -> None:
    """As operations that made it do."""
    getattr(client, resource).delete(**{NAMED[resource]: "x"})
    assert (asked[0][0], asked[0][1].endswith("/x")) == ("DELETE", True)


def test_visibility_is_set_by_name_and_in_one_word(client: Any, asked: Asked) -> None:
    """Two forms of one request."""
    client.secrets.set_visibility(key="k", visibility="global")
    client.secrets.set_global("k")
    assert asked[0] == asked[1] == ("PATCH", "/secrets/k/set-visibility", {"visibility": "global"}, None)


def test_a_list_tells_its_pages_as_attributes(client: Any, asked: Asked) -> None:
    """Loops of plugins count by them."""
    asked.answer = {"items": [{"id": "e", "latest_execution": "x"}],
                    "metadata": {"pagination": {"total": 7, "size": 1, "offset": 3}}}  # fmt: skip
    found = client.executions.list(deployment_id="d", include_system_workflows=True)
    pages = found.metadata.pagination
    assert (pages.total, pages.size, pages.offset) == (7, 1, 3)
    assert asked[0][3] == {"deployment_id": "d", "_include_system_workflows": True}
    assert found[0].latest_execution_id == "x"


def test_a_list_without_pages_is_all_there_is(client: Any, asked: Asked) -> None:
    """Nothing raises."""
    found = client.plugins.list()
    assert (found.total, found.metadata.pagination.total) == (0, None)


def test_a_blueprint_is_uploaded_in_every_form(client: Any, asked: Asked, tmp_path: Path) -> None:
    """A file with its folder, an archive, a URL; plugins also use the form with the underscore."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.yaml").write_text("x: 1\n")
    client.blueprints.upload(path=str(tmp_path / "app" / "main.yaml"), entity_id="b", labels=[{"a": "b"}])
    client.blueprints._upload(archive_location="http://host/b.zip", blueprint_id="b", application_file_name="m.yaml")
    client.blueprints.validate(str(tmp_path / "app" / "main.yaml"), "b")
    sent, fetched, checked = asked
    assert (sent[0], sent[1], sent[3]["application_file_name"]) == ("PUT", "/blueprints/b", "main.yaml")
    assert (sent[2][:2], sent[3]["labels"]) == (b"\x1f\x8b", [{"a": "b"}])
    assert (fetched[2], fetched[3]["blueprint_archive_url"]) == (None, "http://host/b.zip")
    assert checked[1] == "/blueprints/b/validate"


def test_a_client_of_several_hosts_asks_the_first_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """And begins with it the next time; when none answers the error is the last one's."""
    from cloudify.cluster import CloudifyClusterClient
    from cloudify_rest_client.client import HTTPClient

    tried: list[str] = []

    def answer(self: Any, method: str, uri: str, *_: Any, **__: Any) -> Any:
        tried.append(self.host)
        if self.host != "second":
            raise ConnectionError(self.host)
        return {"items": [], "metadata": {}}

    monkeypatch.setattr(HTTPClient, "do_request", answer)
    client = CloudifyClusterClient(host=["first", "second", "third"])
    client.deployments.list()
    client.deployments.list()
    assert tried == ["first", "second", "second"]
    with pytest.raises(ConnectionError, match="third"):
        CloudifyClusterClient(host=["first", "third"]).deployments.list()


def test_a_file_is_sent_whole_to_the_next_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Although the first one took a part of it."""
    from cloudify.cluster import ClusterHTTPClient
    from cloudify_rest_client.client import HTTPClient

    def take(self: Any, method: str, uri: str, data: Any = None, *_: Any, **__: Any) -> Any:
        if self.host == "first":
            data.read(2)
            raise ConnectionError("cut")
        return data.read()

    monkeypatch.setattr(HTTPClient, "do_request", take)
    (tmp_path / "f").write_bytes(b"whole")
    with (tmp_path / "f").open("rb") as file:
        assert ClusterHTTPClient(["first", "second"]).do_request("PUT", "/x", file) == b"whole"
