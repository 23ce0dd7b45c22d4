"""What operations ask of the manager while they run, answered on the store (`ports_runner.RunnerHost`)."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import Any

from manager_core.dsl import evaluate
from manager_core.errors import NotFound
from manager_core.executions import graphs
from manager_core.runtime import records
from manager_core.runtime.fencing import patient
from manager_core.runtime.handler import EVENT, DatabaseRuntime, parse_instant, plain, stored_operation
from manager_core.runtime.messages import JsonObject

_COLUMNS = (
    "type", "event_type", "logger", "level", "message", "operation", "node_instance_id", "node_name", "source_id",
    "target_id", "error_causes",
)  # fmt: skip


@patient
class DatabaseHost:
    """A `RunnerHost` for one execution; acts in the name of its creator."""

    def __init__(self, runtime: DatabaseRuntime) -> None:
        """Share store, writer and caller with the workflow side."""
        self._runtime = runtime
        self.core = runtime.core
        self._tenant = runtime.tenant

    # Journal

    def emit(self, record: JsonObject) -> None:
        """Take an event or a log of an operation (queued)."""
        row = {name: record.get(name) for name in _COLUMNS}
        row["message"] = "" if row["message"] is None else str(row["message"])
        row["type"] = row["type"] or EVENT
        happened = parse_instant(record.get("timestamp") or record.get("reported_timestamp"))
        self._runtime.writer.event(row, at=None if happened is None else happened.astimezone(UTC))
        self._runtime.writer.relieve()

    def write_output(self, context: JsonObject, stream: str, data: bytes) -> None:
        """Keep raw output as log lines of the operation."""
        operation = (context.get("operation") or {}).get("name")
        text = data.decode("utf-8", "replace").rstrip("\n")
        for line in text.split("\n") if text else ():
            self._runtime.writer.event(
                {
                    "type": "cloudify_log",
                    "logger": f"ctx.{context.get('task_id') or self._runtime.execution.id}",
                    "level": "info" if stream == "stdout" else "warning",
                    "message": line,
                    "operation": operation,
                    "node_instance_id": context.get("node_id"),
                    "node_name": context.get("node_name"),
                }
            )
        self._runtime.writer.relieve()

    # Model

    def get_node(self, node_id: str, node_instance_id: str | None) -> JsonObject:
        """Return a node of the deployment, its properties evaluated as the given instance sees them."""
        self._runtime.flush()
        deployment_id = self._runtime.execution.deployment_id or ""
        with self.core.store.read() as session:
            found = records.nodes(session, self._tenant, deployment_id, node_id)
            if not found:
                raise NotFound.of("Node", node_id, {"deployment_id": deployment_id})
            node = found[0]
            if node["properties"]:
                storage = self.core.deployments.evaluation_storage(session, self._tenant, deployment_id)
                node["properties"] = evaluate.evaluate(
                    node["properties"], storage=storage, context={"self": node_instance_id}, hint=node_instance_id
                )
        return node

    def get_node_instance(self, node_instance_id: str, *, evaluate_functions: bool = False) -> JsonObject:
        """Return a stored node instance."""
        self._runtime.flush()
        with self.core.store.read() as session:
            try:
                record = records.instance(session, self._tenant, node_instance_id)
            except LookupError as error:
                raise NotFound(str(error)) from None
            if evaluate_functions and record["runtime_properties"]:
                storage = self.core.deployments.evaluation_storage(session, self._tenant, record["deployment_id"])
                record["runtime_properties"] = evaluate.evaluate(
                    record["runtime_properties"],
                    storage=storage,
                    context={"self": node_instance_id},
                    hint=node_instance_id,
                )
        return record

    def update_node_instance(
        self, node_instance_id: str, *, version: int, state: str | None, runtime_properties: JsonObject | None
    ) -> JsonObject:
        """Store state and runtime properties; raises Conflict for a stale version."""
        return self._runtime.update_node_instance(
            node_instance_id, version=version, state=state, runtime_properties=runtime_properties
        )

    def evaluate_functions(self, payload: Any, context: JsonObject) -> Any:
        """Return `payload` with its intrinsic functions evaluated for the calling operation."""
        self._runtime.flush()
        deployment_id = context.get("deployment_id") or self._runtime.execution.deployment_id or ""
        with self.core.store.read() as session:
            storage = self.core.deployments.evaluation_storage(session, self._tenant, deployment_id)
            own = context.get("node_id")
            return evaluate.evaluate(payload, storage=storage, context=_binding(context), hint=own)

    # Files

    def get_resource(self, path: str, context: JsonObject) -> Path:
        """Return a local file; raises NotFound."""
        return self._runtime.resources.find(path)

    def get_directory(self, path: str, context: JsonObject) -> Path:
        """Return a local folder; raises NotFound."""
        return self._runtime.resources.find(path, folder=True)

    def deployment_workdir(self, context: JsonObject) -> Path:
        """Return the deployment's work directory."""
        return self._runtime.resources.workdir()

    def deployment_files(self, context: JsonObject) -> Path:
        """Return the folder of the deployment's own resources."""
        return self._runtime.resources.deployment_files()

    # Executions and operations

    def get_operation(self, operation_id: str) -> JsonObject:
        """Return a stored operation."""
        return stored_operation(self._runtime, operation_id)

    def update_operation(self, operation_id: str, *, state: str) -> None:
        """Set the state of a stored operation.

        Raises:
            BadParameters: no such state.
            NotFound: no such operation for the execution's creator.
        """
        graphs.require_state(state)
        stored_operation(self._runtime, operation_id)
        self._runtime.writer.state(operation_id, state)

    def get_execution(self, execution_id: str) -> JsonObject:
        """Return an execution of the same tenant."""
        return self._runtime.get_execution(execution_id)

    def update_execution_status(self, execution_id: str, status: str, error: str | None) -> JsonObject:
        """Set the status of an execution of the same tenant and return it."""
        self._runtime.flush()
        return plain(self.core.executions.set_status(self._runtime.caller, execution_id, status, error))

    # The manager

    def get_secret(self, key: str) -> JsonObject:
        """Return a secret with its value."""
        with self.core.store.read() as session:
            value = self.core.secrets.value(session, self._tenant, key)
        return {"key": key, "value": value, "tenant_name": self._tenant}

    def get_config(self, name: str | None, scope: str | None) -> list[JsonObject]:
        """Return configuration entries."""
        items = self.core.configuration.items(self._runtime.caller, scope)
        return [plain(item) for item in items if name in (None, item["name"])]

    def get_managers(self) -> list[JsonObject]:
        """Return this manager, the only one."""
        address = self.core.settings.host
        return [{"id": 1, "hostname": address, "private_ip": address, "public_ip": address}]

    def get_brokers(self) -> list[JsonObject]:
        """Return no message broker."""
        return []

    def get_tenant(self) -> JsonObject:
        """Return the execution's tenant."""
        return {"name": self._tenant}

    def get_provider_context(self) -> JsonObject:
        """Return the stored provider context."""
        context: JsonObject = self.core.configuration.provider_context()["context"]
        return context

    def get_bootstrap_context(self) -> JsonObject:
        """Return the bootstrap context."""
        defaults = self._runtime.retry_defaults
        return {
            "cloudify_agent": {},
            "policy_engine": {},
            "workflows": {
                "task_retries": defaults.task_retries,
                "task_retry_interval": defaults.task_retry_interval,
                "subgraph_retries": defaults.subgraph_retries,
            },
            "resources_prefix": "",
        }


def _binding(context: JsonObject) -> dict[str, str | None]:
    """Return what SELF, or SOURCE and TARGET, mean for an operation."""
    own = context.get("node_id")
    related = context.get("related")
    if not related:
        return {"self": own}
    other = related.get("node_id")
    return {"source": own, "target": other} if related.get("is_target") else {"source": other, "target": own}
