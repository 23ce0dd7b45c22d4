"""Operations in runner processes: results, errors as data, deaths, limits, reuse (contract §2.3, §2.4, §5)."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import venv
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from manager_core.runtime import child
from manager_core.runtime.forkserver_client import ForkServer
from manager_core.runtime.messages import OperationOutcome, OperationRequest, RunnerEnvironment
from manager_core.runtime.runner_pool import PoolLimits, RunnerPool
from scheduler.clock import SystemClock
from tests.support.clock import PATIENCE, FakeClock
from tests.support.import_surface import SURFACE
from tests.support.processes_of_tests import ended, still_there, wait_until
from tests.support.runner_host import MemoryHost

Run = Callable[..., OperationOutcome]
Begin = Callable[..., "Running"]
OPERATIONS = Path(__file__).parent.parent / "support" / "runner_operations.py"


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    """A warm fork server."""
    server = ForkServer(preload=("manager_core.runtime.runner", "cloudify.preload"))
    server.wait_ready()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> RunnerEnvironment:
    """The environment of the test's plugin: a folder, which also holds a package named like one of ours."""
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copy(OPERATIONS, folder / "ops.py")
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "__init__.py").write_text("")
    (folder / "cloudify").mkdir()
    (folder / "cloudify" / "__init__.py").write_text("raise ImportError('the wrong one')")
    return RunnerEnvironment(name="ops", paths=(str(folder),))


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryHost:
    """A host with the instances of a relationship; the SDK is on the path, as in an execution process."""
    monkeypatch.syspath_prepend(str(child.sdk_folder()))
    host = MemoryHost(tmp_path / "host")
    host.add("vm_1", "vm", properties={"size": 3})
    host.add("app_1", "app")
    (host.root / "resources" / "file.txt").write_text("content")
    (host.root / "resources" / "template.txt").write_text(
        "{{ a }} {{ ctx.node.properties.size }} {{ ctx.instance.runtime_properties.port }}"
    )
    return host


@pytest.fixture
def limits() -> PoolLimits:
    """Limits that tests reach quickly."""
    return PoolLimits(runners=6, eager=2, grace=0.5, output_bytes=8 << 20, message_bytes=80 << 20)


@pytest.fixture
def pool(server: ForkServer, host: MemoryHost, limits: PoolLimits) -> Iterator[RunnerPool]:
    """A pool on the host."""
    pool = RunnerPool(server.client, host, owner="e1", clock=SystemClock(), limits=limits)
    yield pool
    pool.close(wait=False)


@pytest.fixture
def request_of(plugin: RunnerEnvironment) -> Callable[..., OperationRequest]:
    """Build the request of an operation of the test's plugin."""

    def build(
        function: str,
        *,
        module: str = "ops",
        context: dict[str, Any] | None = None,
        environment: RunnerEnvironment | None = None,
        **options: Any,
    ) -> OperationRequest:
        settings = {
            name: options.pop(name)
            for name in ("timeout", "timeout_recoverable", "resume", "evaluate", "args")
            if name in options
        }
        task_id = options.pop("task_id", f"task-{function}")
        mapping = {
            "type": "operation",
            "task_id": task_id,
            "task_name": f"{module}.{function}",
            "node_id": "vm_1",
            "node_name": "vm",
            "operation": {"name": "cloudify.interfaces.lifecycle.create", "retry_number": 0, "max_retries": 3},
            "plugin": {"name": "ops"},
            **(context or {}),
        }
        return OperationRequest(task_id, f"{module}.{function}", mapping, options, environment or plugin, **settings)

    return build


@pytest.fixture
def run(pool: RunnerPool, request_of: Callable[..., OperationRequest]) -> Run:
    """Run an operation of the test's plugin and wait for it."""

    def run_operation(function: str, **options: Any) -> OperationOutcome:
        return pool.run(request_of(function, **options))

    return run_operation


