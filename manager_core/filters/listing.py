"""Stored filters as clients see them (REST contract §20.1)."""

from __future__ import annotations

from typing import Any

from manager_core.filters.tables import Filter
from manager_core.rest.listing import Listing, base_fields, column


def _of_type(wanted: str) -> Any:
    return lambda rules: [rule for rule in rules or [] if rule["type"] == wanted]


FILTERS = Listing(
    model="Filter",
    table=Filter,
    permission="filter_list",
    fields={
        "id": column(Filter.id),
        **base_fields(Filter),
        "created_at": column(Filter.created_at),
        "updated_at": column(Filter.updated_at),
        "value": column(Filter.value, filterable=False),
        "labels_filter_rules": column(Filter.value, render=_of_type("label"), filterable=False),
        "attrs_filter_rules": column(Filter.value, render=_of_type("attribute"), filterable=False),
        "is_system_filter": column(Filter.is_system_filter),
    },
)
