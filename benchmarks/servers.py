"""Databases for benchmarks that need a PostgreSQL server: one of their own, dropped afterwards. Measures nothing."""

from __future__ import annotations

import json
import os
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

DEFAULT = "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"


def _server(url: str) -> str:
    return url or os.environ.get("TEST_POSTGRES_URL", DEFAULT)


def skip_without_server(benchmark: str, url: str = "") -> None:
    """End the program well when no server answers: benchmarks run on every machine."""
    try:
        psycopg.connect(_server(url).replace("+psycopg", ""), connect_timeout=5).close()
    except psycopg.OperationalError:
        print(json.dumps({"benchmark": benchmark, "skipped": "no PostgreSQL server at TEST_POSTGRES_URL"}))
        sys.exit(0)


@contextmanager
def a_database(url: str = "") -> Iterator[str]:
    """Make an empty database on the server, give its SQLAlchemy URL, and drop it."""
    server = _server(url)
    name = f"benchmark_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield server.rsplit("/", 1)[0] + "/" + name
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


if __name__ == "__main__":
    print(json.dumps({"benchmark": "servers", "skipped": "a helper of the others"}))
