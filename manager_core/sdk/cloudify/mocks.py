"""Contexts for the unit tests of plugins: everything is given, nothing is asked of a manager."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

from cloudify.context import (
    BootstrapContext,
    CloudifyContext,
    ContextCapabilities,
)
from cloudify.manager import DirtyTrackingDict
from cloudify.utils import setup_logger


class MockContext(dict):
    """A dict whose items are attributes too."""

    def __init__(self, values: dict[str, Any] | None = None) -> None:
        super().__init__(values or {})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.get(name)

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


class MockNodeContext:
    """A node with given properties."""

    def __init__(self, id: str | None = None, properties: dict[str, Any] | None = None, type: Any = None) -> None:
        self._id = id
        self._properties = {} if properties is None else properties
        self._type = type

    @property
    def id(self) -> str | None:
        """The node's id."""
        return self._id

    @property
    def name(self) -> str | None:
        """The same as `id`."""
        return self._id

    @property
    def properties(self) -> dict[str, Any]:
        """The given properties."""
        return self._properties

    @property
    def type(self) -> Any:
        """The given type."""
        return self._type

    @property
    def type_hierarchy(self) -> list[Any]:
        """The given type, under the root type."""
        return ["cloudify.nodes.Root", self._type]


class MockNodeInstanceContext:
    """An instance with given runtime properties."""

    def __init__(
        self,
        id: str | None = None,
        runtime_properties: dict[str, Any] | None = None,
        relationships: Any = None,
        index: int | None = None,
    ) -> None:
        self._id = id
        self._runtime_properties = DirtyTrackingDict(runtime_properties or {})
        self._relationships = relationships
        self._index = index

    @property
    def id(self) -> str | None:
        """The instance's id."""
        return self._id

    @property
    def runtime_properties(self) -> DirtyTrackingDict:
        """The given runtime properties; they can be changed."""
        return self._runtime_properties

    @runtime_properties.setter
    def runtime_properties(self, properties: dict[str, Any]) -> None:
        self._runtime_properties = DirtyTrackingDict(properties)

    @property
    def relationships(self) -> Any:
        """The given relationships."""
        return self._relationships

    @property
    def index(self) -> int | None:
        """The given index."""
        return self._index

    def update(self, on_conflict: Any = None) -> None:
        """Do nothing: changes stay in this object."""

    def refresh(self, force: bool = False) -> None:
        """Do nothing: there is nothing newer."""


class MockRelationshipSubjectContext:
    """One side of a relationship."""

    def __init__(self, node: Any, instance: Any) -> None:
        self.node = node
        self.instance = instance


class MockRelationshipContext:
    """A relationship to a given target."""

    def __init__(self, target: Any, type: Any = None) -> None:
        self.target = target
        self.type = type
        self.type_hierarchy = [type]


class MockCloudifyContext(CloudifyContext):
    """An operation context made of given values."""

    def __init__(
        self,
        node_id: str | None = None,
        node_name: str | None = None,
        node_type: str | None = None,
        blueprint_id: str | None = None,
        deployment_id: str | None = None,
        execution_id: str | None = None,
        properties: dict[str, Any] | None = None,
        runtime_properties: dict[str, Any] | None = None,
        relationships: Any = None,
        capabilities: Any = None,
        related: Any = None,
        source: Any = None,
        target: Any = None,
        operation: dict[str, Any] | None = None,
        resources: dict[str, str] | None = None,
        tenant: Any = None,
        rest_token: str | None = None,
        provider_context: Any = None,
        bootstrap_context: Any = None,
        config: Any = None,
        brokers: Any = None,
        managers: Any = None,
        index: int | None = None,
    ) -> None:
        super().__init__(
            {
                "blueprint_id": blueprint_id,
                "deployment_id": deployment_id,
                "execution_id": execution_id,
                "node_id": node_id,
                "node_name": node_name,
                "operation": operation,
                "tenant": tenant or {},
                "rest_token": rest_token,
            }
        )
        self._resources = resources or {}
        self._mock_config, self._mock_brokers, self._mock_managers = config, brokers, managers
        self._provider_context = provider_context or {}
        self._bootstrap_context = bootstrap_context or BootstrapContext({})
        self._mock_capabilities = capabilities
        self._source, self._target = source, target
        if source is not None:
            self._node = self._instance = None
        elif node_id or properties is not None or runtime_properties is not None:
            self._node = MockNodeContext(node_name, properties, node_type)  # type: ignore[assignment]
            self._instance = MockNodeInstanceContext(  # type: ignore[assignment]
                node_id, runtime_properties, relationships, index
            )
        self._logger = setup_logger("mock-context-logger", logging.DEBUG)

    def _subjects(self) -> list[Any]:
        return []

    @property
    def execution_id(self) -> Any:  # type: ignore[override]
        """The given id."""
        return self._context.get("execution_id")

    @property
    def capabilities(self) -> ContextCapabilities:
        """The given capabilities."""
        return self._mock_capabilities

    def send_event(self, event: str) -> None:
        """Log the event."""
        self.logger.info("Event: %s", event)

    def get_resource(self, resource_path: str) -> bytes:
        """Return the content of the file given for a resource."""
        return Path(self._resource_file(resource_path)).read_bytes()

    def download_resource(self, resource_path: str, target_path: str | None = None) -> str:
        """Return the file given for a resource, copied to `target_path` if there is one."""
        path = self._resource_file(resource_path)
        return path if target_path is None else str(shutil.copy(path, target_path))

    def _resource_file(self, resource_path: str) -> str:
        if resource_path not in self._resources:
            raise RuntimeError(f"no such resource: {resource_path}")
        return self._resources[resource_path]

    def get_config(self, name: str | None = None, scope: str | None = None) -> Any:
        """Return the given configuration."""
        return self._mock_config

    def get_brokers(self, network: str | None = None) -> Any:
        """Return the given brokers."""
        return self._mock_brokers

    def get_managers(self, network: str | None = None) -> Any:
        """Return the given managers."""
        return self._mock_managers

    def upload_deployment_file(self, target_file_path: str, src_file: Any, src_file_mtime: Any = None) -> str:
        """Do nothing."""
        return target_file_path

    def delete_deployment_file(self, file_path: str) -> None:
        """Do nothing."""
