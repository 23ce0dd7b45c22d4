"""Puts the SDK's folder on the path, as in an execution process, and gives contexts over a host in memory."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SDK = Path(__file__).parents[3] / "manager_core" / "sdk"
if str(SDK) not in sys.path:
    sys.path.insert(0, str(SDK))

from manager_core.runtime.host_calls import HostTransport  # noqa: E402
from tests.support.runner_host import MemoryHost  # noqa: E402


@pytest.fixture
def host(tmp_path: Path) -> MemoryHost:
    """A host with the instance ``vm_1`` of the node ``vm``."""
    host = MemoryHost(tmp_path / "host")
    host.add("vm_1", "vm", properties={"size": 3})
    return host


@pytest.fixture
def mapping() -> dict[str, Any]:
    """The context mapping of a node operation."""
    return {
        "type": "operation",
        "task_id": "task-1",
        "task_name": "plugin.create",
        "execution_id": "e1",
        "workflow_id": "install",
        "node_id": "vm_1",
        "node_name": "vm",
        "deployment_id": "dep",
        "blueprint_id": "bp",
        "tenant": {"name": "default_tenant"},
        "plugin": {"name": "plugin", "package_name": "my-plugin", "package_version": "1.0"},
        "operation": {"name": "cloudify.interfaces.lifecycle.create", "retry_number": 0, "max_retries": 3},
    }


@pytest.fixture
def context_of(host: MemoryHost) -> Callable[[dict[str, Any]], Any]:
    """Build a context over the host from a mapping."""
    from cloudify.context import CloudifyContext

    def build(mapping: dict[str, Any]) -> Any:
        return CloudifyContext(mapping, transport=HostTransport(host, mapping))

    return build


@pytest.fixture
def ctx(context_of: Callable[[dict[str, Any]], Any], mapping: dict[str, Any]) -> Any:
    """The context of a node operation."""
    return context_of(mapping)


@pytest.fixture
def relationship_mapping(host: MemoryHost, mapping: dict[str, Any]) -> dict[str, Any]:
    """The context mapping of a relationship operation from ``app_1`` (which runs it) to ``vm_1``."""
    host.add("app_1", "app")
    related = {"node_id": "vm_1", "node_name": "vm", "is_target": True}
    return {**mapping, "node_id": "app_1", "node_name": "app", "related": related}
