"""The built-in workflows where the oracle does not reach: resume, scale, heal (checklist 79, 93 to 114)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from cloudify.plugins import lifecycle, workflows

from manager_core.runtime.ports import RetryDefaults
from manager_core.runtime.testing import InMemoryRuntime
from manager_core.workflows.update import update
from manager_core.workflows.update_instances import InstanceChanges, UpdateOptions, apply_instance_changes
from tests.support.workflow_play import NO_RETRIES, Played, a_runtime, node, play, relationship

LIFECYCLE = "cloudify.interfaces.lifecycle."
BASIC = [LIFECYCLE + name for name in ("create", "configure", "start", "stop", "delete")]
LINKS = {f"cloudify.interfaces.relationship_lifecycle.{name}": {} for name in ("establish", "unlink")}
CONTAINED = "cloudify.relationships.contained_in"


class Stage:
    """A runtime whose operations note ``operation instance`` and fail where they are told to."""

    def __init__(
        self, nodes: list[dict[str, Any]], *failing: str, state: str = "uninitialized", **options: Any
    ) -> None:
        self.failing = set(failing)
        self.ran: list[str] = []
        self.result: Any = None
        self.runtime: InMemoryRuntime = a_runtime(nodes, state, resolve=lambda _: self.run, **options)

    def run(self, ctx: Any, **_: Any) -> Any:
        operation = ctx.operation.name.rpartition(".")[2]
        if ctx.type == "relationship-instance":
            who = f"{ctx.source.instance.id}>{ctx.target.instance.id}"
        else:
            who = ctx.instance.id
        self.ran.append(f"{operation} {who}")
        if self.failing & {operation, f"{operation} {who}"}:
            raise ValueError("boom")
        return self.result

    def play(self, workflow: Callable[..., Any], again: bool = False, **given: Any) -> Played:
        """Run a workflow; `again` resumes the execution, otherwise it is a new one."""
        extra: dict[str, Any] = {}
        if again:
            self.runtime.prepare_resume()
            extra["resume"] = True
        else:
            self.runtime.graphs.clear()
            self.runtime.operations.clear()
        self.ran.clear()
        self.runtime.events.clear()
        return play(workflow, self.runtime, given, **extra)

    def states(self) -> dict[str, str]:
        return {key: instance["state"] for key, instance in self.runtime.instances.items()}

    def ran_by_node(self) -> list[str]:
        """Return what ran with instances called by their node, sorted."""
        return sorted(" ".join([line.split()[0], *_nodes(line.split()[1])]) for line in self.ran)


def mapped(names: list[str]) -> dict[str, Any]:
    """Return operations that are mapped and say nothing else."""
    return {name: {} for name in names}


def _nodes(who: str) -> list[str]:
    return [">".join(part.rpartition("_")[0] for part in who.split(">"))]


def basic(name: str, *targets: str, more: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    """Return a node with the basic operations; it is linked to its targets, with operations at the source."""
    return node(
        name,
        {**mapped(BASIC), **(more or {})},
        relationships=[relationship(target, source=LINKS) for target in targets],
        **options,
    )


class TestResumedInstall:
    """What was interrupted is undone before it is done again."""

    @pytest.mark.parametrize(
        ("failing", "left_in", "expected"),
        [
            ("start", "starting", ["stop a_1", "start a_1"]),
            ("create", "creating", ["delete a_1", "create a_1", "configure a_1", "start a_1"]),
            ("configure", "configuring", ["configure a_1", "start a_1"]),
        ],
    )
    def test_it_undoes_what_was_interrupted(self, failing: str, left_in: str, expected: list[str]) -> None:
        stage = Stage([basic("a")], failing)
        assert stage.play(workflows.install).status == "failed" and stage.states() == {"a_1": left_in}
        stage.failing.clear()
        played = stage.play(workflows.install, again=True)
        assert played.status == "terminated" and stage.ran == expected and stage.states() == {"a_1": "started"}
        framed = "Rolling back prior to resuming install" in played.messages()
        assert framed == (left_in != "configuring")

    def test_failures_of_the_undoing_are_ignored(self) -> None:
        stage = Stage([basic("a")], "start", "stop")
        stage.play(workflows.install)
        stage.failing.discard("start")
        assert stage.play(workflows.install, again=True).status == "terminated"
        assert stage.ran == ["stop a_1", "start a_1"]

    def test_instances_that_were_done_are_left_alone(self) -> None:
        stage = Stage([basic("a"), basic("b", "a"), basic("c", "b")], "configure b_1")
        assert stage.play(workflows.install).status == "failed"
        stage.failing.clear()
        assert stage.play(workflows.install, again=True).status == "terminated"
        assert stage.ran == [
            "configure b_1", "start b_1", "establish b_1>a_1",
            "create c_1", "configure c_1", "start c_1", "establish c_1>b_1",
        ]  # fmt: skip


VALIDATION, MONITORING = "cloudify.interfaces.validation.", "cloudify.interfaces.monitoring."
RELATIONSHIP = "cloudify.interfaces.relationship_lifecycle."
FULL = [
    *(LIFECYCLE + name for name in ("precreate", "create", "configure", "start", "poststart")),
    *(LIFECYCLE + name for name in ("prestop", "stop", "delete", "postdelete")),
    *(VALIDATION + name for name in ("create", "delete")),
    *(MONITORING + name for name in ("start", "stop")),
]


class Timeline:
    """Everything that becomes of one instance, in order: ``=state``, ``!event`` and the operations that ran."""

    def __init__(self, stage: Stage, instance_id: str) -> None:
        self.entries: list[str] = []
        runtime = stage.runtime
        send, enter, run = runtime.send_event, runtime.set_node_instance_state, stage.run

        def send_event(event_type: str, message: str, **more: Any) -> None:
            if event_type == "workflow_node_event" and more.get("node_instance_id") == instance_id:
                self.entries.append(f"!{message}")
            send(event_type, message, **more)

        def set_node_instance_state(node_instance_id: str, state: str) -> None:
            if node_instance_id == instance_id:
                self.entries.append(f"={state}")
            enter(node_instance_id, state)

        def operation(ctx: Any, **given: Any) -> Any:
            mine = ctx.source.instance if ctx.type == "relationship-instance" else ctx.instance
            if mine.id == instance_id:
                self.entries.append(ctx.operation.name.removeprefix("cloudify.interfaces."))
            return run(ctx, **given)

        runtime.send_event = send_event  # type: ignore[method-assign]
        runtime.set_node_instance_state = set_node_instance_state  # type: ignore[method-assign]
        runtime._resolve = lambda _: operation

    def since(self, stage: Stage, workflow: Callable[..., Any], **given: Any) -> list[str]:
        """Run a workflow and return what became of the instance."""
        self.entries.clear()
        stage.play(workflow, **given)
        return self.entries


def a_full_pair() -> list[dict[str, Any]]:
    """Return a node with every operation of a lifecycle, linked to one without any."""
    links = {RELATIONSHIP + name: {} for name in ("preconfigure", "postconfigure", "establish", "unlink")}
    return [node("t"), node("a", mapped(FULL), relationships=[relationship("t", source=links)])]


class TestOneInstance:
    """The steps of one instance's install and uninstall, exactly."""

    def test_an_install_goes_step_by_step_through_the_states(self) -> None:
        stage = Stage(a_full_pair())
        assert Timeline(stage, "a_1").since(stage, workflows.install) == [
            "=initializing",
            "!Validating node instance before creation",
            "validation.create",
            "!Node instance validated before creation",
            "!Precreating node instance",
            "lifecycle.precreate",
            "!Node instance precreated",
            "=creating",
            "!Creating node instance",
            "lifecycle.create",
            "=created",
            "!Node instance created",
            "!Pre-configuring relationships",
            "relationship_lifecycle.preconfigure",
            "!Relationships pre-configured",
            "=configuring",
            "!Configuring node instance",
            "lifecycle.configure",
            "=configured",
            "!Node instance configured",
            "!Post-configuring relationships",
            "relationship_lifecycle.postconfigure",
            "!Relationships post-configured",
            "=starting",
            "!Starting node instance",
            "lifecycle.start",
            "!Poststarting node instance",
            "lifecycle.poststart",
            "!Node instance poststarted",
            "monitoring.start",
            "!Establishing relationships",
            "relationship_lifecycle.establish",
            "!Relationships established",
            "=started",
            "!Node instance started",
        ]

    def test_steps_that_are_not_mapped_say_so_and_set_no_state(self) -> None:
        stage = Stage([node("a", [LIFECYCLE + "create"])])
        assert Timeline(stage, "a_1").since(stage, workflows.install) == [
            "=initializing",
            "!Validating node instance before creation: nothing to do",
            "!Precreating node instance: nothing to do",
            "=creating",
            "!Creating node instance",
            "lifecycle.create",
            "=created",
            "!Node instance created",
            "!Configuring node instance: nothing to do",
            "!Starting node instance: nothing to do",
            "!Poststarting node instance: nothing to do",
            "=started",
            "!Node instance started",
        ]

    def test_an_instance_without_anything_to_run_is_started_at_once(self) -> None:
        stage = Stage([node("a")])
        told = ["=started", "!Node instance started (nothing to do)"]
        assert Timeline(stage, "a_1").since(stage, workflows.install) == told

    def test_an_uninstall_goes_step_by_step_and_ends_deleted(self) -> None:
        stage = Stage(a_full_pair(), state="started")
        assert Timeline(stage, "a_1").since(stage, workflows.uninstall) == [
            "=stopping",
            "!Stopping node instance",
            "!Validating node instance before deletion",
            "validation.delete",
            "!Node instance validated before deletion",
            "monitoring.stop",
            "!Prestopping node instance",
            "lifecycle.prestop",
            "!Node instance prestopped",
            "lifecycle.stop",
            "!Stopped node instance",
            "=stopped",
            "!Unlinking relationships",
            "relationship_lifecycle.unlink",
            "!Relationships unlinked",
            "=deleting",
            "!Deleting node instance",
            "lifecycle.delete",
            "!Postdeleting node instance",
            "lifecycle.postdelete",
            "!Node instance postdeleted",
            "=deleted",
            "!Deleted node instance",
        ]
        assert stage.states() == {"a_1": "deleted", "t_1": "deleted"}

    @pytest.mark.parametrize("state", ["deleted", "uninitialized"])
    def test_what_is_not_there_is_uninstalled_without_an_operation(self, state: str) -> None:
        stage = Stage([basic("a")], state=state)
        entries = Timeline(stage, "a_1").since(stage, workflows.uninstall)
        assert stage.ran == [] and stage.states() == {"a_1": "deleted"}
        assert f"!Stop: instance already {state}" in entries
        assert f"!Delete: instance already {state}" in entries

    @pytest.mark.parametrize(
        ("state", "left"),
        [
            ("creating", ["create", "configure", "start"]),
            ("created", ["configure", "start"]),
            ("configuring", ["configure", "start"]),
            ("configured", ["start"]),
            ("starting", ["start"]),
            ("started", []),
        ],
    )
    def test_a_new_install_goes_on_from_the_stored_state(self, state: str, left: list[str]) -> None:
        stage = Stage([basic("a")], state=state)
        assert stage.play(workflows.install).status == "terminated"
        assert stage.ran == [f"{name} a_1" for name in left] and stage.states() == {"a_1": "started"}


