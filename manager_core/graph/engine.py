"""The task graph engine: which tasks may start now, and when the run is over (workflow-runtime.md §2.4, §2.6).

Pure: it holds edges and sets, takes events with the instant they happened at, and answers with commands. It starts
nothing, waits for nothing and knows no clock. Every task and every edge is touched a bounded number of times, so
the time per task does not grow with the graph.

A *container* is a subgraph: a task with members. Members start only while it is open, that is after its own `Start`
and before its `Settle`; it is over when the shell says so in answer to `Settle`.
"""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from typing import Generic

from manager_core.graph.messages import (
    Begin,
    Cancel,
    Command,
    Done,
    Event,
    Failed,
    Finish,
    Postpone,
    Reason,
    Retry,
    Settle,
    Start,
    T,
)


class TaskGraph(Generic[T]):
    """Tasks, what waits for what, and who contains whom.

    Attributes:
        dependencies: task -> tasks it still waits for; without an entry for a task that waits for none.
        dependents: the same edges seen from the other end.
        wait_after_fail: seconds after the first error at which the run ends even if tasks still run.
    """

    def __init__(self, wait_after_fail: float = 600.0) -> None:
        self.dependencies: defaultdict[T, set[T]] = defaultdict(set)
        self.dependents: defaultdict[T, set[T]] = defaultdict(set)
        self.wait_after_fail = wait_after_fail
        self._order: dict[T, int] = {}
        self._next_number = 0
        self._container: dict[T, T] = {}
        self._members: dict[T, dict[T, None]] = {}
        self._fallen: dict[T, list[T]] = {}  # container -> failed members whose dependents still wait for its verdict
        self._candidates: deque[T] = deque()
        self._running: set[T] = set()
        self._open: set[T] = set()
        self._settled: set[T] = set()
        self._emptied: list[T] = []
        self._delayed: dict[T, float] = {}
        self._alarms: list[tuple[float, int, T]] = []
        self._error_at: float | None = None
        self._cancelled = False

    # --- the model

    def __contains__(self, task: object) -> bool:
        return task in self._order

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[T]:
        """Iterate over the tasks not yet over, in the order they were added."""
        return iter(self._order)

    def members(self, container: T) -> Iterable[T]:
        """Return the members of a subgraph that are not yet over, in the order they were added."""
        return self._members.get(container, {}).keys()

    def container(self, task: T) -> T | None:
        """Return the subgraph that directly contains the task, or None."""
        return self._container.get(task)

    def is_running(self, task: T) -> bool:
        """Return whether the task was started and is not over; true for an open subgraph too."""
        return task in self._running or task in self._open

    def add(self, task: T, container: T | None = None, *, subgraph: bool = False) -> None:
        """Add a task, into a subgraph if one is given. A task that is already there only moves into the subgraph."""
        if task not in self._order:
            self._order[task] = self._next_number
            self._next_number += 1
            if subgraph:
                self._members[task] = {}
        if container is not None:
            self._container[task] = container
            self._members[container][task] = None
        self._candidates.append(task)

    def depend(self, task: T, on: T) -> None:
        """Let `task` start only after `on` is over. Both must be in the graph; a task never waits for itself."""
        if task is on or task == on:
            return
        self.dependencies[task].add(on)
        self.dependents[on].add(task)

    def undepend(self, task: T, on: T) -> None:
        """Take a dependency back; it need not exist."""
        waits_for = self.dependencies.get(task)
        if waits_for is not None:
            waits_for.discard(on)
            if not waits_for:
                del self.dependencies[task]
                self._candidates.append(task)
        waiting = self.dependents.get(on)
        if waiting is not None:
            waiting.discard(task)
            if not waiting:
                del self.dependents[on]

    def remove(self, task: T) -> list[T]:
        """Take a task out, a subgraph with all its members; what waited for them waits no longer.

        A task that runs ends unobserved. Returns what was taken out.
        """
        if task not in self._order:
            return []
        gone = self._take_out(task)
        for each in gone:
            self._release(each)
        return gone

    # --- one turn

    def step(self, event: Event[T], now: float) -> list[Command[T]]:
        """Take one event and return what is to be done now, in order.

        Args:
            event: what happened. Events about tasks that are no longer in the graph change nothing.
            now: seconds of a clock that never goes back.
        """
        commands: list[Command[T]] = []
        match event:
            case Done(task):
                self._end(task)
            case Failed(task):
                self._fail(task, now, commands)
            case Retry(task, replacement, at):
                self._replace(task, replacement, at, now)
            case Postpone(task, at):
                if task in self._running:
                    self._running.discard(task)
                    self._delay(task, at)
            case Cancel():
                self._cancelled = True
            case Begin():
                self._error_at = None
                self._cancelled = False
        self._go_on(now, commands)
        return commands

    def done(self, task: T, now: float, commands: list[Command[T]]) -> None:
        """Take `Done(task)` while commands are being carried out, and put what follows behind them: see `step`."""
        self._end(task)
        self._go_on(now, commands)

    def _go_on(self, now: float, commands: list[Command[T]]) -> None:
        if self._cancelled:
            commands.append(Finish(Reason.CANCELLED))
            return
        self._drain(now, commands)
        reason = self._over(now)
        if reason is not None:
            commands.append(Finish(reason))

    def wake_at(self) -> float | None:
        """Return the instant at which a `Tick` is due even if nothing else happens, or None."""
        instants = [self._alarms[0][0]] if self._alarms else []
        if self._error_at is not None:
            instants.append(self._error_at + self.wait_after_fail)
        return min(instants, default=None)

    # --- events

    def _end(self, task: T) -> None:
        if task not in self._order:
            return
        for each in self._take_out(task):
            self._release(each)

    def _fail(self, task: T, now: float, commands: list[Command[T]]) -> None:
        if task not in self._order:
            return
        container = self._container.get(task)
        gone = self._take_out(task)
        if container is None:
            # The edges towards what waited for it stay: those tasks never become ready.
            if self._error_at is None:
                self._error_at = now
        else:
            self._fallen.setdefault(container, []).extend(gone)
            if container not in self._settled:
                self._settled.add(container)
                commands.append(Settle(container, task))

    def _replace(self, task: T, replacement: T, at: float | None, now: float) -> None:
        if task not in self._order:
            return
        container = self._container.get(task)
        if replacement not in self._order or container is not None:
            self.add(replacement, container)
        for each in self._take_out(task):
            for dependent in self.dependents.pop(each, ()):
                waits_for = self.dependencies.get(dependent)
                if waits_for is None:
                    continue
                waits_for.discard(each)
                if dependent in self._order:
                    self.depend(dependent, replacement)
        if at is not None and at > now:
            self._delay(replacement, at)

    def _delay(self, task: T, at: float) -> None:
        self._delayed[task] = at
        heapq.heappush(self._alarms, (at, self._order[task], task))

    # --- taking out and releasing

    def _take_out(self, task: T) -> list[T]:
        """Forget a task and its members, and the edges to what they wait for; return them, members first.

        The edges to what waits for them are the caller's: released, moved, or left so that those tasks never run.
        """
        gone: list[T] = []
        members = self._members.pop(task, None)
        if members is not None:
            for member in list(members):
                gone.extend(self._take_out(member))
            gone.extend(self._fallen.pop(task, ()))
            self._open.discard(task)
            self._settled.discard(task)
        gone.append(task)
        del self._order[task]
        self._running.discard(task)
        if self._delayed:
            self._delayed.pop(task, None)
        container = self._container.pop(task, None)
        if container is not None and container in self._members:
            siblings = self._members[container]
            siblings.pop(task, None)
            if not siblings:
                self._emptied.append(container)
        for other in self.dependencies.pop(task, ()):
            waiting = self.dependents.get(other)
            if waiting is not None:
                waiting.discard(task)
                if not waiting:
                    del self.dependents[other]
        return gone

    def _release(self, task: T) -> None:
        waiting = self.dependents.pop(task, None)
        if not waiting:
            return
        order = self._order
        freed = []
        for dependent in waiting:
            waits_for = self.dependencies.get(dependent)
            if waits_for is None:
                continue
            waits_for.discard(task)
            if not waits_for:
                del self.dependencies[dependent]
                if dependent in order:
                    freed.append(dependent)
        if len(freed) > 1:
            freed.sort(key=order.__getitem__)  # the order of a set is not the order of anything
        self._candidates.extend(freed)

    # --- starting and ending

    def _drain(self, now: float, commands: list[Command[T]]) -> None:
        while self._alarms and self._alarms[0][0] <= now:
            at, _, task = heapq.heappop(self._alarms)
            if self._delayed.get(task) == at:
                del self._delayed[task]
                self._candidates.append(task)
        candidates = self._candidates
        while candidates:
            task = candidates.popleft()
            if not self._is_ready(task):
                continue
            commands.append(Start(task))
            members = self._members.get(task)
            if members is None:
                self._running.add(task)
                continue
            self._open.add(task)
            if members:
                candidates.extend(members)
            else:
                self._emptied.append(task)
        for container in self._emptied:
            if container in self._open and container not in self._settled and not self._members.get(container):
                self._settled.add(container)
                commands.append(Settle(container, None))
        self._emptied.clear()

    def _is_ready(self, task: T) -> bool:
        if (
            self.dependencies.get(task)  # first, as most of a graph that begins waits for something
            or task not in self._order
            or task in self._running
            or task in self._open
            or task in self._delayed
        ):
            return False
        container = self._container.get(task)
        while container is not None:
            if container not in self._open or container in self._settled:
                return False
            container = self._container.get(container)
        return True

    def _over(self, now: float) -> Reason | None:
        failed = self._error_at is not None
        if not self._order:
            return Reason.FAILED if failed else Reason.DONE
        if self._error_at is not None and now >= self._error_at + self.wait_after_fail:
            return Reason.DEADLINE
        if self._running or self._delayed or self._settled:
            return None
        return Reason.FAILED if failed else Reason.STUCK
