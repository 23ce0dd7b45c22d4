"""Stored tasks graphs and their operations, as the API reads and changes them (REST contract §15)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, insert, select
from sqlmodel import Session

from manager_core import ids
from manager_core.access.caller import Caller
from manager_core.errors import BadParameters, Conflict, NotFound
from manager_core.executions import operation_effects, stored_inputs
from manager_core.executions.cancelling import NOP
from manager_core.executions.listing import EXECUTIONS, OPERATIONS, TASKS_GRAPHS
from manager_core.executions.tables import Execution, Operation, TasksGraph
from manager_core.rest.listing import ListQuery, get_one, list_page
from manager_core.states import TASK_END, TaskState
from manager_core.store.bulk import insert_tuples, run
from manager_core.store.column_types import to_json_text, to_text

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

_O: Any = Operation
_G: Any = TasksGraph
_X: Any = Execution

SHOWN_TYPES = ("SubgraphTask", "RemoteWorkflowTask")
"""What `skip_internal` keeps."""

_PART = 500
"""Operations that are stored with one call."""

INSERT_COLUMNS = ("id", "tasks_graph_id", "name", "state", "type", "dependencies", "parameters", "created_at")


def list_operations(
    core: Core,
    caller: Caller,
    query: ListQuery,
    *,
    graph_id: str | None,
    execution_id: str | None,
    state: str | None,
    skip_internal: bool,
) -> dict[str, Any]:
    """Return a page of the operations of one graph, or of all graphs of one execution.

    Raises:
        BadParameters: both or neither of graph and execution are named.
        NotFound: no such execution for this caller.
    """
    if graph_id and execution_id:
        raise BadParameters("Pass either graph_id or execution_id, not both")
    if not graph_id and not execution_id:
        raise BadParameters("Missing required param: graph_id or execution_id")
    with core.store.read() as session:
        if execution_id:
            get_one(session, EXECUTIONS, caller, execution_id, include=["id"])
            where = [_O.tasks_graph_id.in_(select(_G.id).where(_G.execution_id == execution_id))]
        else:
            _visible_graph(session, caller, graph_id or "")
            where = [_O.tasks_graph_id == graph_id]
        if state:
            where.append(_O.state == state)
        if skip_internal:
            where.append(_O.type.in_(SHOWN_TYPES))
        return list_page(session, OPERATIONS, query, caller, where=where)


def get_operation(core: Core, caller: Caller, operation_id: str, include: Sequence[str] | None) -> dict[str, Any]:
    """Return one operation; raises NotFound."""
    with core.store.read() as session:
        _visible_operation(session, caller, operation_id)
        return get_one(session, OPERATIONS, caller, operation_id, include=None if include is None else [*include])


def list_graphs(core: Core, caller: Caller, query: ListQuery, *, execution_id: str, name: str | None) -> dict[str, Any]:
    """Return a page of an execution's graphs; raises NotFound."""
    with core.store.read() as session:
        get_one(session, EXECUTIONS, caller, execution_id, include=["id"])
        where = [_G.execution_id == execution_id]
        if name:
            where.append(_G.name == name)
        return list_page(session, TASKS_GRAPHS, query, caller, where=where)


def create_graph(core: Core, caller: Caller, body: Mapping[str, Any]) -> dict[str, Any]:
    """Store a graph and its operations for a client, and return it.

    Raises:
        NotFound: no such execution.
        Conflict: the execution has a graph of this name.
        BadParameters: an operation is in no state that there is.
    """
    for operation in body.get("operations") or []:
        if operation.get("state") is not None:
            require_state(operation["state"])
    with core.store.write() as session:
        _require_change(session, caller, body["execution_id"])
        now = core.clock.now()
        graph = store_graph(
            session,
            execution_id=body["execution_id"],
            name=body["name"],
            operations=body.get("operations") or [],
            now=now,
            graph_id=body.get("graph_id"),
        )
        return get_one(session, TASKS_GRAPHS, caller, graph["id"])