class TestRelationshipOperations:
    """Establish and unlink: in the order of declaration, and the other way round; both sides at once."""

    def nodes(self) -> list[dict[str, Any]]:
        return [node("x"), node("y", instances=2), basic("a", "x", "y")]

    def test_they_follow_the_declared_order_and_unlink_the_opposite_one(self) -> None:
        stage = Stage(self.nodes())
        assert stage.play(workflows.install).status == "terminated"
        established = [line for line in stage.ran if line.startswith("establish")]
        assert established[0] == "establish a_1>x_1"
        assert sorted(established[1:]) == ["establish a_1>y_1", "establish a_1>y_2"]
        assert stage.play(workflows.uninstall).status == "terminated"
        unlinked = [line for line in stage.ran if line.startswith("unlink")]
        assert sorted(unlinked[:2]) == ["unlink a_1>y_1", "unlink a_1>y_2"]
        assert unlinked[2] == "unlink a_1>x_1"

    def test_source_and_target_run_side_by_side(self) -> None:
        """Each waits for the other, so one after the other they would never end."""
        both = {RELATIONSHIP + "establish": {}}
        linked = relationship("x", source=both, target_operations=both)
        stage = Stage([node("x"), node("a", relationships=[linked])])
        meeting = threading.Barrier(2, timeout=20)
        sides: list[str] = []

        def meet(ctx: Any, **_: Any) -> None:
            meeting.wait()
            sides.append(ctx.operation.relationship)

        stage.runtime._resolve = lambda _: meet
        assert stage.play(workflows.install).status == "terminated"
        assert sorted(sides) == ["source", "target"]

    def test_an_install_of_a_part_renews_the_links_of_what_stays(self) -> None:
        stage = Stage([basic("a"), basic("b", "a"), basic("c", "b")], state="started")
        stage.runtime.instances["a_1"]["state"] = "uninitialized"
        assert stage.play(workflows.install, node_ids=["a"]).status == "terminated"
        assert stage.ran == ["create a_1", "configure a_1", "start a_1", "establish b_1>a_1"]


