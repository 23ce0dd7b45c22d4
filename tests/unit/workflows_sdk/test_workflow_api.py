"""The workflow context and the model behind it (contract §1, checklist 1 to 21)."""

from __future__ import annotations

import importlib
import threading
from typing import Any

import pytest

from tests.support.workflow_play import a_runtime, context_of, node, operation_struct, play, relationship

NAMES = {
    "cloudify": "ctx",
    "cloudify.decorators": "operation workflow serial_operation task",
    "cloudify.workflows": "ctx api parameters",
    "cloudify.workflows.api": "has_cancel_request has_kill_request ExecutionCancelled EXECUTION_CANCELLED_RESULT "
    "set_cancel_request set_kill_request cancel_callbacks kill_callbacks cancel_request kill_request",
    "cloudify.workflows.workflow_api": "has_cancel_request",
    "cloudify.workflows.tasks": "INFINITE_TOTAL_RETRIES DEFAULT_TOTAL_RETRIES DEFAULT_RETRY_INTERVAL "
    "DEFAULT_SUBGRAPH_TOTAL_RETRIES DEFAULT_SEND_TASK_EVENTS TASK_PENDING TASK_SENDING TASK_SENT TASK_STARTED "
    "TASK_RESPONSE_SENT TASK_RESCHEDULED TASK_SUCCEEDED TASK_FAILED TERMINATED_STATES WorkflowTask "
    "RemoteWorkflowTask LocalWorkflowTask NOPLocalWorkflowTask DryRunLocalWorkflowTask SetNodeInstanceStateTask "
    "GetNodeInstanceStateTask SendNodeEventTask SendWorkflowEventTask UpdateExecutionStatusTask HandlerResult "
    "WorkflowTaskResult",
    "cloudify.workflows.tasks_graph": "make_or_get_graph forkjoin TaskDependencyGraph TaskSequence SubgraphTask "
    "TaskDependencyGraphError TaskDependencyGraphErrors",
    "cloudify.workflows.workflow_context": "CloudifyWorkflowContext CloudifyWorkflowNode "
    "CloudifyWorkflowNodeInstance CloudifyWorkflowRelationship CloudifyWorkflowRelationshipInstance Modification "
    "ModificationNodes WorkflowDeploymentContext task_config DEFAULT_LOCAL_TASK_THREAD_POOL_SIZE",
    "cloudify.workflows.events": "get_event_type format_event_message send_task_event",
    "cloudify.state": "ctx ctx_parameters workflow_ctx workflow_parameters current_ctx current_workflow_ctx "
    "NotInContext CtxParameters",
    "cloudify.exceptions": "NonRecoverableError RecoverableError OperationRetry CloudifySerializationRetry "
    "HttpException CommandExecutionException CommandExecutionError TimeoutException PluginInstallationError "
    "ClosedAMQPClientException ProcessKillCancelled StopAgent WorkflowFailed InvalidBlueprintImport",
    "cloudify.constants": "NODE_INSTANCE RELATIONSHIP_INSTANCE DEPLOYMENT COMPUTE_NODE_TYPE TASK_PENDING "
    "TERMINATED_STATES MGMTWORKER_QUEUE AGENT_INSTALL_METHOD_NONE",
    "cloudify.models_states": "ExecutionState DeploymentModificationState DeploymentState VisibilityState "
    "BlueprintUploadState SnapshotState AgentState PluginInstallationState",
    "cloudify.plugins.workflows": "install uninstall reinstall start stop restart pull execute_operation scale "
    "scale_entity auto_heal_reinstall_node_subgraph check_status check_drift rollback install_new_agents "
    "validate_agents _make_execute_operation_graph get_groups_with_members",
    "cloudify.plugins.lifecycle": "install_node_instances uninstall_node_instances reinstall_node_instances "
    "rollback_node_instances heal_node_instances update_node_instances execute_establish_relationships "
    "execute_unlink_relationships install_node_instance_subgraph uninstall_node_instance_subgraph "
    "reinstall_node_instance_subgraph is_host_node LifecycleProcessor",
}


