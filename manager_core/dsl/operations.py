"""Operations: their forms, the merge of template over type, and what an implementation's text means (contract §7)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlparse

from manager_core.dsl.context import Context, plain
from manager_core.dsl.errors import Fault, Path
from manager_core.dsl.inputs import check_entry
from manager_core.dsl.namespaces import DELIMITER
from manager_core.dsl.plugins import EXECUTORS, Pair

Raw = dict[str, Any]
"""An operation's seven keys as the plan's `interfaces` show them; inputs are a schema in types, values in templates."""
RawInterfaces = dict[str, dict[str, Raw]]

SCRIPT_OPERATION = "script_runner.tasks.run"
SCRIPT_WORKFLOW = "script_runner.tasks.execute_workflow"

_OPERATION: dict[str, str | None] = {
    "implementation": "string",
    "inputs": "dict",
    "executor": "string",
    "max_retries": "integer",
    "retry_interval": None,
    "timeout": None,
    "timeout_recoverable": "boolean",
}
_SETTINGS = ("executor", "max_retries", "retry_interval", "timeout", "timeout_recoverable")


def no_op() -> Raw:
    """Return the raw form of an operation that does nothing."""
    return {
        "implementation": "",
        "inputs": {},
        "executor": None,
        "max_retries": None,
        "retry_interval": None,
        "timeout": None,
        "timeout_recoverable": None,
    }


def plan_no_op() -> dict[str, Any]:
    """Return the plan form of an operation that does nothing."""
    return {
        "plugin": "",
        "operation": "",
        "executor": None,
        "inputs": {},
        "has_intrinsic_functions": False,
        "max_retries": None,
        "retry_interval": None,
        "timeout": None,
        "timeout_recoverable": None,
    }


def check_interfaces(context: Context, value: Any, path: Path, *, typed: bool) -> RawInterfaces:
    """Check `interfaces` (or source_interfaces, target_interfaces).

    Args:
        context: the blueprint.
        value: the mapping as written; null is an empty one.
        path: where it stands.
        typed: whether it belongs to a type, whose inputs are schemas, or to a template, whose inputs are values.

    Returns:
        Interface → operation → raw form. Inputs of templates are as written, not copied.
    """
    result: RawInterfaces = {}
    for interface, operations in (context.mapping(value, path) or {}).items():
        here = (*path, interface)
        found: dict[str, Raw] = {}
        for name, body in (context.mapping(operations, here) or {}).items():
            found[name] = _check_operation(context, body, (*here, name), typed=typed)
        result[interface] = found
    return result


def _check_operation(context: Context, body: Any, path: Path, *, typed: bool) -> Raw:
    result = no_op()
    if not body and (body is None or body == "" or body == {}):
        return result
    if isinstance(body, str):
        result["implementation"] = body
        return result
    checked = context.record(body, _OPERATION, path)
    if checked is None:
        return result
    if typed and "inputs" in checked:
        checked["inputs"] = _check_input_schemas(context, checked["inputs"], (*path, "inputs"))
    result.update(checked)
    if len(checked) > ("implementation" in checked) + ("inputs" in checked):
        _check_settings(context, result, path)
    return result


def _check_input_schemas(context: Context, inputs: Any, path: Path) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, body in (context.mapping(inputs, path) or {}).items():
        entry = check_entry(context, body, (*path, name), name)
        if entry is not None:
            result[name] = entry
    return result


def _check_settings(context: Context, raw: Raw, path: Path) -> None:
    executor = raw["executor"]
    if executor is not None and executor not in EXECUTORS:
        operation = ".".join(str(part) for part in path[-2:])
        context.findings.log(
            28,
            f"Operation '{operation}' has an illegal executor value '{executor}'. "
            f"valid values are [{','.join(EXECUTORS)}]",
            (*path, "executor"),
            executor,
            context.findings.nearest(executor, EXECUTORS),
        )
    retries = raw["max_retries"]
    if retries is not None:
        context.gate("max_retries", (1, 1), (*path, "max_retries"))
        raw["max_retries"] = int(retries)
        if retries < -1:
            text = "'max_retries' value must be either -1 to specify unlimited retries or a non negative number "
            context.findings.add(Fault.VAL, None, f"{text}but got {retries}.", (*path, "max_retries"), value=retries)
    for key in ("retry_interval", "timeout"):
        value = raw[key]
        if value is None:
            continue
        if key == "retry_interval":
            context.gate(key, (1, 1), (*path, key))
        if not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
            text = f"'{key}' value must be a non-negative number but got {value}."
            context.findings.add(Fault.VAL, None, text, (*path, key), value=value)
            raw[key] = None


def inherit(parent: RawInterfaces, own: RawInterfaces) -> RawInterfaces:
    """Merge a type's interfaces over its parent's: an operation of the child replaces the parent's entirely."""
    if not parent:
        return own
    if not own:
        return parent
    result = {interface: dict(operations) for interface, operations in own.items()}
    for interface, operations in parent.items():
        into = result.setdefault(interface, {})
        for name, raw in operations.items():
            into.setdefault(name, raw)
    return result