class TestOrderOfInstances:
    """Who waits for whom, and what a failure stops."""

    chain = [basic("a"), basic("b", "a"), basic("c", "b")]

    def test_an_instance_waits_until_its_targets_are_started_and_goes_before_them(self) -> None:
        stage = Stage(self.chain)
        stage.play(workflows.install)
        assert [line for line in stage.ran if line.split()[0] in ("create", "start")] == [
            "create a_1", "start a_1", "create b_1", "start b_1", "create c_1", "start c_1",
        ]  # fmt: skip
        stage.play(workflows.uninstall)
        assert stage.ran == [
            "stop c_1", "unlink c_1>b_1", "delete c_1", "stop b_1", "unlink b_1>a_1", "delete b_1", "stop a_1",
            "delete a_1",
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("failing", "state"), [("create", "creating"), ("configure", "configuring"), ("start", "starting")]
    )
    def test_a_failure_leaves_the_state_it_happened_in_and_stops_what_waits(self, failing: str, state: str) -> None:
        stage = Stage(self.chain, f"{failing} b_1")
        assert stage.play(workflows.install).status == "failed"
        assert stage.states() == {"a_1": "started", "b_1": state, "c_1": "uninitialized"}

    def test_a_failed_uninstall_keeps_its_instance_as_it_was_and_does_not_touch_its_targets(self) -> None:
        stage = Stage(self.chain, "stop b_1", state="started")
        assert stage.play(workflows.uninstall).status == "failed"
        assert stage.states() == {"a_1": "started", "b_1": "stopping", "c_1": "deleted"}
        assert [line for line in stage.ran if line.endswith("a_1")] == []

    def test_ignored_failures_are_told_are_not_retried_and_stop_nothing(self) -> None:
        stage = Stage(self.chain, "stop", "delete", "unlink", state="started", retry_defaults=RetryDefaults(5, 0, 0))
        played = stage.play(workflows.uninstall, ignore_failure=True)
        assert played.status == "terminated" and set(stage.states().values()) == {"deleted"}
        assert stage.ran == [
            "stop c_1", "unlink c_1>b_1", "delete c_1", "stop b_1", "unlink b_1>a_1", "delete b_1", "stop a_1",
            "delete a_1",
        ]  # fmt: skip
        assert played.messages("workflow_node_event", "a_1").count("Ignoring task op failure") == 2


