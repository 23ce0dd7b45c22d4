"""The section `policies` and the scaling groups that come of it (contract §12.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from manager_core.dsl import scalable
from manager_core.dsl.context import Context, listed, plain
from manager_core.dsl.errors import Path
from manager_core.dsl.merge import type_name
from manager_core.dsl.relationships import CONTAINED_IN

SCALING = "cloudify.policies.scaling"
_KEYS: dict[str, str | None] = {"type": "string", "properties": "dict", "targets": "list"}
_PATH: Path = ("policies",)


def parse(
    context: Context, groups: Mapping[str, Any], nodes: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Check the section.

    Args:
        context: the blueprint.
        groups: the plan's groups.
        nodes: the plan's nodes.

    Returns:
        The plan's `policies` and `scaling_groups`.
    """
    section = context.section("policies")
    context.gate_section("policies", (1, 3))
    plan: dict[str, Any] = {}
    scaling: dict[str, Any] = {}
    for name, body in section.items():
        policy = _parse_one(context, name, body)
        if policy is None:
            continue
        plan[name] = policy
        for target in policy["targets"]:
            if target in groups:
                scaling[target] = {
                    "members": list(groups[target].get("members", ())),
                    "properties": plain(policy["properties"]),
                }
    if scaling and not context.findings:
        _Membership(context, scaling, nodes).run()
    return plan, scaling


def _parse_one(context: Context, name: str, body: Any) -> dict[str, Any] | None:
    path: Path = ("policies", name)
    checked = context.record(body, _KEYS, path, required=("targets",))
    if checked is None:
        return None
    type_ = checked.get("type")
    if type_ is None:
        context.findings.fmt("'type' key is required but it is currently missing", (*path, "type"))
    elif type_ != SCALING:
        text = f"'{type_}' policy type is not implemented. Only '{SCALING}' policy type is supported."
        context.findings.log(204, text, (*path, "type"), type_, context.findings.nearest(type_, (SCALING,)))
    properties = scalable.parse(context, checked.get("properties"), (*path, "properties"))
    targets = checked.get("targets")
    if targets is None:
        return None
    if not targets:
        text = f"Policy '{name}' has no targets groups defined for it. At least one target group is required."
        context.findings.log(206, text, (*path, "targets"), targets)
    groups = context.section("groups")
    for index, target in enumerate(targets):
        here = (*path, "targets", index)
        if not isinstance(target, str):
            context.findings.fmt(f"Expected 'string' type but found '{type_name(target)}' type", here, target)
        elif target not in groups:
            text = f"'{target}' is not a valid policy target. Only groups are valid policy targets. "
            text += f"Defined groups are {listed(groups)}."
            context.findings.log(205, text, here, target, context.findings.nearest(target, groups))
    return {
        "type": type_,
        "properties": properties,
        "targets": [target for target in targets if isinstance(target, str)],
    }


class _Membership:
    """Who is a member of which scaling group, and who is contained in whom."""

    def __init__(self, context: Context, scaling: dict[str, Any], nodes: Sequence[Mapping[str, Any]]) -> None:
        self._context = context
        self._scaling = scaling
        self._containers: dict[str, str | None] = {
            node["name"]: next(
                (item["target_id"] for item in node["relationships"] if CONTAINED_IN in item["type_hierarchy"]), None
            )
            for node in nodes
        }
        self._groups_of: dict[str, list[str]] = {}
        for group, body in scaling.items():
            for member in body["members"]:
                self._groups_of.setdefault(member, []).append(group)

    def run(self) -> None:
        """Check the scaling groups, then leave out members that are contained in other members."""
        findings = self._context.findings
        cycle = self._cycle()
        if cycle:
            findings.log(200, f"Illegal group cycles found: {[cycle]}", _PATH, cycle[0])
            return
        for member, groups in self._groups_of.items():
            if len(groups) > 1:
                text = (
                    "Nodes and groups cannot be members in multiple groups, but member "
                    f"'{member}' belongs to the following multiple groups: {groups}"
                )
                findings.log(201, text, _PATH, member)
        if findings:
            return
        apart = self._apart()
        if apart:
            text = (
                f"Node '{apart[0]}' and '{apart[1]}' belong to some shared group but they are not contained in any "
                "shared node, nor is any ancestor node of theirs."
            )
            findings.log(202, text, _PATH, apart[0])
            return
        self._leave_out_contained()

    def _cycle(self) -> list[str] | None:
        clean: set[str] = set()
        for start in self._scaling:
            # Several groups may hold one group, so this is a walk over all of them, not along one line.
            stack = [(start, iter(self._groups_of.get(start, ())))]
            on_trail = {start: 0}
            while stack:
                name, holders = stack[-1]
                holder = next(holders, None)
                if holder is None:
                    stack.pop()
                    del on_trail[name]
                    clean.add(name)
                elif holder in on_trail:
                    return [item[0] for item in stack[on_trail[holder] :]]
                elif holder not in clean:
                    on_trail[holder] = len(stack)
                    stack.append((holder, iter(self._groups_of.get(holder, ()))))
        return None

    def _holders(self, member: str) -> list[str]:
        """Return the scaling groups around a member, innermost first."""
        line: list[str] = []
        groups = self._groups_of.get(member)
        while groups:
            line.append(groups[0])
            groups = self._groups_of.get(groups[0])
        return line

    def _line(self, node: str) -> list[str]:
        """Return the nodes a node is contained in, nearest first."""
        line: list[str] = []
        container = self._containers.get(node)
        while container is not None:
            line.append(container)
            container = self._containers.get(container)
        return line

    def _apart(self) -> tuple[str, str] | None:
        """Find two member nodes of one group that neither containment nor their containers' group brings together."""
        by_group: dict[str, list[str]] = {}
        for member in self._groups_of:
            if member in self._containers:
                for group in self._holders(member):
                    by_group.setdefault(group, []).append(member)
        for nodes in by_group.values():
            roots: dict[str, tuple[str, bool]] = {}
            for node in nodes:
                line = self._line(node)
                root = line[-1] if line else node
                contained = bool(line) or roots.get(root, ("", False))[1]
                roots[root] = (node if line or root not in roots else roots[root][0], contained)
            for root, (node, contained) in roots.items():
                if not contained:
                    continue
                for other, (other_node, _) in roots.items():
                    self._context.spend(1)
                    if other != root and not self._share(root, other):
                        return node, other_node
        return None

    def _share(self, left: str, right: str) -> bool:
        return bool(set(self._holders(left)) & set(self._holders(right)))

    def _leave_out_contained(self) -> None:
        for member in list(self._groups_of):
            if member not in self._containers:
                continue
            groups = self._holders(member)
            for container in self._line(member):
                around = set(self._holders(container))
                shared = next((group for group in groups if group in around), None)
                if shared is None:
                    continue
                position = groups.index(shared)
                left_out = member if position == 0 else groups[position - 1]
                members = self._scaling[shared]["members"]
                if left_out in members:
                    members.remove(left_out)
