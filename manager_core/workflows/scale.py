"""The scale workflow (workflow-runtime.md §4.8)."""

# mypy: allow-untyped-decorators
# (the SDK is no part of the checked program: mypy sees its decorators as Any)

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from cloudify.decorators import workflow

from manager_core.workflows import lifecycle

Hints = Collection[str] | str | None


@workflow(resumable=True)
def scale_entity(
    ctx: Any,
    scalable_entity_name: str,
    delta: Any = 1,
    scale_compute: bool = False,
    ignore_failure: bool = False,
    include_instances: Hints = None,
    exclude_instances: Hints = None,
    rollback_if_failed: bool = True,
    abort_started: bool = False,
    **_: Any,
) -> None:
    """Add `delta` instances of a node or scaling group, or remove as many if it is negative.

    Raises:
        ValueError: `delta` is no number, the entity is unknown, or the result would be negative.
        RuntimeError: the hints cannot be followed.
    """
    include, exclude = _as_list(include_instances), _as_list(exclude_instances)
    delta = _whole_number(delta)
    if delta == 0:
        ctx.logger.info("delta parameter is 0, so no scaling will take place.")
        return
    entity, current = _entity(ctx, scalable_entity_name, scale_compute)
    check_hints(ctx, entity, delta, include, exclude, scale_compute)
    wanted = current + delta
    if wanted < 0:
        raise ValueError(
            f"Provided delta: {delta} is illegal. current number of instances of entity "
            f"{scalable_entity_name} is {current}"
        )
    if abort_started:
        _abort_started(ctx, ignore_failure)
    modification = _modification(
        ctx,
        {
            entity: {
                "instances": wanted,
                "removed_ids_exclude_hint": exclude,
                "removed_ids_include_hint": include,
            }
        },
    )
    try:
        if delta > 0:
            _scale_out(ctx, modification, scalable_entity_name, ignore_failure, rollback_if_failed)
        else:
            _scale_in(ctx, modification, scalable_entity_name, ignore_failure)
    except BaseException:
        if rollback_if_failed:
            ctx.logger.warning("Rolling back deployment modification. [modification_id=%s]", modification.id)
            modification.rollback()
        raise
    modification.finish()


@workflow
def scale(ctx: Any, node_id: str, delta: Any, scale_compute: bool, **kwargs: Any) -> None:
    """Scale a node; the old form of `scale_entity`."""
    scale_entity(ctx=ctx, scalable_entity_name=node_id, delta=delta, scale_compute=scale_compute, **kwargs)


def get_groups_with_members(ctx: Any) -> dict[str, list[str]]:
    """Return the ids of the instances in each scaling group."""
    groups: dict[str, list[str]] = {}
    for instance in ctx.node_instances:
        for group in instance.scaling_groups:
            groups.setdefault(group["name"], []).append(instance.id)
    return groups


# --- what is asked for


def _whole_number(delta: Any) -> int:
    try:
        return int(delta)
    except (TypeError, ValueError):
        raise ValueError(f"The delta parameter must be a number. Got: {delta}") from None


def _entity(ctx: Any, name: str, scale_compute: bool) -> tuple[str, int]:
    """Return the name of what is scaled and how many there are: a group, a node, or the node's host."""
    group = ctx.deployment.scaling_groups.get(name)
    if group is not None:
        properties = group["properties"]
        return name, properties.get("current_instances", properties.get("default_instances"))
    node = ctx.get_node(name)
    if node is None:
        raise ValueError(f"No scalable entity named {name} was found")
    if scale_compute and node.host_node is not None:
        node = node.host_node
    return node.id, node.number_of_instances


def check_hints(ctx: Any, entity: str, delta: int, include: list[str], exclude: list[str], scale_compute: bool) -> None:
    """Refuse hints that cannot be followed, with every problem in one error."""
    if not include and not exclude:
        return
    if delta > 0:
        raise RuntimeError("Instances cannot be included or excluded when scaling up.")
    groups = get_groups_with_members(ctx)
    if entity in groups:
        available = set(groups[entity])
        units = {
            next(group["id"] for group in instance.scaling_groups if group["name"] == entity): instance.id
            for instance in ctx.node_instances
            if instance.id in available
        }
        total = len(units)
    else:
        available = {instance.id for instance in ctx.node_instances if instance.node_id == entity}
        total = len(available)
    problems = []
    if scale_compute:
        problems.append("Cannot include or exclude instances while `scale_compute` is True.")
    unknown = sorted(set(include) - available)
    if unknown:
        problems.append(f"The following included instances do not exist: {', '.join(unknown)}.")
    unknown = sorted(set(exclude) - available)
    if unknown:
        problems.append(f"The following excluded instances do not exist: {', '.join(unknown)}.")
    twice = sorted(set(include) & set(exclude))
    if twice:
        problems.append(f"The following instances are both excluded and included: {', '.join(twice)}.")
    if entity not in groups and total - len(set(exclude) & available) < -delta:
        problems.append(f"Too many instances are excluded: {-delta} of {total} have to go.")
    if problems:
        raise RuntimeError("\n".join(problems))


def _as_list(names: Hints) -> list[str]:
    return [names] if isinstance(names, str) else list(names or ())


# --- doing it


def _modification(ctx: Any, nodes: Mapping[str, dict[str, Any]]) -> Any:
    """Start a modification; on resume, go on with the one that is started."""
    if ctx.resume:
        started = ctx.deployment.list_started_modifications()
        if len(started) == 1:
            ctx.logger.info("Resuming deployment modification. [modification_id=%s]", started[0].id)
            return started[0]
    modification = ctx.deployment.start_modification(nodes)
    ctx.logger.info("Deployment modification started. [modification_id=%s]", modification.id)
    return modification


def _scale_out(ctx: Any, modification: Any, entity: str, ignore_failure: bool, rollback_if_failed: bool) -> None:
    graph = ctx.graph_mode()
    added, related = _split(modification.added, "added")
    try:
        lifecycle.install_node_instances(graph, added, related, name_prefix=f"{entity}_")
    except Exception:
        if rollback_if_failed:
            ctx.logger.error("Scale out failed, scaling back in.")
            _clear(graph)
            ctx.refresh_node_instances()
            again = {ctx.get_node_instance(instance.id) for instance in added} - {None}
            lifecycle.rollback_node_instances(
                graph, again, related, name_prefix=f"{entity}_", ignore_failure=ignore_failure
            )
        raise


def _scale_in(ctx: Any, modification: Any, entity: str, ignore_failure: bool) -> None:
    removed, related = _split(modification.removed, "removed")
    lifecycle.uninstall_node_instances(ctx.graph_mode(), removed, ignore_failure, related, name_prefix=f"{entity}_")


def _split(part: Any, change: str) -> tuple[set[Any], set[Any]]:
    everything = set(part.node_instances)
    changed = {instance for instance in everything if instance.modification == change}
    return changed, everything - changed


def _clear(graph: Any) -> None:
    for task in graph.tasks:
        graph.remove_task(task)


def _abort_started(ctx: Any, ignore_failure: bool) -> None:
    """Uninstall what started modifications added and roll them back."""
    graph = ctx.graph_mode()
    for modification in ctx.deployment.list_started_modifications():
        added, related = _split(modification.added, "added")
        _clear(graph)
        lifecycle.uninstall_node_instances(
            graph, added, ignore_failure, related, name_prefix=f"abort-{modification.id}-"
        )
        modification.rollback()
    ctx.refresh_node_instances()
