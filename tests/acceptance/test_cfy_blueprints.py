"""Every `cfy blueprints` command, in words and with `--json` (REST contract §22.1)."""

from __future__ import annotations

import functools
import shutil
import tarfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.life import LIFE, PNG, deploy_life, needs_cfy, until
from tests.support.processes import Manager
from tests.support.warm_cfy import WarmCfy

pytestmark = needs_cfy


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def archive_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A web server that has the blueprint as an archive."""
    folder = tmp_path_factory.mktemp("site")
    shutil.make_archive(str(folder / "life"), "gztar", LIFE.parent.parent, "life")
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/life.tar.gz"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def life(cfy: WarmCfy) -> str:
    return deploy_life(cfy)


def test_a_blueprint_is_validated_and_packed_without_a_manager(cfy: WarmCfy, tmp_path: Path) -> None:
    blueprint = tmp_path / "own" / "blueprint.yaml"
    blueprint.parent.mkdir()
    blueprint.write_text(
        "tosca_definitions_version: cloudify_dsl_1_5\nnode_types: {own: {}}\nnode_templates: {one: {type: own}}\n"
    )
    assert "Blueprint validated successfully" in cfy("blueprints", "validate", str(blueprint))
    cfy("blueprints", "package", str(blueprint), "-o", str(tmp_path / "packed"))


def test_an_upload_is_followed_or_left_alone_and_comes_from_a_file_or_a_url(
    cfy: WarmCfy, manager: Manager, archive_url: str
) -> None:
    said = cfy("blueprints", "upload", str(LIFE), "-b", "followed", "--labels", "team:ops,team:dev")
    assert "'upload_blueprint' workflow execution succeeded" in said
    assert "Blueprint uploaded. The blueprint's id is followed" in said
    said = cfy("blueprints", "upload", str(LIFE), "-b", "alone", "--async-upload", "-l", "private")
    assert "Blueprint `alone` upload started." in said
    assert "Blueprint uploaded" not in said
    cfy("blueprints", "upload", archive_url, "-b", "far", "-n", "blueprint.yaml")
    until(lambda: manager.get("/blueprints/alone")["state"] == "uploaded")
    rows = {row["id"]: row for row in cfy.json("blueprints", "list", "--sort-by", "id") if row["id"] != "life"}
    assert list(rows) == ["alone", "far", "followed"]
    assert {row["state"] for row in rows.values()} == {"uploaded"}
    assert rows["alone"]["visibility"] == "private"
    assert "team:ops" in rows["followed"]["labels"]
    assert "already exists" in cfy("blueprints", "upload", str(LIFE), "-b", "far", ok=False)
    missing = archive_url.replace("life.tar.gz", "nothing.tar.gz")
    cfy("blueprints", "upload", missing, "-b", "missing", ok=False)
    for name in ("alone", "far", "followed", "missing"):
        assert "Blueprint deleted" in cfy("blueprints", "delete", name)
    assert "not found" in cfy("blueprints", "delete", "far", ok=False)


def test_a_blueprint_is_listed_shown_and_downloaded(cfy: WarmCfy, life: str, tmp_path: Path) -> None:
    said = cfy("blueprints", "list", "--search", "LIF")
    assert "Showing 1 of 1 blueprints" in said
    assert "What the acceptanc.." in said
    assert "Showing 0 of 0 blueprints" in cfy("blueprints", "list", "--search", "other")
    said = cfy("blueprints", "get", life)
    assert "What the acceptance tests deploy." in said
    found = cfy.json("blueprints", "get", life)
    assert (found["id"], found["state"], found["deployments"]) == (life, "uploaded", [life])
    assert found["main_file_name"] == "blueprint.yaml"
    assert "not found" in cfy("blueprints", "get", "nothing", ok=False)
    assert "world" in cfy("blueprints", "inputs", life)
    (row,) = cfy.json("blueprints", "inputs", life)
    assert (row["name"], row["type"], row["default"]) == ("name", "string", "world")
    target = tmp_path / "down.tar.gz"
    assert f"Blueprint downloaded as {target}" in cfy("blueprints", "download", life, "-o", str(target))
    with tarfile.open(target) as archive:
        assert any(name.endswith("/scripts/greet.sh") for name in archive.getnames())
    assert "Deployments ids: life" in cfy("blueprints", "delete", life, ok=False)
    assert "Deployments ids: life" in cfy("blueprints", "delete", life, "-f", ok=False)


def test_labels_are_added_listed_and_deleted(cfy: WarmCfy, life: str) -> None:
    assert "added successfully" in cfy("blueprints", "labels", "add", "team:ops,team:dev,Colour:red", life)
    assert "red" in cfy("blueprints", "labels", "list", life)
    found = cfy.json("blueprints", "labels", "list", life)
    assert {key: sorted(values) for key, values in found.items()} == {"team": ["dev", "ops"], "colour": ["red"]}
    assert "deleted successfully" in cfy("blueprints", "labels", "delete", "team:ops", life)
    cfy("blueprints", "labels", "delete", "colour", life)
    assert cfy.json("blueprints", "labels", "list", life) == {"team": ["dev"]}
    said = cfy("blueprints", "list", "-lr", "team=dev")
    assert "Showing 1 of 1 blueprints" in said
    assert "(1 hidden by filter)" in cfy("blueprints", "list", "-lr", "team!=dev")
    assert [row["id"] for row in cfy.json("blueprints", "list", "-ar", "state=uploaded")] == [life]
    assert cfy.json("blueprints", "list", "-ar", "created_by!=admin") == []


def test_filters_are_stored_used_changed_and_deleted(cfy: WarmCfy, life: str) -> None:
    create = ("blueprints", "filters", "create", "mine", "-lr", "colour=blue", "-ar", "created_by=admin")
    assert "Blueprints' filter `mine` created" in cfy(*create)
    assert "already exists" in cfy(*create, ok=False)
    assert "created_by=admin" in cfy("blueprints", "filters", "get", "mine")
    assert cfy.json("blueprints", "filters", "get", "mine")["labels_filter_rules"] == '"colour=blue"'
    assert "Showing 1 of 1 filters" in cfy("blueprints", "filters", "list")
    assert [row["id"] for row in cfy.json("blueprints", "filters", "list")] == ["mine"]
    assert cfy.json("blueprints", "list", "--filter-id", "mine") == []
    assert "(1 hidden by filter)" in cfy("blueprints", "list", "--filter-id", "mine")
    cfy("blueprints", "filters", "update", "mine", "-lr", "colour is null", "-l", "global")
    assert [row["id"] for row in cfy.json("blueprints", "list", "--filter-id", "mine")] == [life]
    assert "Filter removed" in cfy("blueprints", "filters", "delete", "mine")
    assert "not found" in cfy("blueprints", "filters", "get", "mine")


def test_visibility_owner_icon_and_summary(cfy: WarmCfy, tmp_path: Path) -> None:
    cfy("blueprints", "upload", str(LIFE), "-b", "owned")
    cfy("users", "create", "ann", "-p", "anns-password", "-t", "default_tenant", "-l", "user")
    assert "now owned by user `ann`" in cfy("blueprints", "set-owner", "owned", "-s", "ann")
    assert cfy.json("blueprints", "get", "owned")["created_by"] == "ann"
    assert "was set to tenant" in cfy("blueprints", "set-visibility", "owned", "-l", "tenant")
    assert "was set to global" in cfy("blueprints", "set-visibility", "owned", "-l", "global")
    said = cfy("blueprints", "set-visibility", "owned", "-l", "tenant", ok=True)
    assert "already has wider visibility" in said
    assert "was set to global" in cfy("blueprints", "set-global", "owned")
    (tmp_path / "icon.png").write_bytes(PNG)
    cfy("blueprints", "set-icon", "owned", "-i", str(tmp_path / "icon.png"))
    cfy("blueprints", "set-icon", "owned")
    assert "global" in cfy("blueprints", "summary", "visibility")
    rows = cfy.json("blueprints", "summary", "tenant_name", "visibility")
    assert {"tenant_name": "default_tenant", "visibility": "global", "blueprints": 1} in rows
    cfy("tenants", "create", "other")
    assert [row["id"] for row in cfy.json("blueprints", "list", "-t", "other")] == ["owned"]
    cfy("blueprints", "upload", str(LIFE), "-b", "theirs", "-t", "other")
    tenants = [row["tenant_name"] for row in cfy.json("blueprints", "list", "-a", "--sort-by", "tenant_name")]
    assert (set(tenants), tenants) == ({"default_tenant", "other"}, sorted(tenants))
    cfy("blueprints", "delete", "owned")
