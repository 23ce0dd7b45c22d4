"""The instant at which tests begin, the shipped clock standing there, and how long tests wait in real time."""

from __future__ import annotations

from datetime import UTC, datetime

from scheduler import testing

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PATIENCE = 180.0
"""Seconds after which a test gives up waiting. Whatever is waited for takes a few on a machine that is not busy."""


class FakeClock(testing.FakeClock):
    """`scheduler.testing.FakeClock`, which begins at `START` unless told otherwise."""

    def __init__(self, start: datetime = START) -> None:
        super().__init__(start)

    def wake(self) -> None:
        """Nobody waits on this clock: a wait moves it on."""
