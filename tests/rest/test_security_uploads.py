"""Uploads of people who mean no good: they cost a refusal, not the memory, the disk or a thread for ever."""

from __future__ import annotations

import io
import json
import socket
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from manager_core.blueprints import fetching, receiving
from manager_core.bootstrap import Core
from manager_core.plugins import packages
from tests.support.archives_made import blueprint_tar, plugin_zip, wagon
from tests.support.databases import ADMIN_PASSWORD
from tests.support.requests import basic, client_of, error

PARAMS = b"--b\r\nContent-Disposition: form-data; name=params\r\n\r\n"
YAML = {"plugin.yaml": "plugins: {}\n"}


@pytest.fixture
def client(sqlite_core: Core) -> Iterator[TestClient]:
    """The administrator; none of this depends on the database."""
    with client_of(sqlite_core, Tenant="default_tenant", **basic("admin", ADMIN_PASSWORD)) as client:
        yield client


def stored(core: Core) -> list[str]:
    """Return the files that the manager keeps."""
    return [path.name for path in (core.settings.data_dir / "files").rglob("*") if path.is_file()]


def test_a_package_that_grows_without_end_is_given_up(
    client: TestClient, sqlite_core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "LARGEST_PACKAGE", 1 << 20)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("plugin.yaml", "plugins: {}\n")
        archive.writestr("p.wgn", bytes(8 << 20))
    answer = client.post("/plugins", content=target.getvalue())
    assert error(answer)[:2] == (400, "invalid_plugin_error")
    assert "1 MB" in answer.json()["message"]
    assert stored(sqlite_core) == []


@pytest.mark.parametrize("inside_a_zip", [False, True])
def test_a_wagon_whose_header_fills_the_memory_is_refused(client: TestClient, inside_a_zip: bool) -> None:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as tar:
        header = tarfile.TarInfo("pax")
        header.type = tarfile.XHDTYPE
        header.size = 24 << 20
        tar.addfile(header, io.BytesIO(bytes(header.size)))
    data = plugin_zip(YAML, target.getvalue()) if inside_a_zip else target.getvalue()
    answer = client.post("/plugins", content=data)
    assert error(answer)[0] == 400
    assert "header is too large" in answer.json()["message"]


@pytest.mark.parametrize(
    "fields",
    [
        {"package_version": {"a": 1}}, {"archive_name": ["x"]}, {"package_source": 7}, {"supported_platform": {}},
        {"build_server_os_properties": [1]}, {"build_server_os_properties": {"distribution": {}}}, {"wheels": "x"},
        {"package_name": "a\x00b"}, {"package_name": "\ud800"}, {"package_version": "x" * 10_000},
        {"supported_python_versions": {"a": 1}}, {"excluded_wheels": 5}, {"package_name": ""},
        {"package_name": ["a"]}, {"archive_name": "../../etc/passwd"}, {"archive_name": "a\r\nSet-Cookie: b=c"},
    ],
)  # fmt: skip
def test_package_metadata_of_other_types_are_no_plugin(client: TestClient, fields: dict[str, Any]) -> None:
    answer = client.post("/plugins", content=wagon(**fields))
    assert error(answer)[:2] == (400, "invalid_plugin_error"), answer.text


@pytest.mark.parametrize("text", [b"[" * 100_000, b"[1]", b"null", b"5", b'{"package_name": NaN}'])
def test_a_package_json_that_is_none_is_refused(client: TestClient, text: bytes) -> None:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as tar:
        info = tarfile.TarInfo("p/package.json")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
    assert error(client.post("/plugins", content=target.getvalue()))[:2] == (400, "invalid_plugin_error")


@pytest.mark.parametrize("identifier", ["../../x", "a b", "a\r\nb", "x" * 300])
def test_a_plugin_takes_no_id_that_no_path_can_name(client: TestClient, identifier: str) -> None:
    answer = client.post("/plugins", params={"id": identifier}, content=wagon())
    assert error(answer)[:2] == (400, "bad_parameters_error")


def test_names_in_an_archive_end_no_header_line(client: TestClient) -> None:
    name = 'evil";\r\nSet-Cookie: a=b\r\n\r\n\u20ac.yaml'
    plugin = client.post("/plugins", content=plugin_zip({name: "plugins: {}\n"}, wagon()))
    assert plugin.status_code == 201, plugin.text
    answer = client.get(f"/plugins/{plugin.json()['id']}/yaml")
    assert answer.status_code == 200
    told = answer.headers["content-disposition"]
    assert "\r" not in told and "\n" not in told and told.count('"') == 2
    assert "set-cookie" not in answer.headers


