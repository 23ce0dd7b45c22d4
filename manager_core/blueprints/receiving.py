"""Taking in a request body as it arrives: straight to a temporary file, whatever its size.

The two forms of the REST contract §1.8: a multipart form with a text part and a file part, and a raw body. Blocks are
written in a worker thread, so that a slow disk does not stop the other requests.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from manager_core.access.caller import Caller
from manager_core.errors import BadParameters, ManagerError
from manager_core.rest.auth import caller_of, core_of
from manager_core.store.files import FileStore

_BLOCK = 1 << 20
_LARGEST_FIELD = 16 << 20
_LARGEST_BODY = 16 << 30
_DRAINED = 1 << 30


@dataclass
class Received:
    """A body that arrived.

    Attributes:
        fields: the text parts of a form.
        file: the temporary file with the file part or the raw body; None when there was none or it was empty.
    """

    fields: dict[str, str] = field(default_factory=dict)
    file: Path | None = None

    def discard(self) -> None:
        """Delete the temporary file unless somebody adopted it."""
        if self.file is not None:
            self.file.unlink(missing_ok=True)


class _Form:
    """Callbacks of the multipart parser: text parts into a dict, the file part into a stream."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.fields: dict[str, str] = {}
        self.has_file = False
        self._stream = stream
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._name = ""
        self._text: bytearray | None = None
        self._taken = 0

    def callbacks(self) -> dict[str, Callable[..., None]]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header_name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header_value.extend(data[start:end]),
            "on_header_end": self._header,
            "on_headers_finished": self._start,
            "on_part_data": self._data,
            "on_part_end": self._end,
        }

    def _begin(self) -> None:
        self._headers = {}

    def _header(self) -> None:
        self._headers[bytes(self._header_name).lower()] = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _start(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._name = options.get(b"name", b"").decode(errors="replace")
        if b"filename" in options or self._name == "blueprint_archive":
            self.has_file = True
            self._text = None
        else:
            self._text = bytearray()

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._text is None:
            self._stream.write(data[start:end])
            return
        self._text.extend(data[start:end])
        self._taken += end - start
        if self._taken > _LARGEST_FIELD:
            raise BadParameters(f"The form field {self._name} is too large, or all fields together are")

    def _end(self) -> None:
        if self._text is not None:
            self.fields[self._name] = self._text.decode(errors="replace")
            self._text = None


async def receive(request: Request, files: FileStore) -> Received:
    """Write the body of a request to a temporary file of `files`.

    Raises:
        BadParameters: a form that is not well formed, or a body beyond 16 GB.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    temporary = files.temporary()
    received = Received(file=temporary)
    try:
        with temporary.open("wb") as stream:
            if kind == b"multipart/form-data":
                form = _Form(stream)
                parser = MultipartParser(options.get(b"boundary", b""), callbacks=form.callbacks())  # type: ignore[arg-type]  # a TypedDict of the same names
                await _pump(request, parser.write)
                parser.finalize()
                received.fields = form.fields
            else:
                await _pump(request, stream.write)
    except FormParserError as error:  # the form, or what its header says of it
        received.discard()
        raise BadParameters(f"The form is not well formed: {error}") from error
    except BaseException:
        received.discard()
        raise
    if temporary.stat().st_size == 0:
        received.discard()
        received.file = None
    return received


async def _pump(request: Request, write: Callable[[bytes], int]) -> None:
    pending = bytearray()
    total = 0
    async for chunk in request.stream():
        pending.extend(chunk)
        total += len(chunk)
        if total > _LARGEST_BODY:
            raise BadParameters("The body is too large")
        if len(pending) >= _BLOCK:
            block = bytes(pending)
            pending.clear()
            await run_in_threadpool(write, block)
    if pending:
        await run_in_threadpool(write, bytes(pending))


async def streamed(
    request: Request,
    permission: str,
    answer: Callable[[Caller, Received], Response],
    *,
    check: Callable[[Caller], None] | None = None,
) -> Response:
    """Serve a request with a large body: who asks is checked first, the rest runs in a thread when the body is there.

    Args:
        permission: what the endpoint needs.
        answer: makes the response; the temporary file it does not adopt is deleted afterwards.
        check: refuses what cannot be done anyway before anything is read.

    Raises:
        ManagerError: what `check`, `answer` or the authentication raise. A body that was not read is read and thrown
            away first, because clients that are still sending do not look at an answer.
    """
    try:
        caller = await run_in_threadpool(caller_of, request, permission)
        if check is not None:
            await run_in_threadpool(check, caller)
    except ManagerError:
        with contextlib.suppress(Exception):
            await _drain(request)
        raise
    received = await receive(request, core_of(request).files)
    try:
        return await run_in_threadpool(answer, caller, received)
    finally:
        received.discard()


async def _drain(request: Request) -> None:
    total = 0
    async for chunk in request.stream():
        total += len(chunk)
        if total > _DRAINED:
            return
