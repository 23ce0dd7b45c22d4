"""The section `relationships`, relationship types, and the relationships of node templates (contract §8, §9.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from manager_core.dsl.context import Context, plain
from manager_core.dsl.errors import Path
from manager_core.dsl.hierarchy import order
from manager_core.dsl.interfaces import Built, TypeInterfaces
from manager_core.dsl.operations import Operations, RawInterfaces, check_interfaces, inherit
from manager_core.dsl.plugins import Pair
from manager_core.dsl.properties import Schema, check_schema, resolve
from manager_core.dsl.properties import inherit as inherit_properties

CONTAINED_IN = "cloudify.relationships.contained_in"
LIFECYCLE_OPERATION = "cloudify.relationships.depends_on_lifecycle_operation"
LIFECYCLE = "cloudify.interfaces.lifecycle"
SIDES = ("source_interfaces", "target_interfaces")

_TYPE_KEYS: dict[str, str | None] = {
    "derived_from": "string",
    "properties": "dict",
    "source_interfaces": "dict",
    "target_interfaces": "dict",
}
_ENTRY_KEYS: dict[str, str | None] = {
    "type": "string",
    "target": "string",
    "properties": "dict",
    "source_interfaces": "dict",
    "target_interfaces": "dict",
}


class RelationshipTypes:
    """The blueprint's relationship types, all merged and resolved.

    Attributes:
        hierarchies: type → names from the root-most ancestor down to itself.
        plan: the plan's mapping of relationship types.
    """

    def __init__(self, context: Context, operations: Operations) -> None:
        self._context = context
        self._schemas: dict[str, Schema] = {}
        self._sides: dict[str, dict[str, RawInterfaces]] = {}
        self._ready: dict[tuple[str, str], TypeInterfaces] = {}
        self._operations = operations
        bodies: dict[str, dict[str, Any]] = {}
        own: dict[str, Schema] = {}
        sides: dict[str, dict[str, RawInterfaces]] = {}
        for name, body in context.section("relationships").items():
            path: Path = ("relationships", name)
            if body is None:
                context.findings.fmt("Expected 'dict' type but found 'null' type", path)
                continue
            checked = context.record(body, _TYPE_KEYS, path)
            if checked is None:
                continue
            bodies[name] = checked
            own[name] = check_schema(context, checked.get("properties"), (*path, "properties"), name)
            sides[name] = {
                side: check_interfaces(context, checked.get(side), (*path, side), typed=True) for side in SIDES
            }
        unknown = "Missing definition for relationship '{parent}' which is declared as derived by relationship '{name}'"
        self.hierarchies = order(context, "relationships", bodies, unknown)
        self.plan: dict[str, Any] = {}
        for name, line in self.hierarchies.items():
            base = line[-2] if len(line) > 1 else None
            self._schemas[name] = inherit_properties(
                context,
                self._schemas[base] if base else {},
                own[name],
                ("relationships", name, "properties"),
                name,
            )
            self._sides[name] = {
                side: inherit(self._sides[base][side] if base else {}, sides[name][side]) for side in SIDES
            }
            self._check_implementations(name, sides[name])
        for name in bodies:
            if name in self.hierarchies:
                self.plan[name] = self._plan_form(name, bodies[name])

    def _plan_form(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        form: dict[str, Any] = {}
        if "derived_from" in body:
            form["derived_from"] = body["derived_from"]
        form["name"] = name
        form["properties"] = plain(self._schemas[name])
        for side in SIDES:
            form[side] = plain(self._sides[name][side])
            self._context.spend(sum(map(len, self._sides[name][side].values())))
        form["type_hierarchy"] = list(self.hierarchies[name])
        return form

    def _check_implementations(self, name: str, sides: dict[str, RawInterfaces]) -> None:
        """Relationship types are resolved even when nothing uses them."""
        for side, interfaces in sides.items():
            for interface, operations in interfaces.items():
                for operation, raw in operations.items():
                    if raw["implementation"]:
                        path = ("relationships", name, side, interface, operation)
                        self._operations.resolve(operation, {**raw, "inputs": {}}, 19, f"Relationship '{name}'", path)

    def schema(self, name: str) -> Schema:
        """Return a type's merged property schema."""
        return self._schemas[name]

    def side(self, name: str, side: str) -> TypeInterfaces:
        """Return one side's interfaces of a type, ready for its instances."""
        ready = self._ready.get((name, side))
        if ready is None:
            ready = TypeInterfaces(self._context, self._operations, self._sides[name][side], 19)
            self._ready[name, side] = ready
        return ready


