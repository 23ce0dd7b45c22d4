"""The unmodified `cfy` drives a manager through a whole life (REST contract §22)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.support.life import LIFE, needs_cfy, until
from tests.support.processes import PASSWORD, REPOSITORY, Cfy, Manager
from tests.support.warm_cfy import WarmCfy

NIGHTLY = REPOSITORY / "blueprints" / "examples" / "nightly-backup" / "blueprint.yaml"

pytestmark = needs_cfy


def deploy(cfy: WarmCfy, name: str) -> str:
    """Upload, deploy and install the blueprint."""
    cfy("blueprints", "upload", str(LIFE), "-b", name)
    cfy("deployments", "create", name, "-b", name, "-i", "name=Ada")
    said = cfy("executions", "start", "install", "-d", name)
    assert f"Finished executing workflow install on deployment {name}" in said
    return name


@pytest.fixture(scope="module")
def deployed(cfy: WarmCfy) -> str:
    """A blueprint uploaded, deployed and installed by `cfy`; no test takes it away."""
    return deploy(cfy, "life")


def test_status_version_and_profile_are_answered(manager: Manager, tmp_path: Path) -> None:
    """By a `cfy` that is started for each command."""
    cfy = Cfy(tmp_path, manager)
    cfy(*cfy.profile)
    said = cfy("status")
    assert "OK" in said or "Active" in said
    assert "7.0.5" in cfy("--version")
    cfy("profiles", "list")
    cfy("profiles", "show-current")


def test_wrong_credentials_stop_the_profile(manager: Manager, tmp_path: Path) -> None:
    stranger = Cfy(tmp_path, manager, password="wrong")
    said = stranger(*stranger.profile, ok=False)
    assert "401" in said or "unauthorized" in said


def test_blueprints_can_be_listed_shown_and_downloaded(cfy: WarmCfy, deployed: str, tmp_path: Path) -> None:
    assert "life" in cfy("blueprints", "list")
    assert "life" in cfy("blueprints", "get", deployed)
    assert "name" in cfy("blueprints", "inputs", deployed)
    target = tmp_path / "life.tar.gz"
    cfy("blueprints", "download", deployed, "-o", str(target))
    assert target.stat().st_size > 100
    assert json.loads(cfy("blueprints", "list", "--json"))[0]["id"] == "life"


def test_a_broken_blueprint_is_refused_with_its_errors(cfy: WarmCfy, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(LIFE.parent, broken)
    text = (broken / "blueprint.yaml").read_text().replace("type: cloudify.nodes.Root", "type: cloudify.nodes.Rot")
    (broken / "blueprint.yaml").write_text(text)
    said = cfy("blueprints", "upload", str(broken / "blueprint.yaml"), "-b", "broken", ok=False)
    assert "cloudify.nodes.Rot" in said
    assert "blueprint.yaml" in said
    cfy("blueprints", "delete", "broken")


def test_deployments_show_inputs_outputs_nodes_and_workflows(cfy: WarmCfy, deployed: str) -> None:
    assert "life" in cfy("deployments", "list")
    assert "Ada" in cfy("deployments", "inputs", deployed)
    cfy("deployments", "outputs", deployed)
    cfy("deployments", "capabilities", deployed)
    assert "install" in cfy("workflows", "list", "-d", deployed)
    assert "operation" in cfy("workflows", "get", "execute_operation", "-d", deployed)
    assert "greeter" in cfy("nodes", "list", "-d", deployed)
    assert "cloudify.nodes.Root" in cfy("nodes", "get", "greeter", "-d", deployed)
    instances = json.loads(cfy("node-instances", "list", "-d", deployed, "--json"))
    assert instances[0]["state"] == "started"
    instance = instances[0]["id"]
    cfy("node-instances", "get", instance)
    cfy("node-instances", "update-runtime", instance, "-p", "colour=blue")
    assert "blue" in cfy("node-instances", "get", instance)
    cfy("deployments", "labels", "add", "team:ops", deployed)
    assert "ops" in cfy("deployments", "labels", "list", deployed)
    cfy("deployments", "labels", "delete", "team", deployed)
    cfy("deployments", "summary", "blueprint_id")


def test_schedules_in_every_form(cfy: WarmCfy, deployed: str) -> None:
    start = ("deployments", "schedule", "create", deployed, "execute_operation", "-p", "operation=greeting.greet")
    cfy(*start, "-n", "words", "-s", "2030-01-01 18:00", "--tz", "UTC", "-r", "1 day", "--weekdays", "mo,we")
    cfy(*start, "-n", "rule", "-s", "2030-01-01 18:00", "--tz", "UTC", "--rrule", "FREQ=WEEKLY;BYDAY=FR")
    cfy(*start, "-n", "once", "-s", "+4 hours", "-c", "1")
    cfy(*start, "-n", "often", "-s", "2030-01-01 18:00", "--tz", "UTC", "-r", "sometimes", ok=False)
    assert "2030-01-02 18:00:00" in cfy("deployments", "schedule", "get", deployed, "words", "--preview", "3")
    listed = cfy("deployments", "schedule", "list", deployed)
    assert all(name in listed for name in ("words", "rule", "once", "every-day"))
    assert "words" in cfy("deployments", "schedule", "list", deployed, "--since", "2030-01-01 00:00")
    for name in ("words", "rule"):
        cfy("deployments", "schedule", "disable", deployed, name)
        cfy("deployments", "schedule", "enable", deployed, name)
    cfy("deployments", "schedule", "update", deployed, "words", "-r", "2 weeks")
    cfy("deployments", "schedule", "summary", "deployment_id")
    for name in ("words", "rule", "once"):
        cfy("deployments", "schedule", "delete", deployed, name)


def test_executions_are_followed_queued_and_cancelled(cfy: WarmCfy, deployed: str) -> None:
    run = ("executions", "start", "execute_operation", "-d", deployed, "-p")
    said = cfy(*run, "operation=greeting.greet")
    assert "Hello, Ada!" in said
    assert "Finished executing workflow execute_operation on deployment life" in said
    refused = cfy("executions", "start", "execute_operation", "-d", deployed, ok=False)
    assert "must be provided with the following parameters to execute: operation" in refused
    dry = cfy(*run, "operation=greeting.greet", "--dry-run")
    assert "(dry run)" in dry
    cfy(*run, "operation=greeting.slow", "--timeout", "1", ok=False)
    active = [row for row in json.loads(cfy("executions", "list", "-d", deployed, "--json")) if _open(row)]
    assert len(active) == 1
    assert "queued" in cfy(*run, "operation=greeting.greet", "--queue")
    cfy("executions", "cancel", active[0]["id"], "-k")
    until(lambda: not [row for row in json.loads(cfy("executions", "list", "--json")) if _open(row)])
    assert "cancelled" in cfy("executions", "get", active[0]["id"])
    assert "Starting 'execute_operation'" in cfy("events", "list", active[0]["id"])
    cfy("executions", "summary", "status")


def _open(row: dict[str, str]) -> bool:
    status = row.get("status_display") or row.get("status")
    return row["workflow_id"] == "execute_operation" and status not in {"completed", "failed", "cancelled"}


def test_secrets_tokens_users_and_tenants(cfy: WarmCfy, manager: Manager, deployed: str, tmp_path: Path) -> None:
    cfy("secrets", "create", "door", "-s", "sesame")
    assert "sesame" in cfy("secrets", "get", "door")
    cfy("secrets", "update", "door", "-s", "abracadabra")
    assert "door" in cfy("secrets", "list")
    assert "ctok-" in cfy("tokens", "create")
    assert "Showing 1 of 1 tokens" in cfy("tokens", "list")
    cfy("tenants", "create", "other")
    assert "other" in cfy("tenants", "list")
    cfy("users", "create", "bob", "-p", "bobs-password", "-t", "other", "-l", "user")
    assert "bob" in cfy("users", "list")
    bob = WarmCfy(tmp_path / "bob", manager, user="bob", password="bobs-password")
    try:
        bob(*[part if part != "default_tenant" else "other" for part in bob.profile])
        assert deployed not in bob("blueprints", "list")
        assert "door" not in bob("secrets", "list")
        bob("users", "create", "eve", "-p", "eves-password", ok=False)
    finally:
        bob.close()
    cfy("secrets", "delete", "door")
    cfy("tenants", "remove-user", "bob", "-t", "other")
    cfy("users", "delete", "bob")
    cfy("tenants", "delete", "other")


def test_maintenance_mode_on_and_off(cfy: WarmCfy) -> None:
    cfy("maintenance-mode", "activate", "--wait")
    assert "activated" in cfy("maintenance-mode", "status")
    cfy("deployments", "list", ok=False)
    cfy("maintenance-mode", "activate", ok=False)
    cfy("maintenance-mode", "deactivate")
    cfy("deployments", "list")


def test_install_and_uninstall_in_one_command(cfy: WarmCfy) -> None:
    cfy("install", str(NIGHTLY), "-b", "nightly", "-d", "nightly")
    said = cfy("executions", "start", "backup", "-d", "nightly")
    assert "Verified" in said
    assert "backup.db" in cfy("deployments", "outputs", "nightly")
    cfy("uninstall", "nightly")
    assert "nightly" not in cfy("deployments", "list")


def test_a_deployment_goes_at_the_end_and_no_password_is_shown(cfy: WarmCfy) -> None:
    passing = deploy(cfy, "passing")
    cfy("executions", "start", "uninstall", "-d", passing)
    cfy("deployments", "delete", passing)
    cfy("blueprints", "delete", passing)
    assert passing not in cfy("blueprints", "list")
    assert PASSWORD not in cfy("profiles", "list")
