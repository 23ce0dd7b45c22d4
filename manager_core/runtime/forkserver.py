"""The fork server: a small single-threaded process that forks execution processes and runners from a warm
interpreter.

It is started by exec, before any thread exists (forking beside threads that hold locks deadlocks the child), imports
what children need once, freezes the garbage collector's view of it, and then waits on its connections. Every
connection is an end of a socket pair: the first belongs to the worker, further ones to the execution processes that
asked for one. A child lives no longer than the connection that asked for it, and all of them no longer than the
server.

    request   {op: spawn, id, entry | argv, argument, environment, cwd, owner, connect, fds: [names]} + descriptors
              {op: signal, pid, signum, group}      {op: signal_owner, owner, signum}      {op: ping, id}
    answer    {op: ready, pid}   {op: spawned, id, pid}   {op: failed, id, message}
              {op: exited, pid, status}             {op: pong, id}
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import ctypes
import errno
import gc
import importlib
import os
import random
import selectors
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from manager_core.runtime.messages import FrameReader, JsonObject, ProtocolError, encode
from scheduler.clock import SystemClock

PR_SET_PDEATHSIG = 1
GRACE_SECONDS = 5.0
"""Between SIGTERM and SIGKILL for children whose connection closed."""

_DESCRIPTORS_PER_MESSAGE = 16


@dataclass
class _Connection:
    """One client: its socket, the half-read frames and the descriptors that arrived with them."""

    sock: socket.socket
    reader: FrameReader = field(default_factory=FrameReader)
    descriptors: list[int] = field(default_factory=list)


@dataclass
class _Child:
    """A forked process that was not reaped yet."""

    pid: int
    owner: str
    connection: _Connection
    own: _Connection | None = None
    """The connection that the child itself was given, if any."""


class ForkServer:
    """The loop of the server process. `first` is the worker's connection; when it closes, everything ends."""

    def __init__(self, first: socket.socket) -> None:
        self._selector = selectors.DefaultSelector()
        self._first = _Connection(first)
        self._connections: list[_Connection] = []
        self._children: dict[int, _Child] = {}
        self._libc = _load_libc()
        self._pid = os.getpid()
        self._wake_read, self._wake_write = os.pipe()
        self._clock = SystemClock()
        self._condemned: dict[int, float] = {}

    def serve(self) -> None:
        """Answer requests until the first connection closes, then kill every child that is left."""
        for descriptor in (self._wake_read, self._wake_write):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _nothing)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the worker decides what ends
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        self._add(self._first)
        self._answer(self._first, {"op": "ready", "pid": self._pid})
        while self._first in self._connections:
            for key, _ in self._selector.select(self._kill_condemned()):
                if key.data is None:
                    self._reap()
                elif key.data in self._connections:
                    self._read(key.data)
        for child in self._children.values():
            _signal_group(child.pid, signal.SIGKILL)

    def _add(self, connection: _Connection) -> None:
        # A client that stopped reading must not hold up the others for ever.
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 5, 0))
        self._connections.append(connection)
        self._selector.register(connection.sock, selectors.EVENT_READ, connection)

    def _read(self, connection: _Connection) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(connection.sock, 1 << 18, _DESCRIPTORS_PER_MESSAGE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data, descriptors = b"", []
        connection.descriptors += descriptors
        if not data:
            self._drop(connection)
            return
        try:
            for message in connection.reader.feed(data):
                self._obey(connection, message)
        except (ProtocolError, KeyError, TypeError, ValueError):
            traceback.print_exc()
            self._drop(connection)

    def _drop(self, connection: _Connection) -> None:
        """Forget a connection and end the children it asked for: SIGTERM now, SIGKILL when the grace is over."""
        if connection not in self._connections:
            return
        self._selector.unregister(connection.sock)
        self._connections.remove(connection)
        connection.sock.close()
        for descriptor in connection.descriptors:
            os.close(descriptor)
        for child in self._children.values():
            if child.connection is connection:
                _signal_group(child.pid, signal.SIGTERM)
                self._condemned[child.pid] = self._clock.monotonic() + GRACE_SECONDS

    def _kill_condemned(self) -> float | None:
        """Send SIGKILL to children whose grace is over; return the seconds until the next one's is, if any."""
        now = self._clock.monotonic()
        for pid, deadline in list(self._condemned.items()):
            if pid not in self._children:
                del self._condemned[pid]
            elif deadline <= now:
                _signal_group(pid, signal.SIGKILL)
                del self._condemned[pid]
        return max(0.0, min(self._condemned.values()) - now) if self._condemned else None

    def _obey(self, connection: _Connection, message: JsonObject) -> None:
        op = message["op"]
        if op == "spawn":
            self._spawn(connection, message)
        elif op == "signal":
            pid = int(message["pid"])
            if pid in self._children:  # not reaped yet, so the number cannot belong to anyone else
                (_signal_group if message.get("group", True) else _signal_one)(pid, int(message["signum"]))
        elif op == "signal_owner":
            for child in self._children.values():
                if child.owner == message["owner"]:
                    _signal_group(child.pid, int(message["signum"]))
        elif op == "ping":
            self._answer(connection, {"op": "pong", "id": message["id"]})
        else:
            raise ValueError(f"unknown request {op!r}")

    def _spawn(self, connection: _Connection, message: JsonObject) -> None:
        names: list[str] = message.get("fds", [])
        taken = connection.descriptors[: len(names)]
        del connection.descriptors[: len(names)]
        descriptors = dict(zip(names, taken, strict=True))
        theirs: socket.socket | None = None
        ours: _Connection | None = None
        try:
            if message.get("connect"):
                mine, theirs = socket.socketpair()
                ours = _Connection(mine)
                descriptors["server"] = theirs.fileno()
            pid = os.fork()
        except OSError as error:
            if ours:
                ours.sock.close()
            self._answer(connection, {"op": "failed", "id": message["id"], "message": f"cannot fork: {error}"})
            return
        else:
            if pid == 0:
                if ours:
                    ours.sock.close()
                self._run_child(message, descriptors)
            self._children[pid] = _Child(pid, str(message.get("owner", "")), connection, ours)
            if ours:
                self._add(ours)
            self._answer(connection, {"op": "spawned", "id": message["id"], "pid": pid})
        finally:
            for descriptor in taken:
                os.close(descriptor)
            if theirs:
                theirs.close()

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._wake_read, 4096):
                pass
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = self._children.pop(pid, None)
            if child:
                code = os.waitstatus_to_exitcode(status)
                self._answer(child.connection, {"op": "exited", "pid": pid, "status": code})
                if child.own:
                    self._hang_up(child.own)

    def _hang_up(self, connection: _Connection) -> None:
        """End a connection whose child is gone, even where a process that it left behind holds it open."""
        with contextlib.suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RD)  # what was said before still arrives, then the end of file

    def _answer(self, connection: _Connection, message: JsonObject) -> None:
        if connection in self._connections:
            with contextlib.suppress(OSError):  # a client that left is noticed by its end of file
                connection.sock.sendall(encode(message))

    def _run_child(self, message: JsonObject, descriptors: dict[str, int]) -> None:
        """Become the wanted process. Never returns: whatever happens, the child ends here."""
        code = 1
        try:
            self._become_child(set(descriptors.values()))
            _arrange_stdio(descriptors)
            os.setsid()
            environment = message.get("environment")
            if environment is not None:
                os.environ.clear()
                os.environ.update(environment)
            if message.get("cwd"):
                os.chdir(message["cwd"])
            argv = message.get("argv")
            if argv:
                for descriptor in descriptors.values():
                    os.set_inheritable(descriptor, True)
                numbers = {f"{{{name}}}": str(descriptor) for name, descriptor in descriptors.items()}
                argv = [numbers.get(part, part) for part in argv]
                os.execve(argv[0], argv, dict(os.environ))  # noqa: S606 - the caller names the program on purpose
            code = _call(message["entry"], message.get("argument"), descriptors)
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        except BaseException:  # noqa: BLE001 - the last line of defence of a process
            with contextlib.suppress(BaseException):
                traceback.print_exc()
        finally:
            with contextlib.suppress(BaseException):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code & 0xFF)

    def _become_child(self, kept: set[int]) -> None:
        """Undo in the child what belongs to the server alone."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        if self._libc is not None:
            self._libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != self._pid:  # the server died between fork and prctl
                os._exit(1)
        self._selector.close()
        for connection in self._connections:
            connection.sock.close()
            for descriptor in connection.descriptors:
                if descriptor not in kept:
                    os.close(descriptor)
        os.close(self._wake_read)
        os.close(self._wake_write)
        atexit._clear()
        random.seed()
        gc.enable()


def _nothing(_signum: int, _frame: Any) -> None:
    """Exist, so that SIGCHLD interrupts the wait through the wake-up descriptor."""


def _signal_group(pid: int, signum: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signum)
        return
    _signal_one(pid, signum)  # so young that it did not call setsid yet


def _signal_one(pid: int, signum: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signum)


def _load_libc() -> ctypes.CDLL | None:
    """Return libc where it knows prctl (Linux); elsewhere children rely on their connection closing."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    libc.prctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong]
    return libc


