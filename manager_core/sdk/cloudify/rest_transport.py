"""The transport of processes that the runtime gave no connection: the REST API."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


class RestTransport:
    """Answers the calls that the API can answer; notices become events and logs of the execution."""

    def __init__(self, client: Any = None) -> None:
        self._client = client

    @property
    def client(self) -> Any:
        """The client the calls go through."""
        if self._client is None:
            from cloudify.manager import get_rest_client

            self._client = get_rest_client()
        return self._client

    def call(self, method: str, params: dict[str, Any]) -> Any:
        """Answer a call; an unreachable manager is tried again without limit.

        Raises:
            CloudifyClientError: the manager refused.
            NotInContext: nobody knows where the manager is.
        """
        handler: Callable[..., Any] | None = getattr(self, f"_{method}", None)
        if handler is None:
            from cloudify.exceptions import NonRecoverableError

            raise NonRecoverableError(f"{method} is only possible in an operation or a workflow that the manager runs")
        while True:
            try:
                return handler(**params)
            except ConnectionError:
                if method != "update_node_instance":
                    raise
                time.sleep(1)

    def notice(self, method: str, params: dict[str, Any]) -> None:
        """Send an event or a log."""
        item = params["record"]
        kind = "logs" if item.get("type") == "cloudify_log" else "events"
        self.client.events.create(**{kind: [item]})

    def _get_node(self, node_id: str, node_instance_id: str | None) -> Any:
        instance = self.client.node_instances.get(node_instance_id)
        return self.client.nodes.get(
            instance["deployment_id"], node_id, evaluate_functions=True, instance_context=node_instance_id
        )

    def _get_node_instance(self, node_instance_id: str, evaluate_functions: bool = False) -> Any:
        return self.client.node_instances.get(node_instance_id, evaluate_functions=evaluate_functions)

    def _update_node_instance(
        self, node_instance_id: str, version: int, state: str | None, runtime_properties: Any
    ) -> Any:
        return self.client.node_instances.update(
            node_instance_id, state=state, runtime_properties=runtime_properties, version=version
        )

    def _get_operation(self, operation_id: str) -> Any:
        return self.client.operations.get(operation_id)

    def _update_operation(self, operation_id: str, state: str) -> None:
        self.client.operations.update(operation_id, state)

    def _get_execution(self, execution_id: str) -> Any:
        return self.client.executions.get(execution_id)

    def _update_execution_status(self, execution_id: str, status: str, error: str | None) -> Any:
        return self.client.executions.update(execution_id, status, error)

    def _get_secret(self, key: str) -> Any:
        return self.client.secrets.get(key)

    def _get_config(self, name: str | None, scope: str | None) -> Any:
        return self.client.manager.get_config(name, scope)

    def _get_managers(self) -> Any:
        return self.client.manager.get_managers().items

    def _get_brokers(self) -> Any:
        return self.client.manager.get_brokers().items

    def _get_provider_context(self) -> Any:
        return self.client.manager.get_context()["context"]

    def _get_bootstrap_context(self) -> Any:
        return self._get_provider_context().get("cloudify") or {}

    def _get_tenant(self) -> Any:
        from cloudify.utils import get_tenant_name

        return self.client.tenants.get(get_tenant_name())