@pytest.mark.parametrize("module", NAMES)
def test_every_name_of_the_contract_can_be_imported(module: str) -> None:
    found = importlib.import_module(module)
    assert [name for name in NAMES[module].split() if not hasattr(found, name)] == []


def test_there_is_one_set_of_cancel_flags_under_both_names() -> None:
    import cloudify.workflows.api as one
    from cloudify.workflows import api as three
    from cloudify.workflows import workflow_api as two

    assert one is two is three


def test_decorators_return_the_function_itself() -> None:
    from cloudify.decorators import operation, task, workflow

    def function(**_: Any) -> None:
        """Nothing."""

    assert operation(function) is function and function.resumable is False
    assert operation(resumable=True, anything=1)(function) is function and function.resumable is True
    assert workflow(system_wide=True, resumable=True)(function) is function
    assert function.workflow_system_wide is True
    assert task is operation


class TestContexts:
    """Proxies and current contexts (checklist 12, 13)."""

    def test_outside_a_context_any_access_raises(self) -> None:
        from cloudify.state import NotInContext, current_workflow_ctx, workflow_ctx

        current_workflow_ctx.clear()
        with pytest.raises(NotInContext, match="No context set in current execution thread"):
            _ = workflow_ctx.execution_id

    def test_outside_a_context_tools_may_still_look_at_the_proxies(self) -> None:
        import inspect

        from cloudify import state

        state.current_ctx.clear()
        assert state.ctx not in [value for _, value in inspect.getmembers(state, inspect.isclass)]
        assert not state.ctx and dir(state.ctx) == [] and "unbound" in repr(state.ctx)

    def test_a_context_belongs_to_its_thread(self) -> None:
        from cloudify.state import current_workflow_ctx, workflow_ctx

        seen: list[Any] = []

        def look() -> None:
            try:
                seen.append(workflow_ctx.value)
            except RuntimeError as error:
                seen.append(type(error).__name__)

        class Context:
            value = 1

        with current_workflow_ctx.push(Context()):
            thread = threading.Thread(target=look)
            thread.start()
            thread.join()
            look()
        assert seen == ["NotInContext", 1]

    def test_push_restores_the_previous_pair(self) -> None:
        from cloudify.state import current_ctx

        with current_ctx.push("outer", {"a": 1}):
            with current_ctx.push("inner", {"a": 2}):
                assert current_ctx.get_ctx() == "inner"
            assert (current_ctx.get_ctx(), current_ctx.get_parameters()["a"]) == ("outer", 1)

    def test_parameters_give_items_and_attributes_and_miss_with_key_error(self) -> None:
        from cloudify.state import current_workflow_ctx
        from cloudify.workflows import parameters

        with current_workflow_ctx.push("ctx", {"name": "value"}):
            assert parameters.name == parameters["name"] == "value"
            assert "name" in parameters
            with pytest.raises(KeyError):
                _ = parameters.other

    def test_a_workflow_sees_its_context_and_parameters_also_in_local_tasks(self) -> None:
        from cloudify.workflows import ctx as current
        from cloudify.workflows import parameters

        seen: list[Any] = []

        def look() -> None:
            seen.append((current._get_current_object(), parameters.x))

        def workflow(ctx: Any, x: int) -> None:
            look()
            ctx.local_task(look).get()
            seen.append(ctx)

        assert play(workflow, parameters={"x": 5}).status == "terminated"
        assert seen[0] == seen[1] == (seen[2], 5)


