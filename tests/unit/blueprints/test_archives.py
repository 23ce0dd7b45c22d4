"""Promises of archive unpacking: what is legal arrives whole, nothing leads out, nothing grows without end."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from manager_core.blueprints.archives import Limits, archive_format, extract, pack, unpack_single
from manager_core.errors import BadParameters


def tar_of(path: Path, entries: list[tuple[tarfile.TarInfo, bytes]], mode: str = "w:gz") -> Path:
    """Write a tar with exactly these entries."""
    with tarfile.open(path, mode) as tar:
        for info, data in entries:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def file(name: str, data: bytes = b"x", mode: int = 0o644) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.mode = mode
    return info, data


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    return info, b""


@pytest.mark.parametrize("mode,kind", [("w", "tar"), ("w:gz", "tar.gz"), ("w:bz2", "tar.bz2")])
def test_each_tar_format_is_recognised_and_unpacked(tmp_path: Path, mode: str, kind: str) -> None:
    """tar, tar.gz and tar.bz2 give the same folder."""
    archive = tar_of(tmp_path / "a", [file("bp/blueprint.yaml", b"text"), file("bp/s/run.sh", b"#!", 0o755)], mode)
    assert unpack_single(archive, tmp_path / "out" / "bp") == kind
    assert (tmp_path / "out/bp/blueprint.yaml").read_bytes() == b"text"
    assert os.access(tmp_path / "out/bp/s/run.sh", os.X_OK)
    assert not os.access(tmp_path / "out/bp/blueprint.yaml", os.X_OK)


def test_a_zip_is_unpacked(tmp_path: Path) -> None:
    """zip gives the folder too."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("bp/blueprint.yaml", "text")
        archive.writestr("bp/sub/", "")
    assert unpack_single(tmp_path / "a.zip", tmp_path / "bp") == "zip"
    assert (tmp_path / "bp/blueprint.yaml").read_text() == "text"
    assert (tmp_path / "bp/sub").is_dir()


@pytest.mark.parametrize("content", [b"", b"hello", b"\x00" * 2048, b"\x7fELF" + b"\x01" * 600])
def test_other_files_are_refused_by_the_names_of_the_formats(tmp_path: Path, content: bytes) -> None:
    """What is no archive is told so, with the formats that are."""
    (tmp_path / "a").write_bytes(content)
    (tmp_path / "out").mkdir()
    with pytest.raises(BadParameters, match=r"unrecognized format. Supported formats are: \['zip', 'tar', 'tar.gz'"):
        extract(tmp_path / "a", tmp_path / "out")


