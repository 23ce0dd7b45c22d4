"""Fixtures every test may ask for: a clock, a Core on either database, and a client of its API."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from starlette.testclient import TestClient

from manager_core.bootstrap import Core, build
from manager_core.store.engine import Store
from tests.support.clock import FakeClock
from tests.support.databases import (
    ADMIN_PASSWORD,
    PostgresTemplate,
    SqliteTemplate,
    require_postgres,
    test_settings,
)
from tests.support.requests import basic, client_of

# The same examples on every run: a change is judged by what it changed. HYPOTHESIS_PROFILE=ci tries many more, and new
# ones each time. How long examples take says something of the machine alone.
PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("default", max_examples=60, derandomize=True, **PATIENT)  # type: ignore[arg-type]
settings.register_profile("ci", max_examples=300, **PATIENT)  # type: ignore[arg-type]
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

for _name in [name for name in os.environ if name.startswith("CLOUDIFY_") or name == "DATABASE_URL"]:
    # A developer's own settings must not reach a Core under test.
    del os.environ[_name]


BEGIN_FIRST = (
    "tests/hosts/",
    "tests/acceptance/test_authors_guide.py",
    "tests/integration/test_crash.py",
    "tests/integration/test_scheduler_crash.py",
    "tests/integration/",
    "tests/acceptance/",
    "tests/migration/",
    "tests/contract/",
    "tests/simulation/",
    "tests/rest/test_openapi_fuzz.py",
    "tests/rest/",
)
"""What takes longest, by the beginnings of files' names."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let files that take long begin first: at the end of a parallel run nobody then waits for one of them."""

    def rank(item: pytest.Item) -> int:
        places = (place for place, name in enumerate(BEGIN_FIRST) if item.nodeid.startswith(name))
        return next(places, len(BEGIN_FIRST))

    items.sort(key=rank)


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still until the test moves it."""
    return FakeClock()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> SqliteTemplate:
    """The migrated and seeded SQLite file that tests copy."""
    return SqliteTemplate(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def postgres_template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresTemplate]:
    """The migrated and seeded PostgreSQL database that tests clone."""
    require_postgres()
    template = PostgresTemplate(tmp_path_factory.mktemp("postgres"))
    yield template
    template.close()


BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


def core_on(dialect: str, request: pytest.FixtureRequest, data_dir: Path, clock: FakeClock) -> Iterator[Core]:
    if dialect == "sqlite":
        request.getfixturevalue("sqlite_template").copy_into(data_dir)
        core = build(test_settings(data_dir), clock=clock)
        yield core
        core.close()
        return
    template: PostgresTemplate = request.getfixturevalue("postgres_template")
    name, url = template.clone()
    try:
        core = build(test_settings(data_dir, database_url=url), clock=clock)
        yield core
        core.close()
    finally:
        template.give_back(name)


@pytest.fixture(params=BOTH)
def core(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[Core]:
    """A Core on a fresh database, once on SQLite and once on PostgreSQL."""
    yield from core_on(request.param, request, tmp_path / "data", clock)


@pytest.fixture
def sqlite_core(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[Core]:
    """A Core on a fresh SQLite database, for what does not depend on the database."""
    yield from core_on("sqlite", request, tmp_path / "data", clock)


@pytest.fixture
def store(core: Core) -> Store:
    """The store of `core`."""
    return core.store


@pytest.fixture
def client(core: Core) -> Iterator[TestClient]:
    """A client of the API as `admin` in `default_tenant`, on both databases."""
    with client_of(core, Tenant="default_tenant", **basic("admin", ADMIN_PASSWORD)) as client:
        yield client


@pytest.fixture
def anonymous(core: Core) -> Iterator[TestClient]:
    """A client of the same API without credentials."""
    with client_of(core) as client:
        yield client
