"""Where in a plan functions are looked for, and a walk that finds every call there (contract §15.3).

Relationship properties, workflow parameters, input defaults, group policies, resource tags and plugin properties
are not searched, as in the language's reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from manager_core.dsl.errors import Path
from manager_core.dsl.functions.catalogue import TYPE_KEY, function_name

Plan = Mapping[str, Any]


class Scope(StrEnum):
    """What kind of place a call stands in; it decides which of SELF, SOURCE and TARGET mean something."""

    NODE = "node_template"
    RELATIONSHIP = "node_template_relationship"
    OUTPUTS = "outputs"
    CAPABILITIES = "capabilities"
    LABELS = "labels"
    POLICIES = "policies"
    SCALING_GROUPS = "scaling_groups"
    SETTINGS = "deployment_settings"


@dataclass(frozen=True, slots=True)
class Place:
    """One container of values that is searched.

    Attributes:
        scope: the kind of place.
        values: the mapping or list whose members are searched; itself never a call.
        where: dotted path in the plan, the start of every call's identifier.
        source: path in the blueprint, for messages.
        node: name of the node template it belongs to (the source node in relationships), or None.
        target: name of the relationship's target node, or None.
        relationship_type: the relationship's type, or None.
    """

    scope: Scope
    values: Any
    where: str
    source: Path
    node: str | None = None
    target: str | None = None
    relationship_type: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One call.

    Attributes:
        name: the function.
        argument: its raw argument, calls inside it untouched.
        declared: the value of the key `type` beside it, or None.
        place: the place it was found in.
        trail: keys and indexes from the place's container to the call.
    """

    name: str
    argument: Any
    declared: Any
    place: Place
    trail: Path

    @property
    def where(self) -> str:
        """Dotted path of the call in the plan, as in `nodes.n.properties.p[0]`."""
        return self.place.where + render_trail(self.trail)

    @property
    def source(self) -> Path:
        """Path of the call in the blueprint."""
        return self.place.source + self.trail


def render_trail(trail: Path) -> str:
    """Write keys as `.key` and indexes as `[i]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in trail)


def places(plan: Plan, *, bare_operations: bool = True) -> Iterator[Place]:
    """Yield every non-empty place of `plan`, in the order in which preparation evaluates them.

    Args:
        plan: the plan, prepared or not.
        bare_operations: whether an operation known under its bare and its full name is visited under both.
    """
    known: Known = {}
    for node in plan["nodes"]:
        yield from node_places(node, bare_operations, known)
    for name, output in (plan.get("outputs") or {}).items():
        yield Place(Scope.OUTPUTS, output, f"outputs.{name}", ("outputs", name))
    for name, policy in (plan.get("policies") or {}).items():
        values = policy.get("properties")
        yield Place(Scope.POLICIES, values, f"policies.{name}.properties", ("policies", name, "properties"))
    for name, group in (plan.get("scaling_groups") or {}).items():
        values = group.get("properties")
        yield Place(Scope.SCALING_GROUPS, values, f"scaling_groups.{name}.properties", ("groups", name))
    for name, capability in (plan.get("capabilities") or {}).items():
        yield Place(Scope.CAPABILITIES, capability, f"capabilities.{name}", ("capabilities", name))
    for name, label in (plan.get("labels") or {}).items():
        yield Place(Scope.LABELS, label, f"labels.{name}", ("labels", name))
    settings = plan.get("deployment_settings")
    if settings:
        yield Place(Scope.SETTINGS, settings, "deployment_settings", ("deployment_settings",))


def node_places(node: Mapping[str, Any], bare_operations: bool, known: Known) -> Iterator[Place]:
    """Yield the places of one plan node.

    Args:
        known: what is found out about mappings of operations, which nodes of one type share; the same for all nodes of
            a plan.
    """
    name = node["name"]
    source: Path = ("node_templates", name)
    if node["properties"]:
        yield Place(Scope.NODE, node["properties"], f"nodes.{name}.properties", (*source, "properties"), name)
    for capability, body in (node.get("capabilities") or {}).items():
        values = body.get("properties")
        if values:
            where = f"nodes.{name}.capabilities.{capability}"
            yield Place(Scope.NODE, values, where, (*source, "capabilities", capability, "properties"), name)
    for operation, inputs in _inputs(node.get("operations"), bare_operations, known):
        where = f"nodes.{name}.operations.{operation}.inputs"
        path = (*source, "interfaces", *operation_path(operation), "inputs")
        yield Place(Scope.NODE, inputs, where, path, name)
    for index, relationship in enumerate(node.get("relationships") or ()):
        target, type_name = relationship["target_id"], relationship["type"]
        for side in ("source", "target"):
            for operation, inputs in _inputs(relationship.get(f"{side}_operations"), bare_operations, known):
                where = f"nodes.{name}.{type_name}.{operation}.inputs"
                path = (*source, "relationships", index, f"{side}_interfaces", *operation_path(operation), "inputs")
                yield Place(Scope.RELATIONSHIP, inputs, where, path, name, target, type_name)


Known = dict[int, list[tuple[str, Any]]]
"""Identity of a mapping of operations → the names and inputs of those that have inputs."""


def _inputs(operations: Mapping[str, Any] | None, bare_operations: bool, known: Known) -> list[tuple[str, Any]]:
    if not operations:
        return []
    found = known.get(id(operations))
    if found is None:
        found = [(name, body["inputs"]) for name, body in operations.items() if body.get("inputs")]
        if not bare_operations:
            found = [
                (name, inputs) for name, inputs in found if not any(other.endswith(f".{name}") for other, _ in found)
            ]
        known[id(operations)] = found
    return found


def operation_path(name: str) -> Path:
    """Split `interface.operation` into the two keys of the blueprint; a bare name stays one key."""
    interface, dot, operation = name.rpartition(".")
    return (interface, operation) if dot else (name,)


def find(place: Place) -> Iterator[Found]:
    """Yield every call in `place`, an outer call before the calls in its arguments."""
    trail: list[str | int] = []
    yield from _find(place.values, place, trail)


def _find(container: Any, place: Place, trail: list[str | int]) -> Iterator[Found]:
    items = container.items() if isinstance(container, dict) else enumerate(container)
    for key, value in items:
        if isinstance(value, dict):
            if not value:
                continue
        elif not isinstance(value, list) or not value:
            continue
        trail.append(key)
        name = function_name(value)
        if name is not None:
            yield Found(name, value[name], value.get(TYPE_KEY), place, tuple(trail))
        yield from _find(value, place, trail)
        trail.pop()
