"""Workflows and operations of authors in a running manager, on both databases: what they are given, what they leave."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from manager_core.runtime import child
from tests.support.clock import PATIENCE
from tests.support.databases import PostgresTemplate
from tests.support.plugins_made import project
from tests.support.processes import PASSWORD, Manager

BLUEPRINT = """\
tosca_definitions_version: cloudify_dsl_1_4
imports: [cloudify/types/types.yaml]
inputs: {color: {default: green}}
plugins:
  mine: {executor: central_deployment_agent, source: mine}
node_types:
  app:
    derived_from: cloudify.nodes.ApplicationModule
    properties: {size: {default: 3}}
    interfaces:
      op:
        tell: {implementation: mine.mine.tell}
        note: {implementation: mine.mine.note}
        write: {implementation: mine.mine.write}
        hold: {implementation: mine.mine.hold}
        fail: {implementation: mine.mine.fail, max_retries: 0}
        stubborn: {implementation: mine.mine.fail, max_retries: 2, retry_interval: 0}
        usual: {implementation: mine.mine.fail}
        again: {implementation: mine.mine.again, max_retries: 1, retry_interval: 0}
        endless: {implementation: mine.mine.endless, timeout: 1, max_retries: 3, retry_interval: 0}
        slow_start:
          implementation: mine.mine.endless
          inputs: {first_only: {default: true}}
          timeout: 1
          timeout_recoverable: true
          max_retries: 3
          retry_interval: 0
        dies: {implementation: mine.mine.dies, max_retries: 3, retry_interval: 0}
        absent: {implementation: mine.mine.no_such, max_retries: 3, retry_interval: 0}
        elsewhere: {implementation: mine.nowhere.run, max_retries: 3, retry_interval: 0}
        where: {implementation: mine.mine.where}
        choosy: {implementation: mine.mine.choosy, max_retries: 0, inputs: {accepted: {default: OLD}}}
        race: {implementation: mine.mine.race, max_retries: 0}
        look:
          implementation: mine.mine.look
          inputs: {seen: {default: {get_attribute: [SELF, color]}}, size: {default: {get_property: [SELF, size]}}}
        unmapped: {implementation: ''}
relationships:
  linked:
    derived_from: cloudify.relationships.connected_to
    source_interfaces: {link: {both: {implementation: mine.mine.both}}}
node_templates:
  vm:
    type: cloudify.nodes.Compute
    properties: {ip: 10.0.0.7, agent_config: {install_method: none}}
  app:
    type: app
    relationships:
      - {type: cloudify.relationships.contained_in, target: vm}
      - {type: linked, target: db}
  db: {type: cloudify.nodes.Root}
workflows:
  tells: mine.mine.tells
  model: mine.mine.model
  operates: mine.mine.operates
  in_graph: mine.mine.in_graph
  stored: mine.mine.stored
  places: mine.mine.places
  steps: mine.mine.steps
  sequence: mine.mine.sequence
  plain: mine.mine.plain
  says_status: mine.mine.says_status
  modifies: mine.mine.modifies
  script: {mapping: flow.py, parameters: {word: {default: hi}}}
  asks:
    mapping: mine.mine.asks
    parameters:
      count: {type: integer}
      deep: {default: {a: 1, b: 2}}
      from_input: {default: {get_input: color}}
      maybe: {required: false}
