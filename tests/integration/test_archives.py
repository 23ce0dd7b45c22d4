"""Promises about large archives, kept by real processes: memory does not grow with the archive.

With `LARGE_ARCHIVE_MB=500` the archives have the size the project promises.
"""

from __future__ import annotations

import base64
import http.client
import io
import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.archives_made import HELLO
from tests.support.clock import PATIENCE
from tests.support.processes import PASSWORD, REPOSITORY, Process, product_environment

MEGABYTE = 1 << 20
SIZE_MB = int(os.environ.get("LARGE_ARCHIVE_MB", "48"))
ALLOWED_GROWTH_MB = 24


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tar.gz of a blueprint and random bytes, which do not compress."""
    path = tmp_path_factory.mktemp("large") / "large.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name, data in (("bp/blueprint.yaml", HELLO.encode()), ("bp/blob", None)):
            info = tarfile.TarInfo(name)
            if data is not None:
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
                continue
            info.size = SIZE_MB * MEGABYTE
            tar.addfile(info, _Random(info.size))  # type: ignore[arg-type]  # it has what addfile reads
    return path


class _Random:
    """Random bytes, as many as asked for, made when they are read."""

    def __init__(self, size: int) -> None:
        self.left = size

    def read(self, size: int) -> bytes:
        count = min(size, self.left)
        self.left -= count
        return os.urandom(count)


def peak_mb(pid: int) -> float:
    """Return the most memory a process ever had, in MB."""
    text = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", text)
    assert found is not None
    return int(found[1]) / 1024


def blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while block := stream.read(1 << 18):
            yield block


def form(path: Path, boundary: str) -> Iterator[bytes]:
    """Yield a multipart form as `cfy` sends it."""
    yield (
        f'--{boundary}\r\nContent-Disposition: form-data; name="params"\r\n\r\n'
        f'{{"async_upload": true}}\r\n--{boundary}\r\n'
        'Content-Disposition: form-data; name="blueprint_archive"; filename="filename"\r\n'
        "Content-Type: text/plain\r\n\r\n"
    ).encode()
    yield from blocks(path)
    yield f"\r\n--{boundary}--\r\n".encode()


@pytest.mark.slow
def test_an_upload_costs_the_server_no_more_memory_than_a_small_one(tmp_path: Path, large: Path) -> None:
    """Both forms of the upload, and the download, pass through in blocks."""
    server = Process(
        [sys.executable, "-m", "manager_core", "serve"], product_environment(tmp_path / "data"), REPOSITORY
    )
    try:
        address = server.wait_for(r"ready on http://([0-9.]+):(\d+)")
        connection = http.client.HTTPConnection(address[1], int(address[2]), timeout=PATIENCE)
        token = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
        headers = {"Authorization": f"Basic {token}", "Tenant": "default_tenant", "Content-type": "application/json"}

        def put(name: str, body: Iterator[bytes], **more: str) -> None:
            query = "?async_upload=true" if not more else ""
            connection.request(
                "PUT", f"/api/v3.1/blueprints/{name}{query}", body, {**headers, **more}, encode_chunked=True
            )
            answer = connection.getresponse()
            assert (answer.status, json.loads(answer.read())["state"]) == (201, "uploading")

        small = tmp_path / "small.tar.gz"
        with tarfile.open(small, "w:gz") as tar:
            tar.addfile(tarfile.TarInfo("bp/blueprint.yaml"))
        put("small", blocks(small))
        put("smallform", form(small, "xyz"), **{"Content-type": "multipart/form-data; boundary=xyz"})
        before = peak_mb(server.pid)
        put("raw", blocks(large))
        put("form", form(large, "xyz"), **{"Content-type": "multipart/form-data; boundary=xyz"})
        connection.request("GET", "/api/v3.1/blueprints/raw/archive", headers=headers)
        answer = connection.getresponse()
        assert int(answer.headers["Content-Length"]) == large.stat().st_size
        received = 0
        while block := answer.read(MEGABYTE):
            received += len(block)
        assert received == large.stat().st_size
        assert peak_mb(server.pid) - before < ALLOWED_GROWTH_MB
    finally:
        server.stop()


@pytest.mark.slow
def test_unpacking_costs_no_more_memory_than_a_small_archive(tmp_path: Path, large: Path) -> None:
    """The process that unpacks stays small too."""
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from manager_core.blueprints.archives import unpack_single\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "unpack_single(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(large), str(tmp_path / "bp")],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert (tmp_path / "bp/blob").stat().st_size == SIZE_MB * MEGABYTE
    assert int(done.stdout) / 1024 < ALLOWED_GROWTH_MB
