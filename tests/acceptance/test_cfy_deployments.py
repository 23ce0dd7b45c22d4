"""Every `cfy` command about deployments, their nodes, updates and workflows (REST contract §22.1)."""

from __future__ import annotations

import json

import pytest

from tests.support.life import DATA, deploy_life, needs_cfy
from tests.support.warm_cfy import WarmCfy

pytestmark = needs_cfy


@pytest.fixture(scope="module")
def life(cfy: WarmCfy) -> str:
    """An installed deployment."""
    deploy_life(cfy)
    cfy("executions", "start", "install", "-d", "life")
    return "life"


def without_warnings(said: str) -> str:
    """Drop what `cfy` says of options it has declared twice."""
    return "\n".join(line for line in said.splitlines() if "UserWarning" not in line and not line.startswith("  "))


def test_a_deployment_is_created_in_every_way_and_deleted(cfy: WarmCfy, life: str) -> None:
    create = ("deployments", "create", "-b", life, "-i", "name=Bob")
    said = cfy(*create, "second", "-l", "private", "-n", "Two", "--labels", "team:ops", "--runtime-only-evaluation")
    assert "Deployment `Two` created. The deployment's id is second" in said
    said = cfy(*create, "--generate-id", "-n", "Shown", "--skip-plugins-validation")
    generated = said.strip().splitlines()[-1].rpartition(" ")[2]
    assert len(generated) == 36
    assert "already exists" in cfy(*create, "second", ok=False)
    assert "unknown inputs: nothing" in cfy("deployments", "create", "-b", life, "-i", "nothing=1", "third", ok=False)
    assert "not found" in cfy("deployments", "create", "-b", "nothing", "third", ok=False)
    rows = {row["id"]: row for row in cfy.json("deployments", "list", "-b", life)}
    assert set(rows) == {life, "second", generated}
    assert (rows["second"]["visibility"], rows["second"]["display_name"]) == ("private", "Two")
    assert "Deployment deleted" in cfy("deployments", "delete", generated)
    assert "Deployment deleted" in cfy("deployments", "delete", "second", "-f", "-l")
    assert "not found" in cfy("deployments", "delete", "second", ok=False)
    said = cfy("deployments", "delete", life, ok=False)
    assert "There are live nodes for this deployment" in said


def test_a_deployment_is_listed_with_what_it_holds(cfy: WarmCfy, life: str) -> None:
    said = cfy("deployments", "list", "--search-name", "LIF", "--search", "nothing")
    assert "Showing 1 of 1 deployments" in said
    (row,) = cfy.json("deployments", "list", "--sort-by", "created_at", "--descending")
    assert (row["deployment_status"], row["installation_status"]) == ("good", "active")
    assert "good" in cfy("deployments", "status-list")
    assert cfy.json("deployments", "status-list")[0]["id"] == life
    assert cfy.json("deployments", "list", "--dependencies-of", life) == []
    assert "Ada" in cfy("deployments", "inputs", life)
    assert cfy.json("deployments", "inputs", life) == {"name": "Ada"}
    assert "How many greetings" in cfy("deployments", "outputs", life)
    assert cfy.json("deployments", "outputs", life)["greetings"]["value"] == {"count": None, "last": None}
    cfy("deployments", "capabilities", life)
    assert cfy.json("deployments", "capabilities", life) == {}
    assert "No groups defined" in cfy("groups", "list", "-d", life)
    cfy("deployments", "summary", "blueprint_id", "visibility")
    rows = cfy.json("deployments", "summary", "blueprint_id")
    assert rows == [{"blueprint_id": life, "deployments": 1}]