def store_graph(
    session: Session,
    *,
    execution_id: str,
    name: str,
    operations: Iterable[Mapping[str, Any]],
    now: datetime,
    graph_id: str | None = None,
) -> dict[str, Any]:
    """Insert a graph with all its operations, and count them into the execution (workflow-runtime contract §3.4).

    The operations may be made while they are stored: those of a large graph need not be in memory all at once.

    Raises:
        Conflict: the execution has a graph of this name.
    """
    connection = session.connection()
    taken = select(_G.id).where(_G.execution_id == execution_id, _G.name == name)
    if connection.execute(taken).first() is not None:
        raise Conflict(f"Execution {execution_id} already has a tasks graph named {name}")
    graph_id = graph_id or ids.new_id()
    connection.execute(insert(TasksGraph).values(id=graph_id, execution_id=execution_id, name=name, created_at=now))
    counted = 0
    left = iter(operations)
    while part := list(islice(left, _PART)):
        insert_operations(connection, part, now, graph_id)
        counted += sum(operation.get("type") != NOP for operation in part)
    if counted:
        count_operations(connection, execution_id, total=counted)
    return {"id": graph_id, "execution_id": execution_id, "name": name}


def insert_operations(
    connection: Connection, operations: Sequence[Mapping[str, Any]], now: datetime, graph_id: str | None = None
) -> None:
    """Insert operations in one go.

    Args:
        graph_id: the graph of all of them; None where each says its own (`tasks_graph_id`).
    """
    if not operations:
        return
    rows = [
        (
            operation["id"],
            graph_id or operation["tasks_graph_id"],
            operation.get("name") or "",
            operation.get("state") or TaskState.PENDING.value,
            operation["type"],
            operation.get("dependencies") or [],
            operation.get("parameters") or {},
        )
        for operation in operations
    ]
    if connection.dialect.name == "sqlite":
        at = to_text(now)
        stored = [(*row[:5], to_json_text(row[5]), to_json_text(row[6]), at) for row in rows]
        insert_tuples(connection, "operations", INSERT_COLUMNS, stored)
        return
    values = [dict(zip(INSERT_COLUMNS, (*row, now), strict=True)) for row in rows]
    connection.execute(insert(Operation.__table__), values)  # type: ignore[attr-defined]


_ADD_COUNTS = (
    "UPDATE executions SET total_operations = total_operations + :total, "
    "finished_operations = finished_operations + :finished WHERE id = :key"
)


def count_operations(connection: Connection, execution_id: str, *, total: int = 0, finished: int = 0) -> None:
    """Add to an execution's counters."""
    run(connection, _ADD_COUNTS, {"key": execution_id, "total": total, "finished": finished})


