"""What the workflow side of the SDK asks of the runtime that carries it.

The runtime hands one `WorkflowRuntime` to the workflow context of an execution; the SDK reaches the
database, the runner processes and the clock through nothing else. There are two implementations: the one on
the database, and `manager_core.runtime.testing.InMemoryRuntime`.

All methods may be called from any thread of the execution process. Records (nodes, instances, executions
and so on) are plain JSON-like dicts in the shapes of the REST contract. A lookup that finds nothing raises
`LookupError` (or a subclass) unless its docstring says otherwise.

**Writes are batched and ordered.** Methods marked *queued* return at once; the runtime applies them in the
order of the calls, and must have applied all of them (1) before any later *reading* method of this port
returns, (2) before an operation sent later can read the same thing, and (3) by the time `flush` returns.
What is queued in one breath (a node instance's new state, its event, the operation's `succeeded`) should land in
one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from manager_core.runtime.messages import ErrorData

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RetryDefaults:
    """The manager's configuration of retries, scope ``workflow`` (workflow-runtime.md §2.5).

    Attributes:
        task_retries: default `total_retries` of tasks; -1 is without limit.
        task_retry_interval: default delay before a retry, seconds.
        subgraph_retries: default `total_retries` of subgraphs.
    """

    task_retries: int = 60
    task_retry_interval: float = 15
    subgraph_retries: int = 0


@dataclass(slots=True)  # not frozen: making one would cost three times as much
class OperationReport:
    """What a runner says about an operation.

    Attributes:
        stage: ``started`` once (it may be left out), then ``ended`` exactly once.
        result: what the operation returned; a JSON value; of an ``ended`` report without an error.
        error: of an ``ended`` report that is not a success; its ``kind`` decides about retries (§2.4).
    """

    stage: Literal["started", "ended"]
    result: Any = None
    error: ErrorData | None = None


OperationListener = Callable[[OperationReport], None]


@dataclass(slots=True)  # not frozen: making one would cost three times as much
class OperationMessage:
    """One operation to run.

    Attributes:
        task_id: id of the task; for a stored task also the id of the stored operation.
        kwargs: the arguments, ``__cloudify_context`` among them (workflow-runtime.md §5.7); JSON values.
        stored: whether an operation record with this id exists, whose states ``started`` and ``response-sent`` (with
            the response) the runtime writes *before* it tells the listener.
        timeout: seconds after which the operation's process is ended, or None.
        timeout_recoverable: whether a time-out may be retried.
        queue: the worker queue asked for; ``cloudify.management`` is the central one.
        target: like `queue`, of a host agent.
    """

    task_id: str
    kwargs: Record
    stored: bool = False
    timeout: float | None = None
    timeout_recoverable: bool | None = None
    queue: str | None = None
    target: str | None = None


class Clock(Protocol):
    """The part of `scheduler.clock.Clock` the SDK uses."""

    def now(self) -> Any:
        """Return the instant, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds from an arbitrary origin; never goes back."""
        ...


class Model(Protocol):
    """Nodes, node instances and the deployment."""

    def get_nodes(self) -> list[Record]:
        """Return all nodes of the execution's deployment, each with its plan data; empty without a deployment.

        Keys: ``id, deployment_id, blueprint_id, type, type_hierarchy`` (base type first), ``properties, operations,
        relationships`` (each ``type, type_hierarchy, target_id, properties, source_operations, target_operations``),
        ``plugins, plugins_to_install, host_id, number_of_instances, planned_number_of_instances``.
        """
        ...

    def get_node_instances(self) -> list[Record]:
        """Return all instances of the deployment.

        Keys: ``id, node_id, host_id, deployment_id, state, version, runtime_properties, system_properties, index,
        relationships`` (each ``type, target_id, target_name``, in declared order), ``scaling_groups``
        (``[{name, id}]``).
        """
        ...

    def get_node_instance(self, node_instance_id: str) -> Record:
        """Return one instance as it is stored now."""
        ...

    def update_node_instance(
        self,
        node_instance_id: str,
        *,
        version: int | None = None,
        state: str | None = None,
        runtime_properties: Record | None = None,
        system_properties: Record | None = None,
        relationships: list[Record] | None = None,
        force: bool = False,
    ) -> Record:
        """Write the given parts now and return the new record (its version is one higher).

        With `force` the version is not checked; otherwise a version that is not the stored one is a conflict
        (workflow-runtime.md §5.3) and raises an exception whose text is that conflict's.
        """
        ...

    def set_node_instance_state(self, node_instance_id: str, state: str) -> None:
        """Set the state whatever the version (queued), with the side effects of workflow-runtime.md §3.4.

        ``configured`` resets ``system_properties.configuration_drift``; ``started`` sets ``system_properties.status``
        to ``{ok: true, result: null, task: null, timestamp}`` and ``previous_status`` to null.
        """
        ...

    def get_scaling_groups(self) -> dict[str, Record]:
        """Return the deployment's scaling groups: name -> ``{members, properties}`` (workflow-runtime.md §1.8)."""
        ...

    def get_plugin(self, plugin: Record) -> Record:
        """Return the plugin entry of an operation message, completed with what is known of it (version, tenant)."""
        ...

    def get_resource_tags(self) -> Record:
        """Return the deployment's resource tags, intrinsic functions evaluated."""
        ...

    def evaluate_functions(self, deployment_id: str, context: Record, payload: Any) -> Any:
        """Return `payload` with its intrinsic functions evaluated; `context` binds SELF, SOURCE and TARGET."""
        ...


