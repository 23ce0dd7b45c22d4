"""Workflows that do what no workflow should: each ends in a status with a reason, and nothing of it stays behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from manager_core.bootstrap import Core, build
from manager_core.deployments.tables import Deployment
from manager_core.events.listing import parse_event_query
from manager_core.nodes.tables import Node
from manager_core.runtime.printed import LIMIT
from manager_core.runtime.worker import Worker
from tests.support.databases import SqliteTemplate, test_settings
from tests.support.processes_of_tests import still_there, wait_until
from tests.support.running import ADMIN, a_running_deployment, a_worker, ended, events, lines, start, until

PLUGIN = """
import os
import signal
import sys
import threading
import time


class Nameless(BaseException):
    def __str__(self):
        raise SystemExit(1)


def note(path, text):
    with open(path, "a") as stream:
        stream.write(text + "\\n")


def huge(ctx, **kwargs):
    raise ValueError("begin" + "x" * 20_000_000 + "end")


def odd_text(ctx, **kwargs):
    ctx.logger.info("nul \\x00 and half a character \\ud800")
    raise ValueError("nul \\x00 and half a character \\ud800")


def nameless(ctx, **kwargs):
    raise Nameless()


def babbles(ctx, **kwargs):
    os.write(1, b"\\xff\\xfe\\x00 no text\\n")
    sys.stdout.write("w" * 10_000_000)


def prints(ctx, **kwargs):
    print("a line")
    print("trouble", file=sys.stderr)
    os.system("echo a program")
    ctx.logger.info("a log")
    print("no end", end="")


def prints_for_ever(ctx, **kwargs):
    while True:
        os.write(1, b"x" * 60_000 + b"\\n")


def tells_of_maintenance(ctx, **kwargs):
    ctx.logger.info("bypass %s", ctx.bypass_maintenance)


def threads(ctx, **kwargs):
    threading.Thread(target=time.sleep, args=(600,)).start()


def forks(ctx, path, **kwargs):
    copy = os.fork()
    if copy == 0:
        time.sleep(600)
        os._exit(0)
    note(path, str(copy))


def returns_twice(ctx, **kwargs):
    os.fork()


def stops(ctx, path, **kwargs):
    note(path, str(os.getpid()))
    os.kill(os.getpid(), signal.SIGSTOP)


def spins(ctx, path, **kwargs):
    note(path, str(os.getpid()))
    while True:
        pass


def kills_itself(ctx, path, **kwargs):
    note(path, "run")
    os.kill(os.getpid(), signal.SIGKILL)


kills_itself.resumable = True


def one_operation(ctx, operation, **kwargs):
    instance = next(iter(ctx.node_instances))
    instance.execute_operation("hostile." + operation, kwargs=kwargs).get()


class NoPickle(Exception):
    def __init__(self, lock):
        super().__init__("cannot be pickled")
        self.lock = lock

    def __reduce__(self):
        raise TypeError("never")


def op_unpicklable(**kwargs):
    raise NoPickle(threading.Lock())


def op_system_exit(**kwargs):
    raise SystemExit(3)


def op_exit(**kwargs):
    os._exit(9)


def op_segfault(**kwargs):
    import ctypes

    ctypes.string_at(0)


def op_prints(**kwargs):
    while True:
        print("x" * 10_000)


def op_spins(path, **kwargs):
    note(path, str(os.getpid()))
    while True:
        pass
