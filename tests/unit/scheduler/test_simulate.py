"""The look ahead: the real poll on a virtual clock, modelled run times, the queue's rules (scheduling.md §6)."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scheduler.recurrence import parse
from scheduler.simulate import SimulatedSchedule, simulate
from scheduler.verdict import Window

START = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def a_schedule(name: str, recurrence: str, deployment: str = "d", **fields: Any) -> SimulatedSchedule:
    rule = parse(since=START + MINUTE, recurrence=recurrence)
    return SimulatedSchedule(name, deployment, fields.pop("workflow", "w"), rule.dump(), None, **fields)


def test_every_occurrence_has_its_fate_and_its_times() -> None:
    """A run begins with its poll and ends after its modelled time."""
    result = simulate([a_schedule("s", "10 min")], START, START + HOUR, run_seconds={"default": 90})
    assert [f.occurrence for f in result.firings] == [START + MINUTE * (1 + 10 * n) for n in range(6)]
    first = result.firings[0]
    assert (first.outcome, first.start, first.end) == (
        "fired", START + MINUTE, START + MINUTE + timedelta(seconds=90)
    )  # fmt: skip
    assert (result.peak_running, result.longest_wait) == (1, 0.0)


def test_a_run_longer_than_its_interval_is_skipped_over() -> None:
    """`skip` is decided by the run that has not ended, as in the real poll."""
    result = simulate([a_schedule("s", "1 min")], START, START + timedelta(minutes=6), run_seconds={"w": 150})
    assert [f.outcome for f in result.firings] == [
        "fired", "skipped_overlap", "skipped_overlap", "fired", "skipped_overlap", "skipped_overlap"
    ]  # fmt: skip


def test_one_deployment_runs_one_thing_at_a_time() -> None:
    """The second schedule of a deployment waits in the queue; a forced one does not."""
    pair = [a_schedule("a", "1 hour"), a_schedule("b", "1 hour")]
    result = simulate(pair, START, START + timedelta(minutes=30), run_seconds={"default": 300})
    one, two = result.firings
    assert two.start == one.end
    assert result.longest_wait == 300
    assert "waited 300 s" in two.reason
    apart = [a_schedule("a", "1 hour", "d1"), a_schedule("b", "1 hour", "d2")]
    assert simulate(apart, START, START + HOUR / 2, run_seconds={"default": 300}).peak_running == 2
    forced = simulate([a_schedule("a", "1 min", overlap="parallel")], START, START + 4 * MINUTE, run_seconds={"w": 600})
    assert forced.peak_running == 4


def test_the_system_has_room_for_so_many_runs() -> None:
    """The rest wait, oldest first."""
    many = [a_schedule(f"s{n}", "1 day", f"d{n}") for n in range(50)]
    result = simulate(many, START, START + HOUR, run_seconds={"default": 60}, max_running=20)
    assert result.peak_running == 20
    assert result.longest_wait == 120


def test_maintenance_is_played_too() -> None:
    """Nothing fires inside a planned window, and it is said once how many did not."""
    window = Window(START + timedelta(minutes=5, seconds=30), START + timedelta(minutes=10, seconds=30))
    result = simulate([a_schedule("s", "1 min")], START, START + timedelta(minutes=12), maintenance=[window],
                      run_seconds={"w": 1})  # fmt: skip
    outcomes = [f.outcome for f in result.firings]
    assert outcomes.count("skipped_maintenance") == 1
    assert outcomes.count("fired") == 7
    assert not [f for f in result.firings if f.outcome == "fired" and window.start <= f.occurrence < window.end]


def test_a_broken_rule_is_an_error_in_the_result() -> None:
    """As in the real poll, beside the others."""
    broken = SimulatedSchedule("bad", "d", "w", {"v": 9}, None)
    result = simulate([broken, a_schedule("s", "1 day")], START, START + HOUR)
    assert sorted(f.outcome for f in result.firings) == ["error", "fired"]


def test_a_year_of_daily_schedules_takes_seconds() -> None:
    """Only instants at which something happens are visited."""
    schedules = [a_schedule(f"s{n}", "1 day", f"d{n}") for n in range(20)]
    began = time.process_time()
    result = simulate(schedules, START, START + timedelta(days=366))
    assert len(result.firings) == 20 * 366
    assert time.process_time() - began < 30


def test_the_span_is_bounded() -> None:
    """At most 366 days, never negative."""
    for span in (timedelta(days=367), -HOUR):
        with pytest.raises(ValueError, match="at most 366 days"):
            simulate([], START, START + span)


def test_the_json_has_the_contract_names() -> None:
    """`POST execution-schedules/simulate` answers this."""
    answer = simulate([a_schedule("s", "1 day")], START, START + HOUR).as_json()
    assert set(answer) == {"firings", "peak_running", "longest_wait"}
    (row,) = answer["firings"]
    assert row == {
        "schedule": "s",
        "deployment_id": "d",
        "occurrence": "2026-03-02T10:01:00.000Z",
        "start": "2026-03-02T10:01:00.000Z",
        "end": "2026-03-02T10:02:00.000Z",
        "outcome": "fired",
        "reason": "on time",
    }
