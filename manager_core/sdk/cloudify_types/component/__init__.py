"""Component and ServiceComponent: a deployment that a node stands for."""

from __future__ import annotations

from cloudify_types.component.operations import (
    check_drift,
    check_status,
    create,
    delete,
    execute_start,
    heal,
    refresh,
    update,
    upload_blueprint,
)

__all__ = [
    "check_drift", "check_status", "create", "delete", "execute_start", "heal", "refresh", "update", "upload_blueprint",
]  # fmt: skip
