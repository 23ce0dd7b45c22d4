"""`cloudify-manager migrate --from-sqlite`: the whole manager arrives on PostgreSQL, or nothing of it."""

from __future__ import annotations

import hashlib
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from manager_core.access.caller import system_caller
from manager_core.bootstrap import Core, build
from manager_core.moving.command import move
from manager_core.moving.rows import moved_tables
from manager_core.moving.source import MoveRefused
from manager_core.secrets.service import NewSecret
from manager_core.settings import Settings
from manager_core.store.engine import make_engine
from manager_core.store.metadata import metadata
from manager_core.store.migrate import current_revision
from tests.support.archives_made import blueprint_tar
from tests.support.clock import PATIENCE, FakeClock
from tests.support.databases import PostgresTemplate, SqliteTemplate, test_settings
from tests.support.parts import Api, Part
from tests.support.processes import REPOSITORY, product_environment
from tests.support.rows import a_deployment, an_execution
from tests.support.warm_product import WarmProduct

pytestmark = pytest.mark.postgres

BLUEPRINT = {
    "blueprint.yaml": """\
tosca_definitions_version: cloudify_dsl_1_4
imports: [cloudify/types/types.yaml]
inputs: {word: {default: hello}}
node_templates:
  one:
    type: cloudify.nodes.Root
    interfaces:
      cloudify.interfaces.lifecycle:
        start: {implementation: scripts/start.sh, inputs: {word: {get_secret: word}}}
capabilities:
  said: {value: {get_attribute: [one, said]}}
""",
    "scripts/start.sh": '#!/bin/sh\nctx instance runtime-properties said "$word"\n',
}


@pytest.fixture
def target(postgres_template: PostgresTemplate) -> Iterator[str]:
    """The URL of a database without any table."""
    name, url = postgres_template.empty()
    yield url
    postgres_template.drop(name)


@pytest.fixture
def source(sqlite_template: SqliteTemplate, tmp_path: Path) -> Path:
    """A SQLite data directory on which no manager runs."""
    sqlite_template.copy_into(tmp_path / "old")
    return tmp_path / "old"


@pytest.fixture
def moved(source: Path, target: str, tmp_path: Path) -> Callable[..., list[str]]:
    """Move `source` to `target` in this process; return what was said."""

    def run(folder: Path = source, **values: Any) -> list[str]:
        said: list[str] = []
        settings = {"data_dir": tmp_path / "new", "database_url": target, **values}
        move(Settings(**settings), folder, said.append)
        return said

    return run


def on_source(source: Path) -> Core:
    return build(test_settings(source), clock=FakeClock(datetime(2026, 3, 1, 1, 2, 3, 456789, tzinfo=UTC)))


def rows(url: str) -> dict[str, list[dict[str, Any]]]:
    """Return every row of every table that is moved."""
    engine = make_engine(url)
    try:
        with engine.connect() as connection:
            return {
                table.name: [
                    dict(row) for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()
                ]
                for table in moved_tables()
            }
    finally:
        engine.dispose()


def migrate_command(data_dir: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "manager_core", "migrate", *arguments],
        env=product_environment(data_dir, **environment),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


