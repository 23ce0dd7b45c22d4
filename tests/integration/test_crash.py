"""Processes are killed in the middle of their work; what is started afterwards ends it, and nothing is done twice."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from manager_core.bootstrap import Core, build
from manager_core.deployments.tables import Deployment
from manager_core.executions.tables import Operation
from manager_core.nodes.tables import Node, NodeInstance
from tests.conftest import BOTH
from tests.support.databases import PostgresTemplate, test_settings
from tests.support.processes import product_environment
from tests.support.running import (
    ADMIN,
    a_running_deployment,
    a_worker,
    ended,
    event_types,
    events,
    let_go,
    lines,
    start,
    status,
    until,
)
from tests.support.warm_product import WarmProduct

StartWorker = Callable[[], "WorkerProcess"]
MANY = 50
LIFECYCLE = "cloudify.interfaces.lifecycle."
STEPS = ("create", "configure", "start")
INSTALL_PLUGIN = """
import os
import time
from cloudify import ctx
from cloudify.decorators import operation
from cloudify.exceptions import NonRecoverableError

HELD = 45  # the start of the last five waits, so that the end does not come before the loss


def note(path, word):
    with open(path, "a") as stream:
        stream.write(word + " " + ctx.instance.id + " " + ctx.operation.name + "\\n")


def step(path, **kwargs):
    note(path, "begin")
    if ctx.operation.name.endswith(".start") and int(ctx.instance.id.rpartition("_")[2]) >= HELD:
        while not os.path.exists(path + ".go"):
            time.sleep(0.02)
    note(path, "end")


@operation(resumable=True)
def resumable_step(path, **kwargs):
    step(path)


@operation(resumable=True)
def the_first_fails(path, **kwargs):
    if ctx.instance.id.endswith("_000"):
        note(path, "begin")
        raise NonRecoverableError("the first one fails")
    step(path)
