"""Which node instances a workflow is about (workflow-runtime.md §4.1)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any


def selected_instances(
    ctx: Any,
    node_ids: Collection[str] | str | None = None,
    node_instance_ids: Collection[str] | str | None = None,
    type_names: Collection[str] | str | None = None,
) -> list[Any]:
    """Return the instances that pass all filters; an empty filter lets everything pass.

    `type_names` matches any type in a node's hierarchy. A filter that is one text counts as a list of it.
    """
    nodes, instances, types = _as_set(node_ids), _as_set(node_instance_ids), _as_set(type_names)
    return [
        instance
        for instance in ctx.node_instances
        if (not nodes or instance.node_id in nodes)
        and (not instances or instance.id in instances)
        and (not types or not types.isdisjoint(instance.node.type_hierarchy))
    ]


def _as_set(names: Collection[str] | str | None) -> set[str]:
    return {names} if isinstance(names, str) else set(names or ())


def others(ctx: Any, selected: Collection[Any]) -> set[Any]:
    """Return the deployment's instances that are not selected."""
    return set(ctx.node_instances) - set(selected)


def loaded(ctx: Any, ids: Iterable[str]) -> set[Any]:
    """Return the instances of these ids as the context has them now, without those that are gone."""
    found = (ctx.get_node_instance(each) for each in ids)
    return {instance for instance in found if instance is not None}
