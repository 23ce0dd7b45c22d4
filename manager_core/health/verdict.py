"""When a service counts as well, from its heartbeats. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

SHORTEST_GRACE = timedelta(seconds=2)
LONGEST_GRACE = timedelta(seconds=10)


class ServiceState(StrEnum):
    """What the heartbeats say about a service."""

    OK = "ok"
    OVERDUE = "overdue"
    NEVER_STARTED = "never started"


@dataclass(frozen=True)
class Beat:
    """One instance's last sign of life, and until when the next is promised."""

    beat_at: datetime
    next_due_at: datetime

    def is_fresh(self, now: datetime) -> bool:
        """Tell whether the promise still holds; a tenth of the interval (2 to 10 s) is forgiven."""
        grace = min(max((self.next_due_at - self.beat_at) / 10, SHORTEST_GRACE), LONGEST_GRACE)
        return now <= self.next_due_at + grace


@dataclass(frozen=True)
class ServiceHealth:
    """The verdict about one service.

    Attributes:
        state: see `ServiceState`.
        instances: how many of its instances are alive.
        beat_at, next_due_at: of the instance that will be heard of last; None when it never started.
    """

    state: ServiceState
    instances: int = 0
    beat_at: datetime | None = None
    next_due_at: datetime | None = None

    @property
    def is_well(self) -> bool:
        """True when at least one instance is alive."""
        return self.state is ServiceState.OK


def judge(beats: Sequence[Beat], now: datetime) -> ServiceHealth:
    """Return the verdict about a service from the last beats of its instances: one that lives is enough."""
    if not beats:
        return ServiceHealth(ServiceState.NEVER_STARTED)
    alive = [beat for beat in beats if beat.is_fresh(now)]
    best = max(alive or beats, key=lambda beat: beat.next_due_at)
    state = ServiceState.OK if alive else ServiceState.OVERDUE
    return ServiceHealth(state, len(alive), best.beat_at, best.next_due_at)
