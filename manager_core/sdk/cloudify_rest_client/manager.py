"""The manager itself."""

from __future__ import annotations

from typing import Any

from cloudify_rest_client.records import ListResponse, Record, listing, record
from cloudify_rest_client.resource import given


class ConfigItem(Record):
    """One of them."""


class DBNodeItem(Record):
    """One of them."""


class ManagerItem(Record):
    """One of them."""


class RabbitMQBrokerItem(Record):
    """One of them."""


class ManagerClient:
    """The manager itself."""

    def __init__(self, api: Any) -> None:
        self.api = api

    def get_status(self) -> Any:
        """Return the state of the manager's services."""
        return record(self.api.get("/status"))

    def get_version(self) -> Any:
        """Return version and edition."""
        return record(self.api.get("/version", versioned_url=False))

    def get_config(self, name: str | None = None, scope: str | None = None) -> Any:
        """Return configuration entries, or the one of that name."""
        if name and scope:
            return record(self.api.get(f"/config/{scope}.{name}"))
        if name:
            return record(self.api.get(f"/config/{name}"))
        return listing(self.api.get("/config", params=given(scope=scope)))

    def get_managers(self, hostname: str | None = None, _include: Any = None) -> ListResponse:
        """Return the managers."""
        return listing(self.api.get("/managers", params=given(hostname=hostname)))

    def get_brokers(self) -> ListResponse:
        """Return the message brokers."""
        return listing(self.api.get("/brokers"))

    def get_context(self, _include: Any = None) -> Any:
        """Return the provider context."""
        return record(self.api.get("/provider/context"))

    def put_config(self, name: str, value: Any, force: bool = False) -> Any:
        """Change a configuration entry."""
        return record(self.api.put(f"/config/{name}", data={"value": value, "force": force}))

    def get_db_nodes(self) -> ListResponse:
        """Return the database servers."""
        return listing(self.api.get("/db-nodes"))
