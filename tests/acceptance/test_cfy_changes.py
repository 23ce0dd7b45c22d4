"""`cfy` changes what it deployed: plugins, scaling, healing, updates, snapshots into an empty manager."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.plugins_made import wheel
from tests.support.processes import REPOSITORY, Cfy, Manager, cfy_environment

FOLDER = REPOSITORY / "tests" / "data" / "acceptance" / "plugged"
TASKS = """
from cloudify import ctx


def start(word, **_):
    ctx.instance.runtime_properties["said"] = word
    ctx.instance.runtime_properties["starts"] = ctx.instance.runtime_properties.get("starts", 0) + 1


def check(**_):
    if ctx.instance.runtime_properties.get("ill"):
        raise RuntimeError("ill")
"""
DEFINITION = """
plugins:
  greeting:
    executor: central_deployment_agent
    package_name: greeting-plugin
    package_version: '1.2'
node_types:
  greeting.nodes.Greeter:
    derived_from: cloudify.nodes.Root
    properties:
      word: { default: hi }
    interfaces:
      cloudify.interfaces.lifecycle:
        start:
          implementation: greeting.greeting_plugin.tasks.start
          inputs:
            word: { default: { get_property: [SELF, word] } }
      cloudify.interfaces.validation:
        check_status:
          implementation: greeting.greeting_plugin.tasks.check
          max_retries: 0
"""

pytestmark = [
    pytest.mark.reference,
    pytest.mark.skipif(cfy_environment() is None, reason="no reference environment (make install-cfy)"),
]


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Manager]:
    process = Manager(tmp_path_factory.mktemp("manager") / "data")
    try:
        yield process.ready()
    finally:
        process.kill_group()


@pytest.fixture(scope="module")
def cfy(manager: Manager, tmp_path_factory: pytest.TempPathFactory) -> Cfy:
    """`cfy` as admin, with the plugin uploaded and a deployment installed."""
    command = Cfy(tmp_path_factory.mktemp("cfy"), manager)
    command(*command.profile)
    folder = tmp_path_factory.mktemp("plugin")
    files = {"greeting_plugin/__init__.py": "", "greeting_plugin/tasks.py": TASKS}
    package = wheel(folder, "greeting-plugin", "1.2", files)
    (folder / "plugin.yaml").write_text(DEFINITION)
    command("plugins", "upload", str(package), "-y", str(folder / "plugin.yaml"))
    command("blueprints", "upload", str(FOLDER / "blueprint.yaml"), "-b", "plugged")
    command("deployments", "create", "plugged", "-b", "plugged")
    command("executions", "start", "install", "-d", "plugged")
    return command


def greeters(cfy: Cfy) -> dict[str, dict[str, object]]:
    rows = json.loads(cfy("node-instances", "list", "-d", "plugged", "-n", "greeter", "--json"))
    return {
        row["id"]: json.loads(cfy("node-instances", "get", row["id"], "--json"))["runtime_properties"] for row in rows
    }


def test_an_uploaded_plugin_serves_blueprints_and_cannot_go_while_used(cfy: Cfy, tmp_path: Path) -> None:
    (plugin,) = json.loads(cfy("plugins", "list", "--json"))
    assert (plugin["package_name"], plugin["package_version"]) == ("greeting-plugin", "1.2")
    cfy("plugins", "get", plugin["id"])
    cfy("plugins", "download", plugin["id"], "-o", str(tmp_path / "plugin.zip"))
    assert (tmp_path / "plugin.zip").stat().st_size > 100
    assert [values["said"] for values in greeters(cfy).values()] == ["hello"]
    assert "in use" in cfy("plugins", "delete", plugin["id"], ok=False)
    assert "hello" in cfy("deployments", "capabilities", "plugged")


def test_scaling_out_and_in_changes_the_instances(cfy: Cfy) -> None:
    scale = ("executions", "start", "scale", "-d", "plugged", "-p", "scalable_entity_name=greeter", "-p")
    cfy(*scale, "delta=2")
    assert [values["starts"] for values in greeters(cfy).values()] == [1, 1, 1]
    cfy(*scale, "delta=-2")
    assert len(greeters(cfy)) == 1
    refused = cfy(*scale, "delta=-5", ok=False)
    assert "Provided delta: -5 is illegal" in refused


def test_healing_reinstalls_what_is_ill(cfy: Cfy) -> None:
    (instance,) = greeters(cfy)
    cfy("node-instances", "update-runtime", instance, "-p", "ill=true")
    cfy("executions", "start", "check_status", "-d", "plugged", ok=False)
    cfy("node-instances", "delete-runtime", instance, "-p", "ill")
    cfy("executions", "start", "heal", "-d", "plugged", "-p", f"node_instance_id={instance}")
    cfy("executions", "start", "check_status", "-d", "plugged")


def test_an_update_is_previewed_and_then_done(cfy: Cfy) -> None:
    cfy("blueprints", "upload", str(FOLDER / "extended.yaml"), "-b", "extended")
    preview = cfy("deployments", "update", "plugged", "-b", "extended", "--preview")
    assert "extra" in preview
    assert "extra" not in cfy("nodes", "list", "-d", "plugged")
    said = cfy("deployments", "update", "plugged", "-b", "extended", "-i", "word=welcome")
    assert "Successfully updated deployment plugged" in said
    assert "extra" in cfy("nodes", "list", "-d", "plugged")
    states = {row["state"] for row in json.loads(cfy("node-instances", "list", "-d", "plugged", "--json"))}
    assert states == {"started"}
    assert "welcome" in cfy("deployments", "inputs", "plugged")
    cfy("deployments", "history", "-d", "plugged")


def test_a_snapshot_is_restored_into_an_empty_manager(
    cfy: Cfy, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cfy("secrets", "create", "door", "-s", "sesame")
    cfy("snapshots", "create", "night", "-w")
    assert "created" in cfy("snapshots", "list")
    archive = tmp_path / "night.zip"
    cfy("snapshots", "download", "night", "-o", str(archive))
    other = Manager(tmp_path / "other").ready()
    try:
        there = Cfy(tmp_path / "there", other)
        there(*there.profile)
        there("snapshots", "upload", str(archive), "-s", "night")
        there("snapshots", "restore", "night")
        for _ in range(60):
            if "plugged" in there("deployments", "list"):
                break
        assert "sesame" in there("secrets", "get", "door")
        assert "greeting-plugin" in there("plugins", "list")
        assert len(json.loads(there("node-instances", "list", "-d", "plugged", "--json"))) == 3
        there("executions", "start", "check_status", "-d", "plugged")
    finally:
        other.kill_group()
    cfy("snapshots", "delete", "night")
