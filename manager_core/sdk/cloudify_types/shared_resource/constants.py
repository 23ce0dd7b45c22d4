"""Names that plugins import from here."""

from __future__ import annotations

SHARED_RESOURCE_TYPE = "cloudify.nodes.SharedResource"
