"""The section `workflows` (contract §11)."""

from __future__ import annotations

from typing import Any

from manager_core.dsl.context import Context, plain
from manager_core.dsl.errors import Path
from manager_core.dsl.inputs import check_parameters
from manager_core.dsl.operations import SCRIPT_WORKFLOW, Operations, Unresolved
from manager_core.dsl.plugins import records, unique_by_name

_KEYS: dict[str, str | None] = {
    "mapping": "string",
    "parameters": "dict",
    "is_cascading": "boolean",
    "availability_rules": "dict",
}
_RULES: dict[str, str | None] = {
    "available": "boolean",
    "node_instances_active": "list",
    "node_types_required": "list",
}
_ACTIVE = ("all", "partial", "none")
_SCRIPT_DESCRIPTION = "The script that this workflow runs"


def parse(context: Context, operations: Operations) -> dict[str, Any]:
    """Check the section and return its plan form."""
    result: dict[str, Any] = {}
    for name, body in context.section("workflows").items():
        workflow = _parse_one(context, operations, name, body)
        if workflow is not None:
            result[name] = workflow
    return result


def _parse_one(context: Context, operations: Operations, name: str, body: Any) -> dict[str, Any] | None:
    path: Path = ("workflows", name)
    if body is None:
        context.findings.fmt(f"'{name}' key is required but it is currently missing", path)
        return None
    if isinstance(body, str):
        body = {"mapping": body}
    checked = context.record(body, _KEYS, path, required=("mapping",))
    if checked is None:
        return None
    parameters = check_parameters(context, checked.get("parameters"), (*path, "parameters"))
    rules = checked.get("availability_rules")
    if rules is not None:
        _check_rules(context, rules, (*path, "availability_rules"))
    text = checked.get("mapping")
    if not text:
        if text == "":
            context.findings.fmt(f"Workflow '{name}' has an empty mapping", (*path, "mapping"), "")
        return None
    target = operations.target(text, SCRIPT_WORKFLOW)
    if isinstance(target, Unresolved):
        _refuse(context, operations, target, name, text, path)
        # Script parameters given twice are found even when there is no plugin to run them (below).
        target_plugin, target_operation, script = "", "", "script_path" if target.code == 61 else None
    else:
        target_plugin, target_operation, script = target.plugin, target.operation, target.script
    if script is not None:
        if "script_path" in parameters or "script_source" in parameters:
            message = f"Cannot define 'script_path' property in '{text}' for workflow '{name}'"
            context.findings.log(60, message, path, text)
        parameters[script] = {"default": text, "description": _SCRIPT_DESCRIPTION}
    return {
        "plugin": target_plugin,
        "operation": target_operation,
        "parameters": parameters,
        "is_cascading": checked.get("is_cascading", False),
        "availability_rules": plain(rules),
    }


def _refuse(context: Context, operations: Operations, why: Unresolved, name: str, text: str, path: Path) -> None:
    if why.code == 91:
        context.findings.log(91, f"Ambiguous operation mapping. [workflow={name}, plugins={why.detail}]", path, text)
    elif why.code == 61:
        message = f"Script plugin is not defined but it is required for mapping '{SCRIPT_WORKFLOW}' of "
        context.findings.log(61, f"{message}workflow '{name}'", path, text)
    else:
        message = (
            "Could not extract plugin or a script resource is not found from workflow mapping/script-path "
            f"'{text}', which is declared for workflow '{name}'."
        )
        context.findings.log(21, message, path, text, operations.suggestion(text))


def _check_rules(context: Context, rules: Any, path: Path) -> None:
    context.gate("availability_rules", (1, 4), path)
    checked = context.record(rules, _RULES, path) or {}
    for value in checked.get("node_instances_active", ()):
        if not isinstance(value, str):
            here = (*path, "node_instances_active")
            context.findings.fmt(f"Expected 'string' type but found '{type(value).__name__}' type", here, value)
        elif value not in _ACTIVE:
            message = (
                f"Invalid definition of 'node_instances_active' availability rule: '{value}'. Allowed values: {_ACTIVE}"
            )
            context.findings.log(
                103, message, (*path, "node_instances_active"), value, context.findings.nearest(value, _ACTIVE)
            )
    for value in checked.get("node_types_required", ()):
        if not isinstance(value, str):
            here = (*path, "node_types_required")
            context.findings.fmt(f"Expected 'string' type but found '{type(value).__name__}' type", here, value)


def plugins_to_install(workflows: dict[str, Any], plugins: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the plan's `workflow_plugins_to_install`."""
    names = dict.fromkeys(item["plugin"] for item in workflows.values() if item["plugin"] in plugins)
    return unique_by_name([records(plugins, [(name, plugins[name]["executor"]) for name in names])])
