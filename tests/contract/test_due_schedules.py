"""The contract of `scheduler.ports.SchedulesPort`, over every implementation in `HARNESSES`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scheduler.poll import poll
from scheduler.ports import Heartbeat
from scheduler.recurrence import parse
from scheduler.verdict import Outcome
from tests.conftest import core_on
from tests.contract.database_harness import DatabaseHarness
from tests.contract.due_harness import HARNESSES, DueHarness
from tests.support.clock import FakeClock

START = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def minutely(minutes: int = 1, **fields: object):  # type: ignore[no-untyped-def]
    return parse(since=START, recurrence=f"{minutes} min", **fields)  # type: ignore[arg-type]


@pytest.fixture(params=[*sorted(HARNESSES), "sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def harness(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[DueHarness]:
    if request.param in HARNESSES:
        made = HARNESSES[request.param]()
        yield made
        made.close()
        return
    for core in core_on(request.param, request, tmp_path / "data", clock):
        yield DatabaseHarness(core)


def outcomes(harness: DueHarness, key: int) -> list[str]:
    return [str(record.outcome) for record in harness.history(key)]


def test_a_due_schedule_fires_once_and_moves_on(harness: DueHarness) -> None:
    """The execution, the record and the moved next occurrence are there after one poll."""
    key = harness.add(minutely(), START)
    assert harness.schedule(key).next_occurrence == START + MINUTE
    assert poll(harness.port, START + timedelta(seconds=59)) == []
    settled = poll(harness.port, START + MINUTE)
    assert [s.outcome for s in settled] == ["fired"]
    (run,) = harness.runs(key)
    assert run.scheduled_for == START + MINUTE
    assert not run.force
    (record,) = harness.history(key)
    assert (record.occurrence, record.outcome, record.execution_id) == (START + MINUTE, "fired", run.execution_id)
    assert record.decided_at == START + MINUTE
    assert settled[0].execution_id == run.execution_id
    assert harness.schedule(key).next_occurrence == START + 2 * MINUTE
    assert poll(harness.port, START + MINUTE) == []


def test_only_enabled_schedules_with_an_occurrence_left_are_due(harness: DueHarness) -> None:
    """A disabled one never fires and keeps its rule; a finished one has no next occurrence."""
    off = harness.add(minutely(), START, enabled=False)
    done = harness.add(parse(since="2020-01-01", recurrence="1 day", count=2), START)
    assert poll(harness.port, START + timedelta(days=1)) == []
    assert harness.schedule(done).next_occurrence is None
    harness.edit(off, START + timedelta(days=1), enabled=True)
    assert harness.history(off) == []
    assert harness.schedule(off).next_occurrence == START + timedelta(days=1, minutes=1)


def test_the_last_occurrence_leaves_no_next_one(harness: DueHarness) -> None:
    """After it the schedule rests."""
    key = harness.add(parse(since=START + MINUTE, count=1), START)
    poll(harness.port, START + MINUTE)
    assert harness.schedule(key).next_occurrence is None
    assert outcomes(harness, key) == ["fired"]
    assert poll(harness.port, START + 5 * MINUTE) == []


def test_claims_come_oldest_first_in_batches(harness: DueHarness) -> None:
    """A poll takes everything that is due, whatever the size of its transactions."""
    keys = [harness.add(minutely(5 - n % 5), START, slip=10) for n in range(23)]
    now = START + 5 * MINUTE
    with harness.port.claim(now, 10) as claim:
        found = [(s.next_occurrence, s.key) for s in claim.schedules]
        assert len(found) == 10
        assert found == sorted(found)
    settled = poll(harness.port, now, batch=4)
    assert sorted(s.verdict.schedule.key for s in settled) == sorted(keys)
    assert all(len(harness.runs(key)) == 1 for key in keys)


def test_only_and_skip_narrow_a_claim(harness: DueHarness) -> None:
    """`only` chooses among keys, `skip` leaves some out."""
    keys = [harness.add(minutely(), START) for _ in range(4)]
    with harness.port.claim(START + MINUTE, 10, only=keys[:2]) as claim:
        assert {s.key for s in claim.schedules} == set(keys[:2])
    with harness.port.claim(START + MINUTE, 10, skip=keys[:3]) as claim:
        assert [s.key for s in claim.schedules] == keys[3:]
    with harness.port.claim(START + MINUTE, 10, only=[]) as claim:
        assert list(claim.schedules) == []


def test_an_exception_in_the_block_undoes_everything(harness: DueHarness) -> None:
    """A crash before the commit leaves neither execution nor record, and the schedule due."""
    key = harness.add(minutely(), START)
    from scheduler.verdict import judge

    with pytest.raises(ZeroDivisionError), harness.port.claim(START + MINUTE, 10) as claim:
        claim.settle([judge(s, START + MINUTE) for s in claim.schedules])
        raise ZeroDivisionError
    assert harness.runs(key) == []
    assert harness.history(key) == []
    assert harness.schedule(key).next_occurrence == START + MINUTE
    assert [s.outcome for s in poll(harness.port, START + MINUTE)] == ["fired"]


def test_leaving_the_block_without_settling_changes_nothing(harness: DueHarness) -> None:
    """A claim alone is no verdict."""
    key = harness.add(minutely(), START)
    with harness.port.claim(START + MINUTE, 10) as claim:
        assert len(claim.schedules) == 1
    assert harness.schedule(key).next_occurrence == START + MINUTE


def test_an_occurrence_on_record_is_not_fired_again(harness: DueHarness) -> None:
    """After the clock jumped back and an edit recomputed the next occurrence, the record of firings still knows."""
    key = harness.add(minutely(), START)
    poll(harness.port, START + 3 * MINUTE)
    runs = harness.runs(key)
    harness.end_run(runs[0].execution_id, "terminated", START + 3 * MINUTE)
    harness.edit(key, START, slip=30)
    assert harness.schedule(key).next_occurrence == START + MINUTE
    settled = poll(harness.port, START + 3 * MINUTE)
    assert [s.outcome for s in settled] == ["duplicate"]
    assert settled[0].execution_id is None
    assert harness.runs(key) == [runs[0]] or len(harness.runs(key)) == 1
    assert harness.schedule(key).next_occurrence == START + 4 * MINUTE


def test_an_occurrence_on_record_does_not_hide_older_ones_that_are_new(harness: DueHarness) -> None:
    """A clock that jumped back over an edit to a finer rule: what the coarse rule never had is still recorded."""
    key = harness.add(minutely(5), START)
    poll(harness.port, START + 5 * MINUTE)
    harness.edit(key, START, rule=minutely())
    settled = poll(harness.port, START + 5 * MINUTE)
    assert [s.outcome for s in settled] == ["duplicate"]
    assert len(harness.runs(key)) == 1
    records = {record.occurrence: record for record in harness.history(key)}
    assert records.keys() == {START + 4 * MINUTE, START + 5 * MINUTE}
    assert records[START + 4 * MINUTE].outcome is Outcome.MISSED
    assert (records[START + 4 * MINUTE].missed_count, records[START + 4 * MINUTE].missed_since) == (4, START + MINUTE)


def test_overlap_skips_queues_or_forces(harness: DueHarness) -> None:
    """The previous run is looked up, and what an open one means is the schedule's choice."""
    skip = harness.add(minutely(), START)
    queue = harness.add(minutely(), START, overlap="queue")
    parallel = harness.add(minutely(), START, overlap="parallel")
    poll(harness.port, START + MINUTE)
    (first,) = harness.runs(skip)
    poll(harness.port, START + 2 * MINUTE)
    assert outcomes(harness, skip) == ["fired", "skipped_overlap"]
    assert harness.history(skip)[1].execution_id == first.execution_id
    assert [run.force for run in harness.runs(queue)] == [False, False]
    assert [run.force for run in harness.runs(parallel)] == [False, True]
    harness.end_run(first.execution_id, "cancelled", START + 2 * MINUTE)
    poll(harness.port, START + 3 * MINUTE)
    assert outcomes(harness, skip)[-1] == "fired"


