"""Stored filters."""

from __future__ import annotations

from typing import Any

from cloudify_rest_client.records import Record, record
from cloudify_rest_client.resource import Resource, given


class Filter(Record):
    """One of them."""


class FiltersClient(Resource):
    """Stored filter rules for one kind of object."""

    key = "filter_id"

    def __init__(self, api: Any, kind: str) -> None:
        super().__init__(api)
        self.path = f"/filters/{kind}"

    def create(self, filter_id: str, filter_rules: Any, visibility: str = "tenant", **kwargs: Any) -> Any:
        """Store a filter."""
        body = {"filter_rules": filter_rules, "visibility": visibility, **given(**kwargs)}
        return record(self.api.put(f"{self.path}/{filter_id}", data=body))

    def update(self, filter_id: str, new_filter_rules: Any = None, new_visibility: str | None = None) -> Any:
        """Change the rules or the visibility of a filter."""
        if not new_filter_rules and not new_visibility:
            raise RuntimeError("A filter is updated with new rules, a new visibility, or both")
        body = given(filter_rules=new_filter_rules or None, visibility=new_visibility)
        return record(self.api.patch(f"{self.path}/{filter_id}", data=body))


class BlueprintsFiltersClient(FiltersClient):
    """Stored filters of blueprints."""

    def __init__(self, api: Any) -> None:
        super().__init__(api, "blueprints")


class DeploymentsFiltersClient(FiltersClient):
    """Stored filters of deployments."""

    def __init__(self, api: Any) -> None:
        super().__init__(api, "deployments")
