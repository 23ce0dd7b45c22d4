"""A worker without processes: a wake-up runs what is pending, in the very thread that woke.

Runs the system workflows that work on storage alone; executions of any other workflow end `terminated` at once unless a
test asks for another end.
"""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Callable
from typing import Any

from sqlalchemy import select

from manager_core.access.caller import system_caller
from manager_core.bootstrap import Core
from manager_core.errors import ManagerError
from manager_core.executions.tables import Execution
from manager_core.runtime.system_work import SystemWork
from manager_core.states import ExecutionStatus

S = ExecutionStatus
Workflow = Callable[[SystemWork], None]


_WORKFLOWS = {
    "upload_blueprint": "manager_core.blueprints.upload:run",
    "create_deployment_environment": "manager_core.deployments.environment:create",
    "delete_deployment_environment": "manager_core.deployments.environment:delete",
    "update": "manager_core.deployments.update_workflow:run",
    "csys_update_deployment": "manager_core.deployments.update_workflow:run",
    "create_snapshot": "manager_core.snapshots.workflows:create",
    "restore_snapshot": "manager_core.snapshots.workflows:restore",
}


def _workflow(workflow_id: str) -> Workflow:
    place = _WORKFLOWS.get(workflow_id)
    if place is None:
        return lambda _work: None
    module, _, name = place.partition(":")
    found: Workflow = getattr(importlib.import_module(module), name)
    return found


class InlineWorker:
    """Listens to a Core's wake-ups.

    Attributes:
        held: workflow ids that stay `pending`.
        failing: workflow id → the error with which it ends `failed`.
        ran: the ids of the workflows that ran, in order.
        events: what the system workflows told.
    """

    def __init__(self, core: Core) -> None:
        self.core = core
        self.held: set[str] = set()
        self.failing: dict[str, str] = {}
        self.ran: list[str] = []
        self.events: list[str] = []
        self._working = False
        core.executions.wakeups._listeners.append(self)  # type: ignore[arg-type]  # it has what is used of an event

    def set(self) -> None:
        """Run everything that is pending; called by a wake-up."""
        if self._working:
            return
        self._working = True
        try:
            while (execution := self._next()) is not None:
                self._run(execution)
        finally:
            self._working = False

    def _next(self) -> Execution | None:
        table: Any = Execution
        with self.core.store.read() as session:
            statement = select(Execution).where(
                table.status == S.PENDING.value, table.workflow_id.not_in(sorted(self.held))
            )
            return session.scalars(statement.order_by(table.storage_id).limit(1)).first()

    def _change(self, execution: Execution, status: ExecutionStatus, error: str | None = None) -> None:
        with self.core.store.write() as session:
            self.core.executions.set_status_in(session, execution.id, status.value, error)
        self.core.executions.after_change(status)

    def _run(self, execution: Execution) -> None:
        self._change(execution, S.STARTED)
        self.ran.append(execution.workflow_id)
        work = SystemWork(
            core=self.core,
            caller=system_caller(execution.tenant_name, execution.created_by),
            execution_id=execution.id,
            tenant_name=execution.tenant_name,
            deployment_id=execution.deployment_id,
            blueprint_id=execution.blueprint_id,
            parameters=dict(execution.parameters or {}),
            send_event=self.events.append,
        )
        if execution.workflow_id in self.failing:
            self._change(execution, S.FAILED, self.failing[execution.workflow_id])
            return
        try:
            _workflow(execution.workflow_id)(work)
        except ManagerError as error:
            self._change(execution, S.FAILED, error.message)
        except Exception:  # noqa: BLE001 - whatever it is, it is the execution's failure
            self._change(execution, S.FAILED, traceback.format_exc())
        else:
            self._change(execution, S.TERMINATED)