def create_operation(core: Core, caller: Caller, operation_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Add one operation to a stored graph and return it; raises NotFound, Conflict."""
    with core.store.write() as session:
        execution_id = _require_change(session, caller, _visible_graph(session, caller, body["graph_id"]))
        if session.connection().execute(select(_O.id).where(_O.id == operation_id)).first() is not None:
            raise Conflict(f"Operation {operation_id} already exists")
        row = {**body, "id": operation_id, "tasks_graph_id": body["graph_id"]}
        insert_operations(session.connection(), [row], core.clock.now())
        if body["type"] != NOP:
            count_operations(session.connection(), execution_id, total=1)
        return get_one(session, OPERATIONS, caller, operation_id)


def change_operation(core: Core, caller: Caller, operation_id: str, body: Mapping[str, Any]) -> None:
    """Set an operation's state, with what hangs on it (`operation_effects`), all in one transaction.

    The first terminal state counts into `finished_operations`. A state that the operation is in already changes
    nothing else: a client may repeat a request that it got no answer to.

    Raises:
        NotFound: no such operation for this caller, or the node instance it is about is not there.
        BadParameters: no such state.
        Forbidden: the caller may only look on, or may not change the node instance it is about.
    """
    require_state(body.get("state"))
    report = operation_effects.Report.of(body)
    with core.store.write() as session:
        execution_id = _require_change(session, caller, _visible_operation(session, caller, operation_id))
        operation = _locked_operation(session, operation_id)
        old = operation.state
        operation.state = report.state
        for name in ("manager_name", "agent_name"):
            if body.get(name) is not None:
                setattr(operation, name, body[name])
        response = report.response()
        if response is not None:
            operation.response = response
        session.add(operation)
        session.flush()
        if report.state == old:
            return
        if report.state in TASK_END and old not in TASK_END and operation.type != NOP:
            count_operations(session.connection(), execution_id, finished=1)
        execution = session.scalars(select(Execution).where(_X.id == execution_id)).one()
        operation_effects.enter(core, session, caller, execution, operation, report)


def delete_operation(core: Core, caller: Caller, operation_id: str) -> None:
    """Delete one operation, and count it no more; raises NotFound."""
    with core.store.write() as session:
        execution_id = _require_change(session, caller, _visible_operation(session, caller, operation_id))
        operation = _locked_operation(session, operation_id)
        if operation.type != NOP:
            finished = -1 if operation.state in TASK_END else 0
            count_operations(session.connection(), execution_id, total=-1, finished=finished)
        session.delete(operation)


def require_state(state: Any) -> None:
    """Refuse a state that no operation can be in; raises BadParameters."""
    if state not in {value.value for value in TaskState}:
        raise BadParameters(f"Invalid operation state: {state}")


def _locked_operation(session: Session, operation_id: str) -> Operation:
    """Return a stored operation, held until the transaction ends; raises NotFound when it has gone."""
    statement = select(Operation).where(_O.id == operation_id).with_for_update()
    found = session.scalars(statement.execution_options(populate_existing=True)).first()
    if found is None:
        raise NotFound.of("Operation", operation_id)
    return found


@dataclass(frozen=True)
class StoredInputs:
    """Which stored operations get new inputs: those of one declared operation of a node.

    Attributes:
        key: where the node declares it, one of `stored_inputs.KEYS`.
        rel_index: place of the relationship in the node's list, where it is one of a relationship.
    """

    deployment_id: str
    node_id: str
    operation: str
    key: str
    rel_index: int | None = None


def update_stored(core: Core, caller: Caller, which: StoredInputs) -> int:
    """Give stored operations that have not succeeded the inputs their node declares now; returns how many changed.

    Raises:
        NotFound: no such deployment or node for this caller.
        BadParameters: there is no such place of operations.
    """
    if which.key not in stored_inputs.KEYS:
        raise BadParameters(f"Invalid key: {which.key}, Valid keys are: {list(stored_inputs.KEYS)}")
    deployment = core.deployments.get(caller, which.deployment_id)
    tenant = deployment["tenant_name"]
    caller.require("execution_start")
    caller.require_at_home(tenant)
    with core.store.write() as session:
        nodes, _ = core.nodes.load(session, tenant, which.deployment_id)
        node = next((item for item in nodes if item["id"] == which.node_id), None)
        if node is None:
            raise NotFound.of("Node", which.node_id)
        declared = stored_inputs.declared_by(node, operation=which.operation, key=which.key, rel_index=which.rel_index)
        return stored_inputs.rewrite(session, tenant, which.deployment_id, declared)


def _require_change(session: Session, caller: Caller, execution_id: str) -> str:
    """Return the execution's id when the caller may change what it does.

    `operations` lets viewers look on; what an execution will run is changed by who may start one.

    Raises:
        NotFound: no such execution for this caller.
        Forbidden: the caller may only look on.
    """
    found = get_one(session, EXECUTIONS, caller, execution_id, include=["tenant_name"])
    caller.require("execution_start")
    caller.require_at_home(found["tenant_name"])
    return execution_id


def _visible_graph(session: Session, caller: Caller, graph_id: str) -> str:
    """Return the execution of a graph that the caller may see.

    Raises:
        NotFound: there is none.
    """
    execution_id = session.connection().execute(select(_G.execution_id).where(_G.id == graph_id)).scalar()
    if execution_id is None:
        raise NotFound.of("TasksGraph", graph_id)
    get_one(session, EXECUTIONS, caller, execution_id, include=["id"])
    return str(execution_id)


def _visible_operation(session: Session, caller: Caller, operation_id: str) -> str:
    graph_id = session.connection().execute(select(_O.tasks_graph_id).where(_O.id == operation_id)).scalar()
    if graph_id is None:
        raise NotFound.of("Operation", operation_id)
    return _visible_graph(session, caller, graph_id)


def show_graph(core: Core, caller: Caller, graph_id: str) -> dict[str, Any]:
    """Return one graph; raises NotFound."""
    with core.store.read() as session:
        _visible_graph(session, caller, graph_id)
        return get_one(session, TASKS_GRAPHS, caller, graph_id)
