"""The parts of the product as processes of their own, each as on a host of its own: with its own data directory."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from base64 import b64encode
from pathlib import Path
from typing import Any

from scheduler.clock import SystemClock
from tests.support.clock import PATIENCE
from tests.support.processes import PASSWORD, REPOSITORY, Process, product_environment

KEY = "a-key-for-all-hosts"
ENDED = ("terminated", "failed", "cancelled")


class Part(Process):
    """`cloudify-manager <command>` with a data directory of its own."""

    def __init__(self, data_dir: Path, *command: str, **environment: str) -> None:
        self.data_dir = data_dir
        super().__init__(
            [sys.executable, "-m", "manager_core", *command],
            product_environment(data_dir, **environment),
            cwd=REPOSITORY,
        )


class Api(Part):
    """`cloudify-manager serve`, or `up`, and a client of it."""

    def __init__(self, data_dir: Path, *arguments: str, command: str = "serve", **environment: str) -> None:
        super().__init__(data_dir, command, *arguments, **environment)

    def ready(self, seconds: float = PATIENCE) -> Api:
        """Wait until it serves."""
        match = self.wait_for(r"ready on (http://[^:\s]+:\d+)", seconds)
        self.url = match[1]
        return self

    def call(self, method: str, path: str, body: Any = None, *, user: str = "admin", password: str = PASSWORD) -> Any:
        """Return the answer of a call below `/api/v3.1`: parsed JSON, or bytes."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        headers = {
            "Tenant": "default_tenant",
            "Content-Type": kind,
            "Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode(),
        }
        request = urllib.request.Request(f"{self.url}/api/v3.1{path}", data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                content = answer.read()
                parsed = "json" in answer.headers.get("Content-Type", "")
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}\n{self.output}") from None
        return json.loads(content) if parsed and content else content

    def until(self, path: str, wanted: Any, seconds: float = PATIENCE) -> Any:
        """Ask for `path` until `wanted(answer)` holds, and return the answer."""
        clock = SystemClock()
        deadline = clock.monotonic() + seconds
        while True:
            found = self.call("GET", path)
            if wanted(found):
                return found
            assert clock.monotonic() < deadline, f"{path}: {found}\n{self.output}"
            clock.wait(0.1)

    def ended(self, execution_id: str, seconds: float = PATIENCE) -> dict[str, Any]:
        """Return an execution once it has ended."""
        found: dict[str, Any] = self.until(f"/executions/{execution_id}", lambda it: it["status"] in ENDED, seconds)
        return found

    def start(self, deployment: str, workflow: str, **parameters: Any) -> str:
        """Start a workflow and return the execution's id."""
        body = {"deployment_id": deployment, "workflow_id": workflow, "parameters": parameters}
        return str(self.call("POST", "/executions", body)["id"])

    def upload(self, blueprint: str, archive: bytes) -> dict[str, Any]:
        """Upload a blueprint and wait until it is usable, or not."""
        self.call("PUT", f"/blueprints/{blueprint}?async_upload=true", archive)
        found: dict[str, Any] = self.until(
            f"/blueprints/{blueprint}", lambda it: it["state"] in ("uploaded", "invalid") or "failed" in it["state"]
        )
        return found

    def deploy(self, blueprint: str, deployment: str) -> None:
        """Create a deployment and wait until it is there."""
        made = self.call("PUT", f"/deployments/{deployment}", {"blueprint_id": blueprint})
        assert self.ended(made["create_execution"])["status"] == "terminated"