class Running:
    """An operation of the test's plugin that has begun, and has told in which process it runs."""

    def __init__(self, pool: RunnerPool, request: OperationRequest, host: MemoryHost) -> None:
        self._ended: Future[OperationOutcome] = Future()
        pool.submit(request, self._ended.set_result)
        wait_until(lambda: bool(host.messages()) or self._ended.done())
        assert not self._ended.done(), self._ended.result()
        self.pid = int(host.messages()[0])

    def outcome(self) -> OperationOutcome:
        """Wait for its end."""
        return self._ended.result(PATIENCE)


@pytest.fixture
def begin(pool: RunnerPool, request_of: Callable[..., OperationRequest], host: MemoryHost) -> Begin:
    """Begin an operation of the test's plugin that logs the id of its process, and wait until it runs."""
    return lambda function, **options: Running(pool, request_of(function, **options), host)


# --- results and inputs ---------------------------------------------------------------------------------------------


def test_inputs_and_results_cross_as_json(run: Run) -> None:
    """What JSON says arrives as it was; a tuple arrives as a list."""
    inputs = {"a": [1, None, {"b": 1.5}], "c": "é\U0001f600", "d": True}
    assert run("echo", **inputs).result == inputs
    assert run("returns_tuple").result == [1, "é", None, {"a": 1.5}]
    assert run("returns_surrogate").result == "\udcff"
    assert run("noop") == OperationOutcome("task-noop", True)


def test_ctx_comes_as_a_keyword_and_in_the_parameters(run: Run) -> None:
    """The same object everywhere; unexpected inputs are a recoverable TypeError."""
    assert run("parameters", a=1).result == [1, True, "task-parameters"]
    assert run("strict", a=2).result == 2
    error = run("strict", a=2, b=3).error
    assert error is not None
    assert (error["kind"], error["type"]) == ("recoverable", "TypeError")
    assert "unexpected keyword argument 'b'" in error["message"]


def test_intrinsic_functions_in_inputs_see_the_state_of_now(run: Run, host: MemoryHost) -> None:
    """They are evaluated when the operation runs, and only when flagged; an unset attribute is None."""
    inputs = {"x": {"get_attribute": ["SELF", "k"]}}
    host.instances["vm_1"]["runtime_properties"] = {"k": 5}
    assert run("echo", evaluate=True, **inputs).result == {"x": 5}
    host.instances["vm_1"]["runtime_properties"] = {}
    assert run("echo", evaluate=True, **inputs).result == {"x": None}
    assert run("echo", **inputs).result == inputs


def test_what_json_cannot_say_is_a_clear_non_recoverable_error(run: Run) -> None:
    """Objects, functions, cycles: as result or as input."""
    for function in ("returns_object", "returns_lambda_in_dict", "returns_cycle"):
        error = run(function).error
        assert error is not None
        assert error["kind"] == "non_recoverable"
        assert "cannot be passed on as JSON" in error["message"]
    error = run("echo", a=object()).error
    assert error is not None
    assert (error["kind"], "inputs cannot be passed" in error["message"]) == ("non_recoverable", True)
    assert run("noop").ok


# --- errors ---------------------------------------------------------------------------------------------------------

ERRORS = {
    "retries": ("retry", "OperationRetry", "again please [retry_after=0]", 0),
    "raises_retry": ("retry", "OperationRetry", "again [retry_after=3]", 3),
    "recoverable": ("recoverable", "RecoverableError", "later [retry_after=7]", 7),
    "non_recoverable": ("non_recoverable", "Special", "never", None),
    "http_error": ("http", "HttpException", "404 (http://x) : gone", None),
    "stop_agent": ("stop_agent", "StopAgent", "stop", None),
    "unpicklable": ("recoverable", "Unpicklable", "cannot be pickled", None),
    "nasty": ("recoverable", "Nasty", "<Nasty without a readable text>", None),
    "system_exit": ("recoverable", "SystemExit", "3", None),
    "keyboard_interrupt": ("recoverable", "KeyboardInterrupt", "", None),
    "base_exception": ("recoverable", "Base", "base", None),
    "no_such": ("non_recoverable", "NonRecoverableError", "ops has no function named 'no_such' ", None),
    "not_callable": ("non_recoverable", "NonRecoverableError", "ops.not_callable is not callable", None),
}


