"""Every outcome of scheduling.md §5 as a value: a schedule, its previous run, the windows and now give a verdict."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scheduler.recurrence import parse
from scheduler.verdict import (
    Disable,
    DueSchedule,
    Fault,
    Fire,
    Outcome,
    PreviousRun,
    Skip,
    Verdict,
    Window,
    judge,
)

START = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
OPEN = PreviousRun("e1", "started", ended=False)
FAILED = PreviousRun("e1", "failed", ended=True, failed=True)


def due(first: datetime = START, recurrence: str = "1 min", **fields: Any) -> DueSchedule:
    rule = fields.pop("rule", None) or parse(since=START, recurrence=recurrence)
    return DueSchedule(1, "s", "d", rule.dump(), first, **fields)


def decided(schedule: DueSchedule, now: datetime, **fields: Any) -> Verdict:
    verdict = judge(schedule, now, **fields)
    assert verdict.next_occurrence is None or verdict.next_occurrence > now
    return verdict


def test_on_time_it_fires() -> None:
    """And the next occurrence is the first after now."""
    verdict = decided(due(), START + SECOND)
    assert verdict.decision == Fire(START, False, "on time")
    assert verdict.missed == ()
    assert verdict.next_occurrence == START + MINUTE


@pytest.mark.parametrize(("slip", "late", "fires"), [(0, 60, True), (0, 61, False), (5, 360, True), (5, 361, False)])
def test_lateness_is_slip_plus_one_interval(slip: int, late: int, fires: bool) -> None:
    """Sixty seconds of grace with the default interval."""
    verdict = decided(due(recurrence="1 day", slip=slip), START + SECOND * late)
    assert isinstance(verdict.decision, Fire) is fires
    if not fires:
        assert isinstance(verdict.decision, Skip)
        assert verdict.decision.outcome is Outcome.MISSED
        assert f"{late} s late; allowed are {slip} min of slip and 60 s of grace" == verdict.decision.reason


def test_the_grace_is_the_interval_of_this_scheduler() -> None:
    """A scheduler that polls every ten minutes gives ten minutes."""
    assert isinstance(decided(due(recurrence="1 day"), START + 9 * MINUTE, interval=600).decision, Fire)


def test_missed_occurrences_collapse_and_the_latest_is_judged() -> None:
    """After a 10-minute outage a minutely schedule fires its most recent occurrence; nine are one entry."""
    verdict = decided(due(slip=5), START + 9 * MINUTE + SECOND)
    assert verdict.decision == Fire(START + 9 * MINUTE, False, "on time")
    (entry,) = verdict.missed
    assert (entry.count, entry.since, entry.occurrence) == (9, START, START + 8 * MINUTE)
    assert entry.outcome is Outcome.MISSED
    rows = verdict.records(execution_id="e9")
    assert [(r.outcome, r.missed_count, r.execution_id) for r in rows] == [("missed", 9, None), ("fired", None, "e9")]


def test_when_even_the_latest_is_too_late_there_is_one_record() -> None:
    """It carries the number and the span of all."""
    verdict = decided(due(recurrence="1 hour"), START + timedelta(hours=5, minutes=30))
    assert isinstance(verdict.decision, Skip)
    assert (verdict.decision.count, verdict.decision.since) == (6, START)
    assert verdict.missed == ()
    (row,) = verdict.records()
    assert (row.outcome, row.missed_count, row.missed_since) == ("missed", 6, START)


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [("skip", Skip), ("queue", Fire), ("parallel", Fire)],
)
def test_a_run_that_has_not_ended(overlap: str, expected: type) -> None:
    """Skipped, queued, or started with force."""
    decision = decided(due(overlap=overlap, previous=OPEN), START + SECOND).decision
    assert isinstance(decision, expected)
    if isinstance(decision, Skip):
        assert decision.outcome is Outcome.SKIPPED_OVERLAP
        assert decision.execution_id == "e1"
        assert "e1 has not ended (started)" in decision.reason
    if isinstance(decision, Fire):
        assert decision.force is (overlap == "parallel")


def test_a_parallel_schedule_without_an_open_run_needs_no_force() -> None:
    """Force is only for passing its own previous run."""
    done = PreviousRun("e1", "terminated", ended=True)
    assert decided(due(overlap="parallel", previous=done), START).decision == Fire(START, False, "on time")


def test_stop_on_fail_disables() -> None:
    """With the failed run in the record; a failure that was forgotten, or a cancelled run, stops nothing."""
    decision = decided(due(stop_on_fail=True, previous=FAILED), START).decision
    assert isinstance(decision, Disable)
    assert decision.execution_id == "e1"
    for previous in (PreviousRun("e1", "failed", True, False), PreviousRun("e1", "cancelled", True), None):
        assert isinstance(decided(due(stop_on_fail=True, previous=previous), START).decision, Fire)
    assert isinstance(decided(due(previous=FAILED), START).decision, Fire)


def test_a_rule_that_cannot_be_read_is_a_fault() -> None:
    """It gets a record and no next occurrence; nothing is raised."""
    verdict = judge(DueSchedule(1, "s", "d", {"v": 1, "tz": "Mars/Olympus", "rule": {}}, START), START)
    assert isinstance(verdict.decision, Fault)
    assert verdict.next_occurrence is None
    assert verdict.records()[0].outcome is Outcome.ERROR


def test_a_refused_run_is_an_error_record() -> None:
    """The port could not create the execution: the row says why."""
    (row,) = decided(due(), START).records(error="Workflow w does not exist")
    assert (row.outcome, row.reason, row.execution_id) == (Outcome.ERROR, "Workflow w does not exist", None)


def test_occurrences_inside_maintenance_never_fire() -> None:
    """One entry a window with number and span; what lies outside is judged as ever."""
    windows = [
        Window(START + 2 * MINUTE, START + 5 * MINUTE),
        Window(START + 7 * MINUTE, START + 8 * MINUTE + SECOND),
    ]
    verdict = decided(due(slip=600), START + 10 * MINUTE, windows=windows)
    assert verdict.decision == Fire(START + 10 * MINUTE, False, "on time")
    assert [(m.outcome, m.count, m.since - START, m.occurrence - START) for m in verdict.missed] == [
        ("skipped_maintenance", 3, 2 * MINUTE, 4 * MINUTE),
        ("skipped_maintenance", 2, 7 * MINUTE, 8 * MINUTE),
        ("missed", 5, 0 * MINUTE, 9 * MINUTE),
    ]
    all_inside = decided(
        due(slip=600), START + 4 * MINUTE, windows=[Window(START - MINUTE, START + 4 * MINUTE + SECOND)]
    )
    assert isinstance(all_inside.decision, Skip)
    assert (all_inside.decision.outcome, all_inside.decision.count) == (Outcome.SKIPPED_MAINTENANCE, 5)
    assert len(all_inside.records()) == 1


def test_an_occurrence_on_the_edge_of_a_window() -> None:
    """The start belongs to the window, the end does not."""
    window = [Window(START, START + MINUTE)]
    inside = decided(due(recurrence="1 day"), START + 2 * MINUTE, windows=window).decision
    assert isinstance(inside, Skip)
    assert inside.outcome is Outcome.SKIPPED_MAINTENANCE
    assert isinstance(decided(due(first=START + MINUTE), START + MINUTE + SECOND, windows=window).decision, Fire)
    fraction = [Window(START, START + MINUTE + SECOND * 0.76)]
    verdict = decided(due(), START + MINUTE + SECOND * 2, windows=fraction)
    assert isinstance(verdict.decision, Skip), "an occurrence in the window's last second is inside it, and only there"
    assert verdict.missed == ()


def test_judging_after_years_costs_what_it_costs_after_a_minute() -> None:
    """Counting and finding the latest do not walk through the outage."""
    busy = parse(
        since=START, rrule="FREQ=MINUTELY;INTERVAL=5;BYHOUR=8,9,10,11;BYDAY=MO,TU,WE,TH,FR", timezone="Asia/Tokyo"
    )
    for rule in (parse(since=START, recurrence="1 sec"), busy):
        began = time.process_time()
        verdict = judge(due(rule=rule, first=rule.after(START)), START + timedelta(days=2000))
        assert time.process_time() - began < 2
        (row, *_) = verdict.records()
        assert row.missed_count is not None
        assert row.missed_count >= 10_000


def test_a_stored_instant_that_is_no_occurrence_only_moves_on() -> None:
    """A rule whose end came before what is stored: nothing runs twice, nothing is stuck."""
    rule = parse(since=START, recurrence="1 day", count=1)
    verdict = judge(due(rule=rule, first=START), START)
    assert isinstance(verdict.decision, Fire)
    assert verdict.next_occurrence is None


def test_records_are_ordered_by_occurrence_and_each_has_its_own() -> None:
    """(schedule, occurrence) is unique, also within one verdict."""
    windows = [Window(START + 2 * MINUTE, START + 4 * MINUTE)]
    rows = decided(due(), START + 9 * MINUTE, windows=windows).records()
    occurrences = [row.occurrence for row in rows]
    assert occurrences == sorted(set(occurrences))