"""

PLUGIN = '''\
import json
import os
import pathlib
import time

from cloudify import ctx as operation_ctx
from cloudify.decorators import operation, workflow
from cloudify.exceptions import HttpException, NonRecoverableError
from cloudify.manager import get_rest_client
from cloudify.state import ctx_parameters
from cloudify.workflows import api
from cloudify.workflows.tasks import HandlerResult
from cloudify.workflows.tasks_graph import make_or_get_graph

CONNECTED = "cloudify.relationships.connected_to"


def say(ctx, what):
    """Tell a value as an event of the type ``seen``."""
    ctx.internal.send_workflow_event("seen", json.dumps(what))


def named(ctx, node):
    return sorted((each for each in ctx.node_instances if each.node_id == node), key=lambda each: each.id)[0]


def until(path):
    while not pathlib.Path(path).exists():
        time.sleep(0.02)


# --- operations


def tell(ctx, **kwargs):
    operation_ctx.logger.warning("operation log")
    ctx.send_event("operation event")


def note(ctx, path, **kwargs):
    with open(path, "a") as stream:
        stream.write(ctx.operation.name.rpartition(".")[2] + "\\n")


def write(ctx, key, value, fail=False, **kwargs):
    ctx.instance.runtime_properties[key] = value
    if fail:
        raise NonRecoverableError("after writing")


def hold(ctx, path, **kwargs):
    pathlib.Path(path + ".begun").touch()
    until(path)
    ctx.instance.runtime_properties["held"] = path
    return "held"


def fail(ctx, after=None, **kwargs):
    if after:
        until(after)
    seen = ctx.instance.runtime_properties.get("tries", [])
    ctx.instance.runtime_properties["tries"] = seen + [[ctx.operation.retry_number, ctx.operation.max_retries]]
    raise ValueError("boom")


def again(ctx, **kwargs):
    ctx.operation.retry("once more", retry_after=0)


def endless(ctx, first_only=False, **kwargs):
    while not first_only or ctx.operation.retry_number == 0:
        time.sleep(0.02)


def dies(ctx, **kwargs):
    os._exit(3)


def where(**kwargs):
    return os.getpid()


def choosy(accepted, given, **kwargs):
    """Fail unless it is given what it accepts."""
    if accepted != "new":
        raise NonRecoverableError(accepted + " is not accepted with " + given)
    return accepted + " with " + given


def both(ctx, **kwargs):
    ctx.source.instance.runtime_properties["by"] = "source"
    ctx.target.instance.runtime_properties["by"] = "target"


def race(ctx, merge=True, **kwargs):
    """Somebody else writes the instance between the reading and the writing."""
    ctx.instance.runtime_properties["mine"] = 1
    client = get_rest_client()
    other = client.node_instances.get(ctx.instance.id)
    client.node_instances.update(ctx.instance.id, runtime_properties={"theirs": 2}, version=other.version)
    if merge:
        ctx.instance.update(on_conflict=lambda mine, latest: dict(latest, **mine))


def look(ctx, seen=None, size=None, folder=None, **kwargs):
    try:
        ctx.get_resource("absent.txt")
        missing = None
    except HttpException as error:
        missing = [error.code, str(error).rpartition(" : ")[2]]
    (peer,) = [each for each in ctx.instance.relationships if each.type == "linked"]
    try:
        peer.target.instance.runtime_properties["x"] = 1
        refused = None
    except NonRecoverableError as error:
        refused = str(error)
    return {
        "inputs": [seen, size, ctx_parameters.seen, ctx_parameters["size"]],
        "who": [ctx.type, ctx.node.name, ctx.node.type_hierarchy[0], ctx.node.properties["size"], ctx.plugin.name],
        "where": [ctx.instance.host_ip, ctx.instance.index, ctx.deployment.id, ctx.blueprint.id, ctx.tenant_name],
        "bytes": ctx.get_resource("plain.txt") == b"plain",
        "rendered": ctx.get_resource_and_render("template.txt", {"word": "w"}).decode(),
        "file": pathlib.Path(ctx.download_resource("plain.txt", folder + "/copy.txt")).read_text(),
        "missing": missing,
        "refused": refused,
        "rest": get_rest_client().deployments.get(ctx.deployment.id).id,
    }


# --- workflows


def tells(ctx, **kwargs):
    instance = named(ctx, "app")
    ctx.logger.info("workflow log")
    instance.logger.error("instance log")
    graph = ctx.graph_mode()
    graph.sequence().add(
        ctx.send_event("workflow event"),
        instance.send_event("instance event"),
        instance.execute_operation("op.tell"),
        instance.execute_operation("op.unmapped"),
    )
    ctx.internal.send_workflow_event("seen", "at once")
    graph.execute()


def model(ctx, **kwargs):
    app = named(ctx, "app")
    vm = named(ctx, "vm")
    before = app.state
    app.set_state("odd").get()
    stale, read = ctx.get_node_instance(app.id).state, app.get_state().get()
    ctx.refresh_node_instances()
    fresh = ctx.get_node_instance(app.id)
    known, version = fresh.state, fresh.version
    ctx.update_node_instance(app.id, runtime_properties={"color": "red"}, state=before, version=version)
    cached = ctx.get_node_instance(app.id)
    say(ctx, {
        "hierarchy": app.node.type_hierarchy,
        "unknown": [ctx.get_node("x"), ctx.get_node_instance("x")],
        "states": [stale == before, read, known, app is not fresh, app == fresh, len({app, fresh})],
        "cached": [cached.state == before, cached.runtime_properties, cached.version > version],
        "stored": get_rest_client().node_instances.get(app.id).runtime_properties,
        "mapped": [app.node.has_operation(name) for name in ("op.tell", "op.unmapped", "op.none")],
        "contained": sorted(each.node_id for each in vm.get_contained_subgraph()),
        "derived": [each.relationship.is_derived_from(CONNECTED) for each in app.relationships],
        "unmapped_is_nop": app.execute_operation("op.unmapped").is_nop(),
    })


@workflow
def operates(ctx, operation, node="app", **kwargs):
    """Run an operation of one instance and tell its result."""
    instance = named(ctx, node)
    if operation.startswith("link."):
        (relationship,) = [each for each in instance.relationships if each.relationship.type == "linked"]
        relationship.execute_source_operation(operation, kwargs=kwargs).get()
        return
    say(ctx, instance.execute_operation(operation, kwargs=kwargs).get())


def in_graph(ctx, operation, **kwargs):
    graph = ctx.graph_mode()
    graph.add_task(named(ctx, "app").execute_operation(operation, kwargs=kwargs))
    graph.execute()


class Handler:
    """Ignores a failure, but only in a resumed run; it is stored with the graph."""

    def __init__(self, word):
        self.word = word

    def __call__(self, task):
        ctx = task.workflow_context
        ctx.internal.send_workflow_event("handled", self.word)
        return HandlerResult.ignore() if ctx.resume else HandlerResult.fail()

    def dump(self):
        return {"word": self.word}


def succeeded(task):
    name = task.cloudify_context["operation"]["name"]
    task.workflow_context.internal.send_workflow_event("handled", "success of " + name)
    return HandlerResult.cont()


@make_or_get_graph
def two_steps(ctx, path):
    graph = ctx.graph_mode()
    app = named(ctx, "app")
    bad = app.execute_operation("op.fail")
    bad.on_failure = Handler("kept")
    last = app.execute_operation("op.note", kwargs={"path": path})
    last.on_success = succeeded
    graph.sequence().add(app.execute_operation("op.note", kwargs={"path": path}), bad, last)
    return graph


@workflow(resumable=True)
def steps(ctx, path, **kwargs):
    two_steps(ctx, path, name="steps").execute()


@make_or_get_graph
def one_operation(ctx, operation, kwargs):
    graph = ctx.graph_mode()
    graph.add_task(named(ctx, "app").execute_operation(operation, kwargs=kwargs))
    return graph


@workflow(resumable=True)
def stored(ctx, operation, **kwargs):
    one_operation(ctx, operation, kwargs, name="one").execute()


def places(ctx, **kwargs):
    """Tell whether a local task runs in this process, and an operation."""
    mine = os.getpid()
    say(ctx, [ctx.local_task(os.getpid).get() == mine, named(ctx, "app").execute_operation("op.where").get() == mine])


@make_or_get_graph
def held_back(ctx, path, fails):
    graph = ctx.graph_mode()
    app, db = named(ctx, "app"), named(ctx, "db")
    graph.sequence().add(
        app.execute_operation("op.hold", kwargs={"path": path}),
        app.execute_operation("op.note", kwargs={"path": path + ".after"}),
    )
    if fails:
        graph.add_task(app.execute_operation("op.fail", kwargs={"after": path + ".begun"}))
    return graph


@workflow(resumable=True)
def sequence(ctx, path, fails=False, **kwargs):
    """Run an operation that waits for a file, and one after it; if asked for, beside one that fails."""
    held_back(ctx, path, fails, name="held back").execute()


def plain(ctx, **kwargs):
    raise LookupError("nothing here")


def says_status(ctx, status, **kwargs):
    ctx.update_execution_status(status).get()


def asks(ctx, **kwargs):
    say(ctx, kwargs)


def model_of(container):
    return sorted(
        [each.node_id, each.modification, sorted(ctx_id(one.target_id) for one in each.relationships)]
        for each in container.node_instances
    )


def ctx_id(instance_id):
    return instance_id.rpartition("_")[0]


def modifies(ctx, instances, end="finish", **kwargs):
    modification = ctx.deployment.start_modification({"db": {"instances": instances}})
    told = {
        "added": model_of(modification.added),
        "removed": model_of(modification.removed),
        "counts": [ctx.get_node("db").number_of_instances, ctx.get_node("db").planned_number_of_instances],
        "loaded": sum(each.node_id == "db" for each in ctx.node_instances),
        "started": [each.id == modification.id for each in ctx.deployment.list_started_modifications()],
    }
    try:
        ctx.deployment.start_modification({"db": {"instances": 9}})
    except Exception as error:
        told["second"] = str(error)
    getattr(modification, end)()
    try:
        modification.finish()
    except Exception as error:
        told["ended"] = str(error)
    ctx.refresh_node_instances()
    told["after"] = sum(each.node_id == "db" for each in ctx.node_instances)
    say(ctx, told)
'''

FLOW = """\
from cloudify.workflows import ctx, parameters
ctx.internal.send_workflow_event("seen", "%s says %s" % (ctx.workflow_id, parameters.word))
"""


class Product:
    """A running manager with the deployment `dep`, and the client that plugins have."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def start(self, workflow: str, deployment: str = "dep", **more: Any) -> str:
        """Start a workflow with custom parameters and return the execution's id."""
        more["parameters"] = more.pop("given", {})
        return str(self.client.executions.start(deployment, workflow, allow_custom_parameters=True, **more).id)

    def execution(self, key: str) -> Any:
        return self.client.executions.get(execution_id=key)

    def ended(self, key: str) -> Any:
        """Return the execution once it has ended."""
        until(lambda: self.execution(key).status in ("terminated", "failed", "cancelled"))
        return self.execution(key)

    def run(self, workflow: str, status: str = "terminated", **more: Any) -> Any:
        """Run a workflow to its end, which must be the one named, and return the execution."""
        execution = self.ended(self.start(workflow, **more))
        assert execution.status == status, execution.error
        return execution

    def records(self, key: str) -> list[Any]:
        """Return events and logs of an execution in the order in which they are listed."""
        return list(self.client.events.list(execution_id=key, include_logs=True, _size=1000))

    def messages(self, key: str, *types: str) -> list[str]:
        return [each["message"] for each in self.records(key) if not types or each.get("event_type") in types]

    def seen(self, key: str) -> Any:
        """Return the value that a workflow told."""
        return json.loads(self.messages(key, "seen")[-1])

    def instance(self, node: str) -> Any:
        return sorted(self.client.node_instances.list(deployment_id="dep", node_id=node), key=lambda one: one.id)[0]

    def write(self, **properties: Any) -> None:
        """Give the application exactly these runtime properties."""
        found = self.instance("app")
        self.client.node_instances.update(found.id, runtime_properties=properties, version=found.version)


