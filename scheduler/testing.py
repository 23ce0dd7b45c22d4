"""A clock that tests set, and the schedules in memory: shipped, and held to the same contract as the database.

`MemorySchedules` keeps what the manager core keeps in tables, with a lock for the transaction. It serves tests,
simulations and whoever embeds the scheduler without the manager core.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from scheduler.ports import Heartbeat, Maintenance, Settled
from scheduler.recurrence import Rule
from scheduler.verdict import Disable, DueSchedule, Fire, Outcome, Overlap, PreviousRun, Record, Verdict, Window

ENDED = frozenset({"terminated", "failed", "cancelled"})


class FakeClock:
    """A clock that moves only when told to: by `set`, by `advance`, and by whoever waits on it."""

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC)
        self._monotonic = 0.0
        self.before_wait: Callable[[float], None] = lambda seconds: None

    def now(self) -> datetime:
        """Return the instant it was set to."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds it advanced so far; `set` does not count."""
        return self._monotonic

    def wait(self, seconds: float) -> bool:
        """Advance by `seconds` at once; `before_wait` may move or stop things first."""
        self.before_wait(seconds)
        self.advance(max(0.0, seconds))
        return False

    def set(self, moment: datetime) -> None:
        """Let the wall clock jump to `moment`, in either direction; monotonic time does not notice."""
        self._now = moment.astimezone(UTC)

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass on both clocks."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds


@dataclass
class StoredSchedule:
    """A schedule as `MemorySchedules` keeps it; the fields of scheduling.md §1 that the poll looks at."""

    key: int
    name: str
    deployment_id: str
    workflow_id: str
    rule: Mapping[str, Any]
    next_occurrence: datetime | None
    slip: int = 0
    stop_on_fail: bool = False
    overlap: str = Overlap.SKIP
    enabled: bool = True
    failure_forgotten_at: datetime | None = None
    history: list[Record] = field(default_factory=list)


@dataclass
class StoredRun:
    """An execution as `MemorySchedules` keeps it."""

    execution_id: str
    schedule: int
    scheduled_for: datetime
    created_at: datetime
    force: bool = False
    status: str = "pending"
    ended_at: datetime | None = None


class MemoryClaim:
    """Due schedules under the store's lock; what `settle` does is undone when the block is left by an exception."""

    def __init__(self, store: MemorySchedules, schedules: Sequence[DueSchedule]) -> None:
        self._store = store
        self._schedules = schedules

    @property
    def schedules(self) -> Sequence[DueSchedule]:
        """The claimed schedules, oldest first."""
        return self._schedules

    def settle(self, verdicts: Sequence[Verdict]) -> Sequence[Settled]:
        """Write the verdicts, see `scheduler.ports.Claim.settle`."""
        return [self._store.write(verdict) for verdict in verdicts]


