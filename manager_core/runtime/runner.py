"""The main loop of a runner process: take an operation, run it, say how it ended, take the next.

A runner lives within one execution and one plugin environment. It imports the standard library and the operation
side of the SDK alone, because it also runs in the interpreter of a plugin's own environment. The pool that started
it is on the other end of the channel; when that closes, the runner ends. Between two operations it puts back what an
operation could have left behind (working directory, environment variables, standard output), and it ends by itself
after one that left processes running.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from manager_core.runtime.messages import JsonObject, MessageTooLarge, encode, receive

_FOREIGN_ROOTS = ("scheduler", "blueprints", "tests", "benchmarks")
"""Top-level packages of ours that the fork server has imported or can find, and that a plugin may bring along
itself."""


class PipeTransport:
    """Makes the calls of contexts over the channel; one at a time, from any thread of this process."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._calls = 0

    def call(self, method: str, params: JsonObject) -> Any:
        """Ask the execution process for something and wait for the answer.

        Raises:
            CloudifyClientError: it refused.
        """
        from cloudify.endpoint import refusal

        if os.getpid() != self._pid:
            return self._elsewhere().call(method, params)
        with self._lock:
            self._calls += 1
            self._send({"type": "call", "call": self._calls, "method": method, "params": params})
            reply = receive(self._sock)
            while reply is not None and reply.get("call") != self._calls:
                reply = receive(self._sock)
        if reply is None:
            raise ConnectionError("The execution process is gone")
        if reply.get("error"):
            raise refusal(reply["error"])
        return reply.get("value")

    def notice(self, method: str, params: JsonObject) -> None:
        """Tell the execution process something."""
        if os.getpid() != self._pid:
            self._elsewhere().notice(method, params)
            return
        with self._lock:
            self._send({"type": "notice", "method": method, "params": params})

    def _elsewhere(self) -> Any:
        """Return the transport of a process that the operation forked: the channel is its parent's alone."""
        from cloudify.rest_transport import RestTransport

        return RestTransport()

    def _send(self, message: JsonObject) -> None:
        try:
            frame = encode(message)
        except MessageTooLarge as error:
            from cloudify.exceptions import NonRecoverableError

            raise NonRecoverableError(str(error)) from error
        self._sock.sendall(frame)

    def send(self, frame: bytes) -> None:
        """Send a whole frame."""
        with self._lock:
            self._sock.sendall(frame)


class _Surroundings:
    """What an operation may change in its process and the next one must not see."""

    def __init__(self) -> None:
        self._cwd = os.getcwd()  # noqa: PTH109 - cheap, and asked after every operation
        self._environ = dict(os.environ)
        self._raw = self._raw_environ()
        self._stdio = (sys.stdin, sys.stdout, sys.stderr)
        self._spawned = False
        sys.addaudithook(self._watch)

    def _watch(self, event: str, _args: Any) -> None:
        if event in ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "os.spawn"):
            self._spawned = True

    @staticmethod
    def _raw_environ() -> dict[Any, Any]:
        """Return the variables as `os.environ` keeps them: comparing those does not decode each one."""
        return dict(getattr(os.environ, "_data", os.environ))

    def restore(self) -> bool:
        """Put everything back; return whether processes of the operation are still running."""
        sys.stdin, sys.stdout, sys.stderr = self._stdio
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        if self._raw_environ() != self._raw:
            os.environ.clear()
            os.environ.update(self._environ)
        try:
            moved = os.getcwd() != self._cwd  # noqa: PTH109 - see above
        except FileNotFoundError:
            moved = True
        if moved:
            os.chdir(self._cwd)
        spawned, self._spawned = self._spawned, False
        return spawned and _has_company()


def _has_company() -> bool:
    """Return whether other processes are in this process's group; without /proc, assume so."""
    group = os.getpgrp()
    own = os.getpid()
    try:
        processes = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]  # noqa: PTH208 - cheaper than Path
    except OSError:
        return True
    for pid in processes:
        if pid != own:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if os.getpgid(pid) == group and not _is_zombie(pid):
                    return True
    return False


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def prepare_paths(paths: list[str]) -> None:
    """Put the plugin's folders behind the SDK and before everything else, and forget packages of ours it may
    bring."""
    root = str(Path(__file__).resolve().parent.parent.parent)
    sdk = str(Path(__file__).resolve().parent.parent / "sdk")
    rest = [entry for entry in sys.path if entry not in (sdk, root, "", *paths)]
    sys.path[:] = [sdk, *paths, *rest]
    for name in list(sys.modules):
        if name.partition(".")[0] in _FOREIGN_ROOTS:
            del sys.modules[name]


def run(message: JsonObject, transport: PipeTransport) -> JsonObject:
    """Run the operation of one ``run`` message and return its ``done`` message; nothing an operation raises gets
    out."""
    from cloudify import dispatch, errors_as_data

    done: JsonObject = {"type": "done", "id": message["id"]}
    try:
        context = message["context"]
        if message.get("evaluate"):
            context = {**context, "has_intrinsic_functions": True}
        if context.get("execution_env"):
            os.environ.update({str(name): str(value) for name, value in context["execution_env"].items()})
        args, kwargs = message.get("args") or [], message.get("kwargs") or {}
        result = dispatch.run_operation(context, args, kwargs, transport=transport, resume=message.get("resume"))
    except BaseException as error:  # noqa: BLE001 - SystemExit and KeyboardInterrupt are outcomes of the operation too
        return {**done, "ok": False, "error": errors_as_data.describe(error)}
    return {**done, "ok": True, "result": result}


def encode_done(done: JsonObject) -> bytes:
    """Return the frame of a ``done`` message; a result that cannot be passed on becomes an error."""
    from cloudify import errors_as_data
    from cloudify.exceptions import NonRecoverableError

    try:
        return encode(done)
    except MessageTooLarge as error:
        text = f"The operation's result is too large: {error}"
    except (TypeError, ValueError, RecursionError) as error:
        text = f"The operation's result cannot be passed on as JSON: {error}"
    except BaseException as error:  # noqa: BLE001 - a result's own methods may do anything
        text = f"The operation's result cannot be passed on as JSON: {type(error).__name__}"
    data = errors_as_data.describe(NonRecoverableError(text))
    return encode({"type": "done", "id": done["id"], "ok": False, "error": data})


def main(argument: JsonObject, descriptors: dict[str, int]) -> int:
    """Serve operations until the channel closes.

    Args:
        argument: ``paths``, the plugin's folders; ``name``, what the environment is called.
        descriptors: ``channel``, the socket to the pool.
    """
    sock = socket.socket(fileno=descriptors["channel"])
    sock.set_inheritable(False)
    transport = PipeTransport(sock)
    if not os.environ.get("CFY_EXEC_TEMP"):
        os.environ["CFY_EXEC_TEMP"] = tempfile.gettempdir()
    import cloudify.preload  # noqa: F401 - ours is imported before a plugin folder can bring another one
    from cloudify import endpoint

    endpoint.set_transport(transport)
    prepare_paths(list(argument.get("paths") or []))
    surroundings = _Surroundings()
    code = _serve(sock, transport, surroundings)
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _serve(sock: socket.socket, transport: PipeTransport, surroundings: _Surroundings) -> int:
    while True:
        try:
            message = receive(sock)
        except OSError:
            return 0
        if message is None or message.get("type") == "stop":
            return 0
        if message.get("type") != "run":
            continue
        done = run(message, transport)
        retire = surroundings.restore()
        if retire:
            done["retire"] = True
        try:
            transport.send(encode_done(done))
        except OSError:
            return 0
        if retire:
            return 0
