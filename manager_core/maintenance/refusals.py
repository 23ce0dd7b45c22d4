"""Which requests maintenance mode refuses, as tables (REST contract §3). Pure."""

from __future__ import annotations

OPEN_WHEN_ACTIVATED = frozenset(
    {
        "maintenance", "status", "version", "config", "license", "managers", "brokers", "db-nodes", "cluster",
        "cluster-status", "file-server-auth", "ok", "snapshots", "snapshot-status",
    }
)  # fmt: skip
"""First path segments that stay open while maintenance mode is active."""

_WRITES = frozenset({"POST", "PUT", "PATCH"})


def segments(path: str) -> list[str]:
    """Return the parts of a request path below `/api/v3.1`; empty when it is not an API path."""
    parts = path.strip("/").split("/")
    if parts[:1] != ["api"]:
        return []
    return parts[2:] if len(parts) > 1 and parts[1].startswith("v") and parts[1] != "version" else parts[1:]


def refused_when_activated(path: str) -> bool:
    """Tell whether `path` is closed while maintenance mode is active."""
    parts = segments(path)
    return bool(parts) and parts[0] not in OPEN_WHEN_ACTIVATED


def refused_when_activating(method: str, path: str) -> bool:
    """Tell whether a request would start something new while the manager waits for what runs."""
    match segments(path):
        case ["executions"] | ["deployments", _] | ["snapshots", _]:
            return method in _WRITES
        case ["snapshots", _, "restore"]:
            return True
        case ["deployment-modifications"]:
            return method == "POST"
        case _:
            return False
