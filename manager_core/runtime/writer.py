"""The one writer of an execution process: events, logs, task states and instance states, in batches.

Callers from any thread put records in and go on; a thread commits what has gathered every 50 ms or 200 records, in the
order it was put in. `flush` commits at once: at every point where a later reader must see what was written. Each
transaction first makes sure that the execution still belongs to this process; one that lost it writes nothing more.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, delete, update
from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from manager_core.events.bulk import EventValues, insert_own_events
from manager_core.events.clean import clean, clean_text
from manager_core.executions.cancelling import NOP
from manager_core.executions.graphs import count_operations, insert_operations
from manager_core.executions.tables import Execution, Operation
from manager_core.nodes import rows
from manager_core.nodes.tables import NodeInstance
from manager_core.runtime.fencing import FencedStore, LostExecution, waits
from manager_core.store.bulk import IN_MANY, chosen, many, run, run_each
from manager_core.store.column_types import from_json_text, to_json_text
from manager_core.store.engine import Store
from manager_core.store.problems import is_passing, one_line
from scheduler.clock import Clock

log = logging.getLogger("manager.runtime")

INTERVAL_SECONDS = 0.05
QUIET_TURNS = 10
"""After so many intervals without a record the writer's thread sleeps until there is one."""
BATCH = 200
CROWD = 4_000
"""With this many records waiting, who puts in more has to commit first."""
ATTEMPTS = 7
TICK = timedelta(microseconds=1)

_X: Any = Execution
_O: Any = Operation.__table__  # type: ignore[attr-defined]
_N: Any = NodeInstance.__table__  # type: ignore[attr-defined]


@dataclass(slots=True)
class OperationState:
    """The newest state of a stored operation. `response` is kept for a resume that missed it."""

    state: str
    response: dict[str, Any] | None = None
    keep_response: bool = False


@dataclass(slots=True)
class Batch:
    """What one transaction writes."""

    events: list[EventValues] = field(default_factory=list)
    new_operations: list[dict[str, Any]] = field(default_factory=list)
    states: dict[str, OperationState] = field(default_factory=dict)
    finished: set[str] = field(default_factory=set)
    removed: list[str] = field(default_factory=list)
    instances: dict[str, list[str]] = field(default_factory=dict)
    work: list[Callable[[Session], None]] = field(default_factory=list)
    size: int = 0


