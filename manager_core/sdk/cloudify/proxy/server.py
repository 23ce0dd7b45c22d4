"""Serves a context to the `ctx` command of a script, over HTTP on this machine alone (contract §5.10)."""

from __future__ import annotations

import json
import re
import secrets
import socket
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cloudify.proxy.client import ScriptException
from cloudify.state import current_ctx

MAX_REQUEST_BYTES = 64 * 1024 * 1024


class CtxProxy:
    """Answers requests about a context."""

    def __init__(self, ctx: Any, socket_url: str) -> None:
        self.ctx = ctx
        self.socket_url = socket_url
        self._lock = threading.Lock()

    def process(self, request: str | bytes) -> str:
        """Answer one request, ``{"args": [...]}``, with ``{"type": "result" | ..., "payload": ...}`` as JSON text."""
        try:
            with self._lock, current_ctx.push(self.ctx, {}):
                payload = process_ctx_request(self.ctx, json.loads(request)["args"])
                if isinstance(payload, ScriptException):
                    stop = {"message": str(payload), "retry": payload.retry}
                    return json.dumps({"type": "stop_operation", "payload": stop})
                return json.dumps({"type": "result", "payload": payload})
        except Exception as error:
            described = {"type": type(error).__name__, "message": str(error), "traceback": traceback.format_exc()}
            return json.dumps({"type": "error", "payload": described})

    def close(self) -> None:
        """Stop serving."""


class HTTPCtxProxy(CtxProxy):
    """Serves a context on a port of the loopback interface; the address holds a secret that other users do not
    know."""

    def __init__(self, ctx: Any, port: int | None = None) -> None:
        secret = secrets.token_urlsafe(16)
        self._server = _Server(("127.0.0.1", port or 0), self._handler("/" + secret))
        self._server.daemon_threads = True
        super().__init__(ctx, f"http://localhost:{self._server.server_address[1]}/{secret}")
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def _handler(self, path: str) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            """One request."""

            def do_POST(self) -> None:
                """Answer a request about the context."""
                length = int(self.headers.get("Content-Length") or 0)
                if self.path.rstrip("/") != path or length > MAX_REQUEST_BYTES:
                    self.send_error(404 if length <= MAX_REQUEST_BYTES else 413)
                    return
                answer = proxy.process(self.rfile.read(length))
                status, output = 200, self.headers.get("X-Ctx-Output") or ""
                if output:
                    status, answer = as_printed(answer, output)
                body = answer.encode("utf-8", "surrogateescape")
                self.send_response(status)
                self.send_header("Content-Type", "text/plain" if output else "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Keep quiet."""

        return Handler

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


def as_printed(answer: str, output: str) -> tuple[int, str]:
    """Return an answer as the command prints it: status 200 and text (or JSON), else what goes to standard error."""
    decoded = json.loads(answer)
    payload = decoded["payload"]
    if decoded["type"] == "stop_operation":
        return 409, f"{payload['message']}\n"
    if decoded["type"] == "error":
        return 500, f"{payload['traceback']}\n{payload['type']}: {payload['message']}\n"
    if output == "json":
        return 200, json.dumps(payload)
    return 200, "" if payload is None else str(payload)


class _Server(ThreadingHTTPServer):
    allow_reuse_address = True
    request_queue_size = 64

    def server_bind(self) -> None:
        """Bind without looking up the machine's name, which can take seconds."""
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "localhost", self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about clients that go away."""


class StubCtxProxy:
    """In place of a proxy, for scripts that are run without one."""

    socket_url = ""

    def close(self) -> None:
        """Do nothing."""


class PathDictAccess:
    """Reads and writes inside nested dicts and lists by paths like ``a.b[1].c``."""

    pattern = re.compile(r"(.+)\[(\d+)\]")

    def __init__(self, obj: Any) -> None:
        self.obj = obj

    def get(self, prop_path: str) -> Any:
        """Return the value at a path; raises `RuntimeError` when there is none."""
        return self._get_object_by_path(prop_path)

    def set(self, prop_path: str, value: Any) -> None:
        """Set the value at a path; missing dicts on the way are made."""
        parent, name = self._get_parent_obj_prop_name_by_path(prop_path)
        indexed = self.pattern.match(name)
        if indexed:
            holder = self._step(parent, indexed[1], prop_path, True)
            holder[int(indexed[2])] = value
        else:
            parent[name] = value
        if hasattr(self.obj, "_set_changed"):
            self.obj._set_changed()  # a change below the first level is one too

    def _get_object_by_path(self, prop_path: str, fail_on_missing: bool = True) -> Any:
        current = self.obj
        for part in prop_path.split("."):
            indexed = self.pattern.match(part)
            if indexed:
                current = self._step(current, indexed[1], prop_path, fail_on_missing)
                current = current[int(indexed[2])]
            else:
                current = self._step(current, part, prop_path, fail_on_missing)
        return current

    def _get_parent_obj_prop_name_by_path(self, prop_path: str) -> tuple[Any, str]:
        parent_path, _, name = prop_path.rpartition(".")
        return (self._get_object_by_path(parent_path, False) if parent_path else self.obj), name

    def _step(self, current: Any, name: str, prop_path: str, fail_on_missing: bool) -> Any:
        if not isinstance(current, dict):
            self._raise_illegal(prop_path)
        if name not in current:
            if fail_on_missing:
                self._raise_illegal(prop_path)
            current[name] = {}
        return current[name]

    @staticmethod
    def _raise_illegal(prop_path: str) -> None:
        raise RuntimeError(f"illegal path: {prop_path}")


def process_ctx_request(ctx: Any, args: list[Any]) -> Any:
    """Walk from a context along the arguments and return what is there, or what calling it gives.

    Args:
        ctx: where to start.
        args: attribute names (dashes stand for underscores); in a dict one further argument is a path to read, two
        are a path and
            a value to write; a callable gets all further arguments, a last one that is a dict as keyword arguments.
    """
    current = ctx
    for position, arg in enumerate(args):
        name = _desugar_attr(current, arg)
        if name is not None:
            current = getattr(current, name)
        elif isinstance(current, dict):
            return _access_dict(current, args[position:])
        elif callable(current):
            return _call(current, args[position:])
        else:
            raise RuntimeError(f"{arg} cannot be processed in {args}")
    return current() if callable(current) else current


def _access_dict(current: dict[str, Any], rest: list[Any]) -> Any:
    if len(rest) == 1:
        return PathDictAccess(current).get(str(rest[0]))
    if len(rest) == 2:
        return PathDictAccess(current).set(str(rest[0]), rest[1])
    raise RuntimeError("Illegal argument while accessing dict")


def _call(function: Any, rest: list[Any]) -> Any:
    kwargs: dict[str, Any] = {}
    if isinstance(rest[-1], dict):
        rest, kwargs = rest[:-1], rest[-1]
    return function(*rest, **kwargs)


def _desugar_attr(obj: Any, attr: Any) -> str | None:
    """Return the name under which `obj` has the attribute, or None."""
    if not isinstance(attr, str) or isinstance(obj, dict):
        return None
    for name in (attr, attr.replace("-", "_")):
        if hasattr(obj, name):
            return name
    return None


def get_unused_port() -> int:
    """Return a port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
