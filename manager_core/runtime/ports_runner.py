"""The port of the runner pool: what operations ask of the manager while they run.

A runner holds no database connection. Its `ctx` calls back over the pipe, and the pool answers each call from a
`RunnerHost`, which the execution process implements on the store. The calls and their answers are JSON values
(workflow-runtime contract §5 and §8.1).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from manager_core.errors import Kind, ManagerError
from manager_core.runtime.messages import JsonObject

STATUS_OF_KIND = {
    Kind.BAD_INPUT: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.IN_USE: 405,
    Kind.CONFLICT: 409,
    Kind.UNSUPPORTED: 415,
    Kind.NOT_MODIFIED: 304,
    Kind.UNAVAILABLE: 503,
    Kind.INTERNAL: 500,
}
"""The status an author sees in ``CloudifyClientError.status_code`` when a call is refused."""


class RunnerHost(Protocol):
    """Serves the calls of one execution's operations. Every method may be called from several threads at once.

    A refusal is a `ManagerError`: it reaches the author as ``CloudifyClientError`` with the status of its kind, its
    code and its message (a missing resource as ``HttpException`` 404). Any other exception reaches the author as a
    recoverable ``CloudifyClientError`` of status 500 and is no harm to the pool.
    `context` is the ``__cloudify_context`` of the calling operation.
    """

    def emit(self, record: JsonObject) -> None:
        """Take an event or a log, in order; must not block on the database (the event writer batches).

        The record is flat, as listed (contract §8.1): ``type`` (``cloudify_event`` | ``cloudify_log``),
        ``reported_timestamp`` (UTC, milliseconds, ``Z``), ``message``, ``event_type`` or ``logger`` + ``level``,
        ``operation`` (logs only), and what applies of ``node_instance_id``, ``node_name``, ``source_id``,
        ``target_id``, ``task_id``, ``error_causes``. The host adds what belongs to the execution.
        """

    def write_output(self, context: JsonObject, stream: str, data: bytes) -> None:
        """Take what an operation's process printed past its logger: whole lines, except for very long ones.

        `stream` is ``stdout`` or ``stderr``. Output is attributed to the operation that ran when it was read.
        """

    def get_node(self, node_id: str, node_instance_id: str | None) -> JsonObject:
        """Return the node of the deployment: at least ``id``, ``type``, ``type_hierarchy``, ``number_of_instances``,
        ``relationships`` (list of ``{type, type_hierarchy, target_id, ...}``), ``host_id``, and ``properties`` with
        intrinsic functions evaluated as seen by the given instance.
        """

    def get_node_instance(self, node_instance_id: str, *, evaluate_functions: bool = False) -> JsonObject:
        """Return the stored instance: ``id``, ``node_id``, ``deployment_id``, ``host_id``, ``index``, ``version``,
        ``state``, ``runtime_properties``, ``system_properties``, ``relationships`` (list of ``{type, target_id,
        target_name}``), ``scaling_groups`` (list of ``{id, name}``), ``has_configuration_drift``.
        """

    def update_node_instance(
        self, node_instance_id: str, *, version: int, state: str | None, runtime_properties: JsonObject | None
    ) -> JsonObject:
        """Store state and runtime properties (None: leave as it is) if `version` is the stored one, and return the
        new record.

        Raises:
            Conflict: `version` is stale; text as contract §5.3.
        """

    def evaluate_functions(self, payload: Any, context: JsonObject) -> Any:
        """Return `payload` with its intrinsic functions evaluated now, SELF or SOURCE/TARGET bound from `context`."""

    def get_resource(self, path: str, context: JsonObject) -> Path:
        """Return a local file with the resource, looked up as contract §5.6 says.

        Raises:
            NotFound: ``Resource not found: PATH``.
        """

    def get_directory(self, path: str, context: JsonObject) -> Path:
        """Return a local folder with the tree of resources below `path`; raises as `get_resource`."""

    def get_operation(self, operation_id: str) -> JsonObject:
        """Return the stored operation of a task."""

    def update_operation(self, operation_id: str, *, state: str) -> None:
        """Set the state of a stored operation."""

    def get_execution(self, execution_id: str) -> JsonObject:
        """Return an execution of the same tenant, as listed by the API."""

    def update_execution_status(self, execution_id: str, status: str, error: str | None) -> JsonObject:
        """Set the status of an execution of the same tenant and return it."""

    def get_secret(self, key: str) -> JsonObject:
        """Return the secret as the API shows it, ``value`` included."""

    def get_config(self, name: str | None, scope: str | None) -> list[JsonObject]:
        """Return the configuration entries (``{name, value, scope, ...}``) that match."""

    def get_managers(self) -> list[JsonObject]:
        """Return the managers of the cluster as the API lists them."""

    def get_brokers(self) -> list[JsonObject]:
        """Return the message brokers as the API lists them; there are none here."""

    def get_tenant(self) -> JsonObject:
        """Return the tenant of the execution."""

    def get_provider_context(self) -> JsonObject:
        """Return the stored provider context (its ``context`` part)."""

    def get_bootstrap_context(self) -> JsonObject:
        """Return the bootstrap context: ``cloudify_agent``, ``policy_engine``, ``workflows``,
        ``resources_prefix``."""

    def deployment_workdir(self, context: JsonObject) -> Path:
        """Return the deployment's work directory on this machine; it exists."""

    def deployment_files(self, context: JsonObject) -> Path:
        """Return the folder of the deployment's own resources, which `get_resource` looks at first; it exists."""


class HostRefusal(ManagerError):
    """A call of an operation that no host method stands for."""

    code = "bad_parameters_error"
    kind = Kind.BAD_INPUT