@pytest.mark.parametrize("function", ERRORS)
def test_an_error_arrives_with_kind_type_text_and_delay(run: Run, function: str) -> None:
    """Whatever is raised; the last cause is the exception itself."""
    error = run(function).error
    assert error is not None
    assert (error["kind"], error["type"], error["message"], error["retry_after"]) == ERRORS[function]
    own = error["causes"][-1]
    assert (own["type"], own["message"]) == (error["type"], error["message"])


def test_an_unknown_module_is_named(run: Run) -> None:
    """With the reason in parentheses."""
    error = run("f", module="nowhere").error
    assert error is not None
    assert error["message"] == "No module named nowhere (No module named 'nowhere')"
    assert error["kind"] == "non_recoverable"


def test_a_traceback_shows_the_authors_frames_alone(run: Run) -> None:
    """From the author's first frame on, with the chain of causes."""
    error = run("non_recoverable").error
    assert error is not None
    trace = error["causes"][-1]["traceback"]
    assert trace.startswith('File "')
    assert "in non_recoverable" in trace
    assert trace.rstrip().endswith("never")
    assert "dispatch.py" not in trace
    chained = run("caused").error
    assert chained is not None
    text = chained["causes"][-1]["traceback"]
    assert "KeyError: 'inner'" in text
    assert "ValueError: outer" in text


def test_an_exception_after_a_retry_request_wins(run: Run) -> None:
    """The request is forgotten."""
    error = run("retries", then="no more").error
    assert error is not None
    assert (error["kind"], error["message"]) == ("non_recoverable", "no more")


def test_endless_recursion_is_an_ordinary_error(run: Run) -> None:
    """RecursionError, recoverable."""
    error = run("deep").error
    assert error is not None
    assert error["type"] == "RecursionError"


def test_a_resumed_operation_must_be_resumable(run: Run) -> None:
    """One that is sees `ctx.resume`; another fails with the contract's text."""
    assert run("resumable").result is False
    assert run("resumable", resume=True).result is True
    error = run("noop", resume=True).error
    assert error is not None
    assert error["message"].startswith("Cannot resume - operation not resumable: ")
    assert error["kind"] == "non_recoverable"


# --- deaths and limits ----------------------------------------------------------------------------------------------


def test_a_death_fails_its_operation_with_the_contracts_text(run: Run) -> None:
    """Exit codes and signals, and the next operation runs."""
    expected = {
        "quits": "Unhandled exception occurred in operation dispatch (rc=7)",
        "segfaults": "Process terminated (rc=-11)",
    }
    for function, text in expected.items():
        error = run(function).error
        assert error is not None
        assert (error["kind"], error["message"]) == ("non_recoverable", text)
        assert run("noop").ok
    error = run("quits", code=0).error
    assert error is not None
    assert error["message"] == "Unhandled exception occurred in operation dispatch (rc=0)"


def test_an_operation_killed_from_outside_is_told(begin: Begin) -> None:
    """The out-of-memory killer's signal is in the text."""
    running = begin("tells_and_loops")
    os.kill(running.pid, signal.SIGKILL)
    error = running.outcome().error
    assert error is not None
    assert error["message"] == "Process terminated (rc=-9)"


def test_a_timeout_ends_the_process(run: Run) -> None:
    """Non-recoverable, unless the operation says otherwise; the number is shown as given."""
    error = run("loops", timeout=0.3).error
    assert error is not None
    assert (error["kind"], error["message"]) == ("non_recoverable", "Process killed due to timeout of 0.3 seconds")
    error = run("loops", timeout=0.3, timeout_recoverable=True).error
    assert error is not None
    assert error["kind"] == "recoverable"


def test_a_timeout_does_not_spare_who_ignores_sigterm(run: Run) -> None:
    """SIGKILL follows."""
    error = run("ignores_sigterm", timeout=0.2).error
    assert error is not None
    assert error["message"] == "Process killed due to timeout of 0.2 seconds"