class TestOperationsOfInstances:
    """execute_operation and its relatives."""

    nodes = [
        basic("a", types=["cloudify.nodes.Root", "kind"], instances=2),
        basic("b", "a"),
        basic("c", "b", types=["cloudify.nodes.Root", "kind"]),
    ]

    def run(self, stage: Stage, operation: str = "start", **given: Any) -> Played:
        return stage.play(workflows.execute_operation, operation=LIFECYCLE + operation, **given)

    def test_filters_narrow_each_other_down(self) -> None:
        stage = Stage(self.nodes)
        self.run(stage, type_names=["kind"])
        assert sorted(stage.ran) == ["start a_1", "start a_2", "start c_1"]
        self.run(stage, type_names=["kind"], node_ids=["a", "b"])
        assert sorted(stage.ran) == ["start a_1", "start a_2"]
        self.run(stage, type_names=["kind"], node_ids=["a", "b"], node_instance_ids=["a_2", "c_1"])
        assert stage.ran == ["start a_2"]
        self.run(stage, type_names=["kind"], node_ids=["b"])
        assert stage.ran == []

    def test_order_passes_through_what_is_not_selected(self) -> None:
        stage = Stage(self.nodes)
        self.run(stage, run_by_dependency_order=True, node_ids=["a", "c"])
        assert sorted(stage.ran[:2]) == ["start a_1", "start a_2"] and stage.ran[2:] == ["start c_1"]

    def test_it_is_framed_by_events_and_changes_no_state(self) -> None:
        stage = Stage([basic("a")], state="odd")
        played = self.run(stage, operation_kwargs={"x": 1})
        operation = LIFECYCLE + "start"
        assert played.messages("workflow_node_event") == [
            f"Starting operation {operation} (Operation parameters: {{'x': 1}})",
            f"Finished operation {operation}",
        ]
        assert stage.states() == {"a_1": "odd"}

    def test_stop_and_start_change_no_state_and_a_restart_stops_all_before_it_starts_any(self) -> None:
        stage = Stage([basic("a"), basic("b", "a")], state="started")
        for workflow, ran in (
            (workflows.stop, ["stop a_1", "stop b_1"]),
            (workflows.start, ["start a_1", "start b_1"]),
            (workflows.restart, ["stop a_1", "stop b_1", "start a_1", "start b_1"]),
        ):
            assert stage.play(workflow).status == "terminated"
            assert stage.ran == ran and set(stage.states().values()) == {"started"}


class TestRollback:
    """What is interrupted goes back to rest, whatever fails on the way."""

    @pytest.mark.parametrize(
        ("state", "ran", "left_in"),
        [
            ("starting", ["stop a_1"], "configured"),
            ("creating", ["unlink a_1>t_1", "delete a_1"], "uninitialized"),
            ("configuring", ["unlink a_1>t_1", "delete a_1"], "uninitialized"),
        ],
    )
    def test_it_undoes_what_was_begun(self, state: str, ran: list[str], left_in: str) -> None:
        stage = Stage([node("t"), basic("a", "t")], "stop", "delete", "unlink")
        stage.runtime.instances["a_1"]["state"] = state
        played = stage.play(workflows.rollback)
        assert played.status == "terminated" and stage.ran == ran and stage.states()["a_1"] == left_in
        assert played.messages("workflow_node_event", "a_1")[-1] == "Rollbacked node instance"

    def test_what_is_at_rest_is_left_alone_unless_everything_is_to_go(self) -> None:
        stage = Stage([basic("a"), basic("b", "a")])
        stage.runtime.instances["a_1"]["state"] = "started"
        stage.runtime.instances["b_1"]["state"] = "starting"
        stage.play(workflows.rollback)
        assert stage.ran == ["stop b_1"] and stage.states() == {"a_1": "started", "b_1": "configured"}
        stage.play(workflows.rollback, full_rollback=True)
        assert set(stage.states().values()) == {"deleted"} and "stop a_1" in stage.ran


def test_a_host_is_asked_until_it_answers_whatever_the_limit_of_retries() -> None:
    host = node(
        "vm",
        {**mapped(BASIC), "cloudify.interfaces.host.get_state": {"max_retries": 1, "retry_interval": 0}},
        types=["cloudify.nodes.Root", "cloudify.nodes.Compute"],
        properties={"agent_config": {"install_method": "none"}},
    )
    stage = Stage([host])
    answers = [False, None, "", 0, True]
    real = stage.run

    def run(ctx: Any, **given: Any) -> Any:
        real(ctx, **given)
        return answers.pop(0) if ctx.operation.name.endswith("get_state") else None

    stage.runtime._resolve = lambda _: run
    played = stage.play(workflows.install)
    assert played.status == "terminated" and stage.ran.count("get_state vm_1") == 5
    assert not any("agent" in message for message in played.messages("workflow_node_event"))


