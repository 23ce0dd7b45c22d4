"""What a Component does in its lifecycle: upload, create, run workflows, check, heal, update, delete."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cloudify import ctx, manager
from cloudify.constants import COMPONENT
from cloudify.decorators import operation
from cloudify.deployment_dependencies import build_deployment_dependency, format_dependency_creator
from cloudify.exceptions import NonRecoverableError
from cloudify_rest_client.exceptions import CloudifyClientError

from cloudify_types import uploads
from cloudify_types.clients import EXTERNAL, checked_labels, client_of, exists, final, is_missing, setting
from cloudify_types.following import (
    INTERVAL,
    TIMEOUT,
    follow,
    require_well,
    take_capabilities,
    wait_for_quiet,
    wait_until,
)

_MADE = "_component_create_deployment_id"
_STARTED = "_component_execution"
_NAMES_TRIED = 1000


@dataclass
class _Component:
    """A component as its node describes it, and the client it is managed with."""

    client: Any
    elsewhere: bool
    config: dict[str, Any]

    @classmethod
    def of(cls, inputs: dict[str, Any]) -> _Component:
        client, elsewhere = client_of(setting("client", inputs))
        return cls(client, elsewhere, setting("resource_config", inputs) or {})

    @property
    def blueprint(self) -> dict[str, Any]:
        return self.config.get("blueprint") or {}

    @property
    def blueprint_id(self) -> str:
        return self.blueprint.get("id") or ctx.instance.id

    @property
    def deployment(self) -> dict[str, Any]:
        return self.config.get("deployment") or {}

    @property
    def deployment_id(self) -> str:
        known = ctx.instance.runtime_properties.get("deployment") or {}
        return known.get("id") or self.deployment.get("id") or ctx.instance.id

    @property
    def logs(self) -> bool:
        """Whether its logs are handed on; they are unless the node says no."""
        return self.deployment.get("logs") is not False

    def need(self) -> tuple[Any, dict[str, Any]]:
        """Return where this deployment's need of the component is registered, and the need.

        A manager keeps the needs of its own deployments alone, so one of a component elsewhere has no target.
        """
        creator = format_dependency_creator(COMPONENT, ctx.instance.id)
        if not self.elsewhere:
            return self.client, build_deployment_dependency(
                creator, source_deployment=ctx.deployment.id, target_deployment=self.deployment_id
            )
        config = {"deployment": self.deployment_id, "host": self.client.host}
        return manager.get_rest_client(), build_deployment_dependency(
            creator, source_deployment=ctx.deployment.id, external_target=config
        )

    def run(self, workflow_id: str, timeout: float, **arguments: Any) -> Any:
        """Start a workflow of the component, wait for its end and return the execution."""
        execution = self.client.executions.start(self.deployment_id, workflow_id, **arguments)
        follow(self.client, execution.id, timeout=timeout, logs=self.logs)
        return execution


@operation(resumable=True)
@final
def upload_blueprint(**kwargs: Any) -> bool:
    """Upload the blueprint of the component, unless it is there."""
    component = _Component.of(kwargs)
    uploads.upload_blueprint(component.client, component.blueprint)
    return True


@operation(resumable=True)
@final
def create(timeout: float = TIMEOUT, interval: float = INTERVAL, **kwargs: Any) -> bool:
    """Create the component's deployment, after the secrets and the plugins that it needs."""
    component = _Component.of(kwargs)
    uploads.make_secrets(component.client, setting("secrets", kwargs))
    uploads.upload_plugins(component.client, setting("plugins", kwargs))
    if not component.deployment.get(EXTERNAL):
        if _MADE not in ctx.instance.runtime_properties:
            _create_deployment(component)
        where, need = component.need()
        where.inter_deployment_dependencies.create(**need)
    else:
        ctx.instance.runtime_properties["deployment"] = {"id": component.deployment_id}
    found = component.client.deployments.get(component.deployment_id, _include=["id", "create_execution"])
    if not found.create_execution:
        raise NonRecoverableError(f'Deployment "{component.deployment_id}" has no execution that made its environment')
    follow(component.client, found.create_execution, timeout=timeout, interval=interval, logs=component.logs)
    return True


