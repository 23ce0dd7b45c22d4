"""Carries an execution's operations to its runners, and what they say back to the workflow and to the database.

`started` is committed before an operation is sent to its runner, and its response before the workflow hears of it:
after a crash the stored state tells what may have run. Responses of operations that end together share one commit.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from manager_core.runtime.fencing import LostExecution
from manager_core.runtime.messages import ErrorData, OperationOutcome, OperationRequest, RunnerEnvironment
from manager_core.runtime.ports import OperationListener, OperationMessage, OperationReport
from manager_core.runtime.runner_pool import RunnerPool
from manager_core.runtime.writer import Writer

log = logging.getLogger("manager.runtime")

LOST = "worker lost"
NO_AGENTS = "Operations for host agents run on the manager: it has no agents"
_NOT_RESUMABLE = "Cannot resume - operation not resumable"

EnvironmentOf = Callable[[dict[str, Any]], RunnerEnvironment]
"""Plugin entry of a message → where its code runs; raises what keeps the plugin from being used."""

_Ended = tuple[OperationMessage, OperationListener, OperationOutcome]


class OperationSender:
    """Sends operations and reports on them. `silence` ends the reports to a workflow that is over."""

    def __init__(self, pool: RunnerPool, writer: Writer, environment_of: EnvironmentOf, workdir: Path) -> None:
        """Start the thread that reports. Each plugin has its own folder below the deployment's `workdir`."""
        self._workdir = workdir
        self._pool = pool
        self._writer = writer
        self._environment_of = environment_of
        self._fresh: deque[_Ended] = deque()  # ended, but not committed
        self._durable: deque[_Ended] = deque()  # committed, but not told
        self._ended: queue.SimpleQueue[list[_Ended] | None] = queue.SimpleQueue()
        self._workdirs: dict[str, str] = {}  # by the plugin's name
        pool.settle, pool.settled = self._commit, self._hand_on
        self._silent = False
        self._told_of_agents = False
        self._open = 0
        self._done = threading.Condition()
        self._thread = threading.Thread(target=self._report_all, name="operation-reports", daemon=True)
        self._thread.start()

    def send(self, message: OperationMessage, listener: OperationListener, *, resume: bool = False) -> None:
        """Run an operation; see `ports.Operations.send_operation`."""
        with self._done:
            self._open += 1
        context = dict(message.kwargs.get("__cloudify_context") or {})
        plugin = context.get("plugin") or {}
        context["plugin"] = {**plugin, "workdir": self._plugin_workdir(str(plugin.get("name") or "none"))}
        if context.get("executor") == "host_agent" and not self._told_of_agents:
            self._told_of_agents = True
            self._writer.event({"type": "cloudify_event", "event_type": "workflow_stage", "message": NO_AGENTS})
        kwargs = {key: value for key, value in message.kwargs.items() if key != "__cloudify_context"}
        try:
            environment = self._environment_of(context)
        except Exception as error:  # noqa: BLE001 - a plugin that cannot be used fails its operation
            self._fail(message, listener, _refused(message, error))
            return
        request = OperationRequest(
            task_id=message.task_id,
            task_name=context.get("task_name") or "",
            context=context,
            kwargs=kwargs,
            environment=environment,
            evaluate=bool(context.get("has_intrinsic_functions")),
            resume=resume,
            timeout=message.timeout,
            timeout_recoverable=bool(message.timeout_recoverable),
        )
        try:
            self._pool.submit(
                request,
                lambda outcome: self._end(message, listener, outcome),
                lambda: self._begin(message, listener),
            )
        except RuntimeError as error:  # the pool is closed: the execution is ending
            self._fail(message, listener, _refused(message, error))

    def _plugin_workdir(self, name: str) -> str:
        folder = self._workdirs.get(name)
        if folder is None:
            folder = self._workdirs[name] = str(self._workdir / "plugins" / name)
        return folder

    def recover(
        self, message: OperationMessage, state: str, kept: dict[str, Any] | None, listener: OperationListener
    ) -> None:
        """Take up an operation of an earlier life; see `ports.Operations.recover_operation`.

        Args:
            kept: the stored response, if there is one.
        """
        if kept is not None:
            listener(OperationReport("ended", result=kept.get("result"), error=kept.get("error")))
        elif state == "sent":
            self.send(message, listener)
        else:
            self.send(message, lambda report: listener(_of_lost(report)), resume=True)

    def silence(self) -> None:
        """Tell listeners nothing any more; results are still stored."""
        self._silent = True

    def drain(self, timeout: float | None = None) -> bool:
        """Wait until every operation has ended and is reported, at most `timeout` seconds; tell whether that is so."""
        with self._done:
            return self._done.wait_for(lambda: self._open == 0, timeout)

    @property
    def open(self) -> int:
        """How many operations run, wait, or are not reported yet."""
        return self._open

    def close(self) -> None:
        """End the reporting thread."""
        self._ended.put(None)
        self._thread.join(5)

    # From the pool's threads

    def _begin(self, message: OperationMessage, listener: OperationListener) -> None:
        if message.stored:
            self._writer.state(message.task_id, "started")
        if not self._silent:
            listener(OperationReport("started"))

    def _end(self, message: OperationMessage, listener: OperationListener, outcome: OperationOutcome) -> None:
        if message.stored:
            response = {"result": outcome.result} if outcome.ok else {"error": outcome.error}
            self._writer.state(message.task_id, "response-sent", response=response)
        self._fresh.append((message, listener, outcome))

    def _commit(self) -> None:
        """Commit what has begun and ended: an operation reads what was written before it, and never runs unrecorded."""
        ended = _taken(self._fresh)
        with contextlib.suppress(LostExecution):
            self._writer.flush()
        self._durable.extend(ended)

    def _hand_on(self) -> None:
        """Let the reporting thread tell of what has ended and is committed."""
        committed = _taken(self._durable)
        if committed:
            self._ended.put(committed)

    def _fail(self, message: OperationMessage, listener: OperationListener, outcome: OperationOutcome) -> None:
        """End an operation that never came to the pool."""
        self._end(message, listener, outcome)
        self._commit()
        self._hand_on()

    # The reporting thread

    def _report_all(self) -> None:
        while True:
            items = self._ended.get()
            if items is None:
                return
            self._report(items)

    def _report(self, items: list[_Ended]) -> None:
        for _, listener, outcome in items:
            if self._silent:
                continue
            try:
                listener(OperationReport("ended", result=outcome.result, error=None if outcome.ok else outcome.error))
            except Exception:
                log.exception("listener_failed task=%s", outcome.task_id)
        with self._done:
            self._open -= len(items)
            self._done.notify_all()


def _taken(waiting: deque[_Ended]) -> list[_Ended]:
    """Take out what is there; another thread may do the same."""
    taken = []
    with contextlib.suppress(IndexError):
        while True:
            taken.append(waiting.popleft())
    return taken


def _refused(message: OperationMessage, error: BaseException) -> OperationOutcome:
    text = str(error) or type(error).__name__
    data: ErrorData = {
        "kind": "non_recoverable",
        "type": type(error).__name__,
        "message": text,
        "retry_after": None,
        "causes": [{"message": text, "type": type(error).__name__, "traceback": ""}],
    }
    return OperationOutcome(message.task_id, False, error=data)


def _of_lost(report: OperationReport) -> OperationReport:
    """Say why an operation that was running when its worker was lost cannot go on."""
    error = report.error
    if error is None or _NOT_RESUMABLE not in error.get("message", ""):
        return report
    text = f"{LOST}: the operation was running when its worker was lost, and it is not resumable"
    told: ErrorData = {
        **error,
        "kind": "non_recoverable",
        "message": text,
        "causes": [{"message": text, "type": "NonRecoverableError", "traceback": ""}],
    }
    return OperationReport(report.stage, error=told)
