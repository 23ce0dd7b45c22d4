"""Plans in a form that can be compared: what has no order is sorted, what is ours alone is left out."""

from __future__ import annotations

import json
from typing import Any


def _key(item: Any) -> str:
    return json.dumps(item, sort_keys=True)


def _sort(body: dict[str, Any], keys: list[str]) -> None:
    for key in keys:
        if key in body:
            body[key] = sorted(body[key], key=_key)


def comparable(plan: dict[str, Any]) -> dict[str, Any]:
    """Return a plan with lists of plugins, members and requirements sorted, nodes by name, and no schedule zones."""
    plan = json.loads(json.dumps(plan))
    plan["node_order"] = [node["id"] for node in plan["nodes"]]
    plan["nodes"] = {node["id"]: node for node in plan["nodes"]}
    lists = ["plugins", "plugins_to_install", "deployment_plugins_to_install"]
    for node in plan["nodes"].values():
        _sort(node, lists)
    _sort(plan, [key for key in plan if key.endswith("_to_install")])
    for section in ("groups", "scaling_groups"):
        for body in plan[section].values():
            _sort(body, ["members"])
    for workflow in plan["workflows"].values():
        for name in ("script_path", "script_source"):
            # The sentence that describes it is each implementation's own.
            workflow["parameters"].get(name, {}).pop("description", None)
    for schedule in plan["deployment_settings"].get("default_schedules", {}).values():
        schedule.pop("timezone", None)
    for key, items in plan["requirements"].items():
        plan["requirements"][key] = sorted({_key(item) for item in items})
    return plan


def first_difference(ours: Any, theirs: Any, path: str = "plan") -> str | None:
    """Say where two values differ first, or None."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted(set(ours) | set(theirs), key=str):
            if key not in ours:
                return f"{path}.{key}: missing, expected {theirs[key]!r}"
            if key not in theirs:
                return f"{path}.{key}: not expected, ours {ours[key]!r}"
            found = first_difference(ours[key], theirs[key], f"{path}.{key}")
            if found:
                return found
        return None
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, pair in enumerate(zip(ours, theirs, strict=True)):
            found = first_difference(*pair, f"{path}[{index}]")
            if found:
                return found
        return None
    return None if ours == theirs else f"{path}: ours {ours!r}, expected {theirs!r}"
