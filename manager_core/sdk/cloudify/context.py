"""The context of an operation, `cloudify.ctx` (contract §5)."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

from cloudify import constants, logs, utils
from cloudify.ctx_entities import (
    BlueprintContext,
    DeploymentContext,
    EntityContext,
    ImmutableProperties,
    NodeContext,
    NodeInstanceContext,
    RelationshipContext,
    RelationshipSubjectContext,
)
from cloudify.ctx_workdir import DeploymentWorkdirMixin
from cloudify.endpoint import Endpoint
from cloudify.exceptions import NonRecoverableError, OperationRetry
from cloudify.manager import copy_directory, save_resource

DEPLOYMENT = constants.DEPLOYMENT
NODE_INSTANCE = constants.NODE_INSTANCE
RELATIONSHIP_INSTANCE = constants.RELATIONSHIP_INSTANCE

_TEMPLATE_MARKS = (b"{{", b"{%", b"{#")


class CommonContext(DeploymentWorkdirMixin):
    """What every context has."""

    def __init__(self, ctx: dict[str, Any] | None = None) -> None:
        self._context: dict[str, Any] = ctx if ctx is not None else {}
        self._local = self._context.get("local", False)
        self.blueprint = BlueprintContext(self._context)
        self.deployment = DeploymentContext(self._context)


class ContextCapabilities:
    """The runtime properties of all targets of the instance's relationships as one map (deprecated)."""

    def __init__(self, endpoint: Endpoint, instance: NodeInstanceContext) -> None:
        self._endpoint = endpoint
        self._instance = instance
        self._cached: dict[str, dict[str, Any]] | None = None

    @property
    def _capabilities(self) -> dict[str, dict[str, Any]]:
        if self._cached is None:
            targets = [relationship.target.instance for relationship in self._instance.relationships]
            self._cached = {target.id: dict(target.runtime_properties) for target in targets}
        return self._cached

    def _find_item(self, key: str) -> list[Any]:
        """Return the values of `key` at all targets: none, one, or an error."""
        found = [values[key] for values in self._capabilities.values() if key in values]
        if len(found) > 1:
            raise NonRecoverableError(
                f"'{key}' capability ambiguity [capabilities={self._capabilities}]: {len(found)} targets provide it"
            )
        return found

    def __getitem__(self, key: str) -> Any:
        found = self._find_item(key)
        if not found:
            raise NonRecoverableError(f"capability '{key}' not found [capabilities={self._capabilities}]")
        return found[0]

    def __contains__(self, key: str) -> bool:
        return bool(self._find_item(key))

    def get_all(self) -> dict[str, dict[str, Any]]:
        """Return target id to runtime properties."""
        return self._capabilities


class BootstrapContext:
    """How this manager was set up."""

    class PolicyEngine:
        """Settings of the policy engine; there is none."""

        def __init__(self, policy_engine: dict[str, Any]) -> None:
            self._policy_engine = policy_engine

        @property
        def start_timeout(self) -> int | None:
            """Seconds to wait for the engine."""
            return self._policy_engine.get("start_timeout")

    class CloudifyAgent:
        """Defaults for host agents."""

        def __init__(self, cloudify_agent: dict[str, Any]) -> None:
            self._cloudify_agent = cloudify_agent

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):
                raise AttributeError(name)
            return self._cloudify_agent.get(name)

    def __init__(self, bootstrap_context: dict[str, Any]) -> None:
        self._bootstrap_context = bootstrap_context
        self._cloudify_agent = self.CloudifyAgent(bootstrap_context.get("cloudify_agent") or {})
        self._policy_engine = self.PolicyEngine(bootstrap_context.get("policy_engine") or {})

    @property
    def cloudify_agent(self) -> BootstrapContext.CloudifyAgent:
        """Defaults for host agents."""
        return self._cloudify_agent

    @property
    def policy_engine(self) -> BootstrapContext.PolicyEngine:
        """Settings of the policy engine."""
        return self._policy_engine

    @property
    def resources_prefix(self) -> str:
        """Prefix for the names of resources; empty unless configured."""
        return self._bootstrap_context.get("resources_prefix") or ""

    def broker_config(self, *_args: Any, **_kwargs: Any) -> dict[str, Any]:
        """Return the settings of the message broker; there is none."""
        return {}


