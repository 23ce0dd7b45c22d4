"""A seeded world: two or three schedulers on one set of schedules, and everything that goes wrong in a year of nights.

The real poll drives a real port. Around it, in one thread and by one random source: polls that stall between reading
the clock and claiming, schedulers that poll in the middle of each other's transactions, crashes at every commit point,
jumps of the wall clock, outages, maintenance, edits, runs that end well or badly or are deleted. What was committed is
kept in a journal, in order; `checker` replays it against a naive model. The same seed gives the same world.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from heapq import heappop, heappush
from typing import Any
from zoneinfo import ZoneInfo

from scheduler.poll import poll
from scheduler.ports import Claim, Heartbeat, Maintenance, SchedulesPort, Settled
from scheduler.recurrence import Rule, parse
from scheduler.verdict import Verdict
from tests.contract.due_harness import DueHarness

INTERVAL = 60.0
ZONES = ["UTC", "Asia/Jerusalem", "America/New_York", "Australia/Lord_Howe", "Europe/Berlin"]
STEPS = ("claiming", "claimed", "settling", "settled", "committing", "committed")


class Crash(BaseException):
    """The scheduler process dies here; no handler of the product may catch it."""


@dataclass(frozen=True)
class Spec:
    """A rule in two forms: what the product parses, and what the naive expansion needs."""

    fields: dict[str, Any]
    start: datetime
    step: timedelta | None = None
    zone: str = "UTC"
    days: tuple[int, ...] = ()

    def rule(self) -> Rule:
        return parse(**self.fields)

    def occurrences(self, until: datetime) -> list[datetime]:
        """Expand by the plainest means, without the library under test."""
        found = []
        if self.step is not None:
            moment = self.start
            while moment <= until:
                found.append(moment)
                moment += self.step
            return found
        info = ZoneInfo(self.zone)
        local = self.start.astimezone(info)
        day, clock = local.date(), time(local.hour, local.minute)
        while (moment := datetime.combine(day, clock, info).astimezone(UTC)) <= until:
            if moment >= self.start and (not self.days or day.weekday() in self.days):
                found.append(moment)
            day += timedelta(days=1)
        return sorted(set(found))


@dataclass(frozen=True)
class Event:
    """One thing that happened, in true order. `kind` says which of the fields mean something."""

    kind: str
    wall: datetime
    key: int = 0
    spec: Spec | None = None
    settled: Settled | None = None
    text: str = ""
    fields: dict[str, Any] = field(default_factory=dict)


class Watched:
    """A scheduler's port, with a hook at every step of a transaction and a journal of what was committed."""

    def __init__(self, port: SchedulesPort, hook: Callable[[str], None], committed: Callable[..., None]) -> None:
        self._port = port
        self._hook = hook
        self._committed = committed

    def maintenance(self, now: datetime) -> Maintenance:
        return self._port.maintenance(now)

    def heartbeat(self, beat: Heartbeat) -> None:
        self._port.heartbeat(beat)

    @contextmanager
    def claim(
        self, now: datetime, limit: int, *, only: Collection[int] | None = None, skip: Collection[int] = ()
    ) -> Iterator[Claim]:
        self._hook("claiming")
        settled: list[Settled] = []
        with self._port.claim(now, limit, only=only, skip=skip) as claim:
            self._hook("claimed")
            yield _WatchedClaim(claim, self._hook, settled)
            self._hook("committing")
        self._committed(now, settled)
        self._hook("committed")


class _WatchedClaim:
    def __init__(self, claim: Claim, hook: Callable[[str], None], settled: list[Settled]) -> None:
        self._claim = claim
        self._hook = hook
        self._settled = settled

    @property
    def schedules(self) -> Sequence[Any]:
        return self._claim.schedules

    def settle(self, verdicts: Sequence[Verdict]) -> Sequence[Settled]:
        self._hook("settling")
        results = self._claim.settle(verdicts)
        self._hook("settled")
        self._settled.extend(results)
        return results