class Writer:
    """Batches the writes of one execution; see the module's text. Life cycle: construct, put …, close."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        execution_id: str,
        tenant_name: str,
        deployment_id: str | None,
        attempt: int,
        on_lost: Callable[[], None],
    ) -> None:
        """Start the writer's thread.

        Args:
            attempt: the take of the execution that this process works for.
            on_lost: called when another process has taken the execution over.
        """
        self._store = (
            store
            if isinstance(store, FencedStore)
            else FencedStore(store, execution_id=execution_id, attempt=attempt, on_lost=on_lost, clock=clock)
        )
        self._clock = clock
        self._execution_id = execution_id
        self._tenant_name = tenant_name
        self._deployment_id = deployment_id
        self._on_lost = on_lost
        self._changed = threading.Condition()
        self._committing = threading.RLock()
        self._batch = Batch()
        self._last: datetime | None = None
        self._closed = False
        self._asleep = False  # whether the thread waits for the next record, however long that takes
        self.counted: set[str] = set()
        self._thread = threading.Thread(target=self._loop, name="writer", daemon=True)
        self._thread.start()

    # What callers put in

    def event(self, row: Mapping[str, Any], *, at: datetime | None = None) -> None:
        """Record an event or log; the columns of the execution are added. `at` is when it happened, if not now."""
        get = row.get
        self.event_values(
            row["type"],
            get("event_type"),
            get("logger"),
            get("level"),
            row["message"],
            get("operation"),
            get("node_name"),
            get("node_instance_id"),
            get("source_id"),
            get("target_id"),
            get("error_causes"),
            at=at,
        )

    def event_values(
        self,
        kind: str,
        event_type: str | None,
        logger: str | None,
        level: str | None,
        message: str,
        operation: str | None,
        node_name: str | None,
        node_instance_id: str | None,
        source_id: str | None,
        target_id: str | None,
        error_causes: Any,
        *,
        at: datetime | None = None,
    ) -> None:
        """Record an event or log given by its columns: what `event` does, for who records very many."""
        text = clean_text(message)
        causes = None if error_causes is None else clean(error_causes)
        with self._changed:
            reported = self._now()
            self._batch.events.append(
                (
                    kind, event_type, logger, level, text, operation, node_name, node_instance_id, source_id,
                    target_id, causes, at or reported, reported,
                )
            )  # fmt: skip
            self._added()

    def operations(self, operations: Sequence[Mapping[str, Any]]) -> None:
        """Record new stored operations, each with its `tasks_graph_id`; one transaction writes them all."""
        with self._changed:
            for operation in operations:
                self._batch.new_operations.append(dict(operation))
                self._added()

    def state(
        self, operation_id: str, state: str, *, response: dict[str, Any] | None = None, finished: bool = False
    ) -> None:
        """Record a stored operation's new state.

        Args:
            response: what came out of it; kept until a later one.
            finished: it counts into `finished_operations`, unless it did before.
        """
        with self._changed:
            known = self._batch.states.get(operation_id)
            if known is None:
                known = self._batch.states[operation_id] = OperationState(state)
            known.state = state
            if response is not None:
                known.response = clean(response)
                known.keep_response = True
            if finished and operation_id not in self.counted:
                self.counted.add(operation_id)
                self._batch.finished.add(operation_id)
            self._added()

    def removal(self, operation_id: str) -> None:
        """Record that a stored operation goes."""
        with self._changed:
            self._batch.removed.append(operation_id)
            self._added()

    def instance_state(self, instance_id: str, state: str) -> None:
        """Record a node instance's new state, whatever its version."""
        with self._changed:
            self._batch.instances.setdefault(instance_id, []).append(state)
            self._added()

    def last(self, work: Callable[[Session], None]) -> None:
        """Run `work` in the transaction of what was put in so far, after all of it, and commit at once."""
        with self._committing:
            with self._changed:
                self._batch.work.append(work)
                self._batch.size += 1
            self._commit()

    def flush(self) -> None:
        """Return when everything put in so far is committed."""
        if self._batch.size or not self._committing.acquire(blocking=False):
            with self._committing:
                self._commit()
            return
        self._committing.release()

    def close(self) -> None:
        """Commit what is left and end the thread. Repeatable."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(10)
        self.flush()
        self._store.release()

    # How it is written

    def _now(self) -> datetime:
        """Return a strictly growing instant: the order of events is the order of their timestamps."""
        now = self._clock.now()
        if self._last is not None and now <= self._last:
            now = self._last + TICK
        self._last = now
        return now

    def _added(self) -> None:
        batch = self._batch
        batch.size += 1
        if self._asleep or batch.size == BATCH:
            self._asleep = False
            self._changed.notify_all()

    def _loop(self) -> None:
        while self._await_batch():
            try:
                self.flush()
                self._store.tidy()
            except LostExecution:
                return
            except Exception:
                log.exception("write_failed execution=%s", self._execution_id)
                self._on_lost()
                return

    def _await_batch(self) -> bool:
        """Wait until there is something that is old enough, or enough of it; False when the writer is closed.

        While records come the thread looks around by itself: being called for the first record of each batch would
        cost the caller a change of threads, and most batches are committed by a `flush` before their time.
        """
        with self._changed:
            quiet = 0
            while not self._closed:
                if self._batch.size >= BATCH:
                    return True
                self._changed.wait(INTERVAL_SECONDS)
                if self._batch.size:
                    return True
                quiet += 1
                if quiet == QUIET_TURNS:
                    self._asleep = True
                    self._changed.wait_for(lambda: self._batch.size or self._closed)
                    self._asleep = False
                    quiet = 0
            return bool(self._batch.size)

    def relieve(self) -> None:
        """Commit in the caller's thread when far more gathers than the writer's thread gets rid of."""
        if self._batch.size > CROWD:
            self.flush()

    def _commit(self) -> None:
        with self._changed:
            batch, self._batch = self._batch, Batch()
        if not batch.size:
            return
        for tries, wait in enumerate(waits(), 1):
            try:
                if batch.work:
                    with self._store.write() as session:
                        self._write(session.connection(), batch)
                        for work in batch.work:
                            work(session)
                else:
                    with self._store.transaction() as connection:
                        self._write(connection, batch)
                return
            except OperationalError as error:
                # The database was busy or away for a moment; the batch is whole, so it can be written again: for as
                # long as the lease lasts when the server is away, some times when it is there and refuses.
                if tries >= ATTEMPTS and not is_passing(error):
                    raise
                log.warning("write_repeated execution=%s tries=%s: %s", self._execution_id, tries, one_line(error))
                self._clock.wait(wait)

    def _write(self, connection: Connection, batch: Batch) -> None:
        if batch.new_operations:
            insert_operations(connection, batch.new_operations, self._clock.now())
        self._write_states(connection, batch)
        if batch.removed:
            connection.execute(delete(Operation).where(_O.c.id.in_(batch.removed)))
        total = sum(operation["type"] != NOP for operation in batch.new_operations)
        if total or batch.finished:
            count_operations(connection, self._execution_id, total=total, finished=len(batch.finished))
        if batch.instances:
            self._write_instances(connection, batch.instances)
        if batch.events:
            insert_own_events(connection, self._tenant_name, self._execution_id, self._deployment_id, batch.events)

    def _write_states(self, connection: Connection, batch: Batch) -> None:
        plain: dict[str, list[str]] = {}
        answered = []
        for key, item in batch.states.items():
            if item.keep_response:
                answered.append({"key": key, "new": item.state, "answer": to_json_text(item.response)})
            else:
                plain.setdefault(item.state, []).append(key)
        for state, keys in plain.items():  # many tasks are in few states: a statement for each of those
            run(connection, _SET_STATE[connection.dialect.name], {"new": state, "keys": many(connection, keys)})
        if answered:
            run_each(connection, _SET_RESPONSE[connection.dialect.name], answered)

    def _write_instances(self, connection: Connection, instances: Mapping[str, list[str]]) -> None:
        changed = [key for key, states in instances.items() if not rows.TOUCHING_STATES.isdisjoint(states)]
        known = self._system_properties(connection, changed) if changed else {}
        plain, deep = [], []
        for key, states in instances.items():
            row = {"tenant": self._tenant_name, "key": key, "new": states[-1], "steps": len(states)}
            if key in known:
                for state in states:
                    rows.enter_state(known[key], state, self._clock.now())
                system = known[key]
                deep.append({**row, "system": system, "drifted": rows.drifted(system), "well": rows.status_ok(system)})
            else:
                plain.append(row)
        if plain:
            run_each(connection, _SET_INSTANCE, plain)
        if deep and connection.dialect.name == "sqlite":
            stored = [{**row, "system": to_json_text(row["system"])} for row in deep]
            run_each(connection, _SET_INSTANCE_DEEP_SQLITE, stored)
        elif deep:
            connection.execute(_SET_INSTANCE_DEEP, deep)

    def _system_properties(self, connection: Connection, instances: list[str]) -> dict[str, dict[str, Any]]:
        """Return the system properties of those instances that exist, by id."""
        values = {"tenant": self._tenant_name, "keys": many(connection, instances)}
        found = chosen(connection, _SYSTEM_PROPERTIES[connection.dialect.name], values)
        return {key: (from_json_text(kept) if isinstance(kept, str) else kept) or {} for key, kept in found}


_SET_STATE = {name: f"UPDATE operations SET state = :new WHERE id {IN_MANY[name]}" for name in IN_MANY}
_SET_RESPONSE = {
    "sqlite": "UPDATE operations SET state = :new, response = :answer WHERE id = :key",
    "postgresql": "UPDATE operations SET state = :new, response = CAST(:answer AS JSONB) WHERE id = :key",
}
_ONE_INSTANCE = (_N.c.tenant_name == bindparam("tenant")) & (_N.c.id == bindparam("key"))
_SET_INSTANCE = (
    "UPDATE node_instances SET state = :new, version = version + :steps WHERE tenant_name = :tenant AND id = :key"
)
_SET_INSTANCE_DEEP = (
    update(_N)
    .where(_ONE_INSTANCE)
    .values(
        state=bindparam("new"),
        version=_N.c.version + bindparam("steps"),
        system_properties=bindparam("system"),
        has_configuration_drift=bindparam("drifted"),
        is_status_check_ok=bindparam("well"),
    )
)
_SYSTEM_PROPERTIES = {
    name: f"SELECT id, system_properties FROM node_instances WHERE tenant_name = :tenant AND id {IN_MANY[name]}"
    for name in IN_MANY
}
_SET_INSTANCE_DEEP_SQLITE = (
    "UPDATE node_instances SET state = :new, version = version + :steps, system_properties = :system, "
    "has_configuration_drift = :drifted, is_status_check_ok = :well WHERE tenant_name = :tenant AND id = :key"
)
