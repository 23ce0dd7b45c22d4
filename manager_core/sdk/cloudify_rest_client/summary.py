"""Counts of objects."""

from __future__ import annotations

from typing import Any

from cloudify_rest_client.records import ListResponse, listing
from cloudify_rest_client.resource import given


class SummaryClient:
    """Counts of one kind of object by one or two fields."""

    def __init__(self, api: Any, summary_type: str) -> None:
        self.api = api
        self.summary_type = summary_type

    def get(self, _target_field: str, _sub_field: str | None = None, **kwargs: Any) -> ListResponse:
        """Return how many objects have which value of a field.

        Args:
            _target_field: the field.
            _sub_field: a second field to count by inside of the first.
            kwargs: filters, as for lists.
        """
        params = {"_target_field": _target_field, **given(_sub_field=_sub_field), **kwargs}
        return listing(self.api.get(f"/summary/{self.summary_type}", params=params))


class SummariesClient:
    """One `SummaryClient` for each kind of object."""

    def __init__(self, api: Any) -> None:
        self.blueprints = SummaryClient(api, "blueprints")
        self.deployments = SummaryClient(api, "deployments")
        self.execution_schedules = SummaryClient(api, "execution_schedules")
        self.executions = SummaryClient(api, "executions")
        self.node_instances = SummaryClient(api, "node_instances")
        self.nodes = SummaryClient(api, "nodes")
