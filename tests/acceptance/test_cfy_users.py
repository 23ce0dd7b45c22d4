"""Every `cfy` command about users, tenants, tokens, permissions and profiles (REST contract §22.1)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.life import needs_cfy
from tests.support.processes import Cfy, Manager
from tests.support.warm_cfy import WarmCfy

pytestmark = needs_cfy


@pytest.fixture(scope="module")
def ann(cfy: WarmCfy) -> str:
    """A user who may look at one tenant."""
    assert "Tenant `red` created" in cfy("tenants", "create", "red")
    cfy("users", "create", "ann", "-p", "anns-password", "-r", "default", "-t", "red", "-l", "viewer")
    return "ann"


def test_profiles_are_set_listed_and_refused(cfy: WarmCfy, manager: Manager, tmp_path: Path) -> None:
    assert "7.0.5" in cfy("--version")
    assert "Manager REST Service" in cfy("status")
    assert cfy.json("status")["status"] == "OK"
    assert "default_tenant" in cfy("profiles", "list")
    assert cfy.json("profiles", "list")[0]["manager_tenant"] == "default_tenant"
    assert cfy.json("profiles", "show-current")["rest_port"] == manager.port
    assert "Credentials validated" in cfy("profiles", "set", "-t", "default_tenant")
    token = cfy.json("tokens", "create")["value"]
    assert "Using manager" in cfy(
        "profiles", "use", manager.host, "--rest-port", str(manager.port), "--manager-token", token,
        "-t", "default_tenant", "--profile-name", "by-token",
    )  # fmt: skip
    assert cfy.json("tenants", "list")[0]["name"] == "default_tenant"
    cfy(*cfy.profile)
    stranger = Cfy(tmp_path, manager, password="wrong")
    assert "401" in stranger(*stranger.profile, ok=False)


def test_users_are_created_shown_changed_and_removed(cfy: WarmCfy, manager: Manager, ann: str, tmp_path: Path) -> None:
    assert "viewer" in cfy("users", "get", ann, "--get-data")
    found = cfy.json("users", "get", ann)
    assert (found["username"], found["system wide role"], found["tenants"]) == (ann, "default", 1)
    assert cfy.json("users", "get", ann, "--get-data")["user_tenants"] == "'red': 'viewer'"
    assert "Showing 1 of 1 users" in cfy("users", "list", "--search", "ann")
    assert [row["username"] for row in cfy.json("users", "list", "--get-data")] == ["admin", ann]
    assert "too short" in cfy("users", "create", "eve", "-p", "four", ok=False)
    assert "User deactivated" in cfy("users", "deactivate", ann)
    assert cfy.json("users", "get", ann)["active"] is False
    assert "User activated" in cfy("users", "activate", ann)
    assert "User unlocked" in cfy("users", "unlock", ann)
    assert "New password set" in cfy("users", "set-password", ann, "-p", "another-password")
    command = WarmCfy(tmp_path, manager, user=ann, password="another-password")
    try:
        command(*[part if part != "default_tenant" else "red" for part in command.profile])
        assert command.json("blueprints", "list") == []
        assert "not permitted" in command("secrets", "create", "door", "-s", "sesame", ok=False)
        assert "not permitted" in command("users", "list", ok=False)
        assert [row["name"] for row in command.json("tenants", "list")] == ["red"]
    finally:
        command.close()
    assert "New role `sys_admin` set" in cfy("users", "set-role", ann, "-r", "sys_admin")
    cfy("users", "create", "eve", "-p", "eves-password")
    assert "User removed" in cfy("users", "delete", "eve")
    assert "not found" in cfy("users", "get", "eve", ok=False)


def test_tenants_are_shown_and_have_members(cfy: WarmCfy, ann: str) -> None:
    assert "red" in cfy("tenants", "get", "red")
    assert cfy.json("tenants", "get", "red")["users"] == 1
    assert "viewer" in cfy("tenants", "get", "red", "--get-data")
    assert "Showing 2 of 2 tenants" in cfy("tenants", "list")
    assert [row["name"] for row in cfy.json("tenants", "list")] == ["default_tenant", "red"]
    add = ("tenants", "add-user", ann, "-t", "default_tenant", "-r", "user")
    assert "added successfully" in cfy(*add)
    assert "already associated" in cfy(*add)
    assert "updated successfully" in cfy("tenants", "update-user", ann, "-t", "default_tenant", "-r", "manager")
    assert "removed successfully" in cfy("tenants", "remove-user", ann, "-t", "default_tenant")
    assert "not associated" in cfy("tenants", "remove-user", ann, "-t", "default_tenant")
    assert "*not* currently associated" in cfy("tenants", "update-user", ann, "-t", "default_tenant", "-r", "user")
    cfy("tenants", "create", "blue")
    assert "Tenant removed" in cfy("tenants", "delete", "blue")
    assert "not found" in cfy("tenants", "get", "blue", ok=False)


def test_tokens_are_made_shown_and_taken_back(cfy: WarmCfy) -> None:
    made = cfy.json("tokens", "create", "-d", "mine", "-e", "+1day")
    assert made["value"].startswith(f"ctok-{made['id']}-")
    assert "ctok-" in cfy("tokens", "create", "-e", "2100-01-01 00:00")
    assert "in the past" in cfy("tokens", "create", "-e", "2000-01-01 00:00", ok=False)
    assert "mine" in cfy("tokens", "get", made["id"])
    assert cfy.json("tokens", "get", made["id"])["description"] == "mine"
    assert "tokens" in cfy("tokens", "list")
    assert made["id"] in {row["id"] for row in cfy.json("tokens", "list")}
    assert "Deleting REST token" in cfy("tokens", "delete", made["id"])
    assert "Could not find token" in cfy("tokens", "get", made["id"], ok=False)


def test_permissions_and_configuration_are_listed_and_changed(cfy: WarmCfy) -> None:
    assert "blueprint_upload" in cfy("permissions", "list", "--role", "user")
    rows = {row["permission"]: row["roles"] for row in cfy.json("permissions", "list")}
    assert rows["blueprint_upload"] == ["manager", "sys_admin", "user"]
    assert "max_concurrent_workflows" in cfy("config", "list")
    cfy("config", "update", '{"max_concurrent_workflows": 10}')
    values = {row["name"]: row["value"] for row in cfy.json("config", "list")}
    assert values["max_concurrent_workflows"] == 10
    assert "is not of type" in cfy("config", "update", '{"max_concurrent_workflows": "many"}', ok=False)
