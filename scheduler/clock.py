"""The clock: the only place of the repository that reads the time.

Everything above the pure packages takes a `Clock`. The real one is made at an entry point; tests and
simulations hand in `scheduler.testing.FakeClock`.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time for deciding, monotonic time for measuring, and a bounded wait."""

    def now(self) -> datetime:
        """Return the wall clock's instant, aware, in UTC. It may jump in both directions."""
        ...

    def monotonic(self) -> float:
        """Return seconds from an arbitrary origin; never goes back."""
        ...

    def wait(self, seconds: float) -> bool:
        """Block for at most `seconds`; return True if `wake` was called meanwhile."""
        ...


class SystemClock:
    """The machine's clock. `datetime.now` is read at the call, so freezegun and time-machine work on it."""

    def __init__(self) -> None:
        self._woken = threading.Event()

    def now(self) -> datetime:
        """Return the machine's wall clock, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the machine's monotonic clock in seconds."""
        return time.monotonic()

    def wait(self, seconds: float) -> bool:
        """Block for at most `seconds`; return True if woken by `wake`."""
        woken = self._woken.wait(max(0.0, seconds))
        self._woken.clear()
        return woken

    def wake(self) -> None:
        """End a wait in progress, or the next one, at once."""
        self._woken.set()
