"""Maintenance mode."""

from __future__ import annotations

from typing import Any

from cloudify_rest_client.records import Record, record


class Maintenance(Record):
    """One of them."""


class MaintenanceModeClient:
    """Maintenance mode."""

    def __init__(self, api: Any) -> None:
        self.api = api

    def status(self) -> Any:
        """Return whether it is on."""
        return record(self.api.get("/maintenance"))

    def activate(self) -> Any:
        """Switch it on."""
        return record(self.api.post("/maintenance/activate"))

    def deactivate(self) -> Any:
        """Switch it off."""
        return record(self.api.post("/maintenance/deactivate"))
