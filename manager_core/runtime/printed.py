"""What an execution process prints: taken from its standard output and error, as whole lines, bounded.

A workflow that prints must neither wait for whoever reads the worker's own output, nor fill a disk: its lines become
logs of its execution, and one that prints without end is ended with a reason. Native code and programs that the
workflow starts write to the same descriptors, so these are what is redirected, not Python's objects.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import sys
import threading
from collections.abc import Callable

LONGEST_LINE = 64 * 1024
"""A printed line longer than this is passed on in pieces, bytes."""
LINE_COST = 256
"""What a line of output costs beside its text, bytes: it becomes a record."""
LIMIT = 100 * 1024 * 1024
"""How much a workflow may print, bytes; each line counts `LINE_COST` more."""
_CHUNK = 64 * 1024
_STREAMS = {1: "stdout", 2: "stderr"}
_LAST_READS = 64
"""How many chunks are still read of each stream once the workflow is over: another thread may print for ever."""


class WholeLines:
    """Cuts the bytes of several descriptors into whole lines."""

    def __init__(self) -> None:
        """Begin with nothing read."""
        self._rests: dict[int, bytes] = {}

    def take(self, descriptor: int, data: bytes) -> bytes:
        """Take bytes and return what of them, and of those before, are whole lines; a very long one is cut."""
        data = self._rests.pop(descriptor, b"") + data
        cut = data.rfind(b"\n") + 1
        if len(data) - cut > LONGEST_LINE:
            return data
        if cut < len(data):
            self._rests[descriptor] = data[cut:]
        return data[:cut]

    def rest_of(self, descriptor: int) -> bytes:
        """Return the bytes that no line end followed."""
        return self._rests.pop(descriptor, b"")


class Printed:
    """Redirects this process's output and hands it on line by line. Life cycle: construct, settle.

    It goes on reading (and forgets what it reads) after `settle`, for as long as the process lives, so that nobody who
    still prints waits.
    """

    def __init__(
        self, on_line: Callable[[str, str], None], on_too_much: Callable[[int], None], *, limit: int = LIMIT
    ) -> None:
        """Redirect descriptors 1 and 2.

        Args:
            on_line: called with `stdout` or `stderr` and a line without its end, in the reading thread.
            on_too_much: called once, with the limit, when more than `limit` bytes were printed; no line follows.
        """
        self._on_line = on_line
        self._on_too_much = on_too_much
        self._limit = limit
        self._size = 0
        self._over = False
        self._lines = WholeLines()
        self._settled = threading.Event()
        self._selector = selectors.DefaultSelector()
        self._streams: dict[int, str] = {}
        for descriptor, stream in _STREAMS.items():
            read, write = os.pipe()
            os.dup2(write, descriptor)
            os.close(write)
            os.set_blocking(read, False)
            self._streams[read] = stream
            self._selector.register(read, selectors.EVENT_READ)
        self._wake_read, self._wake_write = os.pipe()
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        threading.Thread(target=self._serve, name="printed", daemon=True).start()

    def settle(self, seconds: float = 10.0) -> None:
        """Hand on what was printed so far; what comes later is forgotten. Repeatable."""
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # the workflow may have put anything in their places
                stream.flush()
        if not self._settled.is_set():
            os.write(self._wake_write, b".")
            self._settled.wait(seconds)

    def _serve(self) -> None:
        while self._streams:
            for key, _ in self._selector.select():
                if key.fd == self._wake_read:
                    os.read(self._wake_read, _CHUNK)
                    self._finish()
                else:
                    self._read(key.fd)
        self._settled.set()

    def _finish(self) -> None:
        for descriptor in list(self._streams):
            for _ in range(_LAST_READS):
                if not self._read(descriptor):
                    break
            self._pass_on(descriptor, self._lines.rest_of(descriptor))
        self._over = True
        self._settled.set()

    def _read(self, descriptor: int) -> bool:
        """Read a chunk; returns whether there was one."""
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return False
        if not data:  # the workflow closed it
            self._selector.unregister(descriptor)
            self._pass_on(descriptor, self._lines.rest_of(descriptor))
            del self._streams[descriptor]
            os.close(descriptor)
            return False
        if not self._over:
            self._pass_on(descriptor, self._lines.take(descriptor, data))
        return True

    def _pass_on(self, descriptor: int, data: bytes) -> None:
        if self._over or not data:
            return
        lines = data.decode("utf-8", "replace").removesuffix("\n").split("\n")
        self._size += len(data) + LINE_COST * len(lines)
        if self._size > self._limit:
            self._over = True
            self._on_too_much(self._limit)
            return
        for line in lines:
            with contextlib.suppress(Exception):  # a line that cannot be kept must not stop the reading
                self._on_line(self._streams[descriptor], line)
