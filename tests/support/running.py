"""A manager whose worker really runs: real clock, real processes, a deployment with a plugin of its own."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from manager_core.access.caller import system_caller
from manager_core.bootstrap import Core
from manager_core.deployments.tables import Deployment
from manager_core.events.listing import parse_event_query
from manager_core.executions.tables import Execution
from manager_core.nodes.tables import Node, NodeInstance
from manager_core.runtime.worker import Worker
from tests.support.clock import PATIENCE

ADMIN = system_caller("default_tenant")

PLUGIN = '''
import os
import time
from cloudify import ctx as operation_ctx
from cloudify.decorators import operation, workflow
from cloudify.workflows import api


def note(path, text):
    with open(path, "a") as stream:
        stream.write(text + "\\n")


def noop(**kwargs):
    """Do nothing."""


def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.02)


def work(path=None, seconds=0, held=None, **kwargs):
    """Note that it began and that it ended; instances from number `held` on wait in between for the file PATH.go."""
    name = operation_ctx.instance.id
    note(path, "begin " + name)
    if held is not None and int(name.rpartition("_")[2]) >= held:
        wait_for(path + ".go")
    time.sleep(seconds)
    note(path, "end " + name)
    operation_ctx.instance.runtime_properties["done"] = True


@operation(resumable=True)
def resumable_work(path=None, seconds=0, held=None, **kwargs):
    work(path=path, seconds=seconds, held=held)


@operation(resumable=True)
def pulse(path=None, **kwargs):
    """Note twenty times a second which process is at work, until there is a file PATH.go."""
    while not os.path.exists(path + ".go"):
        note(path, str(os.getpid()))
        time.sleep(0.05)


@workflow
def each(ctx, operation="op.noop", **kwargs):
    """Run an operation of every instance, one after the other."""
    for instance in ctx.node_instances:
        instance.execute_operation(operation, kwargs=kwargs).get()


@workflow(resumable=True)
def graph(ctx, operation="op.noop", **kwargs):
    """Run an operation of every instance in a stored graph."""
    from cloudify.workflows.tasks_graph import make_or_get_graph

    @make_or_get_graph
    def build(ctx, name=None):
        graph = ctx.graph_mode()
        for instance in sorted(ctx.node_instances, key=lambda each: each.id):
            graph.add_task(instance.execute_operation(operation, kwargs=kwargs))
        return graph

    build(ctx, name="work").execute()


def slow(ctx, **kwargs):
    """Wait for a cancel."""
    while True:
        if api.has_cancel_request():
            raise api.ExecutionCancelled()
        time.sleep(0.05)


def deaf(ctx, until="/dev/null/never", **kwargs):
    """Wait for a file, whatever is asked meanwhile."""
    wait_for(until)


def boom(ctx, **kwargs):
    raise ValueError("boom")


def die(ctx, code=7, **kwargs):
    os._exit(code)


def segfault(ctx, **kwargs):
    import ctypes

    ctypes.string_at(0)


def leave(ctx, **kwargs):
    raise SystemExit(3)


class Unpicklable(Exception):
    def __init__(self):
        super().__init__("odd")
        self.lock = __import__("threading").Lock()

    def __reduce__(self):
        raise TypeError("no")


def odd(ctx, **kwargs):
    raise Unpicklable()


def strange(ctx, **kwargs):
    ctx.logger.info("nul \\x00 and surrogate \\udc80")
    raise ValueError("nul \\x00 and surrogate \\udc80")


def loud(ctx, **kwargs):
    for number in range(300):
        ctx.logger.info("line %d", number)
'''

WORKFLOWS = ("each", "graph", "slow", "deaf", "boom", "die", "segfault", "leave", "odd", "loud", "missing", "strange")
OPERATIONS = ("noop", "work", "resumable_work", "pulse")


def a_running_deployment(core: Core, name: str = "dep", *, instances: int = 1) -> None:
    """Store a deployment of a blueprint with a plugin, as creation would have left it."""
    plugin = core.settings.data_dir / "blueprints" / "default_tenant" / "bp" / "plugins" / "my"
    if not plugin.is_dir():
        plugin.mkdir(parents=True)
        (plugin / "my_plugin.py").write_text(PLUGIN)
    now = core.clock.now()
    owned: dict[str, Any] = {"tenant_name": "default_tenant", "created_by": "admin", "created_at": now}
    workflows = {key: {"plugin": "my", "operation": f"my_plugin.{key}", "parameters": {}} for key in WORKFLOWS}
    operations = {
        f"op.{key}": {"plugin": "my", "operation": f"my_plugin.{key}", "inputs": {}, "max_retries": 0}
        for key in OPERATIONS
    }
    with core.store.write() as session:
        session.add(Deployment(id=name, display_name=name, blueprint_id="bp", workflows=workflows, **owned))
        session.flush()
        session.add(
            Node(
                id="node", deployment_id=name, blueprint_id="bp", type="cloudify.nodes.Root",
                type_hierarchy=["cloudify.nodes.Root"], properties={}, operations=operations, relationships=[],
                plugins=[{"name": "my", "source": "my"}], **owned,
            )
        )  # fmt: skip
        for number in range(instances):
            session.add(NodeInstance(id=f"node_{name}_{number:03d}", node_id="node", deployment_id=name, **owned))


@contextlib.contextmanager
def a_worker(core: Core) -> Iterator[Worker]:
    """Run a worker in a thread for the length of the block."""
    worker = Worker(core)
    thread = threading.Thread(target=worker.run, name="worker-under-test")
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the worker does not stop"


def start(core: Core, workflow: str, deployment: str = "dep", **fields: Any) -> str:
    """Start a workflow, with custom parameters, and return the execution's id."""
    shown = core.executions.start(
        ADMIN, deployment_id=deployment, workflow_id=workflow, allow_custom_parameters=True, **fields
    )
    return str(shown["id"])


def ended(core: Core, execution_id: str, seconds: float = PATIENCE) -> Execution:
    """Return the execution once it has ended."""
    execution = core.executions.wait_until_end(execution_id, seconds)
    assert execution is not None
    assert execution.status in ("terminated", "failed", "cancelled"), f"still {execution.status}"
    return execution


def events(core: Core, execution_id: str) -> list[dict[str, Any]]:
    """Return an execution's events and logs in order."""
    page: dict[str, Any] = core.events.list(ADMIN, parse_event_query([("execution_id", execution_id)]))
    items: list[dict[str, Any]] = page["items"]
    return items


def event_types(core: Core, execution_id: str) -> list[str]:
    """Return the types of an execution's events in order, logs left out."""
    return [item["event_type"] for item in events(core, execution_id) if item["type"] == "cloudify_event"]


def until(core: Core, condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Wait until a condition holds, and return what it gave."""
    deadline = core.clock.monotonic() + seconds
    while core.clock.monotonic() < deadline:
        found = condition()
        if found:
            return found
        core.clock.wait(0.02)
    raise AssertionError("it never came true")


def let_go(log: Path) -> None:
    """Let the operations end that are held."""
    log.with_name(log.name + ".go").touch()


def one_is_in_time(seconds: float, measure: Callable[[], float], tries: int = 10) -> bool:
    """Tell whether one of some tries takes less: a busy machine delays the one or the other, a slow product all."""
    return any(measure() < seconds for _ in range(tries))


def status(core: Core, execution_id: str) -> str:
    """Return an execution's status now."""
    with core.store.read() as session:
        return core.executions.found(session, execution_id).status


def lines(path: Path) -> list[str]:
    """Return the lines of a file that may not be there yet."""
    return path.read_text().splitlines() if path.exists() else []
