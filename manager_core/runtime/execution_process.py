"""The process of one execution: from the row to the last event and the final status.

Forked by the worker from the fork server, so everything it needs is imported already. The workflow function runs in a
thread of its own; the main thread waits for its end or for a force-cancel, whichever comes first, writes how the
execution ended, and stays until operations that still run have ended and their results are stored.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import os
import queue
import signal
import socket
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sqlalchemy import update
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from manager_core.bootstrap import Core
from manager_core.errors import ManagerError
from manager_core.executions import queueing
from manager_core.executions.dispatch.signals import announce
from manager_core.executions.statuses import locked, set_status
from manager_core.executions.tables import Execution
from manager_core.runtime import cancel, heap, loading, records, system_workflows, warm
from manager_core.runtime.child import child_environment
from manager_core.runtime.environments import Environments, import_paths
from manager_core.runtime.fencing import FencedStore, LeaseWatch, LostExecution, waits
from manager_core.runtime.forkserver_client import ForkServerClient
from manager_core.runtime.handler import DatabaseRuntime
from manager_core.runtime.host import DatabaseHost
from manager_core.runtime.messages import RunnerEnvironment
from manager_core.runtime.operations import OperationSender
from manager_core.runtime.printed import Printed
from manager_core.runtime.resources import Resources
from manager_core.runtime.runner_pool import RunnerPool
from manager_core.runtime.system_work import SystemWork, WorkCancelled
from manager_core.runtime.writer import Writer
from manager_core.settings import Settings
from manager_core.states import CANCELLING, END, ExecutionStatus
from manager_core.store.problems import is_passing, log_in_one_line, one_line

if TYPE_CHECKING:
    from cloudify.workflows.entry import Outcome

log = logging.getLogger("manager.runtime")

_PRINTED_LEVELS = {"stdout": "info", "stderr": "warning"}

LOST_EXIT = 75
"""Exit code of a process whose execution was taken over, or whose worker is gone."""
S = ExecutionStatus


def main(argument: Mapping[str, Any], descriptors: Mapping[str, int]) -> int:
    """Run one execution; the fork server's entry.

    Args:
        argument: `execution_id`, `attempt`, `token`, the worker's `settings`, and `lease`: until which instant of the
            monotonic clock the worker holds the execution.
        descriptors: `control`, the channel from the worker; `server`, a connection to the fork server.
    """
    heap.calm()
    settings = Settings(**argument["settings"])
    logging.basicConfig(
        level=settings.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=os.fdopen(os.dup(2), "w", buffering=1),  # descriptor 2 itself is about to become the workflow's
    )
    log_in_one_line()
    core = warm.warm_core(settings)
    core.store.leave_the_log()
    server = socket.socket(fileno=descriptors["server"])
    server.set_inheritable(False)
    process = ExecutionProcess(core, argument, ForkServerClient(server, on_lost=_gone))
    process.watch = LeaseWatch(argument["lease"], process.lost, postponed=process.holds_off_others)
    control = socket.socket(fileno=descriptors["control"])
    cancel.listen(control, process.on_request, process.lost, process.watch.extend)
    try:
        process.read()
        return process.run()
    except Exception as error:
        process.resume_if_away(error)
        raise


def _gone() -> None:
    """End at once: the fork server has ended, and with it this process's operations."""
    os._exit(LOST_EXIT)


