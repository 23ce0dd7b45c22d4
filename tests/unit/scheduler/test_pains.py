"""The field's worst pains with schedulers, each answered by a test of its name (the numbers are the survey's)."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from scheduler.loop import Loop, Poll
from scheduler.poll import poll
from scheduler.recurrence import parse
from scheduler.recurrence.calendars import parse_calendar
from scheduler.simulate import SimulatedSchedule, simulate
from scheduler.testing import FakeClock, MemorySchedules, fired
from scheduler.verdict import Outcome

START = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


class Crash(BaseException):
    """The process dies."""


def end_all(store: MemorySchedules, now: datetime, status: str = "terminated") -> None:
    for run in store.runs:
        if run.ended_at is None:
            store.end_run(run.execution_id, status, now)


def play(store: MemorySchedules, start: datetime, end: datetime, *, step: timedelta = MINUTE) -> None:
    """Poll on the grid from `start` to `end`; every run ends at once."""
    now = start
    while now <= end:
        poll(store, now)
        end_all(store, now)
        now += step


@pytest.mark.parametrize("name", ["Europe/Berlin", "America/New_York", "Asia/Jerusalem", "Australia/Lord_Howe"])
def test_pain_1_dst_never_doubles_or_skips_a_run(name: str) -> None:
    """A daily job at 02:30 and at 01:30 runs once on each local day of a year, also where the clocks change."""
    zone = ZoneInfo(name)
    for hour in (1, 2):
        since = datetime(2026, 1, 1, hour, 30, tzinfo=zone)
        store = MemorySchedules()
        key = store.add(parse(since=since, recurrence="1 day", timezone=name), START - 100 * DAY).key
        play(store, since.astimezone(UTC).replace(minute=0), since.astimezone(UTC) + 365 * DAY, step=30 * MINUTE)
        days = [moment.astimezone(zone).date() for moment in fired(store, key)]
        assert len(days) == len(set(days)) == 366
        assert {(b - a).days for a, b in pairwise(days)} == {1}


def test_pain_2_one_schedule_that_raises_does_not_stop_its_neighbours() -> None:
    """A broken rule ends in its own error while 999 neighbours fire on time."""
    store = MemorySchedules()
    rule = parse(since=START, recurrence="1 min")
    keys = [store.add(rule, START).key for _ in range(1000)]
    store.schedules[keys[500]].rule = {"v": 1, "tz": "UTC", "rule": {}, "p": [{"parts": {"freq": 99}}]}
    settled = poll(store, START + MINUTE)
    outcomes = [s.outcome for s in settled]
    assert (outcomes.count("fired"), outcomes.count("error")) == (999, 1)
    assert store.schedules[keys[500]].history[0].outcome is Outcome.ERROR
    assert all(s.verdict.next_occurrence is None or s.verdict.next_occurrence > START + MINUTE for s in settled)


def test_pain_3_a_time_written_with_a_zone_means_that_local_minute() -> None:
    """`until` given in local time stops at that local minute, and what is read back is what was written."""
    rule = parse(
        since="2026-07-01T09:00+03:00", until="2026-12-01T09:00+02:00", recurrence="1 day", timezone="Asia/Jerusalem"
    )
    assert rule.timezone == "Asia/Jerusalem"
    assert rule.last is not None
    assert f"{rule.last.astimezone(ZoneInfo('Asia/Jerusalem')):%Y-%m-%d %H:%M}" == "2026-12-01 09:00"
    assert {m.astimezone(ZoneInfo("Asia/Jerusalem")).hour for m in rule.between(START, START + 300 * DAY)} == {9}


@pytest.mark.parametrize("step", ["claim", "settle", "commit", "committed"])
def test_pain_4_a_kill_at_any_step_loses_no_slot(step: str) -> None:
    """Whatever the moment of the crash around a slot, after the restart the slot has exactly one fate."""
    store = MemorySchedules()
    key = store.add(parse(since=START, recurrence="1 hour"), START).key
    now = START + timedelta(hours=1)

    def crash(at: str) -> None:
        if at == step:
            raise Crash

    store.before_step = crash
    with pytest.raises(Crash):
        poll(store, now)
    store.before_step = lambda at: None
    poll(store, now + 20 * SECOND)
    assert [record.occurrence for record in store.schedules[key].history] == [now]
    assert [run.scheduled_for for run in store.runs] == [now]


def test_pain_5_thirty_days_of_downtime_are_over_in_a_moment() -> None:
    """A minutely schedule goes on at once; the missed ones are one record."""
    store = MemorySchedules()
    key = store.add(parse(since=START, recurrence="1 min"), START).key
    now = START + 30 * DAY
    began = time.process_time()
    poll(store, now)
    assert time.process_time() - began < 2
    missed, run = store.schedules[key].history
    assert (missed.missed_count, run.outcome, run.occurrence) == (30 * 1440 - 1, "fired", now)


def test_pain_6_catch_up_never_starts_more_than_one_run() -> None:
    """After any outage each schedule starts at most its latest occurrence."""
    for outage in (MINUTE, 10 * MINUTE, DAY, 300 * DAY):
        store = MemorySchedules()
        keys = [store.add(parse(since=START, recurrence="1 min"), START, slip=10**6).key for _ in range(20)]
        poll(store, START + outage)
        poll(store, START + outage + SECOND)
        assert [len(fired(store, key)) for key in keys] == [1] * 20


def test_pain_7_pause_and_resume_replay_nothing_and_lose_no_future_slot() -> None:
    """Disabled and enabled at every offset around a slot."""
    slot = START + timedelta(hours=1)
    for off in range(-150, 151, 30):
        for pause in (0, 20, 90, 4000):
            store = MemorySchedules()
            key = store.add(parse(since=START, recurrence="1 hour"), START, slip=600).key
            disabled_at, enabled_at = slot + off * SECOND, slot + (off + pause) * SECOND
            now = slot - 3 * MINUTE
            while now < START + timedelta(hours=4):
                if disabled_at - MINUTE < now <= disabled_at:
                    store.edit(key, disabled_at, enabled=False)
                if enabled_at - MINUTE < now <= enabled_at:
                    store.edit(key, enabled_at, enabled=True)
                poll(store, now)
                end_all(store, now)
                now += MINUTE
            done = fired(store, key)
            future = [START + timedelta(hours=n) for n in (2, 3) if START + timedelta(hours=n) > enabled_at]
            assert done[-len(future) :] == future, f"off={off} pause={pause}"
            assert not [m for m in done if disabled_at + MINUTE < m <= enabled_at], f"off={off} pause={pause}"


def test_pain_8_three_schedulers_never_fire_a_slot_twice() -> None:
    """One polls in the middle of another's transaction, at every step."""
    store = MemorySchedules()
    keys = [store.add(parse(since=START, recurrence="1 min"), START, overlap="parallel").key for _ in range(5)]
    depth = 0

    def intrude(step: str) -> None:
        nonlocal depth
        if depth < 2:
            depth += 1
            poll(store, now)
            depth -= 1

    store.before_step = intrude
    for minute in range(1, 30):
        now = START + minute * MINUTE
        poll(store, now)
    for key in keys:
        assert fired(store, key) == [START + n * MINUTE for n in range(1, 30)]
    assert len(store.runs) == 29 * 5


