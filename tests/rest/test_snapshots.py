"""Snapshots over REST: made on one database, restored on the same or the other (REST contract §18)."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from manager_core.bootstrap import Core, build
from manager_core.snapshots.restore import LOST
from tests.conftest import basic, client_of
from tests.support.archives_made import HELLO, blueprint_tar, plugin_zip, wagon
from tests.support.clock import FakeClock
from tests.support.databases import ADMIN_PASSWORD, test_settings
from tests.support.inline_worker import InlineWorker
from tests.support.rows import an_execution

JSON = {"Content-type": "application/json"}


@pytest.fixture
def worker(core: Core) -> InlineWorker:
    """Runs executions when they become pending."""
    return InlineWorker(core)


@pytest.fixture
def api(client: TestClient, worker: InlineWorker) -> Iterator[TestClient]:
    """A client of a manager that runs its executions."""
    yield client


@pytest.fixture
def other(tmp_path: Path, clock: FakeClock) -> Iterator[Core]:
    """Another, empty manager with a key of its own, on SQLite."""
    core = build(test_settings(tmp_path / "other"), clock=clock)
    InlineWorker(core)
    yield core
    core.close()


def fill(api: TestClient) -> None:
    """Put one of everything into a manager."""
    files: dict[str, Any] = {"params": (None, json.dumps({"labels": [{"a": "b"}]})),
                             "blueprint_archive": ("a", blueprint_tar(HELLO))}  # fmt: skip
    assert api.put("/blueprints/bp", files=files).status_code == 201
    assert api.put("/deployments/dep", json={"blueprint_id": "bp"}).status_code == 201
    data = plugin_zip({"plugin.yaml": "plugins: {}"}, wagon())
    assert api.post("/plugins", content=data, headers=JSON).status_code == 201
    assert api.put("/secrets/password", json={"value": "xyzzy"}).status_code == 200
    schedule = {"workflow_id": "install", "since": "2030-01-01", "recurrence": "1 day"}
    assert api.put("/execution-schedules/s?deployment_id=dep", json=schedule).status_code == 201


def state_of(api: TestClient) -> dict[str, Any]:
    """Return everything a client can see of what was filled in."""
    deployment = api.get("/deployments/dep").json()
    # PostgreSQL does not keep the order of the workflows.
    deployment["workflows"].sort(key=lambda item: item["name"])
    return {
        "blueprint": api.get("/blueprints/bp").json(),
        "deployment": deployment,
        "nodes": api.get("/nodes").json()["items"],
        "instances": api.get("/node-instances").json()["items"],
        "plugins": api.get("/plugins").json()["items"],
        "schedules": api.get("/execution-schedules").json()["items"],
        "secret": api.get("/secrets/password").json(),
        "create": api.get(f"/executions/{deployment['create_execution']}").json(),
        "archive": api.get("/blueprints/bp/archive").content,
    }


def snapshot_of(api: TestClient, name: str = "s1", **body: Any) -> bytes:
    answer = api.put(f"/snapshots/{name}", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.json()["workflow_id"] == "create_snapshot"
    assert answer.json()["is_system_workflow"] is True
    made = api.get(f"/snapshots/{name}").json()
    assert (made["status"], made["error"], made["visibility"]) == ("created", None, "private")
    download = api.get(f"/snapshots/{name}/archive")
    assert download.headers["content-disposition"] == f'attachment; filename="{name}.zip"'
    assert int(download.headers["content-length"]) == len(download.content)
    return download.content


def restore(api: TestClient, data: bytes, **body: Any) -> Any:
    answer = api.put("/snapshots/back/archive", content=data, headers=JSON)
    assert (answer.status_code, answer.json()["status"]) == (201, "uploaded")
    answer = api.post("/snapshots/back/restore", json={"force": False, **body})
    assert answer.status_code == 200, answer.text
    return api.get(f"/executions/{answer.json()['id']}").json()


def as_admin(core: Core) -> TestClient:
    return client_of(core, Tenant="default_tenant", **basic("admin", ADMIN_PASSWORD))


def test_a_snapshot_restores_into_an_empty_manager(api: TestClient, other: Core) -> None:
    fill(api)
    before = state_of(api)
    data = snapshot_of(api)
    with as_admin(other) as target:
        execution = restore(target, data)
        assert (execution["status"], execution["error"]) == ("terminated", "")
        assert state_of(target) == before
        assert other.blueprints.folder("default_tenant", "bp").joinpath("blueprint.yaml").read_text() == HELLO
        assert [item["id"] for item in target.get("/snapshots").json()["items"]] == ["back"]
        taken = target.get("/executions?workflow_id=create_snapshot&_include_system_workflows=True").json()["items"]
        assert [item["status"] for item in taken] == ["terminated"]
        events = target.get("/events", params={"execution_id": execution["id"]}).json()
        assert events["metadata"]["pagination"]["total"] == len(events["items"])
        # Life goes on: ids of new rows do not meet those of restored ones.
        assert target.put("/deployments/dep2", json={"blueprint_id": "bp"}).status_code == 201
        assert target.put("/secrets/second", json={"value": "v"}).status_code == 200


def test_a_snapshot_of_sqlite_restores_on_either_database(core: Core, client: TestClient, other: Core) -> None:
    with as_admin(other) as source:
        fill(source)
        before = state_of(source)
        data = snapshot_of(source)
    InlineWorker(core)
    execution = restore(client, data)
    assert (execution["status"], execution["error"]) == ("terminated", "")
    assert state_of(client) == before
    assert client.put("/deployments/dep2", json={"blueprint_id": "bp"}).status_code == 201
    assert client.put("/snapshots/again", json={}).status_code == 201


def test_a_manager_with_data_is_not_overwritten_without_force(api: TestClient, other: Core) -> None:
    fill(api)
    data = snapshot_of(api)
    with as_admin(other) as target:
        target.put("/secrets/mine", json={"value": "v"})
        execution = restore(target, data)
        assert execution["status"] == "failed"
        assert execution["error"] == "Snapshot restoration on a dirty manager is not permitted."
        assert target.get("/secrets/mine").status_code == 200
        answer = target.post("/snapshots/back/restore", json={"force": True})
        assert target.get(f"/executions/{answer.json()['id']}").json()["status"] == "terminated"
        assert target.get("/secrets/mine").status_code == 404
        assert target.get("/deployments/dep").status_code == 200


def test_what_was_under_way_has_an_end_after_a_restore(api: TestClient, core: Core, other: Core) -> None:
    fill(api)
    running = an_execution(core, workflow_id="install", status="started")
    data = snapshot_of(api, legacy=False)
    with as_admin(other) as target:
        restore(target, data)
        execution = target.get(f"/executions/{running}").json()
        assert (execution["status"], execution["error"]) == ("failed", LOST)


def test_logs_and_events_stay_out_when_not_wanted(api: TestClient) -> None:
    fill(api)
    with zipfile.ZipFile(io.BytesIO(snapshot_of(api, include_events=False, include_logs=False))) as archive:
        assert archive.read("tables/events.jsonl") == b""
        assert json.loads(archive.read("metadata.json"))["options"] == {"include_events": False, "include_logs": False}


def test_a_snapshot_waits_or_is_refused_while_others_run(api: TestClient, core: Core) -> None:
    fill(api)
    an_execution(core, workflow_id="install", status="started")
    answer = api.put("/snapshots/s1", json={})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "existing_running_execution_error")
    assert api.get("/snapshots/s1").status_code == 404
    assert api.put("/snapshots/s1", json={"queue": True}).json()["status"] == "queued"
    assert api.get("/snapshots/s1").json()["status"] == "creating"
    answer = api.delete("/snapshots/s1")
    assert (answer.status_code, answer.json()["message"]) == (
        400, "Cannot delete snapshot `s1` which has an active `create_snapshot` execution",
    )  # fmt: skip
    assert api.get("/snapshots/s1/archive").json()["error_code"] == "snapshot_action_error"


def test_a_failed_snapshot_is_neither_downloaded_nor_restored(api: TestClient, worker: InlineWorker) -> None:
    worker.failing["create_snapshot"] = "disk full"
    api.put("/snapshots/s1", json={})
    assert (api.get("/snapshots/s1").json()["status"], api.get("/snapshots/s1").json()["error"]) == (
        "failed",
        "disk full",
    )
    for answer, text in (
        (api.get("/snapshots/s1/archive"), "Failed snapshot cannot be downloaded"),
        (api.post("/snapshots/s1/restore", json={}), "Failed snapshot cannot be restored"),
    ):
        assert (answer.status_code, answer.json()["message"]) == (400, text)
        assert answer.json()["error_code"] == "snapshot_action_error"
    assert api.delete("/snapshots/s1").status_code == 204
    assert api.get("/snapshots/s1").status_code == 404


def test_bad_requests_are_refused(api: TestClient, anonymous: TestClient) -> None:
    snapshot_of(api)
    assert api.put("/snapshots/s1", json={}).status_code == 409
    answer = api.post("/snapshots/s1/restore", json={"no_reboot": True})
    assert answer.json()["message"] == "`no_reboot` is only relevant when `restore_certificates` is activated"
    assert api.post("/snapshots/none/restore", json={}).status_code == 404
    assert api.put("/snapshots/x/archive", content=b"no zip", headers=JSON).status_code == 400
    assert api.patch("/snapshots/s1", json={"status": "odd"}).status_code == 400
    assert api.patch("/snapshots/s1", json={"status": "failed", "error": "e"}).json()["error"] == "e"
    assert anonymous.get("/snapshot-status").json() == {"status": "not-running"}
    assert anonymous.get("/snapshots").status_code == 401
    execution = None
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"format": 1, "revision": "9999"}))
    execution = restore(api, target.getvalue())
    assert execution["status"] == "failed"
    assert "another version" in execution["error"]


def test_archives_of_secrets_are_readable_by_their_owner_alone(api: TestClient, core: Core) -> None:
    snapshot_of(api)
    (path,) = (core.files.root / "snapshots").glob("*/*")
    assert path.stat().st_mode & 0o077 == 0
