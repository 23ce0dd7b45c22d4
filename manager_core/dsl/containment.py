"""The containment forest of a plan: what is created once per instance of what (contract §17.1).

Elements are nodes and scaling groups. A node lives in the scaling group it is a member of, else in the node it is
contained in; a scaling group lives in the group that has it as a member, else in the node its members are contained
in. Creating and modifying instances both walk this forest from its roots.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

CONTAINED_IN = "cloudify.relationships.contained_in"
CONNECTED_TO = "cloudify.relationships.connected_to"
DEPENDS_ON = "cloudify.relationships.depends_on"


@dataclass(slots=True)
class Element:
    """A node or a scaling group.

    Attributes:
        name: its name; nodes and groups never share one.
        count: how many instances there are in each instance of the parent.
        node: the plan node, or None for a group.
        parent: what it lives in, or None for a root.
        children: what lives in it, nodes and groups.
    """

    name: str
    count: int
    node: Mapping[str, Any] | None
    parent: Element | None = None
    children: list[Element] = field(default_factory=list)

    @property
    def is_group(self) -> bool:
        """Tell a scaling group from a node."""
        return self.node is None


@dataclass(slots=True, eq=False)
class Instance:
    """An instance of an element.

    Attributes:
        id: its id.
        element: what it is an instance of.
        parent: the instance it lives in.
        stored: the instance as it was given, for one that exists already.
    """

    id: str
    element: Element
    parent: Instance | None
    stored: Mapping[str, Any] | None = None

    def ancestors(self) -> Iterator[Instance]:
        """Yield the instances it lives in, innermost first."""
        above = self.parent
        while above is not None:
            yield above
            above = above.parent


class Forest:
    """The elements of a plan.

    Attributes:
        elements: name → element, nodes in plan order first.
        order: every element, each after its parent.
    """

    def __init__(self, nodes: Sequence[Mapping[str, Any]], scaling_groups: Mapping[str, Any] | None) -> None:
        groups = scaling_groups or {}
        self.elements: dict[str, Element] = {}
        for node in nodes:
            self.elements[node["id"]] = Element(node["id"], node_count(node), node)
        for name, group in groups.items():
            self.elements[name] = Element(name, group["properties"]["current_instances"], None)
        self._link_members(groups)
        self._link_containers(groups)
        self.order = self._top_down()

    def _link_members(self, groups: Mapping[str, Any]) -> None:
        for name, group in groups.items():
            for member in group.get("members") or ():
                element = self.elements.get(member)
                if element is not None:
                    element.parent = self.elements[name]

    def _link_containers(self, groups: Mapping[str, Any]) -> None:
        for element in list(self.elements.values()):
            if element.node is None:
                continue
            container = self.elements.get(container_of(element.node) or "")
            if container is None:
                continue
            top = element
            while top.parent is not None and top.parent.is_group and top.parent is not container:
                top = top.parent
            if top.parent is None and top is not container:
                top.parent = container

    def _top_down(self) -> list[Element]:
        for element in self.elements.values():
            if element.parent is not None:
                element.parent.children.append(element)
        order = [element for element in self.elements.values() if element.parent is None]
        for element in order:  # the list grows while it is walked: breadth first
            order.extend(element.children)
        return order


def node_count(node: Mapping[str, Any]) -> int:
    """Return a node's instance count per parent, from a plan node or from a stored one."""
    capabilities = node.get("capabilities")
    if capabilities:
        return int(capabilities["scalable"]["properties"]["current_instances"])
    return int(node.get("number_of_instances", 1))


def container_of(node: Mapping[str, Any]) -> str | None:
    """Return the name of the node that `node` is contained in."""
    for relationship in node.get("relationships") or ():
        if CONTAINED_IN in relationship["type_hierarchy"]:
            return str(relationship["target_id"])
    return None
