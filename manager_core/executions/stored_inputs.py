"""Rewriting the inputs of stored operations, so that what a resume runs has the inputs of an update.

A stored operation keeps the arguments it was built with (workflow-runtime contract §3.4). After a deployment update
those that have not succeeded get the inputs their node now declares (§6.4, phase post): arguments that the workflow
gave beside the declared ones stay as they were.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlmodel import Session

from manager_core.executions.tables import Execution, Operation, TasksGraph
from manager_core.states import ExecutionStatus, TaskState

_O: Any = Operation.__table__.c  # type: ignore[attr-defined]
_G: Any = TasksGraph.__table__.c  # type: ignore[attr-defined]
_X: Any = Execution.__table__.c  # type: ignore[attr-defined]

OPERATIONS, SOURCE_OPERATIONS, TARGET_OPERATIONS = "operations", "source_operations", "target_operations"
KEYS = (OPERATIONS, SOURCE_OPERATIONS, TARGET_OPERATIONS)
"""Where a node's plan declares operations: of itself, or of either side of one of its relationships."""

_Subject = tuple[str, str, str | None, str | None]
"""Node that runs the operation, the operation's name, and for a relationship its side and the node at its other end."""


@dataclass(frozen=True)
class DeclaredInputs:
    """What one operation of a node declares.

    Attributes:
        node_id: the node that runs it; of a relationship's target operation that is the target.
        operation: its full name.
        inputs: the declared inputs, intrinsic functions not evaluated.
        has_functions: whether there are intrinsic functions among them.
        side: `source` or `target` for an operation of a relationship.
        other: the node at the relationship's other end.
    """

    node_id: str
    operation: str
    inputs: Mapping[str, Any]
    has_functions: bool = False
    side: str | None = None
    other: str | None = None

    @property
    def subject(self) -> _Subject:
        """What a stored operation is recognised by."""
        return self.node_id, self.operation, self.side, self.other


def declared_by(
    node: Mapping[str, Any], *, operation: str | None = None, key: str | None = None, rel_index: int | None = None
) -> list[DeclaredInputs]:
    """Return what a node of the plan declares; the arguments choose among it.

    Args:
        node: a node as plans and the node rows have it.
        operation: this one alone, by its full name.
        key: one of `KEYS`; all three when None.
        rel_index: of the relationship with this place in the node's list alone.
    """
    found = []
    if key in (None, OPERATIONS):
        found += _structs(node.get(OPERATIONS), node["id"])
    for index, relationship in enumerate(node.get("relationships") or ()):
        if rel_index is not None and index != rel_index:
            continue
        target = relationship["target_id"]
        if key in (None, SOURCE_OPERATIONS):
            found += _structs(relationship.get(SOURCE_OPERATIONS), node["id"], "source", target)
        if key in (None, TARGET_OPERATIONS):
            found += _structs(relationship.get(TARGET_OPERATIONS), target, "target", node["id"])
    return [item for item in found if operation in (None, item.operation)]


def _structs(
    operations: Mapping[str, Any] | None, node_id: str, side: str | None = None, other: str | None = None
) -> list[DeclaredInputs]:
    return [
        DeclaredInputs(
            node_id, name, struct.get("inputs") or {}, bool(struct.get("has_intrinsic_functions")), side, other
        )
        for name, struct in (operations or {}).items()
        if struct.get("operation")
    ]


def rewrite(session: Session, tenant: str, deployment_id: str, declared: Iterable[DeclaredInputs]) -> int:
    """Write declared inputs into the stored operations of a deployment that have not succeeded.

    Executions that ended well are left alone: nothing of them will run again.

    Returns:
        How many operations were changed.
    """
    wanted = {item.subject: item for item in declared}
    if not wanted:
        return 0
    mine = (
        select(_G.id)
        .join(Execution, _X.id == _G.execution_id)
        .where(
            _X.tenant_name == tenant,
            _X.deployment_id == deployment_id,
            _X.status != ExecutionStatus.TERMINATED.value,
        )
    )
    statement = select(_O.id, _O.parameters).where(
        _O.tasks_graph_id.in_(mine), _O.type == "RemoteWorkflowTask", _O.state != TaskState.SUCCEEDED.value
    )
    changes = []
    for row in session.connection().execute(statement):
        parameters = row.parameters or {}
        task_kwargs = parameters.get("task_kwargs") or {}
        kwargs = task_kwargs.get("kwargs") or {}
        context = kwargs.get("__cloudify_context") or {}
        item = wanted.get(_subject_of(context))
        if item is None:
            continue
        if item.has_functions and not context.get("has_intrinsic_functions"):
            context = {**context, "has_intrinsic_functions": True}
        new = {**kwargs, **item.inputs, "__cloudify_context": context}
        if new != kwargs:
            changes.append(
                {"key": row.id, "new": {**parameters, "task_kwargs": {**task_kwargs, "kwargs": new}}},
            )
    if changes:
        session.connection().execute(
            update(Operation.__table__)  # type: ignore[attr-defined]
            .where(_O.id == bindparam("key"))
            .values(parameters=bindparam("new")),
            changes,
        )
    return len(changes)


def _subject_of(context: Mapping[str, Any]) -> _Subject:
    operation, related = context.get("operation") or {}, context.get("related")
    side, other = (operation.get("relationship"), related.get("node_name")) if related else (None, None)
    return str(context.get("node_name")), str(operation.get("name")), side, other
