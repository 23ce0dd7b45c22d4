"""Helpers that talk to the manager outside of `ctx`: the REST client and node instances by id (contract §5.8)."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from cloudify import endpoint, utils
from cloudify.exceptions import HttpException, NonRecoverableError

_FROZEN = "Cannot modify runtime properties of relationship node instances"


class DirtyTrackingDict(dict):
    """Runtime properties: a dict that knows whether it was changed on its first level.

    `setdefault` and changes inside of nested values go unnoticed: set `dirty` yourself, or assign the value again.
    """

    dirty = False
    modifiable = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.modifiable = True
        self.dirty = False

    def _set_changed(self) -> None:
        """Mark the properties as changed; raises where they are read-only."""
        if not self.modifiable:
            raise NonRecoverableError(_FROZEN)
        self.dirty = True

    def __setitem__(self, key: Any, value: Any) -> None:
        self._set_changed()
        super().__setitem__(key, value)

    def __delitem__(self, key: Any) -> None:
        self._set_changed()
        super().__delitem__(key)

    def __ior__(self, other: Any) -> DirtyTrackingDict:  # type: ignore[misc, override]
        self.update(other)
        return self

    def update(self, *args: Any, **kwargs: Any) -> None:
        """As `dict.update`."""
        self._set_changed()
        super().update(*args, **kwargs)

    def clear(self) -> None:
        """As `dict.clear`."""
        self._set_changed()
        super().clear()

    def pop(self, *args: Any) -> Any:
        """As `dict.pop`."""
        self._set_changed()
        return super().pop(*args)

    def popitem(self) -> tuple[Any, Any]:
        """As `dict.popitem`."""
        self._set_changed()
        return super().popitem()

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[Any, Any]:
        import copy

        return copy.deepcopy(dict(self), memo)


class NodeInstance:
    """A node instance as it was read, with its version; `update_node_instance` stores it."""

    def __init__(
        self,
        node_instance_id: str,
        node_id: str,
        runtime_properties: dict[str, Any] | None = None,
        state: str | None = None,
        version: int | None = None,
        host_id: str | None = None,
        relationships: list[dict[str, Any]] | None = None,
        index: int | None = None,
        scaling_groups: list[dict[str, str]] | None = None,
        system_properties: dict[str, Any] | None = None,
    ) -> None:
        self.id = node_instance_id
        self._node_id = node_id
        self._runtime_properties = DirtyTrackingDict(runtime_properties or {})
        self._state = state
        self._version = version
        self._host_id = host_id
        self._relationships = relationships
        self._index = index
        self._scaling_groups = scaling_groups
        self._system_properties = system_properties or {}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> NodeInstance:
        """Build an instance from what the manager answered."""
        return cls(
            record["id"],
            record["node_id"],
            runtime_properties=record.get("runtime_properties"),
            state=record.get("state"),
            version=record.get("version"),
            host_id=record.get("host_id"),
            relationships=record.get("relationships"),
            index=record.get("index"),
            scaling_groups=record.get("scaling_groups"),
            system_properties=record.get("system_properties"),
        )

    def get(self, key: str) -> Any:
        """Return a runtime property, or None."""
        return self._runtime_properties.get(key)

    def put(self, key: str, value: Any) -> None:
        """Set a runtime property."""
        self._runtime_properties[key] = value

    def delete(self, key: str) -> None:
        """Remove a runtime property."""
        del self._runtime_properties[key]

    __getitem__ = get
    __setitem__ = put
    __delitem__ = delete

    def __contains__(self, key: object) -> bool:
        return key in self._runtime_properties

    @property
    def runtime_properties(self) -> DirtyTrackingDict:
        """The runtime properties; assigning a dict replaces them all."""
        return self._runtime_properties

    @runtime_properties.setter
    def runtime_properties(self, properties: dict[str, Any]) -> None:
        self._runtime_properties._set_changed()
        self._runtime_properties = DirtyTrackingDict(properties or {})
        self._runtime_properties.dirty = True

    @property
    def version(self) -> int | None:
        """The version that was read."""
        return self._version

    @property
    def state(self) -> str | None:
        """The state that was read or set."""
        return self._state

    @state.setter
    def state(self, value: str) -> None:
        self._state = value

    @property
    def dirty(self) -> bool:
        """Whether the runtime properties were changed."""
        return self._runtime_properties.dirty

    @property
    def host_id(self) -> str | None:
        """Id of the instance that hosts this one."""
        return self._host_id

    @property
    def node_id(self) -> str:
        """Id of the node."""
        return self._node_id

    @property
    def relationships(self) -> list[dict[str, Any]] | None:
        """List of ``{type, target_id, target_name}``."""
        return self._relationships

    @property
    def index(self) -> int | None:
        """Place among the node's instances, from 1."""
        return self._index

    @property
    def scaling_groups(self) -> list[dict[str, str]] | None:
        """List of ``{id, name}``."""
        return self._scaling_groups

    @property
    def system_properties(self) -> dict[str, Any]:
        """What the system recorded about the instance: status, drift."""
        return self._system_properties