class TemplateRelationships:
    """Turns the `relationships` of node templates into their plan form.

    Args:
        context: the blueprint.
        types: the relationship types.
    """

    def __init__(self, context: Context, types: RelationshipTypes) -> None:
        self._context = context
        self._types = types
        self._templates = context.section("node_templates")

    def build(
        self, node: str, value: Any, node_type: str
    ) -> tuple[list[dict[str, Any]], list[Pair], dict[str, list[Pair]]]:
        """Check one node's relationships.

        Args:
            node: the node's name.
            value: the list as written; null is an empty one.
            node_type: the node's type, for messages.

        Returns:
            The plan's list, the plugins that source operations give this node, and the plugins that target
            operations give other nodes.
        """
        path: Path = ("node_templates", node, "relationships")
        plans: list[dict[str, Any]] = []
        source: list[Pair] = []
        target: dict[str, list[Pair]] = {}
        containers: list[tuple[str, str]] = []
        if value is None:
            return plans, source, target
        if not isinstance(value, list):
            self._context.findings.fmt(f"Expected 'list' type but found '{type(value).__name__}' type", path, value)
            return plans, source, target
        for index, body in enumerate(value):
            here = (*path, index)
            entry = self._context.record(body, _ENTRY_KEYS, here, required=("type", "target"))
            if entry is None or not self._check_ends(node, node_type, entry, here):
                continue
            built = self._build_one(node, entry, here)
            plans.append(built[0])
            source.extend(built[1].pairs)
            target.setdefault(entry["target"], []).extend(built[2].pairs)
            if CONTAINED_IN in built[0]["type_hierarchy"]:
                containers.append((entry["type"], entry["target"]))
        if len(containers) > 1:
            text = (
                f"Node '{node}' has more than one relationship that is derived from '{CONTAINED_IN}' relationship. "
                f"Found: {[item[0] for item in containers]} for targets: {[item[1] for item in containers]}"
            )
            self._context.findings.log(112, text, path)
        return plans, source, target

    def _check_ends(self, node: str, node_type: str, entry: dict[str, Any], path: Path) -> bool:
        findings = self._context.findings
        type_, target = entry.get("type"), entry.get("target")
        good = type_ is not None and target is not None
        if type_ is not None and type_ not in self._types.hierarchies:
            known = self._context.section("relationships")
            if type_ not in known:
                text = f"A relationship instance under node '{node}' declares an undefined relationship type '{type_}'"
                findings.log(26, text, (*path, "type"), type_, findings.nearest(type_, known))
            good = False
        if target is None:
            return False
        if target == node:
            text = (
                f"A relationship instance under node '{node}' of type '{node_type}' "
                "illegally declares the source node as the target node"
            )
            findings.log(23, text, (*path, "target"), target)
            good = False
        elif target not in self._templates:
            text = (
                f"A relationship instance under node '{node}' of type '{node_type}' "
                f"declares an undefined target node '{target}'"
            )
            findings.log(25, text, (*path, "target"), target, findings.nearest(target, self._templates))
            good = False
        return good

    def _build_one(self, node: str, entry: dict[str, Any], path: Path) -> tuple[dict[str, Any], Built, Built]:
        type_, target = entry["type"], entry["target"]
        line = self._types.hierarchies[type_]
        if LIFECYCLE_OPERATION in line:
            self._check_lifecycle(node, entry, path)
        properties = resolve(
            self._context,
            self._types.schema(type_),
            entry.get("properties", {}),
            (*path, "properties"),
            node,
            say=lambda code, member: _property_text(code, member, node, type_),
        )
        where = f"In relationship of type '{type_}' in node '{node}'"
        sides: list[Built] = []
        for side in SIDES:
            template = check_interfaces(self._context, entry.get(side), (*path, side), typed=False)
            sides.append(self._types.side(type_, side).build(template, where, path, (*path, side)))
        plan = {
            "type": type_,
            "type_hierarchy": list(line),
            "target_id": target,
            "properties": properties,
            "source_interfaces": sides[0].interfaces,
            "target_interfaces": sides[1].interfaces,
            "source_operations": sides[0].operations,
            "target_operations": sides[1].operations,
        }
        return plan, sides[0], sides[1]

    def _check_lifecycle(self, node: str, entry: dict[str, Any], path: Path) -> None:
        findings = self._context.findings
        operation = entry.get("properties", {}).get("operation")
        place = (*path, "properties")
        if operation is None:
            text = (
                f'For "{node}" node, please supply "{LIFECYCLE_OPERATION}" with a defined lifecycle operation target '
            )
            findings.log(215, text, place)
            return
        template = self._templates.get(entry["target"])
        interfaces = template.get("interfaces") if isinstance(template, dict) else None
        declared = interfaces.get(LIFECYCLE) if isinstance(interfaces, dict) else None
        if not isinstance(declared, dict) or not isinstance(operation, str) or operation not in declared:
            text = (
                f'Please define "{operation}" operation in the target node "{entry["target"]}" for "{node}" node\'s '
                f'"{LIFECYCLE_OPERATION}" relationship'
            )
            findings.log(216, text, place, operation, findings.nearest(operation, declared or ()))


def _property_text(code: int, member: str, node: str, type_: str) -> str:
    if code == 106:
        return (
            f"'{node}' node relationship '{type_}' '{member}' property is not part of the derived relationship type "
            "properties schema"
        )
    return (
        f"'{node}' node relationship '{type_}' does not provide a value for mandatory '{member}' property which is "
        "part of its relationship type schema"
    )