class MemorySchedules:
    """Schedules, executions, history and maintenance windows in memory; implements `scheduler.ports.SchedulesPort`.

    Attributes:
        schedules: by key.
        runs: every execution that a firing created, in order.
        windows: ended maintenance windows.
        maintenance_since: when the open window began, None outside maintenance.
        before_step: a hook called with the name of each step of a transaction, `claim`, `settle`, `commit`
            or `committed`; a test raises in it to crash there.
        refuse: called before a run is created; what it raises is the core's refusal.
    """

    def __init__(self) -> None:
        self.schedules: dict[int, StoredSchedule] = {}
        self.runs: list[StoredRun] = []
        self.windows: list[Window] = []
        self.maintenance_since: datetime | None = None
        self.beats: list[Heartbeat] = []
        self.before_step: Callable[[str], None] = lambda step: None
        self.refuse: Callable[[StoredSchedule, Fire], None] = lambda schedule, fire: None
        self._lock = threading.RLock()
        self._held: set[int] = set()
        self._settled: set[tuple[int, datetime]] = set()
        self._numbers = count(1)
        self._by_id: dict[str, StoredRun] = {}
        self._runs_of: dict[int, list[StoredRun]] = {}
        self._open: dict[int, dict[str, None]] = {}
        self._undo: list[Callable[[], None]] = []

    # -- what the manager core's services would do -------------------------------------------------------------

    def add(
        self, rule: Rule | Mapping[str, Any], now: datetime, *, name: str = "", deployment_id: str = "d", **fields: Any
    ) -> StoredSchedule:
        """Create a schedule; its `next_occurrence` is the rule's first after `now`."""
        key = max(self.schedules, default=0) + 1
        stored = rule.dump() if isinstance(rule, Rule) else rule
        following = rule.after(now) if isinstance(rule, Rule) else fields.pop("next_occurrence")
        schedule = StoredSchedule(key, name or f"s{key}", deployment_id, "w", stored, following, **fields)
        self.schedules[key] = schedule
        return schedule

    def edit(self, key: int, now: datetime, rule: Rule | None = None, **fields: Any) -> None:
        """Change a schedule and recompute `next_occurrence` from now; re-enabling forgets a failure."""
        schedule = self.schedules[key]
        if rule is not None:
            schedule.rule = rule.dump()
        if fields.get("enabled") and not schedule.enabled:
            schedule.failure_forgotten_at = now
        for name, value in fields.items():
            setattr(schedule, name, value)
        schedule.next_occurrence = Rule.load(schedule.rule).after(now)

    def end_run(self, execution_id: str, status: str, now: datetime) -> None:
        """End an execution with `status`."""
        run = self._by_id[execution_id]
        run.status, run.ended_at = status, now
        self._open[run.schedule].pop(execution_id, None)

    def delete_run(self, execution_id: str) -> None:
        """Delete an execution, whatever its status."""
        run = self._by_id.pop(execution_id)
        self.runs.remove(run)
        self._runs_of[run.schedule].remove(run)
        self._open[run.schedule].pop(execution_id, None)

    def start_maintenance(self, now: datetime) -> None:
        """Switch maintenance mode on."""
        self.maintenance_since = now

    def end_maintenance(self, now: datetime) -> None:
        """Switch maintenance mode off and remember the window."""
        if self.maintenance_since is not None:
            self.windows.append(Window(self.maintenance_since, now))
        self.maintenance_since = None

    # -- the port ----------------------------------------------------------------------------------------------

    def maintenance(self, now: datetime) -> Maintenance:
        """Return the mode and the ended windows."""
        return Maintenance(self.maintenance_since is not None, tuple(self.windows))

    @contextmanager
    def claim(
        self, now: datetime, limit: int, *, only: Collection[int] | None = None, skip: Collection[int] = ()
    ) -> Iterator[MemoryClaim]:
        """Hold up to `limit` due schedules, see `scheduler.ports.SchedulesPort.claim`."""
        with self._lock:
            self.before_step("claim")
            keys = [
                key
                for key in self.due_keys(now)
                if key not in self._held and key not in skip and (only is None or key in only)
            ][:limit]
            self._held.update(keys)
            undo, self._undo = self._undo, []
            try:
                yield MemoryClaim(self, [self._due(self.schedules[key]) for key in keys])
                self.before_step("commit")
            except BaseException:
                for action in reversed(self._undo):
                    action()
                raise
            finally:
                self._held.difference_update(keys)
                self._undo = undo
            self.before_step("committed")

    def heartbeat(self, beat: Heartbeat) -> None:
        """Remember the last beat."""
        self.beats[:] = [beat]

    def due_keys(self, now: datetime) -> Iterable[int]:
        """Return the keys of the enabled schedules due at `now`, oldest occurrence first."""
        due = sorted(
            (schedule.next_occurrence, schedule.key)
            for schedule in self.schedules.values()
            if schedule.enabled and schedule.next_occurrence is not None and schedule.next_occurrence <= now
        )
        return [key for _, key in due]

    # -- inside a transaction ----------------------------------------------------------------------------------

    def _due(self, schedule: StoredSchedule) -> DueSchedule:
        assert schedule.next_occurrence is not None
        return DueSchedule(
            key=schedule.key,
            name=schedule.name,
            deployment_id=schedule.deployment_id,
            rule=schedule.rule,
            next_occurrence=schedule.next_occurrence,
            slip=schedule.slip,
            stop_on_fail=schedule.stop_on_fail,
            overlap=schedule.overlap,
            previous=self._previous(schedule),
        )

    def _previous(self, schedule: StoredSchedule) -> PreviousRun | None:
        runs = self._runs_of.get(schedule.key, [])
        if not runs:
            return None
        run = next((self._by_id[open_id] for open_id in self._open.get(schedule.key, ())), runs[-1])
        forgotten = schedule.failure_forgotten_at
        failed = run.status == "failed" and (forgotten is None or (run.ended_at or run.created_at) > forgotten)
        return PreviousRun(run.execution_id, run.status, run.status in ENDED, failed)

    def write(self, verdict: Verdict) -> Settled:
        """Write one verdict inside the open claim."""
        self.before_step("settle")
        schedule = self.schedules[verdict.schedule.key]
        self._remember(schedule)
        schedule.next_occurrence = verdict.next_occurrence
        occurrence = verdict.decision.occurrence
        if (schedule.key, occurrence) in self._settled:
            self._record(schedule, verdict.records()[:-1])  # of the older occurrences, those that are new
            return Settled(verdict, "duplicate", reason="recorded before")
        run: StoredRun | None = None
        error: str | None = None
        if isinstance(verdict.decision, Fire):
            try:
                self.refuse(schedule, verdict.decision)
            except Exception as refusal:  # noqa: BLE001 - whatever the core refuses becomes the schedule's record
                error = str(refusal)
            else:
                run = StoredRun(
                    f"e{next(self._numbers)}", schedule.key, occurrence, verdict.decided_at, verdict.decision.force
                )
                self._keep(run)
        elif isinstance(verdict.decision, Disable):
            schedule.enabled = False
        records = verdict.records(execution_id=run.execution_id if run else None, error=error)
        self._record(schedule, records)
        final = records[-1]  # the judged occurrence's
        return Settled(verdict, final.outcome, run.execution_id if run else None, final.reason)

    def _record(self, schedule: StoredSchedule, records: Sequence[Record]) -> None:
        """Write the records of occurrences that history does not have."""
        for record in records:
            mark = (schedule.key, record.occurrence)
            if mark not in self._settled:
                self._settled.add(mark)
                self._undo.append(lambda mark=mark: self._settled.discard(mark))  # type: ignore[misc]  # bound now
                schedule.history.append(record)

    def _keep(self, run: StoredRun) -> None:
        self.runs.append(run)
        self._by_id[run.execution_id] = run
        self._runs_of.setdefault(run.schedule, []).append(run)
        self._open.setdefault(run.schedule, {})[run.execution_id] = None
        self._undo.append(lambda: self.delete_run(run.execution_id))

    def _remember(self, schedule: StoredSchedule) -> None:
        before, rows = replace(schedule), len(schedule.history)

        def restore() -> None:
            del before.history[rows:]
            self.schedules[before.key] = before

        self._undo.append(restore)


def fired(store: MemorySchedules, key: int) -> list[datetime]:
    """Return the occurrences of a schedule that created a run, in order."""
    return [r.occurrence for r in store.schedules[key].history if r.outcome is Outcome.FIRED]
