"""The fence around a lost execution: a worker that comes back writes nothing, its processes end with their lease."""

from __future__ import annotations

import ast
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError

from manager_core.access.caller import system_caller
from manager_core.bootstrap import Core
from manager_core.errors import BadParameters, NotFound
from manager_core.events.tables import Event
from manager_core.runtime import leases
from manager_core.runtime.execution_process import ExecutionProcess
from manager_core.runtime.fencing import FencedStore, LeaseWatch, LostExecution
from manager_core.runtime.handler import DatabaseRuntime
from manager_core.runtime.host import DatabaseHost
from manager_core.runtime.resources import Resources
from manager_core.runtime.storage_calls import CALLS
from manager_core.runtime.writer import Writer
from manager_core.store.metadata import metadata
from scheduler.clock import SystemClock
from tests.support.clock import PATIENCE, FakeClock
from tests.support.rows import an_execution
from tests.support.running import a_running_deployment

ROOT = Path(__file__).resolve().parents[2] / "manager_core"
INSTANCE = "node_dep_000"


class Returned(Exception):
    """Stands for the end of the process in the thread that found the execution lost."""


class Zombie:
    """The runtime of an execution process, in this process; `take_away` gives its execution to somebody else."""

    def __init__(self, core: Core) -> None:
        self.core = core
        a_running_deployment(core)
        until = core.clock.now()
        self.execution_id = an_execution(core, status="started", worker_id="paused", lease_until=until, attempt=1)
        self.plain = core.store
        self.told: list[str] = []
        core.store = FencedStore(
            core.store, execution_id=self.execution_id, attempt=1, on_lost=lambda: self.told.append("lost")
        )
        with core.store.read() as session:
            execution = core.executions.found(session, self.execution_id)
        caller = replace(system_caller("default_tenant"), execution_id=self.execution_id)
        self.writer = Writer(
            core.store,
            SystemClock(),
            execution_id=self.execution_id,
            tenant_name="default_tenant",
            deployment_id="dep",
            attempt=1,
            on_lost=lambda: self.told.append("lost"),
        )
        resources = Resources(core, tenant_name="default_tenant", deployment_id="dep", blueprint_id="bp")
        self.runtime = DatabaseRuntime(core, execution, caller, self.writer, resources)
        self.host = DatabaseHost(self.runtime)

    def take_away(self) -> None:
        """Let another worker find the lease run out."""
        fenced, self.core.store = self.core.store, self.plain
        assert leases.sweep(self.core, "another") == 1
        self.core.store = fenced

    def contents(self) -> dict[str, list[Any]]:
        """Return every row of every table."""
        with self.plain.read() as session:
            return {
                table.name: [tuple(row) for row in session.connection().execute(select(table))]
                for table in metadata.sorted_tables
            }


@pytest.fixture
def zombie(core: Core, clock: FakeClock) -> Iterator[Zombie]:
    """A process whose lease has run out."""
    zombie = Zombie(core)
    clock.advance(core.settings.lease_seconds)
    yield zombie
    core.store = zombie.plain


def _runtime(name: str, *args: Any, **kwargs: Any) -> Callable[[Zombie], object]:
    return lambda zombie: getattr(zombie.runtime, name)(*args, **kwargs)


def _queued(name: str, *args: Any, **kwargs: Any) -> Callable[[Zombie], object]:
    def call(zombie: Zombie) -> object:
        getattr(zombie.runtime, name)(*args, **kwargs)
        zombie.runtime.flush()
        return None

    return call


def _storage(name: str, *args: Any, **kwargs: Any) -> Callable[[Zombie], object]:
    return lambda zombie: zombie.runtime.call(name, *args, **kwargs)


NODE = {"id": "new", "type": "cloudify.nodes.Root", "type_hierarchy": ["cloudify.nodes.Root"], "properties": {}}
WRITES: dict[str, Callable[[Zombie], object]] = {
    "event": _queued("send_event", "workflow_stage", "too late"),
    "log": _queued("send_log", "info", "x", "too late"),
    "instance state": _queued("set_node_instance_state", INSTANCE, "started"),
    "task state": _queued("update_operation", "an-operation", "succeeded"),
    "task removed": _queued("remove_operation", "an-operation"),
    "tasks added": _queued("store_operations", "a-graph", [{"id": "o", "name": "n", "type": "NOPLocalWorkflowTask"}]),
    "task added": _queued("store_operation", "a-graph", {"id": "o", "name": "n", "type": "NOPLocalWorkflowTask"}),
    "instance": _runtime("update_node_instance", INSTANCE, runtime_properties={"too": "late"}),
    "relationships": _runtime("update_node_instance", INSTANCE, relationships=[], force=True),
    "graph": _runtime("store_tasks_graph", "late", []),
    "modification": _runtime("start_deployment_modification", {"node": {"instances": 2}}),
    "own status": _runtime("update_execution_status", "failed"),
    "another execution": _runtime("start_execution", "dep", "each"),
    "operation: properties": lambda zombie: zombie.host.update_node_instance(
        INSTANCE, version=1, state="started", runtime_properties={"too": "late"}
    ),
    "operation: status": lambda zombie: zombie.host.update_execution_status(zombie.execution_id, "failed", "late"),
    "create_nodes": _storage("create_nodes", "dep", [NODE]),
    "create_node_instances": _storage("create_node_instances", "dep", [{"id": "node_x", "node_id": "node"}]),
    "update_node": _storage("update_node", "dep", "node", properties={"too": "late"}),
    "delete_node": _storage("delete_node", "dep", "node"),
    "delete_node_instance": _storage("delete_node_instance", INSTANCE),
    "set_deployment_attributes": _storage("set_deployment_attributes", "dep", description="late"),
    "update_idds": _storage("update_idds", "dep", []),
    "update_operation_inputs": _storage("update_operation_inputs", "dep", "node", "op.noop", "operations"),
    "create_execution_schedule": _storage(
        "create_execution_schedule", "late", "dep", workflow_id="each", since="2030-01-01 00:00", rrule="FREQ=DAILY"
    ),
}


