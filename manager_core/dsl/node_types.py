"""The section `node_types` (contract §6)."""

from __future__ import annotations

from typing import Any

from manager_core.dsl.context import Context
from manager_core.dsl.hierarchy import order
from manager_core.dsl.interfaces import TypeInterfaces
from manager_core.dsl.operations import Operations, RawInterfaces, check_interfaces, inherit
from manager_core.dsl.properties import Schema, check_schema
from manager_core.dsl.properties import inherit as inherit_properties

HOST_TYPE = "cloudify.nodes.Compute"
"""Every type with this text in a name of its hierarchy is a host type."""

_KEYS: dict[str, str | None] = {
    "derived_from": "string",
    "interfaces": "dict",
    "properties": "dict",
    "runtime_properties": "dict",
}


class NodeTypes:
    """The blueprint's node types: all checked, those in use merged with their ancestors.

    Attributes:
        hierarchies: type → names from the root-most ancestor down to itself; types on a cycle are missing.
        names: every declared name.
    """

    def __init__(self, context: Context, operations: Operations) -> None:
        self._context = context
        self._operations = operations
        self._own_interfaces: dict[str, RawInterfaces] = {}
        self._schemas: dict[str, Schema] = {}
        self._merged_interfaces: dict[str, RawInterfaces] = {}
        self._ready: dict[str, TypeInterfaces] = {}
        own: dict[str, Schema] = {}
        bodies: dict[str, dict[str, Any]] = {}
        self.names = list(context.section("node_types"))
        for name, body in context.section("node_types").items():
            path = ("node_types", name)
            if body is None:
                context.findings.fmt("Expected 'dict' type but found 'null' type", path)
                continue
            checked = context.record(body, _KEYS, path)
            if checked is None:
                continue
            bodies[name] = checked
            own[name] = check_schema(context, checked.get("properties"), (*path, "properties"), name)
            check_schema(context, checked.get("runtime_properties"), (*path, "runtime_properties"), name)
            self._own_interfaces[name] = check_interfaces(
                context, checked.get("interfaces"), (*path, "interfaces"), typed=True
            )
        unknown = "Missing definition for type '{parent}' which is declared as derived by type '{name}'"
        self.hierarchies = order(context, "node_types", bodies, unknown)
        for name, line in self.hierarchies.items():
            parent = self._schemas[line[-2]] if len(line) > 1 else {}
            self._schemas[name] = inherit_properties(
                context, parent, own[name], ("node_types", name, "properties"), name
            )
            context.spend(len(self._schemas[name]))

    def schema(self, name: str) -> Schema:
        """Return a type's merged property schema."""
        return self._schemas[name]

    def is_host(self, name: str) -> bool:
        """Tell whether a type is a host type."""
        return any(HOST_TYPE in item for item in self.hierarchies[name])

    def interfaces(self, name: str) -> TypeInterfaces:
        """Return a type's interfaces, ready for its instances."""
        ready = self._ready.get(name)
        if ready is None:
            merged: RawInterfaces = {}
            for item in self.hierarchies[name]:
                known = self._merged_interfaces.get(item)
                merged = known if known is not None else inherit(merged, self._own_interfaces[item])
                self._merged_interfaces[item] = merged
            ready = self._ready[name] = TypeInterfaces(self._context, self._operations, merged, 10)
        return ready
