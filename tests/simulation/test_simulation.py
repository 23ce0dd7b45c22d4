"""Fifty thousand occurrences without a missing, double or unexplained one; and a checker that would say so."""

from __future__ import annotations

from typing import Any

import pytest

from scheduler.ports import Settled
from scheduler.testing import MemorySchedules
from scheduler.verdict import Verdict
from tests.contract.due_harness import MemoryHarness
from tests.simulation.checker import Checker, Finding
from tests.simulation.runs import play
from tests.simulation.world import World
from tests.support.databases import require_postgres


@pytest.mark.parametrize("block", range(5))
def test_fifty_thousand_occurrences_have_one_fate_each(block: int) -> None:
    """Stalls, nested polls, crashes at every commit point, clock jumps, outages, edits, maintenance lose nothing."""
    report = play(1000 + block * 100, 10_000)
    assert report.findings == [], report.line()
    assert report.crashes > 100
    assert report.fired > 1000


@pytest.mark.parametrize("port", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_the_database_ports_keep_the_same_promise(port: str) -> None:
    """Real transactions, a crash at every commit point; on PostgreSQL schedulers also poll inside each other's."""
    if port == "postgresql":
        require_postgres()
    report = play(7, 400 if port == "sqlite" else 150, port=port)
    assert report.findings == [], report.line()
    assert report.fired > 10


def test_a_seed_replays_exactly() -> None:
    """The same seed gives the same journal."""
    journals = []
    for _ in range(2):
        world = World(MemoryHarness(), 77)
        world.run(1500)
        journals.append([(event.kind, event.wall, event.key, event.text) for event in world.journal])
    assert journals[0] == journals[1]


class _Forgetful(MemorySchedules):
    """Forgets the record of firings and who holds what: schedulers fire twice."""

    def write(self, verdict: Verdict) -> Settled:
        self._settled.clear()
        return super().write(verdict)

    def due_keys(self, now: Any) -> Any:
        self._held.clear()
        return super().due_keys(now)


class _Lossy(MemorySchedules):
    """Commits the moved occurrence without the run, now and then."""

    def write(self, verdict: Verdict) -> Settled:
        settled = super().write(verdict)
        if settled.execution_id is not None and len(self.runs) % 50 == 0:
            self.delete_run(settled.execution_id)
        return settled

    def end_run(self, execution_id: str, status: str, now: Any) -> None:
        if execution_id in self._by_id:
            super().end_run(execution_id, status, now)

    def delete_run(self, execution_id: str) -> None:
        if execution_id in self._by_id:
            super().delete_run(execution_id)


class _Torn(MemorySchedules):
    """Does not undo what a crashed transaction wrote."""

    def write(self, verdict: Verdict) -> Settled:
        settled = super().write(verdict)
        self._undo.clear()
        return settled


class _Late(MemorySchedules):
    """Lets every schedule be as late as it likes."""

    def _due(self, schedule: Any) -> Any:
        from dataclasses import replace

        return replace(super()._due(schedule), slip=100_000)


def findings_with(store: MemorySchedules) -> list[Finding]:
    found: list[Finding] = []
    for seed in range(5):
        harness = MemoryHarness()
        harness.store = harness.port = type(store)()
        world = World(harness, seed)
        world.run(2000)
        found += Checker().check(world.journal, harness)
    return found


@pytest.mark.parametrize(
    ("store", "kind"),
    [(_Forgetful(), "double"), (_Lossy(), "missing"), (_Torn(), "unexplained"), (_Late(), "unexplained")],
    ids=["forgetful", "lossy", "torn", "late"],
)
def test_the_checker_sees_a_broken_store(store: MemorySchedules, kind: str) -> None:
    """A checker that finds nothing must be able to find something."""
    assert kind in {finding.kind for finding in findings_with(store)}