def test_pain_9_a_loop_that_stands_still_stops_beating() -> None:
    """The heartbeat names when the next poll is due; a frozen poll neither moves it nor wakes the watchdog."""
    clock, store = FakeClock(START), MemorySchedules()
    wakes: list[float] = []
    loop = Loop(store, clock, on_wake=lambda: wakes.append(clock.monotonic()))
    loop.poll_once()
    (beat,) = store.beats
    assert beat.next_at == START + MINUTE

    def hang(step: str) -> None:
        wakes_before = len(wakes)
        clock.advance(3600)
        assert len(wakes) == wakes_before
        raise Crash

    store.before_step = hang
    with pytest.raises(Crash):
        loop.poll_once()
    assert store.beats == [beat]
    assert clock.now() > beat.next_at + MINUTE, "whoever looks at the beat sees that the poll is overdue"


@pytest.mark.parametrize("status", ["pending", "queued", "started", "cancelling", "terminated", "failed", "cancelled"])
def test_pain_10_no_last_run_can_freeze_a_schedule(status: str) -> None:
    """Deleted or ended in whatever state, the run stops mattering; while it is open each slot still has a fate."""
    store = MemorySchedules()
    key = store.add(parse(since=START, recurrence="1 min"), START).key
    poll(store, START + MINUTE)
    run = store.runs[0]
    run.status = status
    if status in ("terminated", "failed", "cancelled"):
        store.end_run(run.execution_id, status, START + MINUTE)
    poll(store, START + 2 * MINUTE)
    store.delete_run(run.execution_id)
    end_all(store, START + 2 * MINUTE)
    poll(store, START + 3 * MINUTE)
    history = store.schedules[key].history
    assert len(history) == 3
    assert history[2].outcome is Outcome.FIRED


def test_pain_11_clock_jumps_refire_nothing_and_are_bounded() -> None:
    """An hour back, an hour forward, and to the year 2200: no slot twice, no flood, no memory."""
    clock, store = FakeClock(START), MemorySchedules()
    key = store.add(parse(since=START, recurrence="1 min"), START, overlap="parallel").key
    jumps = {5: -3600.0, 80: 3600.0, 90: -90.0, 95: 175 * 365 * 86400.0}
    polls = 0

    def on_poll(done: Poll) -> None:
        nonlocal polls
        polls += 1
        assert done.decided <= 1
        if polls in jumps:
            clock.set(clock.now() + timedelta(seconds=jumps[polls]))
        if polls == 100:
            loop.stop()

    loop = Loop(store, clock, on_poll=on_poll)
    loop.run()
    occurrences = fired(store, key)
    assert len(occurrences) == len(set(occurrences))
    assert occurrences == sorted(occurrences)
    assert occurrences[-1].year > 2190


