"""Runs workflows on the runtime in memory; used by tests of the SDK's workflow side and of the built-in workflows.

Importing this puts the SDK folder first on `sys.path`, as the runtime does in execution processes.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SDK = ROOT / "manager_core" / "sdk"
if str(SDK) not in sys.path:
    sys.path.insert(0, str(SDK))

from cloudify.workflows import workflow_api  # noqa: E402
from cloudify.workflows.entry import Outcome, announce, run_workflow  # noqa: E402
from cloudify.workflows.workflow_context import CloudifyWorkflowContext  # noqa: E402

from manager_core.runtime.ports import RetryDefaults  # noqa: E402
from manager_core.runtime.testing import InMemoryRuntime  # noqa: E402

NO_RETRIES = RetryDefaults(task_retries=0, task_retry_interval=0, subgraph_retries=0)


@dataclass
class Played:
    """One finished run."""

    outcome: Outcome
    runtime: InMemoryRuntime

    @property
    def status(self) -> str:
        return self.outcome.status

    @property
    def error(self) -> str | None:
        return self.outcome.error

    def messages(self, event_type: str | None = None, about: str | None = None) -> list[str]:
        """Return event texts in order, of one type or about one instance if asked for."""
        return [
            event["message"]
            for event in self.runtime.events
            if (event_type is None or event["event_type"] == event_type)
            and (about is None or event["node_instance_id"] == about)
        ]


def context_of(runtime: InMemoryRuntime, workflow_id: str = "wf", **extra: Any) -> CloudifyWorkflowContext:
    """Return a workflow context on a runtime."""
    return CloudifyWorkflowContext(
        {
            "execution_id": runtime.execution_id,
            "workflow_id": workflow_id,
            "deployment_id": "deployment",
            "blueprint_id": "blueprint",
            "tenant": {"name": "default_tenant"},
            **extra,
        },
        runtime,
    )


def play(
    function: Callable[..., Any],
    runtime: InMemoryRuntime | None = None,
    parameters: dict[str, Any] | None = None,
    **extra: Any,
) -> Played:
    """Run a workflow function to its end, on a new empty runtime if none is given."""
    runtime = runtime if runtime is not None else InMemoryRuntime(retry_defaults=NO_RETRIES)
    workflow_api.cancel_request = workflow_api.kill_request = False
    workflow_api.cancel_callbacks.clear()
    ctx = context_of(runtime, extra.pop("workflow_id", "wf"), **extra)
    try:
        outcome = run_workflow(function, ctx, parameters or {})
        announce(ctx, outcome)
    finally:
        ctx.cleanup()
        workflow_api.cancel_request = workflow_api.kill_request = False
    return Played(outcome, runtime)


def play_plan(runtime: InMemoryRuntime, workflows: dict[str, Any], run: dict[str, Any]) -> Played:
    """Run a declared workflow with its default parameters filled in.

    Args:
        workflows: the plan's workflows.
        run: ``workflow``, ``parameters``, ``task_retries``, ``task_retry_interval``, ``subgraph_retries``.
    """
    declared = workflows[run["workflow"]]
    parameters = {
        name: schema["default"] for name, schema in (declared.get("parameters") or {}).items() if "default" in schema
    }
    parameters.update(run.get("parameters") or {})
    runtime.retry_defaults = RetryDefaults(
        task_retries=run.get("task_retries", 0),
        task_retry_interval=run.get("task_retry_interval", 0),
        subgraph_retries=run.get("subgraph_retries", 0),
    )
    module, _, name = declared["operation"].rpartition(".")
    function = getattr(importlib.import_module(module), name)
    return play(function, runtime, parameters, workflow_id=run["workflow"], **(run.get("context") or {}))


def node(
    node_id: str,
    operations: Sequence[str] | dict[str, dict[str, Any]] = (),
    *,
    types: Sequence[str] = ("cloudify.nodes.Root",),
    relationships: Sequence[dict[str, Any]] = (),
    instances: int = 1,
    properties: dict[str, Any] | None = None,
    host_id: str | None = None,
) -> dict[str, Any]:
    """Return a node record; operations are mapped to the plugin ``p`` unless they say otherwise."""
    structs = operations if isinstance(operations, dict) else {name: {} for name in operations}
    return {
        "id": node_id,
        "deployment_id": "deployment",
        "blueprint_id": "blueprint",
        "type": types[-1],
        "type_hierarchy": list(types),
        "properties": properties or {},
        "operations": {name: operation_struct(**struct) for name, struct in structs.items()},
        "relationships": list(relationships),
        "plugins": [{"name": "p", "package_name": None, "executor": "central_deployment_agent"}],
        "plugins_to_install": [],
        "host_id": host_id,
        "number_of_instances": instances,
        "planned_number_of_instances": instances,
    }


def operation_struct(operation: str = "op", **more: Any) -> dict[str, Any]:
    """Return a mapped operation of a plan; `operation` is the task name."""
    return {
        "plugin": "p",
        "operation": operation,
        "executor": "central_deployment_agent",
        "inputs": {},
        "has_intrinsic_functions": False,
        "max_retries": None,
        "retry_interval": None,
        "timeout": None,
        "timeout_recoverable": None,
        **more,
    }


def relationship(
    target: str,
    type_name: str = "cloudify.relationships.depends_on",
    source: dict[str, dict[str, Any]] | None = None,
    target_operations: dict[str, dict[str, Any]] | None = None,
    properties: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a relationship of a node record."""
    return {
        "type": type_name,
        "type_hierarchy": ["cloudify.relationships.depends_on", type_name],
        "target_id": target,
        "properties": properties or {},
        "source_operations": {name: operation_struct(**struct) for name, struct in (source or {}).items()},
        "target_operations": {name: operation_struct(**struct) for name, struct in (target_operations or {}).items()},
    }


def instances_of(nodes: Sequence[dict[str, Any]], state: str = "uninitialized") -> list[dict[str, Any]]:
    """Return instance records ``NODE_1``, ``NODE_2`` ...; each relates to all instances of its targets."""
    counts = {each["id"]: each["number_of_instances"] for each in nodes}
    return [
        {
            "id": f"{each['id']}_{index}",
            "node_id": each["id"],
            "deployment_id": "deployment",
            "host_id": f"{each['host_id']}_{index}" if each["host_id"] else None,
            "state": state,
            "version": 1,
            "runtime_properties": {},
            "system_properties": {},
            "index": index,
            "scaling_groups": [],
            "relationships": [
                {"type": rel["type"], "target_name": rel["target_id"], "target_id": f"{rel['target_id']}_{number}"}
                for rel in each["relationships"]
                for number in range(1, counts[rel["target_id"]] + 1)
            ],
        }
        for each in nodes
        for index in range(1, each["number_of_instances"] + 1)
    ]


def a_runtime(nodes: Sequence[dict[str, Any]], state: str = "uninitialized", **options: Any) -> InMemoryRuntime:
    """Return a runtime with these nodes and their instances; without retries unless told otherwise."""
    options.setdefault("retry_defaults", NO_RETRIES)
    return InMemoryRuntime(nodes, instances_of(nodes, state), **options)
