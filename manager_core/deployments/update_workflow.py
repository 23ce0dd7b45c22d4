"""The workflow `update`: the phases of an update with the lifecycle of the instances in between (contract §6.4).

`update_deployment` is called like any workflow function, in an execution process where the SDK is; `run` is the same
without a lifecycle, for updates that touch the model alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from manager_core.deployments.environment import one_line_at_the_end
from manager_core.deployments.update_phases import Changes, UpdatePhases
from manager_core.deployments.updates import EXECUTING, FINALIZING, SUCCESSFUL
from manager_core.dsl.errors import DslErrors
from manager_core.errors import ManagerError
from manager_core.runtime.system_work import SystemWork
from manager_core.states import END, ExecutionStatus

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

Install = Callable[[Changes], None]

_OPTIONS = (
    "install_first", "ignore_failure", "skip_install", "skip_uninstall", "skip_reinstall", "force_reinstall",
    "skip_drift_check", "skip_heal",
)  # fmt: skip
_WAIT_SECONDS = 10 * 365 * 86_400.0


class UpdateFailed(ManagerError):
    """The workflow that an update ran instead of its lifecycle did not end well."""

    code = "bad_parameters_error"


def run(work: SystemWork, install: Install | None = None) -> None:
    """Carry out an update.

    Args:
        work: the execution; its parameters are those of the contract, among them `update_id`.
        install: brings the instances from the old model to the new one; called after the new model is stored.

    Raises:
        ManagerError: the update cannot be done, or its workflow failed; the model may have changed by then.
    """
    phases = UpdatePhases(work)
    try:
        changes = phases.prepare()
        work.send_event("The changes are computed")
        if work.parameters.get("preview"):
            phases.set_state(SUCCESSFUL)
            return
        phases.perform(changes)
        phases.set_state(EXECUTING)
        work.send_event("The new model is stored")
        if work.parameters.get("workflow_id"):
            _run_workflow(work, changes)
        elif install is not None:
            install(changes)
        phases.set_state(FINALIZING)
        phases.finish(changes)
        phases.set_state(SUCCESSFUL)
        work.send_event("The update is finished")
    except DslErrors as error:
        raise one_line_at_the_end(error) from error


def _run_workflow(work: SystemWork, changes: Changes) -> None:
    """Run the workflow the update names, tell it what changes, and wait for its end."""
    core: Core = work.core
    ids = {kind: [item["id"] for item in changes.marked(kind)] for kind in ("added", "removed", "extended", "reduced")}
    parameters = {
        "update_id": work.parameters["update_id"],
        **{f"{kind}_instance_ids": found for kind, found in ids.items()},
        "added_target_instances_ids": changes.related("added"),
        "removed_target_instance_ids": changes.related("removed"),
        "extend_target_instance_ids": changes.related("extended"),
        "reduce_target_instance_ids": changes.related("reduced"),
        "modified_entity_ids": [*changes.added_nodes, *changes.changed_nodes, *changes.removed_nodes],
    }
    workflow_id = work.parameters["workflow_id"]
    started = core.executions.start(
        work.caller,
        deployment_id=work.deployment_id,
        workflow_id=workflow_id,
        parameters=parameters,
        allow_custom_parameters=True,
        force=True,
    )
    ended = core.executions.wait_until_end(started["id"], _WAIT_SECONDS)
    if ended is None or ended.status not in END or ended.status != ExecutionStatus.TERMINATED:
        status = ended.status if ended is not None else "gone"
        error = ended.error if ended is not None else ""
        raise UpdateFailed(f"Workflow {workflow_id} of the update is {status} (execution {started['id']}): {error}")


def update_deployment(ctx: Any, **parameters: Any) -> None:
    """Update a deployment: the workflow function behind `update` and `csys_update_deployment`.

    Raises:
        WorkflowFailed: with the text that belongs into the execution's error.
    """
    from cloudify.workflows import api

    from manager_core.workflows.update import names_instances, update_named_instances

    if names_instances(parameters):  # an update that was told to run the workflow `update` instead of its own sequence
        update_named_instances(ctx, parameters)
        return
    handler = ctx.internal.handler
    handler.flush()
    work = SystemWork(
        core=handler.core,
        caller=handler.caller,
        execution_id=ctx.execution_id,
        tenant_name=handler.tenant,
        deployment_id=ctx.deployment.id,
        blueprint_id=None,
        parameters=parameters,
        # Not through `ctx`: an event sent there is a task, and the context could not switch to graph mode after it.
        send_event=lambda message: handler.send_event("workflow_stage", message),
        cancelled=api.has_cancel_request,
    )
    try:
        run(work, lambda changes: _install(ctx, changes, parameters))
    except ManagerError as error:
        raise api.WorkflowFailed(error.message) from error


def _install(ctx: Any, changes: Changes, parameters: dict[str, Any]) -> None:
    from cloudify.workflows import api

    from manager_core.workflows.update_instances import InstanceChanges, UpdateOptions, apply_instance_changes

    if api.has_cancel_request():
        raise api.ExecutionCancelled
    ctx.refresh_node_instances()
    changed = set(changes.changed_nodes)
    apply_instance_changes(
        ctx,
        InstanceChanges(
            added=[item["id"] for item in changes.marked("added")],
            removed=[item["id"] for item in changes.marked("removed")],
            added_related=changes.related("added"),
            removed_related=changes.related("removed"),
            changed=[instance.id for instance in ctx.node_instances if instance.node_id in changed],
            extended=_targets_of(changes, "extended"),
            reduced=_targets_of(changes, "reduced"),
        ),
        UpdateOptions(
            reinstall_list=parameters.get("reinstall_list") or [],
            **{name: bool(parameters.get(name)) for name in _OPTIONS},
        ),
    )
    ctx.internal.handler.flush()


def _targets_of(changes: Changes, kind: str) -> dict[str, Any]:
    return {item["id"]: [entry["target_id"] for entry in item["relationships"]] for item in changes.marked(kind)}
