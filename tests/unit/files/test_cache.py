"""The cache of fetched files: bounded, least recently used first, never what is in use."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from manager_core.files.cache import PINNED, FileCache
from scheduler.clock import SystemClock
from tests.support.clock import FakeClock


def name(number: int) -> str:
    return f"{number:064x}"


def keep(cache: FileCache, number: int, size: int = 100) -> Path:
    """Put a file of `size` bytes in and return where it is."""
    temporary = cache.temporary()
    temporary.write_bytes(b"x" * size)
    cache.put("plugins", name(number), temporary)
    return cache.path("plugins", name(number))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cache(tmp_path: Path, clock: FakeClock) -> FileCache:
    return FileCache(tmp_path / "cache", limit=250, clock=clock)


def used(cache: FileCache, clock: FakeClock, *numbers: int) -> None:
    for number in numbers:
        clock.advance(1)
        assert cache.get("plugins", name(number)) is not None


def test_what_was_used_longest_ago_goes_first(cache: FileCache, clock: FakeClock) -> None:
    paths = [keep(cache, number) for number in range(3)]
    used(cache, clock, 0, 1, 2, 0)
    cache.release()
    assert cache.make_room() == [paths[1]]
    assert [path.exists() for path in paths] == [True, False, True]
    assert cache.make_room() == []


def test_what_another_process_uses_stays_and_goes_when_it_is_let_go(cache: FileCache, clock: FakeClock) -> None:
    paths = [keep(cache, number) for number in range(4)]
    used(cache, clock, 0, 1, 2, 3)
    cache.release()
    other = FileCache(cache.root, limit=250, clock=clock)
    assert other.get("plugins", name(0)) == paths[0]
    FileCache(cache.root, limit=1, clock=clock).make_room()
    assert [path.exists() for path in paths] == [True, False, False, False]
    other.release()
    assert FileCache(cache.root, limit=1, clock=clock).make_room() == [paths[0]]
    assert not paths[0].exists()


def test_a_folder_is_an_entry_too_and_goes_as_a_whole(cache: FileCache, clock: FakeClock) -> None:
    folder = cache.path("blueprints-unpacked", name(7))
    (folder / "scripts").mkdir(parents=True)
    (folder / "scripts" / "run.sh").write_bytes(b"x" * 300)
    assert cache.get("blueprints-unpacked", name(7)) == folder
    assert cache.make_room() == [], "it is in use"
    cache.release()
    assert cache.make_room() == [folder]
    assert list(folder.parent.iterdir()) == []


def test_a_process_lets_go_of_what_it_used_longest_ago(cache: FileCache, clock: FakeClock) -> None:
    for number in range(PINNED + 1):
        keep(cache, number, 1)
    used(cache, clock, *range(PINNED + 1))
    assert FileCache(cache.root, limit=0, clock=clock).make_room() == [cache.path("plugins", name(0))]


def test_what_was_not_asked_for_lately_can_be_let_go(cache: FileCache, clock: FakeClock) -> None:
    paths = [keep(cache, number) for number in range(2)]
    used(cache, clock, 0)
    clock.advance(100)
    used(cache, clock, 1)
    cache.release(unused_seconds=50)
    assert FileCache(cache.root, limit=0, clock=clock).make_room() == [paths[0]]


def test_an_entry_deleted_by_hand_is_not_there_and_can_come_back(cache: FileCache, clock: FakeClock) -> None:
    path = keep(cache, 1)
    used(cache, clock, 1)
    path.unlink()
    assert cache.get("plugins", name(1)) is None
    keep(cache, 1)
    assert cache.get("plugins", name(1)) == path


def test_only_old_leftovers_are_pruned(cache: FileCache, clock: FakeClock) -> None:
    path = keep(cache, 1)
    left = cache.temporary()
    unpacking = path.parent / ".unpack-1"
    unpacking.mkdir()
    now = clock.now().timestamp()
    for item in (left, unpacking):
        os.utime(item, (now, now))
    assert cache.prune() == 0
    clock.advance(2 * 86_400)
    assert cache.prune() == 2
    assert (left.exists(), unpacking.exists(), path.exists()) == (False, False, True)


def test_who_waits_for_a_fetch_goes_ahead_after_its_patience(cache: FileCache, clock: FakeClock) -> None:
    with cache.alone(name(1), 5), cache.alone(name(1), 5):
        assert 5 <= clock.monotonic() < 6


def test_threads_that_fetch_the_same_do_it_one_after_the_other(tmp_path: Path) -> None:
    cache = FileCache(tmp_path / "cache", limit=1000, clock=SystemClock())
    inside, most = 0, 0
    guard = threading.Lock()

    def fetch() -> None:
        nonlocal inside, most
        with cache.alone(name(1), 60):
            with guard:
                inside += 1
                most = max(most, inside)
            cache.temporary().write_bytes(b"x" * 100_000)
            with guard:
                inside -= 1

    threads = [threading.Thread(target=fetch) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (inside, most) == (0, 1)
