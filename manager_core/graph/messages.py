"""What the shell tells the task graph engine, and what the engine tells the shell to do.

`TaskGraph.step` takes one event and returns commands; both are plain values, so that the same events always
give the same commands. A task is any hashable value; the engine never looks into it.
"""

from __future__ import annotations

from collections.abc import Hashable
from enum import Enum
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T", bound=Hashable)


class Begin(NamedTuple):
    """A run of the graph begins; errors of an earlier run are forgotten."""


class Tick(NamedTuple):
    """Only time has passed."""


class Cancel(NamedTuple):
    """Somebody asked to cancel: nothing is started any more and the run ends."""


class Done(NamedTuple, Generic[T]):
    """The task is over and what waits for it may run: it succeeded, or its failure is ignored."""

    task: T


class Failed(NamedTuple, Generic[T]):
    """The task is over and failed: what waits for it never runs, and the subgraph that contains it fails."""

    task: T


class Retry(NamedTuple, Generic[T]):
    """The task is over and `replacement` takes its place, not before the instant `at` (None: at once)."""

    task: T
    replacement: T
    at: float | None = None


class Postpone(NamedTuple, Generic[T]):
    """The task that was to be started is not to start before `at`; it counts as not started."""

    task: T
    at: float


class Start(NamedTuple, Generic[T]):
    """Start this task; for a subgraph: it is open, and its members follow in the same list."""

    task: T


class Settle(NamedTuple, Generic[T]):
    """Nothing is left of this started subgraph (`failed` is None), or its member `failed` failed.

    The shell asks the subgraph's handlers and answers with `Done`, `Failed` or `Retry`; until then none of its
    members starts.
    """

    task: T
    failed: T | None


class Reason(Enum):
    """Why a run of the graph is over."""

    DONE = "done"
    FAILED = "failed"
    DEADLINE = "deadline"
    CANCELLED = "cancelled"
    STUCK = "stuck"
    """Tasks are left, none runs, none can start and none failed: they wait for each other."""


class Finish(NamedTuple):
    """The run is over. Tasks still running are abandoned, not stopped."""

    reason: Reason


Event = Begin | Tick | Cancel | Done[T] | Failed[T] | Retry[T] | Postpone[T]
Command = Start[T] | Settle[T] | Finish