def until(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "it did not come"
        threading.Event().wait(0.05)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)], scope="module")
def product(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A running manager with the deployment `dep` of the authors' plugin; one for all tests of this file."""
    folder = tmp_path_factory.mktemp("authors")
    extra = {}
    if request.param == "postgresql":
        template: PostgresTemplate = request.getfixturevalue("postgres_template")
        name, extra["DATABASE_URL"] = template.empty()
        request.addfinalizer(lambda: template.drop(name))
    manager = Manager(folder / "data", **extra)
    sdk = str(child.sdk_folder())
    sys.path.insert(0, sdk)
    try:
        from cloudify_rest_client import CloudifyClient

        manager.ready()
        client = CloudifyClient(
            manager.host, manager.port, username="admin", password=PASSWORD, tenant="default_tenant"
        )
        files = {
            "blueprint.yaml": BLUEPRINT, "plugins/mine/mine.py": PLUGIN, "flow.py": FLOW, "plain.txt": "plain",
            "template.txt": "{{ word }} of {{ ctx.node.properties.size }}",
        }  # fmt: skip
        client.blueprints.upload(str(project(folder / "blueprint", files) / "blueprint.yaml"), entity_id="bp")
        files["blueprint.yaml"] = BLUEPRINT.replace("OLD", "new")
        client.blueprints.upload(str(project(folder / "newer", files) / "blueprint.yaml"), entity_id="newer")
        client.deployments.create("bp", "dep")
        yield Product(client)
    finally:
        sys.path.remove(sdk)
        manager.kill_group()


# --- what a workflow is given


def test_the_model_of_a_deployment_is_the_plan_s_and_stays_as_loaded_until_it_is_refreshed(product: Product) -> None:
    seen = product.seen(product.run("model").id)
    hierarchy = seen.pop("hierarchy")
    assert (hierarchy[0], hierarchy[-1]) == ("cloudify.nodes.Root", "app")
    assert seen == {
        "unknown": [None, None],
        "states": [True, "odd", "odd", True, True, 1],
        "cached": [True, {"color": "red"}, True],
        "stored": {"color": "red"},
        "mapped": [True, False, False],
        "contained": ["app", "vm"],
        "derived": [False, True],
        "unmapped_is_nop": True,
    }


def test_parameters_are_bound_stored_and_passed(product: Product) -> None:
    execution = product.run("asks", given={"count": "5", "deep": {"a": 3}, "more": [1]})
    bound = {"count": 5, "deep": {"a": 3}, "from_input": "green", "more": [1]}
    assert product.seen(execution.id) == execution.parameters == bound
    execution = product.run("asks", given={"count": 1, "maybe": None, "from_input": {"get_property": ["app", "size"]}})
    bound = {"count": 1, "deep": {"a": 1, "b": 2}, "from_input": 3, "maybe": None}
    assert product.seen(execution.id) == execution.parameters == bound


def test_local_tasks_run_in_the_process_of_the_workflow_and_operations_in_another(product: Product) -> None:
    assert product.seen(product.run("places").id) == [True, False]


def test_a_script_is_a_workflow(product: Product) -> None:
    assert product.messages(product.run("script").id, "seen") == ["script says hi"]
    assert product.messages(product.run("script", given={"word": "bye"}).id, "seen") == ["script says bye"]


# --- what an operation is given, and what it leaves


def test_an_operation_finds_its_inputs_its_place_and_its_resources(product: Product, tmp_path: Path) -> None:
    product.write(color="blue")
    execution = product.run("operates", given={"operation": "op.look", "folder": str(tmp_path)})
    assert product.seen(execution.id) == {
        "inputs": ["blue", 3, "blue", 3],
        "who": ["node-instance", "app", "cloudify.nodes.Root", 3, "mine"],
        "where": ["10.0.0.7", 1, "dep", "bp", "default_tenant"],
        "bytes": True,
        "rendered": "w of 3",
        "file": "plain",
        "missing": [404, "Resource not found: absent.txt"],
        "refused": "Cannot modify runtime properties of relationship node instances",
        "rest": "dep",
    }


def test_runtime_properties_are_kept_also_of_an_operation_that_failed(product: Product) -> None:
    product.write()
    product.run("operates", given={"operation": "op.write", "key": "one", "value": 1})
    product.run("operates", "failed", given={"operation": "op.write", "key": "two", "value": [2], "fail": True})
    assert product.instance("app").runtime_properties == {"one": 1, "two": [2]}


def test_a_relationship_operation_writes_both_sides(product: Product) -> None:
    product.run("operates", given={"operation": "link.both"})
    assert product.instance("app").runtime_properties["by"] == "source"
    assert product.instance("db").runtime_properties == {"by": "target"}


def test_of_two_writers_one_merges_and_one_that_does_not_is_refused(product: Product) -> None:
    product.write()
    product.run("operates", given={"operation": "op.race"})
    assert product.instance("app").runtime_properties == {"theirs": 2, "mine": 1}
    execution = product.run("operates", "failed", given={"operation": "op.race", "merge": False})
    assert "RecoverableError" in execution.error and "Node instance update conflict" in execution.error
    assert product.instance("app").runtime_properties == {"theirs": 2}


# --- what is told


def test_logs_and_events_are_listed_with_their_type_and_their_instance(product: Product) -> None:
    execution = product.run("tells")
    app = product.instance("app").id
    records = product.records(execution.id)
    told = [(each.get("event_type") or each["level"], each["message"], each["node_instance_id"]) for each in records]
    assert told == [
        ("workflow_started", "Starting 'tells' workflow execution", None),
        ("info", "workflow log", None),
        ("error", "instance log", app),
        ("seen", "at once", None),
        ("workflow_stage", "workflow event", None),
        ("workflow_node_event", "instance event", app),
        ("sending_task", "Sending task 'mine.tell'", app),
        ("warning", "operation log", app),
        ("plugin_event", "operation event", app),
        ("task_succeeded", "Task succeeded 'mine.tell'", app),
        ("workflow_succeeded", "'tells' workflow execution succeeded", None),
    ]
    moments = [each["reported_timestamp"] for each in records]
    assert moments == sorted(moments)
    for record in records:
        assert record["timestamp"].endswith("Z") and len(record["timestamp"]) == len("2026-01-01T00:00:00.000Z")
        owner = [record[name] for name in ("deployment_id", "blueprint_id", "execution_id", "workflow_id")]
        assert owner == ["dep", "bp", execution.id, "tells"]
    log = next(each for each in records if each["message"] == "operation log")
    assert (log["type"], log["operation"], log["node_name"]) == ("cloudify_log", "op.tell", "app")


def test_a_task_that_fails_for_good_is_told_with_its_retries_its_causes_and_its_place(product: Product) -> None:
    product.write()
    execution = product.run("in_graph", "failed", given={"operation": "op.stubborn"})
    app = product.instance("app")
    assert app.runtime_properties["tries"] == [[0, 2], [1, 2], [2, 2]]
    assert product.messages(execution.id, "task_failed") == [
        "Task failed 'mine.fail' -> boom",
        "Task failed 'mine.fail' -> boom [retry 1/2]",
        "Task failed 'mine.fail' -> boom [retry 2/2]",
    ]
    first_line = execution.error.splitlines()[0]
    assert first_line == f"Task failed: mine.fail ({app.id}:op.stubborn): ValueError `boom`"
    failed = next(each for each in product.records(execution.id) if each.get("event_type") == "task_failed")
    cause = failed["error_causes"][-1]
    assert (cause["type"], cause["message"]) == ("ValueError", "boom")
    assert 'raise ValueError("boom")' in cause["traceback"]


def test_what_an_author_raises_is_a_traceback_of_the_code_of_the_author(product: Product) -> None:
    execution = product.run("plain", "failed")
    assert execution.error.startswith("Traceback (most recent call last):")
    assert 'raise LookupError("nothing here")' in execution.error
    assert execution.error.rstrip().endswith("LookupError: nothing here")
    assert product.messages(execution.id, "workflow_failed") == ["'plain' workflow execution failed: nothing here"]


def test_an_operation_without_retries_of_its_own_has_those_of_the_configuration(product: Product) -> None:
    product.write()
    configuration = product.client.manager
    before = {name: configuration.get_config(name=name).value for name in ("task_retries", "task_retry_interval")}
    assert before == {"task_retries": 60, "task_retry_interval": 15}
    try:
        configuration.put_config("task_retries", 1)
        configuration.put_config("task_retry_interval", 0)
        product.run("in_graph", "failed", given={"operation": "op.usual"})
    finally:
        for name, value in before.items():
            configuration.put_config(name, value)
    assert product.instance("app").runtime_properties["tries"] == [[0, 1], [1, 1]]


def test_an_operation_that_asks_for_a_retry_is_rescheduled_as_often_as_it_may(product: Product) -> None:
    execution = product.run("in_graph", "failed", given={"operation": "op.again"})
    assert product.messages(execution.id, "task_rescheduled") == [
        "Task rescheduled 'mine.again' -> once more [retry_after=0]",
        "Task rescheduled 'mine.again' -> once more [retry_after=0] [retry 1/1]",
    ]
    assert product.messages(execution.id, "task_failed") == []


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        ("op.endless", "Process killed due to timeout of 1 seconds"),
        ("op.dies", "Unhandled exception occurred in operation dispatch (rc=3)"),
        ("op.absent", "mine has no function named 'no_such' "),
        ("op.elsewhere", "No module named nowhere (No module named 'nowhere')"),
    ],
)
def test_what_cannot_get_better_is_not_tried_again(product: Product, operation: str, text: str) -> None:
    execution = product.run("in_graph", "failed", given={"operation": operation})
    (failed,) = product.messages(execution.id, "task_failed")
    assert failed.endswith(f"-> {text}")