class TestOrderByOperation:
    """depends_on_lifecycle_operation: wait for an operation of the target, not for all of it."""

    def nodes(self, operation: str) -> list[dict[str, Any]]:
        waits = relationship(
            "a", "cloudify.relationships.depends_on_lifecycle_operation", properties={"operation": operation}
        )
        return [basic("a"), node("b", mapped(BASIC), relationships=[waits])]

    def test_the_source_starts_when_that_operation_has_ended(self) -> None:
        stage = Stage(self.nodes("create"))
        assert stage.play(workflows.install).status == "terminated"
        assert stage.ran.index("create a_1") < stage.ran.index("create b_1")

    def test_it_never_starts_when_that_operation_fails(self) -> None:
        stage = Stage(self.nodes("create"), "create a_1")
        assert stage.play(workflows.install).status == "failed" and stage.ran == ["create a_1"]

    def test_an_operation_the_target_does_not_map_is_not_waited_for(self) -> None:
        stage = Stage(self.nodes("precreate"), "create a_1")
        stage.play(workflows.install)
        assert "start b_1" in stage.ran


def test_subgraph_retries_run_a_failed_lifecycle_again_so_often() -> None:
    stage = Stage([basic("a")], "start", retry_defaults=RetryDefaults(0, 0, 2))
    assert stage.play(workflows.install).status == "failed"
    assert stage.ran.count("start a_1") == 3


def test_dependents_wait_for_the_lifecycle_that_is_run_again() -> None:
    stage = Stage([basic("a"), basic("b", "a")], retry_defaults=RetryDefaults(0, 0, 1))
    real = stage.run
    calls: list[str] = []

    def once(ctx: Any, **given: Any) -> Any:
        calls.append(ctx.operation.name)
        if ctx.operation.name.endswith(".start") and sum(name.endswith(".start") for name in calls) == 1:
            raise ValueError("the first start")
        return real(ctx, **given)

    stage.runtime._resolve = lambda _: once
    assert stage.play(workflows.install).status == "terminated"
    assert stage.ran.index("start a_1") < stage.ran.index("create b_1")
    assert stage.states() == {"a_1": "started", "b_1": "started"}


class TestChecks:
    """check_status and check_drift."""

    def test_a_check_s_result_is_stored_beside_the_one_before(self) -> None:
        check = {"cloudify.interfaces.validation.check_status": {}}
        stage = Stage([basic("a", more=check), basic("b")], state="started")
        stage.result = "fine"
        assert stage.play(workflows.check_status).status == "terminated"
        first = stage.runtime.instances["a_1"]["system_properties"]["status"]
        assert (first["ok"], first["task"], first["result"]) == (True, "op", "fine") and first["timestamp"]
        assert stage.runtime.instances["b_1"]["system_properties"] == {}
        stage.failing.add("check_status")
        assert stage.play(workflows.check_status).status == "failed"
        properties = stage.runtime.instances["a_1"]["system_properties"]
        assert (properties["status"]["ok"], properties["status"]["result"]) == (False, "boom")
        assert properties["previous_status"] == first

    def test_drift_is_stored_by_instance_and_relationship(self) -> None:
        check = {"cloudify.interfaces.relationship_lifecycle.check_drift": {}}
        linked = relationship("a", source=check, target_operations=check)
        nodes = [node("a", [LIFECYCLE + "check_drift"]), node("b", [LIFECYCLE + "check_drift"], relationships=[linked])]
        stage = Stage(nodes, state="started")
        stage.result = {"size": 3}
        assert stage.play(workflows.check_drift).status == "terminated"
        a, b = (stage.runtime.instances[key]["system_properties"] for key in ("a_1", "b_1"))
        assert a["configuration_drift"]["result"] == {"size": 3}
        assert a["target_relationships_configuration_drift"]["b_1"]["ok"] is True
        assert b["source_relationships_configuration_drift"]["a_1"]["result"] == {"size": 3}


