"""Stage C: the node instances of a prepared plan (contract §17.1)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from manager_core.dsl.containment import Element, Forest, Instance
from manager_core.dsl.errors import DslErrors, Fault
from manager_core.dsl.wiring import wire

IdSuffixes = Callable[[], str]
"""Returns a fresh suffix: six characters of a-z0-9."""

MAX_INSTANCES = 200_000
"""Instances of one deployment, those of groups counted; more are refused instead of filling the memory."""

_ATTEMPTS = 1000


def create_instances(
    prepared_plan: Mapping[str, Any], *, ids: IdSuffixes, existing: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Create the node instances of a deployment.

    Args:
        prepared_plan: the plan after `prepare.prepare`; `nodes` and `scaling_groups` are read.
        ids: source of id suffixes.
        existing: instance ids that must not be used again.

    Returns:
        Instances `{id, name, node_id, host_id?, scaling_groups?, relationships}`, nodes in plan order, the
        instances of one node in the order of creation.

    Raises:
        DslErrors: a relationship cannot be made into instances, or there would be too many.
    """
    forest = Forest(prepared_plan["nodes"], prepared_plan.get("scaling_groups"))
    check_total(forest)
    maker = InstanceMaker(ids, existing)
    instances: dict[str, list[Instance]] = {}
    for element in forest.order:
        parents: Iterable[Instance | None] = [None] if element.parent is None else instances[element.parent.name]
        instances[element.name] = [maker.make(element, parent) for parent in parents for _ in range(element.count)]
    wires = wire(forest, instances)
    return [
        describe(instance, wires[instance.id])
        for element in forest.elements.values()
        if element.node is not None
        for instance in instances[element.name]
    ]


class InstanceMaker:
    """Makes new instances with ids that are not in use."""

    def __init__(self, ids: IdSuffixes, existing: Collection[str] = ()) -> None:
        self._ids = ids
        self._used = set(existing)

    def make(self, element: Element, parent: Instance | None) -> Instance:
        """Return a new instance of `element` in `parent`."""
        for _ in range(_ATTEMPTS):
            instance_id = f"{element.name}_{self._ids()}"
            if instance_id not in self._used:
                self._used.add(instance_id)
                return Instance(instance_id, element, parent)
        text = f"No free id could be found for an instance of '{element.name}'"
        raise DslErrors.single(Fault.VAL, None, text)


def check_total(forest: Forest) -> None:
    """Refuse a plan with more than `MAX_INSTANCES` instances, before any is made."""
    totals: dict[str, int] = {}
    total = 0
    for element in forest.order:
        parents = totals[element.parent.name] if element.parent is not None else 1
        totals[element.name] = parents * max(element.count, 0)
        total += totals[element.name]
        if total > MAX_INSTANCES:
            text = f"The deployment would have more than {MAX_INSTANCES} node instances"
            raise DslErrors.single(Fault.VAL, None, text, ("node_templates", element.name), value=element.count)


def describe(instance: Instance, relationships: list[dict[str, str]]) -> dict[str, Any]:
    """Return a new instance in the form that is stored, with the given relationships."""
    node = instance.element.node or {}
    name = instance.element.name
    described: dict[str, Any] = {"id": instance.id, "name": name, "node_id": name}
    if node.get("host_id") is not None:
        # A host inside a host belongs to the outer one: the outermost of the chain is the host of them all.
        hosts = [above.id for above in (instance, *instance.ancestors()) if _is_host(above.element)]
        if hosts:
            described["host_id"] = hosts[-1]
    groups = []
    for above in instance.ancestors():
        if not above.element.is_group:
            break
        groups.append({"name": above.element.name, "id": above.id})
    if groups:
        described["scaling_groups"] = groups
    described["relationships"] = relationships
    return described


def _is_host(element: Element) -> bool:
    return element.node is not None and element.node.get("host_id") == element.name