class Modifications(Protocol):
    """Deployment modification (workflow-runtime.md §7)."""

    def start_deployment_modification(self, nodes: Mapping[str, Record]) -> Record:
        """Start one; raises if one is already started.

        Returns its record: ``id, status, modified_nodes, node_instances`` with ``added_and_related`` and
        ``removed_and_related``: instance records, those added or removed marked by ``modification: 'added' |
        'removed'``, the related ones holding only the changed relationships.
        """
        ...

    def finish_deployment_modification(self, modification_id: str) -> None:
        """Commit it: the new counts stand, removed instances are deleted."""
        ...

    def rollback_deployment_modification(self, modification_id: str) -> None:
        """Put all instances back as they were when it started."""
        ...

    def list_deployment_modifications(self, status: str) -> list[Record]:
        """Return the deployment's modifications in that state, in the shape of `start_deployment_modification`."""
        ...


class Journal(Protocol):
    """Events and logs (workflow-runtime.md §8). The runtime adds timestamp, execution, deployment and workflow."""

    def send_event(
        self,
        event_type: str,
        message: str,
        *,
        node_instance_id: str | None = None,
        node_name: str | None = None,
        source_id: str | None = None,
        target_id: str | None = None,
        operation: str | None = None,
        error_causes: list[Record] | None = None,
        arguments: Any = None,
        context: Record | None = None,
    ) -> None:
        """Record an event (queued). `context` holds further context keys (task id, name, retries, the author's
        own)."""
        ...

    def send_log(
        self,
        level: str,
        logger: str,
        message: str,
        *,
        node_instance_id: str | None = None,
        node_name: str | None = None,
    ) -> None:
        """Record a log line of the workflow (queued). `level` is lower case."""
        ...


