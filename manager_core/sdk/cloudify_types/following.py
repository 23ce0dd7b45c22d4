"""Waiting for what runs in another deployment, and handing on its logs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from cloudify import ctx
from cloudify.exceptions import NonRecoverableError
from cloudify.models_states import ExecutionState

TIMEOUT = 1800
"""Seconds that an execution may take unless the operation says otherwise."""

INTERVAL = 1
"""Seconds between two looks."""

_SEEN = "received_events"
_PAGE = 1000


def wait_until(happened: Callable[[], bool], timeout: float, interval: float = INTERVAL) -> bool:
    """Look again and again, and return whether it happened in time.

    Args:
        timeout: seconds; -1 waits for ever.
        interval: seconds between two looks.
    """
    deadline = None if timeout == -1 else time.monotonic() + timeout
    while not happened():
        if deadline is not None and time.monotonic() >= deadline:
            return False
        time.sleep(interval)
    return True


def wait_for_quiet(client: Any, deployment_id: str, timeout: float, interval: float = INTERVAL) -> bool:
    """Wait until nothing runs or waits in a deployment; returns whether that came in time."""

    def quiet() -> bool:
        found = client.executions.list(
            deployment_id=deployment_id, include_system_workflows=True, _include=["id", "status"],
            _get_all_results=True,
        )  # fmt: skip
        return all(one.status in (*ExecutionState.END_STATES, ExecutionState.SCHEDULED) for one in found)

    return wait_until(quiet, timeout, interval)


def follow(
    client: Any,
    execution_id: str,
    *,
    timeout: float = TIMEOUT,
    interval: float = INTERVAL,
    state: str = ExecutionState.TERMINATED,
    logs: bool = True,
    instance: Any = None,
) -> None:
    """Wait until an execution ended well, with its logs among those of this operation.

    Args:
        timeout: seconds it may take; -1 for ever.
        interval: seconds between two looks.
        state: the status that is waited for.
        logs: whether its logs are handed on.
        instance: the node instance that remembers how far the logs have been read; default this operation's.

    Raises:
        NonRecoverableError: it failed, was cancelled, or took too long.
    """
    reader = _LogReader(client, execution_id, instance or ctx.instance) if logs else None

    def ended() -> bool:
        execution = client.executions.get(execution_id, _include=["id", "status", "error", "workflow_id"])
        if reader is not None:
            reader.hand_on()
        if execution.status in (ExecutionState.FAILED, ExecutionState.CANCELLED) and execution.status != state:
            because = f": {execution.error}" if execution.error else ""
            raise NonRecoverableError(
                f"Execution {execution_id} of workflow {execution.workflow_id} {execution.status}{because}"
            )
        return bool(execution.status == state)

    if not wait_until(ended, timeout, interval):
        raise NonRecoverableError(f"The execution had not ended after {timeout} seconds")


class _LogReader:
    """Hands on the events and logs of an execution, each once, also when the operation runs again."""

    def __init__(self, client: Any, execution_id: str, instance: Any) -> None:
        self._client = client
        self._execution = execution_id
        self._instance = instance

    def hand_on(self) -> None:
        seen = dict(self._instance.runtime_properties.get(_SEEN) or {})
        done = before = int(seen.get(self._execution, 0))
        while True:
            page = self._client.events.list(
                execution_id=self._execution, include_logs=True, sort="timestamp", _offset=done, _size=_PAGE
            )
            for event in page:
                self._log(event)
            done += len(page)
            if not len(page) or done >= page.total:
                break
        if done != before:
            self._instance.runtime_properties[_SEEN] = {**seen, self._execution: done}

    @staticmethod
    def _log(event: Any) -> None:
        place = event.node_instance_id or ""
        if place and event.operation:
            place += "." + event.operation.rsplit(".", 1)[-1]
        level = logging.getLevelName((event.level or "info").upper())
        text = " ".join(
            part for part in (event.reported_timestamp, f"[{place}]" if place else "", event.message) if part
        )
        ctx.logger.log(level if isinstance(level, int) else logging.INFO, "%s", text)


def take_capabilities(client: Any, deployment_id: str, instance: Any = None) -> None:
    """Store a deployment's capabilities as the runtime property ``capabilities``."""
    found = client.deployments.capabilities.get(deployment_id)["capabilities"]
    (instance or ctx.instance).runtime_properties["capabilities"] = found
    ctx.logger.info("Capabilities of deployment %s: %s", deployment_id, ", ".join(sorted(found)) or "none")


def require_well(deployment: Any, *, drifted_is_well: bool = False) -> None:
    """Refuse a deployment that is not installed and in order.

    Args:
        drifted_is_well: accept instances that drifted.

    Raises:
        NonRecoverableError: it says what is wrong.
    """
    name = deployment.id
    if deployment.installation_status != "active":
        raise NonRecoverableError(
            f"Deployment '{name}' should be installed; its installation status is '{deployment.installation_status}'"
        )
    if deployment.latest_execution_status == ExecutionState.FAILED:
        raise NonRecoverableError(f"The latest execution of deployment '{name}' failed")
    if deployment.deployment_status != "good":
        raise NonRecoverableError(f"Deployment '{name}' should be well; its status is '{deployment.deployment_status}'")
    if deployment.unavailable_instances:
        raise NonRecoverableError(
            f"Deployment '{name}' has {deployment.unavailable_instances} instances that are not available"
        )
    if deployment.drifted_instances and not drifted_is_well:
        raise NonRecoverableError(f"Deployment '{name}' has {deployment.drifted_instances} instances that have drifted")
