"""`InMemoryRuntime`: the runtime's port without a database, for tests of workflows (also of your own).

Operations run in threads of this process, each with a small operation context; everything a workflow did can be
read afterwards: `events`, `logs`, `instances`, `graphs`, `sent`. The context here is not the one of real
operations: it has what workflow tests touch, nothing of the manager.
"""

from __future__ import annotations

import copy
import importlib
import itertools
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

from manager_core.dsl.modification import modify
from manager_core.runtime.messages import ErrorData
from manager_core.runtime.ports import OperationListener, OperationMessage, OperationReport, Record, RetryDefaults
from scheduler.clock import Clock, SystemClock

_TERMINAL = ("succeeded", "failed", "rescheduled")


class VersionConflict(Exception):
    """Somebody else changed the instance first."""


class InMemoryRuntime:
    """A `WorkflowRuntime` that keeps everything in dicts and lists.

    Args:
        nodes, instances: the model, in the shapes of `manager_core.runtime.ports.Model`.
        resolve: task name -> operation function; by default the name is imported.
        inline: run operations in the calling thread: no parallelism, deterministic order.
    """

    def __init__(
        self,
        nodes: Sequence[Record] = (),
        instances: Sequence[Record] = (),
        *,
        execution_id: str = "execution",
        retry_defaults: RetryDefaults | None = None,
        resolve: Callable[[str], Callable[..., Any]] | None = None,
        scaling_groups: dict[str, Record] | None = None,
        clock: Clock | None = None,
        inline: bool = False,
    ) -> None:
        self.clock: Clock = clock or SystemClock()
        self.retry_defaults = retry_defaults or RetryDefaults()
        self.execution_id = execution_id
        self.nodes: dict[str, Record] = {node["id"]: node for node in copy.deepcopy(list(nodes))}
        self.instances: dict[str, Record] = {each["id"]: each for each in copy.deepcopy(list(instances))}
        self.scaling_groups = scaling_groups or {}
        self.events: list[Record] = []
        self.logs: list[Record] = []
        self.graphs: dict[str, Record] = {}
        self.operations: dict[str, Record] = {}
        self.sent: list[OperationMessage] = []
        self.modifications: list[Record] = []
        self.executions: dict[str, Record] = {execution_id: {"id": execution_id, "status": "started"}}
        self.started_executions: list[Record] = []
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.answers: dict[str, Callable[..., Any]] = {}
        self._resolve = resolve or _import
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._pool = None if inline else ThreadPoolExecutor(20, "operation")

    # --- model

    def get_nodes(self) -> list[Record]:
        return copy.deepcopy(list(self.nodes.values()))

    def get_node_instances(self) -> list[Record]:
        with self._lock:
            return copy.deepcopy(list(self.instances.values()))

    def get_node_instance(self, node_instance_id: str) -> Record:
        with self._lock:
            return copy.deepcopy(self.instances[node_instance_id])

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
        parts = {
            "state": state,
            "runtime_properties": runtime_properties,
            "system_properties": system_properties,
            "relationships": relationships,
        }
        with self._lock:
            stored = self.instances[node_instance_id]
            if not force and version is not None and version != stored["version"]:
                raise VersionConflict(
                    f"Node instance update conflict [current version={stored['version']}, update version={version}]"
                )
            stored.update({key: copy.deepcopy(value) for key, value in parts.items() if value is not None})
            stored["version"] += 1
            return copy.deepcopy(stored)

    def set_node_instance_state(self, node_instance_id: str, state: str) -> None:
        with self._lock:
            stored = self.instances[node_instance_id]
            stored["state"] = state
            stored["version"] += 1
            system = stored.setdefault("system_properties", {})
            if state == "configured":
                system.pop("configuration_drift", None)
            elif state == "started":
                now = self.clock.now().isoformat()
                system["status"] = {"ok": True, "result": None, "task": None, "timestamp": now}
                system["previous_status"] = None

    def get_scaling_groups(self) -> dict[str, Record]:
        return copy.deepcopy(self.scaling_groups)

    def get_plugin(self, plugin: Record) -> Record:
        return plugin

    def get_resource_tags(self) -> Record:
        return {}

    def evaluate_functions(self, deployment_id: str, context: Record, payload: Any) -> Any:
        return payload

    # --- modifications

    def start_deployment_modification(self, nodes: Mapping[str, Record]) -> Record:
        """Start a modification, planned as the manager does."""
        with self._lock:
            started = [each["id"] for each in self.modifications if each["status"] == "started"]
            if started:
                raise RuntimeError(
                    "Cannot start deployment modification while there are existing started deployment modifications. "
                    f"Currently started deployment modifications: {started}"
                )
            before = copy.deepcopy((self.instances, self.nodes, self.scaling_groups))
            changes = modify(
                list(self.nodes.values()),
                self.scaling_groups,
                list(self.instances.values()),
                nodes,
                ids=lambda: f"x{next(self._numbers):05d}",
            )
            self._apply(nodes, changes["added_and_related"])
            modification = {
                "id": f"modification-{next(self._numbers)}",
                "status": "started",
                "modified_nodes": dict(nodes),
                "node_instances": {
                    name: [self._completed(each) for each in changes[name]]
                    for name in ("added_and_related", "removed_and_related")
                },
                "_before": before,
            }
            self.modifications.append(modification)
            return copy.deepcopy(modification)

    def _apply(self, wanted: Mapping[str, Record], added_and_related: Sequence[Record]) -> None:
        for name, change in wanted.items():
            if name in self.nodes:
                self.nodes[name]["planned_number_of_instances"] = change["instances"]
            else:
                self.scaling_groups[name]["properties"]["planned_instances"] = change["instances"]
        numbers = [each.get("index") or 0 for each in self.instances.values()]
        for change in added_and_related:
            if change.get("modification") == "added":
                self.instances[change["id"]] = {
                    **copy.deepcopy(self._completed(change)),
                    "index": max(numbers, default=0) + 1,
                }
                self.instances[change["id"]].pop("modification")
            else:
                related = self.instances[change["id"]]
                related["relationships"] = related["relationships"] + copy.deepcopy(change["relationships"])
                related["version"] += 1

    def _completed(self, change: Record) -> Record:
        """Return an instance as planned with what the plan does not know of it."""
        stored = self.instances.get(change["id"]) or {
            "deployment_id": "deployment",
            "host_id": None,
            "state": "uninitialized",
            "version": 1,
            "runtime_properties": {},
            "system_properties": {},
            "scaling_groups": [],
        }
        return copy.deepcopy({**stored, **change})

    def finish_deployment_modification(self, modification_id: str) -> None:
        with self._lock:
            modification = self._started_modification(modification_id, "finish")
            gone = {
                each["id"]
                for each in modification["node_instances"]["removed_and_related"]
                if each.get("modification") == "removed"
            }
            for instance_id in gone:
                del self.instances[instance_id]
            for instance in self.instances.values():
                instance["relationships"] = [r for r in instance["relationships"] if r["target_id"] not in gone]
            for name, change in modification["modified_nodes"].items():
                if name in self.nodes:
                    self.nodes[name]["number_of_instances"] = change["instances"]
                else:
                    self.scaling_groups[name]["properties"]["current_instances"] = change["instances"]
            modification["status"] = "finished"

    def rollback_deployment_modification(self, modification_id: str) -> None:
        with self._lock:
            modification = self._started_modification(modification_id, "rollback")
            self.instances, self.nodes, self.scaling_groups = modification["_before"]
            modification["status"] = "rolledback"

    def list_deployment_modifications(self, status: str) -> list[Record]:
        with self._lock:
            return [copy.deepcopy(each) for each in self.modifications if each["status"] == status]

    def _started_modification(self, modification_id: str, verb: str) -> Record:
        found = next(each for each in self.modifications if each["id"] == modification_id)
        if found["status"] != "started":
            raise RuntimeError(
                f"Cannot {verb} deployment modification: {modification_id}. It is already in {found['status']} status."
            )
        return found

    # --- journal

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
        self.events.append(
            {
                "event_type": event_type,
                "message": message,
                "node_instance_id": node_instance_id,
                "node_name": node_name,
                "source_id": source_id,
                "target_id": target_id,
                "operation": operation,
                "error_causes": error_causes,
                "arguments": arguments,
                "context": context,
            }
        )

    def send_log(
        self,
        level: str,
        logger: str,
        message: str,
        *,
        node_instance_id: str | None = None,
        node_name: str | None = None,
    ) -> None:
        self.logs.append({"level": level, "logger": logger, "message": message, "node_instance_id": node_instance_id})

    # --- stored graphs

    def get_tasks_graph(self, name: str) -> Record | None:
        return self.graphs.get(name)

    def store_tasks_graph(self, name: str, operations: Iterable[Record]) -> Record:
        graph: Record = {"id": f"graph-{next(self._numbers)}", "execution_id": self.execution_id, "name": name}
        with self._lock:
            self.graphs[name] = graph
            for operation in operations:
                self.store_operation(graph["id"], operation)
        return graph

    def get_operations(self, graph_id: str) -> list[Record]:
        with self._lock:
            return copy.deepcopy([each for each in self.operations.values() if each["tasks_graph_id"] == graph_id])

    def store_operation(self, graph_id: str, operation: Record) -> None:
        with self._lock:
            self.operations[operation["id"]] = {**operation, "tasks_graph_id": graph_id}

    def store_operations(self, graph_id: str, operations: Sequence[Record]) -> None:
        with self._lock:
            for operation in operations:
                self.store_operation(graph_id, operation)

    def update_operation(
        self, operation_id: str, state: str, *, result: Any = None, error: ErrorData | None = None
    ) -> None:
        with self._lock:
            operation = self.operations[operation_id]
            operation["state"] = state
            if state in _TERMINAL:
                operation["result"], operation["error"] = result, error

    def remove_operation(self, operation_id: str) -> None:
        with self._lock:
            self.operations.pop(operation_id, None)

    def prepare_resume(self, *, force: bool = False) -> None:
        """Reset stored operations as the resume actions do (workflow-runtime.md §3.4)."""
        with self._lock:
            retried = {each["parameters"].get("retried_task") for each in self.operations.values()}
            states = {"failed", "rescheduled"} | ({"started", "sent", "sending"} if force else set())
            for operation in self.operations.values():
                if operation["state"] in states and operation["id"] not in retried:
                    operation["state"] = "pending"
                    operation["parameters"]["current_retries"] = 0

    # --- operations

    def send_operation(self, message: OperationMessage, listener: OperationListener) -> None:
        self.sent.append(message)
        if self._pool is None:
            self._run(message, listener)
        else:
            self._pool.submit(self._run, message, listener)

    def recover_operation(self, message: OperationMessage, state: str, listener: OperationListener) -> None:
        """Report the kept response; without one the operation was lost with its worker and runs again."""
        operation = self.operations.get(message.task_id, {})
        if "response" in operation:
            listener(operation["response"])
        else:
            self.send_operation(message, listener)

    def _run(self, message: OperationMessage, listener: OperationListener) -> None:
        self._note(message, "started", None)
        listener(OperationReport("started"))
        report = self._call(message)
        self._note(message, "response-sent", report)
        listener(report)

    def _note(self, message: OperationMessage, state: str, report: OperationReport | None) -> None:
        if not message.stored:
            return
        with self._lock:
            operation = self.operations.get(message.task_id)
            if operation is not None:
                operation["state"] = state
                if report is not None:
                    operation["response"] = report

    def _call(self, message: OperationMessage) -> OperationReport:
        from cloudify.errors_as_data import describe
        from cloudify.exceptions import OperationRetry
        from cloudify.state import current_ctx

        kwargs = dict(message.kwargs)
        context = _OperationContext(self, kwargs.pop("__cloudify_context"))
        error: BaseException | None = None
        result: Any = None
        kwargs["ctx"] = context
        with current_ctx.push(context, kwargs):
            try:
                result = self._resolve(context.task_name)(**kwargs)
            except BaseException as raised:  # noqa: BLE001 - an operation may raise anything
                error = raised
            if error is None and context.operation._operation_retry is not None:
                error = OperationRetry(*context.operation._operation_retry)
        context.save()
        if error is not None:
            return OperationReport("ended", error=describe(error))
        return OperationReport("ended", result=result)

    # --- the rest

    def download_resource(self, resource_path: str, target_path: str | None = None) -> str:
        raise LookupError(f"Resource not found: {resource_path}")

    def get_execution(self, execution_id: str) -> Record:
        return dict(self.executions[execution_id])

    def start_execution(self, deployment_id: str, workflow_id: str, **arguments: Any) -> Record:
        started = {
            "id": f"execution-{next(self._numbers)}",
            "deployment_id": deployment_id,
            "workflow_id": workflow_id,
            "status": "terminated",
            **arguments,
        }
        self.started_executions.append(started)
        self.executions[started["id"]] = started
        return dict(started)

    def update_execution_status(self, status: str) -> None:
        self.executions[self.execution_id]["status"] = status

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        self.calls.append((name, args, kwargs))
        if name not in self.answers:
            raise LookupError(f"no such storage call: {name}")
        return self.answers[name](*args, **kwargs)

    def flush(self) -> None:
        """Everything is written at once here."""

    def close(self) -> None:
        """Wait for the operations that still run and end the threads."""
        if self._pool is not None:
            self._pool.shutdown(wait=True)


