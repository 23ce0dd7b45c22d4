"""Unpacking uploaded archives: zip, tar, tar.gz and tar.bz2, each of them hostile until proven.

Decides which entries may become files; every byte and every entry is counted while it is read, so that an archive
that grows beyond the limits is given up in the middle. Links are made after all files, hence no file is ever written
through one. Memory use does not depend on the size of the archive.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from manager_core.errors import BadParameters

FORMATS = ["zip", "tar", "tar.gz", "tar.bz2"]
UNRECOGNIZED = f"Blueprint archive is of an unrecognized format. Supported formats are: {FORMATS}"
ONE_DIRECTORY = "Archive must contain exactly 1 directory"
BLOCK = 1 << 20
_LARGEST_READ = 8 << 20
"""A single read beyond this is a header that claims to be huge, never data: data are read in blocks."""
_DEEPEST = 200


@dataclass(frozen=True)
class Limits:
    """How far an archive may expand.

    Attributes:
        entries: files, folders and links.
        floor: bytes that any archive may expand to.
        ratio: beyond the floor, how many times its own size an archive may expand to.
        ceiling: bytes that no archive may exceed.
    """

    entries: int = 100_000
    floor: int = 1 << 30
    ratio: int = 100
    ceiling: int = 8 << 30

    def expanded(self, archive_size: int) -> int:
        """Return the bytes that an archive of this size may expand to."""
        return min(self.ceiling, max(self.floor, self.ratio * archive_size))


@dataclass(frozen=True)
class Entry:
    """One member of an archive.

    Attributes:
        name: as the archive has it.
        kind: `file`, `folder`, `symlink` or `hardlink`.
        executable: whether the owner may execute it.
        link: what a link points to.
        stream: the content of a file.
    """

    name: str
    kind: str
    executable: bool = False
    link: str = ""
    stream: IO[bytes] | None = None


def archive_format(path: Path) -> str | None:
    """Return which of `FORMATS` a file is in, told from its first bytes, or None."""
    with path.open("rb") as stream:
        head = stream.read(512)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if head.startswith(b"\x1f\x8b"):
        return "tar.gz"
    if head.startswith(b"BZh"):
        return "tar.bz2"
    if head[257:262] == b"ustar" or _old_tar(head):
        return "tar"
    return None


def _old_tar(head: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


class _Counted:
    """A stream that refuses to give more than a number of bytes, or too much of it in one read."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        self._stream = stream
        self._limit = limit

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > _LARGEST_READ:
            raise BadParameters("The archive has an entry whose header is too large")
        data = self._stream.read(size)
        self._check()
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == 0 and offset > self._limit + BLOCK:
            raise BadParameters(too_large(self._limit))
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def _check(self) -> None:
        if self._stream.tell() > self._limit:
            raise BadParameters(too_large(self._limit))


def too_large(limit: int) -> str:
    """Return the refusal of an archive that expands beyond `limit` bytes."""
    return f"The archive expands to more than {limit >> 20} MB"


def _neither(name: str) -> str:
    return f"The archive has an entry that is neither file, folder nor link: {name}"


@contextmanager
def counted_tar(path: Path, kind: str, limit: int) -> Iterator[tarfile.TarFile]:
    """Open a tar that is read entry by entry, and given up beyond `limit` expanded bytes or at a huge header.

    Args:
        kind: one of `FORMATS`, not `zip`.

    Raises:
        BadParameters: also from the calls of what is yielded.
    """
    opened: Any
    if kind == "tar.gz":
        opened = gzip.open(path, "rb")  # noqa: SIM115 - closed below with the tar
    elif kind == "tar.bz2":
        opened = bz2.open(path, "rb")  # noqa: SIM115 - closed below with the tar
    else:
        opened = path.open("rb")
    with opened, tarfile.open(fileobj=_Counted(opened, limit), mode="r:", encoding="utf-8") as tar:  # type: ignore[call-overload]  # _Counted has what is used of a file
        yield tar


