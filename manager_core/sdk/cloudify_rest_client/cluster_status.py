"""State of the cluster."""

from __future__ import annotations

from typing import Any

from cloudify_rest_client.records import record


class ClusterStatusClient:
    """State of the cluster; here a cluster of one."""

    def __init__(self, api: Any) -> None:
        self.api = api

    def get_status(self, summary_format: bool = False) -> Any:
        """Return the state of the cluster, or only its summary."""
        return record(self.api.get("/cluster-status", params={"summary": True} if summary_format else None))
