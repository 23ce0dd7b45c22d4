"""What the contract suite of due schedules asks of an implementation besides the port itself.

A harness prepares schedules and looks at what was stored. `MemoryHarness` wraps the shipped in-memory port; a database
harness does the same over its services. Add one to `HARNESSES` and the whole suite, and the simulator, run over it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from scheduler.ports import SchedulesPort
from scheduler.recurrence import Rule
from scheduler.testing import MemorySchedules
from scheduler.verdict import Record


@dataclass(frozen=True)
class SeenSchedule:
    """A schedule as stored."""

    enabled: bool
    next_occurrence: datetime | None


@dataclass(frozen=True)
class SeenRun:
    """An execution that a firing created."""

    execution_id: str
    scheduled_for: datetime
    force: bool
    status: str


class DueHarness(Protocol):
    """One implementation, empty at first."""

    port: SchedulesPort

    def second_port(self) -> SchedulesPort:
        """Return another scheduler's port on the same schedules."""
        ...

    def add(self, rule: Rule | dict[str, Any], now: datetime, **fields: Any) -> int:
        """Create a schedule and return its key.

        Fields: slip, stop_on_fail, overlap, enabled; with a dumped, possibly broken rule also next_occurrence.
        """
        ...

    def edit(self, key: int, now: datetime, **fields: Any) -> None:
        """Change a schedule as a PATCH does (rule, enabled, slip …)."""
        ...

    def schedule(self, key: int) -> SeenSchedule:
        """Return the schedule as stored."""
        ...

    def history(self, key: int) -> list[Record]:
        """Return the schedule's history, oldest decision first."""
        ...

    def runs(self, key: int) -> list[SeenRun]:
        """Return the schedule's executions, oldest first."""
        ...

    def end_run(self, execution_id: str, status: str, now: datetime) -> None:
        """End an execution."""
        ...

    def delete_run(self, execution_id: str) -> None:
        """Delete an execution."""
        ...

    def refuse_runs_of(self, key: int, reason: str) -> None:
        """Let the core refuse to create this schedule's executions (its workflow is gone)."""
        ...

    def start_maintenance(self, now: datetime) -> None:
        """Switch maintenance mode on."""
        ...

    def end_maintenance(self, now: datetime) -> None:
        """Switch maintenance mode off."""
        ...

    def close(self) -> None:
        """Give back what the harness holds."""
        ...


class MemoryHarness:
    """The in-memory port."""

    def __init__(self) -> None:
        self.store = MemorySchedules()
        self.port: SchedulesPort = self.store
        self._refused: dict[int, str] = {}

        def refuse(schedule: Any, fire: Any) -> None:
            if schedule.key in self._refused:
                raise ValueError(self._refused[schedule.key])

        self.store.refuse = refuse

    def second_port(self) -> SchedulesPort:
        return self.store

    def add(self, rule: Rule | dict[str, Any], now: datetime, **fields: Any) -> int:
        return self.store.add(rule, now, **fields).key

    def edit(self, key: int, now: datetime, **fields: Any) -> None:
        self.store.edit(key, now, **fields)

    def schedule(self, key: int) -> SeenSchedule:
        stored = self.store.schedules[key]
        return SeenSchedule(stored.enabled, stored.next_occurrence)

    def history(self, key: int) -> list[Record]:
        return list(self.store.schedules[key].history)

    def runs(self, key: int) -> list[SeenRun]:
        return [
            SeenRun(run.execution_id, run.scheduled_for, run.force, run.status)
            for run in self.store.runs
            if run.schedule == key
        ]

    def end_run(self, execution_id: str, status: str, now: datetime) -> None:
        self.store.end_run(execution_id, status, now)

    def delete_run(self, execution_id: str) -> None:
        self.store.delete_run(execution_id)

    def refuse_runs_of(self, key: int, reason: str) -> None:
        self._refused[key] = reason

    def start_maintenance(self, now: datetime) -> None:
        self.store.start_maintenance(now)

    def end_maintenance(self, now: datetime) -> None:
        self.store.end_maintenance(now)

    def close(self) -> None:
        pass


HARNESSES: dict[str, Callable[[], DueHarness]] = {"memory": MemoryHarness}
