"""Lists as plugins import them."""

from __future__ import annotations

from cloudify_rest_client.records import ListResponse, Record


class Metadata(Record):
    """What a list says about itself."""


class Pagination(Record):
    """Which part of a list it is."""


__all__ = ["ListResponse", "Metadata", "Pagination"]