def test_a_timeout_that_may_pass_is_tried_again(product: Product) -> None:
    execution = product.run("in_graph", given={"operation": "op.slow_start"})
    failed = product.messages(execution.id, "task_failed")  # once; on a machine that is very busy twice or thrice
    assert failed and all("Process killed due to timeout of 1 seconds" in message for message in failed)
    (succeeded,) = product.messages(execution.id, "task_succeeded")
    assert succeeded == f"Task succeeded 'mine.endless' [retry {len(failed)}/3]"


def test_a_dry_run_tells_everything_and_stores_nothing(product: Product, tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    product.write()
    execution = product.run("sequence", given={"path": path, "fails": True}, dry_run=True)
    told = product.messages(execution.id)
    assert told[0] == "Starting 'sequence' workflow execution (dry run)"
    assert told[-1] == "'sequence' workflow execution succeeded (dry run)"
    operations = told[1:-1]
    assert len(operations) == 9 and all(message.endswith("(dry run)") for message in operations)
    assert list(tmp_path.iterdir()) == [] and product.instance("app").runtime_properties == {}
    assert list(product.client.tasks_graphs.list(execution.id)) == []
    assert execution.total_operations == 0


# --- failure, cancel, resume


def test_patience_after_a_failure_ends_and_what_still_runs_is_left_alone(product: Product, tmp_path: Path) -> None:
    path = tmp_path / "file"
    product.write()
    key = product.start("sequence", given={"path": str(path), "fails": True}, wait_after_fail=1)
    execution = product.ended(key)
    assert (execution.status, path.exists()) == ("failed", False), "it did not wait for the operation"
    assert execution.error.startswith("Task failed: mine.fail")
    path.touch()
    until(lambda: product.instance("app").runtime_properties.get("held") == str(path))
    stored = product.client.operations.list(execution_id=key)
    until(lambda: "response-sent" in {each.state for each in product.client.operations.list(execution_id=key)})
    assert len(stored) == 3
    assert not Path(f"{path}.after").exists(), "what waited for it did not start"


def test_a_cancel_leaves_a_running_operation_alone_and_starts_nothing_after_it(
    product: Product, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    key = product.start("sequence", given={"path": str(path)})
    until(Path(f"{path}.begun").exists)
    product.client.executions.cancel(key)
    execution = product.ended(key)
    assert (execution.status, execution.error) == ("cancelled", "")
    assert product.messages(key, "workflow_cancelled") == ["'sequence' workflow execution cancelled"]
    path.touch()
    until(lambda: product.instance("app").runtime_properties.get("held") == str(path))
    assert not Path(f"{path}.after").exists()
    Path(f"{path}.begun").unlink()
    product.client.executions.resume(key)
    until(lambda: product.execution(key).status == "terminated")
    assert not Path(f"{path}.begun").exists(), "its result was there: it did not run again"
    assert Path(f"{path}.after").read_text() == "note\n"
    finished = product.execution(key)
    assert (finished.total_operations, finished.finished_operations) == (2, 2)


def test_a_resume_runs_what_had_failed_and_handlers_are_what_they_were(product: Product, tmp_path: Path) -> None:
    log = tmp_path / "log"
    failed = product.run("steps", "failed", given={"path": str(log)})
    assert (log.read_text(), failed.total_operations, failed.finished_operations) == ("note\n", 3, 2)
    resumed = product.client.executions.resume(failed.id)
    assert (resumed.status, resumed.ended_at, resumed.error) == ("pending", None, "")
    until(lambda: product.execution(failed.id).status == "terminated")
    done = product.execution(failed.id)
    assert (log.read_text(), done.total_operations, done.finished_operations) == ("note\nnote\n", 3, 3)
    assert done.started_at > failed.started_at and done.ended_at > failed.ended_at
    assert product.messages(failed.id, "handled") == ["kept", "kept", "success of op.note"]
    assert product.messages(failed.id, "workflow_started", "workflow_failed", "workflow_succeeded") == [
        "Starting 'steps' workflow execution",
        f"'steps' workflow execution failed: {failed.error}",
        "Resuming 'steps' workflow execution",
        "'steps' workflow execution succeeded",
    ]
    with pytest.raises(Exception, match=f"Cannot resume execution: `{failed.id}` in state: `terminated`"):
        product.client.executions.resume(failed.id)


def test_a_resume_after_an_update_runs_operations_with_the_inputs_of_the_update(product: Product) -> None:
    product.client.deployments.create("bp", "updated")
    parameters = {"operation": "op.choosy", "given": "this"}
    failed = product.run("stored", "failed", deployment="updated", given=parameters)
    assert "OLD is not accepted with this" in failed.error
    update = product.client.deployment_updates.update_with_existing_blueprint("updated", blueprint_id="newer")
    assert product.ended(update.execution_id).status == "terminated"
    product.client.executions.resume(failed.id)
    until(lambda: product.execution(failed.id).status == "terminated")
    assert product.messages(failed.id, "task_succeeded") == ["Task succeeded 'mine.choosy' - new with this"]


def test_a_workflow_that_is_not_resumable_fails_before_it_starts(product: Product) -> None:
    failed = product.run("plain", "failed")
    product.client.executions.resume(failed.id)
    until(lambda: len(product.messages(failed.id, "workflow_failed")) == 2)
    again = product.ended(failed.id)
    assert again.status == "failed" and "Cannot resume - workflow not resumable: " in again.error
    assert product.messages(failed.id, "workflow_started") == ["Starting 'plain' workflow execution"]


def test_a_status_that_a_workflow_sets_is_one_that_there_is(product: Product) -> None:
    refused = product.run("says_status", "failed", given={"status": "waiting-for-approval"})
    assert "Invalid status: waiting-for-approval, Valid statuses are: " in refused.error
    assert refused.ended_at is not None
    same = product.run("says_status", given={"status": "started"})
    assert product.messages(same.id, "workflow_succeeded") == ["'says_status' workflow execution succeeded"]
    ended = product.run("says_status", "terminated", given={"status": "terminated"})
    assert ended.ended_at is not None
    product.run("tells")


# --- modifications


def test_a_modification_shows_what_changes_and_stands_when_it_is_finished_or_is_gone(product: Product) -> None:
    seen = product.seen(product.run("modifies", given={"instances": 2, "end": "rollback"}).id)
    first = product.client.deployment_modifications.list("dep")[0].id
    started = "Cannot start deployment modification while there are existing started deployment modifications. "
    assert started in seen.pop("second")
    assert f"Cannot finish deployment modification: {first}. It is already in rolledback status." in seen.pop("ended")
    assert seen == {
        "added": [["app", None, ["db"]], ["db", "added", []]],
        "removed": [],
        "counts": [1, 2],
        "loaded": 2,
        "started": [True],
        "after": 1,
    }
    seen = product.seen(product.run("modifies", given={"instances": 2}).id)
    assert seen["after"] == 2 and "already in finished status" in seen["ended"]
    seen = product.seen(product.run("modifies", given={"instances": 1}).id)
    assert (seen["added"], seen["counts"], seen["loaded"], seen["after"]) == ([], [2, 1], 2, 1)
    assert seen["removed"] == [["app", None, ["db"]], ["db", "removed", []]]
    assert [each["target_name"] for each in product.instance("app").relationships] == ["vm", "db"]
