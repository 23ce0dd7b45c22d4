"""What the scheduler needs of the world: which schedules are due, and how to write a verdict down.

The manager core implements these protocols over its database, `scheduler.testing` in memory; the contract suite
`tests/contract/test_due_schedules.py` holds both to the same promises. Nothing here opens, imports or knows a database.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from scheduler.verdict import DueSchedule, Verdict, Window


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Maintenance mode as stored.

    Attributes:
        active: the mode is `activating` or `activated`: the poll evaluates nothing and writes nothing.
        windows: the ended windows, at least all that overlap the span from the oldest due occurrence to now.
    """

    active: bool
    windows: tuple[Window, ...] = ()


@dataclass(frozen=True, slots=True)
class Settled:
    """What the port made of one verdict.

    Attributes:
        verdict: the verdict.
        outcome: the outcome stored in history, or `duplicate` when (schedule, occurrence) was recorded before, by
            another scheduler or before the clock jumped back; then only `next_occurrence` moved.
        execution_id: the run created for a `Fire`, None when it was not.
        reason: the stored one-line reason.
    """

    verdict: Verdict
    outcome: str
    execution_id: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Proof of life, for `/health`: the poll that began `at` is done, and the next begins not later than `next_at`."""

    at: datetime
    next_at: datetime
    seconds: float
    decided: int


class Claim(Protocol):
    """Some due schedules, held by one open transaction until the `with` block that `claim` opened is left."""

    @property
    def schedules(self) -> Sequence[DueSchedule]:
        """The claimed schedules, oldest `next_occurrence` first; no other scheduler holds any of them."""
        ...

    def settle(self, verdicts: Sequence[Verdict]) -> Sequence[Settled]:
        """Write all verdicts, in sets: executions, history, the moved `next_occurrence`, a disabled schedule.

        For a `Fire` the execution is created with queue semantics (with force when `Fire.force`), its creator the
        schedule's, `scheduled_for` the occurrence. A run that the core refuses to create (the workflow is gone, a
        parameter does not validate) becomes the outcome `error` of that schedule and leaves no execution; it does not
        raise. (schedule, occurrence) that history has already is left alone and answered `duplicate`; records of older
        occurrences that come with it are written if they are new.

        Returns: one `Settled` a verdict, in their order. Committed when the `with` block is left without an exception.

        Raises: whatever the database raises; the transaction is then void, and the poll settles one by one.
        """
        ...


class SchedulesPort(Protocol):
    """The database as the poll sees it."""

    def maintenance(self, now: datetime) -> Maintenance:
        """Return the maintenance state and the windows that due occurrences may lie in. Writes nothing."""
        ...

    def claim(
        self, now: datetime, limit: int, *, only: Collection[int] | None = None, skip: Collection[int] = ()
    ) -> AbstractContextManager[Claim]:
        """Open a transaction that holds up to `limit` due schedules: enabled, `next_occurrence <= now`.

        Oldest `next_occurrence` first, then by key. A schedule that another scheduler holds is passed over, not
        waited for (PostgreSQL: ``FOR UPDATE SKIP LOCKED``; SQLite: ``BEGIN IMMEDIATE``). Leaving the block commits;
        leaving it by an exception rolls back and lets the exception through.

        Args:
            now: the poll's instant, aware, UTC.
            limit: how many at most.
            only: storage keys to choose among; None for all.
            skip: storage keys to leave out, those that already failed in this poll.
        """
        ...

    def heartbeat(self, beat: Heartbeat) -> None:
        """Store the proof of life, replacing this scheduler's last one."""
        ...
