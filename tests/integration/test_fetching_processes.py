"""Several processes of a host that need the same file at once: it comes once, and all of them have it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.support.clock import PATIENCE
from tests.support.processes import REPOSITORY, product_environment

CONTENT = b"0123456789abcdef" * 100_000
HASH = hashlib.sha256(CONTENT).hexdigest()
FETCH = """
import sys
from pathlib import Path
from manager_core.files.cache import FileCache
from manager_core.files.fetching import FetchingFiles
from manager_core.files.remote import RemoteFiles
from scheduler.clock import SystemClock

home, url, content_hash = sys.argv[1:]
clock = SystemClock()
cache = FileCache(Path(home) / "cache", limit=1, clock=clock)
remote = RemoteFiles(url, lambda: b"k" * 32, clock.now)
files = FetchingFiles(Path(home) / "files", cache=cache, clock=clock, patience=600, first=remote)
print("ready", flush=True)
sys.stdin.readline()
path = files.require("plugins", content_hash)
print(len(path.read_bytes()), flush=True)
sys.stdin.readline()
print(path.is_file())
"""


def test_it_is_fetched_once_and_stays_while_any_of_them_uses_it(tmp_path: Path) -> None:
    asked: list[str] = []
    together = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            together.wait(PATIENCE)
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    command = [sys.executable, "-c", FETCH, str(tmp_path), f"http://127.0.0.1:{server.server_port}", HASH]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    environment = product_environment(tmp_path)
    processes = [subprocess.Popen(command, cwd=REPOSITORY, env=environment, **pipes) for _ in range(4)]
    try:
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        together.set()
        for process in processes:
            assert process.stdout.readline() == f"{len(CONTENT)}\n"
        for process in processes:
            # Whoever is done lets go; the rest still has the file, although the cache is far too small for it.
            assert process.communicate("end\n", timeout=PATIENCE)[0] == "True\n"
    finally:
        for process in processes:
            process.kill()
            process.wait()
        server.shutdown()
        thread.join()
        server.server_close()
    assert len(asked) == 1