def test_labels_filters_visibility_owner_and_site(cfy: WarmCfy, life: str) -> None:
    assert "added successfully" in cfy("deployments", "labels", "add", "team:ops", life)
    assert "ops" in cfy("deployments", "labels", "list", life)
    assert cfy.json("deployments", "labels", "list", life) == {"team": ["ops"]}
    assert "Showing 1 of 1 deployments" in cfy("deployments", "list", "-lr", "team=ops")
    assert cfy.json("deployments", "list", "-ar", "blueprint_id!=life") == []
    cfy("deployments", "filters", "create", "mine", "-lr", "team=ops", "-ar", "display_name contains lif")
    assert "team=ops" in cfy("deployments", "filters", "get", "mine")
    assert cfy.json("deployments", "filters", "get", "mine")["attrs_filter_rules"] == '"display_name contains lif"'
    assert "Showing 1 of 1 filters" in cfy("deployments", "filters", "list")
    assert [row["id"] for row in cfy.json("deployments", "filters", "list")] == ["mine"]
    assert [row["id"] for row in cfy.json("deployments", "list", "--filter-id", "mine")] == [life]
    assert "Showing 1 of 1 deployments" in cfy("deployments", "list", "--filter-id", "mine")
    cfy("deployments", "filters", "update", "mine", "-lr", "team=dev")
    assert cfy.json("deployments", "list", "--filter-id", "mine") == []
    assert "Filter removed" in cfy("deployments", "filters", "delete", "mine")
    assert "deleted successfully" in cfy("deployments", "labels", "delete", "team", life)
    assert cfy.json("deployments", "labels", "list", life) == {}
    assert "was set to tenant" in cfy("deployments", "set-visibility", life, "-l", "tenant")
    assert "can't be wider" in cfy("deployments", "set-visibility", life, "-l", "global")
    cfy("users", "create", "ann", "-p", "anns-password", "-t", "default_tenant", "-l", "user")
    assert "now owned by user `ann`" in cfy("deployments", "set-owner", life, "-s", "ann")
    assert "was set to north" in cfy("deployments", "set-site", life, "-s", "north")
    assert cfy.json("deployments", "list")[0]["site_name"] == "north"
    assert "was detached" in cfy("deployments", "set-site", life, "-d")


def test_workflows_nodes_and_instances(cfy: WarmCfy, life: str) -> None:
    assert "execute_operation" in cfy("workflows", "list", "-d", life)
    names = {row["name"] for row in cfy.json("workflows", "list", "-d", life)}
    assert "uninstall" in names and "install" not in names  # all instances are started: nothing is left to install
    assert "install" in {row["name"] for row in cfy.json("workflows", "list", "-d", life, "--all")}
    assert "operation" in cfy("workflows", "get", "execute_operation", "-d", life)
    assert "operation" in cfy.json("workflows", "get", "execute_operation", "-d", life)["parameters"]
    assert "nothing" in cfy("workflows", "get", "nothing", "-d", life, ok=False)
    assert "Showing 1 of 1 nodes" in cfy("nodes", "list", "-d", life)
    (row,) = cfy.json("nodes", "list", "-d", life, "--search", "GREET")
    assert (row["id"], row["type"], row["number_of_instances"]) == ("greeter", "cloudify.nodes.Root", 1)
    said = cfy("nodes", "list", "-d", life, "--run-checks")
    assert "'check_status' workflow execution succeeded" in said
    said = cfy("nodes", "get", "greeter", "-d", life)
    assert "Type hierarchy" in said and "scripts/greet.sh" in said
    node = cfy.json("nodes", "get", "greeter", "-d", life, "--evaluate-functions")
    (instance,) = node["instances"]
    assert node["actual_number_of_instances"] == 1
    assert "Node summary by deployment_id" in cfy("nodes", "summary", "deployment_id")
    assert cfy.json("nodes", "summary", "deployment_id") == [{"deployment_id": life, "nodes": 1}]
    assert "started" in cfy("node-instances", "list", "-d", life, "-n", "greeter")
    (row,) = cfy.json("node-instances", "list", "-d", life)
    assert (row["id"], row["state"]) == (instance, "started")
    cfy("node-instances", "update-runtime", instance, "-p", "colour=blue", "-p", "size.width=1")
    assert "blue" in cfy("node-instances", "get", instance)
    found = cfy.json("node-instances", "get", instance, "--evaluate-functions")
    assert found["runtime_properties"] == {"colour": "blue", "size": {"width": "1"}}
    cfy("node-instances", "delete-runtime", instance, "-p", "colour")
    assert "blue" not in cfy("node-instances", "get", instance)
    assert "greeter" in cfy("node-instances", "summary", "node_id")
    rows = cfy.json("node-instances", "summary", "state", "node_id")
    assert {"state": "started", "node_id": "greeter", "node_instances": 1} in rows
    assert "not found" in cfy("node-instances", "get", "nothing", ok=False)