class StoredGraphs(Protocol):
    """Tasks graphs and their operations (workflow-runtime.md §3.4)."""

    def get_tasks_graph(self, name: str) -> Record | None:
        """Return ``{id, execution_id, name}`` of this execution's graph of that name, or None."""
        ...

    def store_tasks_graph(self, name: str, operations: Iterable[Record]) -> Record:
        """Store a graph and all its operations in one transaction and return it as above.

        The operations may be made while one goes through them, and anew each time. Each: ``id, name, state, type,
        dependencies`` (ids), ``parameters``. Operations other than NOPs
        count into the execution's ``total_operations``.
        """
        ...

    def get_operations(self, graph_id: str) -> list[Record]:
        """Return the operations of a graph, oldest first, each also with ``tasks_graph_id, created_at, error``.

        ``error`` is what a failed or rescheduled operation raised, as data; None for others, and where it was not kept.
        """
        ...

    def store_operation(self, graph_id: str, operation: Record) -> None:
        """Add one operation to a stored graph (queued)."""
        ...

    def store_operations(self, graph_id: str, operations: Sequence[Record]) -> None:
        """Add operations to a stored graph, all of them or none (queued)."""
        ...

    def update_operation(
        self, operation_id: str, state: str, *, result: Any = None, error: ErrorData | None = None
    ) -> None:
        """Write a task's state (queued). A terminal state counts into ``finished_operations``, once per operation."""
        ...

    def remove_operation(self, operation_id: str) -> None:
        """Delete one operation (queued)."""
        ...


class Operations(Protocol):
    """The runner processes."""

    def send_operation(self, message: OperationMessage, listener: OperationListener) -> None:
        """Run an operation; returns at once, never raises for what the operation does.

        The listener is called from a thread of the runtime, also when the workflow function has ended meanwhile; for
        a stored task what it is told is stored before (see `OperationMessage.stored`).
        """
        ...

    def recover_operation(self, message: OperationMessage, state: str, listener: OperationListener) -> None:
        """Take up an operation sent in an earlier life of the execution, found stored in `state`.

        ``sent``, ``started`` or ``response-sent``. A kept response is reported at once; an operation that still runs
        elsewhere is waited for; after the loss of its worker it is sent again (``sent``), run with ``ctx.resume`` if
        it is resumable, or ends non-recoverable with the text ``worker lost`` (``started``).
        """
        ...


class Deployments(Protocol):
    """Other things a workflow reads and writes; thin storage calls, most of them for the update workflow."""

    def download_resource(self, resource_path: str, target_path: str | None = None) -> str:
        """Fetch a blueprint or deployment resource into a file and return its path."""
        ...

    def get_execution(self, execution_id: str) -> Record:
        """Return an execution's record."""
        ...

    def start_execution(self, deployment_id: str, workflow_id: str, **arguments: Any) -> Record:
        """Start another execution on behalf of this one's user and return its record."""
        ...

    def update_execution_status(self, status: str) -> None:
        """Set a custom status of this execution now."""
        ...

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Carry out one of the storage calls of `STORAGE_CALLS` and return its JSON-like result.

        One door for the calls the SDK only passes through; an unknown name raises `LookupError`.
        """
        ...


STORAGE_CALLS: frozenset[str] = frozenset(
    {
        "get_deployment",
        "set_deployment_attributes",
        "get_blueprint",
        "list_nodes",
        "list_node_instances",
        "update_node",
        "delete_node",
        "delete_node_instance",
        "create_nodes",
        "create_node_instances",
        "get_deployment_update",
        "set_deployment_update_attributes",
        "list_execution_schedules",
        "create_execution_schedule",
        "update_execution_schedule",
        "get_managers",
        "list_idds",
        "update_idds",
        "get_secret",
        "list_child_deployments",
        "update_operation_inputs",
    }
)
"""Names accepted by `Deployments.call`; signatures as in workflow-runtime.md §1.4 without ``self``.

``list_child_deployments()`` returns the ids of the deployments whose ``csys-obj-parent`` label is this one.
"""


class WorkflowRuntime(Model, Modifications, Journal, StoredGraphs, Operations, Deployments, Protocol):
    """Everything together.

    Attributes:
        clock: the only clock of the SDK.
        retry_defaults: the manager's retry configuration.
    """

    clock: Clock
    retry_defaults: RetryDefaults

    def flush(self) -> None:
        """Return when everything queued so far is committed."""
        ...
