"""The tables of what maintenance mode refuses."""

from __future__ import annotations

import pytest

from manager_core.maintenance.refusals import refused_when_activated, refused_when_activating


@pytest.mark.parametrize(
    "path",
    [
        "/api/v3.1/maintenance", "/api/v3.1/maintenance/deactivate", "/api/v3.1/snapshots/s/archive", "/api/version",
        "/api/v3.1/version", "/api/v3.1/snapshot-status", "/api/v3.1/cluster-status", "/health", "/metrics", "/docs",
    ],
)  # fmt: skip
def test_open_paths_stay_open(path: str) -> None:
    assert not refused_when_activated(path)


@pytest.mark.parametrize("path", ["/api/v3.1/blueprints", "/api/v3.1/executions/e", "/api/v3.1/maintenances"])
def test_other_paths_are_closed(path: str) -> None:
    assert refused_when_activated(path)


@pytest.mark.parametrize(
    ("method", "path", "refused"),
    [
        ("POST", "executions", True),
        ("GET", "executions", False),
        ("POST", "executions/e", False),
        ("DELETE", "executions", False),
        ("PUT", "deployments/d", True),
        ("PATCH", "deployments/d", True),
        ("DELETE", "deployments/d", False),
        ("PATCH", "deployments/d/set-visibility", False),
        ("PUT", "snapshots/s", True),
        ("DELETE", "snapshots/s", False),
        ("PUT", "snapshots/s/archive", False),
        ("POST", "snapshots/s/restore", True),
        ("POST", "deployment-modifications", True),
        ("POST", "deployment-modifications/m/finish", False),
        ("POST", "deployment-updates/d/update/initiate", False),
    ],
)
def test_activating_refuses_what_begins_something(method: str, path: str, refused: bool) -> None:
    assert refused_when_activating(method, f"/api/v3.1/{path}") is refused
