"""What acceptance tests of the command line deploy, and how they wait for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from scheduler.clock import SystemClock
from tests.support.clock import PATIENCE
from tests.support.processes import REPOSITORY, Manager, cfy_environment
from tests.support.warm_cfy import WarmCfy

DATA = REPOSITORY / "tests" / "data" / "acceptance"
LIFE = DATA / "life" / "blueprint.yaml"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)

needs_cfy = [
    pytest.mark.reference,
    pytest.mark.skipif(cfy_environment() is None, reason="no reference environment (make install-cfy)"),
]


def deploy_life(cfy: WarmCfy, name: str = "life") -> str:
    """Upload and deploy the blueprint."""
    cfy("blueprints", "upload", str(LIFE), "-b", name)
    cfy("deployments", "create", name, "-b", name, "-i", "name=Ada")
    return name


def until(true: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Ask until the answer is true; return it."""
    clock = SystemClock()
    deadline = clock.monotonic() + seconds
    while True:
        found = true()
        if found:
            return found
        assert clock.monotonic() < deadline, "it did not come"
        clock.wait(0.05)


def execution_in(manager: Manager, execution_id: str, *statuses: str) -> dict[str, Any]:
    """Wait until an execution has one of the statuses; return it."""

    def reached() -> dict[str, Any] | None:
        found: dict[str, Any] = manager.get(f"/executions/{execution_id}")
        return found if found["status"] in statuses else None

    found: dict[str, Any] = until(reached)
    return found
