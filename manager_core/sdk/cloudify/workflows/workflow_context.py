"""The context of a workflow: the model of its deployment, and the calls that make tasks (contract §1.4)."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from cloudify.state import current_workflow_ctx
from cloudify.workflows import operation_tasks
from cloudify.workflows.ids import new_id
from cloudify.workflows.internal import CloudifyWorkflowContextInternal
from cloudify.workflows.local_tasks import DEFAULT_LOCAL_TASK_THREAD_POOL_SIZE
from cloudify.workflows.modification import Modification, ModificationNodes, WorkflowDeploymentContext
from cloudify.workflows.nodes import (
    CloudifyWorkflowNode,
    CloudifyWorkflowNodeInstance,
    CloudifyWorkflowRelationship,
    CloudifyWorkflowRelationshipInstance,
    WorkflowNodesAndInstancesContainer,
)
from cloudify.workflows.storage_calls import StorageCalls
from cloudify.workflows.tasks import (
    DEFAULT_RETRY_INTERVAL,
    DEFAULT_SEND_TASK_EVENTS,
    DEFAULT_TOTAL_RETRIES,
    DryRunLocalWorkflowTask,
    LocalWorkflowTask,
    NOPLocalWorkflowTask,
    RemoteWorkflowTask,
    SendWorkflowEventTask,
    UpdateExecutionStatusTask,
    WorkflowTask,
)
from cloudify.workflows.tasks_graph import TaskDependencyGraph

_WITHOUT_MODEL = frozenset({"upload_blueprint", "create_deployment_environment", "delete_deployment_environment"})


class CloudifyWorkflowContext(StorageCalls):
    """What a workflow function gets as ``ctx``.

    Args:
        ctx: the ``__cloudify_context`` of the workflow (contract §3.2).
        handler: the runtime's port (`manager_core.runtime.ports.WorkflowRuntime`).
    """

    def __init__(self, ctx: Mapping[str, Any], handler: Any) -> None:
        self._context = dict(ctx)
        pool_size = self._context.get("local_task_thread_pool_size") or DEFAULT_LOCAL_TASK_THREAD_POOL_SIZE
        self._internal = CloudifyWorkflowContextInternal(self, handler, pool_size)
        self._container: WorkflowNodesAndInstancesContainer | None = None
        self._logger: logging.Logger | None = None
        self._operation_base: dict[str, Any] | None = None
        self.resume: bool = bool(self._context.get("resume"))
        self.blueprint = SimpleNamespace(id=self._context.get("blueprint_id"))
        self.deployment = WorkflowDeploymentContext(self._context, self)

    def __repr__(self) -> str:
        return f"<CloudifyWorkflowContext {self.workflow_id} {self.execution_id}>"

    # --- identity and environment

    @property
    def internal(self) -> CloudifyWorkflowContextInternal:
        """Graph mode, configuration and the way to the runtime."""
        return self._internal

    @property
    def bootstrap_context(self) -> dict[str, Any]:
        """The manager's configuration."""
        return self._internal.bootstrap_context

    @property
    def execution_id(self) -> str:
        """Id of the execution."""
        return self._context["execution_id"]

    @property
    def workflow_id(self) -> str:
        """Name of the workflow."""
        return self._context["workflow_id"]

    @property
    def rest_token(self) -> str | None:
        """Token for the REST API."""
        return self._context.get("rest_token")

    @property
    def rest_host(self) -> Any:
        """Host of the REST API."""
        return self._context.get("rest_host")

    @property
    def rest_port(self) -> Any:
        """Port of the REST API."""
        return self._context.get("rest_port")

    @property
    def execution_token(self) -> str | None:
        """Token of this execution."""
        return self._context.get("execution_token")

    @property
    def schedule(self) -> dict[str, Any] | None:
        """The schedule that fired this execution: ``id`` and ``occurrence`` (ISO text); None for any other start."""
        return self._context.get("schedule")

    @property
    def bypass_maintenance(self) -> bool | None:
        """Whether requests of this execution pass in maintenance mode."""
        return self._context.get("bypass_maintenance")

    @property
    def tenant(self) -> dict[str, Any]:
        """The tenant."""
        return self._context.get("tenant") or {}

    @property
    def tenant_name(self) -> str | None:
        """Name of the tenant."""
        return self.tenant.get("name")

    @property
    def execution_creator_username(self) -> str | None:
        """The user who started the execution."""
        return self._context.get("execution_creator_username")

    @property
    def local(self) -> bool:
        """Whether operations run in the workflow's process: never here."""
        return bool(self._context.get("local"))

    @property
    def dry_run(self) -> bool:
        """Whether operations are only told, not run."""
        return bool(self._context.get("dry_run"))

    @property
    def wait_after_fail(self) -> float:
        """Seconds a graph goes on after its first failure."""
        value = self._context.get("wait_after_fail")
        return 600 if value is None else value

    @property
    def logger(self) -> logging.Logger:
        """Logger whose records become logs of the execution."""
        if self._logger is None:
            self._logger = self._internal.make_logger()
        return self._logger

    # --- the model

    @property
    def _nodes_and_instances(self) -> WorkflowNodesAndInstancesContainer:
        if self._container is None:
            self.refresh_node_instances()
        return self._container  # type: ignore[return-value]

    def refresh_node_instances(self) -> None:
        """Load nodes and instances again; objects obtained before stay as they are."""
        if self.deployment.id is None or self.workflow_id in _WITHOUT_MODEL:
            self._container = WorkflowNodesAndInstancesContainer(self, [], [])
        else:
            self._container = WorkflowNodesAndInstancesContainer(self, *self._internal.reload())

    @property
    def nodes(self) -> Iterator[CloudifyWorkflowNode]:
        """Iterator over the deployment's nodes."""
        return self._nodes_and_instances.nodes

    @property
    def node_instances(self) -> Iterator[CloudifyWorkflowNodeInstance]:
        """Iterator over the deployment's node instances."""
        return self._nodes_and_instances.node_instances

    def get_node(self, node_id: str) -> CloudifyWorkflowNode | None:
        """Return a node, or None."""
        return self._nodes_and_instances.get_node(node_id)

    def get_node_instance(self, node_instance_id: str) -> CloudifyWorkflowNodeInstance | None:
        """Return a node instance, or None."""
        return self._nodes_and_instances.get_node_instance(node_instance_id)

    def update_node_instance(
        self,
        node_instance_id: str,
        version: int = 0,
        state: str | None = None,
        runtime_properties: dict[str, Any] | None = None,
        system_properties: dict[str, Any] | None = None,
        relationships: list[dict[str, Any]] | None = None,
        force: bool = False,
    ) -> Any:
        """Write parts of an instance now; the version is checked unless `force`. The cached instance follows."""
        updated = self._internal.handler.update_node_instance(
            node_instance_id,
            version=version,
            state=state,
            runtime_properties=runtime_properties,
            system_properties=system_properties,
            relationships=relationships,
            force=force,
        )
        cached = self.get_node_instance(node_instance_id)
        if cached is not None:
            cached._node_instance.update(updated)
        return updated

    # --- tasks

    def graph_mode(self) -> TaskDependencyGraph:
        """Switch to graph mode and return the context's graph.

        Raises:
            RuntimeError: tasks have been run outside graph mode.
        """
        internal = self._internal
        if internal.graph_mode:
            return internal.task_graph
        if internal.task_graph.tasks:
            raise RuntimeError("Cannot switch to graph mode when tasks have already been executed")
        internal.graph_mode = True
        return internal.task_graph

    def _process_task(self, task: WorkflowTask) -> Any:
        """Return the task in graph mode; otherwise start it and return its result object."""
        if self._internal.graph_mode:
            return task
        self._internal.task_graph.add_task(task)
        return task.apply_async()

    def send_event(
        self,
        event: str,
        event_type: str = "workflow_stage",
        args: Any = None,
        additional_context: dict[str, Any] | None = None,
    ) -> Any:
        """Send a workflow event."""
        return self._process_task(
            SendWorkflowEventTask(event, event_type, args, additional_context, workflow_context=self)
        )

    def update_execution_status(self, new_status: str) -> Any:
        """Set a custom status of the execution."""
        return self._process_task(UpdateExecutionStatusTask(new_status, workflow_context=self))

    def _execute_operation(
        self,
        operation: str,
        node_instance: CloudifyWorkflowNodeInstance,
        operations: Mapping[str, Any],
        related_node_instance: CloudifyWorkflowNodeInstance | None = None,
        kwargs: dict[str, Any] | None = None,
        allow_kwargs_override: bool = False,
        send_task_events: bool = DEFAULT_SEND_TASK_EVENTS,
    ) -> Any:
        struct = operations.get(operation)
        if not struct or not struct.get("operation"):
            return NOPLocalWorkflowTask(self)
        call = operation_tasks.prepare(
            self, operation, struct, node_instance, related_node_instance, kwargs, allow_kwargs_override
        )
        return self.execute_task(send_task_events=send_task_events, **call)

    def execute_task(
        self,
        task_name: str,
        local: bool = True,
        task_queue: str | None = None,
        task_target: str | None = None,
        kwargs: dict[str, Any] | None = None,
        node_context: dict[str, Any] | None = None,
        send_task_events: bool = DEFAULT_SEND_TASK_EVENTS,
        total_retries: int | None = None,
        retry_interval: float | None = None,
        timeout: float | None = None,
        timeout_recoverable: bool | None = None,
    ) -> Any:
        """Run the function `task_name` as an operation.

        Args:
            local: let the task be a local one that waits for the operation; otherwise it is a remote task.
        """
        task_id = new_id()
        configuration = self._internal.get_task_configuration()
        if total_retries is None:
            total_retries = configuration["total_retries"]
        if retry_interval is None:
            retry_interval = configuration["retry_interval"]
        context = operation_tasks.context(
            self, task_id, task_name, node_context or {}, timeout, timeout_recoverable, task_queue, task_target
        )
        arguments = operation_tasks.copied(kwargs or {})
        arguments["__cloudify_context"] = context
        common = {"total_retries": total_retries, "retry_interval": retry_interval}
        if self.dry_run:
            return DryRunLocalWorkflowTask(
                local_task=lambda **_: None,
                workflow_context=self,
                name=task_name,
                info=task_name,
                kwargs=arguments,
                task_id=task_id,
                send_task_events=send_task_events,
                **common,
            )
        if local:
            task: WorkflowTask = LocalWorkflowTask(
                local_task=operation_tasks.LocalOperation(self, task_id, timeout, timeout_recoverable),
                workflow_context=self,
                name=task_name,
                info=task_name,
                kwargs=arguments,
                task_id=task_id,
                send_task_events=send_task_events,
                **common,
            )
        else:
            task = RemoteWorkflowTask(
                kwargs=arguments,
                cloudify_context=context,
                workflow_context=self,
                task_id=task_id,
                task_queue=task_queue,
                task_target=task_target,
                info=task_name,
                timeout=timeout,
                timeout_recoverable=timeout_recoverable,
                send_task_events=send_task_events,
                **common,
            )
        return self._process_task(task)

    def local_task(
        self,
        local_task: Callable[..., Any],
        node: Any = None,
        info: Any = None,
        kwargs: dict[str, Any] | None = None,
        task_id: str | None = None,
        name: str | None = None,
        send_task_events: bool = DEFAULT_SEND_TASK_EVENTS,
        override_task_config: bool = False,
        total_retries: int | None = None,
        retry_interval: float | None = None,
    ) -> Any:
        """Run a callable in the workflow process.

        Configuration, weakest first: the manager's, this call's, the callable's `task_config`; with
        `override_task_config` the last two change places.
        """
        configuration = self._internal.get_task_configuration()
        decorated = getattr(local_task, "workflow_task_config", None)
        if decorated and override_task_config:
            configuration.update(decorated)
        if total_retries is not None:
            configuration["total_retries"] = total_retries
        if retry_interval is not None:
            configuration["retry_interval"] = retry_interval
        if not send_task_events:
            configuration["send_task_events"] = False
        if decorated and not override_task_config:
            configuration.update(decorated)
        return self._process_task(
            LocalWorkflowTask(
                local_task=local_task,
                workflow_context=self,
                node=node,
                info=info,
                kwargs=kwargs,
                task_id=task_id,
                name=name,
                **configuration,
            )
        )

    def remote_task(
        self,
        kwargs: dict[str, Any],
        cloudify_context: dict[str, Any],
        task_id: str,
        task_queue: str | None = None,
        task_target: str | None = None,
        send_task_events: bool = DEFAULT_SEND_TASK_EVENTS,
        total_retries: int | None = None,
        retry_interval: float | None = None,
        timeout: float | None = None,
        timeout_recoverable: bool | None = None,
    ) -> Any:
        """Run an operation whose message is given (low level)."""
        configuration = self._internal.get_task_configuration()
        return self._process_task(
            RemoteWorkflowTask(
                kwargs=kwargs,
                cloudify_context=cloudify_context,
                workflow_context=self,
                task_id=task_id,
                task_queue=task_queue,
                task_target=task_target,
                send_task_events=send_task_events,
                total_retries=configuration["total_retries"] if total_retries is None else total_retries,
                retry_interval=configuration["retry_interval"] if retry_interval is None else retry_interval,
                timeout=timeout,
                timeout_recoverable=timeout_recoverable,
            )
        )

    def cleanup(self, finished: bool = True) -> None:
        """Stop looking at late reports and end the local task threads (the runtime calls this)."""
        self._internal.closed = True
        self._internal.local_tasks_processor.stop()


def task_config(fn: Callable[..., Any] | None = None, **arguments: Any) -> Callable[..., Any]:
    """Decorate a callable with the configuration of local tasks made of it (`CloudifyWorkflowContext.local_task`)."""
    if fn is None:
        return lambda function: task_config(function, **arguments)
    fn.workflow_task_config = copy.copy(arguments)  # type: ignore[attr-defined]
    return fn


__all__ = [
    "DEFAULT_LOCAL_TASK_THREAD_POOL_SIZE",
    "DEFAULT_RETRY_INTERVAL",
    "DEFAULT_TOTAL_RETRIES",
    "CloudifyWorkflowContext",
    "CloudifyWorkflowContextInternal",
    "CloudifyWorkflowNode",
    "CloudifyWorkflowNodeInstance",
    "CloudifyWorkflowRelationship",
    "CloudifyWorkflowRelationshipInstance",
    "Modification",
    "ModificationNodes",
    "WorkflowDeploymentContext",
    "WorkflowNodesAndInstancesContainer",
    "current_workflow_ctx",
    "task_config",
]