@pytest.mark.slow
def test_a_manager_goes_on_on_postgresql_as_if_nothing_had_happened(target: str, tmp_path: Path) -> None:
    old = Api(tmp_path / "old", command="up")
    parts: list[Part] = [old]
    try:
        old.ready()
        old.call("PUT", "/users", {"username": "eve", "password": "evening-star", "role": "sys_admin"})
        old.call("PUT", "/secrets/word", {"value": "good evening"})
        assert old.upload("bp", blueprint_tar(BLUEPRINT))["state"] == "uploaded"
        old.deploy("bp", "dep")
        schedule = {"workflow_id": "install", "since": "2030-01-01T03:04:05+02:00", "recurrence": "1 day"}
        old.call("PUT", "/execution-schedules/nightly?deployment_id=dep", schedule)
        nightly = old.call("GET", "/execution-schedules/nightly?deployment_id=dep")
        done = migrate_command(
            tmp_path / "new", "--from-sqlite", str(tmp_path / "old"), "--data-dir", str(tmp_path / "new"),
            DATABASE_URL=target,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (
            1, f"error: a manager is running on {tmp_path / 'old'}: stop it first, and start it again on PostgreSQL\n",
        )  # fmt: skip
        assert old.stop() == 0

        # Without a worker what is started stays pending.
        alone = Api(tmp_path / "old")
        parts.append(alone)
        waiting = alone.ready().start("dep", "install")
        assert alone.call("GET", f"/executions/{waiting}")["status"] == "pending"
        assert alone.stop() == 0
        before = rows(f"sqlite:///{tmp_path / 'old' / 'manager.db'}")

        done = migrate_command(
            tmp_path / "new", "--from-sqlite", str(tmp_path / "old"), DATABASE_URL=target
        )  # its data directory comes from the environment
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        counts = {
            name: (int(one), int(two)) for name, one, two in re.findall(r"^(\w+) +(\d+) +(\d+)$", done.stdout, re.M)
        }
        assert counts == {name: (len(found), len(found)) for name, found in before.items()}
        assert f"Secrets stay encrypted with the key in {tmp_path / 'new' / 'secret-key'}" in done.stdout

        new = Api(tmp_path / "new", command="up", DATABASE_URL=target)
        parts.append(new)
        new.ready()
        assert new.ended(waiting)["status"] == "terminated", new.output
        assert new.call("GET", "/deployments/dep/capabilities")["capabilities"]["said"] == "good evening"
        assert new.call("GET", "/execution-schedules/nightly?deployment_id=dep") == nightly
        assert new.call("GET", "/secrets/word")["value"] == "good evening"
        assert new.call("GET", "/status", user="eve", password="evening-star")["status"] == "OK"
        assert new.ended(new.start("dep", "uninstall"))["status"] == "terminated"
        assert new.upload("bp2", blueprint_tar(BLUEPRINT))["state"] == "uploaded", "new rows find numbers of their own"
        assert (
            migrate_command(tmp_path / "new", "--from-sqlite", str(tmp_path / "old"), DATABASE_URL=target).returncode
            == 1
        )
    finally:
        for part in parts:
            part.kill_group()


def test_every_value_arrives_exactly(source: Path, target: str, moved: Callable[..., list[str]]) -> None:
    core = on_source(source)
    a_deployment(core)
    odd = {"z": 1, "a": [2**70, 1.5, None, True, {"ä": "\U0001f600"}], "time": "2026-03-01T00:00:00+05:45"}
    for number in range(2500):
        an_execution(
            core, parameters={**odd, "number": number}, scheduled_for=core.clock.now(), error="é" * (number % 3)
        )
    core.close()
    before = rows(f"sqlite:///{source / 'manager.db'}")
    moved()
    assert rows(target) == before


def test_a_character_postgresql_has_not_is_replaced_as_when_it_is_written(
    source: Path, target: str, moved: Callable[..., list[str]]
) -> None:
    core = on_source(source)
    a_deployment(core)
    key = an_execution(core, error="nul \x00 here", parameters={"text": "nul \x00 there"})
    core.close()
    moved()
    (row,) = [row for row in rows(target)["executions"] if row["id"] == key]
    assert (row["error"], row["parameters"]) == ("nul \ufffd here", {"text": "nul \ufffd there"})


def test_a_row_that_cannot_be_kept_ends_it_and_nothing_is_left(
    source: Path, target: str, moved: Callable[..., list[str]]
) -> None:
    core = on_source(source)
    a_deployment(core)
    key = an_execution(core, total_operations=2**40)
    core.close()
    with pytest.raises(MoveRefused, match=r"a row of table executions cannot be kept by PostgreSQL: .*out of range"):
        moved()
    assert {name: len(found) for name, found in rows(target).items() if found} == {}
    with sqlite3.connect(source / "manager.db") as database:
        database.execute("UPDATE executions SET total_operations = 1 WHERE id = ?", [key])
    database.close()
    assert any(line.split() == ["executions", "1", "1"] for line in moved()), "it can be repeated"


def test_files_are_copied_by_their_hash_and_a_damaged_one_is_named(
    source: Path, target: str, moved: Callable[..., list[str]], tmp_path: Path
) -> None:
    content = b"an archive"
    name = hashlib.sha256(content).hexdigest()
    stored = source / "files" / "blueprints" / name[:2] / name
    stored.parent.mkdir(parents=True)
    stored.write_bytes(b"damaged")
    work = source / "workdirs" / "default_tenant" / "dep" / "state.json"
    work.parent.mkdir(parents=True)
    work.write_text("{}")
    (source / "plugin-environments" / "x").mkdir(parents=True)
    with pytest.raises(MoveRefused, match=rf"{name} is damaged: its SHA-256 is [0-9a-f]{{64}}, expected {name}"):
        moved()
    stored.write_bytes(content)
    said = moved()
    assert re.search(r"\d+ rows are in .*, 2 files in .*/new; .*/old is as it was\.", "\n".join(said))
    new = tmp_path / "new"
    assert (new / stored.relative_to(source)).read_bytes() == content
    assert (new / work.relative_to(source)).read_text() == "{}"
    assert sorted(path.name for path in new.iterdir()) == ["files", "workdirs"]
    assert stat_mode(new) == 0o700


def stat_mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_same_data_directory_stays_where_it_is(source: Path, target: str, moved: Callable[..., list[str]]) -> None:
    kept = {path: path.read_bytes() for path in source.rglob("*") if path.is_file() and path.suffix != ".db-shm"}
    moved(data_dir=source)
    assert {path: path.read_bytes() for path in kept} == kept
    core = build(test_settings(source, database_url=target), clock=FakeClock())
    try:
        with core.store.read() as session:
            assert session.connection().execute(select(metadata.tables["users"].c.username)).scalars().all() == [
                "admin"
            ]
    finally:
        core.close()


def keep_secret(source: Path, **values: Any) -> None:
    core = build(test_settings(source, **values), clock=FakeClock())
    core.secrets.create(system_caller("default_tenant"), "password", NewSecret(value="xyzzy"))
    core.close()


def test_the_key_file_goes_along_and_the_database_knows_it(
    source: Path, target: str, moved: Callable[..., list[str]], tmp_path: Path
) -> None:
    keep_secret(source)
    moved()
    key = tmp_path / "new" / "secret-key"
    assert (key.read_bytes(), stat_mode(key)) == ((source / "secret-key").read_bytes(), 0o600)
    other = Part(tmp_path / "other", "worker", DATABASE_URL=target)
    try:
        assert other.finish() == 1
        assert "a key that this host does not have" in other.output
    finally:
        other.kill_group()


def test_the_key_of_the_setting_stays_the_key(
    source: Path, target: str, moved: Callable[..., list[str]], tmp_path: Path
) -> None:
    keep_secret(source, secret_key="of the setting")
    assert moved(secret_key="of the setting")[-1] == (
        "Secrets stay encrypted with the CLOUDIFY_SECRET_KEY that is set now."
    )
    assert not (tmp_path / "new" / "secret-key").exists()


def in_use(source: Path, tmp_path: Path) -> Any:
    held = sqlite3.connect(source / "manager.db", isolation_level=None)
    held.execute("SELECT count(*) FROM users").fetchone()
    return held


def missing(source: Path, tmp_path: Path) -> None:
    (source / "manager.db").unlink()


def older(source: Path, tmp_path: Path) -> None:
    with sqlite3.connect(source / "manager.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '0000'")
    database.close()


def no_database(source: Path, tmp_path: Path) -> None:
    missing(source, tmp_path)
    (source / "manager.db").write_text("this is no database" * 1000)


def other_key(source: Path, tmp_path: Path) -> None:
    keep_secret(source, secret_key="a setting that is not set now")
    (source / "secret-key").write_bytes(b"A" * 43 + b"=")


def no_key(source: Path, tmp_path: Path) -> None:
    keep_secret(source)
    (source / "secret-key").unlink()


def key_in_the_way(source: Path, tmp_path: Path) -> None:
    keep_secret(source)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "secret-key").write_bytes(b"A" * 43 + b"=")


