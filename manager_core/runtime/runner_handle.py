"""One runner process as its pool sees it: how it is started, the channel and the pipes to it, what it is doing."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace

from manager_core.runtime import child
from manager_core.runtime.forkserver_client import ForkServerClient, Spawn
from manager_core.runtime.messages import (
    ErrorData,
    FrameReader,
    JsonObject,
    OperationOutcome,
    OperationRequest,
    RunnerEnvironment,
)
from manager_core.runtime.printed import WholeLines

LAST_WORDS = 4096
"""How much of the end of a dying process's stderr its error shows, bytes."""

EXEC_BOOTSTRAP = (
    "import sys; root = sys.argv.pop(1); sys.path.insert(0, root); "
    "from manager_core.runtime import runner; sys.path.remove(root); "
    "import json; runner.main(json.loads(sys.argv[2]), {'channel': int(sys.argv[1])})"
)
"""What the interpreter of a plugin's own environment runs: our runner, without our folders on its path."""


@dataclass
class Job:
    """An operation on its way through the pool.

    `attempts` counts the runners it was given to; `beyond` says that it waited long enough to get one beyond the
    eager ones; `frame` is its message, ready to be sent.
    """

    request: OperationRequest
    on_done: Callable[[OperationOutcome], None]
    on_start: Callable[[], None] | None
    attempts: int = 0
    beyond: bool = False
    waiting_since: float = 0.0
    frame: bytes = b""


def run_message(request: OperationRequest) -> JsonObject:
    """Return the message that has a runner run an operation."""
    return {
        "type": "run",
        "id": request.task_id,
        "task_name": request.task_name,
        "context": request.context,
        "args": list(request.args),
        "kwargs": request.kwargs,
        "evaluate": request.evaluate,
        "resume": request.resume,
    }


class RunnerHandle:
    """The pool's end of a runner.

    Attributes:
        pid: None until the fork server told it.
        exit_code: None while it lives.
        job: the operation it runs.
        context: the mapping of the operation it runs, or ran last: a thread it left may still call.
        output: bytes its operation printed; `received`: bytes it sent over the channel.
        deadline: monotonic instant of the next step against it.
        doom: the error its operation will get when it has died.
        lines: cuts what it prints.
        lost: its channel closed while it lived.
        gone: the pool has let go of it.
    """

    def __init__(self, environment: RunnerEnvironment, sock: socket.socket, pipes: dict[int, str]) -> None:
        self.environment = environment
        self.sock = sock
        self.pipes = pipes
        self.reader = FrameReader()
        self.pid: int | None = None
        self.exit_code: int | None = None
        self.job: Job | None = None
        self.context: JsonObject = {}
        self.output = 0
        self.received = 0
        self.last_words = b""
        self.deadline: float | None = None
        self.doom: ErrorData | None = None
        self.pending_signal: int | None = None
        self.lost = False
        self.gone = False
        self._sending = threading.Lock()
        self.lines = WholeLines()

    def send(self, frame: bytes) -> None:
        """Send a whole frame; raises OSError when the runner is gone."""
        with self._sending:
            self.sock.sendall(frame)

    def begin(self, job: Job, deadline: float | None) -> None:
        """Take note of the operation that is sent to it next."""
        self.context = job.request.context
        self.output = self.received = 0
        self.last_words = b""
        self.job = job
        self.deadline = deadline

    def end(self) -> Job | None:
        """Take note that its operation is over, and return it."""
        job, self.job = self.job, None
        self.deadline = None
        return job


def start_runner(
    server: ForkServerClient,
    environment: RunnerEnvironment,
    *,
    owner: str,
    variables: Mapping[str, str],
    on_exit: Callable[[RunnerHandle, int], None],
) -> tuple[RunnerHandle, Future[int]]:
    """Ask the fork server for a runner and return it at once, with the future of its pid.

    Operations may be sent before it lives: they wait in its channel.

    Raises:
        ForkServerGone, OSError: there is no server, or no descriptors are left.
    """
    ours, theirs = socket.socketpair()
    pipes = {"stdout": os.pipe(), "stderr": os.pipe()}
    argument = {"paths": list(environment.paths), "name": environment.name}
    what = Spawn(
        entry="manager_core.runtime.runner:main",
        argument=argument,
        owner=owner,
        environment={**variables, **dict(environment.variables)},
        cwd=environment.cwd,
        descriptors={"channel": theirs.fileno(), "stdout": pipes["stdout"][1], "stderr": pipes["stderr"][1]},
    )
    if environment.interpreter is not None:
        program = (environment.interpreter, "-P", "-c", EXEC_BOOTSTRAP, str(child.code_root()), "{channel}")
        what = replace(what, argv=(*program, json.dumps(argument)))
    for read, _ in pipes.values():
        os.set_blocking(read, False)
    runner = RunnerHandle(environment, ours, {read: stream for stream, (read, _) in pipes.items()})
    try:
        pid = server.spawn_later(what, lambda _, code: on_exit(runner, code))
    except BaseException:
        ours.close()
        for read in runner.pipes:
            os.close(read)
        raise
    finally:
        theirs.close()
        for _, write in pipes.values():
            os.close(write)
    return runner, pid
