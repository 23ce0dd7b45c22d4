"""Cancel, force-cancel, kill and resume (REST contract §8.6, §8.7; workflow-runtime contract §3.3, §3.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select, update
from sqlmodel import Session

from manager_core.errors import BadParameters, Conflict, IllegalAction
from manager_core.executions.dispatch.signals import announce, announce_pending
from manager_core.executions.statuses import set_status
from manager_core.executions.tables import Execution, Operation, TasksGraph
from manager_core.states import CANCEL_ACTIONS, TASK_END, WAITING, ExecutionStatus, TaskState

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

ACTIONS = ["cancel", "force-cancel", "kill", "resume", "force-resume", "requeue"]
S = ExecutionStatus
NOP = "NOPLocalWorkflowTask"
"""The task type that counts neither into `total_operations` nor into `finished_operations`."""

_RESET = {
    "resume": [TaskState.FAILED.value, TaskState.RESCHEDULED.value],
    "force-resume": [
        state.value
        for state in (TaskState.FAILED, TaskState.RESCHEDULED, TaskState.STARTED, TaskState.SENT, TaskState.SENDING)
    ],
}


def act(core: Core, session: Session, execution: Execution, action: str) -> None:
    """Carry out an action on a locked execution.

    Raises:
        BadParameters: no such action.
        IllegalAction: it cannot be cancelled in its state.
        Conflict: it cannot be resumed in its state.
    """
    if action in _RESET:
        resume(core, session, execution, action)
    elif action in CANCEL_ACTIONS:
        cancel(core, session, execution, action)
    else:
        raise BadParameters(f"Invalid action: {action}, Valid action values are: {ACTIONS}")


def cancel(core: Core, session: Session, execution: Execution, action: str) -> None:
    """Ask for the end of an execution; `finish_unheld` completes it when no process has it."""
    status, allowed = CANCEL_ACTIONS[action]
    if allowed is not None and execution.status not in allowed:
        verb = "force-cancel" if action == "force-cancel" else "cancel"
        raise IllegalAction(f"Can't {verb} execution {execution.id} because it's in status {execution.status}")
    set_status(core, session, execution, status, check=False)
    announce(session)


def is_held(core: Core, execution: Execution) -> bool:
    """Tell whether a worker is believed to have a process of this execution."""
    return (
        execution.worker_id is not None
        and execution.lease_until is not None
        and execution.lease_until > core.clock.now()
    )


def finish_unheld(core: Core, session: Session, execution: Execution) -> bool:
    """End a cancelled execution that no process has as `cancelled`; returns whether it did.

    One whose worker seems lost is left to the lease sweep, which comes to the same.
    """
    if execution.worker_id is not None:
        return False
    core.events.add_workflow_event_in(
        session, execution, "workflow_cancelled", f"'{execution.workflow_id}' workflow execution cancelled"
    )
    set_status(core, session, execution, S.CANCELLED, check=False)
    return True


def resume(core: Core, session: Session, execution: Execution, action: str) -> None:
    """Make an execution `pending` again so that it goes on where its stored graph stands."""
    allowed = {S.FAILED, S.CANCELLED, S.STARTED} if action == "resume" else {S.FAILED, S.CANCELLED}
    stuck = execution.status == S.STARTED
    if execution.status not in allowed or (stuck and is_held(core, execution)):
        raise Conflict(f"Cannot {action} execution: `{execution.id}` in state: `{execution.status}`")
    if not stuck:
        execution.finished_operations -= reset_operations(session, execution.id, _RESET[action])
    if stuck or action == "force-resume":
        # Whatever process is left of the earlier run has lost the execution: it notices by the attempt.
        execution.worker_id = None
        execution.lease_until = None
        execution.attempt += 1
    execution.resume = True
    execution.lost_worker = False
    execution.token_hash = None
    set_status(core, session, execution, S.PENDING, check=False)
    execution.ended_at = None
    session.add(execution)
    session.flush()
    announce_pending(session)


def reset_operations(session: Session, execution_id: str, states: list[str]) -> int:
    """Put stored operations back to `pending` with a fresh retry budget; one that was retried is left alone.

    Returns: how many of them had counted as finished.
    """
    connection = session.connection()
    operations: Any = Operation
    graphs: Any = TasksGraph
    mine = operations.tasks_graph_id.in_(select(graphs.id).where(graphs.execution_id == execution_id))
    rows = connection.execute(
        select(operations.id, operations.state, operations.type, operations.parameters).where(mine)
    ).all()
    retried = {task for row in rows if isinstance(task := (row.parameters or {}).get("retried_task"), str)}
    reset = [row for row in rows if row.state in states and row.id not in retried]
    changes = [{"key": row.id, "new": {**(row.parameters or {}), "current_retries": 0}} for row in reset]
    if changes:
        table: Any = Operation.__table__  # type: ignore[attr-defined]
        connection.execute(
            update(table)
            .where(table.c.id == bindparam("key"))
            .values(state=TaskState.PENDING.value, parameters=bindparam("new"), response=None),
            changes,
        )
    return sum(row.state in TASK_END and row.type != NOP for row in reset)


def is_waiting(execution: Execution) -> bool:
    """Tell whether an execution only waits: no worker ever had it since it was (re)started."""
    return execution.status in WAITING or (execution.status == S.PENDING and execution.worker_id is None)
