"""Runs a script as a subprocess: its environment, its output as logs, its exit code (contract §5.10)."""

from __future__ import annotations

import json
import os
import selectors
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CTX_SOCKET_URL = "CTX_SOCKET_URL"
LONGEST_LINE = 64 * 1024
"""A line longer than this many bytes is logged in pieces."""
KEPT_OUTPUT = 64 * 1024
"""How much of the end of its output a failed script's error shows, bytes."""
DRAIN_SECONDS = 0.2
"""How long output is awaited when the script ended but something it started still holds its output open."""

_BIN = Path(__file__).resolve().parent.parent / "bin"
"""The folder with the `ctx` command."""


class ProcessException(Exception):
    """A script ended with a code other than 0."""

    def __init__(self, command: str, exit_code: int, stdout: str | None = None, stderr: str | None = None) -> None:
        message = f"command: {command}, exit_code: {exit_code}"
        if stdout:
            message = f"{message}, stdout: {stdout}"
        if stderr:
            message = f"{message}, stderr: {stderr}"
        super().__init__(message)
        self.command = command
        self.exit_code = exit_code
        self.stdout = stdout
        self.stderr = stderr


def create_process_config(process: dict[str, Any] | None, operation_kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the process options with every input of the operation in ``env``, by name.

    Args:
        process: the options as the blueprint gives them; their ``env`` wins.
        operation_kwargs: the inputs; ``ctx`` is left out.
    """
    process = dict(process or {})
    env = {key: _as_variable(value) for key, value in operation_kwargs.items() if key != "ctx"}
    env.update({str(key): _as_variable(value) for key, value in (process.get("env") or {}).items()})
    process["env"] = env
    return process


def _as_variable(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict | list | bool) else str(value)


def command_of(script_path: str, process: dict[str, Any]) -> str:
    """Return the command line that the shell gets."""
    words = [script_path, *(str(word) for word in process.get("args") or [])]
    prefix = process.get("command_prefix")
    return " ".join([prefix, *words] if prefix else words)


def environment_of(process: dict[str, Any], socket_url: str) -> dict[str, str]:
    """Return the whole environment of a script."""
    env = dict(os.environ)
    env.setdefault("TMPDIR", tempfile.gettempdir())
    env.update(process.get("env") or {})
    folders = [str(_BIN), str(Path(sys.executable).parent)]
    env["CTX_PYTHON"] = sys.executable
    env["PATH"] = os.pathsep.join([*folders, env.get("PATH") or os.defpath])
    env[CTX_SOCKET_URL] = socket_url
    return env


def make_executable(path: str) -> None:
    """Let everyone who may read a file run it."""
    mode = Path(path).stat().st_mode
    if not mode & stat.S_IXUSR:
        Path(path).chmod(mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


def run_process(script_path: str, process: dict[str, Any], socket_url: str, logger: Any) -> bool:
    """Run a script and wait for its end; return whether nothing of it is left that still writes.

    Args:
        script_path: the file.
        process: options from `create_process_config`.
        socket_url: where its context is served; empty for none.
        logger: gets its output, one record a line.

    Raises:
        ProcessException: it ended with a code other than 0.
    """
    make_executable(script_path)
    command = command_of(script_path, process)
    log_stdout, log_stderr = process.get("log_stdout", True), process.get("log_stderr", True)
    merged = process.get("stderr_to_stdout", False)
    stderr: Any = subprocess.STDOUT if merged else (subprocess.PIPE if log_stderr else None)
    child = subprocess.Popen(
        command,
        shell=True,
        env=environment_of(process, socket_url),
        cwd=process.get("cwd") or None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if log_stdout else None,
        stderr=stderr,
    )
    logger.info("Process created, PID: %s", child.pid)
    outputs = [_Lines(child.stdout, "<out> ", logger.info)] if child.stdout else []
    outputs += [_Lines(child.stderr, "<err> ", logger.info)] if child.stderr else []
    try:
        finished = _consume(child, outputs)
    finally:
        for output in outputs:
            output.close()
    code = child.wait()
    logger.info("Execution done (PID=%s, return_code=%s): %s", child.pid, code, command)
    if code != 0:
        kept = {output.prefix: output.kept() for output in outputs}
        raise ProcessException(command, code, kept.get("<out> "), kept.get("<err> "))
    return finished


class _Lines:
    """One output of a script: cut into lines, each logged as it comes."""

    def __init__(self, stream: Any, prefix: str, log: Callable[..., None]) -> None:
        self.stream = stream
        self.prefix = prefix
        self._log = log
        self._rest = b""
        self._kept = bytearray()

    def read(self) -> bool:
        """Take what is there; return False at the end."""
        data = os.read(self.stream.fileno(), 1 << 16)
        self._kept += data
        if len(self._kept) > 2 * KEPT_OUTPUT:
            del self._kept[:-KEPT_OUTPUT]
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._tell(line)
        if len(self._rest) > LONGEST_LINE:
            self._tell(self._rest)
            self._rest = b""
        return bool(data)

    def _tell(self, line: bytes) -> None:
        while len(line) > LONGEST_LINE:
            self._log("%s%s", self.prefix, line[:LONGEST_LINE].decode("utf-8", "replace"))
            line = line[LONGEST_LINE:]
        self._log("%s%s", self.prefix, line.decode("utf-8", "replace").rstrip("\r"))

    def kept(self) -> str:
        """Return the end of what was written."""
        return bytes(self._kept[-KEPT_OUTPUT:]).decode("utf-8", "replace")

    def close(self) -> None:
        """Log a last line that has no end, and let go of the pipe."""
        if self._rest:
            self._tell(self._rest)
            self._rest = b""
        self.stream.close()


def _consume(child: subprocess.Popen[bytes], outputs: list[_Lines]) -> bool:
    """Read the outputs until they end, or until the process ended and nothing came for a moment; return which."""
    with selectors.DefaultSelector() as selector:
        for output in outputs:
            selector.register(output.stream, selectors.EVENT_READ, output)
        quiet_since: float | None = None
        while selector.get_map():
            ready = selector.select(0.1 if quiet_since is None else DRAIN_SECONDS / 4)
            for key, _ in ready:
                if not key.data.read():
                    selector.unregister(key.fileobj)
            if ready or child.poll() is None:
                quiet_since = None
            elif quiet_since is None:
                quiet_since = time.monotonic()
            elif time.monotonic() - quiet_since > DRAIN_SECONDS:
                return False
    return bool(outputs)