class TestModel:
    """Nodes, instances, relationships (checklist 3 to 11)."""

    nodes = [
        node("vm", ["i.op"], types=["cloudify.nodes.Root", "cloudify.nodes.Compute"], instances=2, host_id="vm"),
        node(
            "app",
            {"i.op": {}, "i.declared": {"operation": ""}},
            relationships=[relationship("vm", "cloudify.relationships.contained_in"), relationship("db")],
            host_id="vm",
        ),
        node("db", ["i.op"]),
    ]

    def test_collections_are_iterators(self) -> None:
        ctx = context_of(a_runtime(self.nodes))
        instance = ctx.get_node_instance("app_1")
        for collection in (
            ctx.nodes,
            ctx.node_instances,
            instance.node.instances,
            instance.node.relationships,
            instance.relationships,
        ):
            assert next(collection) is not None
            assert iter(collection) is collection

    def test_each_access_starts_over(self) -> None:
        ctx = context_of(a_runtime(self.nodes))
        assert len(list(ctx.node_instances)) == len(list(ctx.node_instances)) == 4

    def test_unknown_ids_give_none(self) -> None:
        ctx = context_of(a_runtime(self.nodes))
        assert ctx.get_node("x") is None and ctx.get_node_instance("x") is None

    def test_plan_data_of_a_node(self) -> None:
        ctx = context_of(a_runtime(self.nodes))
        vm, app = ctx.get_node("vm"), ctx.get_node("app")
        assert vm.type_hierarchy == ["cloudify.nodes.Root", "cloudify.nodes.Compute"]
        assert (vm.number_of_instances, vm.planned_number_of_instances) == (2, 2)
        assert app.host_id == "vm" and app.host_node is vm and vm.host_node is vm
        assert [each.target_id for each in app.relationships] == ["vm", "db"]
        assert app.get_relationship("db").target_node.id == "db" and app.get_relationship("x") is None

    def test_operations_that_a_workflow_changes_are_changed_for_that_node_alone(self) -> None:
        same = {"i.op": operation_struct(inputs={"deep": {"port": 80}})}
        ctx = context_of(a_runtime([{**node("one"), "operations": same}, {**node("two"), "operations": same}]))
        one, two = ctx.get_node("one"), ctx.get_node("two")
        one.operations["i.op"]["inputs"]["deep"]["port"] = 8080
        one.operations["i.new"] = one.operations["i.op"]
        assert one.operations["i.op"]["inputs"] == {"deep": {"port": 8080}} and one.has_operation("i.new")
        assert two.operations["i.op"]["inputs"] == {"deep": {"port": 80}} and not two.has_operation("i.new")

    def test_an_operation_counts_only_when_it_is_mapped(self) -> None:
        app = context_of(a_runtime(self.nodes)).get_node("app")
        assert app.has_operation("i.op")
        assert not app.has_operation("i.declared") and not app.has_operation("i.unknown")

    def test_is_derived_from_looks_at_the_type_hierarchy(self) -> None:
        contained, connected = context_of(a_runtime(self.nodes)).get_node("app").relationships
        assert contained.is_derived_from("cloudify.relationships.contained_in")
        assert contained.is_derived_from("cloudify.relationships.depends_on")
        assert not connected.is_derived_from("cloudify.relationships.contained_in")

    def test_the_contained_subgraph_has_the_instance_itself_and_only_what_is_contained(self) -> None:
        ctx = context_of(a_runtime(self.nodes))
        vm = ctx.get_node_instance("vm_1")
        assert {each.id for each in vm.get_contained_subgraph()} == {"vm_1", "app_1"}
        assert [each.id for each in vm.contained_instances] == ["app_1"]
        assert {each.id for each in ctx.get_node_instance("db_1").get_contained_subgraph()} == {"db_1"}

    def test_instances_are_equal_by_id_across_refreshes(self) -> None:
        ctx = context_of(a_runtime(self.nodes))
        before = ctx.get_node_instance("db_1")
        ctx.refresh_node_instances()
        after = ctx.get_node_instance("db_1")
        assert before is not after and before == after and len({before, after}) == 1

    def test_what_was_loaded_stays_until_a_refresh(self) -> None:
        runtime = a_runtime(self.nodes)
        ctx = context_of(runtime)
        instance = ctx.get_node_instance("db_1")
        runtime.set_node_instance_state("db_1", "started")
        assert instance.state == "uninitialized"
        ctx.refresh_node_instances()
        assert ctx.get_node_instance("db_1").state == "started" and instance.state == "uninitialized"

    def test_update_node_instance_writes_storage_and_the_cached_instance(self) -> None:
        runtime = a_runtime(self.nodes)
        ctx = context_of(runtime)
        ctx.update_node_instance("db_1", version=1, state="odd", runtime_properties={"a": 1})
        assert runtime.instances["db_1"]["runtime_properties"] == {"a": 1}
        cached = ctx.get_node_instance("db_1")
        assert (cached.state, cached.runtime_properties, cached.version) == ("odd", {"a": 1}, 2)

    def test_a_stale_version_is_refused_unless_forced(self) -> None:
        ctx = context_of(a_runtime(self.nodes))
        with pytest.raises(Exception, match="Node instance update conflict"):
            ctx.update_node_instance("db_1", version=7, state="odd")
        ctx.update_node_instance("db_1", version=7, state="odd", force=True)

    def test_there_is_no_model_while_an_environment_is_created(self) -> None:
        ctx = context_of(a_runtime(self.nodes), "create_deployment_environment")
        assert list(ctx.nodes) == [] and list(ctx.node_instances) == []

    def test_private_names_plugins_use(self) -> None:
        instance = context_of(a_runtime(self.nodes)).get_node_instance("app_1")
        raw = instance._node_instance
        assert (raw.id, raw.node_id, raw.host_id, raw.version, raw.runtime_properties) == (
            "app_1",
            "app",
            "vm_1",
            1,
            {},
        )


