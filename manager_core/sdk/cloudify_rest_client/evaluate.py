"""Evaluation of intrinsic functions."""

from __future__ import annotations

from typing import Any

from cloudify_rest_client.records import Record, record


class EvaluatedFunctions(Record):
    """One of them."""


class EvaluateClient:
    """Evaluation of intrinsic functions."""

    def __init__(self, api: Any) -> None:
        self.api = api

    def functions(self, deployment_id: str, context: dict[str, Any], payload: Any) -> Any:
        """Return ``{deployment_id, payload}`` with the functions of the payload evaluated."""
        body = {"deployment_id": deployment_id, "context": context, "payload": payload}
        return record(self.api.post("/evaluate/functions", data=body))
