"""What keeps a program from starting is told in one line with exit status 1, never as a traceback."""

from __future__ import annotations

import re
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from manager_core.bootstrap import build
from manager_core.errors import ManagerError
from manager_core.store import engine as engines
from manager_core.store.engine import make_engine, network, refuse_old
from manager_core.store.problems import is_passing, one_line, start_problem
from tests.support.databases import PostgresTemplate, test_settings
from tests.support.processes import product_environment
from tests.support.warm_product import WarmProduct

Start = Callable[..., subprocess.CompletedProcess[str]]
MANAGER = "manager_core"
SCHEDULER = "scheduler"
COMMANDS = {
    "serve": (MANAGER, "serve", "--port", "0"),
    "worker": (MANAGER, "worker"),
    "up": (MANAGER, "up", "--port", "0"),
    "migrate": (MANAGER, "migrate"),
    "create-admin": (MANAGER, "create-admin"),
    "scheduler": (SCHEDULER,),
    "once": (SCHEDULER, "--once"),
    "simulate": (SCHEDULER, "simulate"),
}
NOBODY_LISTENS = "postgresql+psycopg://someone:secret-word@127.0.0.1:1/nothing"


@pytest.fixture
def start(product: WarmProduct, tmp_path: Path) -> Start:
    """Run a command on `tmp_path` that is expected to end by itself."""

    def run(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return product.run(*COMMANDS[command], environment=product_environment(tmp_path, **environment))

    return run


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line that a refused start leaves."""
    assert done.returncode == 1, done.stderr
    assert re.fullmatch(r"error: [^\n]+\n", done.stderr), done.stderr
    return done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_a_database_that_is_down_is_named_without_its_password(command: str, start: Start) -> None:
    told = refused(start(command, DATABASE_URL=NOBODY_LISTENS))
    assert "someone:***@127.0.0.1:1/nothing cannot be reached" in told
    assert "secret-word" not in told
    assert "refused" in told


@pytest.mark.parametrize(
    "url", ["nonsense", "mysql+nodriver://host/name", "postgresql+psycopg://h:port/x", "oracle://h"]
)
@pytest.mark.parametrize("command", ["serve", "migrate", "once"])
def test_a_wrong_url_is_told_with_what_a_right_one_looks_like(command: str, url: str, start: Start) -> None:
    assert "DATABASE_URL is not usable" in refused(start(command, DATABASE_URL=url))


@pytest.mark.parametrize("command", ["serve", "worker", "once", "create-admin"])
def test_a_database_of_a_newer_version_is_named_and_left_alone(command: str, start: Start, tmp_path: Path) -> None:
    assert start("migrate").returncode == 0
    with sqlite3.connect(tmp_path / "manager.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    assert "9999" in refused(start(command))


def test_a_database_or_a_user_that_does_not_exist_is_named(request: pytest.FixtureRequest, start: Start) -> None:
    template: PostgresTemplate = request.getfixturevalue("postgres_template")
    name, url = template.clone()
    template.give_back(name)
    told = refused(start("serve", DATABASE_URL=url.replace(name, "no_such_database_here")))
    assert "no_such_database_here" in told
    assert "does not exist" in told


def test_a_wrong_setting_of_the_scheduler_is_named(start: Start) -> None:
    assert "timezone" in refused(start("once", CLOUDIFY_TIMEZONE="Mars/Olympus"))


def test_a_server_that_is_too_old_is_refused_with_both_versions(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template: PostgresTemplate = request.getfixturevalue("postgres_template")
    name, url = template.clone()
    monkeypatch.setattr(engines, "OLDEST_POSTGRESQL", 99)
    with pytest.raises(RuntimeError, match=r"has version \d+; version 99 or newer is needed") as caught:
        build(test_settings(tmp_path, database_url=url))
    assert start_problem(caught.value, url).startswith("the PostgreSQL server has version")
    template.give_back(name)
    refuse_old(make_engine(f"sqlite:///{tmp_path}/any.db"))


def test_the_urls_own_timeouts_win() -> None:
    assert network("postgresql+psycopg://h/x?connect_timeout=77").keys() == engines.NETWORK.keys() - {"connect_timeout"}


@pytest.fixture
def broken(request: pytest.FixtureRequest) -> Iterator[BaseException]:
    """The error that SQLAlchemy raises for a connection which the server has ended."""
    template: PostgresTemplate = request.getfixturevalue("postgres_template")
    name, url = template.clone()
    engine = make_engine(url)
    with pytest.raises(Exception) as caught, engine.connect() as connection:
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", [pid])
        connection.exec_driver_sql("SELECT 1")
    yield caught.value
    engine.dispose()
    template.give_back(name)


def test_a_connection_that_was_ended_is_worth_another_try(broken: BaseException) -> None:
    assert is_passing(broken)
    assert "\n" not in one_line(broken)


def test_other_errors_are_not_repeated(tmp_path: Path) -> None:
    assert not is_passing(ManagerError("no"))
    assert not is_passing(ValueError("no"))
    engine = make_engine(f"sqlite:///{tmp_path}/any.db")
    with pytest.raises(Exception, match="no such table") as caught, engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1 FROM absent")
    assert not is_passing(caught.value)
    assert one_line(caught.value) == "no such table: absent"
