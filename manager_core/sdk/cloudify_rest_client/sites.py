"""Sites."""

from __future__ import annotations

from typing import Any

from cloudify_rest_client.records import Record, record
from cloudify_rest_client.resource import Resource, given


class Site(Record):
    """One of them."""


class SitesClient(Resource):
    """Sites."""

    path = "/sites"
    key = "name"

    def create(self, name: str, location: Any = None, visibility: str = "tenant", **kwargs: Any) -> Any:
        """Create a site."""
        body = {"visibility": visibility, **given(location=location, **kwargs)}
        return record(self.api.put(f"/sites/{name}", data=body))

    def update(self, name: str, location: Any = None, visibility: str = "tenant", new_name: Any = None) -> Any:
        """Change a site."""
        body = given(location=location, visibility=visibility, new_name=new_name)
        return record(self.api.post(f"/sites/{name}", data=body))
