"""Start, queue, cancel, resume and end executions: the use cases, each one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlmodel import Session

from manager_core.access.caller import Caller
from manager_core.errors import BadParameters, NotFound
from manager_core.executions import admission, cancelling, deleting, facts, firing, queueing, starting
from manager_core.executions.components import cancel_on_components, start_with_components
from manager_core.executions.dispatch.procrastinate import ensure_schema
from manager_core.executions.dispatch.signals import Wakeups, announce
from manager_core.executions.firing import Fired, Firing
from manager_core.executions.listing import EXECUTIONS, NOT_SYSTEM
from manager_core.executions.requests import StartRequest, check_scheduled_time, parse_start
from manager_core.executions.statuses import locked, set_status_of
from manager_core.executions.tables import Execution
from manager_core.rest.listing import ListQuery, get_one, list_page
from manager_core.states import END, ExecutionStatus

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

FIRST_POLL_SECONDS, POLL_SECONDS = 0.005, 0.05
"""How long a waiter for an execution's end sleeps between two looks."""


class Executions:
    """Start, queue, cancel, resume and end executions.

    Attributes:
        wakeups: who in this process wants to know that execution rows changed.
    """

    def __init__(self, core: Core) -> None:
        """Work on the given Core."""
        self._core = core
        self.wakeups = Wakeups()

    def prepare(self) -> None:
        """Make what dispatch needs in the database; part of building a Core."""
        if self._core.store.dialect == "postgresql":
            ensure_schema(self._core.store.engine)

    # Starting

    def start(self, caller: Caller, **fields: Any) -> dict[str, Any]:
        """Start an execution, or schedule one for once, and return its JSON object (REST contract §8.2, §8.3).

        Args:
            fields: the members of the request's body, unchecked.

        Raises:
            ManagerError: as the contract's table of checks says.
        """
        request = parse_start(caller, fields, self._core.clock.now())
        if request.scheduled_time:
            return self._schedule_once(caller, request, request.scheduled_time)
        with self._core.store.write() as session:
            execution, problem = start_with_components(self._core, session, caller, request)
            shown = {} if problem else self._shown(session, caller, execution)
        if problem:
            raise problem
        self.wake()
        return shown

    def _schedule_once(self, caller: Caller, request: StartRequest, text: str) -> dict[str, Any]:
        """Make the schedule behind a start with `scheduled_time`; no execution exists until it fires (§8.3)."""
        at = check_scheduled_time(text, self._core.clock.now())
        with self._core.store.write() as session:
            row = self._core.schedules.one_shot_in(
                session,
                caller,
                deployment_id=request.deployment_id or "",
                workflow_id=request.workflow_id,
                at=at,
                parameters=request.parameters,
                arguments={
                    "allow_custom_parameters": request.allow_custom_parameters,
                    "force": request.force,
                    "dry_run": request.dry_run,
                    "wait_after_fail": request.wait_after_fail,
                },
            )
            tenant, visibility = row.tenant_name, row.visibility
        shown: dict[str, Any] = dict.fromkeys(EXECUTIONS.fields)
        shown.update(
            status=ExecutionStatus.SCHEDULED.value,
            status_display=ExecutionStatus.SCHEDULED.value,
            workflow_id=request.workflow_id,
            deployment_id=request.deployment_id,
            scheduled_for=at,
            tenant_name=tenant,
            created_by=caller.username,
            visibility=visibility,
            resource_availability=visibility,
        )
        return shown

    def start_in(self, session: Session, caller: Caller, **fields: Any) -> Execution:
        """Start an execution in the caller's transaction; `wake` is the caller's, after its commit.

        Raises:
            ManagerError: also where the contract keeps a `failed` row: that row is the caller's to keep.
        """
        request = parse_start(caller, fields, self._core.clock.now())
        execution, problem = start_with_components(self._core, session, caller, request)
        if problem:
            raise problem
        return execution

    def start_system_in(
        self,
        session: Session,
        caller: Caller,
        workflow_id: str,
        *,
        deployment_id: str | None = None,
        blueprint_id: str | None = None,
        parameters: dict[str, Any] | None = None,
        is_system_workflow: bool = False,
        allow_overlap: bool = False,
        execution_id: str | None = None,
        queue: bool = True,
        force: bool = False,
    ) -> Execution:
        """Start what the manager itself starts; it waits in the queue where it must (REST contract §9.2 row 4).

        Args:
            allow_overlap: skip the queue rules (updates, non-blocking snapshots).
            execution_id: the id to use; a new one when None.
            queue: False refuses where a start would have to wait (snapshots without `queue`).
            force: do not wait for others of the same deployment.

        Raises:
            ManagerError: `existing_running_execution_error` when it may not queue.
        """
        request = StartRequest(
            workflow_id=workflow_id,
            deployment_id=deployment_id,
            blueprint_id=blueprint_id,
            parameters=dict(parameters or {}),
            allow_custom_parameters=True,
            is_system_workflow=is_system_workflow,
            id=execution_id,
            queue=queue,
            force=force,
            own=queue,
            overlap=allow_overlap,
        )
        execution, problem = starting.start(self._core, session, caller, request)
        if problem:
            raise problem
        return execution

    def fire_in(self, session: Session, requests: Sequence[Firing]) -> list[Fired]:
        """Create an execution for every firing, each failing alone, in the caller's transaction.

        Parameters are bound and checked, the workflow must exist and be available, and admission is asked with queue
        semantics (REST contract §9; with force where the overlap rule lets runs overlap). The caller calls `wake` after
        its commit.

        Returns: one `Fired` a firing, in their order.
        """
        return firing.fire(self._core, session, requests)

    # Reading

    def list(self, caller: Caller, query: ListQuery) -> dict[str, Any]:
        """Return a page of executions; system-wide ones only when asked for (REST contract §8.5)."""
        asked = (query.first("_include_system_workflows") or "").lower() == "true"
        hide = [] if asked or "is_system_workflow" in query.filters else [NOT_SYSTEM]
        with self._core.store.read() as session:
            return list_page(session, EXECUTIONS, query, caller, where=hide)

    def get(self, caller: Caller, execution_id: str, include: Sequence[str] | None = None) -> dict[str, Any]:
        """Return one execution; raises NotFound."""
        with self._core.store.read() as session:
            return get_one(session, EXECUTIONS, caller, execution_id, include=None if include is None else [*include])

    def _shown(self, session: Session, caller: Caller, execution: Execution) -> dict[str, Any]:
        owner = replace(caller, tenant=execution.tenant_name)
        return get_one(session, EXECUTIONS, owner, execution.id)

    def should_start(self, caller: Caller, execution_id: str) -> bool:
        """Tell whether §9.2 rows 4 and 7 would let the execution start now; advice for a runner."""
        self.get(caller, execution_id, ["id"])
        with self._core.store.read() as session:
            execution = self.found(session, execution_id)
            deployment = (execution.tenant_name, execution.deployment_id) if execution.deployment_id else None
            start = admission.Start(
                system_wide=execution.is_system_workflow and deployment is None,
                deployment=deployment,
                queue=True,
                overlap=execution.allow_overlap,
                force=execution.force,
            )
            place = (execution.created_at, execution.storage_id or 0)
            blockers = facts.gather(session, start, but=execution.id, place=place)
            return admission.decide(start, blockers).outcome is admission.Outcome.START

    def found(self, session: Session, execution_id: str) -> Execution:
        """Return an execution's row.

        Raises:
            NotFound: there is none.
        """
        table: Any = Execution
        found: Execution | None = session.scalars(select(Execution).where(table.id == execution_id)).first()
        if found is None:
            raise NotFound.of("Execution", execution_id)
        return found

    # Changing

    def act(self, caller: Caller, execution_id: str, action: str) -> dict[str, Any]:
        """Cancel, kill or resume an execution (REST contract §8.6, §8.7), and return it as it then is.

        Raises:
            NotFound, BadParameters, IllegalAction, Conflict: with the contract's texts.
        """
        if action not in cancelling.ACTIONS:
            raise BadParameters(f"Invalid action: {action}, Valid action values are: {cancelling.ACTIONS}")
        ended = False
        with self._core.store.write() as session:
            execution = self._visible(session, caller, execution_id)
            cancelling.act(self._core, session, execution, action)
            shown = self._shown(session, caller, execution)
            if execution.status != ExecutionStatus.PENDING:
                ended = cancelling.finish_unheld(self._core, session, execution)
                ended |= cancel_on_components(self._core, session, execution, action)
        self.wake()
        if ended:
            self.dequeue()
        return shown

    def cancel(self, caller: Caller, execution_id: str, action: str = "cancel") -> dict[str, Any]:
        """Cancel (`cancel`, `force-cancel`) or `kill` an execution; see `act`."""
        return self.act(caller, execution_id, action)

    def resume(self, caller: Caller, execution_id: str, *, force: bool = False) -> dict[str, Any]:
        """Resume an execution, resetting operations under way with `force`; see `act`."""
        return self.act(caller, execution_id, "force-resume" if force else "resume")

    def _visible(self, session: Session, caller: Caller, execution_id: str) -> Execution:
        missing = NotFound(f"Requested `Execution` ['{execution_id}'] was not found")
        try:
            get_one(session, EXECUTIONS, caller, execution_id, include=["id"])
        except NotFound:
            raise missing from None
        execution = locked(session, execution_id)
        if execution is None:
            raise missing
        caller.require_at_home(execution.tenant_name)
        return execution

    def set_status(self, caller: Caller, execution_id: str, status: str, error: str | None = None) -> dict[str, Any]:
        """Change a status as a client asks (REST contract §8.8), and return the execution.

        Raises:
            BadParameters: no such status.
            ManagerError: `invalid_exception_status_update`.
        """
        valid = [value.value for value in ExecutionStatus]
        if status not in valid:
            raise BadParameters(f"Invalid status: {status}, Valid statuses are: {valid}")
        with self._core.store.write() as session:
            found = get_one(session, EXECUTIONS, caller, execution_id, include=["tenant_name"])
            caller.require_at_home(found["tenant_name"])
            execution = self.set_status_in(session, execution_id, status, error)
            shown = self._shown_or_last(session, caller, execution)
        self.after_change(ExecutionStatus(status))
        return shown

    def _shown_or_last(self, session: Session, caller: Caller, execution: Execution) -> dict[str, Any]:
        """Return the execution; one that took its deployment along is gone already."""
        try:
            return self._shown(session, caller, execution)
        except NotFound:
            shown = dict.fromkeys(EXECUTIONS.fields)
            return {**shown, "id": execution.id, "status": execution.status, "workflow_id": execution.workflow_id}

    def set_status_in(self, session: Session, execution_id: str, status: str, error: str | None = None) -> Execution:
        """Change a status in the caller's transaction, with all side effects; `after_change` follows its commit."""
        execution = set_status_of(self._core, session, execution_id, ExecutionStatus(status), error)
        announce(session)
        return execution

    def after_change(self, status: ExecutionStatus) -> None:
        """Do what follows a committed status change: wake workers, and fill places that became free."""
        self.wake()
        if status in END:
            self.dequeue()

    def delete(self, caller: Caller, query: ListQuery, *, keep_last: Any = None, to_datetime: str | None = None) -> int:
        """Delete ended executions (REST contract §8.5) and return how many went."""
        with self._core.store.write() as session:
            return deleting.delete_ended(session, caller, query, keep_last=keep_last, to_datetime=to_datetime)

    # The queue and its wake-ups

    def dequeue(self) -> int:
        """Start what waits in the queue and can run (REST contract §9.5); returns how many became `pending`."""
        return queueing.dequeue(self._core)

    def wake(self) -> None:
        """Tell the workers of this process to look at the rows; others notice by themselves."""
        self.wakeups.wake()

    def wait_until_end(self, execution_id: str, timeout_seconds: float) -> Execution | None:
        """Wait until an execution ends; no lock is held meanwhile.

        Returns: its row as it is then, or as it still is after `timeout_seconds`; None when it is gone.
        """
        clock = self._core.clock
        began = clock.monotonic()
        deadline = began + timeout_seconds
        while True:
            with self._core.store.read() as session:
                try:
                    execution = self.found(session, execution_id)
                except NotFound:
                    return None
                if execution.status in END:
                    return execution
            now = clock.monotonic()
            if now >= deadline:
                return execution
            # An end is noticed late by an eighth of what it took, at most by `POLL_SECONDS`.
            wait = min(POLL_SECONDS, max(FIRST_POLL_SECONDS, (now - began) / 8))
            clock.wait(min(wait, deadline - now))
