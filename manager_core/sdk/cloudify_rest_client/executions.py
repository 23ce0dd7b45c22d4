"""Executions, and groups of them."""

from __future__ import annotations

from typing import Any

from cloudify.models_states import ExecutionState

from cloudify_rest_client.records import Record, record
from cloudify_rest_client.resource import Resource, given


class Execution(Record):
    """An execution, and the names of its statuses."""

    TERMINATED = ExecutionState.TERMINATED
    FAILED = ExecutionState.FAILED
    CANCELLED = ExecutionState.CANCELLED
    PENDING = ExecutionState.PENDING
    STARTED = ExecutionState.STARTED
    CANCELLING = ExecutionState.CANCELLING
    FORCE_CANCELLING = ExecutionState.FORCE_CANCELLING
    KILL_CANCELLING = ExecutionState.KILL_CANCELLING
    QUEUED = ExecutionState.QUEUED
    SCHEDULED = ExecutionState.SCHEDULED
    END_STATES = ExecutionState.END_STATES


class ExecutionGroup(Record):
    """One of them."""


class ExecutionsClient(Resource):
    """Executions."""

    path = "/executions"
    key = "execution_id"

    def list(self, _include: Any = None, include_system_workflows: bool = False, **kwargs: Any) -> Any:  # type: ignore[override]
        """Return executions, the system-wide ones on request; `kwargs` are those of `Resource.list`."""
        if include_system_workflows:
            kwargs["_include_system_workflows"] = True
        return super().list(_include=_include, **kwargs)

    def create(
        self,
        deployment_id: str,
        workflow_id: str,
        parameters: dict[str, Any] | None = None,
        allow_custom_parameters: bool = False,
        force: bool = False,
        dry_run: bool = False,
        queue: bool = False,
        schedule: str | None = None,
        wait_after_fail: int = 600,
        **kwargs: Any,
    ) -> Any:
        """Start a workflow of a deployment."""
        body = given(
            deployment_id=deployment_id,
            workflow_id=workflow_id,
            parameters=parameters,
            allow_custom_parameters=str(allow_custom_parameters).lower(),
            force=str(force).lower(),
            dry_run=str(dry_run).lower(),
            queue=str(queue).lower(),
            scheduled_time=schedule,
            wait_after_fail=wait_after_fail,
            **kwargs,
        )
        return record(self.api.post("/executions", data=body))

    def start(self, *args: Any, **kwargs: Any) -> Any:
        """Start a workflow of a deployment; the same as `create`."""
        return self.create(*args, **kwargs)

    def cancel(self, execution_id: str, force: bool = False, kill: bool = False) -> Any:
        """Ask an execution to end."""
        action = "kill" if kill else "force-cancel" if force else "cancel"
        return self._act(execution_id, action)

    def resume(self, execution_id: str, force: bool = False) -> Any:
        """Run an ended execution again from where it ended."""
        return self._act(execution_id, "force-resume" if force else "resume")

    def requeue(self, execution_id: str) -> Any:
        """Put an execution back into the queue."""
        return self._act(execution_id, "requeue")

    def _act(self, execution_id: str, action: str) -> Any:
        return record(self.api.post(f"/executions/{execution_id}", data={"action": action}))

    def update(self, execution_id: str, status: str, error: str | None = None) -> Any:
        """Set the status of an execution."""
        body = {"status": status, **given(error=error)}
        return record(self.api.patch(f"/executions/{execution_id}", data=body))

    def should_start(self, execution_id: str) -> bool:
        """Return whether nothing stands in the way of a queued execution."""
        return bool(self.api.get(f"/executions/{execution_id}/should-start"))

    def delete(self, to_datetime: Any = None, keep_last: int | None = None, **kwargs: Any) -> int:  # type: ignore[override]
        """Delete ended executions, and return how many."""
        body = given(to_datetime=to_datetime and to_datetime.isoformat(), keep_last=keep_last)
        answer = self.api.delete("/executions", data=body, params=kwargs)
        return int(answer["items"][0]["count"])


class ExecutionGroupsClient(Resource):
    """Groups of executions."""

    path = "/execution-groups"
    key = "execution_group_id"

    def start(self, deployment_group_id: str, workflow_id: str, **kwargs: Any) -> Any:
        """Start a workflow in every deployment of a group."""
        body = {"deployment_group_id": deployment_group_id, "workflow_id": workflow_id, **given(**kwargs)}
        return record(self.api.post("/execution-groups", data=body))

    def cancel(self, execution_group_id: str, force: bool = False, kill: bool = False) -> Any:
        """Ask the executions of a group to end."""
        return self._act(execution_group_id, "kill" if kill else "force-cancel" if force else "cancel")

    def resume(self, execution_group_id: str, force: bool = False) -> Any:
        """Run the executions of a group again from where they ended."""
        return self._act(execution_group_id, "force-resume" if force else "resume")

    def _act(self, execution_group_id: str, action: str) -> Any:
        return record(self.api.post(f"/execution-groups/{execution_group_id}", data={"action": action}))
