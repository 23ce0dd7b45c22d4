"""The runners of one execution: started on demand, reused while they live, replaced when they die.

The execution process owns the pool. `submit` may be called from any thread and sends the operation to an idle runner
at once; one thread of the pool then reads what runners say, keeps their deadlines and notices their deaths. Calls
that an operation makes back to the manager are answered on a few further threads. A runner's death fails the
operation it was running and nothing else (workflow-runtime contract §2.3).
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import signal
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from manager_core.errors import ManagerError
from manager_core.runtime import child, operation_errors
from manager_core.runtime.forkserver_client import ForkServerClient
from manager_core.runtime.host_calls import answer, describe_refusal
from manager_core.runtime.messages import (
    JsonObject,
    MessageTooLarge,
    OperationOutcome,
    OperationRequest,
    ProtocolError,
    RunnerEnvironment,
    encode,
)
from manager_core.runtime.ports_runner import RunnerHost
from manager_core.runtime.runner_handle import LAST_WORDS, Job, RunnerHandle, run_message, start_runner
from scheduler.clock import Clock

_log = logging.getLogger(__name__)

OnDone = Callable[[OperationOutcome], None]
OnStart = Callable[[], None]


FAIRNESS_SECONDS = 0.1
"""How long the first in line lets operations pass that happen to need the environment of a free runner."""

LONG_LINE = 20
"""From this many waiting operations on the line is long."""

GATHER_SECONDS = 0.002
"""How long a free runner waits for others to become free too, while operations wait in line."""

RECORD_COST = 256
"""What a line of output costs beside its text, bytes: it becomes a record."""


@dataclass(frozen=True)
class PoolLimits:
    """How much an execution's operations may take.

    Attributes:
        runners: how many operations run at once; more wait in line.
        eager: up to this many runners are started at once; further ones when the line did not move for `patience`.
        crowd: up to this many are started while the line is long (`LONG_LINE`), even if it moves.
        patience: seconds.
        grace: seconds between SIGTERM and SIGKILL of an operation that timed out.
        output_bytes: how much one operation may print and log before it is ended; each line counts `RECORD_COST`
        more.
        message_bytes: how much one operation may send over its channel, everything included, before it is ended.
    """

    runners: int = 20
    eager: int = 3
    crowd: int = 8
    patience: float = 0.01
    grace: float = 5.0
    output_bytes: int = 100 * 1024 * 1024
    message_bytes: int = 256 * 1024 * 1024


class RunnerPool:
    """Runs operations in runner processes; see the module's text. Life cycle: construct, submit …, close.

    Attributes:
        settle: called after `on_done` and `on_start` of some operations, before those that start are sent to runners:
            what they recorded can be committed at once.
        settled: called when they were sent.
    """

    def __init__(
        self,
        server: ForkServerClient,
        host: RunnerHost,
        *,
        owner: str,
        clock: Clock,
        environment: Mapping[str, str] | None = None,
        limits: PoolLimits | None = None,
    ) -> None:
        """Make an empty pool.

        Args:
            server: the execution's own connection to the fork server; runners end with it.
            host: answers the operations' calls.
            owner: the execution's id, the label under which a kill finds the runners.
            clock: for deadlines.
            environment: the whole environment of runners; default `child.child_environment()`.
            limits: see `PoolLimits`.
        """
        self._server = server
        self._host = host
        self._owner = owner
        self._clock = clock
        self._environment = dict(environment) if environment is not None else child.child_environment()
        self._limits = limits or PoolLimits()
        self._lock = threading.Condition()
        self._idle: list[RunnerHandle] = []
        self._runners: set[RunnerHandle] = set()
        self._line: deque[Job] = deque()
        self._active = 0
        self._grow_at: float | None = None
        self._closing = False
        self._commands: deque[Callable[[], None]] = deque()
        self._ready: list[tuple[RunnerHandle, Job]] = []  # what goes out at the end of the thread's turn
        self._unsettled = False
        self.settle: Callable[[], None] = _nothing
        self.settled: Callable[[], None] = _nothing
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        self._calls = ThreadPoolExecutor(max_workers=8, thread_name_prefix="operation-call")
        self._thread = threading.Thread(target=self._loop, name="runner-pool", daemon=True)
        self._thread.start()

    def submit(self, request: OperationRequest, on_done: OnDone, on_start: OnStart | None = None) -> None:
        """Run an operation as soon as there is room; returns at once and never raises for what the operation does.

        Args:
            request: the call.
            on_done: called exactly once, from a thread of the pool; must be quick.
            on_start: called before the operation is sent to a runner; must be quick.
        """
        job = Job(request, on_done, on_start)
        with self._lock:
            if self._closing:
                raise RuntimeError("The runner pool is closed")
            self._active += 1
        try:
            job.frame = encode(run_message(request))
        except (TypeError, ValueError, RecursionError) as error:
            text = f"The operation's inputs cannot be passed to it: {error}"
            refused = operation_errors.failed(request, "non_recoverable", type(error).__name__, text)
            self._post(lambda: self._finish(job, refused))
            return
        self._place(job)

    def run(self, request: OperationRequest) -> OperationOutcome:
        """Run an operation and wait for its end."""
        outcome: Future[OperationOutcome] = Future()
        self.submit(request, outcome.set_result)
        return outcome.result()

    def warm(self, environment: RunnerEnvironment | None = None) -> None:
        """Start one runner ahead of the first operation."""
        runner = self._start(environment or RunnerEnvironment())
        if runner:
            with self._lock:
                self._idle.append(runner)

    @property
    def active(self) -> int:
        """How many operations are running or waiting in line."""
        return self._active

    def drain(self, timeout: float | None = None) -> bool:
        """Wait until no operation is left, at most `timeout` seconds; return whether that is so."""
        with self._lock:
            return self._lock.wait_for(lambda: self._active == 0, timeout)

    def drop_waiting(self) -> None:
        """Cancel the operations that still wait in line; their outcome is an error of kind ``cancelled``."""
        with self._lock:
            dropped = list(self._line)
            self._line.clear()
        for job in dropped:
            self._finish(job, operation_errors.dropped(job.request))

    def close(self, *, wait: bool = True, timeout: float | None = None) -> None:
        """End the pool. With `wait` running operations end first; without, their runners are killed. Repeatable."""
        if wait:
            self.drain(timeout)
        with self._lock:
            if self._closing:
                return
            self._closing = True
        self.drop_waiting()
        self._post(self._stop_all)
        self._thread.join(10)
        self._calls.shutdown(wait=False, cancel_futures=True)
        self._wake_write.close()
        self._wake_read.close()

    # --- placing jobs; any thread
    # -------------------------------------------------------------------------------------

    def _place(self, job: Job) -> None:
        """Give the job to an idle runner of its environment, to a new one, or put it in line."""
        wanted = job.request.environment
        while True:
            surplus: RunnerHandle | None = None
            with self._lock:
                runner = self._take_idle(wanted)
                if runner is None:
                    busy = len(self._runners) - len(self._idle)
                    room = self._limits.runners if job.beyond else min(self._limits.eager, self._limits.runners)
                    if busy >= room:
                        job.waiting_since = self._clock.monotonic()
                        self._line.append(job)
                        if len(self._line) < LONG_LINE or busy >= min(self._limits.crowd, self._limits.runners):
                            if self._grow_at is None and busy < self._limits.runners:
                                self._grow_at = self._clock.monotonic() + self._limits.patience
                                self._post(_nothing)
                            return
                        job = self._line.popleft()  # the line is long, however fast it moves: one more runner
                        job.beyond, wanted = True, job.request.environment
                        continue
                    if len(self._runners) >= self._limits.runners:
                        surplus = self._idle.pop(0)  # of another environment; its place is needed
                        self._runners.discard(surplus)
            if surplus:
                self._post_retire(surplus)
            if runner is None:
                try:
                    runner = self._start(wanted)
                except (OSError, ManagerError) as error:
                    self._finish(job, operation_errors.not_started(job.request, error))
                    return
            if self._send_job(runner, job):
                return

    def _take_idle(self, environment: RunnerEnvironment) -> RunnerHandle | None:
        for index in range(len(self._idle) - 1, -1, -1):  # the last used has the warmest caches
            if self._idle[index].environment == environment:
                return self._idle.pop(index)
        return None

    def _send_job(self, runner: RunnerHandle, job: Job) -> bool:
        """Send an operation to a runner; False when the runner turned out to be dead before it could begin."""
        self._begin(job)
        with _guard("settle"):
            self.settle()
        sent = self._transmit(runner, job)
        with _guard("settled"):
            self.settled()
        return sent

    @staticmethod
    def _begin(job: Job) -> None:
        if job.on_start and job.attempts == 0:
            with _guard("on_start"):
                job.on_start()

    def _transmit(self, runner: RunnerHandle, job: Job) -> bool:
        request = job.request
        job.attempts += 1
        with self._lock:
            runner.begin(job, None if request.timeout is None else self._clock.monotonic() + request.timeout)
        try:
            runner.send(job.frame)
        except OSError as error:
            with self._lock:
                mine = runner.end() is job
                self._runners.discard(runner)
            if not mine:  # its death was noticed meanwhile, and told
                return True
            if job.attempts < 3:
                return False
            self._finish(job, operation_errors.not_started(request, error))
            return True
        if request.timeout is not None:
            self._post(_nothing)  # the loop has a nearer deadline now
        return True

    def _start(self, environment: RunnerEnvironment) -> RunnerHandle:
        """Start a runner; it can be used at once."""
        runner, pid = start_runner(
            self._server,
            environment,
            owner=self._owner,
            variables=self._environment,
            on_exit=lambda runner, code: self._post(lambda: self._exited(runner, code)),
        )
        with self._lock:
            self._runners.add(runner)
        self._post(lambda: self._watch(runner))
        pid.add_done_callback(lambda future: self._post(lambda: self._spawned(runner, future)))
        return runner

    def _release(self, runner: RunnerHandle) -> None:
        """Give a runner that has nothing to do the next job of the line, or let it idle."""
        with self._lock:
            job = self._next_for(runner.environment)
            if job is None:
                self._idle.append(runner)
                if self._line:  # only jobs for other environments: their turn to take this place
                    job = self._line.popleft()
            self._grow_at = self._clock.monotonic() + self._limits.patience if self._line else None
        if job is None:
            return
        if job.request.environment == runner.environment:
            self._ready.append((runner, job))
        else:
            self._place(job)

    def _end_turn(self) -> None:
        """Begin the operations that runners are free for, all with one commit, and tell of those that have ended."""
        if not self._ready and not self._unsettled:
            return
        ready, self._ready = self._ready, []
        if self._closing:
            for _, job in ready:
                self._finish(job, operation_errors.dropped(job.request))
            ready = []
        self._unsettled = False
        for _, job in ready:
            self._begin(job)
        with _guard("settle"):
            self.settle()
        for runner, job in ready:
            if not self._transmit(runner, job):
                self._place(job)
        with _guard("settled"):
            self.settled()

    def _next_for(self, environment: RunnerEnvironment) -> Job | None:
        """Take the next job of an environment out of the line, unless the first one has waited too long for that."""
        first = self._line[0] if self._line else None
        if first and self._clock.monotonic() - first.waiting_since > FAIRNESS_SECONDS:
            return self._line.popleft() if first.request.environment == environment else None
        for index, job in enumerate(self._line):
            if job.request.environment == environment:
                del self._line[index]
                return job
        return None

    def _finish(self, job: Job, outcome: OperationOutcome) -> None:
        with _guard("on_done"):
            job.on_done(outcome)
        if threading.get_ident() == self._thread.ident:
            self._unsettled = True
        else:
            with _guard("settle"):
                self.settle()
                self.settled()
        with self._lock:
            self._active -= 1
            self._lock.notify_all()

    # --- the pool's thread
    # --------------------------------------------------------------------------------------------

    def _post(self, command: Callable[[], None]) -> None:
        self._commands.append(command)
        with contextlib.suppress(OSError):
            self._wake_write.send(b"x")

    def _loop(self) -> None:
        while not (self._closing and not self._runners):
            self._listen(self._patience())
            if self._line and self._ready:
                self._gather()
            while self._commands:
                with _guard("runner pool"):
                    self._commands.popleft()()
            with _guard("runner pool"):
                self._keep_deadlines()
            self._end_turn()
        self._end_turn()
        self._selector.close()

    def _listen(self, seconds: float | None) -> bool:
        """Take what runners say within some seconds; return whether there was anything."""
        heard = self._selector.select(seconds)
        for key, _ in heard:
            with _guard("runner pool"):
                if key.data is None:
                    with contextlib.suppress(BlockingIOError):
                        self._wake_read.recv(4096)
                else:
                    runner, stream = key.data
                    self._read_channel(runner) if stream is None else self._read_output(runner, key.fd)
        return bool(heard)

    def _gather(self) -> None:
        """With a line of operations, let more runners become free for a moment: all of them share the next commit."""
        until = self._clock.monotonic() + GATHER_SECONDS
        while 2 * len(self._ready) < len(self._runners):
            left = until - self._clock.monotonic()
            if left <= 0 or not self._listen(left):
                return

    def _patience(self) -> float | None:
        with self._lock:
            deadlines = [runner.deadline for runner in self._runners if runner.deadline is not None]
            if self._grow_at is not None:
                deadlines.append(self._grow_at)
        return max(0.0, min(deadlines) - self._clock.monotonic()) if deadlines else None

    def _keep_deadlines(self) -> None:
        now = self._clock.monotonic()
        with self._lock:
            late = [runner for runner in self._runners if runner.deadline is not None and runner.deadline <= now]
            grown: list[Job] = []
            if self._grow_at is not None and self._grow_at <= now:
                busy = len(self._runners) - len(self._idle)
                count = min(max(busy, 1), self._limits.runners - busy, len(self._line))
                grown = [self._line.popleft() for _ in range(count)]
                more = bool(self._line) and busy + count < self._limits.runners
                self._grow_at = now + self._limits.patience if more else None
        for runner in late:
            self._overdue(runner, now)
        for job in grown:
            job.beyond = True
            self._place(job)

    def _overdue(self, runner: RunnerHandle, now: float) -> None:
        job = runner.job
        if runner.doom or runner.lost:
            runner.deadline = None
            self._signal(runner, signal.SIGKILL)
        elif job is None:
            runner.deadline = None
        else:
            runner.doom = operation_errors.timed_out(job.request)
            runner.deadline = now + self._limits.grace
            self._signal(runner, signal.SIGTERM)

    def _signal(self, runner: RunnerHandle, signum: int) -> None:
        if runner.pid is None:
            runner.pending_signal = signum
        else:
            self._server.signal(runner.pid, signum)

    def _watch(self, runner: RunnerHandle) -> None:
        if runner.gone:
            return
        self._selector.register(runner.sock, selectors.EVENT_READ, (runner, None))
        for descriptor, stream in runner.pipes.items():
            self._selector.register(descriptor, selectors.EVENT_READ, (runner, stream))

    def _spawned(self, runner: RunnerHandle, future: Future[int]) -> None:
        error = future.exception()
        if error is None:
            runner.pid = future.result()
            if runner.pending_signal is not None:
                self._server.signal(runner.pid, runner.pending_signal)
            return
        if runner.job:
            runner.doom = operation_errors.not_started(runner.job.request, error).error
        self._bury(runner)

    def _read_channel(self, runner: RunnerHandle) -> None:
        try:
            data = runner.sock.recv(1 << 18, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(runner.sock)
            with self._lock:  # its exit code follows; if not, it closed our channel and has to go
                runner.lost = True
                runner.deadline = self._clock.monotonic() + self._limits.grace
                if runner in self._idle:
                    self._idle.remove(runner)
            return
        self._understand(runner, data)

    def _understand(self, runner: RunnerHandle, data: bytes) -> None:
        runner.received += len(data)
        if runner.received > self._limits.message_bytes:
            self._end_for_volume(runner, self._limits.message_bytes)
        try:
            messages = runner.reader.feed(data)
        except ProtocolError as error:
            text = f"The operation's process broke the protocol: {error}"
            runner.doom = runner.doom or operation_errors.error_data("non_recoverable", "NonRecoverableError", text)
            self._signal(runner, signal.SIGKILL)
            return
        for message in messages:
            kind = message.get("type")
            if kind == "done":
                self._done(runner, message)
            elif kind == "call":
                self._calls.submit(self._answer, runner, message)
            elif kind == "notice":
                with _guard("a notice"):
                    answer(self._host, message["method"], message["params"], runner.context)
                    self._count(runner, RECORD_COST + len(message["params"].get("record", {}).get("message") or ""))

    def _answer(self, runner: RunnerHandle, message: JsonObject) -> None:
        """Answer one call; runs on a thread of its own while the runner waits."""
        reply: JsonObject = {"type": "reply", "call": message.get("call")}
        try:
            reply["value"] = answer(self._host, message["method"], message.get("params") or {}, runner.context)
            frame = encode(reply)
        except MessageTooLarge as error:
            text = str(error)
            frame = encode({**reply, "value": None, "error": {"status": 413, "code": "too_large", "message": text}})
        except BaseException as error:  # noqa: BLE001 - the waiting operation must get an answer, whatever happened
            frame = encode({**reply, "value": None, "error": describe_refusal(error)})
        with contextlib.suppress(OSError):
            runner.send(frame)

    def _done(self, runner: RunnerHandle, message: JsonObject) -> None:
        job = runner.job
        if job is None or message.get("id") != job.request.task_id:
            return
        self._read_printed(runner)
        if runner.doom:  # it is being killed already; its death tells the outcome
            return
        with self._lock:
            runner.end()
        if message.get("ok"):
            outcome = OperationOutcome(job.request.task_id, True, message.get("result"))
        else:
            outcome = OperationOutcome(job.request.task_id, False, error=message.get("error") or {})
        self._finish(job, outcome)  # first, so that what is written of its end goes with the beginning of the next
        if message.get("retire"):
            with self._lock:
                self._runners.discard(runner)
            self._retire(runner)
            self._serve_line()
        else:
            self._release(runner)

    def _read_output(self, runner: RunnerHandle, descriptor: int) -> None:
        try:
            data = os.read(descriptor, 1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._pass_on(runner, runner.lines.rest_of(descriptor), runner.pipes[descriptor])
            self._selector.unregister(descriptor)
            os.close(descriptor)
            runner.pipes.pop(descriptor, None)
            return
        self._pass_on(runner, runner.lines.take(descriptor, data), runner.pipes[descriptor])

    def _read_printed(self, runner: RunnerHandle) -> None:
        """Pass on what its operation printed before now, the last line too if it has no end."""
        for descriptor, stream in runner.pipes.items():
            with contextlib.suppress(OSError):
                data = os.read(descriptor, 1 << 17)
                self._pass_on(runner, runner.lines.take(descriptor, data), stream)
            self._pass_on(runner, runner.lines.rest_of(descriptor), stream)

    def _pass_on(self, runner: RunnerHandle, data: bytes, stream: str) -> None:
        """Give printed lines to the host, and count them."""
        if not data:
            return
        if stream == "stderr":
            runner.last_words = (runner.last_words + data)[-LAST_WORDS:]
        with _guard("write_output"):
            self._host.write_output(runner.context, stream, data)
        self._count(runner, len(data) + RECORD_COST * data.count(b"\n"))

    def _count(self, runner: RunnerHandle, cost: int) -> None:
        runner.output += cost
        if runner.output > self._limits.output_bytes:
            self._end_for_volume(runner, self._limits.output_bytes)

    def _end_for_volume(self, runner: RunnerHandle, limit: int) -> None:
        if runner.job and runner.doom is None:
            runner.doom = operation_errors.too_much_output(limit)
            self._signal(runner, signal.SIGKILL)

    def _exited(self, runner: RunnerHandle, code: int) -> None:
        """The process is gone: read what it still said, then tell its operation."""
        if runner.gone:
            return
        runner.exit_code = code
        # What it left is bounded by the size of the channel; more would come from processes it left behind.
        with contextlib.suppress(OSError):
            for _ in range(8):
                self._understand(runner, runner.sock.recv(1 << 18, socket.MSG_DONTWAIT))
        self._bury(runner)

    def _bury(self, runner: RunnerHandle) -> None:
        with self._lock:
            self._runners.discard(runner)
            if runner in self._idle:
                self._idle.remove(runner)
            job = runner.end()
        self._read_printed(runner)
        self._retire(runner)
        if job:
            error = runner.doom or operation_errors.death(runner.exit_code, runner.last_words)
            self._finish(job, OperationOutcome(job.request.task_id, False, error=error))
        self._serve_line()

    def _serve_line(self) -> None:
        """A place became free: start a runner for the first job in line."""
        with self._lock:
            busy = len(self._runners) - len(self._idle)
            job = self._line.popleft() if self._line and busy < self._limits.runners else None
        if job:
            job.beyond = True
            self._place(job)

    def _post_retire(self, runner: RunnerHandle) -> None:
        self._post(lambda: self._retire(runner))

    def _retire(self, runner: RunnerHandle) -> None:
        """Let go of a runner: it ends by itself when its channel closes."""
        if runner.gone:
            return
        runner.gone = True
        for descriptor in (runner.sock.fileno(), *runner.pipes):
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(descriptor)
        runner.sock.close()
        for descriptor in runner.pipes:
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _stop_all(self) -> None:
        for runner in list(self._runners):
            if runner.job:
                runner.doom = runner.doom or operation_errors.execution_ended()
                self._signal(runner, signal.SIGKILL)
            self._bury(runner)


def _nothing() -> None:
    """Wake the loop, so that it looks at its deadlines."""


@contextlib.contextmanager
def _guard(what: str) -> Iterator[None]:
    """Keep the pool alive whatever a callback raises."""
    try:
        yield
    except Exception:  # noqa: BLE001 - the pool outlives whatever a callback raises
        _log.exception("%s failed", what)
