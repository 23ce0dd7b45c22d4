"""The workflows that the manager itself brings, by name (workflow-runtime contract §6)."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from manager_core.errors import Kind, ManagerError
from manager_core.runtime.system_work import SystemWork

SystemWorkflow = Callable[[SystemWork], None]

_PLACES = {
    "upload_blueprint": "manager_core.blueprints.upload:run",
    "create_deployment_environment": "manager_core.deployments.environment:create",
    "delete_deployment_environment": "manager_core.deployments.environment:delete",
    "create_snapshot": "manager_core.snapshots.workflows:create",
    "restore_snapshot": "manager_core.snapshots.workflows:restore",
}

SDK_WORKFLOWS = {
    "update": "manager_core.deployments.update_workflow.update_deployment",
    "csys_update_deployment": "manager_core.deployments.update_workflow.update_deployment",
}
"""System workflows that are written against the SDK like anyone's: name → mapping of the function."""

RESTARTABLE = frozenset({"upload_blueprint", "create_deployment_environment", "delete_deployment_environment"})
"""Those that simply run again when their worker was lost: what they change, they change in one transaction."""


def is_system(workflow_id: str) -> bool:
    """Tell whether a workflow, unless the deployment declares it, is one of the registry's functions."""
    return workflow_id in _PLACES


def function_of(workflow_id: str) -> SystemWorkflow:
    """Return the function of a system workflow; imported when it is needed.

    Raises:
        ManagerError: there is none of this name.
    """
    place = _PLACES.get(workflow_id)
    if place is None:
        raise ManagerError(f"Builtin workflow {workflow_id} does not exist", kind=Kind.BAD_INPUT)
    module, _, name = place.partition(":")
    function: SystemWorkflow = getattr(importlib.import_module(module), name)
    return function
