"""How a cancel reaches an execution process: the control channel between the worker and the process.

The worker writes one line a request, and one whenever it has renewed the lease; the process reads them in a thread. The
channel's end of file means that the worker is gone, and with it the right to run.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

CANCEL = "cancel"
FORCE = "force-cancel"
REQUESTS = frozenset({CANCEL, FORCE})
LEASE = "lease"


class Control:
    """The worker's end of the channel."""

    def __init__(self, sock: socket.socket) -> None:
        """Own the socket."""
        self._sock = sock
        self._told: set[str] = set()

    def tell(self, request: str) -> None:
        """Pass a request on, once; a process that is gone already does not mind."""
        if request not in self._told:
            self._told.add(request)
            with contextlib.suppress(OSError):
                self._sock.sendall(request.encode() + b"\n")

    def extend(self, until: float) -> None:
        """Tell that the lease holds until an instant of the monotonic clock; never waits for the process."""
        with contextlib.suppress(OSError):
            self._sock.send(f"{LEASE} {until!r}\n".encode(), socket.MSG_DONTWAIT)

    def close(self) -> None:
        """Close the channel. Repeatable."""
        self._sock.close()


def listen(
    sock: socket.socket,
    on_request: Callable[[str], None],
    on_lost: Callable[[], None],
    on_lease: Callable[[float], None],
) -> threading.Thread:
    """Read the process's end of the channel in a thread of its own."""

    def read() -> None:
        with contextlib.suppress(OSError), sock.makefile("r") as lines:
            for line in lines:
                request, _, until = line.strip().partition(" ")
                if request == LEASE:
                    on_lease(float(until))
                elif request in REQUESTS:
                    on_request(request)
        on_lost()

    thread = threading.Thread(target=read, name="control", daemon=True)
    thread.start()
    return thread
