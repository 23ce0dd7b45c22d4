"""Permissions of roles."""

from __future__ import annotations

from typing import Any

from cloudify_rest_client.records import ListResponse, Record, listing


class Permission(Record):
    """One of them."""


class PermissionsClient:
    """Which role may do what."""

    def __init__(self, api: Any) -> None:
        self.api = api

    def list(self, role: str | None = None) -> ListResponse:
        """Return the permissions, those of one role when it is given."""
        return listing(self.api.get(f"/permissions/{role}" if role else "/permissions"))
