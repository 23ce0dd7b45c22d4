"""Snapshots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cloudify_rest_client.records import Record, record
from cloudify_rest_client.resource import Resource, given


class Snapshot(Record):
    """One of them."""


class SnapshotsClient(Resource):
    """Snapshots."""

    path = "/snapshots"
    key = "snapshot_id"

    def update_status(self, snapshot_id: str, status: str, error: str | None = None) -> Any:
        """Set the state of a snapshot."""
        body = given(status=status, error=error)
        return record(self.api.patch(f"/snapshots/{snapshot_id}", data=body))

    def create(self, snapshot_id: str, include_credentials: bool, include_logs: bool = True,
               include_events: bool = True, queue: bool = False, **kwargs: Any) -> Any:  # fmt: skip
        """Create a snapshot and return the execution that does it."""
        body = {
            "include_credentials": include_credentials,
            "include_logs": include_logs,
            "include_events": include_events,
            "queue": queue,
            **given(**kwargs),
        }
        return record(self.api.put(f"/snapshots/{snapshot_id}", data=body))

    def restore(self, snapshot_id: str, force: bool = False, **kwargs: Any) -> Any:
        """Restore a snapshot and return the execution that does it."""
        return record(self.api.post(f"/snapshots/{snapshot_id}/restore", data={"force": force, **given(**kwargs)}))

    def upload(self, snapshot_path: str, snapshot_id: str, progress_callback: Any = None) -> Any:
        """Upload a snapshot from a file or a URL."""
        address = f"/snapshots/{snapshot_id}/archive"
        if "://" in snapshot_path and not Path(snapshot_path).exists():
            return record(self.api.put(address, params={"snapshot_archive_url": snapshot_path}))
        with Path(snapshot_path).open("rb") as archive:
            return record(self.api.put(address, data=archive))

    def download(self, snapshot_id: str, output_file: str, progress_callback: Any = None) -> str:
        """Fetch a snapshot into a file and return its path."""
        return self._download(f"/snapshots/{snapshot_id}/archive", output_file)

    def get_status(self) -> Any:
        """Tell whether a restore is under way."""
        return self.api.get("/snapshot-status")
