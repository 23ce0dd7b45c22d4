"""Schedules of executions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cloudify_rest_client.records import Record, record
from cloudify_rest_client.resource import Resource, given


class ExecutionSchedule(Record):
    """One of them."""


class ExecutionSchedulesClient(Resource):
    """Schedules of executions."""

    path = "/execution-schedules"

    def get(self, schedule_id: str, deployment_id: str, _include: Any = None) -> Any:  # type: ignore[override]
        """Return one schedule."""
        return super().get(schedule_id, _include=_include, deployment_id=deployment_id)

    def create(self, schedule_id: str, deployment_id: str, workflow_id: str, **kwargs: Any) -> Any:
        """Create a schedule."""
        return self._send(self.api.put, schedule_id, deployment_id, workflow_id=workflow_id, **kwargs)

    def update(self, schedule_id: str, deployment_id: str, **kwargs: Any) -> Any:
        """Change a schedule."""
        return self._send(self.api.patch, schedule_id, deployment_id, **kwargs)

    def _send(self, send: Callable[..., Any], schedule_id: str, deployment_id: str, **kwargs: Any) -> Any:
        body = {
            key: value.isoformat() if hasattr(value, "isoformat") else value for key, value in given(**kwargs).items()
        }
        params = {"deployment_id": deployment_id}
        return record(send(f"/execution-schedules/{schedule_id}", data=body, params=params))

    def delete(self, schedule_id: str, deployment_id: str) -> None:  # type: ignore[override]
        """Delete a schedule."""
        self.api.delete(f"/execution-schedules/{schedule_id}", params={"deployment_id": deployment_id})