class TestHeal:
    """heal of one instance and of all."""

    def nodes(self, *more: str) -> list[dict[str, Any]]:
        extra = {name: {} for name in (*more, "cloudify.interfaces.validation.check_status")}
        return [
            node("vm", mapped(BASIC), types=["cloudify.nodes.Root", "host"], host_id="vm"),
            node(
                "app",
                {**mapped(BASIC), **extra},
                relationships=[relationship("vm", CONTAINED)],
                host_id="vm",
            ),
            basic("lb", "app"),
        ]

    def test_an_unknown_instance_is_refused(self) -> None:
        played = Stage(self.nodes()).play(workflows.auto_heal_reinstall_node_subgraph, node_instance_id="x")
        assert "ValueError: No node instance with id `x` was found" in (played.error or "")

    def test_a_target_without_a_check_is_reinstalled_with_its_host_and_links_are_renewed(self) -> None:
        nodes = self.nodes()
        del nodes[1]["operations"]["cloudify.interfaces.validation.check_status"]
        stage = Stage(nodes, state="started")
        played = stage.play(workflows.auto_heal_reinstall_node_subgraph, node_instance_id="app_1")
        assert played.status == "terminated"
        assert stage.ran == [
            "unlink lb_1>app_1", "stop app_1", "delete app_1", "stop vm_1", "delete vm_1",
            "create vm_1", "configure vm_1", "start vm_1", "create app_1", "configure app_1", "start app_1",
            "establish lb_1>app_1",
        ]  # fmt: skip

    def test_a_healthy_deployment_is_left_alone(self) -> None:
        stage = Stage(self.nodes(), state="started")
        assert stage.play(workflows.auto_heal_reinstall_node_subgraph).status == "terminated"
        assert stage.ran == ["check_status app_1"]

    def test_what_can_be_healed_is_healed_and_counts_as_healthy(self) -> None:
        stage = Stage(self.nodes(LIFECYCLE + "heal"), "check_status", state="started")
        assert stage.play(workflows.auto_heal_reinstall_node_subgraph).status == "terminated"
        assert stage.ran == ["check_status app_1", "heal app_1"]
        status = stage.runtime.instances["app_1"]["system_properties"]["status"]
        assert (status["ok"], status["task"], status["healed"]) == (True, None, True)

    def test_what_could_not_be_healed_is_reinstalled(self) -> None:
        stage = Stage(self.nodes(LIFECYCLE + "heal"), "check_status", "heal", state="started")
        assert stage.play(workflows.auto_heal_reinstall_node_subgraph).status == "terminated"
        assert "delete app_1" in stage.ran and "stop vm_1" not in stage.ran
        assert "heal_failed" not in stage.runtime.instances["app_1"]["system_properties"]

    def test_what_is_in_a_reinstalled_host_is_not_healed_as_well(self) -> None:
        nodes = self.nodes(LIFECYCLE + "heal")
        nodes[0]["operations"] |= node("x", ["cloudify.interfaces.validation.check_status"])["operations"]
        stage = Stage(nodes, "check_status", state="started")
        assert stage.play(workflows.auto_heal_reinstall_node_subgraph).status == "terminated"
        assert "heal app_1" not in stage.ran and {"start vm_1", "start app_1"} <= set(stage.ran)

    def test_reinstalling_can_be_forbidden(self) -> None:
        stage = Stage(self.nodes(), "check_status", state="started")
        played = stage.play(workflows.auto_heal_reinstall_node_subgraph, allow_reinstall=False)
        assert "allow_reinstall is false, but would need to reinstall instances: app_1" in (played.error or "")
        assert stage.ran == ["check_status app_1"]