def test_a_deleted_run_blocks_nothing(harness: DueHarness) -> None:
    """The previous run is no flag on the schedule."""
    key = harness.add(minutely(), START)
    poll(harness.port, START + MINUTE)
    harness.delete_run(harness.runs(key)[0].execution_id)
    poll(harness.port, START + 2 * MINUTE)
    assert outcomes(harness, key) == ["fired", "fired"]


def test_stop_on_fail_disables_and_enabling_forgets(harness: DueHarness) -> None:
    """A failed previous run switches the schedule off; re-enabled, the old failure does not stop it again."""
    key = harness.add(minutely(), START, stop_on_fail=True)
    poll(harness.port, START + MINUTE)
    harness.end_run(harness.runs(key)[0].execution_id, "failed", START + MINUTE)
    settled = poll(harness.port, START + 2 * MINUTE)
    assert [s.outcome for s in settled] == [Outcome.DISABLED_ON_FAIL]
    assert not harness.schedule(key).enabled
    assert harness.history(key)[-1].execution_id == harness.runs(key)[0].execution_id
    assert poll(harness.port, START + 9 * MINUTE) == []
    harness.edit(key, START + 9 * MINUTE, enabled=True)
    poll(harness.port, START + 10 * MINUTE)
    assert outcomes(harness, key) == ["fired", "disabled_on_fail", "fired"]
    harness.end_run(harness.runs(key)[-1].execution_id, "failed", START + 10 * MINUTE)
    poll(harness.port, START + 11 * MINUTE)
    assert outcomes(harness, key)[-1] == "disabled_on_fail"