class CloudifyAgentContext:
    """The agent of a Compute node: this manager runs every operation centrally and installs none."""

    def __init__(self, context: CloudifyContext) -> None:
        self._cloudify_context = context
        self.script_path: str | None = None

    def init_script(self, agent_config: dict[str, Any] | None = None) -> None:
        """Return the script that installs the agent: there is none to run."""

    def clean_script(self) -> None:
        """Remove the stored script: there is none."""

    def install_script_download_link(self, agent_config: dict[str, Any] | None = None, clean: bool = True) -> str:
        """Return where the installation script can be fetched."""
        raise NonRecoverableError("Host agents are not supported: use the agent install method 'none'")


class PluginContext(str):
    """The plugin of the operation: its name, and what is known about it."""

    _context: dict[str, Any]
    _workdir: str | None

    def __new__(cls, context: Any = "") -> PluginContext:
        described = context if isinstance(context, dict) else {"name": context}
        plugin = super().__new__(cls, described.get("name") or "")
        plugin._context = described
        plugin._workdir = None
        return plugin

    @property
    def name(self) -> str:
        """The plugin's name in the blueprint."""
        return self._context.get("name") or ""

    @property
    def package_name(self) -> str | None:
        """Name of the managed package."""
        return self._context.get("package_name")

    @property
    def package_version(self) -> str | None:
        """Version of the managed package."""
        return self._context.get("package_version")

    @property
    def source(self) -> str | None:
        """Where the plugin comes from: a directory or a URL."""
        return self._context.get("source")

    @property
    def properties(self) -> dict[str, Any] | None:
        """Configured properties of the plugin."""
        return self._context.get("properties")

    @property
    def prefix(self) -> str | None:
        """The environment the plugin is installed in."""
        return self._context.get("prefix") or sys.prefix

    @property
    def workdir(self) -> str:
        """A directory of the plugin for this deployment, made on first access."""
        if self._workdir is None:
            root = self._context.get("workdir")
            path = Path(root) if root else Path(utils.get_exec_tempdir()) / "plugins" / (self.name or "plugin")
            path.mkdir(parents=True, exist_ok=True)
            self._workdir = str(path)
        return self._workdir


class OperationContext:
    """The operation that runs."""

    def __init__(self, operation_context: dict[str, Any] | None) -> None:
        self._operation_context = operation_context or {}
        self._operation_retry: OperationRetry | None = None

    @property
    def name(self) -> str | None:
        """Full name of the interface operation."""
        return self._operation_context.get("name")

    @property
    def retry_number(self) -> int | None:
        """How often it was tried before; 0 at first."""
        return self._operation_context.get("retry_number")

    @property
    def max_retries(self) -> int | None:
        """How often it may be tried again; -1 is without limit."""
        return self._operation_context.get("max_retries")

    @property
    def relationship(self) -> str | None:
        """``source`` or ``target`` in relationship operations."""
        return self._operation_context.get("relationship")

    def retry(self, message: str | None = None, retry_after: float | None = None) -> None:
        """Have the operation run again; takes effect when the function returns.

        Args:
            message: why, shown in the event.
            retry_after: seconds to wait; None leaves it to the configured interval.
        """
        self._operation_retry = OperationRetry(message=message, retry_after=retry_after)


def _from_context(key: str, doc: str, default: Any = None) -> Any:
    """Build a property that gives an entry of the context mapping."""

    def getter(self: CloudifyContext) -> Any:
        value = self._context.get(key)
        return default() if value is None and default is not None else value

    return property(getter, doc=doc)


