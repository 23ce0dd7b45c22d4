"""What a SharedResource does in its lifecycle, and the workflows that relationships to it run."""

from __future__ import annotations

from typing import Any

from cloudify import ctx, manager
from cloudify.constants import SHARED_RESOURCE
from cloudify.decorators import operation
from cloudify.deployment_dependencies import format_dependency_creator
from cloudify.exceptions import NonRecoverableError
from cloudify_rest_client.exceptions import CloudifyClientError

from cloudify_types.clients import client_of, exists, final, is_missing, label_values, setting
from cloudify_types.following import TIMEOUT, follow, require_well, take_capabilities, wait_for_quiet
from cloudify_types.shared_resource.constants import SHARED_RESOURCE_TYPE

_KIND = "csys-obj-type"


def _resource(inputs: dict[str, Any]) -> tuple[Any, bool, str]:
    """Return the client, whether it works elsewhere, and the id of the shared deployment."""
    client, elsewhere = client_of(setting("client", inputs))
    known = ctx.instance.runtime_properties.get("deployment") or {}
    asked = (setting("resource_config", inputs) or {}).get("deployment") or {}
    return client, elsewhere, known.get("id") or asked.get("id") or ""


def _need(client: Any, elsewhere: bool, name: str) -> tuple[Any, tuple[str, str, str | None]]:
    creator = format_dependency_creator(SHARED_RESOURCE, ctx.instance.id)
    if elsewhere:
        return manager.get_rest_client(), (creator, ctx.deployment.id, None)
    return client, (creator, ctx.deployment.id, name)


@operation(resumable=True)
@final
def connect_deployment(timeout: float = TIMEOUT, **kwargs: Any) -> bool:
    """Register the use of the shared deployment; one that is made on demand is installed first."""
    client, elsewhere, name = _resource(kwargs)
    if not name or not exists(client.deployments, name):
        raise NonRecoverableError(
            f'The shared resource names the deployment "{name}", and tenant "{ctx.tenant_name}" has none of that id'
        )
    ctx.instance.runtime_properties["deployment"] = {"id": name}
    deployment = client.deployments.get(name)
    if deployment.installation_status == "inactive":
        if "on-demand-resource" not in label_values(deployment, _KIND):
            raise NonRecoverableError(
                f'The shared deployment "{name}" is not installed: install it, or give it the label '
                "`csys-obj-type: on-demand-resource`, with which it is installed when it is needed"
            )
        follow(client, client.executions.start(name, "install", queue=True).id, timeout=timeout)
    take_capabilities(client, name)
    where, need = _need(client, elsewhere, name)
    where.inter_deployment_dependencies.create(*need, external_target={"deployment": name} if elsewhere else None)
    return True


@operation(resumable=True)
@final
def disconnect_deployment(timeout: float = TIMEOUT, **kwargs: Any) -> bool:
    """End the use of the shared deployment; one that is made on demand is uninstalled after its last user."""
    client, elsewhere, name = _resource(kwargs)
    where, need = _need(client, elsewhere, name)
    try:
        where.inter_deployment_dependencies.delete(*need)
    except CloudifyClientError as error:
        if not is_missing(error):
            raise
        ctx.logger.warning('Deployment "%s" did not use the shared resource "%s"', ctx.deployment.id, name)
    if exists(client.deployments, name):
        _release(client, name, timeout)
    for key in ("deployment", "capabilities"):
        ctx.instance.runtime_properties.pop(key, None)
    return True


def _release(client: Any, name: str, timeout: float) -> None:
    deployment = client.deployments.get(name)
    kinds = label_values(deployment, _KIND)
    if "on-demand-resource" not in kinds or "on-demand-uninstall-off" in kinds:
        return
    if deployment.installation_status != "active" or len(
        client.inter_deployment_dependencies.list(target_deployment_id=name)
    ):
        return
    try:
        follow(client, client.executions.start(name, "uninstall").id, timeout=timeout)
    except CloudifyClientError as error:
        if error.status_code != 400:
            raise
        ctx.logger.warning('The shared deployment "%s" is not uninstalled: %s', name, error)


@operation(resumable=True)
@final
def refresh(**kwargs: Any) -> None:
    """Read the shared deployment's capabilities again."""
    client, _, name = _resource(kwargs)
    take_capabilities(client, name)


@operation(resumable=True)
@final
def check_status(**kwargs: Any) -> None:
    """Require that the shared deployment is installed and in order."""
    client, _, name = _resource(kwargs)
    require_well(client.deployments.get(name))


@operation(resumable=True)
@final
def check_drift(**kwargs: Any) -> dict[str, Any] | None:
    """Return the names of the capabilities that changed since they were read; None: none did."""
    client, _, name = _resource(kwargs)
    known = ctx.instance.runtime_properties.get("capabilities") or {}
    now = client.deployments.capabilities.get(name)["capabilities"]
    changed = sorted(key for key in {*known, *now} if known.get(key) != now.get(key))
    return {"capabilities": changed} if changed else None


@operation(resumable=True)
@final
def execute_workflow(
    workflow_id: str,
    parameters: dict[str, Any] | None = None,
    timeout: float = TIMEOUT,
    redirect_logs: bool = True,
    **_: Any,
) -> Any:
    """Run a workflow of the shared deployment that this relationship leads to."""
    node, instance = ctx.target.node, ctx.target.instance
    if SHARED_RESOURCE_TYPE not in node.type_hierarchy:
        raise NonRecoverableError(
            f'Workflow "{workflow_id}" can run on a shared resource alone, and node "{node.id}" is none'
        )
    client, _elsewhere = client_of(node.properties.get("client"))
    name = node.properties["resource_config"]["deployment"]["id"]
    if not wait_for_quiet(client, name, timeout):
        return ctx.operation.retry(f'The "{name}" deployment is not ready for workflow execution.')
    execution = client.executions.start(name, workflow_id, parameters=parameters or {}, allow_custom_parameters=True)
    follow(client, execution.id, timeout=TIMEOUT, logs=redirect_logs, instance=instance)
    take_capabilities(client, name, instance)
    return True