def test_a_scaling_leaves_its_modification(cfy: WarmCfy, life: str) -> None:
    scale = ("executions", "start", "scale", "-d", life, "-p", "scalable_entity_name=greeter", "-p")
    cfy(*scale, "delta=1")
    said = cfy("deployments", "modifications", "list", life)
    assert "Showing 1 of 1 deployment modifications" in said and "scale" in said
    (row,) = cfy.json("deployments", "modifications", "list", life)
    assert (row["status"], row["workflow_id"]) == ("finished", "scale")
    assert "greeter" in cfy("deployments", "modifications", "get", row["id"])
    assert cfy.json("deployments", "modifications", "get", row["id"])["id"] == row["id"]
    said = cfy("deployments", "modifications", "rollback", row["id"], ok=False)
    assert "It is already in finished status" in said
    cfy(*scale, "delta=-1")


def test_an_update_is_previewed_done_and_remembered(cfy: WarmCfy, life: str) -> None:
    changed = "changed"
    cfy("deployments", "create", changed, "-b", life, "-i", "name=Ada")
    cfy("executions", "start", "install", "-d", changed)
    update = ("deployments", "update", changed, "-i", "name=Eve")
    said = cfy(*update, "--preview")
    assert "name:     Eve" in said and "greeting.greet" in said
    preview = cfy.json(*update, "--preview")
    assert (preview["old_inputs"], preview["new_inputs"]) == ({"name": "Ada"}, {"name": "Eve"})
    assert cfy.json("deployments", "inputs", changed) == {"name": "Ada"}
    said = cfy(*update, "--skip-reinstall", "--skip-drift-check", "--skip-heal", "--include-logs")
    assert "Successfully updated deployment changed" in said
    events = [json.loads(line) for line in cfy(*update, "--skip-install", "--skip-uninstall", "--json").splitlines()]
    assert events[-1]["event_type"] == "workflow_succeeded"
    assert cfy.json("deployments", "inputs", changed) == {"name": "Eve"}
    cfy("deployments", "update", changed, "-b", life, "-w", "restart", "--install-first", "--ignore-failure", "-f")
    cfy(*update, "--force-reinstall", "--reevaluate-active-statuses", "--auto-correct-types")
    assert "not found" in cfy("deployments", "update", changed, "-b", "nothing", ok=False)
    assert "Deployment updates" in cfy("deployments", "history", "-d", changed)
    rows = cfy.json("deployments", "history", "-d", changed)
    assert {row["state"] for row in rows} == {"successful"}
    assert rows[-1]["id"] in cfy("deployments", "get-update", rows[-1]["id"])
    assert cfy.json("deployments", "get-update", rows[-1]["id"])["deployment_id"] == changed
    cfy("deployments", "delete", changed, "-f")


def test_apply_installs_what_is_not_there_and_updates_what_is(cfy: WarmCfy) -> None:
    apply = ("apply", "--blueprint-path", str(DATA / "plain" / "blueprint.yaml"), "-d", "applied")
    said = without_warnings(cfy(*apply, "-b", "applied-1", "-i", "word=one"))
    assert "Deployment applied was not found. Installing the blueprint." in said
    assert "Finished executing workflow install on deployment applied" in said
    said = cfy(*apply, "-b", "applied-2", "-i", "word=two")
    assert "Deployment applied found, updating deployment." in said
    assert "Successfully updated deployment applied" in said
    (row,) = cfy.json("deployments", "list", "--search", "applied")
    assert row["blueprint_id"] == "applied-2"
    assert cfy.json("deployments", "capabilities", "applied")["word"]["value"] == "two"
    said = cfy("uninstall", "applied", "--include-logs")
    assert "Finished executing workflow uninstall" in said
    assert "Blueprint deleted" in said
    cfy("blueprints", "delete", "applied-1")


def test_install_and_uninstall_take_names_inputs_and_labels(cfy: WarmCfy) -> None:
    plain = DATA / "plain"
    said = cfy(
        "install", str(plain / "blueprint.yaml"), "-b", "plain", "-d", "plain", "-i", "word=hi", "-w", "install",
        "--blueprint-labels", "team:ops", "--deployment-labels", "team:dev",
    )  # fmt: skip
    assert "Finished executing workflow install on deployment plain" in said
    assert cfy.json("deployments", "labels", "list", "plain") == {"team": ["dev"]}
    assert cfy.json("blueprints", "labels", "list", "plain") == {"team": ["ops"]}
    cfy("uninstall", "plain", "-f")
    assert cfy.json("deployments", "list", "--search", "plain") == []


def test_deployment_groups_are_refused_in_a_sentence(cfy: WarmCfy) -> None:
    assert "404" in cfy("deployments", "groups", "list", ok=False)
