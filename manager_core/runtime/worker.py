"""The worker: takes executions, has each run by a process of its own, and sees them through to their end.

One loop, woken by commits and by the ends of processes, at the latest every second. Every step of it is safe to repeat
and to be cut off at any point: the rows say what is to be done.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import signal
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sdnotify
from sqlalchemy import select

from manager_core import ids
from manager_core.executions.dispatch.local import DataVersionWatch
from manager_core.executions.dispatch.notifications import NotificationWatch
from manager_core.executions.dispatch.procrastinate import ProcrastinateWatch
from manager_core.executions.statuses import locked, set_status
from manager_core.executions.tables import Execution
from manager_core.runtime import cancel, leases
from manager_core.runtime.cancel import Control
from manager_core.runtime.execution_process import LOST_EXIT
from manager_core.runtime.fencing import LEASE_SHARE
from manager_core.runtime.forkserver_client import DEFAULT_PRELOAD, ForkServer, ForkServerGone, Spawn
from manager_core.states import CANCELLING, END, ExecutionStatus
from manager_core.store.problems import is_passing, one_line

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

log = logging.getLogger("manager.worker")

PRELOAD = (
    *DEFAULT_PRELOAD,
    "cloudify.workflows.entry",
    "cloudify.workflows.workflow_context",
    "cloudify.plugins.workflows",
    "manager_core.runtime.execution_process",
    "manager_core.dsl.evaluate",
    "manager_core.runtime.preload",
)
IDLE_SECONDS = 1.0
RENEW_AGAIN_SECONDS = 0.2
HEARTBEAT_SECONDS = 10.0
KILL_GRACE_SECONDS = 5.0
"""Between SIGTERM and SIGKILL of a killed execution (workflow-runtime contract §3.3)."""
RESTART_SECONDS = 0.5
MAX_RESTART_SECONDS = 10.0

S = ExecutionStatus
_X: Any = Execution.__table__.c  # type: ignore[attr-defined]


@dataclass
class _Running:
    """One execution process. `lingering`: the execution has ended, operations of it still run."""

    execution_id: str
    attempt: int
    control: Control
    pid: int | None = None
    lingering: bool = False
    kill_at: float | None = None
    terminated: bool = False


@dataclass
class _Timer:
    """A job of the loop and when it is due next, on the monotonic clock."""

    seconds: float
    job: Callable[[], object]
    due: float = field(default=0.0)


class Worker:
    """Runs executions until it is stopped; usable in a thread (`up`) and as a process (`cloudify-manager worker`)."""

    def __init__(self, core: Core) -> None:
        """Prepare; `run` does the work.

        Attributes:
            name: what the leases of this worker say.
        """
        self._core = core
        self.name = leases.worker_name()
        self._limit = core.settings.worker_concurrency
        self._settings = core.settings.model_dump(mode="json")
        self._running: dict[str, _Running] = {}
        self._exits: queue.SimpleQueue[tuple[_Running, int]] = queue.SimpleQueue()
        self._event = core.executions.wakeups.listen()
        self._stopping = threading.Event()
        self._server: ForkServer | None = None
        self._server_lost = False
        self._server_ready = False
        self._restart_seconds = RESTART_SECONDS
        self._notifier = sdnotify.SystemdNotifier()
        third = core.settings.lease_seconds / 3
        self._timers = [
            _Timer(third, self._renew),
            _Timer(min(third, 5.0), self._sweep),
            _Timer(IDLE_SECONDS, core.executions.dequeue),
            _Timer(HEARTBEAT_SECONDS, self._beat),
        ]

    # Life

    def run(self) -> None:
        """Work until `stop`; then end what runs, within the grace, and let go of the rest."""
        watches = self._watches()
        for watch in watches:
            watch.start()
        try:
            self._start_server()
            while not self._stopping.is_set():
                self._event.clear()
                self._turn(take=True)
                self._event.wait(self._patience())
            self._wind_down()
        finally:
            for watch in watches:
                watch.stop()
            self._core.executions.wakeups.forget(self._event)
            if self._server is not None:
                self._server.stop()
            log.info("worker_stopped name=%s", self.name)

    def stop(self) -> None:
        """Ask `run` to end; may be called from a signal handler."""
        self._stopping.set()
        self._event.set()

    def _watches(self) -> list[DataVersionWatch | NotificationWatch | ProcrastinateWatch]:
        """Return what tells this worker of other processes' commits."""
        url = self._core.settings.url
        if self._core.store.dialect == "sqlite":
            return [DataVersionWatch(url, self._event.set)]
        return [NotificationWatch(url, self._event.set), ProcrastinateWatch(url, self._event.set)]

    def _start_server(self) -> None:
        self._server_lost = self._server_ready = False
        server = self._server = ForkServer(preload=PRELOAD, on_lost=self._on_server_lost)

        def wait() -> None:
            with contextlib.suppress(ForkServerGone):
                server.wait_ready()
                if server is self._server:
                    self._server_ready = True
                    self._restart_seconds = RESTART_SECONDS
                    self._event.set()

        threading.Thread(target=wait, name="fork-server-start", daemon=True).start()

    def _on_server_lost(self) -> None:
        self._server_lost = True
        self._event.set()

    def _turn(self, *, take: bool) -> None:
        """Do all that is to be done now; a step that fails is told and tried again at the next turn."""
        steps: list[Callable[[], object]] = [self._restart_server, self._reap, self._look_after]
        if take:
            steps.append(self._take)
        now = self._core.clock.monotonic()
        for timer in self._timers:
            if timer.due <= now:
                timer.due = now + timer.seconds
                steps.append(timer.job)
        for step in steps:
            try:
                step()
            except Exception as error:
                name = getattr(step, "__name__", step)
                if is_passing(error):
                    log.warning("database_awaited step=%s error=%s", name, one_line(error))
                else:
                    log.exception("worker_step_failed step=%s", name)
                self._core.clock.wait(0.05)

    def _patience(self) -> float:
        now = self._core.clock.monotonic()
        dues = [timer.due for timer in self._timers]
        dues += [item.kill_at for item in self._running.values() if item.kill_at is not None]
        return max(0.0, min(IDLE_SECONDS, min(dues) - now))

    def _wind_down(self) -> None:
        """Wait for what runs, at most the grace; what is left then counts as lost and goes on elsewhere."""
        deadline = self._core.clock.monotonic() + self._core.settings.grace_seconds
        while self._running and self._core.clock.monotonic() < deadline:
            self._event.clear()
            self._turn(take=False)
            if self._running:
                self._event.wait(min(0.2, max(0.0, deadline - self._core.clock.monotonic())))
        left = list(self._running.values())
        if left:
            log.warning("worker_gives_up executions=%s", [item.execution_id for item in left])
        if self._server is not None:
            self._server.stop()  # every process dies with it
            self._server = None
        leases.give_back(self._core, self.name, [item.execution_id for item in left])

    def _restart_server(self) -> None:
        """Start a new fork server when the old one died; its executions died with it and count as lost."""
        if not self._server_lost:
            return
        log.error("fork_server_lost")
        lost = list(self._running.values())
        self._running.clear()
        for item in lost:
            item.control.close()
        if self._server is not None:
            self._server.stop()
        leases.give_back(self._core, self.name, [item.execution_id for item in lost])
        self._stopping.wait(self._restart_seconds)
        self._restart_seconds = min(2 * self._restart_seconds, MAX_RESTART_SECONDS)
        self._start_server()
        self._event.set()

    # Taking

    def _take(self) -> None:
        """Take pending executions as long as there is room."""
        while True:
            room = self._limit - sum(not item.lingering for item in self._running.values())
            if room <= 0 or not self._server_ready or not self._anything_pending():
                return
            lease = self._lease_end()
            taken = self._claim(room)
            for execution_id, attempt, token in taken:
                self._spawn(execution_id, attempt, token, lease)
            if not taken:
                return

    def _anything_pending(self) -> bool:
        with self._core.store.read() as session:
            statement = leases.pending(session, leases.lease_now(self._core, session), _X.id).limit(1)
            return session.connection().execute(statement).first() is not None

    def _claim(self, room: int) -> list[tuple[str, int, str]]:
        """Make up to `room` executions ours; returns (id, attempt, token) of each."""
        taken = []
        with self._core.store.write() as session:
            now = leases.lease_now(self._core, session)
            until = leases.lease_end(self._core, session)
            statement = leases.pending(session, now, Execution).limit(room).with_for_update(skip_locked=True)
            for execution in session.scalars(statement).all():
                token = ids.execution_token()
                execution.worker_id = self.name
                execution.lease_until = until
                execution.attempt = leases.next_attempt(execution)
                execution.token_hash = ids.digest(token)
                set_status(self._core, session, execution, S.STARTED, check=False)
                taken.append((execution.id, execution.attempt, token))
        return taken

    def _lease_end(self) -> float:
        """Return until when a process may live whose lease is taken or renewed from now on, on the monotonic clock."""
        return self._core.clock.monotonic() + LEASE_SHARE * self._core.settings.lease_seconds

    def _spawn(self, execution_id: str, attempt: int, token: str, lease: float) -> None:
        ours, theirs = socket.socketpair()
        item = _Running(execution_id, attempt, Control(ours))
        self._running[execution_id] = item
        what = Spawn(
            entry="manager_core.runtime.execution_process:main",
            argument={
                "execution_id": execution_id,
                "attempt": attempt,
                "token": token,
                "lease": lease,
                "settings": self._settings,
            },
            owner=owner(execution_id, attempt),
            descriptors={"control": theirs.fileno()},
            connect=True,
        )
        try:
            assert self._server is not None
            future = self._server.client.spawn_later(what, lambda _pid, code: self._exited(item, code))
            future.add_done_callback(lambda done: self._spawned(item, done))
        except ForkServerGone:
            log.exception("spawn_failed execution=%s", execution_id)
            self._server_lost = True
        finally:
            theirs.close()

    def _spawned(self, item: _Running, future: Future[int]) -> None:
        error = future.exception()
        if error is None:
            item.pid = future.result()
        elif not self._server_lost:
            log.error("spawn_failed execution=%s error=%s", item.execution_id, error)
            self._exited(item, LOST_EXIT)

    def _exited(self, item: _Running, code: int) -> None:
        self._exits.put((item, code))
        self._event.set()

    # Looking after

    def _look_after(self) -> None:
        """Pass cancels on, and end processes whose execution is no longer theirs."""
        if not self._running:
            return
        statement = select(_X.id, _X.status, _X.attempt).where(_X.id.in_(sorted(self._running)))
        with self._core.store.read() as session:
            rows = {row.id: row for row in session.connection().execute(statement)}
        now = self._core.clock.monotonic()
        for item in list(self._running.values()):
            row = rows.get(item.execution_id)
            if row is None:  # it went with its deployment; the process is about to end by itself
                if item.kill_at is None:
                    item.kill_at = now + KILL_GRACE_SECONDS
                else:
                    self._kill(item, now)
            elif row.attempt != item.attempt:
                self._signal(item, signal.SIGKILL)
            elif row.status == S.KILL_CANCELLING:
                self._kill(item, now)
            elif row.status in END:
                item.lingering = True
            elif row.status in CANCELLING:
                item.control.tell(cancel.FORCE if row.status == S.FORCE_CANCELLING else cancel.CANCEL)

    def _kill(self, item: _Running, now: float) -> None:
        """SIGTERM, and SIGKILL when the grace is over."""
        if item.kill_at is None:
            item.kill_at = now + KILL_GRACE_SECONDS
            self._signal(item, signal.SIGTERM)
        elif item.kill_at <= now:
            item.kill_at = now + KILL_GRACE_SECONDS
            self._signal(item, signal.SIGKILL)

    def _signal(self, item: _Running, signum: int) -> None:
        if self._server is not None:
            self._server.client.signal_owner(owner(item.execution_id, item.attempt), signum)

    def _renew(self) -> None:
        """Renew the leases and tell the processes; one that is not told in time ends itself."""
        until = self._lease_end()
        renewed = leases.renew(self._core, self.name, self._running.keys())
        for execution_id in renewed:
            self._running[execution_id].control.extend(until)
        if len(renewed) < len(self._running):  # in the middle of a transaction, or about to be let go
            renewal = self._timers[0]
            renewal.due = min(renewal.due, self._core.clock.monotonic() + RENEW_AGAIN_SECONDS)

    def _sweep(self) -> None:
        leases.sweep(self._core, self.name, self._running.keys())

    def _beat(self) -> None:
        """Tell that this worker is alive."""
        running = sum(not item.lingering for item in self._running.values())
        self._core.health.beat("worker", self.name, details={"running": running, "limit": self._limit})
        self._notifier.notify("WATCHDOG=1")

    # The end of a process

    def _reap(self) -> None:
        """Settle the executions whose processes have ended."""
        ended = False
        while True:
            try:
                item, code = self._exits.get_nowait()
            except queue.Empty:
                break
            if self._running.get(item.execution_id) is item:
                del self._running[item.execution_id]
            item.control.close()
            if self._server_lost:
                self._running[item.execution_id] = item  # settled with all others when the server is started again
                continue
            try:
                self._settle(item, code)
            except Exception:
                # The database is away: it is settled as soon as it is back, and not lost until then.
                self._running.setdefault(item.execution_id, item)
                self._exits.put((item, code))
                raise
            ended = True
        if ended:
            self._core.executions.dequeue()

    def _settle(self, item: _Running, code: int) -> None:
        """Make sure that nothing is left open of an execution whose process is gone."""
        with self._core.store.read() as session:
            statement = select(_X.status, _X.worker_id, _X.attempt).where(_X.id == item.execution_id)
            row = session.connection().execute(statement).first()
        if row is None or row.attempt != item.attempt or row.worker_id != self.name:
            return
        with self._core.store.write() as session:
            execution = locked(session, item.execution_id)
            if execution is None or execution.attempt != item.attempt or execution.worker_id != self.name:
                return
            if execution.status == S.STARTED and code not in (LOST_EXIT, -signal.SIGKILL):
                text = _ending(code)
                log.error("process_died execution=%s code=%s", item.execution_id, code)
                leases.fail(self._core, session, execution, text)
            else:
                leases.recover(self._core, session, execution)
        self._event.set()


def owner(execution_id: str, attempt: int) -> str:
    """Return the label of all processes of one take of an execution."""
    return f"{execution_id}/{attempt}"


def _ending(code: int) -> str:
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = str(-code)
        return f"The process of the execution was ended by signal {name} before the workflow ended"
    return f"The process of the execution ended with exit code {code} before the workflow ended"
