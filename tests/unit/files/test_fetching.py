"""Files of another host: fetched once, checked, refused with a reason, and asked for again while nobody answers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from manager_core.files.cache import FileCache
from manager_core.files.fetching import FetchingFiles
from manager_core.files.remote import FileUnavailable, Unreachable
from tests.support.clock import FakeClock

CONTENT = b"a blueprint's archive"
HASH = hashlib.sha256(CONTENT).hexdigest()


class FakeRemote:
    """The files of an API, in memory; `failures` are raised one after the other before it answers."""

    def __init__(self, host: str = "manager.example.com", **kept: bytes) -> None:
        self.host = host
        self.kept = dict(kept)
        self.failures: list[Exception] = []
        self.asked = 0

    def _answer(self) -> None:
        self.asked += 1
        if self.failures:
            raise self.failures.pop(0)

    def has(self, kind: str, content_hash: str) -> bool:
        self._answer()
        return content_hash in self.kept

    def fetch(self, kind: str, content_hash: str, target: Path) -> str | None:
        self._answer()
        if content_hash not in self.kept:
            return None
        target.write_bytes(self.kept[content_hash])
        return hashlib.sha256(self.kept[content_hash]).hexdigest()

    def send(self, kind: str, content_hash: str, source: Path) -> None:
        self.kept[content_hash] = source.read_bytes()


@pytest.fixture
def remote() -> FakeRemote:
    return FakeRemote(**{HASH: CONTENT})


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def make(tmp_path: Path, clock: FakeClock, remote: FakeRemote) -> Callable[..., FetchingFiles]:
    """Make the files of a host: its originals and its cache are below `name`."""

    def made(name: str = "b", **more: object) -> FetchingFiles:
        return FetchingFiles(
            tmp_path / name / "files",
            cache=FileCache(tmp_path / name / "cache", limit=1 << 20, clock=clock),
            clock=clock,
            patience=30,
            first=remote,
            **more,
        )

    return made


def test_a_file_is_fetched_once_into_the_cache(make: Callable[..., FetchingFiles], remote: FakeRemote) -> None:
    files = make()
    path = files.require("blueprints", HASH)
    assert path.read_bytes() == CONTENT
    assert path.is_relative_to(files.cache.root)
    assert make().require("blueprints", HASH) == path, "another process of the host"
    assert remote.asked == 1
    assert not files.path("blueprints", HASH).exists(), "originals are apart"


def test_an_original_is_used_as_it_lies_and_nobody_is_asked(
    make: Callable[..., FetchingFiles], remote: FakeRemote
) -> None:
    files = make()
    original = files.path("blueprints", HASH)
    original.parent.mkdir(parents=True)
    original.write_bytes(CONTENT)
    assert files.require("blueprints", HASH) == original
    files.cache._limit = 0
    files.cache.make_room()
    assert original.exists()
    assert remote.asked == 0


def test_another_content_is_refused_with_both_hashes_and_not_kept(
    make: Callable[..., FetchingFiles], remote: FakeRemote
) -> None:
    remote.kept[HASH] = b"tampered"
    got = hashlib.sha256(b"tampered").hexdigest()
    files = make()
    with pytest.raises(FileUnavailable) as refused:
        files.require("blueprints", HASH, "The archive of blueprint `bp`")
    assert refused.value.message == (
        f"The archive of blueprint `bp` (blueprints/{HASH}) is refused: what manager.example.com gave has SHA-256 "
        f"{got}, expected {HASH}"
    )
    assert [path for path in files.cache.root.rglob("*") if path.is_file() and "locks" not in path.parts] == []
    remote.kept[HASH] = CONTENT
    assert files.require("blueprints", HASH).read_bytes() == CONTENT


def test_nobody_has_it(make: Callable[..., FetchingFiles], remote: FakeRemote) -> None:
    del remote.kept[HASH]
    assert make().find("blueprints", HASH) is None
    with pytest.raises(FileUnavailable, match=rf"blueprints/{HASH}.*manager\.example\.com: it answered 404"):
        make().require("blueprints", HASH)


def test_an_api_that_does_not_answer_is_asked_again_with_growing_pauses(
    make: Callable[..., FetchingFiles], remote: FakeRemote, clock: FakeClock
) -> None:
    pauses: list[float] = []
    clock.before_wait = pauses.append
    remote.failures = [Unreachable("connection refused")] * 4
    assert make().require("blueprints", HASH).read_bytes() == CONTENT
    assert pauses == [0.2, 0.4, 0.8, 1.6]


def test_at_last_it_says_so(make: Callable[..., FetchingFiles], remote: FakeRemote, clock: FakeClock) -> None:
    remote.failures = [Unreachable("connection refused")] * 100
    with pytest.raises(FileUnavailable) as refused:
        make().require("plugins", HASH, "The package of plugin p 1.0")
    assert refused.value.message == (
        f"The package of plugin p 1.0 (plugins/{HASH}) cannot be fetched from manager.example.com: connection refused "
        "(tried for 30 s; CLOUDIFY_API_URL says where the API is)"
    )
    assert clock.monotonic() == pytest.approx(30)


def test_a_refusal_is_not_tried_again(make: Callable[..., FetchingFiles], remote: FakeRemote) -> None:
    remote.failures = [FileUnavailable("manager.example.com answered 401 Unauthorized")]
    with pytest.raises(FileUnavailable, match=rf"blueprints/{HASH}.*401"):
        make().require("blueprints", HASH)
    assert remote.asked == 1


def test_another_api_has_what_the_first_has_not(make: Callable[..., FetchingFiles], remote: FakeRemote) -> None:
    broken, other = FakeRemote("one"), FakeRemote("two", **{HASH: remote.kept.pop(HASH)})
    broken.failures = [Unreachable("gone")]
    files = make(others=lambda: [broken, other])
    assert files.require("blueprints", HASH).read_bytes() == CONTENT
    assert (remote.asked, broken.asked, other.asked) == (1, 1, 1)


def test_what_a_worker_made_is_handed_to_the_api_and_kept_in_the_cache(
    make: Callable[..., FetchingFiles], remote: FakeRemote
) -> None:
    remote.kept.clear()
    files = make()
    for _ in range(2):
        temporary = files.temporary()
        temporary.write_bytes(CONTENT)
        assert files.adopt("snapshots", temporary) == HASH
        assert not temporary.exists()
    assert remote.kept == {HASH: CONTENT}
    assert files.require("snapshots", HASH).is_relative_to(files.cache.root)


def test_an_api_keeps_what_it_takes_in(make: Callable[..., FetchingFiles], remote: FakeRemote) -> None:
    remote.kept.clear()
    files = make("a")
    files.serves = True
    temporary = files.temporary()
    temporary.write_bytes(CONTENT)
    assert files.adopt("blueprints", temporary) == HASH
    assert files.require("blueprints", HASH) == files.path("blueprints", HASH)
    assert (remote.kept, remote.asked) == ({}, 0)


def test_a_folder_is_unpacked_once_for_each_content(make: Callable[..., FetchingFiles]) -> None:
    files = make()
    made: list[Path] = []

    def unpack(archive: Path, target: Path) -> None:
        target.mkdir(parents=True)
        (target / "copy").write_bytes(archive.read_bytes())
        made.append(target)

    home = files.unpacked("blueprints", HASH, unpack)
    assert (home / "copy").read_bytes() == CONTENT
    assert make().unpacked("blueprints", HASH, unpack) == home
    assert len(made) == 1