def test_a_timeout_ends_the_script_too(run: Run, host: MemoryHost) -> None:
    """Nothing of the operation runs on."""
    (host.root / "resources" / "s.sh").write_text("#!/bin/bash\necho pid $$\nsleep 600\n")
    lines: list[str] = []
    timeout = 1
    while not lines:  # the machine may be so busy that the script did not begin in time
        error = run("run", module="script_runner.tasks", script_path="s.sh", timeout=timeout).error
        assert error is not None
        assert error["message"] == f"Process killed due to timeout of {timeout} seconds"
        lines = [text for text in host.messages() if text.startswith("<out> pid ")]
        timeout *= 2
    wait_until(lambda: ended(int(lines[0].split()[-1])))


def test_an_operation_in_time_is_not_disturbed_by_its_timeout(
    server: ForkServer, host: MemoryHost, request_of: Callable[..., OperationRequest], clock: FakeClock
) -> None:
    """Also not the next one in the same runner, which runs when the time of the first is over."""
    pool = RunnerPool(server.client, host, owner="e6", clock=clock)
    first = pool.run(request_of("sleeps", seconds=0.05, timeout=0.2)).result
    clock.advance(1)
    assert pool.run(request_of("sleeps", seconds=0.4)).result == first
    pool.close()


@pytest.mark.parametrize("function", ["prints_for_ever", "logs_for_ever"])
def test_output_without_end_ends_as_one_clear_failure(run: Run, function: str) -> None:
    """Printed or logged; the pool is well afterwards."""
    error = run(function).error
    assert error is not None
    assert error["kind"] == "non_recoverable"
    assert "because the operation wrote more than" in error["message"]
    assert run("noop").ok


def test_gigabytes_of_result_or_properties_end_as_one_clear_failure(run: Run, host: MemoryHost) -> None:
    """Nothing is stored of what is too large."""
    for function in ("returns_gigabytes", "stores_gigabytes"):
        error = run(function).error
        assert error is not None
        assert "bytes as JSON" in error["message"]
        assert error["kind"] == "non_recoverable"
    assert host.instances["vm_1"]["version"] == 1
    assert run("noop").ok


def test_printed_output_reaches_the_host_and_not_the_logs(run: Run, host: MemoryHost) -> None:
    """It is no log of the execution."""
    assert run("prints", size=2).ok
    assert host.output_size == (2 << 20) + 2  # all of it, before the outcome
    assert host.records == []


def test_printed_output_comes_in_whole_lines(run: Run, host: MemoryHost) -> None:
    """Also the last one, which has no end, of an operation that dies."""
    assert not run("prints_and_quits").ok
    pieces = [data for stream, data in host.output if stream == "stdout"]
    assert b"".join(pieces) == b"one\ntwo\nthree"
    assert all(piece.endswith(b"\n") for piece in pieces[:-1])
    assert [data for stream, data in host.output if stream == "stderr"] == [b"last words\n"]


def test_the_last_words_of_a_dying_process_are_in_its_error(run: Run) -> None:
    """What it wrote to stderr is the traceback of the cause."""
    error = run("prints_and_quits").error
    assert error is not None
    assert error["causes"][0]["traceback"] == "last words\n"


def test_an_operation_that_closes_its_channel_is_ended(run: Run) -> None:
    """It could never answer."""
    error = run("closes_everything").error
    assert error is not None
    assert error["kind"] == "non_recoverable"
    assert run("noop").ok


# --- reuse ----------------------------------------------------------------------------------------------------------


def test_a_runner_is_used_again(run: Run) -> None:
    """Until one dies."""
    first = run("pid").result
    assert run("pid").result == first
    run("quits")
    assert run("pid").result != first


def test_what_an_operation_changed_in_its_process_is_put_back(run: Run) -> None:
    """Environment variables, working directory, standard output."""
    before = run("surroundings").result
    assert run("changes_its_surroundings").ok
    assert run("surroundings").result == before
    assert before[0] is None


def test_a_runner_that_left_processes_is_not_used_again_and_they_live_on(run: Run) -> None:
    """A service that an operation started is not ended by a later operation's time-out."""
    runner, service = run("leaves_a_process").result
    assert run("pid").result != runner
    run("loops", timeout=0.2)
    assert still_there(service)
    os.kill(service, signal.SIGKILL)


