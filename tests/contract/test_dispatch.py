"""What holds of both dispatchers, the local one on SQLite and Procrastinate with NOTIFY on PostgreSQL.

A wake-up is a hint: it comes after the commit and never after a rollback; one that comes twice, late or never does no
harm, because the worker looks at the rows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from manager_core.access.caller import system_caller
from manager_core.bootstrap import Core, build
from manager_core.executions.dispatch.local import DataVersionWatch
from manager_core.executions.dispatch.notifications import NotificationWatch
from manager_core.executions.dispatch.procrastinate import ProcrastinateWatch, defer_wake_up
from manager_core.runtime import leases
from manager_core.runtime.worker import Worker
from tests.conftest import BOTH
from tests.support.databases import PostgresTemplate, test_settings
from tests.support.rows import a_deployment, an_execution
from tests.support.running import (
    PATIENCE,
    a_running_deployment,
    a_worker,
    ended,
    event_types,
    one_is_in_time,
    start,
    status,
)

ADMIN = system_caller("default_tenant")
Watch = DataVersionWatch | NotificationWatch | ProcrastinateWatch
WATCHES = [("sqlite", DataVersionWatch), ("postgresql", NotificationWatch), ("postgresql", ProcrastinateWatch)]


class Interrupted(Exception):
    """Ends a transaction of a test."""


class Listener:
    """A watch and what it heard."""

    def __init__(self, core: Core, kind: Callable[[str, Callable[[], None]], Watch]) -> None:
        self.heard = threading.Event()
        self._watch = kind(core.settings.url, self.heard.set)

    def __enter__(self) -> Listener:
        self._watch.start()
        assert self.heard.wait(PATIENCE), "it looks once when it begins: nothing before that is missed"
        self.heard.clear()
        return self

    def __exit__(self, *_: object) -> None:
        self._watch.stop()


@pytest.fixture(params=WATCHES, ids=lambda it: it[1].__name__)
def watched(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Core, Listener]]:
    """A Core and a running watch of its database."""
    for core in core_on(request.param[0], request, tmp_path):
        a_deployment(core)
        with Listener(core, request.param[1]) as listener:
            yield core, listener


@pytest.fixture(params=BOTH)
def real(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Core]:
    """A Core on a real clock, and the deployment `dep`; no worker runs."""
    for core in core_on(request.param, request, tmp_path):
        a_running_deployment(core)
        yield core


def core_on(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Core]:
    """Yield a Core on a real clock."""
    url = name = template = None
    if kind == "sqlite":
        request.getfixturevalue("sqlite_template").copy_into(tmp_path / "data")
    else:
        template = request.getfixturevalue("postgres_template")
        assert isinstance(template, PostgresTemplate)
        name, url = template.clone()
    core = build(test_settings(tmp_path / "data", database_url=url, grace_seconds=1.0))
    try:
        yield core
    finally:
        core.close()
        if template is not None:
            template.drop(name)


def forget_wake_ups(core: Core) -> None:
    """Lose every job that is kept."""
    if core.store.dialect == "postgresql":
        with core.store.write() as session:
            session.execute(text("DELETE FROM procrastinate_jobs"))


def test_a_start_is_heard_after_its_commit(watched: tuple[Core, Listener]) -> None:
    core, listener = watched
    with core.store.write() as session:
        core.executions.start_in(session, ADMIN, deployment_id="dep", workflow_id="backup")
        assert not listener.heard.is_set()
    assert listener.heard.wait(PATIENCE)


def test_a_start_that_is_rolled_back_is_never_heard(watched: tuple[Core, Listener]) -> None:
    """A later, committed start is: so the watch listened, and what it heard was that one."""
    core, listener = watched
    with pytest.raises(Interrupted), core.store.write() as session:
        core.executions.start_in(session, ADMIN, deployment_id="dep", workflow_id="backup")
        raise Interrupted
    assert not listener.heard.wait(0.3)
    core.executions.start(ADMIN, deployment_id="dep", workflow_id="backup")
    assert listener.heard.wait(PATIENCE)


def test_a_watch_can_be_stopped_twice_and_before_it_started(real: Core) -> None:
    for kind, watch in WATCHES:
        if kind != real.store.dialect:
            continue
        one = watch(real.settings.url, lambda: None)
        one.stop()
        with Listener(real, watch) as listener:
            listener._watch.stop()


def test_wake_ups_that_come_twice_or_for_nothing_start_nothing_twice(real: Core) -> None:
    key = start(real, "each")
    with a_worker(real), a_worker(real):
        for _ in range(20):
            real.executions.wake()
            if real.store.dialect == "postgresql":
                with real.store.write() as session:
                    defer_wake_up(session)
        assert ended(real, key).status == "terminated"
        assert ended(real, start(real, "each")).status == "terminated"
    with real.store.read() as session:
        assert real.executions.found(session, key).attempt == 1
    assert event_types(real, key).count("workflow_started") == 1


def test_a_wake_up_that_never_comes_costs_a_second_at_most(real: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    """No watch runs, no job is kept, nobody is told: the worker looks by itself."""
    monkeypatch.setattr(Worker, "_watches", lambda _self: [])
    with a_worker(real):
        assert ended(real, start(real, "each")).status == "terminated"  # the worker is warm from here on
        other = build(real.settings)  # its wake-ups reach no worker of this process

        def waited() -> float:
            key = start(other, "each")
            forget_wake_ups(other)
            execution = ended(real, key)
            assert execution.status == "terminated"
            assert execution.started_at is not None
            return (execution.started_at - execution.created_at).total_seconds()

        try:
            assert one_is_in_time(1.5, waited)
        finally:
            other.close()


def test_a_wake_up_that_comes_long_after_the_end_does_no_harm(real: Core) -> None:
    with a_worker(real):
        key = start(real, "each")
        assert ended(real, key).status == "terminated"
        if real.store.dialect == "postgresql":
            with real.store.write() as session:
                defer_wake_up(session)
        real.executions.wake()
        assert ended(real, start(real, "each")).status == "terminated"
    with real.store.read() as session:
        assert real.executions.found(session, key).attempt == 1


def test_the_sweep_repairs_what_a_lost_worker_left(real: Core) -> None:
    """The worker took it and died before its process ran: no wake-up is left, and nobody renews the lease."""
    past = real.clock.now().replace(year=2020)
    held = {"status": "started", "worker_id": "gone", "lease_until": past, "attempt": 1}
    key = an_execution(real, workflow_id="graph", blueprint_id="bp", parameters={}, **held)
    forget_wake_ups(real)
    assert leases.sweep(real, "another") == 1
    assert status(real, key) == "pending"
    if real.store.dialect == "postgresql":
        with real.store.read() as session:
            jobs = session.execute(text("SELECT count(*) FROM procrastinate_jobs")).scalar_one()
        assert jobs == 1, "taken back and deferred again in one transaction"
    with a_worker(real):
        assert ended(real, key).status == "terminated"
