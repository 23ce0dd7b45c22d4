"""Inputs, workflow parameters and the declared inputs of operations: one schema entry each (contract §4, §11.2)."""

from __future__ import annotations

from typing import Any

from manager_core.dsl.constraints import check_schema as check_constraints
from manager_core.dsl.constraints import check_value
from manager_core.dsl.context import Context, plain
from manager_core.dsl.errors import DslErrors, Fault, Path
from manager_core.dsl.functions.catalogue import is_function
from manager_core.dsl.properties import check_type_name, complete_default
from manager_core.dsl.value_types import OBJECT_TYPES, PRIMITIVE_TYPES, accepts, mismatch_text

_INPUT: dict[str, str | None] = {
    "required": "boolean",
    "default": None,
    "description": "string",
    "type": "string",
    "item_type": "string",
    "constraints": "list",
    "display_label": "string",
    "hidden": "boolean",
    "display": "dict",
}
_PARAMETER = {key: _INPUT[key] for key in ("required", "default", "description", "type", "item_type", "constraints")}


def parse(context: Context, *, check_defaults: bool = True) -> dict[str, Any]:
    """Check the section `inputs` and return its plan form, typed defaults completed and checked."""
    result: dict[str, Any] = {}
    for name, body in context.section("inputs").items():
        before = len(context.findings.problems)
        entry = check_entry(context, body, ("inputs", name), name)
        if entry is None:
            continue
        result[name] = plain(entry)
        # Constraints that are wrong in form have been reported and cannot be applied.
        if check_defaults and "default" in entry and len(context.findings.problems) == before:
            _check_default(context, name, entry)
    return result


def _check_default(context: Context, name: str, entry: dict[str, Any]) -> None:
    constraints = entry.get("constraints")
    if entry.get("default") is None and not constraints and entry.get("type") not in OBJECT_TYPES:
        return
    try:
        check_value(name, entry["default"], entry, values=None, path=("inputs", name, "default"))
    except DslErrors as errors:
        context.findings.problems += errors.problems


def check_parameters(context: Context, value: Any, path: Path) -> dict[str, Any]:
    """Check a workflow's parameters; return their plan form."""
    result: dict[str, Any] = {}
    for name, body in (context.mapping(value, path) or {}).items():
        entry = check_entry(context, body, (*path, name), name, parameter=True)
        if entry is not None:
            result[name] = plain(entry)
    return result


def check_entry(
    context: Context, body: Any, path: Path, name: str, *, parameter: bool = False
) -> dict[str, Any] | None:
    """Check one schema entry.

    Args:
        context: the blueprint.
        body: the entry as written; null is an empty one.
        path: where it stands.
        name: the input's name, for messages.
        parameter: whether it is a workflow parameter, which has fewer keys.

    Returns:
        The well-formed keys, the default completed when its type is a data type; None when it is no mapping.
    """
    if body is None or body == {}:
        return {}
    entry = context.record(body, _PARAMETER if parameter else _INPUT, path)
    if entry is None:
        return None
    if "default" in body:
        entry["default"] = body["default"]
        context.refuse_date(entry["default"], (*path, "default"))
    if len(entry) == 1 and "default" in entry:
        return entry
    _check_gates(context, entry, path)
    type_ = entry.get("type")
    known = type_ is None or check_type_name(context, type_, (*path, "type"))
    if "item_type" in entry:
        _check_item_type(context, entry["item_type"], type_, (*path, "item_type"))
    if "constraints" in entry:
        check_constraints(
            entry["constraints"],
            (*path, "constraints"),
            context.findings,
            version=context.version if context.check_versions else (1, 5),
            workflow_parameter=parameter,
        )
    if "display" in entry:
        _check_display(context, entry["display"], type_, (*path, "display"), name)
    if entry.get("hidden") and entry.get("required", True) and "default" not in entry:
        text = f"Input is both hidden and required thus it should have a default value: '{name}'."
        context.findings.log(215, text, path, name)
    if known and entry.get("default") is not None:
        entry["default"] = _typed_default(context, entry["default"], type_, (*path, "default"), name)
    return entry


def _check_gates(context: Context, entry: dict[str, Any], path: Path) -> None:
    if context.version >= (1, 4):
        return
    for key, since in (("required", (1, 2)), ("display_label", (1, 3)), ("hidden", (1, 3)), ("item_type", (1, 4))):
        if key in entry:
            context.gate(key, since, (*path, key))


def _typed_default(context: Context, default: Any, type_: str | None, path: Path, name: str) -> Any:
    if type_ is None or is_function(default):
        return default
    if type_ in PRIMITIVE_TYPES:
        if not accepts(type_, default):
            context.findings.log(105, mismatch_text(name, type_, default), path, default)
        return default
    if type_ not in context.data_types:
        return default
    return complete_default(context, type_, default, path, name)


def _check_item_type(context: Context, item_type: str, type_: str | None, path: Path) -> None:
    if item_type not in PRIMITIVE_TYPES:
        context.findings.log(
            217,
            f"Illegal item_type '{item_type}'",
            path,
            item_type,
            context.findings.nearest(item_type, PRIMITIVE_TYPES),
        )
    else:
        check_type_name(context, item_type, path)
    if type_ != "list":
        context.findings.log(218, f"Property item_type defined for unsupported type: '{type_}'", path, item_type)


def _check_display(context: Context, display: Any, type_: str | None, path: Path, name: str) -> None:
    context.record(display, {"rows": "integer"}, path)
    if type_ != "textarea":
        text = f"`display` property defined for unsupported input type ({type_}) for input `{name}`."
        context.findings.add(Fault.INP, 216, text, path, value=display)
