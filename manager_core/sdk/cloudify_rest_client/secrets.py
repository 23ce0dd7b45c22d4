"""Secrets."""

from __future__ import annotations

from typing import Any

from cloudify_rest_client.records import Record, record
from cloudify_rest_client.resource import Resource, given


class Secret(Record):
    """One of them."""


class SecretsClient(Resource):
    """Secrets."""

    path = "/secrets"
    key = "key"

    def create(
        self,
        key: str,
        value: Any,
        update_if_exists: bool = False,
        is_hidden_value: bool = False,
        visibility: str = "tenant",
        schema: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Store a secret."""
        body = given(value=value, visibility=visibility, schema=schema, **kwargs)
        body.update(update_if_exists=update_if_exists, is_hidden_value=is_hidden_value)
        return record(self.api.put(f"/secrets/{key}", data=body))

    def update(
        self,
        key: str,
        value: Any = None,
        visibility: str | None = None,
        is_hidden_value: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """Change a secret."""
        body = given(value=value, visibility=visibility, is_hidden_value=is_hidden_value, **kwargs)
        return record(self.api.patch(f"/secrets/{key}", data=body))

    def export(self, _include: Any = None, **kwargs: Any) -> Any:
        """Return secrets with their values; encrypted when a `_passphrase` is given."""
        return self.api.get("/secrets/share/export", params=kwargs)

    def import_secrets(
        self, secrets_list: Any, tenant_map: Any = None, passphrase: Any = None, override_collisions: bool = False
    ) -> Any:
        """Store secrets that `export` returned."""
        body = given(secrets_list=secrets_list, tenant_map=tenant_map, passphrase=passphrase)
        return self.api.post("/secrets/share/import", data={**body, "override_collisions": override_collisions})