def _import(task_name: str) -> Callable[..., Any]:
    module_name, _, name = task_name.rpartition(".")
    function: Callable[..., Any] = getattr(importlib.import_module(module_name), name)
    return function


class _Instance:
    """One side of an operation's context: node, and instance with runtime properties."""

    def __init__(self, runtime: InMemoryRuntime, instance_id: str) -> None:
        self._runtime = runtime
        self._record = runtime.get_node_instance(instance_id)
        self.id = instance_id
        self.runtime_properties: Record = self._record.get("runtime_properties") or {}
        self._before = copy.deepcopy(self.runtime_properties)
        self.index = self._record.get("index")
        node = runtime.nodes[self._record["node_id"]]
        self.node = SimpleNamespace(
            id=node["id"],
            name=node["id"],
            type=node["type"],
            type_hierarchy=node["type_hierarchy"],
            properties=node.get("properties") or {},
        )

    def save(self) -> None:
        if self.runtime_properties != self._before:
            self._runtime.update_node_instance(self.id, runtime_properties=self.runtime_properties, force=True)


class _Operation:
    """``ctx.operation``."""

    def __init__(self, context: Record) -> None:
        self.name: str = context.get("name", "")
        self.retry_number: int = context.get("retry_number", 0)
        self.max_retries: int | None = context.get("max_retries")
        self.relationship: str | None = context.get("relationship")
        self._operation_retry: tuple[str, float | None] | None = None

    def retry(self, message: str | None = None, retry_after: float | None = None) -> None:
        """Ask to be run again."""
        self._operation_retry = (message or "", retry_after)


