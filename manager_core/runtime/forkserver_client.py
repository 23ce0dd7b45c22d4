"""The client of the fork server: start it, ask for processes, learn how they ended.

The worker starts the server and owns it. An execution process is handed a connection of its own by the server
(`Spawn.connect`) and asks over it for its runners. One thread of this class reads the answers; its callbacks must be
quick.
"""

from __future__ import annotations

import contextlib
import itertools
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from manager_core.errors import Kind, ManagerError
from manager_core.runtime import child
from manager_core.runtime.messages import FrameReader, JsonObject, ProtocolError, encode

DEFAULT_PRELOAD = (
    "manager_core.runtime.runner",
    "cloudify.preload",
    "jinja2",
    "sqlmodel",
    "sqlalchemy.dialects.sqlite",
    "sqlalchemy.dialects.postgresql",
    "psycopg",
)
"""What every child finds imported. The worker adds the engine and its own entry modules."""

ExitCallback = Callable[[int, int], None]
"""Called with (pid, exit code); the code of a process that died of signal N is -N."""


class ForkServerGone(ManagerError):
    """The fork server ended, or refused to fork; its children are dead or dying."""

    code = "internal_server_error"
    kind = Kind.UNAVAILABLE


@dataclass(frozen=True)
class Spawn:
    """One process to start.

    Attributes:
        entry: ``module:function``, called in the fork as ``function(argument, descriptors) -> exit code | None``.
        argv: instead of `entry`, a program to exec; a part like ``{channel}`` becomes the number of that descriptor.
        argument: JSON value for the entry.
        owner: label for `ForkServerClient.signal_owner`, the execution's id.
        environment: the whole environment of the process; None keeps the server's.
        cwd: working directory.
        descriptors: name to descriptor of this process; ``stdout`` and ``stderr`` are put in their places. The caller
            keeps and closes its own copies.
        connect: also pass a descriptor ``server``: a connection to the fork server for `ForkServerClient`.
    """

    entry: str = ""
    argv: tuple[str, ...] = ()
    argument: Any = None
    owner: str = ""
    environment: Mapping[str, str] | None = None
    cwd: str | None = None
    descriptors: Mapping[str, int] = field(default_factory=dict)
    connect: bool = False


