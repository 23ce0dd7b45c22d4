"""Fetched files and what was unpacked from them: a folder apart from the originals, kept below a size.

    <root>/<kind>/<hash[:2]>/<hash>      a fetched file, or a folder unpacked from one
    <root>/tmp/                          downloads under way
    <root>/locks/                        who fetches what

The least recently used go first, and none in use: whoever uses an entry holds a shared lock on it (which a crash gives
back), and only an entry that can be locked exclusively is deleted. Many processes may share a cache.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from scheduler.clock import Clock

Unpack = Callable[[Path, Path], object]
"""Makes a folder of a file: (the file, the folder to make)."""

PINNED = 128
"""Entries that one process keeps in use at a time: the last ones it asked for."""

UNFINISHED_SECONDS = 86_400.0
_OWN = frozenset({"tmp", "locks"})
_LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class _Entry:
    path: Path
    used_at: float
    size: int


class FileCache:
    """A folder of fetched files; safe to use from many threads and processes."""

    def __init__(self, root: Path, *, limit: int, clock: Clock) -> None:
        """Use a folder, made when needed.

        Args:
            limit: bytes; exceeded only by what is in use.
        """
        self.root = root
        self._limit = limit
        self._clock = clock
        self._pins: OrderedDict[Path, tuple[int, float]] = OrderedDict()
        self._guard = threading.Lock()

    def path(self, kind: str, content_hash: str) -> Path:
        """Return where an entry is, whether or not it exists."""
        return self.root / kind / content_hash[:2] / content_hash

    def temporary(self) -> Path:
        """Return a new empty file to download into; give it to `put` or delete it."""
        folder = self.root / "tmp"
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder)
        os.close(handle)
        return Path(name)

    def get(self, kind: str, content_hash: str) -> Path | None:
        """Return an entry and count it as used, from now on by this process; None when there is none."""
        path = self.path(kind, content_hash)
        if not self._pin(path):
            return None
        with contextlib.suppress(OSError):
            now = self._clock.now().timestamp()
            os.utime(path, (now, now))
        return path

    def put(self, kind: str, content_hash: str, temporary: Path) -> None:
        """Move a whole, checked file into the cache."""
        target = self.path(kind, content_hash)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.replace(target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            copy = self.temporary()  # the cache is on a disk of its own
            shutil.copyfile(temporary, copy)
            copy.replace(target)
            temporary.unlink()

    @contextlib.contextmanager
    def alone(self, content_hash: str, patience: float) -> Iterator[None]:
        """Hold the right to fetch a file, so that it is fetched once.

        Whoever has waited for `patience` seconds goes ahead without: fetching twice does no harm.
        """
        folder = self.root / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        deadline = self._clock.monotonic() + patience
        with (folder / content_hash[:3]).open("w") as lock:
            while not _locked(lock.fileno(), fcntl.LOCK_EX):
                if self._clock.monotonic() >= deadline:
                    break
                self._clock.wait(_LOOK_SECONDS)
            yield

    def make_room(self) -> list[Path]:
        """Delete entries until the rest is within the limit; return those that are gone."""
        entries = sorted(self._entries(), key=lambda entry: entry.used_at)
        excess = sum(entry.size for entry in entries) - self._limit
        gone = []
        for entry in entries:
            if excess <= 0:
                break
            if self._delete(entry.path):
                excess -= entry.size
                gone.append(entry.path)
        return gone

    def prune(self) -> int:
        """Delete what an interrupted download or unpacking left behind a day ago; return how many."""
        limit = self._clock.now().timestamp() - UNFINISHED_SECONDS
        removed = 0
        for path in (*self.root.glob("tmp/*"), *self.root.glob("*/*/.*")):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < limit:
                    _remove(path)
                    removed += 1
        return removed

    def release(self, *, unused_seconds: float = 0.0) -> None:
        """Let go of what this process has not asked for since so many seconds."""
        limit = self._clock.monotonic() - unused_seconds
        with self._guard:
            for path in [path for path, (_, asked_at) in self._pins.items() if asked_at <= limit]:
                os.close(self._pins.pop(path)[0])

    def _pin(self, path: Path) -> bool:
        now = self._clock.monotonic()
        with self._guard:
            held = self._pins.pop(path, None)
            if held is not None and not _same(held[0], path):
                os.close(held[0])  # it was deleted by hand
                held = None
            descriptor = held[0] if held is not None else _shared(path)
            if descriptor is None:
                return False
            self._pins[path] = (descriptor, now)
            while len(self._pins) > PINNED:
                os.close(self._pins.popitem(last=False)[1][0])
        return True

    def _entries(self) -> Iterator[_Entry]:
        for path in self.root.glob("*/*/*"):
            if path.parts[-3] in _OWN or path.name.startswith("."):
                continue
            with contextlib.suppress(OSError):
                found = path.stat()
                size = _size_of_folder(path) if stat.S_ISDIR(found.st_mode) else found.st_size
                yield _Entry(path, found.st_mtime, size)

    def _delete(self, path: Path) -> bool:
        """Delete an entry that nobody uses; tell whether it is gone."""
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        try:
            if not _locked(descriptor, fcntl.LOCK_EX) or not _same(descriptor, path):
                return False
            if not path.is_dir():
                path.unlink(missing_ok=True)
                return True
            # Out of the way first: nobody finds half a folder.
            dying = path.with_name(f".{path.name}.{os.getpid()}")
            path.rename(dying)
            shutil.rmtree(dying, ignore_errors=True)
            return True
        except OSError:
            return False
        finally:
            os.close(descriptor)


def _shared(path: Path) -> int | None:
    """Open and lock an entry for use; None when there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    if _same(descriptor, path):
        return descriptor
    os.close(descriptor)  # it was deleted between the two
    return None


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def _size_of_folder(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(place) / name).lstat().st_size
    return total


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
