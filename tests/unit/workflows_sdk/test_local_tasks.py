"""The threads of local tasks: one while it gets on, all of them where tasks take their time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from cloudify.workflows.local_tasks import DEFAULT_LOCAL_TASK_THREAD_POOL_SIZE, LocalTasksProcessing

from tests.support.clock import PATIENCE


@pytest.fixture
def pool() -> Iterator[LocalTasksProcessing]:
    """A pool with the threads of a workflow."""
    with LocalTasksProcessing(object(), time.monotonic) as pool:
        pool.parameters = {}
        yield pool


def in_turn(pool: LocalTasksProcessing, count: int, work: Any = None) -> list[tuple[int, str]]:
    """Add tasks and return their numbers and threads in the order in which they ended."""
    done: list[tuple[int, str]] = []
    over = threading.Event()

    def task(number: int) -> None:
        if work is not None:
            work(number)
        done.append((number, threading.current_thread().name))
        if len(done) == count:
            over.set()

    for number in range(count):
        pool.add_task(lambda number=number: task(number))  # type: ignore[misc]
    assert over.wait(PATIENCE)
    return done


def test_all_tasks_run_once(pool: LocalTasksProcessing) -> None:
    for _ in range(20):
        assert sorted(number for number, _ in in_turn(pool, 200)) == list(range(200))


def test_tasks_that_wait_for_each_other_all_run(pool: LocalTasksProcessing) -> None:
    together = threading.Barrier(DEFAULT_LOCAL_TASK_THREAD_POOL_SIZE)
    done = in_turn(pool, DEFAULT_LOCAL_TASK_THREAD_POOL_SIZE, lambda _: together.wait(PATIENCE))
    assert len({thread for _, thread in done}) == DEFAULT_LOCAL_TASK_THREAD_POOL_SIZE


def test_one_that_blocks_holds_up_nobody_else(pool: LocalTasksProcessing) -> None:
    release = threading.Event()
    blocked = threading.Event()

    def block() -> None:
        blocked.set()
        release.wait(PATIENCE)

    pool.add_task(block)
    assert blocked.wait(PATIENCE)
    assert len(in_turn(pool, 100)) == 100
    release.set()


def test_there_are_never_more_threads_than_allowed(pool: LocalTasksProcessing) -> None:
    release = threading.Event()
    started: list[str] = []

    def block() -> None:
        started.append(threading.current_thread().name)
        release.wait(PATIENCE)

    count = 3 * DEFAULT_LOCAL_TASK_THREAD_POOL_SIZE
    for _ in range(count):
        pool.add_task(block)
    deadline = time.monotonic() + PATIENCE
    while len(started) < DEFAULT_LOCAL_TASK_THREAD_POOL_SIZE and time.monotonic() < deadline:
        threading.Event().wait(0.005)
    assert len(set(started)) == len(started) == DEFAULT_LOCAL_TASK_THREAD_POOL_SIZE
    release.set()
    while len(started) < count and time.monotonic() < deadline:
        threading.Event().wait(0.005)
    assert len(started) == count


def test_tasks_may_add_tasks(pool: LocalTasksProcessing) -> None:
    over = threading.Event()
    left = [2000]

    def task() -> None:
        left[0] -= 1
        if left[0] == 0:
            over.set()
        elif left[0] > 0:
            pool.add_task(task)

    pool.add_task(task)
    assert over.wait(PATIENCE)


def test_the_threads_end_with_the_pool() -> None:
    pool = LocalTasksProcessing(object(), time.monotonic)
    pool.parameters = {}
    in_turn(pool, 50, lambda _: threading.Event().wait(0.002))
    pool.stop()
    for thread in pool._threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
