"""Real processes of the product and of the reference client, for acceptance and crash tests.

Everything listens on 127.0.0.1, lives in a temporary folder, and only processes started here are ended, by their id.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.clock import PATIENCE

REPOSITORY = Path(__file__).parent.parent.parent
PASSWORD = "acceptance-password"


def cfy_environment() -> Path | None:
    """Return the environment of the reference client (`CFY_VENV`, default `.venv-cfy`), None when it is not there."""
    folder = Path(os.environ.get("CFY_VENV", ".venv-cfy"))
    if not folder.is_absolute():
        folder = REPOSITORY / folder
    return folder if (folder / "bin" / "cfy").exists() else None


def product_environment(data_dir: Path, **extra: str) -> dict[str, str]:
    """Return an environment for a process of the product, free of the developer's own settings."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("CLOUDIFY_") and name not in {"DATABASE_URL", "PYTHONPATH"}
    }
    return environment | {
        "CLOUDIFY_DATA_DIR": str(data_dir),
        "CLOUDIFY_ADMIN_PASSWORD": PASSWORD,
        "CLOUDIFY_PORT": "0",
        "PYTHONUNBUFFERED": "1",
        **extra,
    }


class Process:
    """A child process whose output is collected, with waiting for a line of it."""

    def __init__(self, arguments: list[str], environment: Mapping[str, str], cwd: Path | None = None) -> None:
        self.started_at = time.monotonic()
        self._process = subprocess.Popen(
            arguments,
            env=dict(environment),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        with self._changed:
            return "".join(self._lines)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def wait_for(self, pattern: str, seconds: float = PATIENCE) -> re.Match[str]:
        """Return the first match of `pattern` in the output; fail when it does not come or the process ends."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while True:
                match = re.search(pattern, "".join(self._lines))
                if match:
                    return match
                left = deadline - time.monotonic()
                if left <= 0 or (self._process.poll() is not None and not self._reader.is_alive()):
                    raise AssertionError(f"{pattern!r} did not come:\n{''.join(self._lines)}")
                self._changed.wait(min(left, 0.5))

    def running(self) -> bool:
        return self._process.poll() is None

    def finish(self, seconds: float = PATIENCE) -> int:
        """Wait until the process ends by itself and return its exit status."""
        status = self._process.wait(seconds)
        self._reader.join(seconds)
        return status

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = PATIENCE) -> int:
        """Send a signal to the process itself and return its exit status."""
        if self._process.poll() is None:
            os.kill(self._process.pid, number)
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(60)
            raise AssertionError(f"the process did not stop within {seconds} s:\n{self.output}") from None

    def kill_group(self) -> None:
        """End whatever is left of the process's session; for the end of a test."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(60)


class Manager(Process):
    """`cloudify-manager up` in a temporary data directory.

    It polls schedules once, at its start, unless a test asks for more: nothing runs but what the test starts.
    """

    def __init__(self, data_dir: Path, *arguments: str, interval: float = 86400, **environment: str) -> None:
        self.data_dir = data_dir
        super().__init__(
            [sys.executable, "-m", "manager_core", "up", "--interval", str(interval), *arguments],
            product_environment(data_dir, **environment),
            cwd=REPOSITORY,
        )

    def ready(self, seconds: float = PATIENCE) -> Manager:
        """Wait until it serves."""
        match = self.wait_for(r"ready on http://([^:\s]+):(\d+)", seconds)
        self.seconds_to_ready = time.monotonic() - self.started_at
        self.host, self.port = match[1], int(match[2])
        return self

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def get(self, path: str) -> Any:
        """Return the JSON answer of a GET below `/api/v3.1`, as admin in the default tenant."""
        request = urllib.request.Request(f"{self.url}/api/v3.1{path}", headers={"Tenant": "default_tenant"})
        request.add_header("Authorization", "Basic " + b64encode(f"admin:{PASSWORD}".encode()).decode())
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.loads(answer.read())


class Cfy:
    """The unmodified `cfy` with a work directory of its own, as one user."""

    def __init__(self, home: Path, manager: Manager, *, user: str = "admin", password: str = PASSWORD) -> None:
        environment = cfy_environment()
        assert environment is not None
        self._cfy = environment / "bin" / "cfy"
        home.mkdir(parents=True, exist_ok=True)
        self._environment = {
            "PATH": f"{environment / 'bin'}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(home),
            "CFY_WORKDIR": str(home),
            "LC_ALL": "C.UTF-8",
            "LANG": "C.UTF-8",
            "COLUMNS": "400",
        }
        self.profile = [
            "profiles", "use", manager.host, "--rest-port", str(manager.port), "-u", user, "-p", password,
            "-t", "default_tenant",
        ]  # fmt: skip

    def __call__(self, *arguments: str, ok: bool = True, seconds: float = 2 * PATIENCE) -> str:
        """Run a command and return its output; `ok` says whether it must end with status 0."""
        done = subprocess.run(
            [str(self._cfy), *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            cwd=self._environment["HOME"],
        )
        said = f"cfy {' '.join(arguments)} → {done.returncode}\n{done.stdout}"
        assert (done.returncode == 0) == ok, said
        # The events of a failed execution hold its traceback; anywhere else one is a crash of the client.
        assert not ok or "Traceback" not in done.stdout, said
        return done.stdout
