"""Tenants."""

from __future__ import annotations

from typing import Any

from cloudify_rest_client.records import Record, record
from cloudify_rest_client.resource import Resource


class Tenant(Record):
    """One of them."""


class TenantsClient(Resource):
    """Tenants."""

    path = "/tenants"
    key = "tenant_name"

    def create(self, tenant_name: str, rabbitmq_password: str = "") -> Any:
        """Create a tenant."""
        return record(self.api.post(f"/tenants/{tenant_name}", data={"rabbitmq_password": rabbitmq_password}))

    def add_user(self, username: str, tenant_name: str, role: str) -> Any:
        """Let a user into a tenant."""
        body = {"username": username, "tenant_name": tenant_name, "role": role}
        return record(self.api.put("/tenants/users", data=body))

    def update_user(self, username: str, tenant_name: str, role: str) -> Any:
        """Change a user's role in a tenant."""
        body = {"username": username, "tenant_name": tenant_name, "role": role}
        return record(self.api.patch("/tenants/users", data=body))

    def remove_user(self, username: str, tenant_name: str) -> None:
        """Take a user out of a tenant."""
        self.api.delete("/tenants/users", data={"username": username, "tenant_name": tenant_name})