class _OperationContext:
    """The ``ctx`` of an operation run here."""

    def __init__(self, runtime: InMemoryRuntime, context: Record) -> None:
        self._runtime = runtime
        self._context = context
        self.task_id = context["task_id"]
        self.task_name = context["task_name"]
        self.execution_id = context["execution_id"]
        self.workflow_id = context["workflow_id"]
        self.workflow_parameters = context.get("workflow_parameters")
        self.operation = _Operation(context.get("operation") or {})
        self.deployment = SimpleNamespace(id=context.get("deployment_id"))
        related = context.get("related")
        own = context.get("node_id")
        self._sides: list[_Instance] = []
        if related:
            sides = [_Instance(runtime, own or ""), _Instance(runtime, related["node_id"])]
            source, target = sides if related["is_target"] else reversed(sides)
            self.type = "relationship-instance"
            self.source = SimpleNamespace(node=source.node, instance=source)
            self.target = SimpleNamespace(node=target.node, instance=target)
            self._sides = sides
        elif own:
            self.type = "node-instance"
            self.instance = _Instance(runtime, own)
            self.node = self.instance.node
            self._sides = [self.instance]
        else:
            self.type = "deployment"

    def send_event(self, event: str) -> None:
        """Send a ``plugin_event``."""
        self._runtime.send_event("plugin_event", event, node_instance_id=self._context.get("node_id"))

    def save(self) -> None:
        """Store changed runtime properties."""
        for side in self._sides:
            side.save()