@dataclass
class Shape:
    """How much happens."""

    schedulers: int = 3
    schedules: int = 12
    crash: float = 0.03
    stall: float = 0.1


class World:
    """Plays one seed until so many occurrences had their fate.

    `nested` names the steps of a transaction at which another scheduler may poll: with one thread, those at which no
    lock is held that it would wait for.
    """

    def __init__(
        self, harness: DueHarness, seed: int, shape: Shape | None = None, *, nested: Collection[str] = STEPS
    ) -> None:
        self.nested = nested
        self.source = random.Random(seed)
        self.harness = harness
        self.shape = shape or Shape(schedulers=self.source.choice([2, 3]), schedules=self.source.randint(4, 16))
        self.true = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=self.source.randrange(365))
        self.skew = timedelta(0)
        self.journal: list[Event] = []
        self.keys: dict[int, Spec] = {}
        self.enabled: dict[int, bool] = {}
        self.occurrences = 0
        self.crashes = 0
        self.maintained = False
        self._queue: list[tuple[datetime, int, Callable[[], None]]] = []
        self._serial = 0
        self._depth = 0
        self._down_until = self.true
        ports = [harness.port] + [harness.second_port() for _ in range(self.shape.schedulers - 1)]
        self._ports = [Watched(port, self._hook, self._committed) for port in ports]
        for _ in range(self.shape.schedules):
            self._add()
        for number in range(self.shape.schedulers):
            self._plan_poll(number)
        self._plan_trouble()

    # -- time --------------------------------------------------------------------------------------------------

    @property
    def wall(self) -> datetime:
        """What the machine's clock says."""
        return self.true + self.skew

    def _at(self, moment: datetime, action: Callable[[], None]) -> None:
        self._serial += 1
        heappush(self._queue, (max(moment, self.true), self._serial, action))

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        self._at(self.true + timedelta(seconds=seconds), action)

    def run(self, occurrences: int) -> None:
        """Play until `occurrences` had their fate."""
        while self.occurrences < occurrences:
            moment, _, action = heappop(self._queue)
            self.true = max(self.true, moment)
            action()
        self._note("end")

    def _note(self, kind: str, **fields: Any) -> None:
        self.journal.append(Event(kind, self.wall, **fields))

    # -- schedules ---------------------------------------------------------------------------------------------

    def _spec(self) -> Spec:
        source = self.source
        start = (self.wall - timedelta(minutes=source.randrange(5000))).replace(second=0, microsecond=0)
        if source.random() < 0.7:
            minutes = source.choice([1, 1, 2, 3, 5, 7, 10, 15, 60])
            return Spec({"since": start, "recurrence": f"{minutes} min"}, start, timedelta(minutes=minutes))
        zone = source.choice(ZONES)
        days = tuple(sorted(source.sample(range(7), source.randint(2, 5)))) if source.random() < 0.5 else ()
        names = [["MO", "TU", "WE", "TH", "FR", "SA", "SU"][day] for day in days]
        # the anchor is moved so that its wall time is nowhere near a change it was not meant for
        fields = {"since": start, "recurrence": "1 day", "weekdays": names, "timezone": zone}
        return Spec(fields, start, None, zone, days)

    def _settings(self) -> dict[str, Any]:
        source = self.source
        return {
            "slip": source.choice([0, 0, 1, 5, 60, 600]),
            "overlap": source.choice(["skip", "skip", "queue", "parallel"]),
            "stop_on_fail": source.random() < 0.3,
        }

    def _add(self) -> None:
        spec, settings = self._spec(), self._settings()
        key = self.harness.add(spec.rule(), self.wall, **settings)
        self.keys[key] = spec
        self.enabled[key] = True
        self._note("add", key=key, spec=spec, fields=settings)

    def _edit(self) -> None:
        key = self.source.choice(sorted(self.keys))
        kind = self.source.random()
        fields: dict[str, Any] = {}
        spec = None
        if kind < 0.5:
            self.enabled[key] = fields["enabled"] = not self.harness.schedule(key).enabled
        elif kind < 0.8:
            fields["slip"] = self.source.choice([0, 1, 5, 60])
        else:
            spec = self.keys[key] = self._spec()
        self.harness.edit(key, self.wall, **fields, **({"rule": spec.rule()} if spec else {}))
        self._note("edit", key=key, spec=spec, fields=fields)

    # -- polls -------------------------------------------------------------------------------------------------

    def _plan_poll(self, number: int) -> None:
        into = self.wall.timestamp() % INTERVAL
        late = self.source.random() * 2 if self.source.random() < 0.9 else self.source.random() * 50
        self._after(INTERVAL - into + late, lambda: self._start_poll(number))

    def _start_poll(self, number: int) -> None:
        now = self.wall
        if self.source.random() < self.shape.stall:
            # the clock was read, then the process was frozen: others poll meanwhile with a later now
            self._after(self.source.random() * 150, lambda: self._poll(number, now))
        else:
            self._poll(number, now)

    def _poll(self, number: int, now: datetime) -> None:
        if self.true >= self._down_until:
            self._depth += 1
            try:
                poll(self._ports[number], now, interval=INTERVAL, batch=self.source.choice([1, 3, 500]))
            except Crash:
                self.crashes += 1
                if self._depth > 1:  # only the outer scheduler goes on where it was
                    self._depth -= 1
                    self._plan_poll(number)
                    return
            self._depth -= 1
        self._plan_poll(number)

    def _hook(self, step: str) -> None:
        assert step in STEPS
        if self.source.random() < self.shape.crash:
            raise Crash(step)
        if step in self.nested and self._depth == 1 and self.source.random() < 0.02:
            self._depth += 1
            try:
                poll(self.source.choice(self._ports), self.wall, interval=INTERVAL)
            except Crash:
                self.crashes += 1
            finally:
                self._depth -= 1

    def _committed(self, now: datetime, settled: Sequence[Settled]) -> None:
        for result in settled:
            self.journal.append(Event("settled", now, key=result.verdict.schedule.key, settled=result))
            self.occurrences += 1 + sum(missed.count for missed in result.verdict.missed)
            if result.execution_id is not None:
                self._plan_end(result.verdict.schedule.key, result.execution_id)

    # -- the world around --------------------------------------------------------------------------------------

    def _plan_end(self, key: int, execution_id: str) -> None:
        seconds = self.source.choice([1, 20, 50, 70, 200, 4000])
        status = self.source.choice(["terminated"] * 8 + ["failed", "cancelled"])

        def end() -> None:
            if self.source.random() < 0.05:
                self.harness.delete_run(execution_id)
                self._note("delete_run", key=key, text=execution_id)
                return
            self.harness.end_run(execution_id, status, self.wall)
            self._note("end_run", key=key, text=execution_id, fields={"status": status})

        self._after(seconds * (0.5 + self.source.random()), end)

    def _plan_trouble(self) -> None:
        self._after(self.source.expovariate(1 / 1500), self._trouble)

    def _trouble(self) -> None:
        kind = self.source.random()
        if kind < 0.45:
            self._edit()
        elif kind < 0.6:
            self._down_until = self.true + timedelta(seconds=self.source.choice([70, 90, 200, 400, 2000]))
        elif kind < 0.75:
            self.skew += timedelta(seconds=self.source.choice([-3600, 3600, -90, 90, -1800, 1800]))
            self._note("jump")
        elif kind < 0.9 and not self.maintained:
            self.maintained = True
            self.harness.start_maintenance(self.wall)
            self._note("maintenance_on")
            self._after(self.source.choice([30, 200, 2000, 9000]), self._end_maintenance)
        else:
            key = self.source.choice(sorted(self.keys))
            if not self.harness.schedule(key).enabled:
                self.harness.edit(key, self.wall, enabled=True)
                self._note("edit", key=key, fields={"enabled": True})
        self._plan_trouble()

    def _end_maintenance(self) -> None:
        self.harness.end_maintenance(self.wall)
        self.maintained = False
        self._note("maintenance_off")