def _create_deployment(component: _Component) -> None:
    asked = component.deployment
    labels = list(checked_labels(asked.get("labels") or []))
    if not component.elsewhere:
        labels = [label for label in labels if "csys-obj-parent" not in label]
        labels.append({"csys-obj-parent": ctx.deployment.id})
    names = _names(asked.get("id") or ctx.instance.id, numbered=bool(asked.get("auto_inc_suffix")))
    refused: CloudifyClientError | None = None
    for name in names:
        try:
            component.client.deployments.create(
                component.blueprint_id, name, inputs=asked.get("inputs") or {}, labels=labels, async_create=True
            )
        except CloudifyClientError as error:
            if error.status_code != 409:
                raise
            refused = error
            continue
        ctx.instance.runtime_properties["deployment"] = {"id": name}
        ctx.instance.runtime_properties[_MADE] = name
        ctx.instance.update()  # were it forgotten, a second run would find the name taken
        ctx.logger.info('The component\'s deployment "%s" was made', name)
        return
    raise refused or NonRecoverableError("The component's deployment has no name")


def _names(base: str, *, numbered: bool) -> Iterator[str]:
    if not numbered:
        yield base
        return
    for number in range(_NAMES_TRIED):
        yield f"{base}-{number}"


@operation(resumable=True)
@final
def execute_start(
    workflow_id: str = "install", timeout: float = TIMEOUT, interval: float = INTERVAL, **kwargs: Any
) -> Any:
    """Run a workflow of the component; in a workflow of the same name with the same parameters."""
    component = _Component.of(kwargs)
    properties = ctx.instance.runtime_properties
    name = component.deployment_id
    known = properties.get(_STARTED) or {}
    goes_on = (ctx.resume or ctx.operation.retry_number) and known.get("workflow_id") == workflow_id
    execution_id = known.get("id") if goes_on else None
    if execution_id is None:
        if not wait_for_quiet(component.client, name, timeout, interval):
            return ctx.operation.retry(f'The "{name}" deployment is not ready for execution.')
        arguments = dict(component.config.get("executions_start_args") or {})
        if workflow_id == ctx.workflow_id:
            arguments["parameters"] = ctx.workflow_parameters
        ctx.logger.info('Workflow "%s" begins on deployment "%s"', workflow_id, name)
        try:
            execution_id = component.client.executions.start(name, workflow_id, **arguments).id
        except CloudifyClientError as error:
            if workflow_id != "uninstall" or error.error_code != "unavailable_workflow_error":
                raise
            # Its installation failed before anything of it ran; this must not keep the deletion from coming.
            ctx.logger.warning('Deployment "%s" has nothing installed', name)
            return True
        properties[_STARTED] = {"workflow_id": workflow_id, "id": execution_id}
        ctx.instance.update()
    state = kwargs.get("workflow_state") or "terminated"
    follow(component.client, execution_id, timeout=timeout, interval=interval, state=state, logs=component.logs)
    ctx.instance.runtime_properties.pop(_STARTED, None)
    ctx.logger.info('Workflow "%s" ended well on deployment "%s"', workflow_id, name)
    take_capabilities(component.client, name)
    return True


@operation(resumable=True)
@final
def delete(timeout: float = TIMEOUT, **kwargs: Any) -> bool:
    """Delete the component's deployment, its blueprint, and what was uploaded for it."""
    component = _Component.of(kwargs)
    client, name = component.client, component.deployment_id
    if not component.deployment.get(EXTERNAL):
        _delete_deployment(component, timeout)
        where, need = component.need()
        try:
            where.inter_deployment_dependencies.delete(
                need["dependency_creator"], ctx.deployment.id, need.get("target_deployment"), is_component_deletion=True
            )
        except CloudifyClientError as error:
            if not is_missing(error):
                raise
        ctx.logger.info('The component\'s deployment "%s" was deleted', name)
    if not component.blueprint.get(EXTERNAL):
        uploads.delete_blueprint(client, component.blueprint_id)
    uploads.delete_plugins(client)
    uploads.delete_secrets(client)
    for key in ("deployment", "blueprint", "capabilities", "received_events", _MADE, _STARTED):
        ctx.instance.runtime_properties.pop(key, None)
    return True


