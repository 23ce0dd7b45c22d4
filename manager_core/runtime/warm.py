"""What the fork server does once before the first fork, instead of every execution process after it.

The mappers are configured, the modules that SQLAlchemy loads late are loaded, and the statements of a run are sent once
to an empty database in a temporary folder that is thrown away. No thread and no connection is left behind. The SQLite
engine stays: disposed of, it is nothing but a dialect and the statements compiled for it, and `warm_core` lets it
connect to the manager's database instead.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.orm import configure_mappers
from sqlmodel import SQLModel

import manager_core.store.metadata  # noqa: F401 - every table
from manager_core.access.tables import Tenant, User
from manager_core.bootstrap import Core, attach
from manager_core.deployments.tables import Deployment
from manager_core.events.bulk import insert_events
from manager_core.executions.listing import EXECUTIONS
from manager_core.executions.statuses import locked, set_status
from manager_core.executions.tables import Execution
from manager_core.rest.listing import get_one
from manager_core.runtime import records
from manager_core.runtime.writer import Writer
from manager_core.settings import Settings
from manager_core.states import ExecutionStatus
from manager_core.store.engine import Store, make_engine
from manager_core.store.files import FileStore
from scheduler.clock import SystemClock

TENANT, NAME = "default_tenant", "warm"


def warm() -> None:
    """Run the queries of an execution once."""
    configure_mappers()
    with tempfile.TemporaryDirectory(prefix="warm-", ignore_cleanup_errors=True) as folder:
        settings = Settings(data_dir=Path(folder), database_url=f"sqlite:///{folder}/warm.db", synchronous="NORMAL")
        engine = make_engine(settings.url, pool_size=4)
        event.listen(engine, "do_connect", _connect_elsewhere)
        store = Store(engine)
        try:
            _run(Core(settings=settings, clock=SystemClock(), store=store, files=FileStore(Path(folder) / "files")))
        finally:
            store.close()
        _kept.append(store)


_kept: list[Store] = []
_place: list[str] = []


def _connect_elsewhere(_dialect: Any, _record: Any, arguments: list[Any], _parameters: Any) -> None:
    """Let the kept engine connect to the database that `warm_core` named."""
    if _place:
        arguments[0] = _place[0]


def warm_core(settings: Settings) -> Core:
    """Return the Core of an execution process, on the kept engine where it fits the settings."""
    url = make_url(settings.url)
    if not _kept or url.get_backend_name() != "sqlite" or settings.synchronous != "NORMAL":
        return attach(settings)
    _place[:] = [str(url.database)]
    return Core(settings=settings, clock=SystemClock(), store=_kept[0], files=FileStore(settings.data_dir / "files"))


def _nothing() -> None:
    """Stand in for the loss of an execution that cannot be lost."""


def _run(core: Core) -> None:
    SQLModel.metadata.create_all(core.store.engine)
    now = core.clock.now()
    with core.store.write() as session:
        session.add(Tenant(name=TENANT, created_at=now))
        session.add(User(username=NAME, name_key=NAME, password_hash="", created_at=now))
        session.flush()
        owned: dict[str, Any] = {"tenant_name": TENANT, "created_by": NAME, "created_at": now}
        session.add(Deployment(id=NAME, display_name=NAME, workflows={}, **owned))
        session.flush()
        session.add(Execution(id=NAME, deployment_id=NAME, workflow_id=NAME, **owned))
    with core.store.read() as session:
        execution = core.executions.found(session, NAME)
        records.deployment_of(session, execution)
        caller = core.access.caller_for(session, NAME, TENANT)
        core.configuration.value_in(session, "task_retries", "workflow")
        records.nodes(session, TENANT, NAME)
        records.instances(session, TENANT, NAME)
        get_one(session, EXECUTIONS, caller, NAME)
    writer = Writer(
        core.store, core.clock, execution_id=NAME, tenant_name=TENANT, deployment_id=NAME, attempt=0, on_lost=_nothing
    )
    writer.event({"type": "cloudify_event", "message": NAME})
    writer.state(NAME, "started")
    writer.state(f"{NAME}2", "response-sent", response={}, finished=True)
    writer.instance_state(NAME, "creating")
    writer.instance_state(f"{NAME}2", "started")
    writer.close()
    with core.store.write() as session:
        row = {"tenant_name": TENANT, "execution_id": NAME, "type": "cloudify_event", "message": NAME}
        insert_events(session.connection(), [{**row, "timestamp": now, "reported_timestamp": now}])
        found = locked(session, NAME)
        assert found is not None
        set_status(core, session, found, ExecutionStatus.TERMINATED)
    core.executions.dequeue()
