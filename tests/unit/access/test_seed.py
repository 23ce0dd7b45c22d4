"""The first start makes one administrator, and no password that anybody could know."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from manager_core.bootstrap import build
from manager_core.errors import BadParameters, Unauthorized
from manager_core.settings import Settings
from tests.support.clock import FakeClock
from tests.support.requests import basic


def settings(data_dir: Path, **values: object) -> Settings:
    return Settings(data_dir=data_dir, password_memory_kib=8, **values)


def headers(password: str) -> dict[str, str]:
    return {name.lower(): value for name, value in basic("admin", password).items()}


def test_a_generated_password_is_told_once_and_kept_in_a_private_file(tmp_path: Path) -> None:
    core = build(settings(tmp_path / "d"), clock=FakeClock())
    password = core.access.generated_password
    file = tmp_path / "d" / "admin-password"
    assert password is not None and len(password) >= 20
    assert file.read_text().strip() == password
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert core.access.authenticate(headers(password)).is_admin
    core.close()
    again = build(settings(tmp_path / "d"), clock=FakeClock())
    assert again.access.generated_password is None
    assert again.access.authenticate(headers(password)).username == "admin"
    again.close()


def test_two_installations_have_two_passwords(tmp_path: Path) -> None:
    cores = [build(settings(tmp_path / name), clock=FakeClock()) for name in ("a", "b")]
    assert cores[0].access.generated_password != cores[1].access.generated_password
    for core in cores:
        core.close()


@pytest.mark.parametrize("guess", ["admin", "", "password", "cloudify"])
def test_there_is_no_default_password(tmp_path: Path, guess: str) -> None:
    core = build(settings(tmp_path / "d"), clock=FakeClock())
    with pytest.raises(Unauthorized):
        core.access.authenticate(headers(guess))
    core.close()


def test_a_given_password_is_written_nowhere(tmp_path: Path) -> None:
    core = build(settings(tmp_path / "d", admin_password="given-by-operator"), clock=FakeClock())
    assert core.access.generated_password is None
    assert core.access.authenticate(headers("given-by-operator")).is_admin
    core.close()
    for path in (tmp_path / "d").rglob("*"):
        assert not path.is_file() or b"given-by-operator" not in path.read_bytes(), path


def test_a_given_password_that_is_too_short_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(BadParameters, match="too short"):
        build(settings(tmp_path / "d", admin_password="four"), clock=FakeClock())


def test_an_administrator_can_be_made_anew(tmp_path: Path) -> None:
    core = build(settings(tmp_path / "d"), clock=FakeClock())
    password = core.access.set_admin("rescue", None)
    rescued = {name.lower(): value for name, value in basic("rescue", password).items()}
    assert core.access.authenticate(rescued).is_admin
    core.access.set_admin("admin", "renewed-password")
    assert core.access.authenticate(headers("renewed-password")).is_admin
    core.close()