def get_rest_client(tenant: str | None = None, api_token: str | None = None) -> Any:
    """Return a REST client that acts as the current execution.

    Args:
        tenant: tenant to work in; default the current one.
        api_token: a token to use instead of the execution's.
    """
    from cloudify_rest_client import CloudifyClient

    headers: dict[str, str] = {}
    execution_token = utils.get_execution_token()
    if execution_token and not api_token:
        headers["Execution-Token"] = execution_token
    if utils.get_is_bypass_maintenance():
        headers["X-BYPASS-MAINTENANCE"] = "True"
    return CloudifyClient(
        host=utils.get_manager_rest_service_host(),
        port=utils.get_manager_rest_service_port(),
        protocol=utils.get_manager_rest_service_protocol(),
        tenant=tenant or utils.get_tenant_name(),
        headers=headers,
        token=api_token or (None if execution_token else utils.get_rest_token()),
        cert=utils.get_local_rest_certificate(),
    )


def get_node_instance(node_instance_id: str, evaluate_functions: bool = False, client: Any = None) -> NodeInstance:
    """Read a node instance of the tenant."""
    if client is not None:
        record = client.node_instances.get(node_instance_id, evaluate_functions=evaluate_functions)
    else:
        record = endpoint.call(
            "get_node_instance", node_instance_id=node_instance_id, evaluate_functions=evaluate_functions
        )
    return NodeInstance.from_record(record)


def update_node_instance(node_instance: NodeInstance, client: Any = None) -> NodeInstance:
    """Store state and runtime properties of an instance with the version that was read.

    Raises:
        CloudifyClientError: 409, when somebody else stored a newer version meanwhile.
    """
    properties = dict(node_instance.runtime_properties)
    if client is not None:
        record = client.node_instances.update(
            node_instance.id,
            state=node_instance.state,
            runtime_properties=properties,
            version=node_instance.version,
        )
    else:
        record = endpoint.call(
            "update_node_instance",
            node_instance_id=node_instance.id,
            version=node_instance.version,
            state=node_instance.state,
            runtime_properties=properties,
        )
    return NodeInstance.from_record(record)


def get_node_instance_ip(node_instance_id: str, client: Any = None) -> str | None:
    """Return the address of an instance: its runtime property ``ip``, else its node's property ``ip``."""
    instance = get_node_instance(node_instance_id, client=client)
    if instance.runtime_properties.get("ip"):
        return instance.runtime_properties["ip"]
    if client is not None:
        record = client.node_instances.get(node_instance_id)
        node = client.nodes.get(record["deployment_id"], instance.node_id)
    else:
        node = endpoint.call("get_node", node_id=instance.node_id, node_instance_id=node_instance_id)
    return (node.get("properties") or {}).get("ip")


def update_execution_status(execution_id: str, status: str, error: str | None = None, client: Any = None) -> Any:
    """Set the status of an execution."""
    if client is not None:
        return client.executions.update(execution_id, status, error)
    return endpoint.call("update_execution_status", execution_id=execution_id, status=status, error=error)


def get_bootstrap_context(client: Any = None) -> dict[str, Any]:
    """Return the bootstrap context, a part of the provider context."""
    if client is not None:
        return get_provider_context(client).get("cloudify", {})
    return endpoint.call("get_bootstrap_context")


def get_provider_context(client: Any = None) -> dict[str, Any]:
    """Return the provider context."""
    if client is not None:
        return client.manager.get_context()["context"]
    return endpoint.call("get_provider_context")


def get_resource(blueprint_id: str, deployment_id: str, tenant_name: str, resource_path: str) -> bytes:
    """Return a resource of the current blueprint or deployment; `HttpException` 404 when there is none."""
    path = endpoint.Endpoint().resource_path("get_resource", resource_path)
    return Path(path).read_bytes()


def download_resource(
    blueprint_id: str,
    deployment_id: str,
    tenant_name: str,
    resource_path: str,
    logger: Any,
    target_path: str | None = None,
) -> str:
    """Copy a resource to a file and return its path."""
    content = get_resource(blueprint_id, deployment_id, tenant_name, resource_path)
    return save_resource(content, resource_path, target_path)


def get_resource_from_manager(resource_path: str, base_url: Any = None, base_urls: Any = None) -> bytes:
    """Return a file of the manager's file server."""
    return get_resource("", "", "", resource_path)


def download_resource_from_manager(resource_path: str, logger: Any, target_path: str | None = None) -> str:
    """Copy a file of the manager's file server to a file and return its path."""
    return save_resource(get_resource_from_manager(resource_path), resource_path, target_path)


def get_resource_directory_index(
    blueprint_id: str, deployment_id: str, tenant_name: str, resource_path: str
) -> list[str]:
    """Return the paths of all files below a directory resource, relative to it."""
    root = Path(endpoint.Endpoint().resource_path("get_directory", resource_path))
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def save_resource(content: bytes, resource_path: str, target_path: str | None = None) -> str:
    """Write a resource to `target_path`, or to a new temporary folder under its own name; return the path."""
    if target_path:
        target = Path(target_path)
    else:
        target = Path(tempfile.mkdtemp(dir=utils.get_exec_tempdir())) / Path(resource_path).name
    if target.is_dir():
        target = target / Path(resource_path).name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return str(target)


def copy_directory(source: str, resource_path: str, target_path: str | None = None) -> str:
    """Copy a tree to `target_path`, or to a new temporary folder; return the folder."""
    target = target_path or str(Path(tempfile.mkdtemp(dir=utils.get_exec_tempdir())))
    if not Path(source).is_dir():
        raise HttpException(resource_path, 404, f"Resource not found: {resource_path}")
    shutil.copytree(source, target, dirs_exist_ok=True)
    return target
