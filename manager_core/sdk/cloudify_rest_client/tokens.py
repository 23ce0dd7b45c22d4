"""API tokens."""

from __future__ import annotations

from typing import Any

from cloudify_rest_client.records import Record, record
from cloudify_rest_client.resource import Resource, given


class Token(Record):
    """One of them."""


class TokensClient(Resource):
    """API tokens of the caller."""

    path = "/tokens"
    key = "token_id"

    def create(self, description: str | None = None, expiration: str | None = None) -> Any:
        """Make a token; its value is only in this answer.

        Args:
            description: a text for people.
            expiration: when it ends: an instant, or a span from now such as ``+1 day``.
        """
        return record(self.api.post("/tokens", data=given(description=description, expiration_date=expiration)))
