"""The threads that run local tasks in the workflow process (contract §1.4: a pool of 8)."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cloudify.state import current_workflow_ctx

DEFAULT_LOCAL_TASK_THREAD_POOL_SIZE = 8
STALL_SECONDS = 0.002
"""A task that waits is begun within about this time, while there are threads for it, whatever the others do."""
SLOW_SECONDS = 0.0003
"""A task that takes longer is worth a change of threads."""
WIDE_TASKS = 64
"""For so many tasks after two slow ones all threads take part."""


class _Place(threading.local):
    """What the current thread does next.

    Attributes:
        pool: the pool the thread belongs to, or None.
        waiting: whether the thread is about to be free and would take a task itself.
        task: the task it took.
    """

    pool: LocalTasksProcessing | None = None
    waiting = False
    task: Callable[[], object] | None = None


_here = _Place()


class LocalTasksProcessing:
    """A pool of threads for local tasks; a context manager.

    Each thread has the workflow's context and parameters as its current ones. Most local tasks take microseconds, and
    while one thread runs them one after the other no time is lost with changing threads. So there is one, until it does
    not get on: a second thread watches that tasks which wait are begun within `STALL_SECONDS`, and takes one itself
    when they are not; then a third one watches, and so on. Where tasks have lately taken longer, all threads take part
    at once.

    A task added by one of the threads at the end of its own task (`going_on`) is run by that thread itself, if nothing
    else waits.
    """

    def __init__(
        self,
        workflow_ctx: Any,
        monotonic: Callable[[], float],
        thread_pool_size: int = DEFAULT_LOCAL_TASK_THREAD_POOL_SIZE,
    ) -> None:
        self._workflow_ctx = workflow_ctx
        self._monotonic = monotonic
        self._size = thread_pool_size
        self._tasks: deque[Callable[[], object]] = deque()
        self._changed = threading.Condition(threading.Lock())
        self._threads: list[threading.Thread] = []
        self._idle = 0  # threads that wait to be called
        self._busy = 0  # threads that run a task
        self._watched = False  # whether a thread was called, or watches, that may take a task
        self._ended = 0  # grows with every task that is over
        self._slow = False  # whether the last task was
        self._wide = 0  # for so many tasks yet all threads take part
        self._closed = False
        self.parameters: Any = None

    def __enter__(self) -> LocalTasksProcessing:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Say that the current thread's task is over: the first task added meanwhile may be run by this thread."""
        _here.waiting = _here.pool is self
        try:
            yield
        finally:
            _here.waiting = False

    def add_task(self, task: Callable[[], object]) -> None:
        """Run `task` on one of the threads."""
        if _here.waiting and _here.pool is self and _here.task is None and not self._tasks:
            _here.task = task
            return
        with self._changed:
            self._tasks.append(task)
            if not self._watched:
                self._call()

    def _call(self) -> None:
        """Let one more thread look at what waits; the lock is held."""
        if self._idle:
            self._idle -= 1
            self._watched = True
            self._changed.notify()
        elif len(self._threads) < self._size:
            self._watched = True
            thread = threading.Thread(target=self._serve, name=f"local-task-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self) -> None:
        _here.pool = self
        with current_workflow_ctx.push(self._workflow_ctx, self.parameters):
            task = self._called()
            while task is not None:
                self._run(task)
                task = self._next()

    def _run(self, task: Callable[[], object] | None) -> None:
        while task is not None:
            began = self._monotonic()
            task()
            self._ended += 1
            if self._monotonic() - began > SLOW_SECONDS:
                if self._slow:  # two in a row: it was not another program that took the processor
                    self._wide = WIDE_TASKS
                self._slow = True
            else:
                self._slow = False
                if self._wide:
                    self._wide -= 1
            task, _here.task = _here.task, None

    def _next(self) -> Callable[[], object] | None:
        """Return another task for a thread that ended one, or wait to be called; None when the pool is closed."""
        with self._changed:
            if self._tasks:
                return self._tasks.popleft()
            self._busy -= 1
            return self._watch() if self._rest() else None

    def _called(self) -> Callable[[], object] | None:
        """Return the first task for a new thread; None when the pool is closed."""
        with self._changed:
            return self._watch()

    def _rest(self) -> bool:
        """Wait to be called; the lock is held. Returns False when the pool is closed."""
        if self._closed:
            return False
        self._idle += 1
        self._changed.wait()
        return True

    def _watch(self) -> Callable[[], object] | None:
        """Take a task as soon as nobody else gets on with them; the lock is held. None when the pool is closed."""
        while True:
            while self._tasks:
                ended = self._ended
                if self._busy and not self._wide:
                    self._changed.wait(STALL_SECONDS)
                    if not self._tasks or (self._busy and not self._wide and self._ended != ended):
                        continue
                task = self._tasks.popleft()
                self._busy += 1
                self._watched = False
                if self._tasks:
                    self._call()
                return task
            self._watched = False
            if not self._rest():
                return None

    def stop(self) -> None:
        """Let the threads end once what they run is over; waits for none of them."""
        with self._changed:
            self._closed = True
            self._idle = 0
            self._changed.notify_all()