def is_no_op(raw: Raw) -> bool:
    """Tell whether an operation is empty in every key."""
    return not raw["implementation"] and not raw["inputs"] and all(raw[key] is None for key in _SETTINGS)


def merge(template: Raw | None, declared: Raw | None) -> tuple[Raw, list[str]]:
    """Merge a template's operation over its type's (contract §7.2).

    Args:
        template: the template's operation, or None.
        declared: the type's operation with its input schemas, or None.

    Returns:
        The merged operation, copied, and the names of declared inputs that have no value.
    """
    if declared is None or (template is not None and (is_no_op(template) or is_no_op(declared))):
        assert template is not None
        return {**template, "inputs": plain(template["inputs"])}, []
    if template is None:
        inputs, missing = _merge_inputs(declared["inputs"], {})
        return {**declared, "inputs": inputs}, missing
    if template["implementation"] and template["implementation"] != declared["implementation"]:
        return {**template, "inputs": plain(template["inputs"])}, []
    inputs, missing = _merge_inputs(declared["inputs"], template["inputs"])
    result = {"implementation": declared["implementation"], "inputs": inputs}
    for key in _SETTINGS:
        result[key] = template[key] if template[key] is not None else declared[key]
    return result, missing


def _merge_inputs(schema: Mapping[str, Any], given: Mapping[Any, Any]) -> tuple[dict[str, Any], list[str]]:
    result: dict[str, Any] = plain(given) if given else {}
    missing: list[str] = []
    for name, entry in schema.items():
        if name not in result:
            if "default" not in entry:
                missing.append(name)
                continue
            result[name] = plain(entry["default"])
        type_ = entry.get("type")
        if type_ is not None and isinstance(result[name], dict):
            result[name]["type"] = type_
    return result, missing


@dataclass(frozen=True)
class Target:
    """What an implementation's text means.

    Attributes:
        plugin: the plugin that runs it.
        operation: the task of the plugin.
        script: the name of the input that carries the text, for scripts; None for plugin tasks.
    """

    plugin: str
    operation: str
    script: str | None = None


@dataclass(frozen=True)
class Unresolved:
    """Why an implementation's text means nothing: LOG(91), LOG(61), or None for the caller's own code."""

    code: int | None
    detail: str = ""


