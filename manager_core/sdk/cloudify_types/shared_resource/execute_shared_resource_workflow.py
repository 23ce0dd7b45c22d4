"""Names that plugins import from here."""

from __future__ import annotations

from typing import Any

from cloudify import ctx


def _get_target_shared_resource_client() -> dict[str, Any]:
    """Return the arguments of the client that the relationship's target names; plugins call it as it is spelled."""
    return ctx.target.node.properties.get("client") or {}