class ExecutionProcess:
    """One run of one execution."""

    def __init__(self, core: Core, argument: Mapping[str, Any], server: ForkServerClient) -> None:
        """Prepare; `read` comes next, and nothing runs before `run`.

        From here on no transaction of this process happens unless the execution is its own.
        """
        self._core = core
        self._server = server
        self._token: str = argument["token"]
        self._id: str = argument["execution_id"]
        self._attempt: int = argument["attempt"]
        self._store = core.store = FencedStore(
            core.store,
            execution_id=self._id,
            attempt=self._attempt,
            on_lost=self.lost,
            clock=core.clock,
            lease_seconds=core.settings.lease_seconds,
            on_renewed=self._renewed,
        )
        self.watch: LeaseWatch | None = None
        self._ends: queue.SimpleQueue[Outcome | str] = queue.SimpleQueue()
        self._cancelled = threading.Event()
        self._sender: OperationSender | None = None
        self._pool: RunnerPool | None = None
        self._early: list[str] = []
        self._told = False
        self._ready = False
        self._lock = threading.Lock()

    def read(self) -> None:
        """Read the rows; a database that is away is waited for, as long as the lease lasts."""
        for wait in waits():
            try:
                self._read()
            except DBAPIError as error:
                if not is_passing(error):
                    raise
                log.warning("read_repeated execution=%s error=%s", self._id, one_line(error))
            else:
                return
            self._core.clock.wait(wait)

    def _read(self) -> None:
        core = self._core
        with core.store.read() as session:
            self._execution = core.executions.found(session, self._id)
            self._deployment = records.deployment_of(session, self._execution)
            creator = core.access.caller_for(session, self._execution.created_by, self._execution.tenant_name)
        self._caller = replace(creator, execution_id=self._execution.id)

    def lost(self) -> None:
        """End at once, operations included: another worker may be running this execution already."""
        self._server.signal_owner(self._owner, signal.SIGKILL)
        os._exit(LOST_EXIT)

    def holds_off_others(self) -> bool:
        """Tell whether a transaction holds the row and no operation runs: nothing can be done twice meanwhile."""
        return self._store.is_held and (self._sender is None or self._sender.open == 0)

    def _renewed(self, until: float) -> None:
        if self.watch is not None:
            self.watch.extend(until)

    @property
    def _owner(self) -> str:
        """The label of all processes of this run."""
        return f"{self._id}/{self._attempt}"

    # Cancelling

    def on_request(self, request: str) -> None:
        """Take a cancel from the worker; called from the control thread."""
        with self._lock:
            if not self._ready:
                self._early.append(request)
                return
        self._cancel(request)

    def _cancel(self, request: str) -> None:
        from cloudify.workflows import workflow_api

        self._cancelled.set()
        if request == cancel.FORCE:
            self._ends.put(request)
        workflow_api.set_cancel_request()

    # Running

    def run(self) -> int:
        """Run the execution to its end; returns the process's exit code."""
        execution = self._execution
        if execution.attempt != self._attempt or execution.status in END:
            return LOST_EXIT
        self._writer = Writer(
            self._core.store,
            self._core.clock,
            execution_id=execution.id,
            tenant_name=execution.tenant_name,
            deployment_id=execution.deployment_id,
            attempt=self._attempt,
            on_lost=self.lost,
        )
        from cloudify.workflows import entry

        resources = Resources(
            self._core,
            tenant_name=execution.tenant_name,
            deployment_id=execution.deployment_id,
            blueprint_id=execution.blueprint_id,
        )
        runtime = DatabaseRuntime(self._core, execution, self._caller, self._writer, resources)
        self._printed = Printed(
            lambda stream, line: runtime.send_log(_PRINTED_LEVELS[stream], f"ctx.{execution.id}", line),
            lambda limit: self._printed_too_much(runtime, limit),
        )
        with self._lock:
            self._ready = True
            early = list(self._early)
        if execution.status in CANCELLING:
            self._announce_system(entry.CANCELLED)
            self._finish(entry.CANCELLED, runtime)
            return self._leave()
        work = self._system if self._is_system() else self._workflow
        thread = threading.Thread(target=self._guarded, args=(work, runtime), name="workflow", daemon=True)
        thread.start()
        for request in early:
            self._cancel(request)
        ended = self._ends.get()
        if isinstance(ended, str):  # force-cancel: the function is left to itself
            runtime.close_workflow()
            self._announce_system(entry.CANCELLED)
            outcome = entry.CANCELLED
        else:
            outcome = ended
            runtime.close_workflow()
        self._finish(outcome, runtime)
        return self._leave()

    def _guarded(self, work: Any, runtime: DatabaseRuntime) -> None:
        from cloudify.workflows import entry

        try:
            outcome = work(runtime)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the execution's failure
            self.resume_if_away(error)
            outcome = entry.failure(error)
            self._announce_system(outcome)
        self._ends.put(outcome)

    def _printed_too_much(self, runtime: DatabaseRuntime, limit: int) -> None:
        """End an execution whose workflow prints without end; called from the thread that reads what it prints."""
        with self._lock:
            if self._told:
                return
            self._told = True
            runtime.close_workflow()
        outcome = _failed(f"The workflow wrote more than {limit} bytes of output")
        self._announce_system(outcome)
        self._ends.put(outcome)

    def _may_tell(self) -> bool:
        """Return whether the end is still to be told; afterwards it counts as told."""
        self._printed.settle()
        with self._lock:
            told, self._told = self._told, True
        return not told

    def resume_if_away(self, error: BaseException) -> None:
        """End this process when the database was lost in the middle of something: a resume is no failure."""
        if is_passing(error):
            log.warning("database_lost execution=%s error=%s", self._id, one_line(error))
            self.lost()

    def _is_system(self) -> bool:
        declared = (self._deployment.workflows or {}) if self._deployment is not None else {}
        workflow_id = self._execution.workflow_id
        return workflow_id not in declared and system_workflows.is_system(workflow_id)

    def _system(self, _runtime: DatabaseRuntime) -> Outcome:
        """Run one of the manager's own workflows."""
        from cloudify.workflows import entry

        execution = self._execution
        name = execution.workflow_id
        if execution.lost_worker and name not in system_workflows.RESTARTABLE:
            outcome = _failed(f"The worker that ran this execution was lost, and workflow {name} cannot be resumed")
            self._announce_system(outcome)
            return outcome
        self._event("workflow_started", f"{self._verb()} '{name}' workflow execution{self._dry()}")
        work = SystemWork(
            core=self._core,
            caller=self._caller,
            execution_id=execution.id,
            tenant_name=execution.tenant_name,
            deployment_id=execution.deployment_id,
            blueprint_id=execution.blueprint_id,
            parameters=dict(execution.parameters or {}),
            send_event=lambda message: self._event("workflow_stage", message),
            resume=execution.resume,
            cancelled=self._cancelled.is_set,
        )
        try:
            system_workflows.function_of(name)(work)
        except WorkCancelled:
            outcome = entry.CANCELLED
        except ManagerError as error:
            outcome = _failed(error.message)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the execution's failure
            self.resume_if_away(error)
            outcome = entry.failure(error)
        else:
            outcome = entry.Outcome(S.TERMINATED.value)
        self._announce_system(outcome)
        return outcome

    def _workflow(self, runtime: DatabaseRuntime) -> Outcome:
        """Run the function of a declared workflow."""
        from cloudify.workflows import entry
        from cloudify.workflows.workflow_context import CloudifyWorkflowContext

        execution = self._execution
        environments = Environments(
            self._core,
            self._writer,
            tenant_name=execution.tenant_name,
            deployment_id=execution.deployment_id,
            blueprint_id=execution.blueprint_id,
        )
        try:
            mapping, declared = self._mapping()
            environment = environments.of_workflow(declared.get("plugin"))
            self._start_pool(runtime, environments, environment)
            loading.extend_path(import_paths(environment))
            function = loading.load_function(mapping)
        except (loading.NotLoadable, ManagerError) as error:
            outcome = _failed(str(error))
            self._announce_system(outcome)
            return outcome
        if execution.resume and execution.lost_worker and not getattr(function, "resumable", False):
            outcome = _failed(
                f"The worker that ran this execution was lost, and workflow {execution.workflow_id} is not resumable"
            )
            self._announce_system(outcome)
            return outcome
        ctx = CloudifyWorkflowContext(self._message(declared), runtime)
        outcome = entry.run_workflow(function, ctx, execution.parameters or {})
        if self._may_tell():
            entry.announce(ctx, outcome)
        with contextlib.suppress(Exception):
            ctx.cleanup()
        return outcome

    def _mapping(self) -> tuple[str, dict[str, Any]]:
        declared = (self._deployment.workflows or {}) if self._deployment is not None else {}
        name = self._execution.workflow_id
        workflow: dict[str, Any] = declared.get(name) or {}
        mapping = workflow.get("operation") or system_workflows.SDK_WORKFLOWS.get(name)
        if name in system_workflows.SDK_WORKFLOWS and (self._execution.parameters or {}).get("update_id"):
            # Older types files declare `update` too; an update that was asked for as one is the manager's own.
            mapping = system_workflows.SDK_WORKFLOWS[name]
        if not mapping:
            raise ManagerError(f"Workflow {name} does not exist in the deployment {self._execution.deployment_id}")
        return mapping, workflow

    def _start_pool(self, runtime: DatabaseRuntime, environments: Environments, first: RunnerEnvironment) -> None:
        """Make the pool; a runner of the workflow's own plugin is started ahead, as it is the likeliest to be used."""
        if self._execution.is_dry_run:
            return
        self._pool = RunnerPool(
            self._server,
            DatabaseHost(runtime),
            owner=self._owner,
            clock=self._core.clock,
            environment=child_environment(self._variables(runtime)),
        )
        if first.interpreter is None:
            self._pool.warm(first)
        self._sender = OperationSender(self._pool, self._writer, environments.of_operation, runtime.resources.workdir())
        runtime.sender = self._sender

    def _variables(self, runtime: DatabaseRuntime) -> dict[str, str]:
        """Return what operations find in their environment (workflow-runtime contract §5.7)."""
        url = urlsplit(self._core.settings.base_url)
        workdir = str(runtime.resources.workdir())
        return {
            "AGENT_NAME": "",
            "AGENT_WORK_DIR": workdir,
            "MANAGER_NAME": socket.gethostname(),
            "REST_HOST": url.hostname or "",
            "REST_PORT": str(url.port or 80),
        }

    def _message(self, workflow: Mapping[str, Any]) -> dict[str, Any]:
        """Return the `__cloudify_context` of the workflow (workflow-runtime contract §3.2)."""
        execution, deployment = self._execution, self._deployment
        url = urlsplit(self._core.settings.base_url)
        return {
            "type": "workflow",
            "task_id": execution.id,
            "execution_id": execution.id,
            "task_name": workflow.get("operation"),
            "workflow_id": execution.workflow_id,
            "dry_run": execution.is_dry_run,
            "is_system_workflow": execution.is_system_workflow,
            "execution_creator_username": execution.created_by,
            "tenant": {"name": execution.tenant_name},
            "resume": execution.resume,
            "wait_after_fail": execution.wait_after_fail,
            "bypass_maintenance": self._passes_maintenance(),
            "execution_token": self._token,
            "rest_token": self._token,
            "rest_host": url.hostname,
            "rest_port": url.port,
            "deployment_id": execution.deployment_id,
            "deployment_display_name": deployment.display_name if deployment else None,
            "deployment_creator": deployment.created_by if deployment else None,
            "deployment_resource_tags": deployment.resource_tags if deployment else None,
            "blueprint_id": execution.blueprint_id,
            "runtime_only_evaluation": deployment.runtime_only_evaluation if deployment else False,
            "plugin": {"name": workflow.get("plugin")},
            "schedule": self._schedule(),
        }

    def _passes_maintenance(self) -> bool:
        with self._core.store.read() as session:
            return self._core.maintenance.was_passed_by(session, self._execution.created_at)

    def _schedule(self) -> dict[str, Any] | None:
        execution = self._execution
        if execution.schedule_id is None:
            return None
        occurrence = execution.occurrence.isoformat() if execution.occurrence else None
        return {"id": execution.schedule_id, "occurrence": occurrence}

    # Events and the end

    def _event(self, event_type: str, message: str) -> None:
        self._writer.event({"type": "cloudify_event", "event_type": event_type, "message": message})

    def _verb(self) -> str:
        return "Resuming" if self._execution.resume else "Starting"

    def _dry(self) -> str:
        return " (dry run)" if self._execution.is_dry_run else ""

    def _announce_system(self, outcome: Outcome) -> None:
        """Write the last event of an execution that has no workflow context."""
        name = self._execution.workflow_id
        if outcome.status == S.TERMINATED:
            self._event("workflow_succeeded", f"'{name}' workflow execution succeeded{self._dry()}")
        elif outcome.status == S.CANCELLED:
            self._event("workflow_cancelled", f"'{name}' workflow execution cancelled")
        else:
            self._event("workflow_failed", f"'{name}' workflow execution failed: {outcome.text}")

    def _finish(self, outcome: Outcome, runtime: DatabaseRuntime) -> None:
        """Write the final status, in the transaction of the last events."""
        running = self._sender.open if self._sender is not None else 0

        def end(session: Session) -> None:
            execution = locked(session, self._execution.id)
            if execution is None or execution.attempt != self._attempt:
                raise LostExecution(self._execution.id)
            if execution.status in END:
                return
            status = S(outcome.status)
            error = outcome.error
            if status is S.FAILED and not error:
                error = outcome.text or "The workflow failed"
            set_status(self._core, session, execution, status, error=error, check=False, release=not running)
            announce(session)

        self._writer.last(end)
        with contextlib.suppress(Exception):
            # The queue is everybody's: it moves on also where this execution went with its deployment.
            queueing.dequeue(self._unfenced())
        if running:
            log.info("operations_outlive execution=%s count=%s", self._execution.id, running)

    def _unfenced(self) -> Core:
        core = copy.copy(self._core)
        core.store = self._store.unfenced
        return core

    def _leave(self) -> int:
        """Wait for operations that still run, store their results, and give the execution back."""
        sender, pool = self._sender, self._pool
        if sender is not None and pool is not None:
            if sender.open:
                pool.drop_waiting()
                sender.drain()
                with contextlib.suppress(LostExecution):
                    self._writer.flush()
                self._release()
            pool.close(wait=False)
            sender.close()
        self._writer.close()
        return 0

    def _release(self) -> None:
        table: Any = Execution
        with self._core.store.write() as session:
            session.connection().execute(
                update(Execution)
                .where(table.id == self._execution.id, table.attempt == self._attempt)
                .values(worker_id=None, lease_until=None)
            )
            announce(session)


def _failed(text: str) -> Outcome:
    from cloudify.workflows import entry

    return entry.Outcome(S.FAILED.value, text, text)
