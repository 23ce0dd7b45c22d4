"""Blueprints over REST, on both databases (REST contract §5)."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from manager_core.bootstrap import Core
from manager_core.deployments.tables import Deployment
from tests.support.archives_made import HELLO, blueprint_tar, blueprint_zip
from tests.support.inline_worker import InlineWorker


@pytest.fixture
def worker(core: Core) -> InlineWorker:
    """Runs executions when they become pending."""
    return InlineWorker(core)


@pytest.fixture
def api(client: TestClient, worker: InlineWorker) -> Iterator[TestClient]:
    """A client of a manager that runs its uploads."""
    yield client


def upload(api: TestClient, blueprint_id: str = "bp", data: bytes | None = None, **params: Any) -> Any:
    """Upload as `cfy` does: a form with `params` and the archive."""
    files: dict[str, Any] = {"params": (None, json.dumps(params))}
    if "blueprint_archive_url" not in params:
        files["blueprint_archive"] = ("bp.tar.gz", data if data is not None else blueprint_tar(), "text/plain")
    return api.put(f"/blueprints/{blueprint_id}", files=files)


def test_an_uploaded_blueprint_is_parsed_and_reads_back(api: TestClient) -> None:
    answer = upload(api)
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert body["id"] == "bp"
    assert body["state"] == "uploaded"
    assert body["error"] is None
    assert body["description"] == "says hello"
    assert body["main_file_name"] == "blueprint.yaml"
    assert body["plan"]["inputs"]["greeting"]["default"] == "hello"
    assert body["labels"] == []
    assert body["upload_execution"]["workflow_id"] == "upload_blueprint"
    assert body["visibility"] == body["resource_availability"] == "tenant"
    assert body["private_resource"] is False
    assert body["created_by"] == "admin"
    assert api.get("/blueprints/bp").json() == body


def test_an_asynchronous_upload_answers_at_once_with_its_execution(api: TestClient, worker: InlineWorker) -> None:
    worker.held.add("upload_blueprint")
    body = upload(api, async_upload=True).json()
    assert body["state"] == "uploading"
    assert body["plan"] == {"inputs": {}, "metadata": None}
    execution = api.get(f"/executions/{body['upload_execution']['id']}").json()
    assert execution["status"] == "pending"
    assert execution["is_system_workflow"] is False
    worker.held.clear()
    worker.set()
    assert api.get("/blueprints/bp").json()["state"] == "uploaded"


def test_the_raw_form_with_its_parameters_in_the_query_works_too(api: TestClient) -> None:
    params = {"visibility": "private", "async_upload": "False", "application_file_name": "sub%2Fmain.yaml",
              "labels": ["{'key': 'env', 'value': 'prod'}"]}  # fmt: skip
    answer = api.put(
        "/blueprints/bp", params=params, content=iter([blueprint_tar({"sub/main.yaml": HELLO})]),
        headers={"Content-type": "application/json"},
    )  # fmt: skip
    assert answer.status_code == 201, answer.text
    assert answer.json()["visibility"] == "private"
    assert answer.json()["main_file_name"] == "sub/main.yaml"
    assert [(label["key"], label["value"]) for label in answer.json()["labels"]] == [("env", "prod")]


@pytest.mark.parametrize("data", [blueprint_tar(mode="w"), blueprint_tar(mode="w:bz2"), blueprint_zip()])
def test_whatever_the_format_the_download_is_a_tar_gz(api: TestClient, data: bytes) -> None:
    assert upload(api, data=data).json()["state"] == "uploaded"
    answer = api.get("/blueprints/bp/archive")
    assert answer.headers["content-disposition"] == 'attachment; filename="bp.tar.gz"'
    assert int(answer.headers["content-length"]) == len(answer.content)
    with tarfile.open(fileobj=io.BytesIO(answer.content), mode="r:gz") as tar:
        assert "bp/blueprint.yaml" in tar.getnames()


def test_the_files_lie_in_the_blueprints_folder(api: TestClient, core: Core) -> None:
    upload(api, data=blueprint_tar({"blueprint.yaml": HELLO, "scripts/run.sh": "#!/bin/sh"}))
    folder = core.blueprints.folder("default_tenant", "bp")
    assert (folder / "scripts/run.sh").read_text() == "#!/bin/sh"
    assert folder.is_relative_to(core.settings.data_dir)


def test_labels_of_the_request_and_of_the_blueprint_are_merged(api: TestClient) -> None:
    text = HELLO + "blueprint_labels: {Env: {values: [dev, prod]}}\n"
    body = upload(api, data=blueprint_tar(text), labels=[{"key": "env", "value": "prod"}, {"Owner": "me"}]).json()
    assert sorted((label["key"], label["value"]) for label in body["labels"]) == [
        ("env", "dev"), ("env", "prod"), ("owner", "me"),
    ]  # fmt: skip
    assert body["labels"][0]["created_by"] == "admin"


@pytest.mark.parametrize(
    ("files", "params", "state", "error"),
    [
        ({"../x": ""}, {}, "failed_extracting", "outside"),
        ({"other.yaml": HELLO}, {}, "failed_extracting",
         "Application directory is missing blueprint.yaml and application_file_name query parameter was not passed"),
        ({"other.yaml": HELLO}, {"application_file_name": "main.yaml"}, "failed_extracting",
         "main.yaml does not exist in the application directory"),
        ({"other.yaml": HELLO}, {"application_file_name": "../../../manager.db"}, "failed_extracting",
         "../../../manager.db does not exist in the application directory"),
        ({"blueprint.yaml": HELLO.replace("Root", "Rooot") + "nonsense: 1\n"}, {}, "invalid", "Invalid blueprint - "),
    ],
)  # fmt: skip
def test_a_failed_upload_says_why_in_its_state_and_text(
    api: TestClient, files: dict[str, str], params: dict[str, str], state: str, error: str
) -> None:
    answer = upload(api, data=blueprint_tar(files), **params)
    assert answer.status_code == 400
    assert answer.json()["error_code"] == "invalid_blueprint_error"
    body = api.get("/blueprints/bp").json()
    assert body["state"] == state
    assert error in body["error"]
    what = "is invalid" if state == "invalid" else "has failed uploading"
    assert answer.json()["message"] == f"Blueprint `bp` {what}. Error: {body['error']}"
    execution = api.get(f"/executions/{body['upload_execution']['id']}").json()
    assert (execution["status"], execution["error"]) == ("failed", body["error"])


@pytest.mark.parametrize("coded", [HELLO.encode("utf-16"), b"description: caf\xe9\n" + HELLO.encode()])
def test_a_main_file_that_is_no_utf_8_is_named_and_told_what_is_taken(api: TestClient, coded: bytes) -> None:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        member = tarfile.TarInfo("bp/main.yaml")
        member.size = len(coded)
        archive.addfile(member, io.BytesIO(coded))
    answer = upload(api, data=target.getvalue(), application_file_name="main.yaml")
    assert answer.status_code == 400
    body = api.get("/blueprints/bp").json()
    assert body["state"] == "invalid"
    assert "main.yaml is not UTF-8 text" in body["error"]
    assert "blueprint files are UTF-8, with or without a byte order mark" in body["error"]


def test_every_error_of_a_blueprint_is_told_with_file_and_line(api: TestClient) -> None:
    text = HELLO.replace("cloudify.nodes.Root", "cloudify.nodes.Rooot") + "outputs: 7\nnonsense: 1\n"
    upload(api, data=blueprint_tar(text), async_upload=True)
    error = api.get("/blueprints/bp").json()["error"]
    assert "nonsense" in error
    assert "outputs" in error
    assert "blueprint.yaml" in error
    assert "in line: 8" in error
    assert "in line: 9" in error


@pytest.mark.parametrize("data", [b"no archive", b"PK\x03\x04 broken", b"\x1f\x8b broken"])
def test_what_is_no_archive_fails_even_when_asynchronous(api: TestClient, data: bytes) -> None:
    answer = upload(api, data=data, async_upload=True)
    if data == b"no archive":
        assert answer.status_code == 400
        assert answer.json()["message"] == (
            "Blueprint archive is of an unrecognized format. Supported formats are: ['zip', 'tar', 'tar.gz', 'tar.bz2']"
        )
        assert answer.json()["error_code"] == "bad_parameters_error"
    state = api.get("/blueprints/bp").json()["state"]
    assert state == ("failed_uploading" if data == b"no archive" else "failed_extracting")


def test_two_top_folders_are_refused(api: TestClient) -> None:
    upload(api, data=blueprint_tar({"blueprint.yaml": HELLO, "x": ""}, top="bp"), async_upload=True)
    assert api.get("/blueprints/bp").json()["state"] == "uploaded"
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as tar:
        for name in ("a/blueprint.yaml", "b/blueprint.yaml"):
            tar.addfile(tarfile.TarInfo(name))
    upload(api, "bp2", target.getvalue(), async_upload=True)
    assert api.get("/blueprints/bp2").json()["error"] == "Archive must contain exactly 1 directory"


def test_a_taken_name_is_a_conflict_and_a_failed_one_is_replaced(api: TestClient) -> None:
    upload(api, data=b"nothing")
    assert upload(api).status_code == 201
    answer = upload(api)
    assert answer.status_code == 409
    assert answer.json() == {
        "message": "blueprint with id=bp already exists on tenant default_tenant or with global visibility",
        "error_code": "conflict_error",
        "server_traceback": None,
    }


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("1bp", {}, "The `blueprint_id` argument must begin with a letter"),
        ("b p", {}, "The `blueprint_id` argument contains illegal characters"),
        ("b" * 257, {}, "The `blueprint_id` argument is too long"),
        ("bp", {"visibility": "all"}, "Invalid visibility: `all`. Valid visibility's values are: ['private', 'tenant'"),
        ("bp", {"labels": "x"}, "Labels must be a list of 1-entry dictionaries"),
        ("bp", {"async_upload": "maybe"}, "async_upload must be <true/false>, got maybe"),
        ("bp", {"blueprint_archive_url": "file:///etc/passwd"}, "only http and https"),
        ("bp", {"created_at": "2020-01-01T00:00:00"}, "missing timezone information"),
    ],
)
def test_bad_parameters_are_named_and_leave_nothing(
    api: TestClient, name: str, params: dict[str, Any], message: str
) -> None:
    answer = upload(api, name, **params)
    assert answer.status_code == 400
    assert message in answer.json()["message"]
    assert answer.json()["error_code"] == "bad_parameters_error"
    assert api.get("/blueprints").json()["items"] == []
    assert api.get("/executions").json()["items"] == []


def test_an_upload_without_archive_is_refused(api: TestClient) -> None:
    answer = api.put("/blueprints/bp", files={"params": (None, "{}")})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "upload_missing_file")
    assert api.put("/blueprints/bp", files={"params": (None, "[")}).status_code == 400


def test_an_unreachable_url_fails_the_upload_with_a_text(api: TestClient) -> None:
    answer = upload(api, blueprint_archive_url="http://127.0.0.1:1/bp.zip", async_upload=True)
    assert answer.status_code == 201
    body = api.get("/blueprints/bp").json()
    assert body["state"] == "failed_uploading"
    assert "http://127.0.0.1:1/bp.zip could not be read" in body["error"]


def test_an_upload_whose_execution_is_lost_does_not_stay_under_way(api: TestClient, worker: InlineWorker) -> None:
    worker.failing["upload_blueprint"] = "worker lost"
    upload(api, async_upload=True)
    body = api.get("/blueprints/bp").json()
    assert (body["state"], body["error"]) == ("failed_uploading", "worker lost")


def test_validating_keeps_nothing_but_the_execution(api: TestClient, core: Core, worker: InlineWorker) -> None:
    worker.held.add("upload_blueprint")
    answer = api.put(
        "/blueprints/bp/validate",
        files={"params": (None, "{}"), "blueprint_archive": ("a", blueprint_tar("nonsense: 1"))},
    )
    assert answer.status_code == 201
    assert answer.json()["state"] == "validating"
    execution_id = answer.json()["upload_execution"]["id"]
    worker.held.clear()
    worker.set()
    execution = api.get(f"/executions/{execution_id}").json()
    assert execution["status"] == "failed"
    assert execution["error"].startswith("Invalid blueprint - ")
    assert api.get("/blueprints?is_hidden=true").json()["items"] == []
    assert list((core.settings.data_dir / "blueprints").glob("*/*")) == []


def test_lists_filter_sort_search_and_hide(api: TestClient) -> None:
    for name in ("alpha", "beta", "hidden"):
        upload(api, name, labels=[{"team": name}])
    assert [item["id"] for item in api.get("/blueprints?_sort=-id").json()["items"]] == ["hidden", "beta", "alpha"]
    page = api.get("/blueprints", params={"_search": "et", "_include": "id,labels"}).json()
    assert [item["id"] for item in page["items"]] == ["beta"]
    assert page["items"][0]["labels"][0]["value"] == "beta"
    assert page["metadata"]["pagination"] == {"total": 1, "size": 1000, "offset": 0}
    found = api.post(
        "/searches/blueprints",
        json={"filter_rules": [{"key": "team", "values": ["beta"], "operator": "any_of", "type": "label"}]},
    ).json()
    assert [item["id"] for item in found["items"]] == ["beta"]
    assert found["metadata"]["filtered"] == 2
    found = api.post("/searches/blueprints", json={"constraints": {"name_pattern": {"starts_with": "al"}}}).json()
    assert [item["id"] for item in found["items"]] == ["alpha"]


def test_a_blueprint_is_changed_by_patch(api: TestClient) -> None:
    upload(api)
    body = api.patch("/blueprints/bp", json={"labels": [{"a": "1"}], "description": "new"}).json()
    assert body["description"] == "new"
    assert [(label["key"], label["value"]) for label in body["labels"]] == [("a", "1")]
    assert api.patch("/blueprints/bp", json={"labels": []}).json()["labels"] == []
    answer = api.patch("/blueprints/bp", json={"zeta": 1, "eta": 2})
    assert (answer.status_code, answer.json()["message"]) == (400, "Unknown parameters: eta,zeta")
    assert api.patch("/blueprints/bp", json={"state": "great"}).status_code == 400
    api.patch("/blueprints/bp", json={"state": "invalid"})
    answer = api.patch("/blueprints/bp", json={"labels": [{"a": "1"}]})
    assert answer.status_code == 409
    assert answer.json()["message"] == "Blueprint labels can be created only if the blueprint state is uploaded"
    assert api.patch("/blueprints/none", json={"description": "x"}).status_code == 404


def test_visibility_only_widens(api: TestClient) -> None:
    upload(api, visibility="private")
    assert api.patch("/blueprints/bp/set-visibility", json={"visibility": "private"}).status_code == 200
    assert api.patch("/blueprints/bp/set-visibility", json={"visibility": "global"}).json()["visibility"] == "global"
    answer = api.patch("/blueprints/bp/set-visibility", json={"visibility": "tenant"})
    assert answer.status_code == 400
    assert answer.json()["error_code"] == "illegal_action_error"
    assert (
        answer.json()["message"] == "Can't set the visibility of `bp` to tenant because it already has wider visibility"
    )
    assert (
        api.patch("/blueprints/bp/set-visibility", json={}).json()["message"]
        == "Missing visibility in json request body"
    )


def test_a_deleted_blueprint_is_gone_with_its_files(api: TestClient, core: Core) -> None:
    upload(api)
    assert api.delete("/blueprints/bp?force=False").status_code == 204
    answer = api.get("/blueprints/bp")
    assert answer.status_code == 404
    assert answer.json()["message"] == "Requested `Blueprint` with ID `bp` was not found"
    assert list((core.settings.data_dir / "blueprints").glob("*/bp")) == []
    assert api.get("/blueprints/bp/archive").status_code == 404
    assert api.delete("/blueprints/bp").status_code == 404


def test_a_blueprint_in_use_is_not_deleted(api: TestClient, core: Core, worker: InlineWorker) -> None:
    upload(api, "base")
    upload(api, "user", blueprint_tar(HELLO.replace("types.yaml]", "types.yaml, 'ns--blueprint:base']")))
    assert api.get("/blueprints/user").json()["plan"]["imported_blueprints"] == ["base"]
    answer = api.delete("/blueprints/base")
    assert (answer.status_code, answer.json()["error_code"]) == (405, "blueprint_in_use")
    assert answer.json()["message"] == 'Blueprint base is currently in use. You can "force" blueprint removal.'
    with core.store.write() as session:
        for name in ("d1", "d2"):
            session.add(
                Deployment(
                    id=name, display_name=name, blueprint_id="base", tenant_name="default_tenant", created_by="admin",
                    created_at=core.clock.now(),
                )
            )  # fmt: skip
    answer = api.delete("/blueprints/base?force=true")
    assert (answer.status_code, answer.json()["error_code"]) == (400, "dependent_exists_error")
    assert answer.json()["message"] == (
        "Can't delete blueprint base - There exist deployments for this blueprint; Deployments ids: d1,d2"
    )
    worker.held.add("upload_blueprint")
    upload(api, "slow", async_upload=True)
    answer = api.delete("/blueprints/slow")
    assert answer.json()["message"] == "Blueprint `slow` is still uploading."
    assert api.delete("/blueprints/slow?force=True").status_code == 204


def test_an_unused_archive_is_swept_after_an_hour(api: TestClient, core: Core, tmp_path: Path) -> None:
    upload(api)
    files = core.files.root / "blueprints"
    api.delete("/blueprints/bp")
    assert len(list(files.glob("*/*"))) == 1
    core.clock.set(core.clock.now().replace(year=2100))  # type: ignore[attr-defined]
    core.blueprints.sweep_archives()
    assert list(files.glob("*/*")) == []


def test_an_icon_is_kept_and_removed(api: TestClient, core: Core) -> None:
    upload(api)
    assert api.patch("/blueprints/bp/icon", content=b"\x89PNG\r\n\x1a\n....").status_code == 200
    icon = core.settings.data_dir / "icons" / "default_tenant" / "bp.png"
    assert icon.is_file()
    assert api.patch("/blueprints/bp/icon", content=b"<svg>").status_code == 400
    assert api.patch("/blueprints/bp/icon", headers={"Content-type": "application/json"}).status_code == 200
    assert not icon.exists()


def test_without_permission_nothing_is_read(anonymous: TestClient) -> None:
    answer = anonymous.put("/blueprints/bp", content=blueprint_tar())
    assert answer.status_code == 401


def test_an_upload_does_not_touch_the_blueprint_that_took_its_name(api: TestClient, worker: InlineWorker) -> None:
    worker.held.add("upload_blueprint")
    first = upload(api, data=blueprint_tar(HELLO.replace("says hello", "first")), async_upload=True).json()
    api.delete("/blueprints/bp?force=true")
    second = upload(api, data=blueprint_tar(HELLO.replace("says hello", "second")), async_upload=True).json()
    worker.held.clear()
    worker.set()
    assert api.get("/blueprints/bp").json()["description"] == "second"
    assert api.get(f"/executions/{second['upload_execution']['id']}").json()["status"] == "terminated"
    execution = api.get(f"/executions/{first['upload_execution']['id']}").json()
    assert (execution["status"], execution["error"]) == (
        "failed", "Blueprint `bp` was removed while it was uploaded",
    )  # fmt: skip