def test_without_stop_on_fail_a_failure_changes_nothing(harness: DueHarness) -> None:
    """A failed run is over."""
    key = harness.add(minutely(), START)
    poll(harness.port, START + MINUTE)
    harness.end_run(harness.runs(key)[0].execution_id, "failed", START + MINUTE)
    poll(harness.port, START + 2 * MINUTE)
    assert outcomes(harness, key) == ["fired", "fired"]


def test_missed_occurrences_become_one_record(harness: DueHarness) -> None:
    """After ten minutes the latest fires and nine are one row with number and span."""
    key = harness.add(minutely(), START)
    poll(harness.port, START + 10 * MINUTE)
    missed, fired = harness.history(key)
    assert (missed.outcome, missed.missed_count, missed.missed_since) == ("missed", 9, START + MINUTE)
    assert missed.occurrence == START + 9 * MINUTE
    assert (fired.outcome, fired.occurrence) == ("fired", START + 10 * MINUTE)


def test_a_refused_run_is_recorded_and_the_others_fire(harness: DueHarness) -> None:
    """No execution, one `error` row with the reason, the schedule goes on; neighbours do not notice."""
    keys = [harness.add(minutely(), START) for _ in range(3)]
    harness.refuse_runs_of(keys[1], "the workflow is gone")
    settled = poll(harness.port, START + MINUTE)
    assert sorted(s.outcome for s in settled) == ["error", "fired", "fired"]
    (record,) = harness.history(keys[1])
    assert record.outcome == "error"
    assert record.execution_id is None
    assert "gone" in record.reason or "exist" in record.reason
    assert harness.runs(keys[1]) == []
    assert harness.schedule(keys[1]).next_occurrence == START + 2 * MINUTE
    assert [len(harness.runs(key)) for key in keys] == [1, 0, 1]


def test_a_broken_rule_ends_in_its_own_error(harness: DueHarness) -> None:
    """A stored rule that cannot be read costs its schedule the next occurrence, and nobody else anything."""
    good = harness.add(minutely(), START)
    bad = harness.add({"v": 77}, START, next_occurrence=START + MINUTE)
    settled = poll(harness.port, START + MINUTE)
    assert sorted(s.outcome for s in settled) == ["error", "fired"]
    assert outcomes(harness, bad) == ["error"]
    assert harness.schedule(bad).next_occurrence is None
    assert len(harness.runs(good)) == 1


def test_maintenance_evaluates_nothing_and_is_recorded_once_afterwards(harness: DueHarness) -> None:
    """Occurrences inside the window never fire, whatever the slip; the first poll afterwards says how many."""
    key = harness.add(minutely(), START, slip=600)
    poll(harness.port, START + MINUTE)
    harness.end_run(harness.runs(key)[0].execution_id, "terminated", START + MINUTE)
    harness.start_maintenance(START + MINUTE + timedelta(seconds=30))
    assert harness.port.maintenance(START + 2 * MINUTE).active
    assert poll(harness.port, START + 5 * MINUTE) == []
    assert outcomes(harness, key) == ["fired"]
    harness.end_maintenance(START + 10 * MINUTE + timedelta(seconds=30))
    assert not harness.port.maintenance(START + 11 * MINUTE).active
    settled = poll(harness.port, START + 10 * MINUTE + timedelta(seconds=40))
    assert [s.outcome for s in settled] == ["skipped_maintenance"]
    record = harness.history(key)[-1]
    assert (record.missed_count, record.missed_since) == (9, START + 2 * MINUTE)
    assert record.occurrence == START + 10 * MINUTE
    poll(harness.port, START + 11 * MINUTE)
    assert outcomes(harness, key) == ["fired", "skipped_maintenance", "fired"]


def test_two_schedulers_share_the_due_without_overlap(harness: DueHarness) -> None:
    """What one holds or has settled the other does not fire."""
    keys = [harness.add(minutely(), START) for _ in range(6)]
    one, two = harness.port, harness.second_port()
    poll(one, START + MINUTE)
    assert poll(two, START + MINUTE) == []
    poll(two, START + 2 * MINUTE)
    assert all(len(harness.history(key)) == 2 for key in keys)


def test_the_heartbeat_is_accepted(harness: DueHarness) -> None:
    """Each beat replaces the last."""
    for minute in range(3):
        at = START + minute * MINUTE
        harness.port.heartbeat(Heartbeat(at, at + MINUTE, 0.01, 5))
