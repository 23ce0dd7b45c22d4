"""Rows put straight into a store, for tests of what stands on them."""

from __future__ import annotations

from typing import Any

from manager_core.bootstrap import Core
from manager_core.deployments.tables import Deployment
from manager_core.executions.tables import Execution
from manager_core.ids import new_id

WORKFLOW: dict[str, Any] = {"plugin": "p", "operation": "p.run", "parameters": {}, "is_cascading": False}


def a_deployment(core: Core, deployment_id: str = "dep", *, workflows: tuple[str, ...] = ("backup", "install")) -> None:
    """Store a deployment with these workflows and a finished creation."""
    now = core.clock.now()
    with core.store.write() as session:
        session.add(
            Deployment(
                id=deployment_id,
                display_name=deployment_id,
                tenant_name="default_tenant",
                created_by="admin",
                created_at=now,
                blueprint_id="bp",
                inputs={},
                outputs={},
                capabilities={},
                workflows=dict.fromkeys(workflows, WORKFLOW),
            )
        )


def an_execution(core: Core, **columns: Any) -> str:
    """Store an execution and return its id."""
    execution_id = columns.pop("id", None) or new_id()
    values = {
        "tenant_name": "default_tenant",
        "created_by": "admin",
        "created_at": core.clock.now(),
        "deployment_id": "dep",
        "workflow_id": "backup",
        "status": "terminated",
        **columns,
    }
    with core.store.write() as session:
        session.add(Execution(id=execution_id, **values))
    return execution_id