def _tar_entries(path: Path, kind: str, limit: int) -> Iterator[Entry]:
    with counted_tar(path, kind, limit) as tar:
        while (member := tar.next()) is not None:
            # The list of members read so far would grow with the archive.
            tar.members = []  # type: ignore[attr-defined]
            executable = bool(member.mode & stat.S_IXUSR)
            if member.isdir():
                yield Entry(member.name, "folder")
            elif member.issym():
                yield Entry(member.name, "symlink", link=member.linkname)
            elif member.islnk():
                yield Entry(member.name, "hardlink", link=member.linkname)
            elif member.isreg():
                yield Entry(member.name, "file", executable, stream=tar.extractfile(member))
            else:
                raise BadParameters(_neither(member.name))


_EOCD = struct.Struct("<4s4H2LH")
_LARGEST_DIRECTORY = 64 << 20


def _zip_entries(path: Path) -> Iterator[Entry]:
    check_zip_directory(path)
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            mode = member.external_attr >> 16
            if member.flag_bits & 0x1:
                raise BadParameters(f"The archive has an encrypted entry: {member.filename}")
            if member.is_dir():
                yield Entry(member.filename, "folder")
            elif stat.S_ISLNK(mode):
                with archive.open(member) as stream:
                    yield Entry(member.filename, "symlink", link=os.fsdecode(stream.read(4096)))
            elif stat.S_IFMT(mode) in {0, stat.S_IFREG}:
                with archive.open(member) as stream:
                    yield Entry(member.filename, "file", bool(mode & stat.S_IXUSR), stream=stream)
            else:
                raise BadParameters(
                    f"The archive has an entry that is neither file, folder nor link: {member.filename}"
                )


