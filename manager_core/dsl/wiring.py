"""The relationships between node instances: which source connects to which target (contract §17.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from manager_core.dsl.containment import CONNECTED_TO, CONTAINED_IN, DEPENDS_ON, Element, Forest, Instance
from manager_core.dsl.errors import DslErrors, Fault

ALL_TO_ALL, ALL_TO_ONE = "all_to_all", "all_to_one"

MAX_RELATIONSHIPS = 2_000_000
"""Relationship instances of one deployment; more are refused instead of filling the memory."""

Wires = dict[str, list[dict[str, str]]]
"""Source instance id → its relationship instances, in the order of the node's list."""

PreviousTargets = Mapping[tuple[str, str, str], set[str]]
"""(source node, target node, relationship type) → the instances connected to so far."""


def wire(forest: Forest, instances: Mapping[str, Sequence[Instance]], previous: PreviousTargets | None = None) -> Wires:
    """Connect node instances.

    Args:
        forest: the plan's elements.
        instances: element name → its instances.
        previous: on modification, the targets in use: an all_to_one relationship keeps its one.

    Returns:
        Relationship instances `{type, target_name, target_id}` of every node instance, possibly none.

    Raises:
        DslErrors: UnsupportedRelationship, IllegalConnectedToConnectionType, UnsupportedAllToOneInGroup,
            IllegalAllToOneState.
    """
    wires: Wires = {}
    total = 0
    for element in forest.elements.values():
        if element.node is None:
            continue
        sources = instances.get(element.name, ())
        for source in sources:
            wires[source.id] = []
        # Of several relationships with one target only the last counts.
        last = {item["target_id"]: item for item in element.node.get("relationships") or ()}
        for relationship in last.values():
            total += _connect(forest, element, relationship, instances, wires, previous)
            if total > MAX_RELATIONSHIPS:
                text = f"The deployment would have more than {MAX_RELATIONSHIPS} relationships between node instances"
                raise DslErrors.single(Fault.VAL, None, text, ("node_templates", element.name, "relationships"))
    return wires


def _connect(
    forest: Forest,
    element: Element,
    relationship: Mapping[str, Any],
    instances: Mapping[str, Sequence[Instance]],
    wires: Wires,
    previous: PreviousTargets | None,
) -> int:
    """Add one relationship's instances to `wires` and return how many there are."""
    type_name, target_name = relationship["type"], relationship["target_id"]
    sources, targets = instances.get(element.name, ()), instances.get(target_name, ())
    hierarchy = relationship["type_hierarchy"]
    if CONTAINED_IN in hierarchy:
        for source in sources:
            container = next((above for above in source.ancestors() if above.element.name == target_name), None)
            if container is not None:
                wires[source.id].append(_relationship(type_name, container))
        return len(sources)
    path = ("node_templates", element.name, "relationships")
    if DEPENDS_ON not in hierarchy and CONNECTED_TO not in hierarchy:
        text = f"Relationship type '{type_name}' of node '{element.name}' derives from none of the built-in types"
        raise DslErrors.single(Fault.UNSUPPORTED_RELATIONSHIP, None, text, path, value=type_name)
    connection = (relationship.get("properties") or {}).get("connection_type", ALL_TO_ALL)
    if connection not in (ALL_TO_ALL, ALL_TO_ONE):
        text = f"Connection type '{connection}' of node '{element.name}' is neither all_to_all nor all_to_one"
        raise DslErrors.single(Fault.ILLEGAL_CONNECTION_TYPE, None, text, path, value=connection)
    if not sources or not targets:
        return 0
    target = forest.elements[target_name]
    shared = _shared_group(element, target)
    if connection == ALL_TO_ONE:
        if shared is not None:
            text = f"An all_to_one relationship between members of one scaling group ('{shared}') is not supported"
            raise DslErrors.single(Fault.ALL_TO_ONE_IN_GROUP, None, text, path)
        targets = _the_one(element.name, target_name, type_name, sources, targets, previous)
    within = _reach(sources, targets, shared)
    count = sum(len(near) for _, near in within)
    if count <= MAX_RELATIONSHIPS:  # else the caller refuses; nothing is built for it
        for source, near in within:
            wires[source.id].extend([_relationship(type_name, target) for target in near])
    return count


def _reach(
    sources: Sequence[Instance], targets: Sequence[Instance], group: str | None
) -> list[tuple[Instance, Sequence[Instance]]]:
    """Pair every source with its targets: all of them, or those in the same instance of a shared group."""
    if group is None:
        return [(source, targets) for source in sources]
    by_group: dict[Instance | None, list[Instance]] = {}
    for target in targets:
        by_group.setdefault(_group_instance(target, group), []).append(target)
    return [(source, by_group.get(_group_instance(source, group), ())) for source in sources]


def _the_one(
    source_name: str,
    target_name: str,
    type_name: str,
    sources: Sequence[Instance],
    targets: Sequence[Instance],
    previous: PreviousTargets | None,
) -> Sequence[Instance]:
    used = previous.get((source_name, target_name, type_name)) if previous is not None else None
    if not used:
        return [min(targets, key=lambda instance: instance.id)]
    kept = [target for target in targets if target.id in used]
    if len(used) != 1:
        text = (
            f"'{source_name}' is connected all_to_one to '{target_name}', but to {len(used)} instances: {sorted(used)}"
        )
        raise DslErrors.single(Fault.ALL_TO_ONE_STATE, None, text, ("node_templates", source_name, "relationships"))
    return kept


def _shared_group(source: Element, target: Element) -> str | None:
    """Return the innermost scaling group that holds both, directly or through containment."""
    groups = _enclosing_groups(target)
    return next((name for name in _enclosing_groups(source) if name in groups), None)


def _enclosing_groups(element: Element) -> list[str]:
    names = []
    above = element.parent
    while above is not None:
        if above.is_group:
            names.append(above.name)
        above = above.parent
    return names


def _group_instance(instance: Instance, group: str) -> Instance | None:
    return next((above for above in instance.ancestors() if above.element.name == group), None)


def _relationship(type_name: str, target: Instance) -> dict[str, str]:
    return {"type": type_name, "target_name": target.element.name, "target_id": target.id}
