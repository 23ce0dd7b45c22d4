"""Every `cfy` command about plugins and secrets (REST contract §22.1)."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.life import needs_cfy
from tests.support.plugins_made import wheel
from tests.support.warm_cfy import WarmCfy

pytestmark = needs_cfy

DEFINITION = """
plugins:
  greeting:
    executor: central_deployment_agent
    package_name: greeting-plugin
    package_version: '1.2'
"""


@pytest.fixture
def plugin(cfy: WarmCfy, tmp_path: Path) -> Iterator[str]:
    """An uploaded plugin's id; it is deleted at the end if it is still there."""
    folder = tmp_path / "plugin"
    package = wheel(folder, "greeting-plugin", "1.2", {"greeting_plugin/__init__.py": ""})
    (folder / "plugin.yaml").write_text(DEFINITION)
    definition = str(folder / "plugin.yaml")
    said = cfy("plugins", "upload", str(package), "-y", definition, "--title", "Greetings", "-l", "private")
    assert "Plugin uploaded" in said
    assert "already exists" in cfy("plugins", "upload", str(package), "-y", definition, ok=False)
    (row,) = cfy.json("plugins", "list")
    yield str(row["id"])
    if cfy.json("plugins", "list"):
        cfy("plugins", "delete", row["id"], "-f")


def test_a_plugin_is_listed_shown_and_downloaded(cfy: WarmCfy, plugin: str, tmp_path: Path) -> None:
    assert "Showing 1 of 1 plugins" in cfy("plugins", "list", "--search", "greeting")
    (row,) = cfy.json("plugins", "list", "--get-data")
    assert (row["package_name"], row["package_version"]) == ("greeting-plugin", "1.2")
    assert "greeting-plugin" in cfy("plugins", "get", plugin)
    assert cfy.json("plugins", "get", plugin, "--get-data")["id"] == plugin
    assert "not found" in cfy("plugins", "get", "nothing", ok=False)
    cfy("plugins", "download", plugin, "-o", str(tmp_path / "plugin.zip"))
    assert zipfile.is_zipfile(tmp_path / "plugin.zip")
    cfy("plugins", "download_yaml", plugin, "-o", str(tmp_path / "plugin.yaml"))
    assert "greeting-plugin" in (tmp_path / "plugin.yaml").read_text()


def test_a_plugins_visibility_and_owner_change_and_it_is_deleted(cfy: WarmCfy, plugin: str) -> None:
    assert "was set to tenant" in cfy("plugins", "set-visibility", plugin, "-l", "tenant")
    assert "was set to global" in cfy("plugins", "set-global", plugin)
    assert cfy.json("plugins", "get", plugin)["visibility"] == "global"
    assert "Plugin deleted" in cfy("plugins", "delete", plugin, "-f")
    assert "not found" in cfy("plugins", "delete", plugin, ok=False)


def test_secrets_are_kept_shown_and_changed(cfy: WarmCfy, tmp_path: Path) -> None:
    assert "Secret `door` created" in cfy(
        "secrets", "create", "door", "-s", "sesame", "--hidden-value", "-l", "private"
    )
    assert "already exists" in cfy("secrets", "create", "door", "-s", "other", ok=False)
    cfy("secrets", "create", "door", "-s", "again", "-u")
    (tmp_path / "value").write_text("from a file")
    cfy("secrets", "create", "file", "-f", str(tmp_path / "value"))
    cfy("secrets", "create", "map", "-s", '{"a": 1}', "--schema", '{"type": "object"}')
    cfy("secrets", "create", "list", "--list", "-s", "[1, 2]")
    assert "Error validating" in cfy("secrets", "create", "bad", "-s", "[1]", "--dict", ok=False)
    assert "from a file" in cfy("secrets", "get", "file")
    assert cfy.json("secrets", "get", "map")["value"] == {"a": 1}
    found = cfy.json("secrets", "get", "door")
    assert (found["value"], found["visibility"]) == ("again", "tenant")
    assert "Showing 4 of 4 secrets" in cfy("secrets", "list")
    assert [row["key"] for row in cfy.json("secrets", "list", "--search", "DOO")] == ["door"]
    cfy("secrets", "update", "door", "-s", "closed", "--hidden-value")
    assert "was set to tenant" in cfy("secrets", "set-visibility", "door", "-l", "tenant")
    assert "was set to global" in cfy("secrets", "set-global", "door")
    cfy("users", "create", "ann", "-p", "anns-password", "-t", "default_tenant", "-l", "user")
    assert "now owned by user `ann`" in cfy("secrets", "set-owner", "door", "-s", "ann")
    found = cfy.json("secrets", "get", "door")
    assert (found["value"], found["visibility"], found["created_by"]) == ("closed", "global", "ann")
    assert "Secret removed" in cfy("secrets", "delete", "list")
    assert "not found" in cfy("secrets", "get", "list")


def test_secrets_leave_encrypted_and_come_back(cfy: WarmCfy, tmp_path: Path) -> None:
    cfy("secrets", "create", "window", "-s", "open", "-u")
    target = str(tmp_path / "secrets.json")
    export = ("secrets", "export", "-o", target)
    cfy(*export, "-p", "a-long-passphrase", "--filter-by", "window")
    kept = json.loads(Path(target).read_text())
    assert [(row["key"], row["encrypted"]) for row in kept] == [("window", True)]
    assert "open" not in Path(target).read_text()
    cfy("secrets", "delete", "window")
    bring = ("secrets", "import", "-i", target)
    assert "the passphrase is another one" in cfy(*bring, "-p", "another-passphrase")
    assert "not found" in cfy("secrets", "get", "window")
    cfy(*bring, "-p", "a-long-passphrase")
    assert cfy.json("secrets", "get", "window")["value"] == "open"
    cfy("secrets", "update", "window", "-s", "closed")
    said = cfy(*bring, "-p", "a-long-passphrase")
    assert "window" in said
    assert cfy.json("secrets", "get", "window")["value"] == "closed"
    cfy(*bring, "-p", "a-long-passphrase", "--override-collisions")
    assert cfy.json("secrets", "get", "window")["value"] == "open"
    cfy("secrets", "export", "--non-encrypted", "-o", target)
    assert "open" in Path(target).read_text()
    cfy("secrets", "delete", "window")
