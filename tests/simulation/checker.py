"""Compares what a world committed with what had to happen, in the manner of the Jepsen test of Chronos.

The journal is replayed in order against a naive model: every occurrence is expanded by the plainest means, each
committed verdict is worked out anew from the lists, and whatever differs is a finding. Afterwards the stored history
and executions must be exactly those of the journal. Findings are of three kinds:

- missing: an occurrence that had to run, or to be recorded, and was not;
- double: an occurrence that ran, or was recorded, twice;
- unexplained: a run or a record that nothing asked for.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from scheduler.ports import Settled
from tests.contract.due_harness import DueHarness
from tests.simulation.world import INTERVAL, Event, Spec


@dataclass(frozen=True)
class Finding:
    """One disagreement."""

    kind: str
    key: int
    occurrence: datetime | None
    text: str


@dataclass
class _Run:
    execution_id: str
    occurrence: datetime
    status: str = "pending"
    ended_at: datetime | None = None


@dataclass
class _Model:
    """What the checker believes about one schedule."""

    spec: Spec
    occurrences: list[datetime]
    evaluated: datetime
    slip: int = 0
    overlap: str = "skip"
    stop_on_fail: bool = False
    enabled: bool = True
    forgotten: datetime | None = None
    runs: list[_Run] = field(default_factory=list)
    every_run: set[str] = field(default_factory=set)
    records: dict[datetime, str] = field(default_factory=dict)

    def pending(self, now: datetime) -> list[datetime]:
        low, high = bisect_right(self.occurrences, self.evaluated), bisect_right(self.occurrences, now)
        return self.occurrences[low:high]

    def expected(self, now: datetime, windows: list[tuple[datetime, datetime]]) -> list[tuple[datetime, str, int]]:
        """Return (occurrence of the record, outcome, number) for all that is due at `now`."""
        due = self.pending(now)
        rows: list[tuple[datetime, str, int]] = []
        outside = list(due)
        for start, end in sorted(windows):
            inside = [moment for moment in outside if start <= moment < end]
            outside = [moment for moment in outside if not start <= moment < end]
            if inside:
                rows.append((inside[-1], "skipped_maintenance", len(inside)))
        if outside:
            outcome = self._outcome(outside[-1], now)
            if outcome == "missed":
                rows.append((outside[-1], "missed", len(outside)))
            else:
                rows.append((outside[-1], outcome, 1))
                if len(outside) > 1:
                    rows.append((outside[-2], "missed", len(outside) - 1))
        return sorted(rows)

    def _outcome(self, occurrence: datetime, now: datetime) -> str:
        still_open = [run for run in self.runs if run.ended_at is None]
        if still_open and self.overlap == "skip":
            return "skipped_overlap"
        if self.stop_on_fail and not still_open and self.runs:
            last = self.runs[-1]
            if last.status == "failed" and (self.forgotten is None or (last.ended_at or now) > self.forgotten):
                return "disabled_on_fail"
        late = (now - occurrence).total_seconds()
        return "fired" if late <= self.slip * 60 + INTERVAL else "missed"


class Checker:
    """Replays a journal and collects findings."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self._models: dict[int, _Model] = {}
        self._windows: list[tuple[datetime, datetime]] = []
        self._open_window: datetime | None = None

    def check(self, journal: list[Event], harness: DueHarness) -> list[Finding]:
        """Return everything that is wrong with what was committed and what is stored."""
        last = max(event.wall for event in journal) + timedelta(hours=3)
        for event in journal:
            getattr(self, f"_on_{event.kind}")(event, last)
        for key in self._models:
            self._compare_stored(key, harness)
        return self.findings

    def _find(self, kind: str, key: int, occurrence: datetime | None, text: str) -> None:
        self.findings.append(Finding(kind, key, occurrence, text))

    # -- events ------------------------------------------------------------------------------------------------

    def _on_add(self, event: Event, last: datetime) -> None:
        assert event.spec is not None
        self._models[event.key] = _Model(event.spec, event.spec.occurrences(last), event.wall, **event.fields)

    def _on_edit(self, event: Event, last: datetime) -> None:
        model = self._models[event.key]
        if event.spec is not None:
            model.spec, model.occurrences = event.spec, event.spec.occurrences(last)
        if event.fields.get("enabled") and not model.enabled:
            model.forgotten = event.wall
        for name, value in event.fields.items():
            setattr(model, name, value)
        model.evaluated = event.wall

    def _on_jump(self, event: Event, last: datetime) -> None:
        pass

    def _on_end(self, event: Event, last: datetime) -> None:
        """Every enabled schedule that two polls had to see must have been seen; the last grid points are left out."""

    def _on_maintenance_on(self, event: Event, last: datetime) -> None:
        self._open_window = event.wall

    def _on_maintenance_off(self, event: Event, last: datetime) -> None:
        assert self._open_window is not None
        self._windows.append((self._open_window, event.wall))
        self._open_window = None

    def _on_end_run(self, event: Event, last: datetime) -> None:
        for run in self._models[event.key].runs:
            if run.execution_id == event.text:
                run.status, run.ended_at = event.fields["status"], event.wall

    def _on_delete_run(self, event: Event, last: datetime) -> None:
        model = self._models[event.key]
        model.runs = [run for run in model.runs if run.execution_id != event.text]
        model.every_run.discard(event.text)

    def _on_settled(self, event: Event, last: datetime) -> None:
        assert event.settled is not None
        model, settled, now = self._models[event.key], event.settled, event.wall
        if not model.enabled:
            self._find("unexplained", event.key, None, f"a verdict at {now} on a disabled schedule")
        expected = model.expected(now, self._windows)
        if not expected:
            self._find("unexplained", event.key, None, f"a verdict at {now} with nothing due")
        fresh = [row for row in expected if row[0] not in model.records]
        self._compare_verdict(event.key, model, settled, expected, now)
        for occurrence, outcome, _ in fresh:
            model.records[occurrence] = outcome
            if outcome == "disabled_on_fail":
                model.enabled = False
            if outcome == "fired":
                if settled.execution_id is None:
                    self._find("missing", event.key, occurrence, f"no run at {now}")
                    continue
                if settled.execution_id in model.every_run:
                    self._find("double", event.key, occurrence, f"run {settled.execution_id} twice")
                model.runs.append(_Run(settled.execution_id, occurrence))
                model.every_run.add(settled.execution_id)
        if settled.execution_id is not None and "fired" not in {outcome for _, outcome, _ in fresh}:
            self._find("unexplained", event.key, None, f"run {settled.execution_id} at {now}, expected {expected}")
        model.evaluated = now

    def _compare_verdict(
        self, key: int, model: _Model, settled: Settled, expected: list[tuple[datetime, str, int]], now: datetime
    ) -> None:
        rows = settled.verdict.records(execution_id=settled.execution_id)
        seen = sorted((row.occurrence, str(row.outcome), row.missed_count or 1) for row in rows)
        for row in expected:
            if row not in seen:
                self._find("missing", key, row[0], f"expected {row}, decided {seen} at {now}")
        for row in seen:
            if row not in expected:
                self._find("unexplained", key, row[0], f"decided {row}, expected {expected} at {now}")
        following = settled.verdict.next_occurrence
        position = bisect_right(model.occurrences, now)
        wanted = model.occurrences[position] if position < len(model.occurrences) else None
        if wanted is not None and following != wanted:
            self._find("missing", key, wanted, f"the next occurrence is {following}")

    # -- what is stored ----------------------------------------------------------------------------------------

    def _compare_stored(self, key: int, harness: DueHarness) -> None:
        model = self._models[key]
        stored: dict[datetime, Any] = {}
        for record in harness.history(key):
            if record.occurrence in stored:
                self._find("double", key, record.occurrence, "two records")
            stored[record.occurrence] = record
        for occurrence, outcome in model.records.items():
            if occurrence not in stored:
                self._find("missing", key, occurrence, f"no record of {outcome}")
            elif str(stored[occurrence].outcome) != outcome:
                self._find("unexplained", key, occurrence, f"{stored[occurrence].outcome} stored, {outcome} decided")
        for occurrence in stored.keys() - model.records.keys():
            self._find("unexplained", key, occurrence, "a record nobody committed")
        ids, times = set(), set()
        for run in harness.runs(key):
            if run.scheduled_for in times:
                self._find("double", key, run.scheduled_for, "two executions")
            times.add(run.scheduled_for)
            ids.add(run.execution_id)
        for execution_id in model.every_run - ids:
            self._find("missing", key, None, f"execution {execution_id} is gone")
        for execution_id in ids - model.every_run:
            self._find("unexplained", key, None, f"execution {execution_id}")
        if harness.schedule(key).enabled != model.enabled:
            self._find("unexplained", key, None, f"enabled is not {model.enabled}")