def test_a_runner_that_dies_between_operations_is_replaced(run: Run, tmp_path: Path) -> None:
    """The next operation does not notice."""
    pid = run("leaves_a_thread_that_kills", when=str(tmp_path / "go")).result
    (tmp_path / "go").touch()
    wait_until(lambda: ended(pid))
    assert run("pid").ok


def test_operations_run_at_the_same_time_up_to_the_limit(
    pool: RunnerPool, request_of: Callable[..., OperationRequest], limits: PoolLimits, tmp_path: Path
) -> None:
    """None ends before as many have begun as may run at once; more wait in line, and all end."""
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    outcomes: list[OperationOutcome] = []
    arrived = threading.Semaphore(0)

    def take(outcome: OperationOutcome) -> None:
        outcomes.append(outcome)
        arrived.release()

    count = limits.runners * 2 + 1
    for number in range(count):
        pool.submit(request_of("meets", task_id=f"t{number}", place=str(meeting), count=limits.runners), take)
    for _ in range(count):
        assert arrived.acquire(timeout=PATIENCE)
    assert sorted(outcome.task_id for outcome in outcomes) == sorted(f"t{number}" for number in range(count))
    assert len({outcome.result for outcome in outcomes}) == limits.runners
    assert pool.drain(PATIENCE)


def test_environments_share_the_places_of_the_pool(
    server: ForkServer, host: MemoryHost, request_of: Callable[..., OperationRequest], plugin: RunnerEnvironment
) -> None:
    """A runner of another environment makes room, also for operations that wait in line; nobody starves."""
    other = RunnerEnvironment(name="other", paths=plugin.paths)
    limits = PoolLimits(runners=2, eager=1, patience=0.01)
    pool = RunnerPool(server.client, host, owner="e5", clock=SystemClock(), limits=limits)
    assert pool.run(request_of("noop")).ok
    assert pool.run(request_of("noop", environment=other)).ok
    outcomes: list[str] = []
    for number in range(24):
        environment = (plugin, other, RunnerEnvironment(name="third", paths=plugin.paths))[number % 3]
        request = request_of("sleeps", task_id=f"t{number}", environment=environment, seconds=0.01)
        pool.submit(request, lambda outcome: outcomes.append(outcome.task_id))
    assert pool.drain(PATIENCE)
    assert sorted(outcomes) == sorted(f"t{number}" for number in range(24))
    pool.close()


def test_a_warm_runner_is_used_by_the_first_operation(pool: RunnerPool, plugin: RunnerEnvironment, run: Run) -> None:
    """Starting it ahead is all that `warm` does."""
    pool.warm(plugin)
    assert len(pool._runners) == 1
    assert run("noop").ok
    assert len(pool._runners) == 1


def test_the_start_of_an_operation_is_told_once_before_its_end(
    pool: RunnerPool, request_of: Callable[..., OperationRequest]
) -> None:
    """`on_start` comes when a runner gets it, not while it waits in line."""
    order: list[str] = []
    done = threading.Event()
    pool.submit(request_of("quits"), lambda outcome: (order.append("done"), done.set()), lambda: order.append("start"))
    assert done.wait(PATIENCE)
    assert order == ["start", "done"]


def test_a_callback_that_raises_does_not_harm_the_pool(
    pool: RunnerPool, request_of: Callable[..., OperationRequest], run: Run
) -> None:
    """Neither does the host."""

    def fail(*_: Any) -> None:
        raise ValueError("on purpose")

    pool.submit(request_of("noop"), fail, fail)
    assert pool.drain(PATIENCE)
    assert run("noop").ok


def test_closing_with_wait_lets_operations_end(
    server: ForkServer, host: MemoryHost, request_of: Callable[..., OperationRequest]
) -> None:
    """Runners outlive a workflow that was cancelled until their operation ended."""
    pool = RunnerPool(server.client, host, owner="e2", clock=SystemClock())
    outcomes: list[OperationOutcome] = []
    pool.submit(request_of("writes_slowly", seconds=0.3), outcomes.append)
    pool.close(wait=True)
    assert [outcome.ok for outcome in outcomes] == [True]
    assert host.instances["vm_1"]["runtime_properties"] == {"slow": True}