def _delete_deployment(component: _Component, timeout: float) -> None:
    client, name = component.client, component.deployment_id
    if not exists(client.deployments, name):
        ctx.logger.warning('The component\'s deployment "%s" is gone already', name)
        return
    wait_for_quiet(client, name, timeout)
    client.deployments.delete(name)
    if not wait_until(lambda: not exists(client.deployments, name), timeout):
        raise NonRecoverableError(f'Deployment "{name}" was not deleted within {timeout} seconds')


@operation(resumable=True)
@final
def refresh(**kwargs: Any) -> None:
    """Read the component's capabilities again."""
    component = _Component.of(kwargs)
    take_capabilities(component.client, component.deployment_id)


@operation(resumable=True)
@final
def check_status(timeout: float = TIMEOUT, **kwargs: Any) -> None:
    """Run the component's own check, and require that it is installed and in order."""
    component = _Component.of(kwargs)
    component.run("check_status", timeout)
    require_well(component.client.deployments.get(component.deployment_id))


@operation(resumable=True)
@final
def check_drift(timeout: float = TIMEOUT, **kwargs: Any) -> dict[str, Any] | None:
    """Return in what the component differs from its node and its capabilities from those read; None: in nothing."""
    component = _Component.of(kwargs)
    component.run("check_drift", timeout)
    deployment = component.client.deployments.get(component.deployment_id)
    known = ctx.instance.runtime_properties.get("capabilities") or {}
    now = component.client.deployments.capabilities.get(deployment.id)["capabilities"]
    asked = component.deployment
    drift = {
        "client": bool(setting("client", kwargs)),
        "capabilities": sorted(key for key in {*known, *now} if known.get(key) != now.get(key)),
        "deployment": _deployment_drift(asked, deployment),
        "blueprint": ["id"] if component.blueprint.get("id") not in (None, deployment.blueprint_id) else [],
    }
    return {key: value for key, value in drift.items() if value} or None


def _deployment_drift(asked: dict[str, Any], deployment: Any) -> list[str]:
    drift = []
    name = deployment.id.rpartition("-")[0] if asked.get("auto_inc_suffix") else deployment.id
    if asked.get("id") and asked["id"] != name:
        drift.append("id")
    wanted = {item for label in asked.get("labels") or [] for item in label.items()}
    there = {(label["key"], label["value"]) for label in deployment.labels or []}
    if wanted and wanted != {item for item in there if not item[0].startswith("csys-")}:
        drift.append("labels")
    if asked.get("inputs") and asked["inputs"] != deployment.inputs:
        drift.append("inputs")
    return drift


@operation
@final
def heal(timeout: float = TIMEOUT, **kwargs: Any) -> None:
    """Heal the component, and require that it is well afterwards."""
    component = _Component.of(kwargs)
    component.run("heal", timeout)
    require_well(component.client.deployments.get(component.deployment_id), drifted_is_well=True)


@operation
@final
def update(timeout: float = TIMEOUT, **kwargs: Any) -> None:
    """Bring the component's blueprint, inputs and labels to what its node says now."""
    component = _Component.of(kwargs)
    client, name = component.client, component.deployment_id
    drift = ctx.instance.drift or {}
    if drift.get("client"):
        raise NonRecoverableError(f'"{name}" cannot be updated: its client has changed')
    parts = drift.get("deployment") or []
    if "id" in parts:
        raise NonRecoverableError(f'"{name}" cannot be updated: its deployment_id has changed')
    changes: dict[str, Any] = {}
    if "id" in (drift.get("blueprint") or []):
        changes["blueprint_id"] = component.blueprint.get("id")
    if "inputs" in parts:
        changes["inputs"] = component.deployment.get("inputs")
    if changes:
        started = client.deployment_updates.update_with_existing_blueprint(name, **changes)
        follow(client, started.execution_id, timeout=timeout, logs=component.logs)
    if "labels" in parts:
        kept = [{label["key"]: label["value"]} for label in client.deployments.get(name).labels or []]
        client.deployments.update_labels(name, [*kept, *(component.deployment.get("labels") or [])])
    take_capabilities(client, name)
    require_well(client.deployments.get(name))