def test_pain_12_slow_firing_does_not_drift() -> None:
    """Polls of up to 50 seconds for a week: every minute fires, on the grid."""
    clock, store = FakeClock(START), MemorySchedules()
    key = store.add(parse(since=START, recurrence="1 min"), START, overlap="parallel").key
    polls = 0

    def slow(step: str) -> None:
        if step == "settle":
            clock.advance(17 * polls % 50)

    def on_poll(done: Poll) -> None:
        nonlocal polls
        polls += 1
        if clock.now() >= START + 7 * DAY:
            loop.stop()

    store.before_step = slow
    loop = Loop(store, clock, on_poll=on_poll, longest_wait=60)
    loop.run()
    assert fired(store, key)[: 7 * 1440 - 1] == [START + n * MINUTE for n in range(1, 7 * 1440)]


def test_pain_13_the_age_of_a_rule_costs_nothing() -> None:
    """The next slot of a rule from 1970 takes what it takes for one of today."""
    for fields in (
        {"recurrence": "1 min"},
        {"rrule": "FREQ=MINUTELY;INTERVAL=7;BYHOUR=9,10;BYDAY=MO,TU"},
        {"rrule": "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1"},
        {"recurrence": "2 weeks", "weekdays": ["MO", "FR"], "timezone": "Europe/Rome"},
    ):
        rule = parse(since="1970-01-05T08:00", **fields)  # type: ignore[arg-type]
        rule.after(START)
        began = time.process_time()
        for n in range(200):
            assert rule.after(START + n * DAY) is not None
        assert (time.process_time() - began) / 200 < 0.005


def test_pain_14_ten_thousand_schedules_at_the_full_hour_fire_in_one_poll() -> None:
    """In batches, none left for the next minute."""
    store = MemorySchedules()
    rule = parse(since=START, recurrence="1 hour").dump()
    for _ in range(10_000):
        store.add(rule, START, next_occurrence=START + timedelta(hours=1))
    settled = poll(store, START + timedelta(hours=1))
    assert len(settled) == len(store.runs) == 10_000


def test_pain_15_the_preview_is_what_fires() -> None:
    """`next`, the simulation and a month of real polls agree, exclusions included."""
    holidays = parse_calendar(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:t\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART;VALUE=DATE:20260310\r\n"
        "DTEND;VALUE=DATE:20260313\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    rule = parse(
        since=START, rrule="FREQ=HOURLY;INTERVAL=5;BYDAY=MO,TU,TH", timezone="America/New_York", exclude=[holidays]
    )
    store = MemorySchedules()
    key = store.add(rule, START).key
    play(store, START, START + 30 * DAY, step=10 * MINUTE)
    preview = [moment for moment in rule.next(START, 1000) if moment <= START + 30 * DAY]
    planned = simulate(
        [SimulatedSchedule("s", "d", "w", rule.dump(), rule.after(START))], START, START + 30 * DAY, interval=600
    )
    assert preview
    assert fired(store, key) == preview == [firing.occurrence for firing in planned.firings]


def test_pain_19_no_edit_fires_anything_by_itself() -> None:
    """At any instant, any edit: the next occurrence is after it, and the poll right after finds nothing due."""
    rules = [
        parse(since=START - 5 * DAY, recurrence="1 min"),
        parse(since=START - 5 * DAY, recurrence="1 day"),
        parse(since=START - 5 * DAY, rrule="FREQ=HOURLY;BYMINUTE=0,30"),
    ]
    for second in range(0, 7200, 97):
        store = MemorySchedules()
        key = store.add(rules[0], START, slip=10**6).key
        now = START + second * SECOND
        for change in ({"rule": rules[second % 3]}, {"slip": 5}, {"enabled": False}, {"enabled": True}):
            store.edit(key, now, **change)  # type: ignore[arg-type]
            assert poll(store, now) == []
        assert store.runs == []
        assert store.schedules[key].history == []


def test_pain_20_holidays_are_no_slots_and_maintenance_is_on_record() -> None:
    """An excluded occurrence does not exist; a suppressed one has its row."""
    holiday = parse_calendar(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:t\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART:20260302T110000Z\r\n"
        "DTEND:20260302T120000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    store = MemorySchedules()
    key = store.add(parse(since=START, recurrence="10 min", exclude=[holiday]), START).key
    play(store, START, START + timedelta(minutes=130))
    store.start_maintenance(START + timedelta(minutes=131))
    play(store, START + timedelta(minutes=132), START + timedelta(minutes=165))
    store.end_maintenance(START + timedelta(minutes=166))
    play(store, START + timedelta(minutes=167), START + timedelta(minutes=185))
    minutes = [int((moment - START) / MINUTE) for moment in fired(store, key)]
    assert minutes == [10, 20, 30, 40, 50, 120, 130, 170, 180]
    (row,) = [r for r in store.schedules[key].history if r.outcome is Outcome.SKIPPED_MAINTENANCE]
    assert row.missed_count == 3
