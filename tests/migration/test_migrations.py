"""The migrations lead from nothing to the tables of the code, whoever runs them, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

from manager_core.access.tables import User
from manager_core.bootstrap import build
from manager_core.store.engine import make_engine
from manager_core.store.metadata import metadata
from manager_core.store.migrate import HEAD, SCRIPTS, current_revision, generation, migrate
from tests.support.databases import PostgresTemplate, test_settings


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'manager.db'}"
        return
    template: PostgresTemplate = request.getfixturevalue("postgres_template")
    name, url = template.empty()
    yield url
    template.drop(name)


@pytest.fixture
def empty(empty_url: str) -> Iterator[Engine]:
    """An engine of a database without any table."""
    engine = make_engine(empty_url)
    yield engine
    engine.dispose()


def test_from_nothing_to_the_tables_of_the_code(empty: Engine) -> None:
    assert migrate(empty) is True
    with empty.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = [
            change
            for change in compare_metadata(context, metadata)
            if not (change[0] == "remove_table" and change[1].name.startswith("procrastinate"))
            and not (change[0] == "remove_index" and change[1].table.name.startswith("procrastinate"))
        ]
    assert differences == []


def test_a_second_run_finds_nothing_to_do(empty: Engine) -> None:
    migrate(empty)
    assert current_revision(empty) == HEAD
    assert migrate(empty) is False


def test_the_known_head_is_the_scripts_head() -> None:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_a_newer_database_is_refused_by_name(empty: Engine) -> None:
    migrate(empty)
    with empty.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(RuntimeError, match="revision 9999"):
        migrate(empty)


def test_processes_that_start_together_migrate_and_seed_once(empty_url: str, tmp_path: Path) -> None:
    begin, cores, failures = threading.Barrier(3), [], []

    def start(number: int) -> None:
        begin.wait()
        try:
            cores.append(build(test_settings(tmp_path / f"data{number}", database_url=empty_url)))
        except Exception as error:  # noqa: BLE001 - a thread's failure is the main thread's to report
            failures.append(error)

    threads = [threading.Thread(target=start, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with cores[0].store.read() as session:
        assert [user.username for user in session.query(User).all()] == ["admin"]
    for core in cores:
        core.close()


def a_later_version_migrates(engine: Engine, revision: str) -> None:
    """Do what a version does that is newer than this program: add a column, and name its revision."""
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE executions ADD COLUMN of_a_later_version TEXT"))
        connection.execute(text("UPDATE alembic_version SET version_num = :new"), {"new": revision})


def test_what_a_newer_version_only_added_stops_nobody(empty: Engine, empty_url: str, tmp_path: Path) -> None:
    migrate(empty)
    later = f"{generation(HEAD)}.99"
    a_later_version_migrates(empty, later)
    assert migrate(empty) is False
    assert current_revision(empty) == later, "and is left as it is"
    core = build(test_settings(tmp_path / "data", database_url=empty_url))
    core.close()


def test_a_newer_generation_is_refused(empty: Engine) -> None:
    migrate(empty)
    a_later_version_migrates(empty, f"{int(generation(HEAD)) + 1:04d}")
    with pytest.raises(RuntimeError, match="a newer version wrote it"):
        migrate(empty)


def test_every_revision_is_named_by_its_generation() -> None:
    """A revision with a dot only adds: it is called `pre` in its file's name, and follows one of its generation."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    for script in ScriptDirectory.from_config(config).walk_revisions():
        before = script.down_revision
        if "." in script.revision:
            assert isinstance(before, str)
            assert generation(script.revision) == generation(before)
            assert "_pre_" in Path(script.path).name
        elif before is not None:
            assert int(script.revision) == int(generation(str(before))) + 1
