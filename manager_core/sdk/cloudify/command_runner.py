"""Runs a command of the machine for an operation, and reads what a process writes (contract §5.8)."""

from __future__ import annotations

import logging
import os
import shlex
import subprocess
import threading
from typing import Any

from cloudify.exceptions import CommandExecutionException


class CommandExecutionResponse:
    """How a command ended."""

    def __init__(self, command: Any, std_out: str, std_err: str, return_code: int) -> None:
        self.command = command
        self.std_out = std_out
        self.std_err = std_err
        self.return_code = return_code


class LocalCommandRunner:
    """Runs commands on this machine."""

    def __init__(self, logger: logging.Logger | None = None, host: str = "localhost") -> None:
        """Make a runner.

        Args:
            logger: told about every command.
            host: the name shown in those lines.
        """
        self.logger = logger or logging.getLogger(self.__class__.__name__)
        self.host = host

    def run(
        self,
        command: Any,
        exit_on_failure: bool = True,
        stdout_pipe: bool = True,
        stderr_pipe: bool = True,
        cwd: str | None = None,
        execution_env: dict[str, str] | None = None,
        encoding: str = "utf-8",
    ) -> CommandExecutionResponse:
        """Run a command and wait for it.

        Args:
            command: text, split as a shell would, or a list of words.
            exit_on_failure: raise on a code other than 0.
            stdout_pipe: read its output; otherwise it goes where ours goes.
            stderr_pipe: the same for its errors.
            cwd: directory to run it in.
            execution_env: variables to add to our environment.
            encoding: of what it writes.

        Raises:
            CommandExecutionException: it ended with a code other than 0.
        """
        words = shlex.split(command) if isinstance(command, str) else list(command)
        self.logger.debug("[%s] run: %s", self.host, command)
        environment = {**os.environ, **(execution_env or {})}
        process = subprocess.run(
            words,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if stdout_pipe else None,
            stderr=subprocess.PIPE if stderr_pipe else None,
            cwd=cwd,
            env=environment,
        )
        out = (process.stdout or b"").decode(encoding, "replace").rstrip()
        err = (process.stderr or b"").decode(encoding, "replace").rstrip()
        if process.returncode != 0:
            error = CommandExecutionException(command=command, error=err, output=out, code=process.returncode)
            self.logger.error("%s", error)
            if exit_on_failure:
                raise error
        return CommandExecutionResponse(command=command, std_out=out, std_err=err, return_code=process.returncode)


class OutputConsumer:
    """Reads the lines of a stream in a thread and logs each with a prefix."""

    def __init__(self, out: Any, logger: logging.Logger, prefix: str, ctx: Any = None) -> None:
        self.out = out
        self.output: list[str] = []
        self.logger = logger
        self.prefix = prefix
        self.ctx = ctx
        self.consumer = threading.Thread(target=self.consume_output, daemon=True)
        self.consumer.start()

    def consume_output(self) -> None:
        """Read until the stream ends."""
        from cloudify.state import current_ctx

        if self.ctx is None:
            self._do_consume()
        else:
            with current_ctx.push(self.ctx):
                self._do_consume()

    def _do_consume(self) -> None:
        for line in self.out:
            self.handle_line(line)
        self.out.close()

    def handle_line(self, line: Any) -> None:
        """Take one line."""
        text = line.decode("utf-8", "replace") if isinstance(line, bytes) else line
        self.output.append(text)
        self.logger.info("%s%s", self.prefix, text.rstrip("\n"))

    def join(self, timeout: float | None = None) -> None:
        """Wait until the stream ended."""
        self.consumer.join(timeout)
