"""The install part of a deployment update: what happens to the instances (workflow-runtime.md §6.4)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from manager_core.workflows import lifecycle
from manager_core.workflows.checks import CHECK_DRIFT, make_check_drift_graph, make_check_status_graph
from manager_core.workflows.heal import heal_or_name, sort_out
from manager_core.workflows.instance_install import LIFECYCLE
from manager_core.workflows.selection import loaded, others

_UPDATES = tuple(f"{LIFECYCLE}.{name}" for name in ("update", "update_config", "update_apply"))


@dataclass(frozen=True)
class InstanceChanges:
    """What an update does to instances, by id.

    Attributes:
        added, removed: new ones and ones to go.
        added_related, removed_related: ones with relationships to those.
        changed: existing ones whose node changed.
        extended, reduced: instance id -> target ids of relationships it gains or loses.
    """

    added: Collection[str] = ()
    removed: Collection[str] = ()
    added_related: Collection[str] = ()
    removed_related: Collection[str] = ()
    changed: Collection[str] = ()
    extended: dict[str, Collection[str]] = field(default_factory=dict)
    reduced: dict[str, Collection[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class UpdateOptions:
    """The parameters of the update workflow that concern instances; all off by default."""

    install_first: bool = False
    ignore_failure: bool = False
    skip_install: bool = False
    skip_uninstall: bool = False
    skip_reinstall: bool = False
    force_reinstall: bool = False
    skip_drift_check: bool = False
    skip_heal: bool = False
    reinstall_list: Collection[str] = ()


def apply_instance_changes(ctx: Any, changes: InstanceChanges, options: UpdateOptions) -> None:
    """Unlink and uninstall what goes, update or reinstall what changed, install and establish what comes."""
    if options.install_first:
        _install(ctx, changes, options)
        _uninstall(ctx, changes, options)
    else:
        _uninstall(ctx, changes, options)
    _update_existing(ctx, changes, options)
    if not options.install_first:
        _install(ctx, changes, options)
    _establish(ctx, changes)


def _uninstall(ctx: Any, changes: InstanceChanges, options: UpdateOptions) -> None:
    if options.skip_uninstall:
        return
    graph = ctx.graph_mode()
    if changes.reduced:
        lifecycle.execute_unlink_relationships(
            graph, loaded(ctx, changes.reduced), modified_relationship_ids=changes.reduced
        )
    if changes.removed:
        lifecycle.uninstall_node_instances(
            graph,
            loaded(ctx, changes.removed),
            options.ignore_failure,
            loaded(ctx, changes.removed_related),
            name_prefix="update-",
        )


def _install(ctx: Any, changes: InstanceChanges, options: UpdateOptions) -> None:
    if changes.added and not options.skip_install:
        lifecycle.install_node_instances(
            ctx.graph_mode(),
            loaded(ctx, changes.added),
            loaded(ctx, changes.added_related),
            name_prefix="update-",
        )


def _establish(ctx: Any, changes: InstanceChanges) -> None:
    if changes.extended:
        lifecycle.execute_establish_relationships(
            ctx.graph_mode(), loaded(ctx, changes.extended), modified_relationship_ids=changes.extended
        )


def _update_existing(ctx: Any, changes: InstanceChanges, options: UpdateOptions) -> None:
    ctx.refresh_node_instances()
    untouchable = {*changes.added, *changes.removed}
    existing = {each for each in ctx.node_instances if each.state == "started" and each.id not in untouchable}
    asked_for = {each for each in existing if each.id in set(options.reinstall_list)}
    drifted = _drifted(ctx, existing, changes, options)
    if options.force_reinstall:
        to_update: set[Any] = set()
        to_reinstall = set(drifted)
    else:
        to_update = {each for each in drifted if _can_be_updated(each)}
        to_reinstall = drifted - to_update
    if to_update:
        to_reinstall |= _update(ctx, to_update, options)
    if options.skip_reinstall:
        to_reinstall = set()
    chosen: set[Any] = set()
    for instance in to_reinstall | asked_for:
        chosen |= instance.get_contained_subgraph()
    if chosen:
        lifecycle.reinstall_node_instances(ctx.graph_mode(), chosen, options.ignore_failure, others(ctx, chosen))


def _drifted(ctx: Any, existing: set[Any], changes: InstanceChanges, options: UpdateOptions) -> set[Any]:
    """Return what has to be brought up to date: what says so itself, and what changed and cannot be asked."""
    changed = {each for each in existing if each.id in set(changes.changed)}
    if options.skip_drift_check or not existing:
        return changed
    ids = [each.id for each in existing]
    make_check_drift_graph(ctx, node_instance_ids=ids, ignore_failure=True, name="update_check_drift").execute()
    ctx.refresh_node_instances()
    drifted = {each for each in loaded(ctx, ids) if has_configuration_drift(each.system_properties)}
    return drifted | {each for each in changed if not each.node.has_operation(CHECK_DRIFT)}


def has_configuration_drift(system_properties: dict[str, Any]) -> bool:
    """Return whether a drift check failed or found something (workflow-runtime.md §4.9)."""
    records: list[dict[str, Any]] = []
    own = system_properties.get("configuration_drift")
    if own:
        records.append(own)
    for side in ("source", "target"):
        records.extend((system_properties.get(f"{side}_relationships_configuration_drift") or {}).values())
    return any(not record.get("ok") or record.get("result") is not None for record in records)


def _can_be_updated(instance: Any) -> bool:
    if any(instance.node.has_operation(operation) for operation in _UPDATES):
        return True
    own = instance.system_properties.get("configuration_drift") or {"ok": True, "result": None}
    only_relationships = bool(own.get("ok")) and own.get("result") is None
    return only_relationships and has_configuration_drift(instance.system_properties)


def _update(ctx: Any, to_update: set[Any], options: UpdateOptions) -> set[Any]:
    """Update instances, healing them first if they need it; return those that have to be reinstalled instead."""
    ids = {each.id for each in to_update}
    failed: set[Any] = set()
    graph = ctx.graph_mode()
    if not options.skip_heal:
        make_check_status_graph(
            ctx, node_instance_ids=sorted(ids), ignore_failure=True, name="update_check_status"
        ).execute()
        ctx.refresh_node_instances()
        to_heal, beyond = sort_out(loaded(ctx, ids), targeted=False)
        failed |= beyond
        if to_heal:
            failed |= heal_or_name(ctx, graph, to_heal)
        ids -= {each.id for each in failed}
    if ids:
        ready = loaded(ctx, ids)
        lifecycle.update_node_instances(graph, ready, others(ctx, ready))
        ctx.refresh_node_instances()
    for instance in loaded(ctx, ids):
        if instance.system_properties.get("update_failed") == ctx.execution_id:
            failed.add(instance)
    return failed
