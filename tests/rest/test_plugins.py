"""Plugins over REST, on both databases (REST contract §16)."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from manager_core.bootstrap import Core
from tests.support.archives_made import HELLO, blueprint_tar, plugin_zip, wagon
from tests.support.inline_worker import InlineWorker
from tests.support.rows import an_execution

YAML = """\
plugins:
  thing: {{executor: central_deployment_agent, package_name: thing-plugin, package_version: '{version}'}}
node_types:
  thing.Node: {{derived_from: cloudify.nodes.Root, properties: {{v: {{default: '{version}'}}}}}}
labels: {{kind: {{values: [thing]}}}}
"""


@pytest.fixture
def api(client: TestClient, core: Core) -> Iterator[TestClient]:
    """A client of a manager that runs its uploads."""
    InlineWorker(core)
    yield client


def upload(api: TestClient, version: str = "1.0", data: bytes | None = None, **params: Any) -> Any:
    content = data if data is not None else plugin_zip(
        {"plugin.yaml": YAML.format(version=version)}, wagon("thing-plugin", version)
    )  # fmt: skip
    return api.post("/plugins", params=params, content=iter([content]), headers={"Content-type": "application/json"})


def upload_blueprint(api: TestClient, text: str, blueprint_id: str = "bp") -> Any:
    files: dict[str, Any] = {"params": (None, json.dumps({})), "blueprint_archive": ("a", blueprint_tar(text))}
    return api.put(f"/blueprints/{blueprint_id}", files=files)


def importing(spec: str) -> str:
    return HELLO.replace("types.yaml]", f"types.yaml, 'plugin:thing-plugin{spec}']").replace(
        "cloudify.nodes.Root", "thing.Node"
    )


def test_an_uploaded_plugin_reads_back_with_its_metadata(api: TestClient) -> None:
    answer = upload(api, title="Thing", visibility="private")
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert (body["package_name"], body["package_version"]) == ("thing-plugin", "1.0")
    assert body["archive_name"] == "thing-plugin-1.0-py311-none-any.wgn"
    assert (body["distribution"], body["supported_platform"]) == ("centos", "any")
    assert body["wheels"] == ["thing-plugin-1.0-py3-none-any.whl"]
    assert body["installation_state"] == []
    assert body["title"] == "Thing"
    assert body["visibility"] == "private"
    assert body["yaml_url_path"] == "plugin:thing-plugin?version=1.0&distribution=centos"
    assert body["labels"] == {"kind": {"values": ["thing"]}}
    assert api.get(f"/plugins/{body['id']}?_get_data=False").json() == body
    page = api.get("/plugins?_sort=uploaded_at&_search=THING&package_version=1.0&_get_data=False").json()
    assert [item["id"] for item in page["items"]] == [body["id"]]


def test_a_bare_wagon_and_a_wheel_are_plugins_too(api: TestClient) -> None:
    assert upload(api, data=wagon("bare", "2.0")).json()["package_version"] == "2.0"
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("whl-1.5.dist-info/METADATA", "Metadata-Version: 2.1\nName: whl\nVersion: 1.5\n")
    data = plugin_zip({"plugin.yaml": "plugins: {}"}, target.getvalue(), "whl-1.5-py3-none-any.whl")
    body = upload(api, data=data).json()
    assert (body["package_name"], body["package_version"]) == ("whl", "1.5")
    assert body["supported_py_versions"] == ["py3"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"text", "input can be only a wagon or a zip file."),
        (blueprint_tar(), "input can be only a wagon or a zip file."),
        (plugin_zip({"plugin.yaml": "a: 1"}), "Archive must include one wgn file"),
        (plugin_zip({}, wagon()), "Archive must include one wgn file"),
        (plugin_zip({"plugin.yaml": "a: [1"}, wagon()), "can not be read"),
        (plugin_zip({"plugin.yaml": "- 1"}, wagon()), "is not a mapping"),
        (blueprint_tar({"package.json": "{}"}), "package.json cannot be read"),
        (b"PK\x03\x04 broken", "input can be only"),
    ],
)
def test_what_is_no_plugin_is_refused(api: TestClient, data: bytes, message: str) -> None:
    answer = upload(api, data=data)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "invalid_plugin_error")
    assert message in answer.json()["message"]
    assert api.get("/plugins").json()["items"] == []


def test_the_same_package_again_is_a_conflict(api: TestClient) -> None:
    upload(api)
    answer = upload(api)
    assert (answer.status_code, answer.json()["error_code"]) == (409, "conflict_error")
    assert upload(api, "1.1").status_code == 201
    assert (
        api.post("/plugins", headers={"Content-type": "application/json"}).json()["error_code"] == "upload_missing_file"
    )


@pytest.mark.parametrize(
    ("spec", "version"),
    [("", "1.10"), ("?version=1.9", "1.9"), ("?version= >=1.0,<1.10", "1.9"), ("?version=!=1.10", "1.9")],
)
def test_a_blueprint_imports_the_highest_plugin_that_fits(api: TestClient, spec: str, version: str) -> None:
    for name in ("1.9", "1.10", "1.2"):
        upload(api, name)
    answer = upload_blueprint(api, importing(spec))
    assert answer.status_code == 201, answer.text
    assert answer.json()["plan"]["nodes"][0]["properties"]["v"] == version


def test_an_import_nothing_fits_is_a_blueprint_error(api: TestClient) -> None:
    upload(api)
    answer = upload_blueprint(api, importing("?version=>2"))
    assert (answer.status_code, answer.json()["error_code"]) == (400, "invalid_blueprint_error")
    assert "thing-plugin" in answer.json()["message"]


def test_the_yaml_for_the_blueprints_version_is_chosen(api: TestClient) -> None:
    texts = {"plugin.yaml": YAML.format(version="plain"), "plugin_1_4.yaml": YAML.format(version="four"),
             "plugin_1_5.yaml": YAML.format(version="five")}  # fmt: skip
    identifier = upload(api, data=plugin_zip(texts, wagon("thing-plugin"))).json()["id"]
    assert upload_blueprint(api, importing("")).json()["plan"]["nodes"][0]["properties"]["v"] == "four"
    answer = api.get(f"/plugins/{identifier}/yaml?dsl_version=cloudify_dsl_1_5")
    assert "five" in answer.text
    assert int(answer.headers["content-length"]) == len(answer.content)


def test_downloads_are_the_package_or_the_whole_upload(api: TestClient) -> None:
    package = wagon("thing-plugin")
    data = plugin_zip({"plugin.yaml": YAML.format(version="1.0")}, package)
    identifier = upload(api, data=data).json()["id"]
    answer = api.get(f"/plugins/{identifier}/archive")
    assert answer.content == package
    assert answer.headers["content-disposition"] == 'attachment; filename="thing-plugin-1.0-py311-none-any.wgn"'
    assert api.get(f"/plugins/{identifier}/archive?full_archive=True").content == data


def test_a_plugin_in_use_is_deleted_by_force_alone(api: TestClient, core: Core) -> None:
    identifier = upload(api).json()["id"]
    upload_blueprint(api, importing("") + "workflows: {w: thing.run}\n", "user")
    answer = api.request("DELETE", f"/plugins/{identifier}", json={"force": False})
    assert (answer.status_code, answer.json()["error_code"]) == (405, "plugin_in_use")
    assert answer.json()["message"] == (
        f'Plugin "{identifier}" is currently in use in blueprints: user. You can "force" plugin removal if needed.'
    )
    assert api.request("DELETE", f"/plugins/{identifier}", json={"force": True}).status_code == 204
    assert api.get(f"/plugins/{identifier}").status_code == 404
    assert list((core.files.root / "plugins").glob("*/*")) == []


def test_a_running_snapshot_holds_changes_back(api: TestClient, core: Core) -> None:
    identifier = upload(api).json()["id"]
    an_execution(core, deployment_id=None, workflow_id="create_snapshot", status="queued",
                 is_system_workflow=True, parameters={"snapshot_id": "s1"})  # fmt: skip
    for answer in (upload(api, "2"), api.request("DELETE", f"/plugins/{identifier}", json={"force": True})):
        assert (answer.status_code, answer.json()["error_code"]) == (400, "existing_running_execution_error")
        assert "(snapshot id: s1)" in answer.json()["message"]


def test_state_and_visibility_change(api: TestClient) -> None:
    identifier = upload(api).json()["id"]
    body = api.put(f"/plugins/{identifier}", json={"state": "installed", "manager": "m"}).json()
    assert body["installation_state"] == [{"manager": "m", "agent": None, "state": "installed", "error": None}]
    body = api.patch(f"/plugins/{identifier}/set-visibility", json={"visibility": "global"}).json()
    assert body["visibility"] == "global"
    answer = api.patch(f"/plugins/{identifier}/set-visibility", json={"visibility": "tenant"})
    assert answer.json()["error_code"] == "illegal_action_error"
