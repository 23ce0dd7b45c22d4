"""Labels in use."""

from __future__ import annotations

from typing import Any

from cloudify_rest_client.records import ListResponse, Record, listing


class Label(Record):
    """One of them."""


class LabelsClient:
    """Keys and values of labels."""

    def __init__(self, api: Any, resource_name: str) -> None:
        self.api = api
        self.resource_name = resource_name

    def list_keys(self) -> ListResponse:
        """Return the keys in use."""
        return listing(self.api.get(f"/labels/{self.resource_name}"))

    def list_key_values(self, label_key: str) -> ListResponse:
        """Return the values of a key."""
        return listing(self.api.get(f"/labels/{self.resource_name}/{label_key}"))

    def get_reserved_labels_keys(self) -> ListResponse:
        """Return the keys that have a meaning of their own."""
        return listing(self.api.get(f"/labels/{self.resource_name}", params={"_reserved": True}))


class BlueprintsLabelsClient(LabelsClient):
    """Labels of blueprints."""

    def __init__(self, api: Any) -> None:
        super().__init__(api, "blueprints")


class DeploymentsLabelsClient(LabelsClient):
    """Labels of deployments."""

    def __init__(self, api: Any) -> None:
        super().__init__(api, "deployments")
