"""What would fire, wait or be skipped over a coming span: the real poll on a virtual clock (scheduling.md §6).

Nothing is stored and nothing waits. Schedules are copied into memory, every poll is `scheduler.poll.poll` on the grid,
the runs it creates take their modelled time, and a queue admits them: one run a deployment, so many in the system,
oldest first, forced ones past the deployment's own. Points of the grid at which nothing is due are passed over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from typing import Any

from scheduler.poll import poll
from scheduler.ports import Maintenance
from scheduler.recurrence import Rule
from scheduler.testing import MemorySchedules, StoredSchedule
from scheduler.verdict import Fire, Overlap, Verdict, Window

LONGEST_SPAN = timedelta(days=366)
MOST_FIRINGS = 200_000


@dataclass(frozen=True, slots=True)
class SimulatedSchedule:
    """A schedule as the simulation starts with it.

    Attributes:
        name, deployment_id, tenant: who it is.
        workflow_id: what it runs, the key of modelled run times.
        rule: what `Rule.dump` gave.
        next_occurrence: the stored one, or None to begin with the first after the start.
        run_seconds: how long its runs take, by its history; None for the simulation's default.
    """

    name: str
    deployment_id: str
    workflow_id: str
    rule: Mapping[str, Any]
    next_occurrence: datetime | None
    tenant: str = "default_tenant"
    slip: int = 0
    stop_on_fail: bool = False
    overlap: str = Overlap.SKIP
    run_seconds: float | None = None


@dataclass(slots=True)
class Firing:
    """One verdict of the simulation; `start` and `end` are None for a run that did not start within the span."""

    schedule: str
    deployment_id: str
    occurrence: datetime
    outcome: str
    reason: str
    start: datetime | None = None
    end: datetime | None = None
    tenant: str = "default_tenant"


@dataclass(slots=True)
class Simulation:
    """The result: all verdicts in order, the most runs at a time, the longest wait in the queue in seconds."""

    firings: list[Firing] = field(default_factory=list)
    peak_running: int = 0
    longest_wait: float = 0.0
    complete: bool = True

    def as_json(self) -> dict[str, Any]:
        """Return the answer of `POST execution-schedules/simulate` (instants as REST writes them)."""
        return {
            "firings": [
                {
                    "schedule": firing.schedule,
                    "deployment_id": firing.deployment_id,
                    "occurrence": _text(firing.occurrence),
                    "start": _text(firing.start),
                    "end": _text(firing.end),
                    "outcome": firing.outcome,
                    "reason": firing.reason,
                }
                for firing in self.firings
            ],
            "peak_running": self.peak_running,
            "longest_wait": self.longest_wait,
        }


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


class _VirtualSchedules(MemorySchedules):
    """The schedules in memory, with the due ones kept in a heap and planned maintenance."""

    def __init__(self, planned: Sequence[Window]) -> None:
        super().__init__()
        self._heap: list[tuple[datetime, int]] = []
        self._planned = sorted(planned, key=lambda window: window.start)

    def enter(self, schedule: StoredSchedule) -> None:
        self.schedules[schedule.key] = schedule
        if schedule.next_occurrence is not None:
            heappush(self._heap, (schedule.next_occurrence, schedule.key))

    def earliest(self) -> datetime | None:
        while self._heap:
            moment, key = self._heap[0]
            schedule = self.schedules[key]
            if schedule.enabled and schedule.next_occurrence == moment:
                return moment
            heappop(self._heap)
        return None

    def due_keys(self, now: datetime) -> Iterable[int]:
        found = []
        while (moment := self.earliest()) is not None and moment <= now:
            found.append(heappop(self._heap)[1])
        for key in found:  # they are due until a verdict moves them, which pushes them again
            heappush(self._heap, (self.schedules[key].next_occurrence or now, key))
        return found

    def write(self, verdict: Verdict) -> Any:
        settled = super().write(verdict)
        following = self.schedules[verdict.schedule.key].next_occurrence
        if following is not None:
            heappush(self._heap, (following, verdict.schedule.key))
        return settled

    def maintenance(self, now: datetime) -> Maintenance:
        active = any(window.start <= now < window.end for window in self._planned)
        return Maintenance(active, tuple(window for window in self._planned if window.end <= now))


@dataclass(slots=True)
class _Run:
    execution_id: str
    deployment: tuple[str, str]
    force: bool
    seconds: float
    asked_at: datetime
    firing: Firing


class _Queue:
    """Admits runs: forced ones at once, others when their deployment is free and the system has room, oldest first."""

    def __init__(self, limit: int, result: Simulation) -> None:
        self._limit = limit
        self._result = result
        self._waiting: deque[_Run] = deque()
        self._busy: dict[tuple[str, str], int] = {}
        self._running = 0
        self._ends: list[tuple[datetime, int, _Run]] = []
        self._serial = 0

    def next_end(self) -> datetime | None:
        return self._ends[0][0] if self._ends else None

    def ask(self, run: _Run) -> None:
        self._waiting.append(run)

    def end_due(self, now: datetime) -> list[_Run]:
        ended = []
        while self._ends and self._ends[0][0] <= now:
            run = heappop(self._ends)[2]
            self._running -= 1
            self._busy[run.deployment] -= 1
            ended.append(run)
        return ended

    def admit(self, now: datetime) -> None:
        left: deque[_Run] = deque()
        while self._waiting:
            run = self._waiting.popleft()
            if self._running >= self._limit:
                left.append(run)
                left.extend(self._waiting)
                break
            if self._busy.get(run.deployment) and not run.force:
                left.append(run)
                continue
            self._start(run, now)
        self._waiting = left

    def _start(self, run: _Run, now: datetime) -> None:
        self._running += 1
        self._busy[run.deployment] = self._busy.get(run.deployment, 0) + 1
        self._serial += 1
        end = now + timedelta(seconds=run.seconds)
        heappush(self._ends, (end, self._serial, run))
        run.firing.start, run.firing.end = now, end
        wait = (now - run.asked_at).total_seconds()
        if wait > 0:
            run.firing.reason = f"{run.firing.reason}; waited {wait:.0f} s in the queue"
        self._result.longest_wait = max(self._result.longest_wait, wait)
        self._result.peak_running = max(self._result.peak_running, self._running)


def simulate(
    schedules: Sequence[SimulatedSchedule],
    start: datetime,
    end: datetime,
    *,
    run_seconds: Mapping[str, float] | None = None,
    maintenance: Sequence[Window] = (),
    interval: float = 60.0,
    max_running: int = 20,
    keep_on: Callable[[], bool] = lambda: True,
) -> Simulation:
    """Play the polls from `start` to `end` and return every verdict and what the queue made of the runs.

    Args:
        schedules: the enabled schedules.
        start, end: the span, at most 366 days, aware.
        run_seconds: seconds a run takes, by workflow; ``"default"`` (60) for the others. It goes before a schedule's
        own. maintenance: planned windows: no poll evaluates and no waiting run starts inside them.
        interval: seconds between polls.
        max_running: how many runs the system has room for.
        keep_on: asked before each step; once it answers False the result is given as it stands.

    Raises:
        ValueError: the span is negative or longer than 366 days.
    """
    if not timedelta(0) <= end - start <= LONGEST_SPAN:
        raise ValueError("the span of a simulation is at most 366 days")
    times = dict(run_seconds or {})
    result = Simulation()
    store = _VirtualSchedules(maintenance)
    queue = _Queue(max_running, result)
    specs: dict[int, SimulatedSchedule] = {}
    for key, spec in enumerate(schedules, 1):
        specs[key] = spec
        store.enter(
            StoredSchedule(
                key, spec.name, spec.deployment_id, spec.workflow_id, spec.rule, _first(spec, start),
                spec.slip, spec.stop_on_fail, spec.overlap,
            )
        )  # fmt: skip
    now = _grid(start, interval)
    while keep_on() and len(result.firings) < MOST_FIRINGS:
        for run in queue.end_due(now):
            store.end_run(run.execution_id, "terminated", now)
        for settled in poll(store, now, interval=interval) if _on_grid(now, interval) else ():
            spec = specs[settled.verdict.schedule.key]
            _note_missed(result, settled.verdict, spec)
            firing = Firing(
                spec.name,
                spec.deployment_id,
                settled.verdict.decision.occurrence,
                str(settled.outcome),
                settled.reason,
                tenant=spec.tenant,
            )
            result.firings.append(firing)
            if settled.execution_id is not None and isinstance(settled.verdict.decision, Fire):
                seconds = times.get(spec.workflow_id, spec.run_seconds)
                seconds = times.get("default", 60.0) if seconds is None else seconds
                force = settled.verdict.decision.force
                queue.ask(
                    _Run(settled.execution_id, (spec.tenant, spec.deployment_id), force, seconds, now, firing)
                )  # fmt: skip
        if not store.maintenance(now).active:
            queue.admit(now)
        following = _next_moment(store, queue, now, interval, maintenance)
        if following is None or following > end:
            return result
        now = following
    result.complete = False
    return result


def _first(spec: SimulatedSchedule, start: datetime) -> datetime | None:
    """Return the occurrence a schedule begins with; a rule that cannot be read is due at once, and its poll says
    why.
    """
    if spec.next_occurrence is not None:
        return spec.next_occurrence
    try:
        return Rule.load(spec.rule).after(start - timedelta(microseconds=1))
    except ValueError:
        return start


def _note_missed(result: Simulation, verdict: Verdict, spec: SimulatedSchedule) -> None:
    for missed in verdict.missed:
        result.firings.append(
            Firing(
                spec.name, spec.deployment_id, missed.occurrence, str(missed.outcome), missed.reason, tenant=spec.tenant
            )
        )


def _on_grid(moment: datetime, interval: float) -> bool:
    return moment.timestamp() % interval == 0


def _grid(moment: datetime, interval: float) -> datetime:
    """Return the first point of the poll grid from `moment` on."""
    return moment + timedelta(seconds=-moment.timestamp() % interval)


def _next_moment(
    store: _VirtualSchedules, queue: _Queue, now: datetime, interval: float, maintenance: Sequence[Window]
) -> datetime | None:
    """Return the next instant at which anything can change: a poll with something due, a run's or a window's end."""
    moments = [window.end for window in maintenance if window.end > now]
    ending = queue.next_end()
    if ending is not None:
        moments.append(ending)
    due = store.earliest()
    if due is not None:
        moments.append(_grid(max(due, now + timedelta(microseconds=1)), interval))
    return min(moments, default=None)