"""
GRACE = {"grace_seconds": 1.0}


@pytest.fixture(params=BOTH)
def core(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Core]:
    """A Core on a real clock, and the deployment `dep` of eight instances; no worker runs."""
    data_dir = tmp_path / "data"
    url = name = template = None
    if request.param == "sqlite":
        request.getfixturevalue("sqlite_template").copy_into(data_dir)
    else:
        template = request.getfixturevalue("postgres_template")
        assert isinstance(template, PostgresTemplate)
        name, url = template.clone()
    core = build(test_settings(data_dir, database_url=url, **GRACE))
    try:
        a_running_deployment(core, instances=8)
        yield core
    finally:
        core.close()
        if template is not None:
            template.drop(name)


class WorkerProcess:
    """`cloudify-manager worker` as a process of its own."""

    def __init__(self, product: WarmProduct, core: Core) -> None:
        settings = core.settings
        environment = product_environment(
            settings.data_dir,
            CLOUDIFY_ADMIN_PASSWORD=settings.admin_password or "",
            CLOUDIFY_PASSWORD_MEMORY_KIB="8",
            CLOUDIFY_LEASE_SECONDS=str(settings.lease_seconds),
            CLOUDIFY_GRACE_SECONDS=str(settings.grace_seconds),
        )
        if settings.database_url:
            environment["DATABASE_URL"] = settings.database_url
        self._process = product.start("manager_core", "worker", environment=environment)

    def send(self, number: int) -> None:
        """Send a signal."""
        self._process.signal(number)

    def signal(self, number: int) -> int:
        """Send a signal and wait for the end; returns the exit code."""
        self.send(number)
        return self._process.wait()


@pytest.fixture
def start_worker(core: Core, product: WarmProduct) -> Iterator[StartWorker]:
    """Start a worker process; whatever is left of them at the end is killed."""
    started: list[WorkerProcess] = []

    def start_one() -> WorkerProcess:
        started.append(WorkerProcess(product, core))
        return started[-1]

    yield start_one
    for worker in started:
        worker.signal(signal.SIGKILL)


def states(core: Core) -> dict[str, str]:
    """Return the states of all stored operations by instance."""
    with core.store.read() as session:
        rows = session.connection().execute(select(Operation.parameters, Operation.state)).all()  # type: ignore[call-overload]
    return {row.parameters["task_kwargs"]["kwargs"]["__cloudify_context"]["node_id"]: row.state for row in rows}


def begun(log: Path) -> dict[str, int]:
    """Return how often the operation of each instance began."""
    names = [line.removeprefix("begin ") for line in lines(log) if line.startswith("begin ")]
    return {name: names.count(name) for name in names}


def half_done(core: Core, start_worker: StartWorker, log: Path, operation: str) -> tuple[str, set[str]]:
    """Kill a worker when three of eight operations have ended and another is held; return the execution and the
    instances whose operation had succeeded."""
    worker = start_worker()
    key = start(core, "graph", parameters={"operation": operation, "path": str(log), "held": 3})
    until(core, lambda: sum(line.startswith("end") for line in lines(log)) == 3)
    until(core, lambda: sum(line.startswith("begin") for line in lines(log)) > 3)
    worker.signal(signal.SIGKILL)
    let_go(log)
    finished = {name for name, state in states(core).items() if state in ("succeeded", "response-sent")}
    return key, finished


def test_after_a_lost_worker_a_resume_runs_what_had_not_succeeded_and_nothing_twice(
    core: Core, start_worker: StartWorker, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    key, finished = half_done(core, start_worker, log, "op.work")
    with a_worker(core):
        lost = ended(core, key)
        if lost.status == "failed":  # operations that ran at the loss, and are not resumable
            assert "worker lost" in (lost.error or "")
            core.executions.act(ADMIN, key, "resume")
            until(core, lambda: status(core, key) == "terminated")
    counts = begun(log)
    assert len(counts) == 8, "all that had not run ran"
    assert {name: counts[name] for name in finished} == dict.fromkeys(finished, 1)
    assert set(states(core).values()) <= {"succeeded", "failed"}


def test_resumable_operations_of_a_lost_worker_are_finished_without_anybody_asking(
    core: Core, start_worker: StartWorker, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    key, finished = half_done(core, start_worker, log, "op.resumable_work")
    start_worker()
    execution = ended(core, key)
    assert (execution.status, execution.resume) == ("terminated", True)
    assert {line for line in lines(log) if line.startswith("end")} == {f"end node_dep_{n:03d}" for n in range(8)}
    counts = begun(log)
    assert {name: counts[name] for name in finished} == dict.fromkeys(finished, 1)
    messages = [item["message"] for item in events(core, key)]
    assert "Resuming 'graph' workflow execution" in messages
    assert event_types(core, key).count("workflow_succeeded") == 1


def test_a_workflow_that_cannot_be_resumed_fails_and_says_so(core: Core, start_worker: StartWorker) -> None:
    worker = start_worker()
    key = start(core, "slow")
    until(core, lambda: "workflow_started" in event_types(core, key))
    worker.signal(signal.SIGKILL)
    with a_worker(core):
        execution = ended(core, key)
    assert execution.status == "failed"
    assert execution.error == "The worker that ran this execution was lost, and workflow slow is not resumable"
    assert event_types(core, key)[-1] == "workflow_failed"


def test_a_cancel_that_the_lost_worker_did_not_finish_is_finished(core: Core, start_worker: StartWorker) -> None:
    worker = start_worker()
    key = start(core, "deaf")
    until(core, lambda: "workflow_started" in event_types(core, key))
    core.executions.act(ADMIN, key, "cancel")
    worker.signal(signal.SIGKILL)
    with a_worker(core):
        assert ended(core, key).status == "cancelled"


def test_what_was_started_while_no_worker_ran_is_run_by_the_next_one(core: Core) -> None:
    first, second = start(core, "each"), start(core, "each", queue=True)
    with a_worker(core):
        assert ended(core, first).status == "terminated"
        assert ended(core, second).status == "terminated"


def test_a_stopped_worker_gives_back_what_does_not_end_within_the_grace(
    core: Core, start_worker: StartWorker, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    worker = start_worker()
    key = start(core, "graph", parameters={"operation": "op.resumable_work", "path": str(log), "held": 0})
    until(core, lambda: lines(log))
    assert worker.signal(signal.SIGTERM) == 0
    assert status(core, key) == "pending"
    let_go(log)
    with a_worker(core):
        assert ended(core, key).status == "terminated"
    assert {line for line in lines(log) if line.startswith("end")} == {f"end node_dep_{n:03d}" for n in range(8)}


def test_the_death_of_the_fork_server_costs_no_execution(core: Core, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with a_worker(core) as worker:
        key = start(core, "graph", parameters={"operation": "op.resumable_work", "path": str(log), "held": 0})
        until(core, lambda: lines(log))
        assert worker._server is not None
        os.kill(worker._server.pid, signal.SIGKILL)
        let_go(log)
        assert ended(core, key).status == "terminated"
        assert ended(core, start(core, "each")).status == "terminated"


def test_a_killed_execution_process_is_replaced(core: Core, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with a_worker(core) as worker:
        key = start(core, "graph", parameters={"operation": "op.resumable_work", "path": str(log), "held": 0})
        until(core, lambda: lines(log))
        pid = worker._running[key].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        let_go(log)
        assert ended(core, key).status == "terminated"
        assert {line for line in lines(log) if line.startswith("end")} == {f"end node_dep_{n:03d}" for n in range(8)}


def an_install_of_many(core: Core, log: Path, function: str) -> None:
    """Store the deployment `many` of fifty instances, and the workflow `install` for it."""
    a_running_deployment(core, "many", instances=MANY)
    plugin = core.settings.data_dir / "blueprints" / "default_tenant" / "bp" / "plugins" / "my"
    (plugin / "install_steps.py").write_text(INSTALL_PLUGIN)
    struct = {"plugin": "my", "operation": f"install_steps.{function}", "inputs": {"path": str(log)}, "max_retries": 0}
    with core.store.write() as session:
        deployment = session.query(Deployment).filter_by(id="many").one()  # type: ignore[deprecated]
        deployment.workflows = {
            "install": {"plugin": "default_workflows", "operation": "cloudify.plugins.workflows.install"}
        }
        node = session.query(Node).filter_by(deployment_id="many").one()  # type: ignore[deprecated]
        node.operations = {LIFECYCLE + name: struct for name in STEPS}


def succeeded_steps(core: Core) -> set[str]:
    """Return the operations that are stored as succeeded, or of which the response is stored."""
    with core.store.read() as session:
        rows = session.connection().execute(select(Operation.parameters, Operation.state, Operation.type)).all()  # type: ignore[call-overload]
    found = set()
    for row in rows:
        if row.type == "RemoteWorkflowTask" and row.state in ("succeeded", "response-sent"):
            context = row.parameters["task_kwargs"]["kwargs"]["__cloudify_context"]
            found.add(f"{context['node_id']} {context['operation']['name']}")
    return found


@pytest.mark.parametrize("function", ["step", "resumable_step"])
def test_an_install_of_fifty_nodes_survives_the_loss_of_its_worker(
    core: Core, start_worker: StartWorker, tmp_path: Path, function: str
) -> None:
    """No operation that had succeeded runs twice, and all others run (kill -9, restart, resume)."""
    log = tmp_path / "log"
    an_install_of_many(core, log, function)
    worker = start_worker()
    key = start(core, "install", "many")
    until(core, lambda: sum(line.startswith("end") for line in lines(log)) >= MANY)
    worker.signal(signal.SIGKILL)
    succeeded = succeeded_steps(core)
    assert MANY * len(STEPS) > len(succeeded) > 0, "it was lost in the middle"
    let_go(log)
    start_worker()
    execution = ended(core, key)
    if function == "resumable_step":
        assert execution.status == "terminated", execution.error
    elif execution.status == "failed":  # what ran at the loss, and cannot go on by itself
        assert "worker lost" in (execution.error or "")
        core.executions.act(ADMIN, key, "resume")
        until(core, lambda: status(core, key) == "terminated")
    everything = {f"node_many_{number:03d} {LIFECYCLE}{name}" for number in range(MANY) for name in STEPS}
    begun = [line.removeprefix("begin ") for line in lines(log) if line.startswith("begin ")]
    assert {line.removeprefix("end ") for line in lines(log) if line.startswith("end ")} == everything
    assert {name: begun.count(name) for name in succeeded} == dict.fromkeys(succeeded, 1)
    assert succeeded_steps(core) == everything
    with core.store.read() as session:
        states = session.connection().execute(select(NodeInstance.state, NodeInstance.deployment_id)).all()  # type: ignore[call-overload]
    assert [row.state for row in states if row.deployment_id == "many"] == ["started"] * MANY


def test_what_had_failed_before_the_loss_of_the_worker_is_a_failure_after_it(
    core: Core, start_worker: StartWorker, tmp_path: Path
) -> None:
    """Nothing that waits for it runs, all else does, and the execution ends with its error."""
    log = tmp_path / "log"
    an_install_of_many(core, log, "the_first_fails")
    worker = start_worker()
    key = start(core, "install", "many")
    until(core, lambda: any(item["message"].startswith("Subgraph failed") for item in events(core, key)))
    worker.signal(signal.SIGKILL)
    assert status(core, key) == "started", "it was lost in the middle"
    let_go(log)
    start_worker()
    execution = ended(core, key)
    assert (execution.status, execution.resume) == ("failed", True)
    assert "node_many_000:cloudify.interfaces.lifecycle.create" in (execution.error or "")
    assert "NonRecoverableError `the first one fails`" in (execution.error or "")
    begun = [line for line in lines(log) if line.startswith("begin node_many_000 ")]
    assert begun == [f"begin node_many_000 {LIFECYCLE}create"]
    others = {f"node_many_{number:03d} {LIFECYCLE}{name}" for number in range(1, MANY) for name in STEPS}
    assert succeeded_steps(core) == others
    failures = [item["message"] for item in events(core, key) if item["event_type"] == "task_failed"]
    assert len(failures) == 2, "the operation and its subgraph, each told once"
