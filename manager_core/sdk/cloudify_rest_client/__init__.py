"""The part of the REST client that plugins and workflows use, on the standard library alone."""

from __future__ import annotations

from cloudify_rest_client.client import CloudifyClient, HTTPClient

__all__ = ["CloudifyClient", "HTTPClient"]
