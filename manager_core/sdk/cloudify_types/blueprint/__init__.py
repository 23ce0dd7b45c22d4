"""Blueprint: a node that uploads a blueprint."""

from __future__ import annotations

from cloudify_types.blueprint.operations import delete, upload

__all__ = ["delete", "upload"]
