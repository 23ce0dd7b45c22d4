"""The door for workers on other hosts: closed to everybody else, whoever they are."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from manager_core.bootstrap import Core
from manager_core.files import proof
from tests.support.clock import FakeClock
from tests.support.databases import ADMIN_PASSWORD
from tests.support.requests import basic, client_of, error

CONTENT = b"an archive" * 1000
HASH = hashlib.sha256(CONTENT).hexdigest()
Call = Callable[..., object]


@pytest.fixture
def anonymous(sqlite_core: Core) -> TestClient:
    """A client without credentials."""
    return client_of(sqlite_core)


@pytest.fixture
def call(anonymous: TestClient, sqlite_core: Core) -> Call:
    """Call the door with the proof for exactly that call, or with `header`."""

    def called(
        method: str, kind: str = "plugins", content_hash: str = HASH, *, header: str | None = None, **more: object
    ):
        key = sqlite_core.secrets.derived_key(proof.PURPOSE)
        made = proof.prove(key, method, kind, content_hash, sqlite_core.clock.now())
        headers = {"Authorization": made if header is None else header}
        return anonymous.request(method, f"/internal/files/{kind}/{content_hash}", headers=headers, **more)

    return called


def test_a_file_is_stored_told_of_and_given_back(call: Call, sqlite_core: Core) -> None:
    assert call("HEAD").status_code == 404
    assert error(call("GET"))[:2] == (404, "not_found_error")
    assert call("PUT", content=CONTENT).status_code == 201
    assert call("PUT", content=CONTENT).status_code == 201, "a repetition does no harm"
    assert call("HEAD").status_code == 200
    answer = call("GET")
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["content-length"] == str(len(CONTENT))
    assert sqlite_core.files.path("plugins", HASH).read_bytes() == CONTENT


def test_another_body_than_the_address_says_is_refused(call: Call, sqlite_core: Core) -> None:
    status, code, message = error(call("PUT", content=b"something else"))
    assert (status, code) == (400, "bad_parameters_error")
    assert hashlib.sha256(b"something else").hexdigest() in message and HASH in message
    assert error(call("PUT"))[0] == 400
    assert not sqlite_core.files.path("plugins", HASH).exists()
    assert list((sqlite_core.files.root / "tmp").iterdir()) == []


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_without_a_proof_nothing_is_served(call: Call, sqlite_core: Core, clock: FakeClock, method: str) -> None:
    call("PUT", content=CONTENT)
    admin = basic("admin", ADMIN_PASSWORD)["Authorization"]
    for header in ("", admin, "Cloudify-Worker 0:" + "0" * 64):
        status, code, message = error(call(method, header=header, content=CONTENT if method == "PUT" else None))
        assert (status, code) == (401, "unauthorized_error"), header
        assert "CLOUDIFY_SECRET_KEY" in message
    key = sqlite_core.secrets.derived_key(proof.PURPOSE)
    old = proof.prove(key, method, "plugins", HASH, clock.now() - timedelta(seconds=301))
    status, _, message = error(call(method, header=old))
    assert status == 401 and "more than 300 seconds" in message


@pytest.mark.parametrize(("kind", "content_hash"), [("keys", HASH), ("plugins", "x" * 64), ("plugins", HASH.upper())])
def test_there_is_nothing_but_stored_files_behind_it(call: Call, kind: str, content_hash: str) -> None:
    assert call("GET", kind, content_hash).status_code == 404
    assert call("PUT", kind, content_hash, content=CONTENT).status_code == 404


def test_folders_come_and_go_as_a_zip(sqlite_core: Core, anonymous: TestClient) -> None:
    home = sqlite_core.settings.data_dir
    script = home / "resources" / "tools" / "run.sh"
    script.parent.mkdir(parents=True)
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    (home / "secret-key.txt").write_text("not among them")
    key, now = sqlite_core.secrets.derived_key(proof.PURPOSE), sqlite_core.clock.now()
    got = anonymous.get("/internal/folders", headers={"Authorization": proof.prove(key, "GET", "folders", "", now)})
    assert got.status_code == 200
    content_hash = hashlib.sha256(got.content).hexdigest()
    proved = {"Authorization": proof.prove(key, "PUT", "folders", content_hash, now)}
    script.unlink()
    assert error(anonymous.put(f"/internal/folders/{content_hash}", headers=proved, content=b"another body"))[0] == 400
    assert anonymous.put(f"/internal/folders/{content_hash}", headers=proved, content=got.content).status_code == 200
    assert (script.read_text(), script.stat().st_mode & 0o700) == ("#!/bin/sh\n", 0o700)
    assert list((sqlite_core.files.root / "tmp").iterdir()) == [], "nothing is left over"
    assert error(anonymous.get("/internal/folders"))[0] == 401
    assert error(anonymous.put(f"/internal/folders/{content_hash}", content=got.content))[0] == 401


def test_a_zip_that_leads_out_of_the_folders_does_not(sqlite_core: Core, anonymous: TestClient) -> None:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as made:
        for name in ("folders/icons/../../evil", "folders/blueprints/evil", "/folders/icons/evil", "manager.db"):
            made.writestr(name, "evil")
    before = set(sqlite_core.settings.data_dir.rglob("*"))
    key, now = sqlite_core.secrets.derived_key(proof.PURPOSE), sqlite_core.clock.now()
    for content in (body.getvalue(), b"no zip at all"):
        content_hash = hashlib.sha256(content).hexdigest()
        proved = {"Authorization": proof.prove(key, "PUT", "folders", content_hash, now)}
        answer = anonymous.put(f"/internal/folders/{content_hash}", headers=proved, content=content)
        assert answer.status_code == (200 if content[:2] == b"PK" else 400)
    after = {path for path in sqlite_core.settings.data_dir.rglob("*") if path.parts[-1] not in ("files", "tmp")}
    assert {path.name for path in after - before} <= {"secret-key"}


def test_the_document_tells_of_the_proof(sqlite_core: Core, anonymous: TestClient) -> None:
    document = anonymous.get("http://testserver/openapi.json").json()
    operations = document["paths"]["/api/v3.1/internal/files/{kind}/{content_hash}"]
    assert {operation["security"][0].popitem()[0] for operation in operations.values()} == {"worker"}
    assert document["components"]["securitySchemes"]["worker"]["name"] == "Authorization"
