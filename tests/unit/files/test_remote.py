"""What an API, or whatever answers in its place, can say to a worker that asks for a file: each has its own words."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from manager_core.errors import Unauthorized
from manager_core.files import proof
from manager_core.files.remote import FileUnavailable, RemoteFiles, Unreachable
from tests.support.clock import FakeClock

KEY = b"k" * 32
CONTENT = b"0123456789" * 50_000
HASH = hashlib.sha256(CONTENT).hexdigest()
CLOCK = FakeClock()


@contextmanager
def server(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """Serve every request with `answer` and give the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        do_HEAD = do_PUT = do_GET

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.server_port}"
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()


def remote(url: str) -> RemoteFiles:
    return RemoteFiles(url, lambda: KEY, CLOCK.now)


def says(status: int, body: bytes = b"", **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    """Return an answer."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        handler.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)

    return answer


def test_a_file_is_fetched_with_a_proof_for_it_and_its_hash_is_told(tmp_path: Path) -> None:
    seen: list[tuple[str, str, str]] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        seen.append((handler.command, handler.path, handler.headers["Authorization"]))
        says(200, CONTENT)(handler)

    with server(answer) as url:
        assert remote(url).fetch("plugins", HASH, tmp_path / "file") == HASH
        assert remote(url).has("plugins", HASH)
        (tmp_path / "file").write_bytes(CONTENT)
        remote(url).send("plugins", HASH, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert {path for _, path, _ in seen} == {f"/api/v3.1/internal/files/plugins/{HASH}"}
    for method, _, header in seen:
        proof.check(KEY, header, method, "plugins", HASH, CLOCK.now())
        with pytest.raises(Unauthorized):
            proof.check(KEY, header, "DELETE", "plugins", HASH, CLOCK.now())


def test_a_missing_file_is_no_error(tmp_path: Path) -> None:
    with server(says(404)) as url:
        assert remote(url).fetch("plugins", HASH, tmp_path / "file") is None
        assert not remote(url).has("plugins", HASH)


def test_a_refusal_is_told_with_the_words_of_the_api(tmp_path: Path) -> None:
    body = json.dumps({"message": "User unauthorized: another key", "error_code": "unauthorized_error"}).encode()
    with server(says(401, body)) as url, pytest.raises(FileUnavailable) as refused:
        remote(url).fetch("plugins", HASH, tmp_path / "file")
    host = url.removeprefix("http://")
    assert refused.value.message == f"{host} answered 401 Unauthorized - User unauthorized: another key"


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_an_ill_server_is_asked_again_later(tmp_path: Path, status: int) -> None:
    with server(says(status, b"<html>")) as url, pytest.raises(Unreachable, match=f"it answered {status}"):
        remote(url).fetch("plugins", HASH, tmp_path / "file")


def test_half_an_answer_is_none(tmp_path: Path) -> None:
    with (
        server(says(200, CONTENT[:1000], Content_Length=str(len(CONTENT)))) as url,
        pytest.raises(Unreachable, match=r"ended after 1000 of 500000 bytes|broke off"),
    ):
        remote(url).fetch("plugins", HASH, tmp_path / "file")


def test_a_proof_is_not_carried_to_where_a_redirect_leads(tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        says(302, Location="/elsewhere")(handler)

    with server(answer) as url, pytest.raises(FileUnavailable, match="answered 302"):
        remote(url).fetch("plugins", HASH, tmp_path / "file")
    assert asked == [f"/api/v3.1/internal/files/plugins/{HASH}"]


def test_nobody_there_and_no_url(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="refused"):
        remote("http://127.0.0.1:9").fetch("plugins", HASH, tmp_path / "file")
    with pytest.raises(FileUnavailable, match="CLOUDIFY_API_URL"):
        remote("manager.example.com").fetch("plugins", HASH, tmp_path / "file")


def test_a_disk_that_takes_nothing_is_named(tmp_path: Path) -> None:
    with server(says(200, CONTENT)) as url, pytest.raises(FileUnavailable, match="this host cannot write to"):
        remote(url).fetch("plugins", HASH, tmp_path / "missing" / "file")


def test_the_password_of_a_url_is_not_told() -> None:
    assert remote("https://user:secret@manager.example.com/base/").host == "manager.example.com"
