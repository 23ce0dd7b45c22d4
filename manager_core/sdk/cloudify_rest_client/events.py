"""Events and logs."""

from __future__ import annotations

from typing import Any

from cloudify_rest_client.records import Record, listing
from cloudify_rest_client.resource import Resource, given


class Event(Record):
    """One of them."""


class EventsClient(Resource):
    """Events and logs."""

    path = "/events"

    def list(  # type: ignore[override]
        self,
        include_logs: bool = False,
        message: str | None = None,
        from_datetime: Any = None,
        to_datetime: Any = None,
        _include: Any = None,
        sort: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Return events, and logs on request."""
        params = self._criteria(include_logs, message, from_datetime, to_datetime, kwargs)
        return super().list(_include=_include, sort=sort, **params)

    def get(  # type: ignore[override]
        self, execution_id: str, from_event: int = 0, batch_size: int = 100, include_logs: bool = False
    ) -> tuple[list[Any], int]:
        """Return a batch of an execution's events, and how many there are; kept for plugins of long ago."""
        found = self.list(
            include_logs, execution_id=execution_id, _offset=from_event, _size=batch_size, sort="@timestamp"
        )
        return found.items, found.total

    def delete(  # type: ignore[override]
        self,
        deployment_id: str,
        include_logs: bool = False,
        message: str | None = None,
        from_datetime: Any = None,
        to_datetime: Any = None,
        sort: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Delete the events of a deployment, and its logs on request; the answer's only item is how many."""
        params = self._criteria(include_logs, message, from_datetime, to_datetime, kwargs)
        return listing(self.api.delete("/events", params={**params, "deployment_id": deployment_id}))

    def _criteria(
        self, include_logs: bool, message: str | None, from_datetime: Any, to_datetime: Any, other: dict[str, Any]
    ) -> dict[str, Any]:
        params = {**other, "type": ["cloudify_event", "cloudify_log"] if include_logs else "cloudify_event"}
        if message:
            params["message"] = message
        if from_datetime or to_datetime:
            moments = [moment.isoformat() if hasattr(moment, "isoformat") else moment or "" for moment in
                       (from_datetime, to_datetime)]  # fmt: skip
            params["_range"] = ",".join(["@timestamp", *moments])
        return params

    def create(self, events: Any = None, logs: Any = None, execution_id: str | None = None, **kwargs: Any) -> None:
        """Store events and logs."""
        body = given(events=events, logs=logs, execution_id=execution_id, **kwargs)
        self.api.post("/events", data=body)
