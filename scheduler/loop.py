"""The minute loop: when to poll (scheduling.md §5). What a poll does is `scheduler.poll`.

The grid is APScheduler's `IntervalTrigger` from the epoch on, so that polls come at full minutes of the wall clock. The
loop itself waits on the injected `Clock`, at most half a second at a time, and looks at the wall clock on each waking:
a jump in either direction is seen at once and never slept through. Polls run one after the other in the calling thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from apscheduler.triggers.interval import IntervalTrigger

from scheduler.clock import Clock
from scheduler.poll import poll_in_batches
from scheduler.ports import Heartbeat, SchedulesPort, Settled

log = logging.getLogger(__name__)

LONGEST_WAIT = 0.5
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ONE = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Poll:
    """A finished poll, for whoever measures: how many schedules it decided, and the error that ended it."""

    at: datetime
    seconds: float
    decided: int
    next_at: datetime
    error: Exception | None = None


class Loop:
    """Polls a port on the grid until stopped.

    Args:
        port: the schedules.
        clock: the time; nothing else is asked for it.
        interval: seconds between polls, more than none.
        on_poll: called after each poll with its `Poll`.
        on_settled: called during a poll with what each of its transactions settled, once that is committed.
        on_wake: called on every waking and around each poll, at least twice a second while idle: the watchdog's beat.
        longest_wait: seconds of one wait at most; a simulation whose clock cannot jump by itself allows more.
    """

    def __init__(
        self,
        port: SchedulesPort,
        clock: Clock,
        interval: float = 60.0,
        *,
        on_poll: Callable[[Poll], None] = lambda _: None,
        on_settled: Callable[[Sequence[Settled]], None] = lambda _: None,
        on_wake: Callable[[], None] = lambda: None,
        longest_wait: float = LONGEST_WAIT,
    ) -> None:
        if interval <= 0:
            raise ValueError("the interval between polls is longer than nothing")
        self._port = port
        self._clock = clock
        self.interval = float(interval)
        self._grid = IntervalTrigger(seconds=interval, start_date=_EPOCH, timezone=UTC)
        self._on_poll = on_poll
        self._on_settled = on_settled
        self._on_wake = on_wake
        self._longest_wait = longest_wait
        self._stopped = False

    def stop(self) -> None:
        """Ask `run` to return after the transaction in hand; callable from any thread and from a signal handler."""
        self._stopped = True

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped

    def next_at(self, now: datetime) -> datetime:
        """Return the first point of the grid after `now`."""
        following = self._grid.get_next_fire_time(None, now + _ONE)
        assert isinstance(following, datetime)
        return following.astimezone(UTC)

    def run(self) -> None:
        """Poll at once, then at each point of the grid until `stop`; an overrunning poll skips the points it covers."""
        while not self._stopped:
            self._wait_for(self.poll_once().next_at)

    def poll_once(self) -> Poll:
        """Run one poll, store the heartbeat and tell `on_poll`; a failing poll is reported, not raised."""
        at, began = self._clock.now(), self._clock.monotonic()
        self._on_wake()
        decided = 0
        failure: Exception | None = None
        try:
            for settled in poll_in_batches(self._port, at, interval=self.interval, keep_on=self._keep_on):
                decided += len(settled)
                self._on_settled(settled)
        except Exception as error:
            failure = error
            log.exception("poll_failed")
        seconds = self._clock.monotonic() - began
        now = self._clock.now()
        # a poll that ends on a point of the grid is followed by the next at once: (interval - d) mod interval
        done = Poll(at, seconds, decided, self.next_at(now - _ONE if now > at else now), failure)
        if failure is None:
            try:
                self._port.heartbeat(Heartbeat(at, done.next_at, seconds, decided))
            except Exception:
                log.exception("heartbeat_failed")
        self._on_poll(done)
        return done

    def _keep_on(self) -> bool:
        self._on_wake()
        return not self._stopped

    def _wait_for(self, target: datetime) -> None:
        """Wait until the wall clock reaches `target`, however it gets there; after a jump back, the new next point."""
        while not self._stopped:
            self._on_wake()
            now = self._clock.now()
            left = (target - now).total_seconds()
            if left <= 0:
                return
            if left > self.interval:  # the clock was set back: the grid goes on from where it is now
                target = self.next_at(now)
                left = (target - now).total_seconds()
            self._clock.wait(min(left, self._longest_wait))