class Operations:
    """Resolves implementations against the blueprint's plugins and files, each text once.

    Args:
        context: the blueprint.
        plugins: the plugins' plan records.
    """

    def __init__(self, context: Context, plugins: Mapping[str, Mapping[str, Any]]) -> None:
        self.context = context
        self.plugins = plugins
        self._declared = context.section("plugins")
        self._script_plugin = next((name for name in self._declared if name.endswith("script")), None)
        self._targets: dict[tuple[str, str], Target | Unresolved] = {}

    def target(self, text: str, script_operation: str) -> Target | Unresolved:
        """Say what a text means (contract §7.3); `script_operation` is the task that runs scripts here."""
        key = (text, script_operation)
        found = self._targets.get(key)
        if found is None:
            found = self._targets[key] = self._find(text, script_operation)
        return found

    def _find(self, text: str, script_operation: str) -> Target | Unresolved:
        is_script = _is_url(text) or self.context.is_file(text.rpartition(DELIMITER)[2])
        inline = not is_script and "\n" in text.strip()
        candidates = self._candidates(text)
        foreign = not candidates and text.partition(DELIMITER)[0] in self._namespaces() and DELIMITER in text
        if is_script or inline or foreign:
            if self._script_plugin is None:
                return Unresolved(61)
            return Target(self._script_plugin, script_operation, "script_source" if inline else "script_path")
        if len(candidates) > 1:
            return Unresolved(91, str(sorted(candidates)))
        if not candidates:
            return Unresolved(None)
        return Target(candidates[0], text[len(candidates[0]) + 1 :])

    def _candidates(self, text: str) -> list[str]:
        found: list[str] = []
        position = text.find(".")
        while position != -1:
            if text[:position] in self._declared:
                found.append(text[:position])
            position = text.find(".", position + 1)
        return found

    def _namespaces(self) -> set[str]:
        return {name.partition(DELIMITER)[0] for name in self.context.merged.namespaces_mapping}

    def resolve(self, name: str, raw: Raw, code: int, where: str, path: Path) -> dict[str, Any]:
        """Return the plan form of a merged operation.

        Args:
            name: the operation's bare name.
            raw: the merged operation; its inputs are copied.
            code: the LOG code for a text that means nothing (10 in nodes, 19 in relationships).
            where: the end of the sentence for that case.
            path: where problems are reported.
        """
        text = raw["implementation"]
        if not text:
            return plan_no_op()
        target = self.target(text, SCRIPT_OPERATION)
        if isinstance(target, Unresolved):
            if target.code == 61:
                self._check_script_inputs(raw["inputs"], text, name, path)
            self._refuse(target, text, name, code, where, path)
            return plan_no_op()
        inputs = plain(raw["inputs"])
        executor = raw["executor"]
        if target.script is not None:
            self._check_script_inputs(inputs, text, name, path)
            inputs[target.script] = text
            executor = executor if executor is not None else "auto"
        elif executor is None:
            executor = self.plugins.get(target.plugin, {}).get("executor")
        result = {
            "plugin": target.plugin,
            "operation": target.operation,
            "executor": executor,
            "inputs": inputs,
            "has_intrinsic_functions": False,
            "max_retries": raw["max_retries"],
            "retry_interval": raw["retry_interval"],
            "timeout": raw["timeout"],
            "timeout_recoverable": raw["timeout_recoverable"],
        }
        types = {key: value["type"] for key, value in inputs.items() if isinstance(value, dict) and "type" in value}
        if types:
            result["inputs_types"] = plain(types)
        return result

    def _check_script_inputs(self, inputs: Mapping[str, Any], text: str, name: str, path: Path) -> None:
        for key in ("script_path", "script_source"):
            if key in inputs:
                message = f"Cannot define 'script_path' property in '{text}' for operation '{name}'"
                self.context.findings.log(60, message, path, key)
                return

    def _refuse(self, why: Unresolved, text: str, name: str, code: int, where: str, path: Path) -> None:
        findings = self.context.findings
        if why.code == 91:
            findings.log(91, f"Ambiguous operation mapping. [operation={name}, plugins={why.detail}]", path, text)
        elif why.code == 61:
            message = f"Script plugin is not defined but it is required for mapping '{SCRIPT_OPERATION}' of "
            findings.log(61, f"{message}operation '{name}'", path, text)
        else:
            message = (
                "Could not extract plugin or a script resource is not found from operation mapping/script-path "
                f"'{text}', which is declared for operation '{name}'. {where}"
            )
            findings.log(code, message, path, text, self.suggestion(text))

    def suggestion(self, text: str) -> str | None:
        """Return the implementation with the nearest plugin's name, or None."""
        plugin, dot, rest = text.partition(".")
        near = self.context.findings.nearest(plugin, self._declared) if dot else None
        return f"{near}.{rest}" if near and near != plugin else None


def _is_url(text: str) -> bool:
    try:
        return bool(urlparse(text).scheme)
    except ValueError:
        return False


def pair_of(operation: Mapping[str, Any]) -> Pair | None:
    """Return the (plugin, executor) pair of a plan operation; None for a no-op."""
    return (operation["plugin"], operation["executor"]) if operation["plugin"] else None