"""
SCRIPT = """#!/bin/bash
while true; do head -c 60000 /dev/zero | tr '\\0' 'x'; echo; done
"""

WORKFLOWS = (
    "prints", "prints_for_ever", "tells_of_maintenance",
    "one_operation",
    "huge", "odd_text", "nameless", "babbles", "threads", "forks", "returns_twice", "stops", "spins", "kills_itself",
)  # fmt: skip

CAUSES = {"unpicklable": "NoPickle", "system_exit": "SystemExit"}
OPERATIONS = ("unpicklable", "system_exit", "exit", "segfault", "prints", "spins")


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory, sqlite_template: SqliteTemplate) -> Iterator[tuple[Core, Worker]]:
    """A Core with a running worker and the deployment `dep` of hostile workflows; one for all tests of this file."""
    data_dir = tmp_path_factory.mktemp("hostile") / "data"
    sqlite_template.copy_into(data_dir)
    core = build(test_settings(data_dir))
    try:
        a_running_deployment(core)
        plugin = data_dir / "blueprints" / "default_tenant" / "bp" / "plugins" / "my"
        (plugin / "hostile.py").write_text(PLUGIN)
        (plugin.parents[1] / "endless.sh").write_text(SCRIPT)
        with core.store.write() as session:
            deployment = session.query(Deployment).one()
            deployment.workflows = {
                name: {"plugin": "my", "operation": f"hostile.{name}", "parameters": {}} for name in WORKFLOWS
            }
            node = session.query(Node).one()
            operations = {
                name: {"plugin": "my", "operation": f"hostile.op_{name}", "inputs": {}} for name in OPERATIONS
            }
            operations["script"] = {
                "plugin": "script", "operation": "script_runner.tasks.run", "inputs": {"script_path": "endless.sh"},
            }  # fmt: skip
            node.operations = {f"hostile.{name}": {**struct, "max_retries": 0} for name, struct in operations.items()}
            node.plugins = [*node.plugins, {"name": "script"}]
        with a_worker(core) as running:
            yield core, running
    finally:
        core.close()


@pytest.fixture
def core(worker: tuple[Core, Worker]) -> Core:
    """The Core whose worker runs."""
    return worker[0]


def test_an_error_of_megabytes_is_cut_in_the_middle(core: Core) -> None:
    key = start(core, "huge")
    execution = ended(core, key)
    assert execution.status == "failed"
    error = execution.error or ""
    assert len(error) < 1_100_000 and "ValueError: begin" in error and error.rstrip().endswith("end")
    assert all(len(item["message"]) < 1_200_000 for item in events(core, key))


def test_text_that_no_database_keeps_costs_no_execution_its_reason(core: Core) -> None:
    key = start(core, "odd_text")
    execution = ended(core, key)
    assert execution.status == "failed" and "half a character" in (execution.error or "")
    assert any("half a character" in item["message"] for item in events(core, key))


def test_an_exception_without_a_text_is_a_failure_with_its_name(core: Core) -> None:
    execution = ended(core, start(core, "nameless"))
    assert execution.status == "failed" and "Nameless" in (execution.error or "")


@pytest.mark.parametrize("workflow", ["babbles", "threads", "returns_twice"])
def test_output_threads_and_copies_do_not_hold_up_or_double_the_end(core: Core, workflow: str) -> None:
    key = start(core, workflow)
    assert ended(core, key).status == "terminated"
    types = [item["event_type"] for item in events(core, key) if item["type"] == "cloudify_event"]
    assert types == ["workflow_started", "workflow_succeeded"]


def test_what_a_workflow_prints_is_in_its_logs(core: Core) -> None:
    key = start(core, "prints")
    assert ended(core, key).status == "terminated"
    recorded = events(core, key)
    printed = [(item["level"], item["message"]) for item in recorded if item["type"] == "cloudify_log"]
    assert sorted(printed) == [
        ("info", "a line"), ("info", "a log"), ("info", "a program"), ("info", "no end"), ("warning", "trouble"),
    ]  # fmt: skip
    assert recorded[-1]["event_type"] == "workflow_succeeded", "what was printed comes before the end"


def test_a_workflow_that_prints_without_end_fails_with_a_reason(core: Core) -> None:
    key = start(core, "prints_for_ever")
    execution = ended(core, key)
    assert (execution.status, execution.error) == ("failed", f"The workflow wrote more than {LIMIT} bytes of output")
    assert [item["event_type"] for item in events(core, key) if item["type"] == "cloudify_event"] == [
        "workflow_started", "workflow_failed",
    ]  # fmt: skip
    assert ended(core, start(core, "prints")).status == "terminated", "the worker is well afterwards"


def test_what_is_started_in_maintenance_mode_may_call_in_maintenance_mode(core: Core) -> None:
    def told() -> list[str]:
        key = start(core, "tells_of_maintenance")
        assert ended(core, key).status == "terminated"
        return [item["message"] for item in events(core, key) if item["type"] == "cloudify_log"]

    assert told() == ["bypass False"]
    core.maintenance.act(ADMIN, "activate")
    try:
        assert told() == ["bypass True"]
    finally:
        core.maintenance.act(ADMIN, "deactivate")


def test_a_forked_copy_that_stays_keeps_no_worker_busy(core: Core, tmp_path: Path) -> None:
    key = start(core, "forks", parameters={"path": str(tmp_path / "pid")})
    assert ended(core, key).status == "terminated"
    copy = int(lines(tmp_path / "pid")[0])
    try:
        until(core, lambda: ended(core, key).worker_id is None)
        assert ended(core, start(core, "threads")).status == "terminated"
    finally:
        if still_there(copy):
            os.kill(copy, signal.SIGKILL)


@pytest.mark.parametrize("workflow", ["stops", "spins"])
def test_a_kill_ends_what_does_not_listen(core: Core, workflow: str, tmp_path: Path) -> None:
    key = start(core, workflow, parameters={"path": str(tmp_path / "pid")})
    until(core, lambda: (tmp_path / "pid").exists() and lines(tmp_path / "pid"))
    core.executions.act(ADMIN, key, "kill")
    assert ended(core, key).status == "cancelled"
    wait_until(lambda: not still_there(int(lines(tmp_path / "pid")[0])))


def test_a_resumable_workflow_that_kills_itself_is_not_run_for_ever(core: Core, tmp_path: Path) -> None:
    log = tmp_path / "log"
    execution = ended(core, start(core, "kills_itself", parameters={"path": str(log)}))
    assert execution.status == "failed"
    assert f"was lost {len(lines(log))} times" in (execution.error or "")


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        ("unpicklable", "cannot be pickled"),
        ("system_exit", "3"),
        ("exit", "Unhandled exception occurred in operation dispatch (rc=9)"),
        ("segfault", "Process terminated (rc=-11)"),
        ("prints", "because the operation wrote more than"),
        ("script", "wrote more than"),
    ],
)
def test_whatever_an_operation_does_is_told_and_the_worker_stays_well(core: Core, operation: str, text: str) -> None:
    key = start(core, "one_operation", parameters={"operation": operation})
    execution = ended(core, key)
    assert execution.status == "failed"
    assert text in (execution.error or "")
    query = parse_event_query([("execution_id", key), ("type", "cloudify_event")])
    told = core.events.list(ADMIN, query)["items"]
    (failed,) = [item for item in told if item["event_type"] == "task_failed"]
    assert text in failed["message"]
    assert failed["error_causes"][-1]["type"] == CAUSES.get(operation, "NonRecoverableError")
    assert told[-1]["event_type"] == "workflow_failed"
    assert ended(core, start(core, "prints")).status == "terminated"


def test_an_operation_without_end_is_ended_by_a_kill(core: Core, tmp_path: Path) -> None:
    parameters = {"operation": "spins", "path": str(tmp_path / "pid")}
    key = start(core, "one_operation", parameters=parameters)
    until(core, lambda: lines(tmp_path / "pid"))
    core.executions.act(ADMIN, key, "kill")
    assert ended(core, key).status == "cancelled"
    wait_until(lambda: not still_there(int(lines(tmp_path / "pid")[0])))
    assert ended(core, start(core, "prints")).status == "terminated"