def test_closing_without_wait_ends_operations(
    server: ForkServer, host: MemoryHost, request_of: Callable[..., OperationRequest]
) -> None:
    """Each still gets an outcome, running or waiting in line, and its process is gone."""
    pool = RunnerPool(server.client, host, owner="e3", clock=SystemClock(), limits=PoolLimits(runners=1, eager=1))
    pid = pool.run(request_of("pid")).result
    outcomes: list[OperationOutcome] = []
    pool.submit(request_of("loops"), outcomes.append)
    pool.submit(request_of("noop"), outcomes.append)
    pool.close(wait=False)
    assert [outcome.error["kind"] for outcome in outcomes if outcome.error] == ["cancelled", "cancelled"]
    wait_until(lambda: ended(pid))
    with pytest.raises(RuntimeError):
        pool.submit(request_of("noop"), outcomes.append)


def test_the_end_of_the_fork_server_fails_the_running_operations(
    host: MemoryHost, request_of: Callable[..., OperationRequest]
) -> None:
    """Nobody waits for ever."""
    server = ForkServer(preload=("manager_core.runtime.runner", "cloudify.preload"))
    server.wait_ready()
    pool = RunnerPool(server.client, host, owner="e4", clock=SystemClock())
    assert pool.run(request_of("noop")).ok
    running = Running(pool, request_of("tells_and_loops"), host)
    os.kill(server.pid, signal.SIGKILL)
    error = running.outcome().error
    assert error is not None
    assert error["message"] == "Process terminated (rc=-9)"
    later = pool.run(request_of("noop")).error
    assert later is not None
    assert "could not be started" in later["message"]
    pool.close()
    server.stop()


# --- the context over the pipe --------------------------------------------------------------------------------------


def test_runtime_properties_are_saved_at_the_end_also_after_a_failure(run: Run, host: MemoryHost) -> None:
    """Only then, and only if they changed."""
    assert run("noop").ok
    assert host.instances["vm_1"]["version"] == 1
    assert not run("writes", fail=True).ok
    assert host.instances["vm_1"]["runtime_properties"] == {"written": True}


def test_both_sides_of_a_relationship_are_saved(run: Run, host: MemoryHost) -> None:
    """Source and target."""
    related = {"node_id": "app_1", "node_name": "app", "is_target": True}
    assert run("writes_both", context={"related": related}).ok
    assert host.instances["vm_1"]["runtime_properties"] == {"by": "source"}
    assert host.instances["app_1"]["runtime_properties"] == {"by": "target"}


def test_a_conflict_at_the_end_is_a_recoverable_failure(begin: Begin, host: MemoryHost, tmp_path: Path) -> None:
    """Somebody else stored a newer version while the operation ran."""
    running = begin("writes_and_waits", until=str(tmp_path / "go"))
    host.instances["vm_1"].update(version=9)
    (tmp_path / "go").touch()
    error = running.outcome().error
    assert error is not None
    assert error["kind"] == "recoverable"
    assert "Node instance update conflict [current version=9, update version=1]" in error["message"]


def test_logs_events_and_resources_pass_the_pipe(run: Run, host: MemoryHost) -> None:
    """In order, with the instance; templates are rendered on the other side."""
    assert run("logs_and_sends").ok
    assert [record["message"] for record in host.records] == ["a log", "an event"]
    assert {record["node_instance_id"] for record in host.records} == {"vm_1"}
    assert run("resource").result == "content"
    assert run("renders").result == "b 3 80"
    error = run("resource", path="no").error
    assert error is not None
    assert (error["kind"], error["code"]) == ("http", 404)


def test_threads_of_an_operation_share_the_pipe(run: Run, host: MemoryHost) -> None:
    """Their calls do not mix."""
    assert run("uses_threads").ok
    assert sorted(host.messages()) == sorted(f"thread {n}" for n in range(8))


