"""Files that are not named by their content: work directories, resources and icons of one data directory, as a zip."""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

FOLDER_KINDS = ("workdirs", "deployments", "icons", "resources")
_PREFIX = "folders"


def write_folders(home: Path, target: zipfile.ZipFile) -> int:
    """Write the folders of the data directory `home`; return how many files they hold."""
    total = 0
    for kind in FOLDER_KINDS:
        root = home / kind
        for folder, _, names in os.walk(root):
            for name in sorted(names):
                path = Path(folder) / name
                shown = f"{_PREFIX}/{kind}/{path.relative_to(root).as_posix()}"
                total += write_file(target, path, shown, zipfile.ZIP_DEFLATED)
    return total


def copy_folders(source: zipfile.ZipFile, target: zipfile.ZipFile) -> int:
    """Copy what `target` has not got yet from another zip of folders; return how many files."""
    total = 0
    for info in source.infolist():
        if info.filename not in target.NameToInfo:
            with source.open(info) as read, target.open(info, "w", force_zip64=True) as written:
                shutil.copyfileobj(read, written, 1 << 20)
            total += 1
    return total


def folder_entries(opened: zipfile.ZipFile) -> Iterator[tuple[PurePosixPath, zipfile.ZipInfo]]:
    """Yield (path below the data directory, entry) of every file of the folders; nothing leads out of it."""
    for info in opened.infolist():
        path = PurePosixPath(info.filename)
        if info.is_dir() or path.parts[0] != _PREFIX or ".." in path.parts or len(path.parts) < 3:
            continue
        if path.parts[1] in FOLDER_KINDS:
            yield PurePosixPath(*path.parts[1:]), info


def load_folders(opened: zipfile.ZipFile, home: Path) -> int:
    """Put the folders of a zip into a data directory, over what is there; return how many files."""
    total = 0
    for path, info in folder_entries(opened):
        target = home / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with opened.open(info) as stream, target.open("wb") as written:
            shutil.copyfileobj(stream, written, 1 << 20)
        target.chmod(0o700 if info.external_attr >> 16 & 0o100 else 0o600)
        total += 1
    return total


def write_file(target: zipfile.ZipFile, path: Path, name: str, method: int) -> int:
    """Copy one file into a zip; what vanished meanwhile, or is no file, is left out. Returns how many it were."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return 0
        info = zipfile.ZipInfo.from_file(path, name, strict_timestamps=False)
        info.compress_type = method
        with path.open("rb") as source, target.open(info, "w", force_zip64=True) as stream:
            shutil.copyfileobj(source, stream, 1 << 20)
    except FileNotFoundError:
        return 0
    return 1


def only_folders(snapshot: Path, target: Path) -> int:
    """Write the folders of a snapshot as a zip of their own; return how many files they hold."""
    with zipfile.ZipFile(snapshot) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as written:
        total = 0
        for _, info in folder_entries(source):
            with source.open(info) as read, written.open(info, "w", force_zip64=True) as stream:
                shutil.copyfileobj(read, stream, 1 << 20)
            total += 1
    return total
