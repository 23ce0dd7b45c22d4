"""The unmodified `cfy` drives a manager through a whole life (REST contract §22)."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import PASSWORD, REPOSITORY, Cfy, Manager, cfy_environment

LIFE = REPOSITORY / "tests" / "data" / "acceptance" / "life" / "blueprint.yaml"
NIGHTLY = REPOSITORY / "blueprints" / "examples" / "nightly-backup" / "blueprint.yaml"

pytestmark = [
    pytest.mark.reference,
    pytest.mark.skipif(cfy_environment() is None, reason="no reference environment (make install-cfy)"),
]


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Manager]:
    """One running manager for the module."""
    process = Manager(tmp_path_factory.mktemp("manager") / "data")
    try:
        yield process.ready()
    finally:
        process.kill_group()


@pytest.fixture(scope="module")
def cfy(manager: Manager, tmp_path_factory: pytest.TempPathFactory) -> Cfy:
    """`cfy` as admin, its profile set."""
    command = Cfy(tmp_path_factory.mktemp("cfy"), manager)
    command(*command.profile)
    return command


@pytest.fixture(scope="module")
def deployed(cfy: Cfy) -> str:
    """A blueprint uploaded, deployed and installed by `cfy`."""
    cfy("blueprints", "upload", str(LIFE), "-b", "life")
    cfy("deployments", "create", "life", "-b", "life", "-i", "name=Ada")
    said = cfy("executions", "start", "install", "-d", "life")
    assert "Finished executing workflow install on deployment life" in said
    return "life"


def test_status_version_and_profile_are_answered(cfy: Cfy) -> None:
    assert "OK" in cfy("status") or "Active" in cfy("status")
    assert "7.0.5" in cfy("--version")
    cfy("profiles", "list")
    cfy("profiles", "show-current")


def test_wrong_credentials_stop_the_profile(manager: Manager, tmp_path: Path) -> None:
    stranger = Cfy(tmp_path, manager, password="wrong")
    assert "401" in stranger(*stranger.profile, ok=False) or "unauthorized" in stranger(*stranger.profile, ok=False)


def test_blueprints_can_be_listed_shown_and_downloaded(cfy: Cfy, deployed: str, tmp_path: Path) -> None:
    assert "life" in cfy("blueprints", "list")
    assert "life" in cfy("blueprints", "get", deployed)
    assert "name" in cfy("blueprints", "inputs", deployed)
    target = tmp_path / "life.tar.gz"
    cfy("blueprints", "download", deployed, "-o", str(target))
    assert target.stat().st_size > 100
    assert json.loads(cfy("blueprints", "list", "--json"))[0]["id"] == "life"


def test_a_broken_blueprint_is_refused_with_its_errors(cfy: Cfy, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(LIFE.parent, broken)
    text = (broken / "blueprint.yaml").read_text().replace("type: cloudify.nodes.Root", "type: cloudify.nodes.Rot")
    (broken / "blueprint.yaml").write_text(text)
    said = cfy("blueprints", "upload", str(broken / "blueprint.yaml"), "-b", "broken", ok=False)
    assert "cloudify.nodes.Rot" in said
    assert "blueprint.yaml" in said
    cfy("blueprints", "delete", "broken")


def test_deployments_show_inputs_outputs_nodes_and_workflows(cfy: Cfy, deployed: str) -> None:
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


def test_schedules_in_every_form(cfy: Cfy, deployed: str) -> None:
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


def test_executions_are_followed_queued_and_cancelled(cfy: Cfy, deployed: str) -> None:
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
    _until(lambda: not [row for row in json.loads(cfy("executions", "list", "--json")) if _open(row)])
    assert "cancelled" in cfy("executions", "get", active[0]["id"])
    assert "Starting 'execute_operation'" in cfy("events", "list", active[0]["id"])
    cfy("executions", "summary", "status")


def _open(row: dict[str, str]) -> bool:
    status = row.get("status_display") or row.get("status")
    return row["workflow_id"] == "execute_operation" and status not in {"completed", "failed", "cancelled"}


def _until(true: object, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline


def test_secrets_tokens_users_and_tenants(cfy: Cfy, manager: Manager, tmp_path: Path) -> None:
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
    bob = Cfy(tmp_path / "bob", manager, user="bob", password="bobs-password")
    bob(*[part if part != "default_tenant" else "other" for part in bob.profile])
    assert "life" not in bob("blueprints", "list")
    assert "door" not in bob("secrets", "list")
    bob("users", "create", "eve", "-p", "eves-password", ok=False)
    cfy("secrets", "delete", "door")
    cfy("tenants", "remove-user", "bob", "-t", "other")
    cfy("users", "delete", "bob")
    cfy("tenants", "delete", "other")


def test_maintenance_mode_on_and_off(cfy: Cfy) -> None:
    cfy("maintenance-mode", "activate", "--wait")
    assert "activated" in cfy("maintenance-mode", "status")
    cfy("deployments", "list", ok=False)
    cfy("maintenance-mode", "activate", ok=False)
    cfy("maintenance-mode", "deactivate")
    cfy("deployments", "list")


def test_install_and_uninstall_in_one_command(cfy: Cfy) -> None:
    cfy("install", str(NIGHTLY), "-b", "nightly", "-d", "nightly")
    said = cfy("executions", "start", "backup", "-d", "nightly")
    assert "Verified" in said
    assert "backup.db" in cfy("deployments", "outputs", "nightly")
    cfy("uninstall", "nightly")
    assert "nightly" not in cfy("deployments", "list")


def test_configuration_values_are_listed_and_the_deployment_goes_at_the_end(cfy: Cfy, deployed: str) -> None:
    cfy("executions", "start", "uninstall", "-d", deployed)
    cfy("deployments", "delete", deployed)
    cfy("blueprints", "delete", deployed)
    assert "life" not in cfy("blueprints", "list")
    assert PASSWORD not in cfy("profiles", "list")