def test_a_process_that_an_operation_forked_goes_to_the_api(run: Run) -> None:
    """On its parent's channel its words would mix with its parent's."""
    outcome = run("forks_and_uses_ctx", context={"rest_host": "127.0.0.1", "rest_port": 1, "execution_id": "e1"})
    assert outcome.result == ["tried the API", "e1"]


def test_a_host_that_fails_is_a_recoverable_error_of_the_operation(run: Run, host: MemoryHost) -> None:
    """The pool survives it."""
    del host.instances["vm_1"]
    error = run("writes").error
    assert error is not None
    assert error["kind"] == "recoverable"
    assert "not found" in error["message"]
    assert run("noop").ok


# --- isolation ------------------------------------------------------------------------------------------------------


def test_the_managers_settings_do_not_reach_operations(run: Run) -> None:
    """Neither the database's address nor the key of the secrets."""
    os.environ["DATABASE_URL"] = "postgresql://secret"
    try:
        assert run("secret").result == [None, None]
    finally:
        del os.environ["DATABASE_URL"]


def test_our_sdk_wins_over_a_plugins_copy_and_its_other_packages_win_over_ours(
    run: Run, plugin: RunnerEnvironment
) -> None:
    """`cloudify` is the SDK's; a package that is only named like one of ours is the plugin's."""
    sdk, scheduler = run("whose_module").result
    assert sdk.endswith("manager_core/sdk/cloudify/__init__.py")
    assert scheduler.startswith(plugin.paths[0])


def test_the_environment_of_an_operation_is_its_own(run: Run) -> None:
    """`execution_env` of the mapping is set for that operation alone."""
    assert run("execution_env", context={"execution_env": {"FROM_ENV": "x"}}).result == "x"
    assert run("execution_env").result is None


def test_scripts_run_in_a_runner(run: Run, host: MemoryHost) -> None:
    """With the `ctx` command."""
    (host.root / "resources" / "s.sh").write_text(
        '#!/bin/bash\nctx instance runtime-properties k "$word"\nctx returns "$(ctx node properties size)"\n'
    )
    outcome = run("run", module="script_runner.tasks", script_path="s.sh", word="hi")
    assert (outcome.result, host.instances["vm_1"]["runtime_properties"]) == ("3", {"k": "hi"})


def test_a_failing_script_is_recoverable_and_an_aborting_one_is_not(run: Run, host: MemoryHost) -> None:
    """As the contract's table says."""
    (host.root / "resources" / "fails.sh").write_text("#!/bin/bash\nexit 3\n")
    (host.root / "resources" / "aborts.sh").write_text("#!/bin/bash\nctx abort-operation enough\n")
    (host.root / "resources" / "retries.sh").write_text("#!/bin/bash\nctx retry-operation again @4\n")
    kinds = {}
    for name in ("fails", "aborts", "retries"):
        error = run("run", module="script_runner.tasks", script_path=f"{name}.sh").error
        assert error is not None
        kinds[name] = (error["kind"], error["type"], error["retry_after"])
    assert kinds == {
        "fails": ("recoverable", "ProcessException", None),
        "aborts": ("non_recoverable", "NonRecoverableError", None),
        "retries": ("retry", "OperationRetry", 4),
    }


def test_every_name_of_the_contract_is_there_in_a_plugins_own_environment(
    pool: RunnerPool, request_of: Callable[..., OperationRequest], plugin: RunnerEnvironment, tmp_path: Path
) -> None:
    """Workflow modules too: a plugin may keep operations and workflows in one module (checklist 1)."""
    venv.create(tmp_path / "env", with_pip=False)
    own = replace(plugin, name="own", interpreter=str(tmp_path / "env" / "bin" / "python"))

    def run(function: str, **kwargs: Any) -> Any:
        outcome = pool.run(replace(request_of(function, **kwargs), environment=own))
        assert outcome.ok, outcome.error
        return outcome.result

    assert run("interpreter") == str(tmp_path / "env")
    assert run("missing_names", surface=SURFACE) == []
