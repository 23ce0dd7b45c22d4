"""The workflow `update` (workflow-runtime.md §4.1, §6.4).

Called with the ids of instances, as a deployment update calls the workflow it names instead of its own sequence, it
brings these instances from the old model to the new one. Called with an update's id alone it is that update.
"""

# mypy: allow-untyped-decorators
# (the SDK is no part of the checked program: mypy sees its decorators as Any)

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any

from cloudify.decorators import workflow

from manager_core.workflows.update_instances import InstanceChanges, UpdateOptions, apply_instance_changes

Ids = Collection[str]

_LISTS = {
    "added": ("added_instance_ids",),
    "removed": ("removed_instance_ids",),
    "added_related": ("added_target_instances_ids", "added_target_instance_ids"),
    "removed_related": ("removed_target_instance_ids", "remove_target_instance_ids"),
    "extended": ("extended_instance_ids",),
    "reduced": ("reduced_instance_ids",),
    "extended_targets": ("extend_target_instance_ids", "extended_target_instance_ids"),
    "reduced_targets": ("reduce_target_instance_ids", "reduced_target_instance_ids"),
}
"""What is meant → the parameters that may say it: callers of several generations spell some differently."""

_OPTIONS = tuple(field.name for field in fields(UpdateOptions) if field.name != "reinstall_list")


def names_instances(parameters: Mapping[str, Any]) -> bool:
    """Tell whether the parameters of an update say which instances it is about."""
    return any(name in parameters for names in _LISTS.values() for name in names)


def update_named_instances(ctx: Any, parameters: Mapping[str, Any]) -> None:
    """Unlink, uninstall, update, install and establish what the parameters name."""
    ids: dict[str, Ids] = {
        meant: next((parameters[name] or () for name in names if name in parameters), ())
        for meant, names in _LISTS.items()
    }
    ctx.refresh_node_instances()
    nodes = _node_ids(parameters.get("modified_entity_ids"))
    new = {*ids["added"], *ids["removed"]}
    apply_instance_changes(
        ctx,
        InstanceChanges(
            added=ids["added"],
            removed=ids["removed"],
            added_related=ids["added_related"],
            removed_related=ids["removed_related"],
            changed=[each.id for each in ctx.node_instances if each.node_id in nodes and each.id not in new],
            extended=_towards(ctx, ids["extended"], ids["extended_targets"]),
            reduced=_towards(ctx, ids["reduced"], ids["reduced_targets"]),
        ),
        UpdateOptions(
            reinstall_list=parameters.get("reinstall_list") or parameters.get("node_instances_to_reinstall") or (),
            **{name: bool(parameters.get(name)) for name in _OPTIONS},
        ),
    )


def _node_ids(modified: Any) -> set[str]:
    """Return the changed nodes; they come as a list, or by the kind of entity."""
    return set((modified.get("node") if isinstance(modified, Mapping) else modified) or ())


def _towards(ctx: Any, ids: Ids, targets: Ids) -> dict[str, Ids]:
    """Return which relationships of the instances lead to the given targets: instance id → target ids."""
    wanted = set(targets)
    found: dict[str, Ids] = {}
    for instance in (ctx.get_node_instance(each) for each in ids):
        if instance is not None:
            found[instance.id] = [each.target_id for each in instance.relationships if each.target_id in wanted]
    return found


@workflow
def update(ctx: Any, **parameters: Any) -> None:
    """Bring the instances that the parameters name to the new model, or carry out the update of `update_id`."""
    if names_instances(parameters):
        update_named_instances(ctx, parameters)
        return
    from manager_core.deployments.update_workflow import update_deployment  # the store is not there in every process

    update_deployment(ctx, **parameters)