class TestOperationCalls:
    """execute_operation (checklist 16, 17)."""

    def test_what_is_not_mapped_is_a_nop_in_graph_mode_and_out_of_it(self) -> None:
        from cloudify.workflows.tasks import NOPLocalWorkflowTask

        ctx = context_of(a_runtime([node("a", {"i.declared": {"operation": ""}})]))
        instance = ctx.get_node_instance("a_1")
        task = instance.execute_operation("i.declared")
        assert isinstance(task, NOPLocalWorkflowTask) and task.is_nop()
        task.on_success = lambda _: None
        assert not task.is_nop()
        ctx.graph_mode()
        assert isinstance(instance.execute_operation("i.unknown"), NOPLocalWorkflowTask)

    def test_a_nop_tells_nothing_and_succeeds(self) -> None:
        def workflow(ctx: Any) -> None:
            graph = ctx.graph_mode()
            graph.add_task(ctx.get_node_instance("a_1").execute_operation("i.unknown"))
            graph.execute()

        played = play(workflow, a_runtime([node("a")]))
        assert played.status == "terminated"
        assert [event["event_type"] for event in played.runtime.events] == ["workflow_started", "workflow_succeeded"]

    def test_a_key_given_twice_is_refused_unless_it_may_be_overridden(self) -> None:
        ctx = context_of(a_runtime([node("a", {"i.op": {"inputs": {"x": 1}}})]))
        ctx.graph_mode()
        instance = ctx.get_node_instance("a_1")
        with pytest.raises(RuntimeError, match="Duplicate definition of x in operation properties and in kwargs"):
            instance.execute_operation("i.op", kwargs={"x": 2})
        task = instance.execute_operation("i.op", kwargs={"x": 2, "y": 3}, allow_kwargs_override=True)
        assert (task.kwargs["x"], task.kwargs["y"]) == (2, 3)

    def test_new_keys_merge_and_the_callers_dict_is_copied(self) -> None:
        ctx = context_of(a_runtime([node("a", {"i.op": {"inputs": {"x": 1}}})]))
        ctx.graph_mode()
        given = {"y": {"z": [1]}}
        task = ctx.get_node_instance("a_1").execute_operation("i.op", kwargs=given)
        given["y"]["z"].append(2)
        assert (task.kwargs["x"], task.kwargs["y"]) == (1, {"z": [1]})

    def test_a_plugin_the_node_does_not_have_is_refused(self) -> None:
        ctx = context_of(a_runtime([node("a", {"i.op": {"plugin": "other"}})]))
        with pytest.raises(RuntimeError, match="Plugin not found: other"):
            ctx.get_node_instance("a_1").execute_operation("i.op")

    def test_inputs_of_a_wrong_type_are_refused(self) -> None:
        types = {"n": {"type": "integer"}}
        ctx = context_of(a_runtime([node("a", {"i.op": {"inputs": {"n": 1}, "inputs_types": types}})]))
        ctx.graph_mode()
        with pytest.raises(RuntimeError, match="Value many of 'n' does not match the definition: integer"):
            ctx.get_node_instance("a_1").execute_operation("i.op", kwargs={"n": "many"}, allow_kwargs_override=True)
        instance = ctx.get_node_instance("a_1")
        instance.execute_operation("i.op", kwargs={"n": {"get_input": "x"}}, allow_kwargs_override=True)

    def test_the_context_sent_along(self) -> None:
        nodes = [node("a", ["i.op"]), node("b", relationships=[relationship("a", target_operations={"r.op": {}})])]
        ctx = context_of(a_runtime(nodes), "wf")
        ctx.graph_mode()
        task = ctx.get_node_instance("a_1").execute_operation("i.op")
        sent = task.cloudify_context
        assert sent["__cloudify_context"] == "0.3" and sent["type"] == "operation"
        assert (sent["task_id"], sent["task_name"]) == (task.id, "op")
        assert (sent["node_id"], sent["node_name"], sent["deployment_id"]) == ("a_1", "a", "deployment")
        assert sent["operation"] == {"name": "i.op", "retry_number": 0, "max_retries": 0}
        relation = next(ctx.get_node_instance("b_1").relationships)
        target = relation.execute_target_operation("r.op").cloudify_context
        assert target["node_id"] == "a_1" and target["operation"]["relationship"] == "target"
        assert target["related"] == {"node_id": "b_1", "node_name": "b", "is_target": False}

    def test_names_of_an_operation_task(self) -> None:
        ctx = context_of(a_runtime([node("a", {"i.op": operation_struct("mod.fn")})]))
        ctx.graph_mode()
        task = ctx.get_node_instance("a_1").execute_operation("i.op")
        assert task.name == "mod.fn" and task.short_description == "mod.fn (a_1:i.op)"
        assert task.is_remote() and not task.is_local() and task == task.id


