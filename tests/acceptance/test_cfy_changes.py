"""`cfy` changes what it deployed: plugins, scaling, healing, updates, snapshots into an empty manager."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.life import execution_in, needs_cfy
from tests.support.plugins_made import wheel
from tests.support.processes import REPOSITORY, Manager
from tests.support.warm_cfy import WarmCfy

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

pytestmark = needs_cfy


@pytest.fixture(scope="module")
def plugged(cfy: WarmCfy, tmp_path_factory: pytest.TempPathFactory) -> WarmCfy:
    """`cfy` as admin, with the plugin uploaded and a deployment installed."""
    folder = tmp_path_factory.mktemp("plugin")
    files = {"greeting_plugin/__init__.py": "", "greeting_plugin/tasks.py": TASKS}
    package = wheel(folder, "greeting-plugin", "1.2", files)
    (folder / "plugin.yaml").write_text(DEFINITION)
    cfy("plugins", "upload", str(package), "-y", str(folder / "plugin.yaml"))
    cfy("blueprints", "upload", str(FOLDER / "blueprint.yaml"), "-b", "plugged")
    cfy("deployments", "create", "plugged", "-b", "plugged")
    cfy("executions", "start", "install", "-d", "plugged")
    return cfy


def greeters(cfy: WarmCfy) -> dict[str, dict[str, object]]:
    rows = json.loads(cfy("node-instances", "list", "-d", "plugged", "-n", "greeter", "--json"))
    return {
        row["id"]: json.loads(cfy("node-instances", "get", row["id"], "--json"))["runtime_properties"] for row in rows
    }


def test_an_uploaded_plugin_serves_blueprints_and_cannot_go_while_used(plugged: WarmCfy, tmp_path: Path) -> None:
    (plugin,) = json.loads(plugged("plugins", "list", "--json"))
    assert (plugin["package_name"], plugin["package_version"]) == ("greeting-plugin", "1.2")
    plugged("plugins", "get", plugin["id"])
    plugged("plugins", "download", plugin["id"], "-o", str(tmp_path / "plugin.zip"))
    assert (tmp_path / "plugin.zip").stat().st_size > 100
    assert [values["said"] for values in greeters(plugged).values()] == ["hello"]
    assert "in use" in plugged("plugins", "delete", plugin["id"], ok=False)
    assert "hello" in plugged("deployments", "capabilities", "plugged")


def test_scaling_out_and_in_changes_the_instances(plugged: WarmCfy) -> None:
    scale = ("executions", "start", "scale", "-d", "plugged", "-p", "scalable_entity_name=greeter", "-p")
    plugged(*scale, "delta=2")
    assert [values["starts"] for values in greeters(plugged).values()] == [1, 1, 1]
    plugged(*scale, "delta=-2")
    assert len(greeters(plugged)) == 1
    refused = plugged(*scale, "delta=-5", ok=False)
    assert "Provided delta: -5 is illegal" in refused


def test_healing_reinstalls_what_is_ill(plugged: WarmCfy) -> None:
    (instance,) = greeters(plugged)
    plugged("node-instances", "update-runtime", instance, "-p", "ill=true")
    plugged("executions", "start", "check_status", "-d", "plugged", ok=False)
    plugged("node-instances", "delete-runtime", instance, "-p", "ill")
    plugged("executions", "start", "heal", "-d", "plugged", "-p", f"node_instance_id={instance}")
    plugged("executions", "start", "check_status", "-d", "plugged")


def test_an_update_is_previewed_and_then_done(plugged: WarmCfy) -> None:
    plugged("deployments", "create", "updated", "-b", "plugged")
    plugged("executions", "start", "install", "-d", "updated")
    plugged("blueprints", "upload", str(FOLDER / "extended.yaml"), "-b", "extended")
    preview = plugged("deployments", "update", "updated", "-b", "extended", "--preview")
    assert "extra" in preview
    assert "extra" not in plugged("nodes", "list", "-d", "updated")
    said = plugged("deployments", "update", "updated", "-b", "extended", "-i", "word=welcome")
    assert "Successfully updated deployment updated" in said
    assert "extra" in plugged("nodes", "list", "-d", "updated")
    states = {row["state"] for row in json.loads(plugged("node-instances", "list", "-d", "updated", "--json"))}
    assert states == {"started"}
    assert "welcome" in plugged("deployments", "inputs", "updated")
    plugged("deployments", "history", "-d", "updated")


def test_a_snapshot_is_restored_into_an_empty_manager(plugged: WarmCfy, tmp_path: Path) -> None:
    plugged("secrets", "create", "door", "-s", "sesame")
    plugged("snapshots", "create", "night", "-w")
    assert "created" in plugged("snapshots", "list")
    archive = tmp_path / "night.zip"
    plugged("snapshots", "download", "night", "-o", str(archive))
    other = Manager(tmp_path / "other").ready()
    there = WarmCfy(tmp_path / "there", other)
    try:
        there(*there.profile)
        there("snapshots", "upload", str(archive), "-s", "night")
        there("snapshots", "restore", "night")
        page = other.get("/executions?workflow_id=restore_snapshot&_include_system_workflows=true&_include=id")
        ended = execution_in(other, page["items"][0]["id"], "terminated", "failed")
        assert ended["status"] == "terminated", ended["error"]
        assert "plugged" in there("deployments", "list")
        assert "sesame" in there("secrets", "get", "door")
        assert "greeting-plugin" in there("plugins", "list")
        here = json.loads(plugged("node-instances", "list", "-d", "plugged", "--json"))
        restored = json.loads(there("node-instances", "list", "-d", "plugged", "--json"))
        assert {row["id"] for row in restored} == {row["id"] for row in here}
        there("executions", "start", "check_status", "-d", "plugged")
    finally:
        there.close()
        other.kill_group()
    plugged("snapshots", "delete", "night")
