"""Files under the data directory, addressed by the SHA-256 of their content.

A file is written under a temporary name, flushed to disk and renamed: after a kill there is the whole file or none.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from manager_core.errors import BadParameters, NotFound


class FileStore:
    """Content-addressed files: `<root>/<kind>/<hash[:2]>/<hash>`.

    Attributes:
        fetches: whether files that are not here are looked for on other hosts.
        serves: whether this process is an API: what it takes in stays here, and others fetch it from here.
    """

    fetches = False

    def __init__(self, root: Path) -> None:
        """Use `root`; folders are made when first needed."""
        self.root = root
        self.serves = False

    def path(self, kind: str, content_hash: str) -> Path:
        """Return where the file of this hash is, whether or not it exists."""
        return self.root / kind / content_hash[:2] / content_hash

    def find(self, kind: str, content_hash: str, what: str = "The file") -> Path | None:
        """Return a file that can be read, or None. `what` begins the message when it could be but is not had."""
        del what
        path = self.path(kind, content_hash)
        return path if path.is_file() else None

    def require(self, kind: str, content_hash: str, what: str = "The file") -> Path:
        """Return a file that can be read.

        Raises:
            NotFound: it is not here.
        """
        path = self.find(kind, content_hash, what)
        if path is None:
            raise NotFound(
                f"{what} ({kind}/{content_hash}) is not on this host. When the API is on another one, CLOUDIFY_API_URL "
                "has to say where"
            )
        return path

    def temporary(self) -> Path:
        """Return a new empty file to write an upload into; give it to `adopt` or delete it."""
        folder = self.root / "tmp"
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder)
        os.close(handle)
        return Path(name)

    def adopt(self, kind: str, temporary: Path, expected: str | None = None) -> str:
        """Move a written temporary file into the store and return its hash.

        Raises:
            BadParameters: it is not the `expected` one.
        """
        digest = hashlib.sha256()
        with temporary.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
            os.fsync(stream.fileno())
        content_hash = digest.hexdigest()
        if expected is not None and content_hash != expected:
            raise BadParameters(f"The content has SHA-256 {content_hash}, expected {expected}")
        target = self.path(kind, content_hash)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(target)
        return content_hash

    def put(self, kind: str, blocks: Iterable[bytes]) -> str:
        """Store content block by block and return its hash."""
        temporary = self.temporary()
        with temporary.open("wb") as stream:
            for block in blocks:
                stream.write(block)
        return self.adopt(kind, temporary)

    def remove(self, kind: str, content_hash: str) -> None:
        """Delete a file if it is there."""
        self.path(kind, content_hash).unlink(missing_ok=True)

    def prune_temporary(self, *, older_than_seconds: float, now: datetime) -> int:
        """Delete temporary files that an interrupted upload left behind; return how many."""
        limit = now.timestamp() - older_than_seconds
        removed = 0
        for path in (self.root / "tmp").glob("*"):
            if path.is_file() and path.stat().st_mtime < limit:
                path.unlink(missing_ok=True)
                removed += 1
        return removed
