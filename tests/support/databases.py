"""Databases for tests: a migrated and seeded template, made once a run, copied for every test that asks."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from manager_core.bootstrap import build
from manager_core.settings import Settings
from tests.support.clock import FakeClock

ADMIN_PASSWORD = "a-test-password"
SERVER = os.environ.get("TEST_POSTGRES_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres")


def test_settings(data_dir: Path, **values: object) -> Settings:
    """Return settings for a Core under test: passwords cost next to nothing."""
    return Settings(data_dir=data_dir, admin_password=ADMIN_PASSWORD, password_memory_kib=8, **values)


test_settings.__test__ = False  # a helper, not a test


class SqliteTemplate:
    """A template file, copied for each test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "template"
        build(test_settings(self._folder), clock=FakeClock()).close()

    def copy_into(self, data_dir: Path) -> None:
        """Put a fresh database where a Core with this data directory looks for it."""
        data_dir.mkdir(parents=True, exist_ok=True)
        for path in self._folder.glob("manager.db*"):
            shutil.copy(path, data_dir / path.name)


class PostgresTemplate:
    """A template database, cloned for tests; all are dropped in the end.

    A clone that a test gives back is emptied and seeded again, which is many times faster than another clone; one that
    cannot be (a test left a lock or changed a table) is dropped.
    """

    def __init__(self, folder: Path) -> None:
        self._name = f"manager_template_{uuid.uuid4().hex[:12]}"
        self._free: list[str] = []
        self._execute("CREATE DATABASE {}", self._name)
        build(test_settings(folder / "pg-template", database_url=self._url(self._name)), clock=FakeClock()).close()
        with psycopg.connect(_plain(self._url(self._name))) as connection:
            tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            self._tables = sorted(name for (name,) in tables if name != "alembic_version")
            self._seed = {table: _rows(connection, table) for table in self._tables}

    def clone(self) -> tuple[str, str]:
        """Return (name, SQLAlchemy URL) of a fresh database."""
        if self._free:
            name = self._free.pop()
        else:
            name = f"manager_test_{uuid.uuid4().hex[:12]}"
            self._execute("CREATE DATABASE {} TEMPLATE {}", name, self._name)
        return name, self._url(name)

    def give_back(self, name: str) -> None:
        """Take a clone back for the next test."""
        try:
            with psycopg.connect(_plain(self._url(name)), options="-c lock_timeout=3000") as connection:
                # As a replica the session checks no foreign keys, so the order of tables does not matter.
                connection.execute("SET session_replication_role = replica")
                for table in self._tables:
                    connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
                for table, (columns, rows) in self._seed.items():
                    _insert(connection, table, columns, rows)
        except psycopg.Error:
            self.drop(name)
        else:
            self._free.append(name)

    def close(self) -> None:
        """Drop the clones and the template."""
        for name in self._free:
            self.drop(name)
        self.drop()

    def empty(self) -> tuple[str, str]:
        """Return (name, SQLAlchemy URL) of a database without any table."""
        name = f"manager_test_{uuid.uuid4().hex[:12]}"
        self._execute("CREATE DATABASE {}", name)
        return name, self._url(name)

    def drop(self, name: str | None = None) -> None:
        """Drop a clone, or the template itself, whoever is still connected."""
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name or self._name)

    @staticmethod
    def _url(name: str) -> str:
        return SERVER.rsplit("/", 1)[0] + "/" + name

    @staticmethod
    def _execute(statement: str, *names: str) -> None:
        with psycopg.connect(_plain(SERVER), autocommit=True, connect_timeout=60) as connection:
            connection.execute(sql.SQL(statement).format(*(sql.Identifier(name) for name in names)))


def _rows(connection: psycopg.Connection, table: str) -> tuple[list[str], list[tuple[object, ...]]]:
    cursor = connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))
    columns = [column.name for column in cursor.description or ()]
    return columns, [
        tuple(Jsonb(value) if isinstance(value, (dict, list)) else value for value in row) for row in cursor
    ]


def _insert(connection: psycopg.Connection, table: str, columns: list[str], rows: list[tuple[object, ...]]) -> None:
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join([sql.Placeholder()] * len(columns)),
    )
    for row in rows:
        connection.execute(statement, row)


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


def require_postgres() -> None:
    """Skip the test when there is no server, or fail it when `REQUIRE_POSTGRES=1`."""
    try:
        psycopg.connect(_plain(SERVER), connect_timeout=60).close()
    except psycopg.OperationalError as error:
        if os.environ.get("REQUIRE_POSTGRES") == "1":
            pytest.fail(f"REQUIRE_POSTGRES=1, but TEST_POSTGRES_URL does not answer: {error}")
        pytest.skip(f"no PostgreSQL server at TEST_POSTGRES_URL: {error}")
