"""Hosts on one database must have one secret key: the second one is told at its start, in one line."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from manager_core.access.caller import system_caller
from manager_core.bootstrap import Core, build
from manager_core.secrets.agreement import KeyRefused, agree_on_key
from manager_core.secrets.service import NewSecret
from tests.support.clock import FakeClock
from tests.support.databases import PostgresTemplate, test_settings
from tests.support.parts import Part

pytestmark = pytest.mark.postgres
Host = Callable[..., Core]


@pytest.fixture
def database(postgres_template: PostgresTemplate) -> Iterator[str]:
    """A seeded database."""
    name, url = postgres_template.clone()
    yield url
    postgres_template.give_back(name)


@pytest.fixture
def host(database: str, tmp_path: Path) -> Iterator[Host]:
    """Make the Core of a host with a data directory of its own."""
    made: list[Core] = []

    def make(name: str, key: str | None = None) -> Core:
        core = build(test_settings(tmp_path / name, database_url=database, secret_key=key), clock=FakeClock())
        made.append(core)
        return core

    yield make
    for core in made:
        core.close()


def store_secret(core: Core) -> None:
    core.secrets.create(system_caller("default_tenant"), "password", NewSecret(value="xyzzy"))


def test_hosts_with_the_same_key_agree(host: Host) -> None:
    agree_on_key(host("a", "one key"))
    agree_on_key(host("b", "one key"))


def test_a_copied_key_file_is_the_same_key(host: Host, tmp_path: Path) -> None:
    agree_on_key(host("a"))
    second = host("b")
    shutil.copy(tmp_path / "a" / "secret-key", tmp_path / "b" / "secret-key")
    agree_on_key(second)


def test_another_key_is_refused_before_any_secret_is_stored(host: Host) -> None:
    agree_on_key(host("a", "one key"))
    with pytest.raises(KeyRefused, match=r"another key than this host's CLOUDIFY_SECRET_KEY\. .* same on every host"):
        agree_on_key(host("b", "another key"))


def test_no_key_where_one_is_in_use_is_refused_and_none_is_made(host: Host, tmp_path: Path) -> None:
    agree_on_key(host("a", "one key"))
    with pytest.raises(KeyRefused, match=r"does not have: set CLOUDIFY_SECRET_KEY .* or copy their secret-key file to"):
        agree_on_key(host("b"))
    assert not (tmp_path / "b" / "secret-key").exists()


def test_a_database_without_a_fingerprint_is_judged_by_its_secrets(host: Host) -> None:
    first = host("a", "one key")
    store_secret(first)
    with pytest.raises(KeyRefused, match="another key"):
        agree_on_key(host("b", "another key"))
    with pytest.raises(KeyRefused, match="does not have"):
        agree_on_key(host("c"))
    agree_on_key(first)
    agree_on_key(host("d", "one key"))


def test_sqlite_lies_beside_its_key(sqlite_core: Core) -> None:
    agree_on_key(sqlite_core)


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_a_process_with_another_key_ends_with_one_line(command: str, host: Host, database: str, tmp_path: Path) -> None:
    agree_on_key(host("a", "one key"))
    process = Part(tmp_path / "b", command, DATABASE_URL=database, CLOUDIFY_SECRET_KEY="another key")
    try:
        assert process.finish() == 1
    finally:
        process.kill_group()
    (line,) = [line for line in process.output.splitlines() if line]
    assert line == (
        "error: the manager cannot start: the database's secrets are encrypted with another key than this host's "
        "CLOUDIFY_SECRET_KEY. The key has to be the same on every host"
    )
