"""Archives for uploads."""

from __future__ import annotations

import tarfile
from pathlib import Path

SUPPORTED_ARCHIVE_TYPES = ["zip", "tar", "tar.gz", "tar.bz2"]


def tar_blueprint(blueprint_path: str, dest_dir: str) -> str:
    """Pack the folder of a blueprint file into an archive in `dest_dir`; its top folder has the file's name.

    Returns: the path of the archive.
    """
    path = Path(blueprint_path).expanduser()
    return tar_file(str(path.parent), dest_dir, path.stem)


def tar_file(file_to_tar: str, destination_dir: str, tar_name: str = "") -> str:
    """Pack a file or a folder into an archive in `destination_dir`, links as what they lead to.

    Returns: the path of the archive.
    """
    name = tar_name or Path(file_to_tar).name
    target = Path(destination_dir) / f"{name}.tar.gz"
    with tarfile.open(target, "w:gz", dereference=True) as archive:
        archive.add(file_to_tar, arcname=name)
    return str(target)


def is_supported_archive_type(blueprint_path: str) -> bool:
    """Return whether a file's name says that it is an archive."""
    return blueprint_path.endswith(tuple(f".{kind}" for kind in SUPPORTED_ARCHIVE_TYPES))


def get_file_content(file_path: str) -> str:
    """Return the text of a file.

    Raises:
        RuntimeError: there is no such file.
    """
    path = Path(file_path).expanduser()
    if not path.is_file():
        raise RuntimeError(f"The file {path} does not exist")
    return path.read_text(encoding="utf-8")
