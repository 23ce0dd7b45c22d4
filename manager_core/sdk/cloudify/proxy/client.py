#!/usr/bin/env python3
"""The `ctx` command of scripts: sends its arguments to the operation's context and prints the answer (contract §5.10).

It is started for every `ctx` in a script, so the command itself imports next to nothing: it speaks HTTP over a bare
socket and lets the server shape the output.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CTX_SOCKET_URL = "CTX_SOCKET_URL"
DEFAULT_TIMEOUT = 30.0


class RequestError(RuntimeError):
    """The context could not do what was asked."""

    def __init__(self, ex_message: str, ex_type: str, ex_traceback: str) -> None:
        super().__init__(f"{ex_type}: {ex_message}")
        self.ex_type = ex_type
        self.ex_message = ex_message
        self.ex_traceback = ex_traceback


class ScriptException(Exception):
    """A script asked to be aborted or retried."""

    def __init__(self, message: str | None = None, retry: bool = False) -> None:
        super().__init__(message)
        self.retry = retry


def exchange(socket_url: str, request: str, timeout: float, output: str = "") -> tuple[int, bytes]:
    """Post a request to the address of a context and return status and body of the answer.

    Args:
        socket_url: the address.
        request: ``{"args": [...]}`` as JSON text.
        timeout: seconds.
        output: ``text`` or ``json`` have the server answer with what the command prints; empty with its JSON envelope.

    Raises:
        OSError: nobody answers in time.
        RuntimeError: the answer is no answer.
    """
    import _socket  # the module around it costs more than all the rest of the command

    address, _, path = socket_url.partition("://")[2].partition("/")
    host, _, port = address.partition(":")
    body = request.encode("utf-8", "surrogateescape")
    head = (
        f"POST /{path} HTTP/1.0\r\nHost: {address}\r\nContent-Type: application/json\r\nX-Ctx-Output: {output}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    sock = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        sock.connect(("127.0.0.1" if host == "localhost" else host, int(port or 80)))
        sock.sendall(head.encode() + body)
        parts = []
        while part := sock.recv(1 << 16):
            parts.append(part)
    finally:
        sock.close()
    first, _, answer = b"".join(parts).partition(b"\r\n\r\n")
    words = first.split(b" ", 2)
    if len(words) < 2 or not words[1].isdigit():
        raise RuntimeError("Request failed: the answer is not HTTP")
    return int(words[1]), answer


def http_client_req(socket_url: str, request: str, timeout: float) -> str:
    """Post a request to the address of a context and return the answer's JSON text; raises as `exchange`."""
    status, answer = exchange(socket_url, request, timeout)
    if status != 200:
        raise RuntimeError(f"Request failed: status {status}")
    return answer.decode("utf-8")


def client_req(socket_url: str, args: list[Any], timeout: float = 5) -> Any:
    """Ask a context and return what it answered.

    Raises:
        ScriptException: the script is to end now.
        RequestError: the context raised.
    """
    import json

    response = json.loads(http_client_req(socket_url, json.dumps({"args": args}), timeout))
    payload = response["payload"]
    if response["type"] == "stop_operation":
        raise ScriptException(payload["message"], retry=payload.get("retry", False))
    if response["type"] == "error":
        raise RequestError(payload["message"], payload["type"], payload["traceback"])
    return payload


def process_args(json_prefix: str, args: list[str]) -> list[Any]:
    """Return the arguments, those that begin with the prefix decoded as JSON."""
    import json

    return [json.loads(arg[len(json_prefix) :]) if arg.startswith(json_prefix) else arg for arg in args]


def request_of(json_prefix: str, args: list[str]) -> str:
    """Return the JSON text of a request; raises `ValueError` for an argument that promises JSON and is none."""
    from _json import encode_basestring_ascii

    parts = []
    for arg in args:
        if arg.startswith(json_prefix):
            import json

            parts.append(json.dumps(json.loads(arg[len(json_prefix) :])))
        else:
            parts.append(encode_basestring_ascii(arg))
    return '{"args": [' + ", ".join(parts) + "]}"


USAGE = "usage: ctx [-t SECONDS] [-j] [--json-arg-prefix PREFIX] [--socket-url URL] ARGS..."


def parse_args(args: list[str] | None = None) -> tuple[dict[str, Any], list[str]]:
    """Return the options and the arguments for the context; options come first.

    Raises:
        RuntimeError: nobody said where the context is served.
        SystemExit: an option is not known.
    """
    rest = list(sys.argv[1:] if args is None else args)
    options: dict[str, Any] = {
        "timeout": DEFAULT_TIMEOUT,
        "json_output": False,
        "json_arg_prefix": "@",
        "socket_url": os.environ.get(CTX_SOCKET_URL),
    }
    valued = {
        "-t": "timeout",
        "--timeout": "timeout",
        "--json-arg-prefix": "json_arg_prefix",
        "--socket-url": "socket_url",
    }
    while rest and rest[0].startswith("-"):
        option, given, value = rest.pop(0).partition("=")
        if option == "--":
            break
        if option in ("-j", "--json-output"):
            options["json_output"] = True
        elif option in ("-h", "--help"):
            sys.stdout.write(USAGE + "\n")
            raise SystemExit(0)
        elif option in valued and (given or rest):
            value = value if given else rest.pop(0)
            options[valued[option]] = float(value) if valued[option] == "timeout" else value
        else:
            sys.stderr.write(f"ctx: unknown option {option}\n{USAGE}\n")
            raise SystemExit(2)
    if not options["socket_url"]:
        raise RuntimeError(f"Missing {CTX_SOCKET_URL} environment variable or --socket-url")
    return options, rest


def main(args: list[str] | None = None) -> None:
    """Run the command: the answer goes to standard output; errors to standard error, exit code 1."""
    options, rest = parse_args(args)
    output = "json" if options["json_output"] else "text"
    try:
        request = request_of(options["json_arg_prefix"], rest)
        status, answer = exchange(options["socket_url"], request, options["timeout"], output)
    except (OSError, RuntimeError, ValueError) as error:
        sys.stderr.write(f"ctx: {type(error).__name__}: {error}\n")
        raise SystemExit(1) from None
    stream = sys.stdout if status == 200 else sys.stderr
    stream.buffer.write(answer)
    if status != 200:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
