"""From an operation of the plan to the task that runs it: arguments, retries and context (contract §1.6.1, §5.7)."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from cloudify.errors_as_data import restore
from cloudify.state import current_workflow_ctx
from cloudify.workflows.messages import OperationMessage

_PLUGIN_KEYS = ("name", "package_name", "package_version", "visibility", "tenant_name", "source", "properties")
_BASE_KEYS = (
    "execution_id",
    "workflow_id",
    "tenant",
    "blueprint_id",
    "deployment_id",
    "deployment_display_name",
    "deployment_creator",
    "deployment_resource_tags",
    "rest_token",
    "rest_host",
    "rest_port",
    "bypass_maintenance",
    "execution_token",
    "execution_creator_username",
    "runtime_only_evaluation",
)


def copied(value: Any) -> Any:
    """Return a deep copy of a JSON-like value; other objects are left for the sender to refuse."""
    if isinstance(value, dict):
        return {key: copied(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [copied(each) for each in value]
    return value


def prepare(
    ctx: Any,
    name: str,
    struct: Mapping[str, Any],
    node_instance: Any,
    related: Any,
    kwargs: dict[str, Any] | None,
    allow_kwargs_override: bool,
) -> dict[str, Any]:
    """Return the arguments of `CloudifyWorkflowContext.execute_task` for an operation of an instance.

    Raises:
        RuntimeError: the plugin is unknown, an argument is defined twice, or an input has the wrong type.
    """
    node = node_instance.node
    plugin_name = struct["plugin"]
    declared = next((plugin for plugin in node.plugins if plugin["name"] == plugin_name), None)
    if declared is None:
        raise RuntimeError(f"Plugin not found: {plugin_name}")
    plugin = ctx.internal.get_plugin(declared)
    total_retries = struct.get("max_retries")
    if total_retries is None:
        total_retries = ctx.internal.get_task_configuration()["total_retries"]
    node_context: dict[str, Any] = {
        "node_id": node_instance.id,
        "node_name": node_instance.node_id,
        "plugin": {key: plugin.get(key) for key in _PLUGIN_KEYS},
        "operation": {"name": name, "retry_number": 0, "max_retries": total_retries},
        "has_intrinsic_functions": bool(struct.get("has_intrinsic_functions")),
        "host_id": node_instance._node_instance.get("host_id"),
        "executor": struct.get("executor"),
    }
    if related is not None:
        is_target = any(each.target_id == related.id for each in node_instance.relationships)
        node_context["related"] = {"node_id": related.id, "node_name": related.node_id, "is_target": is_target}
        node_context["operation"]["relationship"] = "source" if is_target else "target"
    arguments = merged(name, struct.get("inputs") or {}, kwargs or {}, allow_kwargs_override)
    types = struct.get("inputs_types")
    if types:
        check_types(types, arguments)
    return {
        "task_name": struct["operation"],
        "local": False,
        "kwargs": arguments,
        "node_context": node_context,
        "total_retries": total_retries,
        "retry_interval": struct.get("retry_interval"),
        "timeout": struct.get("timeout"),
        "timeout_recoverable": struct.get("timeout_recoverable"),
    }


def merged(
    operation: str, inputs: Mapping[str, Any], kwargs: Mapping[str, Any], allow_override: bool | None
) -> dict[str, Any]:
    """Return the declared inputs updated with the caller's arguments; raises for a key in both unless allowed."""
    if not allow_override:
        for key in kwargs:
            if key in inputs:
                raise RuntimeError(
                    f"Duplicate definition of {key} in operation properties and in kwargs. "
                    f'To allow redefinition, pass "allow_kwargs_override" to "execute_operation"'
                )
    return {**inputs, **kwargs}


_CHECKS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "float": (int, float),
    "boolean": (bool,),
    "list": (list,),
    "dict": (dict,),
}


def check_types(types: Mapping[str, Any], arguments: Mapping[str, Any]) -> None:
    """Refuse arguments that are not of their declared type; intrinsic functions are of any type."""
    for key, declared in types.items():
        wanted = declared.get("type") if isinstance(declared, dict) else declared
        if key not in arguments or wanted not in _CHECKS:
            continue
        value = arguments[key]
        if value is None or (isinstance(value, dict) and len(value) == 1 and wanted != "dict"):
            continue
        fits = isinstance(value, _CHECKS[wanted]) and (wanted == "boolean" or not isinstance(value, bool))
        if not fits and isinstance(value, str):
            fits = _converts(value, wanted)
        if not fits:
            raise RuntimeError(f"Value {value} of '{key}' does not match the definition: {wanted}")


def _converts(text: str, wanted: str) -> bool:
    if wanted == "boolean":
        return text.lower() in ("true", "false", "yes", "no", "on", "off")
    if wanted in ("integer", "float"):
        try:
            int(text) if wanted == "integer" else float(text)
        except ValueError:
            return False
        return True
    return False


def context(
    ctx: Any,
    task_id: str,
    task_name: str,
    node_context: Mapping[str, Any],
    timeout: float | None,
    timeout_recoverable: bool | None,
    task_queue: str | None,
    task_target: str | None,
) -> dict[str, Any]:
    """Return the ``__cloudify_context`` of an operation (contract §5.7)."""
    base = ctx._operation_base
    if base is None:
        source = ctx._context
        base = {"__cloudify_context": "0.3", "type": "operation", "local": False}
        base.update({key: source.get(key) for key in _BASE_KEYS})
        try:
            base["workflow_parameters"] = dict(current_workflow_ctx.get_parameters())
        except RuntimeError:
            base["workflow_parameters"] = {}
        base["workflow_parameters"].pop("ctx", None)
        ctx._operation_base = base
    return {
        **base,
        "task_id": task_id,
        "task_name": task_name,
        "timeout": timeout,
        "timeout_recoverable": timeout_recoverable,
        "task_queue": task_queue,
        "task_target": task_target,
        **node_context,
    }


class LocalOperation:
    """The callable of a local task that runs an operation in a runner and waits for it."""

    def __init__(self, ctx: Any, task_id: str, timeout: float | None, timeout_recoverable: bool | None) -> None:
        self._ctx = ctx
        self._task_id = task_id
        self._timeout = timeout
        self._timeout_recoverable = timeout_recoverable

    def __call__(self, **kwargs: Any) -> Any:
        """Run the operation; raises what it raised."""
        ended = threading.Event()
        reports: list[Any] = []

        def listen(report: Any) -> None:
            if report.stage == "ended":
                reports.append(report)
                ended.set()

        message = OperationMessage(
            self._task_id, kwargs, timeout=self._timeout, timeout_recoverable=self._timeout_recoverable
        )
        self._ctx.internal.handler.send_operation(message, listen)
        ended.wait()
        report = reports[0]
        if report.error is not None:
            raise restore(report.error)
        return report.result
