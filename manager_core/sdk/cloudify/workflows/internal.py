"""`ctx.internal`: graph mode, configuration, and the way to the runtime (contract §1.4.1)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from cloudify.constants import TASK_FAILED
from cloudify.workflows import workflow_api as api
from cloudify.workflows.events import tell
from cloudify.workflows.local_tasks import LocalTasksProcessing
from cloudify.workflows.logs import make_logger
from cloudify.workflows.messages import OperationMessage
from cloudify.workflows.tasks_graph import TaskDependencyGraph


class CloudifyWorkflowContextInternal:
    """What tasks and graphs need of a workflow context and authors rarely touch.

    Attributes:
        handler: the runtime's port (`manager_core.runtime.ports.WorkflowRuntime`).
        graph_mode: whether task-making calls return tasks instead of running them.
        closed: whether the workflow is over; late reports of operations are then no longer looked at.
    """

    def __init__(self, workflow_context: Any, handler: Any, thread_pool_size: int) -> None:
        self.workflow_context = workflow_context
        self.handler = handler
        self.graph_mode = False
        self.closed = False
        self._task_graph: TaskDependencyGraph | None = None
        self._bootstrap_context: dict[str, Any] | None = None
        self._plugins: dict[str, dict[str, Any]] = {}
        self._raw_nodes: list[dict[str, Any]] | None = None
        self._clock = handler.clock
        self.monotonic: Callable[[], float] = handler.clock.monotonic
        self.local_tasks_processor = LocalTasksProcessing(workflow_context, self.monotonic, thread_pool_size)

    # --- configuration

    @property
    def bootstrap_context(self) -> dict[str, Any]:
        """The manager's configuration of workflows; what is changed in it holds for this execution."""
        if self._bootstrap_context is None:
            defaults = self.handler.retry_defaults
            self._bootstrap_context = {
                "workflows": {
                    "task_retries": defaults.task_retries,
                    "task_retry_interval": defaults.task_retry_interval,
                    "subgraph_retries": defaults.subgraph_retries,
                }
            }
        return self._bootstrap_context

    def get_task_configuration(self) -> dict[str, Any]:
        """Return ``total_retries`` and ``retry_interval`` of tasks that say nothing else."""
        workflows = self.bootstrap_context["workflows"]
        return {
            "total_retries": workflows.get("task_retries", -1),
            "retry_interval": workflows.get("task_retry_interval", 30),
        }

    def get_subgraph_task_configuration(self) -> dict[str, Any]:
        """Return ``total_retries`` of subgraphs that say nothing else."""
        return {"total_retries": self.bootstrap_context["workflows"].get("subgraph_retries", 0)}

    def tokens(self) -> dict[str, Any]:
        """Return what is left out of stored messages and added again when they are sent."""
        context = self.workflow_context._context
        return {key: context[key] for key in ("execution_token", "rest_token") if key in context}

    def get_plugin(self, plugin: dict[str, Any]) -> dict[str, Any]:
        """Return a plugin entry completed by the runtime, asked for once a plugin."""
        name = plugin["name"]
        if name not in self._plugins:
            self._plugins[name] = self.handler.get_plugin(plugin)
        return self._plugins[name]

    # --- the model

    def raw_nodes(self) -> list[dict[str, Any]]:
        """Return the node records the context was built from."""
        if self._raw_nodes is None:
            self._raw_nodes = self.handler.get_nodes()
        return self._raw_nodes

    def reload(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return node and instance records as they are stored now."""
        self._raw_nodes = self.handler.get_nodes()
        return self._raw_nodes, self.handler.get_node_instances()

    def node_name_of(self, node_instance_id: str) -> str | None:
        """Return the node id of an instance, or None for an unknown one."""
        instance = self.workflow_context.get_node_instance(node_instance_id)
        if instance is not None:
            return instance.node_id
        return node_instance_id.rpartition("_")[0] or None

    def make_logger(self, node_instance_id: str | None = None, node_name: str | None = None) -> Any:
        """Return a logger for the workflow or for an instance."""
        name = f"ctx.{self.workflow_context.execution_id}"
        return make_logger(self.handler, name, node_instance_id, node_name)

    def evaluate_functions(self, deployment_id: str, ctx: dict[str, Any], payload: Any) -> Any:
        """Return `payload` with its intrinsic functions evaluated."""
        return self.handler.evaluate_functions(deployment_id, ctx, payload)

    # --- events

    def send_task_event(self, state: str, task: Any, event: dict[str, Any] | None = None) -> None:
        """Send the event of a task's new state."""
        event = event or {}
        if state == TASK_FAILED or task.send_task_events:
            tell(self.handler, task, state, event.get("result"), event.get("exception"))

    def send_workflow_event(
        self,
        event_type: str,
        message: str | None = None,
        args: Any = None,
        additional_context: dict[str, Any] | None = None,
    ) -> None:
        """Send a workflow event at once, in graph mode too."""
        self.handler.send_event(event_type, message or "", arguments=args, context=additional_context)

    # --- tasks

    @property
    def task_graph(self) -> TaskDependencyGraph:
        """The graph of this context."""
        if self._task_graph is None:
            self._task_graph = TaskDependencyGraph(
                self.workflow_context, default_subgraph_task_config=self.get_subgraph_task_configuration()
            )
        return self._task_graph

    def unix_time(self) -> float:
        """Return the wall clock in unix seconds."""
        return self._clock.now().timestamp()

    def now_text(self) -> str:
        """Return the wall clock as text: UTC, ISO 8601, without an offset, as checks have always stored it."""
        return self._clock.now().replace(tzinfo=None).isoformat()

    def add_local_task(self, task: Callable[[], object]) -> None:
        """Run a callable on the local task threads."""
        self.local_tasks_processor.add_task(task)

    def start_task(self, task: Any) -> Any:
        """Start a task outside graph mode, when its time has come, and remember it until its result is fetched."""
        self.task_graph.add_task(task)
        if task.execute_after is not None:
            self._wait_until(task.execute_after)
        return task.apply_async()

    def _wait_until(self, unix_time: float) -> None:
        cancelled = threading.Event()
        api.cancel_callbacks.add(cancelled.set)
        try:
            end = self.monotonic() + unix_time - self.unix_time()
            while not api.has_cancel_request():
                left = end - self.monotonic()
                if left <= 0:
                    return
                cancelled.wait(min(left, 1))
        finally:
            api.cancel_callbacks.discard(cancelled.set)
        raise api.ExecutionCancelled

    def forget_task(self, task: Any) -> None:
        """Stop waiting for a task at the end of the workflow: its result was fetched."""
        if not self.graph_mode:
            self.task_graph.remove_task(task)

    def wait_for_unfetched(self) -> None:
        """Fetch the results of the tasks nobody fetched (contract §3.1): their failures are the workflow's."""
        if self.graph_mode:
            return
        while tasks := self.task_graph.tasks:
            for task in tasks:
                task.async_result.get()

    def send_operation(self, task: Any) -> None:
        """Hand an operation to the runtime."""
        self.handler.send_operation(_message(task), task.on_report)

    def recover_operation(self, task: Any, state: str) -> None:
        """Let the runtime take up an operation sent in an earlier life of the execution."""
        self.handler.recover_operation(_message(task), state, task.on_report)


def _message(task: Any) -> OperationMessage:
    return OperationMessage(
        task_id=task.id,
        kwargs=task.kwargs,
        stored=task.stored,
        timeout=task.timeout,
        timeout_recoverable=task.timeout_recoverable,
        queue=task._task_queue,
        target=task._task_target,
    )