class CloudifyContext(CommonContext):
    """The context of a running operation."""

    _return_value: Any = None

    def __init__(
        self,
        ctx: dict[str, Any] | None = None,
        *,
        transport: Any = None,
        instances: dict[str, dict[str, Any]] | None = None,
    ) -> None:
        """Build a context from its mapping (contract §5.7).

        Args:
            ctx: the ``__cloudify_context`` mapping.
            transport: how it reaches the manager; default the transport of this process.
            instances: records of node instances that are known already.
        """
        super().__init__(ctx)
        self._endpoint = Endpoint(transport)
        self._logger: logging.Logger | None = None
        self._provider_context: dict[str, Any] | None = None
        self._bootstrap_context: BootstrapContext | None = None
        self._tenant: dict[str, Any] | None = None
        self._agent: CloudifyAgentContext | None = None
        self._capabilities: ContextCapabilities | None = None
        self._node: NodeContext | None = None
        self._instance: NodeInstanceContext | None = None
        self._source: RelationshipSubjectContext | None = None
        self._target: RelationshipSubjectContext | None = None
        self._operation = OperationContext(self._context.get("operation"))
        self._plugin = PluginContext(self._context.get("plugin") or "")
        self._resume = bool(self._context.get("resume", False))
        self._make_entities()
        for subject in self._subjects():
            record = (instances or {}).get(subject.id)
            if record is not None:
                subject._adopt(record)

    def _make_entities(self) -> None:
        context, endpoint = self._context, self._endpoint
        related = context.get("related")
        if related:
            own = RelationshipSubjectContext(context, endpoint, modifiable=True)
            other = RelationshipSubjectContext(related, endpoint, modifiable=True)
            self._source, self._target = (own, other) if related.get("is_target") else (other, own)
        elif context.get("node_id"):
            self._node = NodeContext(context, endpoint)
            self._instance = NodeInstanceContext(context, endpoint, node=self._node)

    def _subjects(self) -> list[NodeInstanceContext]:
        """Return the instances whose runtime properties this operation may write."""
        if self._source is not None and self._target is not None:
            return [self._source.instance, self._target.instance]
        return [self._instance] if self._instance is not None else []

    # --- what it is about
    # ---------------------------------------------------------------------------------------------

    @property
    def type(self) -> str:
        """``node-instance``, ``relationship-instance`` or ``deployment``."""
        if self._source is not None:
            return RELATIONSHIP_INSTANCE
        return NODE_INSTANCE if self._instance is not None else DEPLOYMENT

    def _verify_in_node_context(self) -> None:
        if self.type != NODE_INSTANCE:
            raise NonRecoverableError(
                f"ctx.node/ctx.instance can only be used in a {NODE_INSTANCE} context but used in a "
                f"{self.type} context."
            )

    def _verify_in_relationship_context(self) -> None:
        if self.type != RELATIONSHIP_INSTANCE:
            raise NonRecoverableError(
                f"ctx.source/ctx.target can only be used in a {RELATIONSHIP_INSTANCE} context but used in a "
                f"{self.type} context."
            )

    def _verify_in_node_or_relationship_context(self) -> None:
        if self.type == DEPLOYMENT:
            raise NonRecoverableError(
                f"capabilities can only be used in a {NODE_INSTANCE}/{RELATIONSHIP_INSTANCE} context but used in a "
                f"{self.type} context."
            )

    @property
    def node(self) -> NodeContext:
        """The node of a node operation."""
        self._verify_in_node_context()
        return self._node  # type: ignore[return-value]

    @property
    def instance(self) -> NodeInstanceContext:
        """The node instance of a node operation."""
        self._verify_in_node_context()
        return self._instance  # type: ignore[return-value]

    @property
    def source(self) -> RelationshipSubjectContext:
        """The source of a relationship operation."""
        self._verify_in_relationship_context()
        return self._source  # type: ignore[return-value]

    @property
    def target(self) -> RelationshipSubjectContext:
        """The target of a relationship operation."""
        self._verify_in_relationship_context()
        return self._target  # type: ignore[return-value]

    @property
    def operation(self) -> OperationContext:
        """The operation that runs."""
        return self._operation

    @property
    def plugin(self) -> PluginContext:
        """The operation's plugin."""
        return self._plugin

    @property
    def capabilities(self) -> ContextCapabilities:
        """Runtime properties of the targets of the instance's relationships (deprecated)."""
        self._verify_in_node_or_relationship_context()
        if self._capabilities is None:
            instance = self._instance if self._instance is not None else self._source.instance  # type: ignore[union-attr]
            self._capabilities = ContextCapabilities(self._endpoint, instance)
        return self._capabilities

    @property
    def agent(self) -> CloudifyAgentContext:
        """The agent of a Compute node."""
        self._verify_in_node_context()
        if constants.COMPUTE_NODE_TYPE not in self.node.type_hierarchy:
            raise NonRecoverableError(
                f"ctx.agent can only be used with compute nodes but current node is of type: {self.node.type}"
            )
        if self._agent is None:
            self._agent = CloudifyAgentContext(self)
        return self._agent

    execution_id = _from_context("execution_id", "Id of the execution.")
    workflow_id = _from_context("workflow_id", "Name of the workflow.")
    workflow_parameters = _from_context("workflow_parameters", "Parameters of the workflow.", dict)
    execution_token = _from_context("execution_token", "Token that acts as the execution.")
    execution_creator_username = _from_context("execution_creator_username", "Who started the execution.")
    execution_env = _from_context("execution_env", "Environment variables for the operation.", dict)
    task_id = _from_context("task_id", "Id of the task.")
    task_name = _from_context("task_name", "The mapping of the operation.")
    task_queue = _from_context("task_queue", "The queue it was sent to.")
    task_target = _from_context("task_target", "The worker it was sent to.")
    task_type = _from_context("type", "``operation``, ``workflow`` or ``hook``.")
    timeout = _from_context("timeout", "Seconds the operation may take.")
    timeout_recoverable = _from_context("timeout_recoverable", "Whether a time-out may be retried.")
    rest_token = _from_context("rest_token", "Token for the REST API.")
    rest_host = _from_context("rest_host", "Host of the REST API.")
    rest_port = _from_context("rest_port", "Port of the REST API.")
    rest_ssl_cert = _from_context("rest_ssl_cert", "Certificate of the REST API.")
    bypass_maintenance = _from_context("bypass_maintenance", "Whether it may write in maintenance mode.", bool)

    @property
    def resume(self) -> bool:
        """Whether the operation was started before and now runs again."""
        return self._resume

    @resume.setter
    def resume(self, value: bool) -> None:
        self._resume = value

    @property
    def tenant_name(self) -> str | None:
        """Name of the tenant."""
        return (self._context.get("tenant") or {}).get("name")

    @property
    def tenant(self) -> dict[str, Any]:
        """The tenant, fetched."""
        if self._tenant is None:
            self._tenant = self._endpoint.call("get_tenant")
        return self._tenant

    @property
    def bootstrap_context(self) -> BootstrapContext:
        """How this manager was set up."""
        if self._bootstrap_context is None:
            self._bootstrap_context = BootstrapContext(self._endpoint.call("get_bootstrap_context") or {})
        return self._bootstrap_context

    @property
    def provider_context(self) -> dict[str, Any]:
        """The provider context of the manager."""
        if self._provider_context is None:
            self._provider_context = self._endpoint.call("get_provider_context") or {}
        return self._provider_context

    # --- telling and asking
    # -------------------------------------------------------------------------------------------

    @property
    def logger(self) -> logging.Logger:
        """Logger whose records become logs of the execution."""
        if self._logger is None:
            self._logger = self._init_cloudify_logger()
        return self._logger

    def _init_cloudify_logger(self) -> logging.Logger:
        name = f"ctx.{self.task_id}" if self.task_id else "ctx.cloudify_plugin"
        return logs.init_cloudify_logger(logs.CloudifyPluginLoggingHandler(self), name)

    def send_event(self, event: str) -> None:
        """Send a ``plugin_event`` with this text."""
        logs.send_plugin_event(self, event)

    def get_operation(self) -> dict[str, Any]:
        """Return the stored operation of this task."""
        return self._endpoint.call("get_operation", operation_id=self.task_id)

    def update_operation(self, state: str) -> None:
        """Set the state of the stored operation of this task."""
        self._endpoint.call("update_operation", operation_id=self.task_id, state=state)

    def get_execution(self, execution_id: str | None = None) -> dict[str, Any]:
        """Return an execution, by default this one."""
        return self._endpoint.call("get_execution", execution_id=execution_id or self.execution_id)

    def get_config(self, name: str | None = None, scope: str | None = None) -> Any:
        """Return configuration entries of the manager."""
        return self._endpoint.call("get_config", name=name, scope=scope)

    def get_managers(self, network: str = "default") -> Any:
        """Return the managers."""
        return self._endpoint.call("get_managers")

    def get_brokers(self, network: str = "default") -> Any:
        """Return the message brokers; there are none."""
        return self._endpoint.call("get_brokers")

    # --- resources (contract §5.6)
    # ------------------------------------------------------------------------------------

    def get_resource(self, resource_path: str) -> bytes:
        """Return a resource of the deployment or blueprint; `HttpException` 404 when there is none."""
        return Path(self._endpoint.resource_path("get_resource", resource_path)).read_bytes()

    def get_resource_and_render(self, resource_path: str, template_variables: dict[str, Any] | None = None) -> bytes:
        """Return a resource, rendered as a Jinja2 template when it looks like one.

        Args:
            resource_path: the resource.
            template_variables: names for the template; ``ctx`` is there already.
        """
        variables = self._check_template_variables(template_variables)
        return self._render(self.get_resource(resource_path), resource_path, variables)

    def download_resource(self, resource_path: str, target_path: str | None = None) -> str:
        """Copy a resource to a file (a temporary one without `target_path`) and return its path."""
        return save_resource(self.get_resource(resource_path), resource_path, target_path)

    def download_resource_and_render(
        self, resource_path: str, target_path: str | None = None, template_variables: dict[str, Any] | None = None
    ) -> str:
        """Copy a rendered resource to a file and return its path."""
        content = self.get_resource_and_render(resource_path, template_variables)
        return save_resource(content, resource_path, target_path)

    def download_directory(self, directory_path: str, target_path: str | None = None) -> str:
        """Copy a directory of resources to a folder (a temporary one without `target_path`) and return it."""
        source = self._endpoint.resource_path("get_directory", directory_path)
        return copy_directory(source, directory_path, target_path)

    def _check_template_variables(self, template_variables: dict[str, Any] | None) -> dict[str, Any]:
        variables = dict(template_variables or {})
        if "ctx" in variables:
            raise NonRecoverableError("'ctx' is a reserved name and cannot be a template variable")
        return variables

    def _render(self, content: bytes, resource_path: str, variables: dict[str, Any]) -> bytes:
        if not any(mark in content for mark in _TEMPLATE_MARKS):
            return content
        try:
            template = content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise NonRecoverableError(f"{resource_path} is not a text in UTF-8 and cannot be rendered") from error
        text = self._endpoint.call(
            "render", template=template, variables=utils.plain(variables), instances=self._local_records()
        )
        return text.encode("utf-8")

    def _local_records(self) -> dict[str, dict[str, Any]]:
        """Return the instances with unsaved changes, as a template has to see them."""
        records = {}
        for subject in self._subjects():
            known = subject._node_instance
            if known is not None and known.dirty:
                records[subject.id] = {
                    "id": known.id,
                    "node_id": known.node_id,
                    "state": known.state,
                    "version": known.version,
                    "host_id": known.host_id,
                    "index": known.index,
                    "relationships": known.relationships,
                    "scaling_groups": known.scaling_groups,
                    "system_properties": known.system_properties,
                    "runtime_properties": dict(known.runtime_properties),
                }
        return records


__all__ = [
    "DEPLOYMENT",
    "NODE_INSTANCE",
    "RELATIONSHIP_INSTANCE",
    "BlueprintContext",
    "BootstrapContext",
    "CloudifyAgentContext",
    "CloudifyContext",
    "CommonContext",
    "ContextCapabilities",
    "DeploymentContext",
    "DeploymentWorkdirMixin",
    "EntityContext",
    "ImmutableProperties",
    "NodeContext",
    "NodeInstanceContext",
    "OperationContext",
    "PluginContext",
    "RelationshipContext",
    "RelationshipSubjectContext",
]
