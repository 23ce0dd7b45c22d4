"""The sections that carry values: outputs, capabilities, labels, resource tags (contract §13)."""

from __future__ import annotations

from typing import Any

from manager_core.dsl.context import Context, plain
from manager_core.dsl.errors import Fault, Path
from manager_core.dsl.functions.catalogue import function_name

_VALUE: dict[str, str | None] = {"description": "string", "value": None}


def parse_values(context: Context, section: str) -> dict[str, Any]:
    """Check `outputs` or `capabilities` and return the plan form."""
    result: dict[str, Any] = {}
    for name, body in context.section(section).items():
        if body is None:
            result[name] = {}
            continue
        checked = context.record(body, _VALUE, (section, name), required=("value",))
        if checked is not None:
            context.refuse_date(checked.get("value"), (section, name, "value"))
            result[name] = plain(checked)
    return result


def parse_labels(context: Context, section: str) -> dict[str, Any]:
    """Check `labels` (values are text or functions) or `blueprint_labels` (values are text); return the plan form."""
    result: dict[str, Any] = {}
    for name, body in context.section(section).items():
        path: Path = (section, name)
        if body is None:
            context.findings.add(Fault.TYPE, None, f"The label '{name}' has no values", path)
            continue
        checked = context.record(body, {"values": "list"}, path, required=("values",))
        if checked is None:
            continue
        for index, value in enumerate(checked.get("values", ())):
            _check_label(context, section, name, value, (*path, "values", index))
        result[name] = plain(checked)
    return result


def _check_label(context: Context, section: str, name: str, value: Any, path: Path) -> None:
    if isinstance(value, str):
        return
    if section == "blueprint_labels":
        text = f"The blueprint label's value must be a string. Please modify the values of {name}"
    elif not isinstance(value, dict):
        text = f"The label's value must be a string or an intrinsic function. Please modify the values of {name}"
    elif function_name(value) == "get_attribute" or "get_attribute" in value:
        text = (
            "The label's value cannot be a runtime property. Please remove the `get_attribute` function from the "
            f"values of {name}"
        )
    else:
        return
    context.findings.add(Fault.DSL, 1, text, path, value=value)


def parse_tags(context: Context) -> dict[str, Any]:
    """Check `resource_tags` and return the plan form."""
    section = context.section("resource_tags")
    context.gate_section("resource_tags", (1, 3))
    for name, value in section.items():
        context.refuse_date(value, ("resource_tags", name))
    result: dict[str, Any] = plain(section)
    return result
