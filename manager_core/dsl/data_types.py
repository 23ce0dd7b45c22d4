"""The section `data_types` (contract §5.1)."""

from __future__ import annotations

from typing import Any

from manager_core.dsl.context import Context, plain
from manager_core.dsl.hierarchy import circular, order
from manager_core.dsl.properties import Schema, check_schema, inherit
from manager_core.dsl.value_types import PRIMITIVE_TYPES

_KEYS: dict[str, str | None] = {
    "properties": "dict",
    "description": "string",
    "derived_from": "string",
    "version": "string",
}


def parse(context: Context) -> dict[str, Any]:
    """Check the section, resolve every data type into `context.data_types`, and return its plan form."""
    section = context.section("data_types")
    context.gate_section("data_types", (1, 2))
    bodies: dict[str, dict[str, Any]] = {}
    schemas: dict[str, Schema] = {}
    for name, body in section.items():
        path = ("data_types", name)
        if name in PRIMITIVE_TYPES:
            context.findings.log(104, f"Can't redefine primitive type {name}", path, name)
            continue
        if body is None:
            context.findings.fmt("Expected 'dict' type but found 'null' type", path)
            continue
        checked = context.record(body, _KEYS, path)
        if checked is None:
            continue
        bodies[name] = checked
        schemas[name] = check_schema(context, checked.get("properties"), (*path, "properties"), name)
    unknown = "Missing definition for data type '{parent}' which is declared as derived by data type '{name}'"
    hierarchies = order(context, "data_types", bodies, unknown)
    _resolve_all(context, bodies, schemas, hierarchies)
    return {
        name: {
            "properties": {key: plain(entry) for key, entry in context.data_types[name]["properties"].items()},
            "description": bodies[name].get("description"),
            "derived_from": bodies[name].get("derived_from"),
            "version": bodies[name].get("version"),
        }
        for name in bodies
        if name in context.data_types
    }


def _resolve_all(
    context: Context,
    bodies: dict[str, dict[str, Any]],
    schemas: dict[str, Schema],
    hierarchies: dict[str, tuple[str, ...]],
) -> None:
    """Resolve data types in the order in which they need one another: a parent, or the type of a property."""
    state: dict[str, int] = {}
    for start in hierarchies:
        # Iterative depth-first walk: chains of data types may be longer than Python's stack.
        stack: list[tuple[str, bool]] = [(start, False)]
        trail: list[str] = []
        while stack:
            name, done = stack.pop()
            if done:
                trail.pop()
                _resolve(context, name, bodies, schemas)
                state[name] = 2
                continue
            if state.get(name) == 2 or name not in hierarchies:
                continue
            if state.get(name) == 1:
                circle = trail[trail.index(name) :] if name in trail else [name]
                context.findings.log(100, circular([*circle, name]), ("data_types", name), name)
                continue
            state[name] = 1
            trail.append(name)
            stack.append((name, True))
            needed = [entry["type"] for entry in schemas[name].values() if entry.get("type") in bodies]
            parent = bodies[name].get("derived_from")
            if parent in bodies:
                needed.append(parent)
            stack.extend((item, False) for item in reversed(needed))


def _resolve(context: Context, name: str, bodies: dict[str, dict[str, Any]], schemas: dict[str, Schema]) -> None:
    parent = context.data_types.get(bodies[name].get("derived_from", ""), {}).get("properties", {})
    properties = inherit(context, parent, schemas[name], ("data_types", name, "properties"), name)
    context.spend(len(properties))
    context.data_types[name] = {"properties": properties}
