"""Names that public plugins import beyond the contract's table, and the older forms of them."""

from __future__ import annotations

import importlib
import inspect
import os
from typing import Any

import pytest

NAMES = {
    "cloudify._compat": "PY2 StringIO builtins queue reraise text_type urlparse urlencode unquote url2pathname",
    "cloudify.cluster": "CloudifyClusterClient ClusterHTTPClient",
    "cloudify.plugins.lifecycle": (
        "_host_post_start _host_pre_stop _relationship_operations _relationships_operations _skip_nop_operations "
        "set_send_node_event_on_error_handler install_node_instance_subgraph uninstall_node_instance_subgraph"
    ),
    "cloudify.ctx_wrappers": "__file__",
    "cloudify.compute": "create_multi_mimetype_userdata SCRIPT_MIME_TYPE",
    "cloudify.deployment_dependencies": (
        "build_deployment_dependency format_dependency_creator create_deployment_dependency "
        "dependency_creator_generator DEPENDENCY_CREATOR SOURCE_DEPLOYMENT TARGET_DEPLOYMENT"
    ),
    "cloudify_rest_client.agents": "Agent AgentsClient",
    "cloudify_rest_client.blueprints": "Blueprint BlueprintsClient",
    "cloudify_rest_client.deployments": (
        "Deployment DeploymentsClient DeploymentGroup DeploymentGroupsClient DeploymentOutputs DeploymentCapabilities"
    ),
    "cloudify_rest_client.evaluate": "EvaluateClient EvaluatedFunctions",
    "cloudify_rest_client.executions": "Execution ExecutionsClient ExecutionGroup ExecutionGroupsClient",
    "cloudify_rest_client.filters": "Filter FiltersClient BlueprintsFiltersClient DeploymentsFiltersClient",
    "cloudify_rest_client.labels": "Label BlueprintsLabelsClient DeploymentsLabelsClient",
    "cloudify_rest_client.maintenance": "Maintenance MaintenanceModeClient",
    "cloudify_rest_client.manager": "ManagerClient ManagerItem ConfigItem RabbitMQBrokerItem DBNodeItem",
    "cloudify_rest_client.nodes": "Node NodesClient NodeTypesClient",
    "cloudify_rest_client.operations": "Operation OperationsClient TasksGraph TasksGraphClient",
    "cloudify_rest_client.permissions": "Permission PermissionsClient",
    "cloudify_rest_client.sites": "Site SitesClient",
    "cloudify_rest_client.snapshots": "Snapshot SnapshotsClient",
    "cloudify_rest_client.summary": "SummariesClient SummaryClient",
    "cloudify_rest_client.tokens": "Token TokensClient",
    "cloudify_rest_client.users": "User UsersClient",
    "cloudify_rest_client.utils": "tar_blueprint tar_file is_supported_archive_type get_file_content",
    "cloudify_rest_client.workflows": "WorkflowsClient",
    "cloudify_types.component": (
        "upload_blueprint create execute_start delete refresh check_drift check_status heal update"
    ),
    "cloudify_types.shared_resource.constants": "SHARED_RESOURCE_TYPE",
    "cloudify_types.shared_resource.execute_shared_resource_workflow": "_get_target_shared_resource_client",
    "cloudify_types.shared_resource.operations": "execute_workflow connect_deployment disconnect_deployment refresh",
    "cloudify_types.blueprint": "upload delete",
    "cloudify_types.password_secret": "create creation_validation delete",
    "script_runner.tasks": (
        "POLL_LOOP_INTERVAL POLL_LOOP_LOG_ITERATIONS ILLEGAL_CTX_OPERATION_ERROR UNSUPPORTED_SCRIPT_FEATURE_ERROR "
        "ProcessException process_ctx_request start_ctx_proxy _get_process_environment"
    ),
}


@pytest.mark.parametrize("module", NAMES)
def test_a_module_offers_the_names_that_plugins_import(module: str) -> None:
    """Each under exactly that name."""
    offered = importlib.import_module(module)
    assert [name for name in NAMES[module].split() if not hasattr(offered, name)] == []


def test_plugins_run_scripts_themselves(ctx: Any) -> None:
    """Their own loop has the proxy, the environment with its address, and a call that serves nothing more."""
    from script_runner.tasks import _get_process_environment, process_ctx_request, start_ctx_proxy

    proxy = start_ctx_proxy(ctx, {})
    try:
        found = _get_process_environment({"env": {"MINE": "1"}}, proxy)
        assert (found["MINE"], found["CTX_SOCKET_URL"]) == ("1", proxy.socket_url)
        assert set(os.environ) <= set(found)
        assert process_ctx_request(proxy) is None
    finally:
        proxy.close()


def test_the_operation_decorator_takes_the_function_by_name() -> None:
    """Decorators of plugins hand it on so."""
    from cloudify.decorators import operation

    def function(**_: Any) -> None:
        """Does nothing."""

    assert operation(func=function, resumable=True) is function
    assert function.resumable is True  # type: ignore[attr-defined]


def test_a_need_is_written_in_the_words_of_two_generations() -> None:
    """Version 5 gives arguments by place, version 7 by name; unknown ones are refused."""
    from cloudify.deployment_dependencies import (
        build_deployment_dependency,
        create_deployment_dependency,
        dependency_creator_generator,
        format_dependency_creator,
    )

    assert format_dependency_creator("component", "n_1") == dependency_creator_generator("component", "n_1")
    old = create_deployment_dependency("component.n_1", "dep", "part")
    assert old == build_deployment_dependency("component.n_1", source_deployment="dep", target_deployment="part")
    assert old == {"dependency_creator": "component.n_1", "source_deployment": "dep", "target_deployment": "part"}
    with pytest.raises(RuntimeError, match=r"attribute\(s\): colour"):
        build_deployment_dependency("c", colour=1)


def test_older_plugins_iterate_over_the_tasks_of_a_graph() -> None:
    """`tasks_iter` is a method that gives an iterator."""
    from cloudify.workflows.tasks_graph import TaskDependencyGraph

    assert list(inspect.signature(TaskDependencyGraph.tasks_iter).parameters) == ["self"]


def test_steps_that_do_nothing_are_left_out() -> None:
    """Workflows of plugins put them together as the built-in ones are."""
    from cloudify.plugins.lifecycle import _skip_nop_operations, set_send_node_event_on_error_handler

    class Task:
        on_failure: Any = None

        def __init__(self, does_nothing: bool = False) -> None:
            self.does_nothing = does_nothing

        def is_nop(self) -> bool:
            return self.does_nothing

    task = Task()
    assert _skip_nop_operations(task, pre="before", post=["after", "later"]) == ["before", task, "after", "later"]
    assert _skip_nop_operations(task) == [task]
    assert _skip_nop_operations(Task(does_nothing=True), "before") == _skip_nop_operations(None, "before") == []
    set_send_node_event_on_error_handler(task, type("Instance", (), {"id": "vm_1"}))
    assert task.on_failure.dump() == {"instance_id": "vm_1"}


def test_reraise_keeps_the_exception() -> None:
    """As plugins for two Pythons call it."""
    from cloudify._compat import reraise

    with pytest.raises(ValueError, match="mine"):
        reraise(ValueError, ValueError("mine"), None)
