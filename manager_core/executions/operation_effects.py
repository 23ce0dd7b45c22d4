"""What a stored operation's new state brings about when a client reports it (REST contract §15, PATCH of an operation).

The execution process tells and does these things itself as it goes (`runtime.writer`); a client that runs a graph by
the API only says which state each task is in, and the manager does the rest in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlmodel import Session

from manager_core.access.caller import Caller
from manager_core.events.clean import clean, clean_text
from manager_core.events.listing import node_names
from manager_core.executions.tables import Execution, Operation
from manager_core.graph import task_events
from manager_core.states import TaskState

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

SET_STATE, SEND_NODE_EVENT = "SetNodeInstanceStateTask", "SendNodeEventTask"


@dataclass(frozen=True)
class Report:
    """What a client says of an operation.

    Attributes:
        state: the state it is in now.
        result: of a success.
        exception: text of what a failed or rescheduled one raised.
        causes: what led to the exception, each with type, message and traceback; None when there are none.
    """

    state: str
    result: Any = None
    exception: str | None = None
    causes: list[dict[str, Any]] | None = None

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Report:
        """Read a request's body; what is no list of causes is none."""
        exception, causes = body.get("exception"), body.get("exception_causes")
        return cls(
            state=str(body.get("state")),
            result=body.get("result"),
            exception=None if exception is None else clean_text(str(exception)),
            causes=[clean(cause) for cause in causes if isinstance(cause, dict)] if isinstance(causes, list) else None,
        )

    def response(self) -> dict[str, Any] | None:
        """Return what is kept for a resume, as the operation's own process would have left it; None for nothing."""
        if self.exception is not None:
            own = {"type": "RecoverableError", "message": self.exception, "traceback": ""}
            rescheduled = self.state == TaskState.RESCHEDULED
            error = {
                "kind": "retry" if rescheduled else "recoverable",
                "type": "OperationRetry" if rescheduled else "RecoverableError",
                "message": self.exception,
                "retry_after": None,
                "causes": self.causes or [own],
            }
            return {"error": error}
        return None if self.result is None else {"result": self.result}


def enter(
    core: Core, session: Session, caller: Caller, execution: Execution, operation: Operation, report: Report
) -> None:
    """Do what goes with a state that an operation has just entered: its event, its node instance, its message.

    Raises:
        Forbidden: the operation sets a node instance's state, which the caller may not.
        NotFound: the node instance it sets the state of is not there.
    """
    parameters = operation.parameters or {}
    given = _mapping(parameters, "task_kwargs")
    if operation.type in task_events.TOLD_TYPES:
        _tell(core, session, execution, operation, report)
    elif report.state != TaskState.SUCCEEDED:
        return
    elif operation.type == SET_STATE:
        instance_id, state = given.get("node_instance_id"), given.get("state")
        if isinstance(instance_id, str) and isinstance(state, str):
            caller.require("node_instance_update")
            core.nodes.enter_state_in(session, caller, instance_id, clean_text(state))
    elif operation.type == SEND_NODE_EVENT:
        instance_id, text = given.get("node_instance_id"), given.get("event")
        if isinstance(instance_id, str) and isinstance(text, str):
            names = node_names(session, execution.tenant_name, [instance_id])
            _add(
                core, session, execution, operation, "workflow_node_event", text,
                node_instance_id=instance_id, node_name=names.get(instance_id),
            )  # fmt: skip


def _tell(core: Core, session: Session, execution: Execution, operation: Operation, report: Report) -> None:
    """Add the event of an operation's or a subgraph's new state, unless that state of this task is not told."""
    event_type = task_events.EVENT_TYPES.get(report.state)
    parameters = operation.parameters or {}
    silent = parameters.get("send_task_events") is False and report.state != TaskState.FAILED
    if event_type is None or silent:
        return
    context = _mapping(parameters, "task_kwargs", "kwargs", "__cloudify_context")
    text = task_events.message(
        operation.name,
        operation.type,
        report.state,
        report.result,
        report.exception,
        _number(parameters.get("current_retries")),
        _number(parameters.get("total_retries")),
    )
    _add(
        core, session, execution, operation, event_type, text,
        operation=_text(_mapping(context, "operation").get("name")),
        node_instance_id=_text(context.get("node_id")),
        node_name=_text(context.get("node_name")),
        error_causes=report.causes,
    )  # fmt: skip


def _add(
    core: Core, session: Session, execution: Execution, about: Operation, event_type: str, text: str, **columns: Any
) -> None:
    """Add an event of the execution, reported by whoever works on the operation."""
    core.events.add_workflow_event_in(
        session,
        execution,
        event_type,
        clean_text(text),
        manager_name=about.manager_name,
        agent_name=about.agent_name,
        **columns,
    )


def _mapping(value: Any, *path: str) -> dict[str, Any]:
    """Return the mapping at a path of keys; an empty one where a client stored something else."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _text(value: Any) -> str | None:
    return clean_text(value) if isinstance(value, str) else None
