"""Secrets as clients see them (REST contract §17); a list never holds values."""

from __future__ import annotations

from manager_core.rest.listing import Listing, base_fields, column
from manager_core.secrets.tables import Secret

SECRETS = Listing(
    model="Secret",
    table=Secret,
    permission="secret_list",
    key="key",
    search=("key",),
    fields={
        "key": column(Secret.key),
        **base_fields(Secret),
        "created_at": column(Secret.created_at),
        "updated_at": column(Secret.updated_at),
        "is_hidden_value": column(Secret.is_hidden_value),
        "schema": column(Secret.value_schema, filterable=False),
        "provider_name": column(Secret.provider_name),
        "provider_options": column(Secret.provider_options, filterable=False),
    },
)