@pytest.mark.parametrize(
    ("prepare", "told"),
    [
        (in_use, r"a manager is running on .*/old: stop it first"),
        (missing, r"there is no SQLite database to copy: .*/old/manager\.db is missing"),
        (older, r"has table layout 0000, this version .* has \d+: bring it up first with `cloudify-manager migrate "),
        (no_database, r"manager\.db cannot be read: file is not a database"),
        (other_key, r"the secret `password` is encrypted with another key than .*/old/secret-key"),
        (no_key, r"the secrets are encrypted, and .*/old/secret-key is missing: set CLOUDIFY_SECRET_KEY"),
        (key_in_the_way, r".*/new/secret-key is another key than .*/old/secret-key: remove it"),
    ],
)
def test_a_source_that_cannot_be_moved_is_left_alone_and_so_is_the_target(
    source: Path, target: str, moved: Callable[..., list[str]], tmp_path: Path, prepare: Any, told: str
) -> None:
    held = prepare(source, tmp_path)
    with pytest.raises(MoveRefused, match=told):
        moved()
    engine = make_engine(target)
    assert current_revision(engine) is None
    engine.dispose()
    del held


def test_a_database_that_holds_something_is_refused(
    source: Path, moved: Callable[..., list[str]], postgres_template: PostgresTemplate
) -> None:
    name, url = postgres_template.clone()
    try:
        with pytest.raises(
            MoveRefused, match=r"not empty \(tenants 1, users 1, tenant_members 1\): copy into a new one"
        ):
            moved(database_url=url)
    finally:
        postgres_template.give_back(name)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "error: DATABASE_URL has to name the PostgreSQL database to copy into; it is not set\n"),
        ("sqlite:////nowhere.db", "error: DATABASE_URL has to name the PostgreSQL .* it is sqlite:////nowhere.db\n"),
        ("postgresql://nobody:secret@127.0.0.1:1/nothing", r"error: .*nobody:\*\*\*@127.0.0.1:1/nothing cannot .*\n"),
    ],
)
def test_a_wrong_url_is_one_line_and_status_1(
    product: WarmProduct, source: Path, tmp_path: Path, url: str, told: str
) -> None:
    environment = product_environment(tmp_path / "new", DATABASE_URL=url)
    done = product.run("manager_core", "migrate", "--from-sqlite", str(source), environment=environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(told, done.stderr), done.stderr


def test_a_copy_of_the_files_alone_is_no_source(tmp_path: Path, moved: Callable[..., list[str]], source: Path) -> None:
    shutil.copytree(source, tmp_path / "copy", ignore=shutil.ignore_patterns("manager.db*"))
    with pytest.raises(MoveRefused, match=r"manager\.db is missing"):
        moved(tmp_path / "copy")
