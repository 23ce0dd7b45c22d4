"""Changing the instances of a deployment: scaling, and the nodes of an updated blueprint (contract §17.2).

The containment forest of the wanted nodes is walked from its roots: instances that exist are kept, missing ones are
made under each parent, and where a smaller number is asked for, whole subtrees go. Then the relationships are made
anew and compared with the old ones.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from manager_core.dsl.containment import Element, Forest, Instance
from manager_core.dsl.instances import IdSuffixes, InstanceMaker, check_total, describe
from manager_core.dsl.wiring import Wires, wire

ADDED, REMOVED, EXTENDED, REDUCED = "added", "removed", "extended", "reduced"

ModifiedNodes = Mapping[str, Mapping[str, Any]]
"""Node or group → `instances` (per instance of its parent), `removed_ids_include_hint`, `removed_ids_exclude_hint`."""


def modify(
    nodes: Sequence[Mapping[str, Any]],
    scaling_groups: Mapping[str, Any] | None,
    existing: Sequence[Mapping[str, Any]],
    modified_nodes: ModifiedNodes,
    *,
    ids: IdSuffixes,
) -> dict[str, list[dict[str, Any]]]:
    """Compute what changes when nodes or groups get another number of instances, or when the nodes change.

    Args:
        nodes: all wanted nodes, as in a plan or as stored. Where a node or group is not in `modified_nodes`, its own
            count tells how many instances there have to be at least; nodes without instances get them, instances
            of nodes that are not wanted any more go.
        scaling_groups: the plan's scaling groups.
        existing: the node instances there are, with `relationships` and `scaling_groups`.
        modified_nodes: the wanted numbers, with hints which instances to remove.
        ids: source of id suffixes.

    Returns:
        `added_and_related`, `removed_and_related`, `extended_and_related`, `reduced_and_related`: instances with
        `modification` where they themselves change, and with only the relationships that come or go.

    Raises:
        DslErrors: as `create_instances`, and IllegalAllToOneState.
    """
    forest = Forest(nodes, scaling_groups)
    for name, wanted in modified_nodes.items():
        if name in forest.elements:
            forest.elements[name].count = int(wanted["instances"])
    check_total(forest)
    before = _Existing(forest, existing)
    after = _walk(forest, before, modified_nodes, InstanceMaker(ids, before.ids()))
    new_wires = wire(forest, after, before.targets)
    return _compare(forest, before, after, new_wires)


class _Existing:
    """The instances there are, put back into the forest.

    Attributes:
        by_element: element name → its instances.
        stored: instance id → the instance as given, in the order given.
        targets: what `wire` wants to know of relationships in use.
    """

    def __init__(self, forest: Forest, existing: Sequence[Mapping[str, Any]]) -> None:
        self.stored = {item["id"]: item for item in existing}
        self.by_element: dict[str, list[Instance]] = {}
        self.targets: dict[tuple[str, str, str], set[str]] = {}
        self._instances: dict[str, Instance] = {}
        for item in existing:
            element = forest.elements.get(item["node_id"])
            if element is not None:
                self._add(Instance(item["id"], element, None, item))
            for relationship in item.get("relationships") or ():
                key = (item["node_id"], relationship["target_name"], relationship["type"])
                self.targets.setdefault(key, set()).add(relationship["target_id"])
        for instance in list(self._instances.values()):
            self._find_parents(forest, instance)

    def ids(self) -> Collection[str]:
        """Return every id in use, those of groups as well."""
        return {*self.stored, *self._instances}

    def _add(self, instance: Instance) -> None:
        self._instances[instance.id] = instance
        self.by_element.setdefault(instance.element.name, []).append(instance)

    def _find_parents(self, forest: Forest, instance: Instance) -> None:
        """Link an instance to its container, through the groups it is a member of."""
        stored = instance.stored or {}
        groups = {group["name"]: group["id"] for group in stored.get("scaling_groups") or ()}
        below = instance
        while below.parent is None and below.element.parent is not None:
            above = below.element.parent
            if above.is_group:
                group_id = groups.get(above.name)
                if group_id is None:
                    return
                if group_id not in self._instances:
                    self._add(Instance(group_id, above, None))
                below.parent = self._instances[group_id]
            else:
                below.parent = self._contained_in(stored, above.name)
                if below.parent is None:
                    return
            below = below.parent

    def _contained_in(self, stored: Mapping[str, Any], node: str) -> Instance | None:
        for relationship in stored.get("relationships") or ():
            if relationship["target_name"] == node and relationship["target_id"] in self._instances:
                return self._instances[relationship["target_id"]]
        return None


def _walk(
    forest: Forest, before: _Existing, modified_nodes: ModifiedNodes, maker: InstanceMaker
) -> dict[str, list[Instance]]:
    """Return the wanted instances of every element."""
    after: dict[str, list[Instance]] = {}
    members = _members_of_groups(before)
    for element in forest.order:
        children: dict[Instance | None, list[Instance]] = {}
        for instance in before.by_element.get(element.name, ()):
            children.setdefault(instance.parent, []).append(instance)
        parents: Sequence[Instance | None] = [None] if element.parent is None else after[element.parent.name]
        wanted: list[Instance] = []
        for parent in parents:
            own = children.get(parent, [])
            surplus = len(own) - element.count
            if surplus > 0 and element.name in modified_nodes:
                going = _chosen(element, own, surplus, modified_nodes[element.name], members)
                own = [instance for instance in own if instance not in going]
            wanted.extend(own)
            wanted.extend(maker.make(element, parent) for _ in range(-surplus))
        after[element.name] = wanted
    return after


def _members_of_groups(before: _Existing) -> dict[Instance, set[str]]:
    """Return the ids of the member instances of every group instance, through nested groups and containment."""
    members: dict[Instance, set[str]] = {}
    for instances in before.by_element.values():
        for instance in instances:
            for above in instance.ancestors():
                if above.element.is_group:
                    members.setdefault(above, set()).add(instance.id)
    return members


def _chosen(
    element: Element,
    instances: Sequence[Instance],
    count: int,
    wanted: Mapping[str, Any],
    members: Mapping[Instance, set[str]],
) -> set[Instance]:
    """Choose the instances to remove: hinted ones first, then any not to be kept, the newest before the oldest."""
    include = set(wanted.get("removed_ids_include_hint") or ())
    exclude = set(wanted.get("removed_ids_exclude_hint") or ())

    def named_in(hint: set[str], instance: Instance) -> bool:
        return instance.id in hint or (element.is_group and not hint.isdisjoint(members.get(instance, ())))

    def rank(position: int) -> tuple[int, int]:
        instance = instances[position]
        if named_in(include, instance):
            return 0, position
        return (2 if named_in(exclude, instance) else 1), -position

    return {instances[position] for position in sorted(range(len(instances)), key=rank)[:count]}


def _compare(
    forest: Forest, before: _Existing, after: Mapping[str, Sequence[Instance]], new_wires: Wires
) -> dict[str, list[dict[str, Any]]]:
    wanted = {
        instance.id: instance
        for element in forest.elements.values()
        if element.node is not None
        for instance in after[element.name]
    }
    old_wires: Wires = {key: list(item.get("relationships") or ()) for key, item in before.stored.items()}
    added = [key for key in wanted if key not in before.stored]
    removed = [key for key in before.stored if key not in wanted]

    def described(key: str, relationships: list[dict[str, str]], modification: str | None) -> dict[str, Any]:
        if key in before.stored:
            result = {**before.stored[key], "relationships": relationships}
        else:
            result = describe(wanted[key], relationships)
        if modification is not None:
            result["modification"] = modification
        return result

    gained = _difference(new_wires, old_wires)
    lost = _difference(old_wires, new_wires)
    result: dict[str, list[dict[str, Any]]] = {}
    for name, changed, wires in ((ADDED, added, new_wires), (REMOVED, removed, old_wires)):
        touching = _touching(set(changed), wires)
        result[f"{name}_and_related"] = [
            described(key, wires[key] if key in touching.changed else touching.relationships.get(key, []), mark)
            for key in touching.ordered(wires)
            for mark in [name if key in touching.changed else None]
        ]
    for name, difference, done in ((EXTENDED, gained, set(added)), (REDUCED, lost, set(removed))):
        related = {item["target_id"] for key, items in difference.items() if key not in done for item in items}
        result[f"{name}_and_related"] = [
            described(key, difference.get(key, []), name if key in difference else None)
            for key in (new_wires if name == EXTENDED else old_wires)
            if (key in difference or key in related) and key not in done
        ]
    return result


def _difference(wires: Wires, others: Wires) -> Wires:
    """Return the relationships of `wires` that `others` lack, of instances that have any."""
    difference: Wires = {}
    for key, relationships in wires.items():
        known = {(item["type"], item["target_id"]) for item in others.get(key, ())}
        new = [item for item in relationships if (item["type"], item["target_id"]) not in known]
        if new:
            difference[key] = new
    return difference


class _Touching:
    """Instances that change, and those next to them with the relationships that touch a changing one."""

    def __init__(self, changed: set[str]) -> None:
        self.changed = changed
        self.relationships: Wires = {}
        self.neighbours: set[str] = set()

    def ordered(self, wires: Wires) -> list[str]:
        """Return the ids concerned, in the order of `wires`."""
        return [key for key in wires if key in self.changed or key in self.neighbours]


def _touching(changed: set[str], wires: Wires) -> _Touching:
    touching = _Touching(changed)
    if not changed:
        return touching
    for key, relationships in wires.items():
        if key in changed:
            touching.neighbours.update(item["target_id"] for item in relationships)
            continue
        near = [item for item in relationships if item["target_id"] in changed]
        if near:
            touching.neighbours.add(key)
            touching.relationships[key] = near
    return touching