def check_zip_directory(path: Path) -> None:
    """Refuse a central directory that would fill the memory before the first entry is looked at.

    Raises:
        BadParameters: it is too large, or there is none.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        stream.seek(max(0, size - 65_557))
        tail = stream.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _EOCD.size:
        raise BadParameters("The archive is damaged: it has no central directory")
    length = _EOCD.unpack_from(tail, at)[5]
    locator = tail.rfind(b"PK\x06\x06", 0, at)
    if locator >= 0 and len(tail) - locator >= 48:
        length = max(length if length != 0xFFFFFFFF else 0, struct.unpack_from("<Q", tail, locator + 40)[0])
    if length > _LARGEST_DIRECTORY:
        raise BadParameters("The archive has too many entries")


def _parts(name: str) -> tuple[str, ...]:
    """Return the path of an entry below the target.

    Raises:
        BadParameters: it is absolute, climbs out, or is no legal file name.
    """
    if name.startswith(("/", "\\")) or (len(name) > 1 and name[1] == ":"):
        raise BadParameters(f"The archive has an entry with an absolute path: {name}")
    parts = tuple(part for part in PurePosixPath(name).parts if part != ".")
    if ".." in parts or ".." in name.split("\\"):
        raise BadParameters(f"The archive has an entry outside of it: {name}")
    if "\x00" in name or len(parts) > _DEEPEST:
        raise BadParameters("The archive has an entry whose name is not legal")
    return parts


class _Unpacker:
    def __init__(self, target: Path, limits: Limits, limit: int) -> None:
        self.target = target
        self.limits = limits
        self.limit = limit
        self.entries = 0
        self.written = 0
        self.symlinks: list[tuple[Path, str]] = []

    def take(self, entry: Entry) -> None:
        self.entries += 1
        if self.entries > self.limits.entries:
            raise BadParameters(f"The archive has more than {self.limits.entries} entries")
        parts = _parts(entry.name)
        if not parts:
            return
        path = self.target.joinpath(*parts)
        if entry.kind == "folder":
            path.mkdir(parents=True, exist_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if entry.kind == "symlink":
            self.symlinks.append((path, entry.link))
        elif entry.kind == "hardlink":
            self._hard_link(path, entry)
        else:
            self._file(path, entry)

    def _file(self, path: Path, entry: Entry) -> None:
        path.unlink(missing_ok=True)
        assert entry.stream is not None
        with path.open("wb") as target:
            while block := entry.stream.read(BLOCK):
                self.written += len(block)
                if self.written > self.limit:
                    raise BadParameters(too_large(self.limit))
                target.write(block)
        path.chmod(0o755 if entry.executable else 0o644)

    def _hard_link(self, path: Path, entry: Entry) -> None:
        source = self.target.joinpath(*_parts(entry.link))
        if not source.is_file():
            raise BadParameters(f"The archive has a link to what is not in it: {entry.name}")
        path.unlink(missing_ok=True)
        os.link(source, path)

    def finish(self) -> None:
        """Make the symbolic links, then see that none of them, alone or through others, leads out."""
        for path, link in self.symlinks:
            if not link or "\x00" in link or link.startswith("/"):
                raise BadParameters(f"The archive has a link out of it: {path.name}")
            if path.is_symlink():
                path.unlink()
            path.symlink_to(link)
        root = self.target.resolve()
        for path, _ in self.symlinks:
            if not Path(os.path.realpath(path)).is_relative_to(root):
                raise BadParameters(f"The archive has a link out of it: {path.name}")


def extract(archive: Path, target: Path, limits: Limits | None = None) -> str:
    """Unpack an archive into an existing empty folder.

    Args:
        archive: the file.
        target: where to; on an error it holds what was unpacked until then, and the caller removes it.
        limits: how far the archive may expand.

    Returns:
        The archive's format, one of `FORMATS`.

    Raises:
        BadParameters: unknown format, damaged, an entry that leads out, a device, or beyond the limits.
    """
    limits = limits or Limits()
    kind = archive_format(archive)
    if kind is None:
        raise BadParameters(UNRECOGNIZED)
    limit = limits.expanded(archive.stat().st_size)
    # Headers and padding of a tar count as expansion too, hence the room above the files' own limit.
    framing = limits.entries * 2048
    unpacker = _Unpacker(target, limits, limit)
    try:
        for entry in _zip_entries(archive) if kind == "zip" else _tar_entries(archive, kind, limit + framing):
            unpacker.take(entry)
        unpacker.finish()
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, NotImplementedError) as error:
        if kind.startswith("tar") and unpacker.entries == 0 and isinstance(error, tarfile.ReadError):
            raise BadParameters(UNRECOGNIZED) from error
        raise BadParameters(f"The archive is damaged: {error}") from error
    except (gzip.BadGzipFile, OSError, ValueError, RuntimeError) as error:
        # What the file system refuses: a name too long, a file where another entry needs a folder, a full disk.
        raise BadParameters(f"The archive cannot be unpacked: {error}") from error
    return kind


def unpack_single(archive: Path, target: Path, limits: Limits | None = None, *, replace: bool = True) -> str:
    """Unpack an archive that holds one folder; `target` becomes that folder.

    The content is unpacked beside `target` and moved there whole, so `target` is complete or absent.

    Args:
        replace: put it in the place of what is there; False leaves a `target` that somebody else was faster to make.

    Returns:
        The archive's format.

    Raises:
        BadParameters: see `extract`; or there is not exactly one top folder.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".unpack-", dir=target.parent))
    try:
        kind = extract(archive, scratch, limits)
        found = list(scratch.iterdir())
        if len(found) != 1 or not found[0].is_dir() or found[0].is_symlink():
            raise BadParameters(ONE_DIRECTORY)
        if target.exists() and not replace:
            return kind
        if target.exists():
            target.rename(scratch / ".replaced" if found[0].name != ".replaced" else scratch / ".replaced_")
        try:
            found[0].rename(target)
        except OSError:
            if replace or not target.exists():
                raise
        else:
            target.chmod(0o755)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return kind


def pack(folder: Path, name: str, target: Path) -> None:
    """Write a tar.gz whose one top folder `name` holds the content of `folder`."""
    with gzip.open(target, "wb", compresslevel=5) as stream, tarfile.open(fileobj=stream, mode="w|") as tar:
        tar.add(folder, arcname=name, filter=_anonymous)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