def test_an_operation_sets_states_that_there_are_of_operations_that_its_user_sees(zombie: Zombie) -> None:
    kind = {"id": "o", "name": "n", "type": "RemoteWorkflowTask"}
    zombie.runtime.store_tasks_graph("mine", [kind])
    zombie.host.update_operation("o", state="response-sent")
    zombie.runtime.flush()
    assert zombie.host.get_operation("o")["state"] == "response-sent"
    with pytest.raises(BadParameters, match="Invalid operation state: done"):
        zombie.host.update_operation("o", state="done")
    with pytest.raises(NotFound):
        zombie.host.update_operation("nobody-s", state="started")


@pytest.mark.parametrize("what", WRITES)
def test_a_zombie_writes_nothing_of_an_execution_that_was_given_to_another(zombie: Zombie, what: str) -> None:
    zombie.take_away()
    before = zombie.contents()
    with pytest.raises(LostExecution):
        WRITES[what](zombie)
    assert zombie.contents() == before
    assert zombie.told, "its process is told to end"


def test_while_the_execution_is_its_own_it_writes(zombie: Zombie) -> None:
    """Also when its lease is over: nobody has taken it, so nobody else works on it."""
    before = zombie.contents()
    WRITES["event"](zombie)
    WRITES["operation: properties"](zombie)
    after = zombie.contents()
    assert len(after["events"]) == len(before["events"]) + 1
    assert after["node_instances"] != before["node_instances"]
    assert not zombie.told


@pytest.mark.parametrize("status", ["started", "cancelling", "force_cancelling", "terminated", "pending"])
def test_whatever_is_taken_from_a_lost_worker_it_is_fenced_off(core: Core, clock: FakeClock, status: str) -> None:
    """Also where nobody will take it up again: operations of a cancelled or ended run may still be at work."""
    a_running_deployment(core)
    lease = clock.now()
    key = an_execution(core, status=status, worker_id="paused", lease_until=lease, attempt=3, token_hash="door")
    clock.advance(1)
    assert leases.sweep(core, "another") == 1
    with core.store.read() as session:
        row = core.executions.found(session, key)
    assert row.attempt > 3
    assert row.worker_id != "paused"
    assert row.token_hash != "door"


def test_what_a_worker_holds_without_running_it_is_taken_back(core: Core, clock: FakeClock) -> None:
    """Its taking was committed, but the answer was lost."""
    a_running_deployment(core)
    until = clock.now().replace(year=2100)
    one, two = (an_execution(core, status="started", worker_id="me", lease_until=until) for _ in range(2))
    assert leases.sweep(core, "me", [one]) == 1
    with core.store.read() as session:
        assert core.executions.found(session, one).status == "started"
        assert core.executions.found(session, two).status == "pending"


def test_taking_over_waits_for_a_transaction_of_the_old_run(zombie: Zombie) -> None:
    """So there is no moment between the look at the attempt and the commit in which it could change."""
    if zombie.plain.dialect == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    take = text("SELECT 1 FROM executions WHERE id = :key FOR UPDATE NOWAIT")
    with zombie.core.store.write(), zombie.plain.write() as session, pytest.raises(OperationalError, match="lock"):
        session.execute(take, {"key": zombie.execution_id})
    with zombie.plain.write() as session:
        session.execute(take, {"key": zombie.execution_id})


@pytest.mark.parametrize("happened", [True, False])
def test_a_commit_whose_answer_was_lost_is_neither_lost_nor_repeated(
    zombie: Zombie, monkeypatch: pytest.MonkeyPatch, happened: bool
) -> None:
    if zombie.plain.dialect == "sqlite":
        pytest.skip("a file answers")
    dialect: Any = zombie.plain.engine.dialect
    commit = dialect.do_commit
    lost: list[bool] = []

    def do_commit(connection: Any) -> None:
        if lost:
            commit(connection)
            return
        lost.append(True)
        if happened:
            commit(connection)
        connection.dbapi_connection.close()
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(dialect, "do_commit", do_commit)
    WRITES["event"](zombie)
    with zombie.plain.read() as session:
        assert session.connection().execute(select(func.count()).select_from(Event)).scalar_one() == 1
    version = zombie.contents()["node_instances"]
    lost.clear()
    WRITES["operation: properties"](zombie)
    assert zombie.contents()["node_instances"] != version
    assert not zombie.told


