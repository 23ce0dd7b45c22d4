"""SharedResource: a deployment that others made and a node uses."""

from __future__ import annotations

from cloudify_types.shared_resource.operations import (
    check_drift,
    check_status,
    connect_deployment,
    disconnect_deployment,
    execute_workflow,
    refresh,
)

__all__ = [
    "check_drift", "check_status", "connect_deployment", "disconnect_deployment", "execute_workflow", "refresh",
]  # fmt: skip