@pytest.mark.parametrize(
    "entries",
    [
        [file("../escape")],
        [file("bp/../../escape")],
        [file("/etc/escape")],
        [link("bp/l", "/etc/passwd")],
        [link("bp/l", "../../..")],
        [link("bp/l", "a/../../../x")],
        [link("bp/h", "../outside", tarfile.LNKTYPE)],
        [link("bp/h", "/etc/passwd", tarfile.LNKTYPE)],
        [link("bp/d", "", tarfile.CHRTYPE)],
        [link("bp/d", "", tarfile.BLKTYPE)],
        [link("bp/d", "", tarfile.FIFOTYPE)],
        # A link that is harmless alone and leads out through another one.
        [file("bp/p/q/f"), link("bp/p/q/x", "../../."), link("bp/out", "p/q/x/../../y")],
        [link("bp/up", ".."), link("bp/up2", "up/..")],
        [link("bp/dir", "/tmp"), file("bp/dir/escape")],
    ],
    ids=lambda entries: entries[-1][0].name + ">" + entries[-1][0].linkname,
)
def test_nothing_leads_out_of_the_folder(tmp_path: Path, entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    """Traversal, absolute paths, links out and devices are refused, and leave nothing behind."""
    home = tmp_path / "home"
    home.mkdir()
    archive = tar_of(tmp_path / "a", [file("bp/blueprint.yaml"), *entries])
    with pytest.raises(BadParameters):
        unpack_single(archive, home / "bp")
    assert list(home.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "home"]


def test_links_inside_are_kept(tmp_path: Path) -> None:
    """A symbolic and a hard link within the archive work after unpacking."""
    archive = tar_of(
        tmp_path / "a", [file("bp/f", b"1"), link("bp/s/l", "../f"), link("bp/h", "bp/f", tarfile.LNKTYPE)]
    )
    unpack_single(archive, tmp_path / "bp")
    assert (tmp_path / "bp/s/l").read_bytes() == b"1"
    assert (tmp_path / "bp/h").read_bytes() == b"1"


def test_an_archive_of_zeros_is_given_up_at_the_limit(tmp_path: Path) -> None:
    """The expanded size counts, whatever the headers say."""
    archive = tar_of(tmp_path / "a", [file("bp/f", b"\0" * 3_000_000)])
    (tmp_path / "out").mkdir()
    with pytest.raises(BadParameters, match="expands to more than 1 MB"):
        extract(archive, tmp_path / "out", Limits(floor=1 << 20, ratio=1))
    with zipfile.ZipFile(tmp_path / "z", "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("bp/f", b"\0" * 3_000_000)
    with pytest.raises(BadParameters, match="expands to more than 1 MB"):
        extract(tmp_path / "z", tmp_path / "out", Limits(floor=1 << 20, ratio=1))


def test_too_many_entries_are_refused(tmp_path: Path) -> None:
    """The number of entries has a limit of its own."""
    archive = tar_of(tmp_path / "a", [file(f"bp/{number}", b"") for number in range(20)])
    (tmp_path / "out").mkdir()
    with pytest.raises(BadParameters, match="more than 10 entries"):
        extract(archive, tmp_path / "out", Limits(entries=10))


def test_a_header_that_claims_gigabytes_is_refused(tmp_path: Path) -> None:
    """An extended header is read whole by the library, so its length is checked first."""
    info = tarfile.TarInfo("bp/f")
    info.type = tarfile.XHDTYPE
    info.size = 1 << 30
    with tarfile.open(tmp_path / "a", "w:gz") as tar:
        tar.fileobj.write(info.tobuf())
        tar.fileobj.write(b"\0" * (1 << 20))
    (tmp_path / "out").mkdir()
    with pytest.raises(BadParameters):
        extract(tmp_path / "a", tmp_path / "out")


@pytest.mark.parametrize(
    "entries", [[], [file("blueprint.yaml")], [file("a/x"), file("b/y")], [file("a/x"), file("z")]]
)
def test_one_top_folder_is_demanded(tmp_path: Path, entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    """No folder, two, or a file beside it: refused with the text clients know."""
    archive = tar_of(tmp_path / "a", entries)
    with pytest.raises(BadParameters, match="Archive must contain exactly 1 directory"):
        unpack_single(archive, tmp_path / "bp")


def test_a_damaged_archive_is_refused_and_replaces_nothing(tmp_path: Path) -> None:
    """A truncated upload leaves what was there."""
    archive = tar_of(tmp_path / "a", [file("bp/f", os.urandom(100_000))])
    unpack_single(archive, tmp_path / "bp")
    (tmp_path / "b").write_bytes(archive.read_bytes()[:50_000])
    with pytest.raises(BadParameters, match="damaged"):
        unpack_single(tmp_path / "b", tmp_path / "bp")
    assert (tmp_path / "bp/f").stat().st_size == 100_000


def test_unpacking_again_replaces_the_folder(tmp_path: Path) -> None:
    """Files of an earlier archive are gone."""
    unpack_single(tar_of(tmp_path / "a", [file("bp/old")]), tmp_path / "bp")
    unpack_single(tar_of(tmp_path / "b", [file("bp/new")]), tmp_path / "bp")
    assert [path.name for path in (tmp_path / "bp").iterdir()] == ["new"]


def test_what_is_packed_unpacks_the_same(tmp_path: Path) -> None:
    """A folder survives packing and unpacking."""
    (tmp_path / "in/s").mkdir(parents=True)
    (tmp_path / "in/s/f").write_text("text")
    pack(tmp_path / "in", "bp", tmp_path / "a")
    assert archive_format(tmp_path / "a") == "tar.gz"
    unpack_single(tmp_path / "a", tmp_path / "out")
    assert (tmp_path / "out/s/f").read_text() == "text"


def test_whoever_comes_second_leaves_the_folder_of_the_first(tmp_path: Path) -> None:
    """Without `replace` a folder in use is not taken away."""
    unpack_single(tar_of(tmp_path / "a", [file("bp/first")]), tmp_path / "bp")
    unpack_single(tar_of(tmp_path / "b", [file("bp/second")]), tmp_path / "bp", replace=False)
    assert [path.name for path in (tmp_path / "bp").iterdir()] == ["first"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "bp"]