class TestScale:
    """scale of nodes and groups."""

    def stage(self, *failing: str, **options: Any) -> Stage:
        nodes = [basic("a", instances=2), basic("b", "a")]
        return Stage(nodes, *failing, state="started", **options)

    def scale(self, stage: Stage, delta: Any, again: bool = False, **given: Any) -> Played:
        return stage.play(workflows.scale_entity, again, **{"scalable_entity_name": "a", "delta": delta, **given})

    def test_out_installs_the_new_and_establishes_the_related(self) -> None:
        stage = self.stage()
        assert self.scale(stage, "1").status == "terminated"
        assert stage.ran_by_node() == ["configure a", "create a", "establish b>a", "start a"]
        assert len(stage.runtime.instances) == 4 and set(stage.states().values()) == {"started"}
        assert stage.runtime.nodes["a"]["number_of_instances"] == 3
        assert [each["status"] for each in stage.runtime.modifications] == ["finished"]

    def test_in_unlinks_and_uninstalls(self) -> None:
        stage = self.stage()
        assert self.scale(stage, -1, include_instances=["a_1"]).status == "terminated"
        assert stage.ran == ["unlink b_1>a_1", "stop a_1", "delete a_1"]
        assert set(stage.runtime.instances) == {"a_2", "b_1"}
        assert [each["target_id"] for each in stage.runtime.instances["b_1"]["relationships"]] == ["a_2"]

    def test_nothing_is_logged_and_ends(self) -> None:
        stage = self.stage()
        assert self.scale(stage, 0).status == "terminated"
        assert "delta parameter is 0, so no scaling will take place." in [log["message"] for log in stage.runtime.logs]
        assert stage.runtime.modifications == []

    @pytest.mark.parametrize(
        ("given", "text"),
        [
            ({"delta": "many"}, "The delta parameter must be a number. Got: many"),
            ({"delta": 1, "scalable_entity_name": "x"}, "No scalable entity named x was found"),
            (
                {"delta": -3},
                "Provided delta: -3 is illegal. current number of instances of entity a is 2",
            ),
            (
                {"delta": 1, "include_instances": ["a_1"]},
                "Instances cannot be included or excluded when scaling up.",
            ),
            ({"delta": -1, "exclude_instances": ["x"], "include_instances": ["y"]}, "x"),
            ({"delta": -1, "exclude_instances": ["a_1"], "include_instances": ["a_1"]}, "a_1"),
            ({"delta": -1, "exclude_instances": ["a_1", "a_2"]}, "Too many"),
        ],
    )
    def test_what_cannot_be_done_is_refused_before_any_change(self, given: dict[str, Any], text: str) -> None:
        stage = self.stage()
        played = self.scale(stage, **given)
        assert played.status == "failed" and text in (played.error or "")
        assert stage.runtime.modifications == [] and stage.ran == []

    def test_a_failed_scale_out_rolls_back_model_and_instances(self) -> None:
        stage = self.stage("start")
        played = self.scale(stage, 1)
        assert played.status == "failed" and (played.error or "").startswith("Task failed: op (a_")
        assert stage.ran_by_node() == ["configure a", "create a", "start a", "stop a"]
        assert set(stage.runtime.instances) == {"a_1", "a_2", "b_1"}
        assert [each["status"] for each in stage.runtime.modifications] == ["rolledback"]

    def test_without_rollback_the_modification_stays_started(self) -> None:
        stage = self.stage("start")
        assert self.scale(stage, 1, rollback_if_failed=False).status == "failed"
        assert [each["status"] for each in stage.runtime.modifications] == ["started"]
        assert len(stage.runtime.instances) == 4
        assert stage.runtime.nodes["a"]["planned_number_of_instances"] == 3
        assert "already" not in (self.scale(stage, 1, rollback_if_failed=False).error or "already")

    def test_abort_started_cleans_it_up(self) -> None:
        stage = self.stage("start")
        self.scale(stage, 1, rollback_if_failed=False)
        stage.failing.clear()
        assert self.scale(stage, 1, abort_started=True).status == "terminated"
        assert [each["status"] for each in stage.runtime.modifications] == ["rolledback", "finished"]
        assert len(stage.runtime.instances) == 4 and set(stage.states().values()) == {"started"}

    def test_a_resume_goes_on_with_the_started_modification(self) -> None:
        stage = self.stage("configure")
        self.scale(stage, 1, rollback_if_failed=False)
        stage.failing.clear()
        assert self.scale(stage, 1, again=True).status == "terminated"
        assert stage.ran_by_node() == ["configure a", "establish b>a", "start a"]
        assert [each["status"] for each in stage.runtime.modifications] == ["finished"]

    def test_a_group_is_scaled_by_whole_instances_of_it(self) -> None:
        nodes = [basic("a"), basic("b", "a"), basic("c", "a")]
        groups = {
            "pair": {
                "members": ["a", "b"],
                "properties": {"default_instances": 1, "current_instances": 1, "planned_instances": 1},
            }
        }
        stage = Stage(nodes, state="started", scaling_groups=groups)
        for key in ("a_1", "b_1"):
            stage.runtime.instances[key]["scaling_groups"] = [{"name": "pair", "id": "pair_1"}]
        played = self.scale(stage, 1, scalable_entity_name="pair")
        assert played.status == "terminated", played.error
        assert stage.ran_by_node() == sorted(
            [
                *(f"{name} {each}" for each in "ab" for name in ("create", "configure", "start")),
                "establish b>a",
                "establish c>a",
            ]
        )
        ids = {tuple(g["id"] for g in each["scaling_groups"]) for each in stage.runtime.instances.values()}
        assert len(ids) == 3
        assert stage.runtime.scaling_groups["pair"]["properties"]["current_instances"] == 2


def test_groups_and_their_members() -> None:
    stage = Stage([basic("a")])
    stage.runtime.instances["a_1"]["scaling_groups"] = [{"name": "inner", "id": "i"}, {"name": "outer", "id": "o"}]
    seen: list[Any] = []
    stage.play(lambda ctx: seen.append(workflows.get_groups_with_members(ctx)))
    assert seen == [{"inner": ["a_1"], "outer": ["a_1"]}]


def test_authors_call_lifecycles_on_sets_of_instances() -> None:
    def workflow(ctx: Any) -> None:
        instances = {ctx.get_node_instance("a_1")}
        lifecycle.install_node_instances(ctx.graph_mode(), instances, set(ctx.node_instances) - instances, "mine_")

    stage = Stage([basic("a"), basic("b", "a")])
    played = stage.play(workflow)
    assert played.status == "terminated" and set(stage.runtime.graphs) == {"mine_install"}
    assert stage.ran == ["create a_1", "configure a_1", "start a_1", "establish b_1>a_1"]


def test_hosts_without_an_agent_need_none_and_others_are_refused() -> None:
    host = ["cloudify.nodes.Root", "cloudify.nodes.Compute"]
    without = node("vm", BASIC, types=host, properties={"agent_config": {"install_method": "none"}})
    assert Stage([without]).play(workflows.validate_agents).status == "terminated"
    with_one = node("vm", BASIC, types=host, properties={"agent_config": {"install_method": "remote"}})
    played = Stage([with_one]).play(workflows.install_new_agents)
    assert played.status == "failed" and "vm_1" in (played.error or "")


