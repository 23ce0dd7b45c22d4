"""The instant at which tests begin, and the shipped clock standing there."""

from __future__ import annotations

from datetime import UTC, datetime

from scheduler import testing

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class FakeClock(testing.FakeClock):
    """`scheduler.testing.FakeClock`, which begins at `START` unless told otherwise."""

    def __init__(self, start: datetime = START) -> None:
        super().__init__(start)

    def wake(self) -> None:
        """Nobody waits on this clock: a wait moves it on."""
