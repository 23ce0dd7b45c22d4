"""The files of a data directory, to another one: archives by their hash, the rest as it lies. Safe to repeat."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from manager_core.moving.source import MoveRefused

STORED = ("blueprints", "plugins", "snapshots")
FOLDERS = ("deployments", "workdirs", "icons", "resources")
"""What is not named by its content. Left behind: what is unpacked, installed or fetched again when it is needed."""
SINGLE = ("admin-password",)


def copy_files(source: Path, target: Path) -> int:
    """Copy what the manager keeps in files; return how many there are.

    Raises:
        MoveRefused: an archive is not what its name says, or the disk refuses.
    """
    if source.resolve() == target.resolve():
        return sum(1 for _ in _archives(source))
    copied = 0
    try:
        for path in _archives(source):
            _copy(path, target / path.relative_to(source), expected=path.name)
            copied += 1
        for path in _others(source):
            _copy(path, target / path.relative_to(source))
            copied += 1
    except OSError as error:
        raise MoveRefused(f"the files cannot be copied: {error.filename}: {error.strerror}") from error
    return copied


def _archives(folder: Path) -> Iterator[Path]:
    for kind in STORED:
        yield from sorted(path for path in (folder / "files" / kind).glob("*/*") if path.is_file())


def _others(folder: Path) -> Iterator[Path]:
    for name in SINGLE:
        if (folder / name).is_file():
            yield folder / name
    for kind in FOLDERS:
        for place, _, names in os.walk(folder / kind):
            yield from (Path(place) / name for name in sorted(names) if not (Path(place) / name).is_symlink())


def _copy(source: Path, target: Path, *, expected: str | None = None) -> None:
    """Copy one file whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name[:100]}.partial")
    shutil.copy2(source, partial)
    if expected is not None:
        with partial.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
            os.fsync(stream.fileno())
        if found != expected:
            partial.unlink()
            raise MoveRefused(f"the stored file {source} is damaged: its SHA-256 is {found}, expected {expected}")
    partial.replace(target)
