"""Scalable properties, of node templates and of scaling policies (contract §9.2)."""

from __future__ import annotations

from typing import Any

from manager_core.dsl.context import Context, plain
from manager_core.dsl.errors import Path
from manager_core.dsl.functions.catalogue import is_function
from manager_core.dsl.merge import type_name

UNBOUNDED = -1
_NAMES: dict[str, str | None] = {"default_instances": None, "min_instances": None, "max_instances": None}


def parse(context: Context, value: Any, path: Path, default: int = 1) -> dict[str, Any]:
    """Check the properties and return all five of them.

    Args:
        context: the blueprint.
        value: the mapping as written; null is an empty one.
        path: where it stands.
        default: the number of instances without `default_instances`.
    """
    given = context.record(value, _NAMES, path) or {}
    result: dict[str, Any] = {"min_instances": 0, "max_instances": UNBOUNDED, "default_instances": default}
    good = True
    for name, item in given.items():
        checked = _check_one(context, name, item, (*path, name))
        if checked is None:
            good = False
        else:
            result[name] = checked
    if good:
        _check_order(context, result, path)
    result["current_instances"] = plain(result["default_instances"])
    result["planned_instances"] = plain(result["default_instances"])
    return result


def _check_one(context: Context, name: str, value: Any, path: Path) -> Any:
    findings = context.findings
    if isinstance(value, dict):
        if is_function(value):
            return plain(value)
        findings.log(210, f"{name} should be a valid intrinsic function or a value.", path, value)
    elif name == "max_instances" and isinstance(value, str):
        if value == "UNBOUNDED":
            return UNBOUNDED
        findings.log(208, "The only valid string for max_instances is UNBOUNDED.", path, value, "UNBOUNDED")
    elif not isinstance(value, int):
        findings.fmt(f"Expected '['dict', 'integer']' type but found '{type_name(value)}' type", path, value)
    elif name == "max_instances" and (value == 0 or value < UNBOUNDED):
        findings.log(207, f"max_instances value must be 1 or more, or UNBOUNDED, it is {value}", path, value)
    elif name != "max_instances" and value < 0:
        findings.log(207, f"{name} value must not be negative, it is {value}", path, value)
    else:
        return int(value)
    return None


def _check_order(context: Context, values: dict[str, Any], path: Path) -> None:
    low, high, default = values["min_instances"], values["max_instances"], values["default_instances"]
    texts: list[str] = []
    if _both(default, low) and default < low:
        texts.append(f"default_instances ({default}) cannot be smaller than min_instances ({low})")
    if high != UNBOUNDED:
        if _both(default, high) and default > high:
            texts.append(f"default_instances ({default}) cannot be greater than max_instances ({high})")
        if _both(low, high) and low > high:
            texts.append(f"min_instances ({low}) cannot be greater than max_instances ({high})")
    for text in texts:
        context.findings.log(207, text, path)


def _both(left: Any, right: Any) -> bool:
    return isinstance(left, int) and isinstance(right, int)