class ForkServerClient:
    """One connection to a fork server; safe to use from several threads."""

    def __init__(self, sock: socket.socket, *, on_lost: Callable[[], None] | None = None) -> None:
        """Take over a connected socket.

        Args:
            sock: the connection; closed by `close`.
            on_lost: called once when the server ends without `close` having been called.
        """
        self._sock = sock
        self._on_lost = on_lost
        self._ids = itertools.count(1)
        self._sending = threading.Lock()
        self._waiting: dict[int, tuple[Future[int], ExitCallback | None]] = {}
        self._exits: dict[int, ExitCallback] = {}
        self._closed = False
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._read, name="fork-server-client", daemon=True)
        self._thread.start()

    @classmethod
    def from_descriptor(cls, descriptor: int) -> ForkServerClient:
        """Return the client of an execution process, from the ``server`` descriptor it was given."""
        sock = socket.socket(fileno=descriptor)
        sock.set_inheritable(False)
        return cls(sock)

    def spawn(self, what: Spawn, on_exit: ExitCallback | None = None, *, timeout: float = 30.0) -> int:
        """Start a process and return its pid; `on_exit` is called once, after it ended.

        Raises:
            ForkServerGone: the server is gone, cannot fork, or did not answer within `timeout` seconds.
        """
        try:
            return self.spawn_later(what, on_exit).result(timeout)
        except TimeoutError as error:
            raise ForkServerGone("The fork server does not answer") from error

    def spawn_later(self, what: Spawn, on_exit: ExitCallback | None = None) -> Future[int]:
        """Ask for a process without waiting; the future gives its pid or raises `ForkServerGone`.

        `on_exit` is never called before the future is done.
        """
        number = next(self._ids)
        future: Future[int] = Future()
        request: JsonObject = {
            "op": "spawn",
            "id": number,
            "owner": what.owner,
            "environment": dict(what.environment) if what.environment is not None else None,
            "cwd": what.cwd,
            "connect": what.connect,
            "fds": list(what.descriptors),
        }
        if what.argv:
            request["argv"] = list(what.argv)
        else:
            request["entry"] = what.entry
            request["argument"] = what.argument
        with self._sending:
            self._waiting[number] = (future, on_exit)
            try:
                self._send(request, list(what.descriptors.values()))
            except OSError as error:
                del self._waiting[number]
                raise ForkServerGone(f"The fork server is gone: {error}") from error
        if self._closed and number in self._waiting:
            future.set_exception(ForkServerGone("The fork server is gone"))
        return future

    def signal(self, pid: int, signum: int, *, group: bool = True) -> None:
        """Send a signal to a child (and its process group); nothing happens when it was reaped already."""
        self._tell({"op": "signal", "pid": pid, "signum": int(signum), "group": group})

    def signal_owner(self, owner: str, signum: int) -> None:
        """Send a signal to the process groups of every child with that owner label, whoever asked for it."""
        self._tell({"op": "signal_owner", "owner": owner, "signum": int(signum)})

    def wait_ready(self, timeout: float | None = None) -> None:
        """Wait until the server has imported everything and serves, for as long as that takes.

        Raises:
            ForkServerGone: it ended, or did not get ready within `timeout` seconds, if they are given.
        """
        if not self._ready.wait(timeout) or self._closed:
            raise ForkServerGone("The fork server did not start")

    def close(self) -> None:
        """Close the connection: the server ends the children that were asked for over it."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._sock.close()

    def _tell(self, message: JsonObject) -> None:
        with self._sending, contextlib.suppress(OSError):
            self._send(message, [])

    def _send(self, message: JsonObject, descriptors: Sequence[int]) -> None:
        frame = encode(message)
        sent = socket.send_fds(self._sock, [frame], descriptors) if descriptors else self._sock.send(frame)
        if sent < len(frame):
            self._sock.sendall(memoryview(frame)[sent:])

    def _read(self) -> None:
        reader = FrameReader()
        with contextlib.suppress(OSError, ProtocolError):
            while data := self._sock.recv(1 << 16):
                for message in reader.feed(data):
                    self._take(message)
        lost = not self._closed
        self._closed = True
        self._ready.set()
        for future, _ in list(self._waiting.values()):
            if not future.done():
                future.set_exception(ForkServerGone("The fork server is gone"))
        self._waiting.clear()
        if lost and self._on_lost:
            self._on_lost()  # first, so that nobody mistakes the ends that follow for the processes' own
        exits, self._exits = self._exits, {}
        for pid, on_exit in exits.items():  # the kernel killed them with the server
            on_exit(pid, -signal.SIGKILL)

    def _take(self, message: JsonObject) -> None:
        op = message["op"]
        if op == "spawned":
            future, on_exit = self._waiting.pop(message["id"])
            if on_exit:
                self._exits[message["pid"]] = on_exit
            future.set_result(message["pid"])
        elif op == "failed":
            future, _ = self._waiting.pop(message["id"])
            future.set_exception(ForkServerGone(message["message"]))
        elif op == "exited":
            on_exit = self._exits.pop(message["pid"], None)
            if on_exit:
                on_exit(message["pid"], message["status"])
        elif op == "ready":
            self._ready.set()


class ForkServer:
    """The fork server process of a worker: start, ready, stop. `client` is the worker's connection."""

    def __init__(
        self,
        *,
        preload: Sequence[str] = DEFAULT_PRELOAD,
        environment: Mapping[str, str] | None = None,
        on_lost: Callable[[], None] | None = None,
    ) -> None:
        """Start the server; it imports `preload` while the caller goes on.

        Args:
            preload: modules imported once, before any fork. One that is not installed is skipped with a line on
            stderr.
            environment: variables to add to the explicit environment of the server.
            on_lost: called once when the server dies without `stop`; all its children are dead then.
        """
        ours, theirs = socket.socketpair()
        command = [child.interpreter(), "-P", "-m", "manager_core.runtime.forkserver", str(theirs.fileno())]
        for module in preload:
            command += ["--preload", module]
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command,
            pass_fds=[theirs.fileno()],
            env=child.fork_server_environment(environment),
            stdin=subprocess.DEVNULL,
        )
        theirs.close()
        self.client = ForkServerClient(ours, on_lost=on_lost)

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    def wait_ready(self, timeout: float | None = None) -> None:
        """Wait until the first fork is warm; see `ForkServerClient.wait_ready`."""
        self.client.wait_ready(timeout)

    def stop(self, timeout: float = 10.0) -> None:
        """Close the connection and wait for the server's end; every child dies with it. Repeatable."""
        self.client.close()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
