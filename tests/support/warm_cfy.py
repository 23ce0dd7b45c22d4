"""`cfy` for tests that run many commands: the same entry point and arguments, a tenth of the CPU (see `cfy_forks`)."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

from tests.support.clock import PATIENCE
from tests.support.processes import PASSWORD, REPOSITORY, Cfy, Manager, Process, cfy_environment


class WarmCfy(Cfy):
    """The unmodified `cfy` as one user with a work directory of its own; `close` it at the end."""

    def __init__(self, home: Path, manager: Manager, *, user: str = "admin", password: str = PASSWORD) -> None:
        super().__init__(home, manager, user=user, password=password)
        environment = cfy_environment()
        assert environment is not None
        self._home = home
        self._output = home / "output"
        self._server = subprocess.Popen(
            [str(environment / "bin" / "python"), "-P", str(REPOSITORY / "tests" / "support" / "cfy_forks.py")],
            env=self._environment,
            cwd=home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __call__(self, *arguments: str, ok: bool = True, seconds: float = 2 * PATIENCE) -> str:
        assert self._server.stdin is not None and self._server.stdout is not None
        self._output.write_text("")
        watchdog = threading.Timer(seconds, self.close)
        watchdog.start()
        try:
            self._server.stdin.write(json.dumps({"arguments": arguments, "output": str(self._output)}) + "\n")
            self._server.stdin.flush()
            answer = self._server.stdout.readline()
        finally:
            watchdog.cancel()
        said = f"cfy {' '.join(arguments)} → {answer.strip() or 'no end in time'}\n{self._output.read_text()}"
        assert answer, said
        assert (int(answer) == 0) == ok, said
        # The events of a failed execution hold its traceback; anywhere else one is a crash of the client.
        assert not ok or not re.search("^Traceback", said, re.MULTILINE), said
        return self._output.read_text()

    def json(self, *arguments: str) -> Any:
        """Return what a command answers with `--json`; warnings of its own libraries come before."""
        lines = self(*arguments, "--json").splitlines()
        while not lines[0].startswith(("[", "{")):
            del lines[0]
        return json.loads("\n".join(lines))

    def beside(self, *arguments: str) -> Process:
        """Start a command in a process of its own, for one that runs while others do."""
        return Process([str(self._cfy), *arguments], self._environment, self._home)

    def close(self) -> None:
        """End the process that commands are forked from, and any command still running."""
        if self._server.poll() is None:
            os.killpg(self._server.pid, signal.SIGKILL)
            self._server.wait(60)
        for pipe in (self._server.stdin, self._server.stdout):
            if pipe is not None:
                pipe.close()
