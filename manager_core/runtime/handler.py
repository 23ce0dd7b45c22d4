"""The database behind a workflow: what the SDK's workflow side asks for, on the store (`ports.WorkflowRuntime`)."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import case, null, select

from manager_core.access.caller import Caller
from manager_core.dsl import evaluate
from manager_core.executions import graphs
from manager_core.executions.listing import EXECUTIONS, OPERATIONS
from manager_core.executions.tables import Execution, Operation, TasksGraph
from manager_core.graph.stored import UNHAPPY
from manager_core.rest.listing import get_one
from manager_core.rest.responses import timestamp
from manager_core.runtime import records
from manager_core.runtime.fencing import patient, queued
from manager_core.runtime.messages import ErrorData
from manager_core.runtime.operations import OperationSender
from manager_core.runtime.ports import OperationListener, OperationMessage, Record, RetryDefaults
from manager_core.runtime.resources import Resources
from manager_core.runtime.storage_calls import storage_call
from manager_core.runtime.writer import Writer
from manager_core.states import TASK_END

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

EVENT, LOG = "cloudify_event", "cloudify_log"

_O: Any = Operation.__table__.c  # type: ignore[attr-defined]
_G: Any = TasksGraph.__table__.c  # type: ignore[attr-defined]


@patient
class DatabaseRuntime:
    """A `WorkflowRuntime` for one execution. `close_workflow` cuts it off from a function that is over.

    Attributes:
        execution: the execution's row as it was when the process began.
        sender: set by the process once the runner pool exists.
    """

    def __init__(self, core: Core, execution: Execution, caller: Caller, writer: Writer, resources: Resources) -> None:
        """Serve the given execution in the name of its creator."""
        self.core = core
        self.clock = core.clock
        self.execution = execution
        self.caller = caller
        self.writer = writer
        self.resources = resources
        self.tenant = execution.tenant_name
        self.sender: OperationSender | None = None
        self._over = False
        self._plugins: dict[str, Record] = {}
        self.retry_defaults = self._retry_defaults()

    def _retry_defaults(self) -> RetryDefaults:
        value = self.core.configuration.value_in
        with self.core.store.read() as session:
            return RetryDefaults(
                task_retries=value(session, "task_retries", "workflow"),
                task_retry_interval=value(session, "task_retry_interval", "workflow"),
                subgraph_retries=value(session, "subgraph_retries", "workflow"),
            )

    def close_workflow(self) -> None:
        """Write nothing more for the workflow function: the execution has ended without it."""
        self._over = True
        if self.sender is not None:
            self.sender.silence()

    def flush(self) -> None:
        """Return when everything queued so far is committed."""
        self.writer.flush()

    # Model

    def get_nodes(self) -> list[Record]:
        """Return all nodes of the deployment."""
        if self.execution.deployment_id is None:
            return []
        self.writer.flush()
        with self.core.store.read() as session:
            return records.nodes(session, self.tenant, self.execution.deployment_id)

    def get_node_instances(self) -> list[Record]:
        """Return all instances of the deployment."""
        if self.execution.deployment_id is None:
            return []
        self.writer.flush()
        with self.core.store.read() as session:
            return records.instances(session, self.tenant, self.execution.deployment_id)

    def get_node_instance(self, node_instance_id: str) -> Record:
        """Return one instance as it is stored now."""
        self.writer.flush()
        with self.core.store.read() as session:
            return records.instance(session, self.tenant, node_instance_id)

    def update_node_instance(
        self,
        node_instance_id: str,
        *,
        version: int | None = None,
        state: str | None = None,
        runtime_properties: Record | None = None,
        system_properties: Record | None = None,
        relationships: list[Record] | None = None,
        force: bool = False,
    ) -> Record:
        """Write the given parts now and return the new record; raises Conflict."""
        self.writer.flush()
        with self.core.store.write() as session:
            self.core.nodes.update_instance_in(
                session,
                self.tenant,
                node_instance_id,
                version=version,
                state=state,
                runtime_properties=runtime_properties,
                system_properties=system_properties,
                relationships=relationships,
                force=force or version is None,
            )
            session.flush()
            return records.instance(session, self.tenant, node_instance_id)

    @queued
    def set_node_instance_state(self, node_instance_id: str, state: str) -> None:
        """Set the state whatever the version (queued)."""
        if not self._over:
            self.writer.instance_state(node_instance_id, state)

    def get_scaling_groups(self) -> dict[str, Record]:
        """Return the deployment's scaling groups."""
        with self.core.store.read() as session:
            deployment = records.deployment_of(session, self.execution)
            return dict(deployment.scaling_groups or {}) if deployment else {}

    def get_plugin(self, plugin: Record) -> Record:
        """Return a plugin entry of an operation message; unknown keys are null."""
        return {"tenant_name": self.tenant, **plugin}

    def get_resource_tags(self) -> Record:
        """Return the deployment's resource tags, intrinsic functions evaluated."""
        with self.core.store.read() as session:
            deployment = records.deployment_of(session, self.execution)
            tags = dict(deployment.resource_tags or {}) if deployment else {}
        return self.evaluate_functions(self.execution.deployment_id or "", {}, tags) if tags else {}

    def evaluate_functions(self, deployment_id: str, context: Record, payload: Any) -> Any:
        """Return `payload` with its intrinsic functions evaluated."""
        self.writer.flush()
        with self.core.store.read() as session:
            storage = self.core.deployments.evaluation_storage(session, self.tenant, deployment_id)
            return evaluate.evaluate(payload, storage=storage, context=context)

    # Modifications

    def start_deployment_modification(self, nodes: Mapping[str, Record]) -> Record:
        """Start a modification; raises when one is started."""
        self.writer.flush()
        context = {"workflow_id": self.execution.workflow_id, "execution_id": self.execution.id}
        return self.core.nodes.start_modification(
            self.caller, self.execution.deployment_id or "", dict(nodes), context=context
        )

    def finish_deployment_modification(self, modification_id: str) -> None:
        """Commit a modification."""
        self.writer.flush()
        self.core.nodes.finish_modification(self.caller, modification_id)

    def rollback_deployment_modification(self, modification_id: str) -> None:
        """Undo a modification."""
        self.writer.flush()
        self.core.nodes.rollback_modification(self.caller, modification_id)

    def list_deployment_modifications(self, status: str) -> list[Record]:
        """Return the deployment's modifications in that state."""
        return self.core.nodes.modifications_in_state(self.caller, self.execution.deployment_id or "", status)

    # Journal

    @queued
    def send_event(
        self,
        event_type: str,
        message: str,
        *,
        node_instance_id: str | None = None,
        node_name: str | None = None,
        source_id: str | None = None,
        target_id: str | None = None,
        operation: str | None = None,
        error_causes: list[Record] | None = None,
        arguments: Any = None,
        context: Record | None = None,
    ) -> None:
        """Record an event (queued)."""
        if self._over:
            return
        text = message if isinstance(message, str) else str(message)
        self.writer.event_values(
            EVENT, event_type, None, None, text, operation, node_name, node_instance_id, source_id, target_id,
            error_causes,
        )  # fmt: skip
        self.writer.relieve()

    @queued
    def send_log(
        self,
        level: str,
        logger: str,
        message: str,
        *,
        node_instance_id: str | None = None,
        node_name: str | None = None,
    ) -> None:
        """Record a log line (queued)."""
        if self._over:
            return
        text = message if isinstance(message, str) else str(message)
        self.writer.event_values(LOG, None, logger, level, text, None, node_name, node_instance_id, None, None, None)
        self.writer.relieve()

    # Stored graphs

    def get_tasks_graph(self, name: str) -> Record | None:
        """Return this execution's graph of that name, or None."""
        self.writer.flush()
        with self.core.store.read() as session:
            statement = select(_G.id).where(_G.execution_id == self.execution.id, _G.name == name)
            graph_id = session.connection().execute(statement).scalar()
        return None if graph_id is None else {"id": graph_id, "execution_id": self.execution.id, "name": name}

    def store_tasks_graph(self, name: str, operations: Iterable[Record]) -> Record:
        """Store a graph and all its operations in one transaction."""
        self.writer.flush()
        with self.core.store.write() as session:
            return graphs.store_graph(
                session, execution_id=self.execution.id, name=name, operations=operations, now=self.clock.now()
            )

    def get_operations(self, graph_id: str) -> list[Record]:
        """Return the operations of a graph, oldest first."""
        self.writer.flush()
        statement = (
            select(
                _O.id,
                _O.name,
                _O.state,
                _O.type,
                _O.dependencies,
                _O.parameters,
                _O.created_at,
                _O.tasks_graph_id,
                case((_O.state.in_(UNHAPPY), _O.response), else_=null()).label("error"),
            )
            .where(_O.tasks_graph_id == graph_id)
            .order_by(_O.storage_id)
        )
        with self.core.store.read() as session:
            rows = session.connection().execute(statement).all()
        found = [dict(row._mapping) for row in rows]
        for operation in found:
            operation["created_at"] = timestamp(operation["created_at"])
            operation["dependencies"] = operation["dependencies"] or []
            operation["parameters"] = operation["parameters"] or {}
            operation["error"] = (operation["error"] or {}).get("error")
        return found

    @queued
    def store_operation(self, graph_id: str, operation: Record) -> None:
        """Add one operation to a stored graph (queued)."""
        self.store_operations(graph_id, [operation])

    @queued
    def store_operations(self, graph_id: str, operations: Sequence[Record]) -> None:
        """Add operations to a stored graph, all of them or none (queued)."""
        if not self._over:
            self.writer.operations([{**operation, "tasks_graph_id": graph_id} for operation in operations])

    @queued
    def update_operation(
        self, operation_id: str, state: str, *, result: Any = None, error: ErrorData | None = None
    ) -> None:
        """Write a task's state (queued)."""
        if not self._over:
            self.writer.state(operation_id, state, finished=state in TASK_END)

    @queued
    def remove_operation(self, operation_id: str) -> None:
        """Delete one operation (queued)."""
        if not self._over:
            self.writer.removal(operation_id)

    # Operations

    def send_operation(self, message: OperationMessage, listener: OperationListener) -> None:
        """Run an operation in a runner."""
        assert self.sender is not None
        self.sender.send(message, listener)

    def recover_operation(self, message: OperationMessage, state: str, listener: OperationListener) -> None:
        """Take up an operation of an earlier life of the execution."""
        assert self.sender is not None
        self.writer.flush()
        with self.core.store.read() as session:
            statement = select(_O.response).where(_O.id == message.task_id)
            kept = session.connection().execute(statement).scalar()
        self.sender.recover(message, state, kept, listener)

    # Others

    def download_resource(self, resource_path: str, target_path: str | None = None) -> str:
        """Copy a resource into a file and return its path."""
        found = self.resources.find(resource_path)
        if target_path is None:
            target_path = str(Path(tempfile.mkdtemp(prefix="resource-")) / found.name)
        shutil.copyfile(found, target_path)
        return target_path

    def get_execution(self, execution_id: str) -> Record:
        """Return an execution's record."""
        self.writer.flush()
        with self.core.store.read() as session:
            return plain(get_one(session, EXECUTIONS, self.caller, execution_id))

    def start_execution(self, deployment_id: str, workflow_id: str, **arguments: Any) -> Record:
        """Start another execution on behalf of this one's user."""
        self.writer.flush()
        return plain(
            self.core.executions.start(self.caller, deployment_id=deployment_id, workflow_id=workflow_id, **arguments)
        )

    def update_execution_status(self, status: str) -> None:
        """Set this execution's status now, under the rules for everybody who does.

        Raises:
            BadParameters: there is no such status.
            ManagerError: the execution cannot go from its status to that one.
        """
        self.writer.flush()
        self.core.executions.set_status(self.caller, self.execution.id, status)

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Carry out a storage call."""
        self.writer.flush()
        return storage_call(self, name, args, kwargs)


def plain(record: Mapping[str, Any]) -> Record:
    """Return a listed object as the JSON values a client would get."""
    import orjson

    from manager_core.rest.responses import to_json

    result: Record = orjson.loads(to_json(dict(record)))
    return result


def stored_operation(runtime: DatabaseRuntime, operation_id: str) -> Record:
    """Return a stored operation as the API shows it."""
    runtime.flush()
    with runtime.core.store.read() as session:
        return plain(get_one(session, OPERATIONS, runtime.caller, operation_id))


def parse_instant(text: str | None) -> datetime | None:
    """Return the instant of a record's timestamp text, or None when it has none that can be read."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None
