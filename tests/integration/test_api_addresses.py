"""APIs tell each other where they are, through the database."""

from __future__ import annotations

import socket
from datetime import timedelta

import pytest
from sqlalchemy import text

from manager_core.bootstrap import Core
from manager_core.files.peers import API, FRESH, addresses, announce, mark, serves_here
from tests.support.clock import FakeClock

MACHINE = socket.gethostname()


def told(core: Core, name: str, url: str, machine: str) -> None:
    core.health.beat(API, name, core.clock.now() + FRESH, {"url": url, "machine": machine})


def test_only_apis_of_late_that_this_host_can_reach_are_asked(core: Core, clock: FakeClock) -> None:
    told(core, "old", "http://10.0.0.9:8080", "elsewhere")
    clock.advance(FRESH.total_seconds())
    told(core, "far", "http://10.0.0.1:8080", "elsewhere")
    clock.advance(1)
    told(core, "six", "http://[fd00::1]:8080", "elsewhere")
    clock.advance(1)
    told(core, "near", "http://127.0.0.1:8081", MACHINE)
    for number, hidden in enumerate(("127.0.0.1", "localhost", "[::1]")):
        told(core, f"hidden{number}", f"http://{hidden}:8080", "elsewhere")
    assert addresses(core) == ["http://127.0.0.1:8081", "http://[fd00::1]:8080", "http://10.0.0.1:8080"]


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("0.0.0.0", None)])
def test_an_api_tells_the_address_it_is_reached_at(core: Core, clock: FakeClock, host: str, shown: str | None) -> None:
    core.settings = core.settings.model_copy(update={"host": host, "port": 8099})
    announce(core, "mark")
    clock.advance(30)
    announce(core, "mark")
    if shown is None and core.store.dialect == "postgresql":  # it listens on all: what the database sees of it
        with core.store.read() as session:
            shown = session.connection().execute(text("SELECT host(inet_client_addr())")).scalar() or "127.0.0.1"
    expected = [f"http://{shown}:8099"] if core.store.dialect == "postgresql" else []
    assert addresses(core) == expected, "told again, it is still one"
    clock.set(clock.now() + timedelta(hours=1))
    assert addresses(core) == []


def test_who_works_in_the_directory_of_an_api_knows_it(core: Core, clock: FakeClock) -> None:
    assert not serves_here(core)
    first = mark(core)
    assert not serves_here(core), "nobody says it is alive"
    core.health.beat(API, "one", clock.now() + FRESH, {"url": "http://10.0.0.1:8080", "directory": first})
    assert serves_here(core)
    mark(core)
    assert not serves_here(core), "a copy of the directory has an old mark"
