"""When the loop polls: the grid, overruns, jumps of the clock, stopping (scheduling.md §5)."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from scheduler.loop import Loop, Poll
from scheduler.ports import Settled
from scheduler.recurrence import parse
from scheduler.testing import FakeClock, MemorySchedules, fired

START = datetime(2026, 3, 2, 10, 0, 17, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Run:
    """A loop over an empty store that notes when it polled and lets each poll take some seconds."""

    def __init__(self, *, polls: int, takes: float = 0.0, start: datetime = START, interval: float = 60.0) -> None:
        self.clock = FakeClock(start)
        self.store = MemorySchedules()
        self.polls: list[Poll] = []
        self.waits: list[float] = []
        self.wakes = 0
        self.after_poll: Callable[[Poll], None] = lambda _: None

        def takes_time(step: str) -> None:
            if step == "claim":
                self.clock.advance(takes)

        def on_poll(poll: Poll) -> None:
            self.polls.append(poll)
            self.after_poll(poll)
            if len(self.polls) >= polls:
                self.loop.stop()

        def on_wake() -> None:
            self.wakes += 1

        self.store.before_step = takes_time
        self.clock.before_wait = self.waits.append
        self.loop = Loop(self.store, self.clock, interval, on_poll=on_poll, on_wake=on_wake)

    def times(self) -> list[str]:
        self.loop.run()
        return [f"{poll.at:%H:%M:%S}" for poll in self.polls]


def test_the_first_poll_comes_at_once_and_then_the_full_minutes() -> None:
    """The grid is the wall clock's."""
    run = Run(polls=4)
    assert run.times() == ["10:00:17", "10:01:00", "10:02:00", "10:03:00"]


def test_an_interval_of_ninety_seconds_counts_from_the_epoch() -> None:
    """Two schedulers started at different moments poll at the same instants."""
    grids = [Run(polls=5, interval=90, start=START + timedelta(seconds=7 * n)).times()[1:] for n in range(3)]
    assert grids[0] == grids[1] == grids[2]
    assert grids[0] == ["10:01:30", "10:03:00", "10:04:30", "10:06:00"]


def test_waits_are_bounded_and_the_watchdog_hears_each() -> None:
    """No wait is longer than half a second, so that a jump is seen; every waking beats."""
    run = Run(polls=3)
    run.times()
    assert max(run.waits) <= 0.5
    assert run.wakes >= len(run.waits)


@pytest.mark.parametrize(
    ("takes", "expected"),
    [
        (5, ["10:00:17", "10:01:00", "10:02:00", "10:03:00"]),
        (59, ["10:00:17", "10:02:00", "10:03:00", "10:04:00"]),
        (60, ["10:00:17", "10:02:00", "10:03:00", "10:04:00"]),
        (70, ["10:00:17", "10:02:00", "10:04:00", "10:06:00"]),
        (119, ["10:00:17", "10:03:00", "10:05:00", "10:07:00"]),
        (120, ["10:00:17", "10:03:00", "10:05:00", "10:07:00"]),
    ],
)
def test_an_overrunning_poll_waits_out_its_minute(takes: float, expected: list[str]) -> None:
    """The next starts after (interval − d) mod interval: polls of 70 s come every second minute."""
    run = Run(polls=4, takes=takes)
    assert run.times() == expected
    for one, two in pairwise(run.polls):
        assert two.at >= one.at + timedelta(seconds=one.seconds), "polls overlap"
    assert [poll.seconds for poll in run.polls] == [takes] * 4


def test_a_minutely_schedule_with_long_polls_runs_every_second_minute() -> None:
    """What the documentation of Cloudify says of polls that take 70 seconds."""
    run = Run(polls=6, takes=70)
    schedule = run.store.add(parse(since=START.replace(second=0), recurrence="1 min"), START, overlap="parallel")
    run.times()
    assert [f"{moment:%H:%M}" for moment in fired(run.store, schedule.key)] == [
        "10:02",
        "10:04",
        "10:06",
        "10:08",
        "10:10",
    ]


def test_a_jump_forward_is_noticed_within_half_a_second() -> None:
    """An hour lost is an outage like any other: the next poll comes at once."""
    run = Run(polls=3)

    def jump(poll: Poll) -> None:
        if len(run.polls) == 2:
            run.clock.set(run.clock.now() + timedelta(hours=1, seconds=20))

    run.after_poll = jump
    assert run.times() == ["10:00:17", "10:01:00", "11:01:20"]