class TestTelling:
    """Events and logs of a workflow (checklist 19 to 21)."""

    def test_events_of_the_workflow_and_of_an_instance(self) -> None:
        def workflow(ctx: Any) -> None:
            ctx.send_event("one").get()
            ctx.send_event("two", event_type="mine", args={"a": 1}, additional_context={"b": 2}).get()
            ctx.get_node_instance("a_1").send_event("three").get()

        events = play(workflow, a_runtime([node("a")])).runtime.events[1:-1]
        assert [(each["event_type"], each["message"], each["node_instance_id"]) for each in events] == [
            ("workflow_stage", "one", None),
            ("mine", "two", None),
            ("workflow_node_event", "three", "a_1"),
        ]
        assert events[1]["arguments"] == {"a": 1} and events[1]["context"] == {"b": 2}
        assert events[2]["node_name"] == "a"

    def test_internal_events_are_sent_at_once_in_graph_mode(self) -> None:
        def workflow(ctx: Any) -> None:
            ctx.graph_mode().add_task(ctx.send_event("later"))
            ctx.internal.send_workflow_event("mine", "now")
            ctx.graph_mode().execute()

        assert play(workflow).messages()[1:3] == ["now", "later"]

    def test_log_lines_carry_level_and_instance(self) -> None:
        def workflow(ctx: Any) -> None:
            ctx.logger.debug("fine %s", 1)
            ctx.get_node_instance("a_1").logger.warning("hot")

        logs = play(workflow, a_runtime([node("a")])).runtime.logs
        assert [(each["level"], each["message"], each["node_instance_id"]) for each in logs] == [
            ("debug", "fine 1", None),
            ("warning", "hot", "a_1"),
        ]
        assert logs[0]["logger"] == "ctx.execution"


class TestGraphMode:
    """Switching to graph mode (checklist 15)."""

    def test_it_is_one_graph_per_context(self) -> None:
        ctx = context_of(a_runtime([]))
        assert ctx.graph_mode() is ctx.graph_mode() is ctx.internal.task_graph
        assert ctx.internal.graph_mode is True

    def test_it_is_refused_after_tasks_ran_and_allowed_after_they_were_fetched(self) -> None:
        ctx = context_of(a_runtime([]))
        result = ctx.send_event("x")
        with pytest.raises(RuntimeError, match="Cannot switch to graph mode when tasks have already been executed"):
            ctx.graph_mode()
        result.get()
        ctx.graph_mode()