def test_a_host_s_agent_is_made_after_its_start_and_gone_before_its_stop() -> None:
    agent = {f"cloudify.interfaces.cloudify_agent.{name}": {} for name in ("create", "start", "stop_amqp", "delete")}
    vm = node(
        "vm",
        {**mapped(BASIC), **agent},
        types=["cloudify.nodes.Root", "cloudify.nodes.Compute"],
        properties={"agent_config": {"install_method": "init_script"}},
    )
    stage = Stage([vm])
    played = stage.play(workflows.install)
    assert stage.ran[3:] == ["create vm_1", "start vm_1"]
    assert "Waiting for agent to start" in played.messages("workflow_node_event")
    assert stage.play(workflows.uninstall).status == "terminated"
    assert stage.ran == ["stop_amqp vm_1", "delete vm_1", "stop vm_1", "delete vm_1"]


def test_recursive_uninstall_waits_for_contained_deployments() -> None:
    stage = Stage([basic("a")], state="started")
    stage.runtime.answers["list_child_deployments"] = lambda: ["child"]
    assert stage.play(workflows.uninstall, recursive=True).status == "terminated"
    assert [each["deployment_id"] for each in stage.runtime.started_executions] == ["child"]


class TestUpdateOfInstances:
    """The install part of a deployment update."""

    def run(self, stage: Stage, changes: InstanceChanges, **options: Any) -> Played:
        return stage.play(lambda ctx: apply_instance_changes(ctx, changes, UpdateOptions(**options)))

    def test_what_goes_is_uninstalled_before_what_comes_is_installed(self) -> None:
        stage = Stage([basic("old"), basic("new"), basic("user", "new")])
        for key in ("old_1", "user_1"):
            stage.runtime.instances[key]["state"] = "started"
        changes = InstanceChanges(added=["new_1"], removed=["old_1"], extended={"user_1": ["new_1"]})
        played = self.run(stage, changes)
        assert played.status == "terminated", played.error
        assert stage.ran == [
            "stop old_1", "delete old_1", "create new_1", "configure new_1", "start new_1", "establish user_1>new_1",
        ]  # fmt: skip

    def test_what_changed_and_can_be_updated_is_updated(self) -> None:
        stage = Stage([basic("a", more={LIFECYCLE + "update": {}}), basic("b")], state="started")
        played = self.run(stage, InstanceChanges(changed=["a_1"]))
        assert played.status == "terminated" and stage.ran == ["update a_1"]
        assert played.messages("workflow_node_event") == ["Updating node instance", "Node instance updated"]

    def test_what_changed_and_cannot_is_reinstalled_unless_told_otherwise(self) -> None:
        stage = Stage([basic("a")], state="started")
        assert self.run(stage, InstanceChanges(changed=["a_1"])).status == "terminated"
        assert stage.ran == ["stop a_1", "delete a_1", "create a_1", "configure a_1", "start a_1"]
        stage = Stage([basic("a")], state="started")
        self.run(stage, InstanceChanges(changed=["a_1"]), skip_reinstall=True)
        assert stage.ran == []

    def test_a_failed_update_is_followed_by_a_reinstall(self) -> None:
        stage = Stage([basic("a", more={LIFECYCLE + "update": {}})], "update", state="started")
        assert self.run(stage, InstanceChanges(changed=["a_1"])).status == "terminated"
        assert stage.ran[0] == "update a_1" and "start a_1" in stage.ran

    def test_what_says_that_it_has_not_drifted_is_left_alone(self) -> None:
        stage = Stage([basic("a", more={LIFECYCLE + "check_drift": {}, LIFECYCLE + "update": {}})], state="started")
        assert self.run(stage, InstanceChanges(changed=["a_1"])).status == "terminated"
        assert stage.ran == ["check_drift a_1"]

    def test_the_workflow_update_is_told_the_instances_by_its_parameters(self) -> None:
        stage = Stage(
            [
                basic("old"),
                basic("new"),
                basic("user", "new"),
                basic("same", "new"),
                basic("changed", more={LIFECYCLE + "update": {}}),
            ]
        )
        for key in ("old_1", "user_1", "same_1", "changed_1"):
            stage.runtime.instances[key]["state"] = "started"
        parameters = {
            "update_id": "dep-1",
            "added_instance_ids": ["new_1"],
            "added_target_instances_ids": [],
            "removed_instance_ids": ["old_1"],
            "extended_instance_ids": ["user_1"],
            "extend_target_instance_ids": ["new_1"],
            "reduced_instance_ids": [],
            "modified_entity_ids": {"node": ["changed", "new", "old"]},
        }
        played = stage.play(lambda ctx: update(ctx, **parameters))
        assert played.status == "terminated", played.error
        assert stage.ran == [
            "stop old_1", "delete old_1", "update changed_1", "create new_1", "configure new_1", "start new_1",
            "establish user_1>new_1",
        ]  # fmt: skip

    def test_the_workflow_update_skips_what_it_is_told_to(self) -> None:
        stage = Stage([basic("old"), basic("new")])
        stage.runtime.instances["old_1"]["state"] = "started"
        parameters = {"added_instance_ids": ["new_1"], "removed_instance_ids": ["old_1"], "skip_install": True}
        assert stage.play(lambda ctx: update(ctx, **parameters)).status == "terminated"
        assert stage.ran == ["stop old_1", "delete old_1"]


def test_defaults_of_the_tests_are_without_retries() -> None:
    assert NO_RETRIES.task_retries == 0