def _arrange_stdio(descriptors: dict[str, int]) -> None:
    """Put the passed ``stdout`` and ``stderr`` in their places, and nothing on ``stdin``."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
    for name, number in (("stdout", 1), ("stderr", 2)):
        descriptor = descriptors.pop(name, None)
        if descriptor is not None:
            os.dup2(descriptor, number)
            os.close(descriptor)
    for stream in (sys.stdout, sys.stderr):  # the pipe behind it may be another kind of file now
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]


def _call(entry: str, argument: Any, descriptors: dict[str, int]) -> int:
    """Call ``module:function`` with the argument and the descriptors; its integer result is the exit code."""
    module, _, name = entry.partition(":")
    function: Callable[[Any, dict[str, int]], int | None] = getattr(importlib.import_module(module), name)
    return function(argument, descriptors) or 0


def main(arguments: list[str] | None = None) -> int:
    """Run the fork server on an inherited socket until its other end closes."""
    parser = argparse.ArgumentParser(prog="manager_core.runtime.forkserver")
    parser.add_argument("socket", type=int, help="descriptor of the worker's connection")
    parser.add_argument("--preload", action="append", default=[], metavar="MODULE")
    options = parser.parse_args(arguments)
    gc.disable()
    first = socket.socket(fileno=options.socket)
    first.set_inheritable(False)
    server = ForkServer(first)
    for name in options.preload:
        try:
            importlib.import_module(name)
        except ImportError as error:
            if error.name is None or not name.startswith(error.name):
                raise
            print(f"fork server: {name} is not installed and was not preloaded", file=sys.stderr)  # noqa: T201
    gc.collect()
    gc.freeze()
    try:
        server.serve()
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.ECONNRESET):
            raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
