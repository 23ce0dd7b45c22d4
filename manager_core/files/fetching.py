"""The file store of a process whose API may be on another host: what is not here is fetched, what is made is handed in.

Originals (what an API of this data directory took in) are read and never touched; fetched files are in a cache of their
own. Files are named by their content, so a fetched file is either the right one or refused.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from manager_core.files.cache import FileCache, Unpack
from manager_core.files.remote import FOLDERS, FileUnavailable, RemoteFiles, Unreachable
from manager_core.store.files import FileStore
from scheduler.clock import Clock

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
SERVED_SECONDS = 900.0
"""How long an API, which does not end as an execution does, keeps a fetched file in use."""

_TRIES = 3
T = TypeVar("T")


class FetchingFiles(FileStore):
    """Originals of this host, and the files of APIs on others."""

    fetches = True

    def __init__(
        self,
        root: Path,
        *,
        cache: FileCache,
        clock: Clock,
        patience: float,
        first: RemoteFiles,
        others: Callable[[], Iterable[RemoteFiles]] = tuple,
        shared: Callable[[], bool] = lambda: False,
    ) -> None:
        """Use the originals below `root` and the cache.

        Args:
            patience: seconds for which an API that does not answer is asked again.
            first: the API at `CLOUDIFY_API_URL`.
            others: further APIs to ask for a file the first one has not.
            shared: tells whether an API works in this data directory.
        """
        super().__init__(root)
        self.cache = cache
        self._clock = clock
        self._patience = patience
        self._first = first
        self._others = others
        self._shared = shared

    @property
    def holds_originals(self) -> bool:
        """Whether what is put into this data directory is where an API has it."""
        return self.serves or self._shared()

    def find(self, kind: str, content_hash: str, what: str = "The file") -> Path | None:
        """Return a file that can be read, fetched when it is not here; None when nobody has it.

        Raises:
            FileUnavailable: it cannot be fetched, or what came is another file.
        """
        if self.serves:
            self.cache.release(unused_seconds=SERVED_SECONDS)
        for _ in range(_TRIES):  # a fetched file may be crowded out again before it is in use
            path = super().find(kind, content_hash) or self.cache.get(kind, content_hash)
            if path is not None:
                return path
            with self.cache.alone(content_hash, self._patience):
                path = self.cache.get(kind, content_hash)
                if path is None and not self._fetch(kind, content_hash, what):
                    return None
                path = path or self.cache.get(kind, content_hash)
            self.cache.make_room()
            if path is not None:
                return path
        raise FileUnavailable(f"{_named(what, kind, content_hash)} cannot be kept: the cache is too small or too busy")

    def require(self, kind: str, content_hash: str, what: str = "The file") -> Path:
        """Return a file that can be read, fetched when it is not here.

        Raises:
            FileUnavailable: it cannot be fetched, what came is another file, or nobody has it.
        """
        path = self.find(kind, content_hash, what)
        if path is None:
            raise FileUnavailable(
                f"{_named(what, kind, content_hash)} is neither on this host nor at {self._first.host}: "
                "it answered 404 Not Found"
            )
        return path

    def adopt(self, kind: str, temporary: Path, expected: str | None = None) -> str:
        """Take a written file in and return its hash: an API keeps it, everybody else hands it to the API.

        Raises:
            FileUnavailable: the API cannot be reached or does not take it.
        """
        if self.holds_originals:
            return super().adopt(kind, temporary, expected)
        content_hash = _hash(temporary)
        what = f"The new file {kind}/{content_hash}"
        if super().find(kind, content_hash) is None:
            self._patiently(what, "handed to", lambda: self._hand_in(kind, content_hash, temporary))
        self.cache.put(kind, content_hash, temporary)
        self.cache.get(kind, content_hash)
        self.cache.make_room()
        return content_hash

    def unpacked(self, kind: str, content_hash: str, unpack: Unpack, what: str = "The file") -> Path:
        """Return the folder unpacked from a file, kept under the file's hash.

        Args:
            unpack: see `cache.Unpack`; it leaves a whole folder or none.

        Raises:
            FileUnavailable: see `require`; and whatever `unpack` raises.
        """
        folder = kind + "-unpacked"
        for _ in range(_TRIES):
            home = self.cache.get(folder, content_hash)
            if home is not None:
                return home
            unpack(self.require(kind, content_hash, what), self.cache.path(folder, content_hash))
            home = self.cache.get(folder, content_hash)
            self.cache.make_room()
            if home is not None:
                return home
        raise FileUnavailable(f"{_named(what, kind, content_hash)} cannot be kept: the cache is too small or too busy")

    def fetch_folders(self, target: Path) -> None:
        """Write the work directories, resources and icons of the API's host into a zip.

        Raises:
            FileUnavailable: it cannot be fetched.
        """
        what = "The zip of work directories, resources and icons"
        if self._patiently(what, "fetched from", lambda: self._first.fetch(FOLDERS, "", target)) is None:
            raise FileUnavailable(f"{what} cannot be fetched from {self._first.host}: it answered 404 Not Found")

    def send_folders(self, source: Path) -> None:
        """Let the API's host have the folders in a zip; raises as `fetch_folders`."""
        what = "The zip of work directories, resources and icons"
        content_hash = _hash(source)
        self._patiently(what, "handed to", lambda: self._first.send(FOLDERS, content_hash, source))

    def prune_temporary(self, *, older_than_seconds: float, now: datetime) -> int:
        """Delete what interrupted uploads and downloads left behind; return how many."""
        self.cache.make_room()
        return super().prune_temporary(older_than_seconds=older_than_seconds, now=now) + self.cache.prune()

    def _fetch(self, kind: str, content_hash: str, what: str) -> bool:
        """Fetch a file into the cache; tell whether anybody had it."""
        named = _named(what, kind, content_hash)
        if self._patiently(named, "fetched from", lambda: self._fetch_from(self._first, kind, content_hash, named)):
            return True
        for remote in self._others():
            try:
                if self._fetch_from(remote, kind, content_hash, named):
                    return True
            except (Unreachable, FileUnavailable):
                continue
        return False

    def _fetch_from(self, remote: RemoteFiles, kind: str, content_hash: str, named: str) -> bool:
        temporary = self.cache.temporary()
        try:
            got = remote.fetch(kind, content_hash, temporary)
            if got is None:
                return False
            if got != content_hash:
                raise FileUnavailable(
                    f"{named} is refused: what {remote.host} gave has SHA-256 {got}, expected {content_hash}"
                )
            with temporary.open("rb") as stream:
                os.fsync(stream.fileno())
            self.cache.put(kind, content_hash, temporary)
            return True
        finally:
            temporary.unlink(missing_ok=True)

    def _hand_in(self, kind: str, content_hash: str, temporary: Path) -> None:
        if not self._first.has(kind, content_hash):
            self._first.send(kind, content_hash, temporary)

    def _patiently(self, what: str, doing: str, action: Callable[[], T]) -> T:
        """Do something at the API at `CLOUDIFY_API_URL`, again and again while it does not answer."""
        deadline = self._clock.monotonic() + self._patience
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                return action()
            except Unreachable as error:
                left = deadline - self._clock.monotonic()
                if left <= 0:
                    raise FileUnavailable(
                        f"{what} cannot be {doing} {self._first.host}: {error} (tried for {self._patience:g} s; "
                        "CLOUDIFY_API_URL says where the API is)"
                    ) from None
                self._clock.wait(min(pause, left))
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            except FileUnavailable as error:
                if what in error.message:
                    raise
                raise FileUnavailable(f"{what} cannot be {doing} {self._first.host}: {error.message}") from None


def _named(what: str, kind: str, content_hash: str) -> str:
    return f"{what} ({kind}/{content_hash})"


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
