"""Wake-ups: a job and its execution exist together or not at all, and every commit is heard (PostgreSQL and SQLite)."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import func, select, text

from manager_core.access.caller import system_caller
from manager_core.bootstrap import Core
from manager_core.executions.dispatch.local import DataVersionWatch
from manager_core.executions.dispatch.notifications import NotificationWatch
from manager_core.executions.dispatch.procrastinate import ProcrastinateWatch, defer_wake_up
from manager_core.executions.dispatch.signals import announce
from manager_core.executions.tables import Execution
from tests.support.clock import PATIENCE
from tests.support.processes_of_tests import wait_until
from tests.support.rows import a_deployment, an_execution

ADMIN = system_caller("default_tenant")


class Interrupted(Exception):
    """Ends a transaction of a test."""


def counts(core: Core) -> tuple[int, int]:
    """Return how many executions and how many jobs there are."""
    with core.store.read() as session:
        connection = session.connection()
        executions = connection.execute(select(func.count()).select_from(Execution)).scalar_one()
        return executions, connection.execute(text("SELECT count(*) FROM procrastinate_jobs")).scalar_one()


def test_a_start_that_is_rolled_back_leaves_neither_execution_nor_job(core: Core) -> None:
    if core.store.dialect != "postgresql":
        pytest.skip("jobs are PostgreSQL's")
    a_deployment(core)
    with pytest.raises(Interrupted), core.store.write() as session:
        core.executions.start_in(session, ADMIN, deployment_id="dep", workflow_id="backup")
        raise Interrupted
    assert counts(core) == (0, 0)
    core.executions.start(ADMIN, deployment_id="dep", workflow_id="backup")
    assert counts(core) == (1, 1)
    core.executions.start(ADMIN, deployment_id="dep", workflow_id="backup", queue=True)
    assert counts(core) == (2, 1), "what waits in the queue needs no wake-up"


def test_a_job_is_taken_and_gone_and_its_watch_can_be_stopped(core: Core) -> None:
    if core.store.dialect != "postgresql":
        pytest.skip("jobs are PostgreSQL's")
    heard = threading.Event()
    watch = ProcrastinateWatch(core.settings.url, heard.set)
    with core.store.write() as session:
        defer_wake_up(session)
    watch.start()
    try:
        assert heard.wait(PATIENCE)
        wait_until(lambda: counts(core)[1] == 0)
    finally:
        watch.stop()


def test_a_commit_elsewhere_is_heard(core: Core) -> None:
    a_deployment(core)
    heard = threading.Event()
    kind = DataVersionWatch if core.store.dialect == "sqlite" else NotificationWatch
    watch = kind(core.settings.url, heard.set)
    watch.start()
    try:
        assert heard.wait(PATIENCE), "it announces itself"
        heard.clear()
        an_execution(core)
        with core.store.write() as session:
            announce(session)
        assert heard.wait(PATIENCE)
    finally:
        watch.stop()