def test_a_process_ends_when_its_lease_is_over_and_not_before(clock: FakeClock) -> None:
    ended = threading.Event()
    watch = LeaseWatch(clock.monotonic() + 0.01, ended.set, clock)
    watch.extend(clock.monotonic() + 3600)
    watch.extend(0)
    clock.advance(1)  # beyond the first lease; the watch looks again every few hundredths of a second
    assert not ended.wait(0.4)
    watch.stop()
    short = LeaseWatch(clock.monotonic() + 0.01, ended.set, clock)
    assert not ended.wait(0.2)
    clock.advance(1)
    assert ended.wait(PATIENCE)
    short.stop()


def test_every_storage_call_that_writes_is_tried_here() -> None:
    readers = {name for name in CALLS if name.startswith(("get_", "list_"))}
    tried = {name for name in WRITES if name in CALLS}
    # these change rows that need much of a deployment update around them; they go through the same fenced store
    others = {"set_deployment_update_attributes", "update_execution_schedule"}
    assert set(CALLS) == readers | tried | others


def test_nothing_writes_but_through_the_store() -> None:
    """The fence stands in the store: a transaction that is begun elsewhere would get around it."""
    allowed = {
        "store/engine.py",  # the store itself
        "store/migrate.py",  # before any execution process
        "runtime/fencing.py",  # the fence
        "executions/dispatch/procrastinate.py",  # Procrastinate's own tables, once
        "snapshots/dump.py",  # only reads
        "moving/command.py",  # copies a whole database, before anything runs on it
        "moving/source.py",  # only reads
    }
    found = set()
    for path in sorted(ROOT.rglob("*.py")):
        name = str(path.relative_to(ROOT))
        if name.startswith(("sdk/", "store/migrations/", "store/transfer")):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            function = ast.unparse(node.func)
            if function == "Session" or function.endswith(("engine.begin", "engine.connect", "sessionmaker")):
                found.add(name)
    assert found <= allowed


def test_a_transaction_that_takes_long_keeps_its_lease_and_holds_nobody_up(core: Core, clock: FakeClock) -> None:
    """A snapshot that is restored, say: the worker cannot renew the lease of a row that a transaction holds."""
    a_running_deployment(core)
    lease = core.settings.lease_seconds
    held, other = (
        an_execution(core, status="started", worker_id="me", lease_until=clock.now(), attempt=1) for _ in range(2)
    )
    told: list[float] = []
    store = FencedStore(
        core.store,
        execution_id=held,
        attempt=1,
        on_lost=lambda: None,
        clock=clock,
        lease_seconds=lease,
        on_renewed=told.append,
    )
    with store.write():
        assert store.is_held
        clock.advance(lease)
        if core.store.dialect == "postgresql":  # SQLite's one writer holds everybody up
            assert leases.renew(core, "me", [held, other]) == {other}
            assert leases.sweep(core, "another") == 0, "what is held is not lost, and not waited for"
    assert not store.is_held
    assert told == [clock.monotonic() + 0.9 * lease]
    with core.store.read() as session:
        until = core.executions.found(session, held).lease_until
    assert until is not None
    assert core.store.dialect == "postgresql" or until > clock.now()
    assert leases.renew(core, "me", [held, other]) == {held, other}


def test_the_end_waits_while_a_transaction_holds_off_others() -> None:
    ended, holding = threading.Event(), threading.Event()
    holding.set()
    LeaseWatch(SystemClock().monotonic() - 1, ended.set, postponed=holding.is_set)
    assert not ended.wait(0.3)
    holding.clear()
    assert ended.wait(PATIENCE)


def test_a_process_that_begins_while_the_database_is_away_waits_for_it(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = an_execution(core, deployment_id=None, status="started", attempt=1)
    found, asked = core.executions.found, []

    def away_at_first(session: Any, execution_id: str) -> Any:
        asked.append(execution_id)
        if len(asked) < 3:
            raise OperationalError("SELECT", {}, psycopg.OperationalError("server closed the connection unexpectedly"))
        return found(session, execution_id)

    monkeypatch.setattr(core.executions, "found", away_at_first)
    process = ExecutionProcess(core, {"execution_id": key, "attempt": 1, "token": "t"}, None)  # type: ignore[arg-type]
    process.read()
    assert asked == [key] * 3


def test_a_process_whose_rows_cannot_be_read_for_another_reason_says_so(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(session: Any, execution_id: str) -> Any:
        raise OperationalError("SELECT", {}, psycopg.errors.UndefinedTable("no such table"))

    key = an_execution(core, deployment_id=None, status="started", attempt=1)
    monkeypatch.setattr(core.executions, "found", broken)
    process = ExecutionProcess(core, {"execution_id": key, "attempt": 1, "token": "t"}, None)  # type: ignore[arg-type]
    with pytest.raises(OperationalError, match="no such table"):
        process.read()
