"""The messages between an execution process and its runners, and how they cross a stream socket.

A frame is a length (four bytes, big endian) followed by that many bytes of JSON in UTF-8. Nothing else ever crosses:
no pickles, so an exception that cannot be pickled, or a hostile object, is only text on the other side. The standard
library alone is imported: this file also runs in the interpreter of a plugin's own environment.

    execution process ─▶ runner    run     {type, id, task_name, context, args, kwargs, evaluate, resume, limits}
                                   reply   {type, call, value} or {type, call, error}
                                   stop    {type}
    runner ─▶ execution process    ready   {type, pid, error?}
                                   call    {type, call, method, params}   waits for its reply
                                   notice  {type, method, params}         waits for nothing; order is kept
                                   done    {type, id, ok, result | error}
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

JsonObject = dict[str, Any]

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""The largest message either side accepts. A bigger result or property set fails its operation, not its worker."""

_LENGTH = struct.Struct("!I")
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)

ErrorKind = Literal["recoverable", "non_recoverable", "retry", "serialization_retry", "http", "stop_agent", "cancelled"]
"""How an operation's error is treated (workflow-runtime contract §2.4)."""


class Cause(TypedDict):
    """One entry of an error's ``causes``: the original exception as text (contract §2.4)."""

    message: str
    type: str
    traceback: str


class ErrorData(TypedDict, total=False):
    """An operation's error on its way to the workflow.

    ``kind`` decides about retries, ``type`` is the original class name, ``message`` the text, ``retry_after``
    seconds or None, ``causes`` outermost last. ``http`` errors also carry ``url`` and ``code``.
    """

    kind: ErrorKind
    type: str
    message: str
    retry_after: float | None
    causes: list[Cause]
    url: str
    code: int


@dataclass(frozen=True)
class RunnerEnvironment:
    """Where an operation's code comes from. Equal environments share their runners within an execution.

    Attributes:
        name: what logs call it, usually ``plugin-version``.
        interpreter: the Python of a plugin's own virtual environment, or None for a fork of the warm server.
        paths: folders put on ``sys.path`` behind the SDK, in this order.
        variables: extra environment variables of the runner as sorted pairs.
        cwd: the working directory, or None for the runner's temporary one.
    """

    name: str = ""
    interpreter: str | None = None
    paths: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    cwd: str | None = None


@dataclass(slots=True)  # not frozen: making one would cost three times as much
class OperationRequest:
    """One call of an operation (contract §2.3, §5.5).

    Attributes:
        task_id: id of the task; the outcome carries it back.
        task_name: the mapping, ``module.path.function``.
        context: the ``__cloudify_context`` mapping (contract §5.7).
        kwargs: the inputs, JSON values only, without ``ctx``.
        environment: which kind of runner may take it.
        args: positional arguments, usually none.
        evaluate: whether `kwargs` hold intrinsic functions to evaluate when the operation runs.
        resume: whether the operation was already started once; a function that is not resumable then fails.
        timeout: seconds after which the runner is killed, or None.
        timeout_recoverable: whether such a kill may be retried.
    """

    task_id: str
    task_name: str
    context: JsonObject
    kwargs: JsonObject = field(default_factory=dict)
    environment: RunnerEnvironment = RunnerEnvironment()
    args: tuple[Any, ...] = ()
    evaluate: bool = False
    resume: bool = False
    timeout: float | None = None
    timeout_recoverable: bool = False


@dataclass(slots=True)  # not frozen: making one would cost three times as much
class OperationOutcome:
    """How one call ended: a JSON result, or an error as data. Exactly one of the two counts, as `ok` says."""

    task_id: str
    ok: bool
    result: Any = None
    error: ErrorData | None = None


class MessageTooLarge(ValueError):
    """A message is over `MAX_MESSAGE_BYTES`."""

    def __init__(self, size: int, what: str = "message") -> None:
        super().__init__(f"The {what} takes {size} bytes as JSON; at most {MAX_MESSAGE_BYTES} can be passed on")
        self.size = size


class ProtocolError(Exception):
    """The peer sent bytes that are no frame of ours; the connection is of no further use."""


def encode(message: Mapping[str, Any]) -> bytes:
    """Return the frame of a message.

    Raises:
        TypeError, ValueError: the message holds something JSON cannot say.
        MessageTooLarge: it can be said, but not at that length.
    """
    body = _ENCODER.encode(message).encode("utf-8", "surrogatepass")
    if len(body) > MAX_MESSAGE_BYTES:
        raise MessageTooLarge(len(body))
    return _LENGTH.pack(len(body)) + body


def decode(body: bytes | bytearray | memoryview) -> JsonObject:
    """Return the message of a frame's body.

    Raises:
        ProtocolError: the body is not a JSON object.
    """
    try:
        message = json.loads(bytes(body).decode("utf-8", "surrogatepass"))
    except ValueError as error:
        raise ProtocolError(f"not a JSON message: {error}") from error
    if not isinstance(message, dict):
        raise ProtocolError(f"not a JSON object: {type(message).__name__}")
    return message


class FrameReader:
    """Cuts a byte stream into messages; feed it what arrived and take out what is whole."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[JsonObject]:
        """Add `data` and return the messages that are complete now, oldest first.

        Raises:
            ProtocolError: a frame announces an impossible length or holds no message.
        """
        buffer = self._buffer
        buffer += data
        messages: list[JsonObject] = []
        start = 0
        while len(buffer) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(buffer, start)
            if length > MAX_MESSAGE_BYTES:
                raise ProtocolError(f"a frame of {length} bytes was announced")
            end = start + _LENGTH.size + length
            if len(buffer) < end:
                break
            messages.append(decode(buffer[start + _LENGTH.size : end]))
            start = end
        if start:
            del buffer[:start]
        return messages


def send(sock: socket.socket, message: Mapping[str, Any]) -> None:
    """Write one message to a blocking socket; errors as in `encode`, plus OSError when the peer is gone."""
    sock.sendall(encode(message))


def receive(sock: socket.socket) -> JsonObject | None:
    """Read one message from a blocking socket; None when the peer closed it between two messages.

    Raises:
        ProtocolError: the peer closed inside a frame, or sent no frame.
    """
    head = _read_exactly(sock, _LENGTH.size)
    if head is None:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > MAX_MESSAGE_BYTES:
        raise ProtocolError(f"a frame of {length} bytes was announced")
    body = _read_exactly(sock, length)
    if body is None:
        raise ProtocolError("the connection ended inside a frame")
    return decode(body)


def _read_exactly(sock: socket.socket, count: int) -> bytes | None:
    first = sock.recv(count)
    if len(first) == count:
        return first
    if not first and count:
        return None
    parts = bytearray(first)
    while len(parts) < count:
        part = sock.recv(min(count - len(parts), 1 << 20))
        if not part:
            raise ProtocolError("the connection ended inside a frame")
        parts += part
    return bytes(parts)
