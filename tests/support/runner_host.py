"""A `RunnerHost` in memory for tests: nodes, instances with versions, resources in a folder, what was told."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from manager_core.errors import Conflict, NotFound

JsonObject = dict[str, Any]


class MemoryHost:
    """Serves the calls of operations from dicts, and keeps the records and the output it got."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.records: list[JsonObject] = []
        self.output: list[tuple[str, bytes]] = []
        self.output_size = 0
        self.lock = threading.RLock()
        self.nodes: dict[str, JsonObject] = {}
        self.instances: dict[str, JsonObject] = {}
        self.operations: dict[str, JsonObject] = {}
        self.functions: dict[str, Any] = {}
        self.fail_next_get = 0
        for name in ("resources", "workdir", "files"):
            (root / name).mkdir(parents=True, exist_ok=True)

    def add(self, instance_id: str, node_id: str = "vm", **extra: Any) -> JsonObject:
        """Add an instance, and its node unless it is there."""
        properties = extra.pop("properties", {})
        node = {
            "id": node_id,
            "type": "my.Type",
            "type_hierarchy": ["cloudify.nodes.Root", "my.Type"],
            "number_of_instances": 1,
            "relationships": extra.pop("node_relationships", []),
            "properties": properties,
            "host_id": None,
        }
        self.nodes.setdefault(node_id, node)
        self.instances[instance_id] = {
            "id": instance_id,
            "node_id": node_id,
            "deployment_id": "dep",
            "host_id": None,
            "index": 1,
            "version": 1,
            "state": "started",
            "runtime_properties": {},
            "system_properties": {},
            "relationships": [],
            "scaling_groups": [],
            **extra,
        }
        return self.instances[instance_id]

    def messages(self, kind: str = "cloudify_log") -> list[str]:
        """Return the texts of the logs or events in order."""
        return [record["message"] for record in self.records if record["type"] == kind]

    def emit(self, record: JsonObject) -> None:
        self.records.append(record)

    def write_output(self, context: JsonObject, stream: str, data: bytes) -> None:
        self.output_size += len(data)
        if self.output_size < 1 << 20:
            self.output.append((stream, data))

    def get_node(self, node_id: str, node_instance_id: str | None) -> JsonObject:
        return self.nodes[node_id]

    def get_node_instance(self, node_instance_id: str, *, evaluate_functions: bool = False) -> JsonObject:
        with self.lock:
            if node_instance_id not in self.instances:
                raise NotFound.of("NodeInstance", node_instance_id)
            return dict(self.instances[node_instance_id])

    def update_node_instance(
        self, node_instance_id: str, *, version: int, state: str | None, runtime_properties: JsonObject | None
    ) -> JsonObject:
        with self.lock:
            stored = self.instances[node_instance_id]
            if version != stored["version"]:
                raise Conflict(
                    f"Node instance update conflict [current version={stored['version']}, update version={version}]"
                )
            stored["version"] += 1
            if state is not None:
                stored["state"] = state
            if runtime_properties is not None:
                stored["runtime_properties"] = runtime_properties
            return dict(stored)

    def evaluate_functions(self, payload: Any, context: JsonObject) -> Any:
        if isinstance(payload, dict):
            if set(payload) == {"get_attribute"}:
                return self.instances[context["node_id"]]["runtime_properties"].get(payload["get_attribute"][1])
            return {key: self.evaluate_functions(value, context) for key, value in payload.items()}
        return payload

    def get_resource(self, path: str, context: JsonObject) -> Path:
        found = self.root / "resources" / path
        if not found.is_file():
            raise NotFound(f"Resource not found: {path}")
        return found

    def get_directory(self, path: str, context: JsonObject) -> Path:
        found = self.root / "resources" / path
        if not found.is_dir():
            raise NotFound(f"Resource not found: {path}")
        return found

    def get_operation(self, operation_id: str) -> JsonObject:
        return self.operations[operation_id]

    def update_operation(self, operation_id: str, *, state: str) -> None:
        self.operations[operation_id]["state"] = state

    def get_execution(self, execution_id: str) -> JsonObject:
        return {"id": execution_id, "status": "started"}

    def update_execution_status(self, execution_id: str, status: str, error: str | None) -> JsonObject:
        return {"id": execution_id, "status": status, "error": error}

    def get_secret(self, key: str) -> JsonObject:
        return {"key": key, "value": "s3cret"}

    def get_config(self, name: str | None, scope: str | None) -> list[JsonObject]:
        return [{"name": name or "n", "value": 1, "scope": scope or "rest"}]

    def get_managers(self) -> list[JsonObject]:
        return [{"hostname": "manager"}]

    def get_brokers(self) -> list[JsonObject]:
        return []

    def get_tenant(self) -> JsonObject:
        return {"name": "default_tenant"}

    def get_provider_context(self) -> JsonObject:
        return {"cloudify": {"cloudify_agent": {"min_workers": 2}}}

    def get_bootstrap_context(self) -> JsonObject:
        return {"cloudify_agent": {"min_workers": 2}, "resources_prefix": "p_"}

    def deployment_workdir(self, context: JsonObject) -> Path:
        return self.root / "workdir"

    def deployment_files(self, context: JsonObject) -> Path:
        return self.root / "files"
