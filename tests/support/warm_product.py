"""Commands of the product for tests that run many: real processes with the same entry point, a tenth of the CPU."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.clock import PATIENCE
from tests.support.processes import REPOSITORY, product_environment


class WarmProduct:
    """Forks commands from a process that has imported the product (see `product_forks`); `close` it at the end."""

    def __init__(self, folder: Path) -> None:
        """Start the process; outputs of commands are kept in `folder`."""
        self._folder = folder
        self._lock = threading.Lock()
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.support.product_forks"],
            env=product_environment(folder),
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, module: str, *arguments: str, environment: Mapping[str, str]) -> WarmProcess:
        """Start `python -m MODULE ARGUMENT...` in the repository, with exactly this environment."""
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        out, err = folder / "out", folder / "err"
        request = {"start": [module, *arguments], "environment": dict(environment), "folder": str(REPOSITORY)}
        return WarmProcess(self, int(self._ask({**request, "out": str(out), "err": str(err)})), out, err)

    def run(
        self, module: str, *arguments: str, environment: Mapping[str, str], seconds: float = PATIENCE
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        process = self.start(module, *arguments, environment=environment)
        watchdog = threading.Timer(seconds, process.kill)
        watchdog.start()
        try:
            status = process.wait()
        finally:
            watchdog.cancel()
        return subprocess.CompletedProcess(
            [module, *arguments], status, process.out.read_text(), process.err.read_text()
        )

    def _ask(self, request: Mapping[str, Any]) -> str:
        assert self._server.stdin is not None and self._server.stdout is not None
        with self._lock:
            self._server.stdin.write(json.dumps(request) + "\n")
            self._server.stdin.flush()
            answer = self._server.stdout.readline().strip()
        assert answer, "the process that commands are forked from has ended"
        return answer

    def close(self) -> None:
        """End the process that commands are forked from."""
        self._server.communicate(timeout=PATIENCE)


class WarmProcess:
    """A command that was started, in a session of its own; `out` and `err` are files."""

    def __init__(self, product: WarmProduct, pid: int, out: Path, err: Path) -> None:
        self._product = product
        self._status: int | None = None
        self.pid = pid
        self.out, self.err = out, err

    def signal(self, number: int) -> None:
        """Send a signal to the process itself, unless it was waited for."""
        if self._status is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End the process itself at once, as `kill -9` does."""
        self.signal(signal.SIGKILL)

    def wait(self) -> int:
        """Return its exit code once it has ended."""
        if self._status is None:
            self._status = int(self._product._ask({"wait": self.pid}))
        return self._status