def test_a_jump_back_neither_silences_nor_repeats() -> None:
    """Set back by an hour, the loop polls at the next full minute of the new time, and nothing fires twice."""
    run = Run(polls=70)
    schedule = run.store.add(parse(since=START.replace(second=0), recurrence="1 min"), START, overlap="parallel")

    def jump(poll: Poll) -> None:
        if len(run.polls) == 5:
            run.clock.set(run.clock.now() - timedelta(hours=1))

    run.after_poll = jump
    times = run.times()
    assert times[4:7] == ["10:04:00", "09:05:00", "09:06:00"]
    occurrences = fired(run.store, schedule.key)
    assert len(occurrences) == len(set(occurrences))
    assert occurrences == [START.replace(second=0) + MINUTE * n for n in range(1, len(occurrences) + 1)]


def test_a_failing_poll_is_reported_and_the_next_comes() -> None:
    """An unreachable database ends a poll, not the loop; no heartbeat is stored for it."""
    run = Run(polls=3)

    def fail(step: str) -> None:
        if len(run.polls) == 1:
            raise ConnectionError("the database is away")

    run.store.before_step = fail
    assert run.times() == ["10:00:17", "10:01:00", "10:02:00"]
    assert [type(poll.error) for poll in run.polls] == [type(None), ConnectionError, type(None)]
    assert [beat.at for beat in run.store.beats] == [run.polls[2].at]


def test_stop_during_a_poll_finishes_the_transaction_in_hand() -> None:
    """SIGTERM between batches: what was claimed is settled, the rest is left to the next start."""
    clock, store = FakeClock(START), MemorySchedules()
    for _ in range(1200):
        store.add(parse(since=START, recurrence="1 min"), START)
    clock.set(START + MINUTE)
    loop = Loop(store, clock)
    store.before_step = lambda step: loop.stop() if step == "settle" else None
    loop.run()
    assert len(store.runs) == 500
    assert all(len(s.history) == (1 if s.next_occurrence and s.next_occurrence > clock.now() else 0)
               for s in store.schedules.values())  # fmt: skip


def test_the_heartbeat_names_the_next_poll() -> None:
    """Whoever asks for health can tell an overdue poll."""
    run = Run(polls=2, takes=3)
    run.times()
    (beat,) = run.store.beats
    assert (f"{beat.at:%H:%M:%S}", f"{beat.next_at:%H:%M:%S}", beat.seconds) == ("10:01:00", "10:02:00", 3)


def test_an_interval_of_nothing_is_refused() -> None:
    """Polls need a grid."""
    with pytest.raises(ValueError, match="longer than nothing"):
        Loop(MemorySchedules(), FakeClock(START), 0)


def test_a_year_of_polls_runs_in_seconds() -> None:
    """525,600 polls on the grid, every occurrence of four schedules fired on its own minute, none lost, none double."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    clock, store = FakeClock(start), MemorySchedules()
    rules = [
        parse(since=start, recurrence="45 min"),
        parse(since=start, recurrence="1 day", timezone="Asia/Jerusalem"),
        parse(since=start, rrule="FREQ=MONTHLY;BYDAY=2MO;BYHOUR=2;BYMINUTE=30", timezone="America/New_York"),
        parse(since=start, rrule="FREQ=HOURLY;INTERVAL=5;BYDAY=MO,TU,WE,TH,FR", timezone="Europe/Berlin"),
    ]
    keys = [store.add(rule, start, overlap="parallel").key for rule in rules]
    end = start + timedelta(days=365)
    polls = 0

    def on_poll(poll: Poll) -> None:
        nonlocal polls
        polls += 1
        if clock.now() >= end:
            loop.stop()

    began = time.process_time()
    loop = Loop(store, clock, on_poll=on_poll, longest_wait=60.0)
    loop.run()
    assert time.process_time() - began < 120
    assert polls == 365 * 1440 + 1
    for key, rule in zip(keys, rules, strict=True):
        assert fired(store, key) == rule.between(start + timedelta(seconds=1), end)


def test_a_poll_keeps_no_more_than_one_batch_of_what_it_settled() -> None:
    """After an outage of a big manager: memory is for the transaction in hand, not for all that was due."""
    store, clock = MemorySchedules(), FakeClock(START)
    for _ in range(1_200):
        store.add(parse(since=START - timedelta(hours=1), recurrence="1 min"), START - timedelta(minutes=1))
    alive: list[int] = []
    loop = Loop(
        store,
        clock,
        on_settled=lambda _: alive.append(sum(isinstance(item, Settled) for item in gc.get_objects())),
    )
    assert loop.poll_once().decided == 1_200
    assert len(alive) == 3
    assert max(alive) <= 500
