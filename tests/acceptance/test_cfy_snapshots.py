"""Every `cfy` command about snapshots and maintenance mode (REST contract §22.1)."""

from __future__ import annotations

import zipfile
from pathlib import Path

from tests.support.life import execution_in, needs_cfy
from tests.support.processes import Manager
from tests.support.warm_cfy import WarmCfy

pytestmark = needs_cfy


def test_a_snapshot_is_made_kept_and_restored(cfy: WarmCfy, manager: Manager, tmp_path: Path) -> None:
    cfy("secrets", "create", "door", "-s", "sesame")
    said = cfy("snapshots", "create", "one", "--exclude-logs", "--exclude-events", "--queue", "-w")
    assert "one" in said
    assert "created" in cfy("snapshots", "list")
    (row,) = cfy.json("snapshots", "list", "--search", "one")
    assert (row["id"], row["status"], row["visibility"]) == ("one", "created", "private")
    assert "already exists" in cfy("snapshots", "create", "one", ok=False)
    target = tmp_path / "one.zip"
    cfy("snapshots", "download", "one", "-o", str(target))
    assert zipfile.is_zipfile(target)
    assert "No snapshot is currently being restored" in cfy("snapshots", "status")
    cfy("snapshots", "upload", str(target), "-s", "back")
    assert {row["status"] for row in cfy.json("snapshots", "list")} == {"created", "uploaded"}
    cfy("secrets", "update", "door", "-s", "shut")
    cfy("snapshots", "restore", "back", "-f")
    page = manager.get("/executions?workflow_id=restore_snapshot&_include_system_workflows=true&_include=id")
    ended = execution_in(manager, page["items"][0]["id"], "terminated", "failed")
    assert ended["status"] == "terminated", ended["error"]
    assert cfy.json("secrets", "get", "door")["value"] == "sesame"
    for row in cfy.json("snapshots", "list"):
        assert "Snapshot deleted" in cfy("snapshots", "delete", row["id"])
    assert "not found" in cfy("snapshots", "delete", "one", ok=False)


def test_maintenance_mode_comes_is_shown_and_goes(cfy: WarmCfy) -> None:
    assert "deactivated" in cfy("maintenance-mode", "status")
    cfy("maintenance-mode", "activate", "--wait", "--timeout", "60")
    said = cfy("maintenance-mode", "status")
    assert "Status:\tactivated" in said and "admin" in said
    cfy("maintenance-mode", "status", "--json")
    assert "currently in maintenance mode" in cfy("deployments", "list", ok=False)
    assert "Nothing to modify" in cfy("maintenance-mode", "activate", ok=False)
    cfy("maintenance-mode", "deactivate")
    assert "Nothing to modify" in cfy("maintenance-mode", "deactivate", ok=False)
    assert "deactivated" in cfy("maintenance-mode", "status")