def test_the_text_parts_of_a_form_are_bounded_together(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "_LARGEST_FIELD", 1000)
    files: dict[str, Any] = {f"field{number}": (None, "x" * 400) for number in range(4)}
    files["blueprint_archive"] = ("a", blueprint_tar())
    answer = client.put("/blueprints/bp", files=files)
    assert error(answer)[:2] == (400, "bad_parameters_error")
    assert "too large" in answer.json()["message"]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=", b"x"),
        ("multipart/form-data; boundary=" + "b" * 5000, b"x"),
        ("multipart/form-data; boundary=b", b"--b\r\n" + b"A: " + b"x" * 100_000 + b"\r\n\r\n"),
        ("multipart/form-data; boundary=b", b"--b\r\n" + b"A: x\r\n" * 5000 + b"\r\n"),
        ("multipart/form-data; boundary=b", PARAMS + b"[\r\n--b--\r\n"),
        ("multipart/form-data; boundary=b", PARAMS + b"[" * 100_000 + b"\r\n--b--\r\n"),
    ],
)  # fmt: skip
def test_a_form_that_is_none_is_a_bad_request(
    client: TestClient, sqlite_core: Core, content_type: str, body: bytes
) -> None:
    answer = client.put("/blueprints/bp", content=body, headers={"Content-Type": content_type})
    assert error(answer)[:2] == (400, "bad_parameters_error"), answer.text
    assert stored(sqlite_core) == []


@pytest.mark.parametrize(
    "label", ["-" * 20_000 + "1", "(" * 20_000, "[" * 190 + "]" * 190, "{" * 20_000, "1+" * 10_000 + "1", "a" * 30_000]
)
def test_labels_that_are_deep_are_refused(client: TestClient, label: str) -> None:
    answer = client.put("/blueprints/bp", params={"labels": label}, content=blueprint_tar())
    assert error(answer)[:2] == (400, "bad_parameters_error"), answer.text


class Trickle:
    """A server that answers a byte at a time, and never ends."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/a.tar.gz"
        self._gone = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        try:
            connection, _ = self._listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
                while not self._gone.wait(0.02):
                    connection.sendall(b"x")
        except OSError:
            pass

    def close(self) -> None:
        """Go away."""
        self._gone.set()
        self._listener.close()
        self._thread.join(10)


@pytest.fixture
def trickle() -> Iterator[Trickle]:
    """A slow server."""
    server = Trickle()
    yield server
    server.close()


class Hasty:
    """A clock of which every look costs a minute."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def monotonic(self) -> float:
        """Return a later instant than ever before."""
        self._seconds += 60
        return self._seconds

    def wait(self, _seconds: float) -> None:
        """Do not wait."""


def test_a_download_that_never_ends_is_given_up(trickle: Trickle, tmp_path: Any) -> None:
    with pytest.raises(fetching.BadParameters, match="took longer"):
        fetching.download(trickle.url, tmp_path / "a", Hasty())  # type: ignore[arg-type]


def test_an_import_that_never_ends_is_none(trickle: Trickle) -> None:
    assert fetching.fetch_text(trickle.url, Hasty()) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "FILE:/etc/passwd", "ftp://h/x", "data:,x", "//h/x", "gopher://h"]
)
def test_only_the_web_is_fetched(client: TestClient, url: str) -> None:
    query = {"plugin_archive_url": url}
    assert error(client.post("/plugins", params=query))[:2] == (400, "bad_parameters_error")
    query = {"blueprint_archive_url": url}
    assert error(client.put("/blueprints/bp", params=query))[:2] == (400, "bad_parameters_error")


@pytest.mark.parametrize(
    "body", [{"expiration_date": "9999-12-31T23:59:59-14:00"}, {"expiration_date": "0001-01-01T00:00:00+14:00"}]
)
def test_instants_beyond_all_days_are_bad_parameters(client: TestClient, body: dict[str, str]) -> None:
    assert error(client.post("/tokens", json=body))[:2] == (400, "bad_parameters_error")


@pytest.mark.parametrize(
    "path", ["/executions", "/deployments", "/blueprints", "/secrets", "/users", "/tokens", "/nodes"]
)
def test_filters_by_instants_beyond_all_days_are_bad_parameters(client: TestClient, path: str) -> None:
    answer = client.get(path, params={"created_at": "9999-12-31T23:59:59-14:00"})
    assert error(answer)[:2] == (400, "bad_parameters_error")
    assert "SELECT" not in answer.text


def test_ranges_and_seconds_beyond_all_are_bad_parameters(client: TestClient) -> None:
    answer = client.get("/events", params={"_range": "timestamp,9999-12-31T23:59:59-14:00,"})
    assert error(answer)[:2] == (400, "bad_parameters_error")
    body = json.dumps({"workflow_id": "w", "deployment_id": "d", "wait_after_fail": 0}).replace("0}", "1e400}")
    answer = client.post("/executions", content=body, headers={"Content-Type": "application/json"})
    assert error(answer)[:2] == (400, "bad_parameters_error")
