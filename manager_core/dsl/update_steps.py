"""What a deployment update has to do: the difference between two plans as steps (workflow runtime §6.4, REST §7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from manager_core.dsl.containment import container_of

ADD, REMOVE, MODIFY = "add", "remove", "modify"


@dataclass(frozen=True, slots=True)
class Step:
    """One difference.

    Attributes:
        action: add, remove or modify.
        entity_type: node, relationship, property, operation, workflow, output, capability, plugin, description …
        entity_id: the path to the entity, as in ("nodes", "n", "properties", "p").
        topology_order: for added nodes, how many added nodes stand between it and one without added targets.
        supported: whether an update can carry it out.
    """

    action: str
    entity_type: str
    entity_id: tuple[str, ...]
    topology_order: int = 0
    supported: bool = True

    def as_dict(self) -> dict[str, Any]:
        """Return the step in the form of the REST contract, without its id."""
        return {
            "action": self.action,
            "entity_type": self.entity_type,
            "entity_id": list(self.entity_id),
            "topology_order": self.topology_order,
        }


def diff(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Step]:
    """Compare the plan a deployment has with the plan it is to get.

    Args:
        old: the present plan; nodes may be given as stored.
        new: the wanted plan, prepared.

    Returns:
        Steps: nodes first (added ones by topology order, then what changed in those that stay, then removed ones),
        then workflows, outputs, capabilities, the description and what cannot be changed.
    """
    old_nodes = {node["id"]: node for node in old["nodes"]}
    new_nodes = {node["id"]: node for node in new["nodes"]}
    added = [name for name in new_nodes if name not in old_nodes]
    orders = _topology_orders(added, new_nodes)
    steps = [Step(ADD, "node", ("nodes", name), orders[name]) for name in sorted(added, key=lambda name: orders[name])]
    for name, node in new_nodes.items():
        if name in old_nodes:
            steps.extend(_node_steps(old_nodes[name], node))
    steps.extend(Step(REMOVE, "node", ("nodes", name)) for name in old_nodes if name not in new_nodes)
    for section, entity in (("workflows", "workflow"), ("outputs", "output"), ("capabilities", "capability")):
        steps.extend(_entries(old.get(section), new.get(section), entity, (section,)))
    if (old.get("description") or None) != (new.get("description") or None):
        action = ADD if not old.get("description") else MODIFY if new.get("description") else REMOVE
        steps.append(Step(action, "description", ("description",)))
    for section, entity in (
        ("groups", "group"),
        ("policy_types", "policy_type"),
        ("policy_triggers", "policy_trigger"),
    ):
        steps.extend(
            Step(step.action, step.entity_type, step.entity_id, supported=False)
            for step in _entries(_ordered(old.get(section)), _ordered(new.get(section)), entity, (section,))
        )
    return steps


def unsupported(steps: Sequence[Step]) -> list[Step]:
    """Return the steps that an update cannot carry out."""
    return [step for step in steps if not step.supported]


def _node_steps(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Step]:
    base = ("nodes", str(new["id"]))
    if old["type"] != new["type"] or container_of(old) != container_of(new):
        yield Step(MODIFY, "node", base, supported=False)
        return
    yield from _entries(old.get("operations"), new.get("operations"), "operation", (*base, "operations"))
    yield from _entries(old.get("properties"), new.get("properties"), "property", (*base, "properties"))
    yield from _relationship_steps(old, new, base)
    for key in ("plugins", "plugins_to_install"):
        old_plugins, new_plugins = _by_name(old.get(key)), _by_name(new.get(key))
        yield from _entries(old_plugins, new_plugins, "plugin", (*base, key))


def _entries(
    old: Mapping[str, Any] | None, new: Mapping[str, Any] | None, entity_type: str, base: tuple[str, ...]
) -> Iterator[Step]:
    old, new = old or {}, new or {}
    for name, value in new.items():
        if name not in old:
            yield Step(ADD, entity_type, (*base, str(name)))
        elif old[name] != value:
            yield Step(MODIFY, entity_type, (*base, str(name)))
    for name in old:
        if name not in new:
            yield Step(REMOVE, entity_type, (*base, str(name)))


def _relationship_steps(old: Mapping[str, Any], new: Mapping[str, Any], base: tuple[str, ...]) -> Iterator[Step]:
    """Compare relationships by type and target; one that stands at another index is modified."""
    remaining: dict[tuple[str, str], list[tuple[int, Mapping[str, Any]]]] = {}
    for index, relationship in enumerate(old.get("relationships") or ()):
        remaining.setdefault((relationship["type"], relationship["target_id"]), []).append((index, relationship))
    for index, relationship in enumerate(new.get("relationships") or ()):
        place = (*base, "relationships", f"[{index}]")
        before = remaining.get((relationship["type"], relationship["target_id"]))
        if not before:
            yield Step(ADD, "relationship", place)
            continue
        old_index, previous = before.pop(0)
        if old_index != index:
            yield Step(MODIFY, "relationship", (*base, "relationships", f"[{old_index}]", f"[{index}]"))
        for key in ("source_operations", "target_operations"):
            yield from _entries(previous.get(key), relationship.get(key), "operation", (*place, key))
        for step in _entries(previous.get("properties"), relationship.get("properties"), "property", place):
            yield Step(step.action, step.entity_type, (*place, "properties", step.entity_id[-1]), supported=False)
    for rest in remaining.values():
        for old_index, _ in rest:
            yield Step(REMOVE, "relationship", (*base, "relationships", f"[{old_index}]"))


def _by_name(plugins: Sequence[Mapping[str, Any]] | None) -> dict[str, Any]:
    return {f"{plugin['name']}/{plugin.get('executor')}": plugin for plugin in plugins or ()}


def _ordered(section: Mapping[str, Any] | None) -> dict[str, Any]:
    """Make group members comparable: their order means nothing."""
    return {
        name: {**body, "members": sorted(body["members"])} if isinstance(body, dict) and "members" in body else body
        for name, body in (section or {}).items()
    }


def _topology_orders(added: Sequence[str], nodes: Mapping[str, Any]) -> dict[str, int]:
    """Count, for each added node, the longest chain of added nodes that its relationships lead through."""
    orders: dict[str, int] = {}
    names = set(added)
    for start in added:
        stack = [start]
        while stack:
            name = stack[-1]
            targets = [item["target_id"] for item in nodes[name].get("relationships") or ()]
            targets = [target for target in targets if target in names and target not in stack]
            waiting = [target for target in targets if target not in orders]
            if waiting and name not in orders:
                stack.append(waiting[0])
                continue
            orders[name] = 1 + max((orders[target] for target in targets if target in orders), default=-1)
            stack.pop()
    return orders
