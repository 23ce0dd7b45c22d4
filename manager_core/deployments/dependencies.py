"""Which deployments need which: registered from capability reads, asked before one is removed or changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select
from sqlmodel import Session

from manager_core.deployments.listing import PARENT_LABEL
from manager_core.deployments.tables import Deployment, DeploymentLabel, InterDeploymentDependency
from manager_core.dsl.errors import DslErrors
from manager_core.dsl.evaluate import evaluate
from manager_core.executions.dependents import dependents, numbered

if TYPE_CHECKING:
    from datetime import datetime

    from manager_core.bootstrap import Core

_MADE_BY_HAND = ("component.", "sharedresource.")
"""How needs begin that are not found in the plan; these stay when the plan's are registered anew."""


def register(
    core: Core, session: Session, deployment: Deployment, functions: Iterable[Mapping[str, Any]], now: datetime
) -> None:
    """Replace a deployment's needs by those its plan shows (blueprint-dsl contract §16.4).

    A target that is itself a function call is evaluated; where that is not possible yet the call is kept.
    """
    table: Any = InterDeploymentDependency
    known = delete(table).where(table.tenant_name == deployment.tenant_name, table.deployment_id == deployment.id)
    for prefix in _MADE_BY_HAND:
        known = known.where(table.dependency_creator.not_like(f"{prefix}%"))
    session.connection().execute(known)
    storage = core.deployments.evaluation_storage(session, deployment.tenant_name, deployment.id)
    found: dict[tuple[str, str | None], dict[str, Any]] = {}
    for entry in functions:
        target, raw = entry["target_deployment"]
        if target is None:
            try:
                value = evaluate({"target": raw}, storage=storage, context=entry["context"])["target"]
                target = value if isinstance(value, str) else None
            except DslErrors:
                target = None
        key = (entry["function_identifier"], target)
        found[key] = {
            "tenant_name": deployment.tenant_name,
            "deployment_id": deployment.id,
            "dependency_creator": entry["function_identifier"],
            "target_deployment": target,
            "target_deployment_function": raw if isinstance(raw, dict) else None,
            "created_at": now,
        }
    if found:
        session.connection().execute(insert(table), list(found.values()))


def children(session: Session, tenant: str, deployment_id: str) -> list[str]:
    """Return the ids of the deployments whose environment this one is."""
    table: Any = DeploymentLabel
    statement = (
        select(table.deployment_id)
        .where(table.tenant_name == tenant, table.key == PARENT_LABEL, table.value == deployment_id)
        .order_by(table.storage_id)
    )
    return list(session.connection().execute(statement).scalars())


def contained(session: Session, tenant: str, deployment_id: str) -> list[str]:
    """Return the ids of all deployments inside a deployment, each before the one whose environment it needs."""
    found: dict[str, None] = {}

    def visit(current: str) -> None:
        for child in children(session, tenant, current):
            if child not in found and child != deployment_id:  # labels may form a ring
                found[child] = None
                visit(child)

    visit(deployment_id)
    return list(reversed(found))


def blocking(
    session: Session, tenant: str, deployment_id: str, *, leaving: Collection[str] = (), maker: str | None = None
) -> str:
    """Return a numbered list of what depends on a deployment; empty when nothing does.

    Args:
        leaving: deployments that go too, and so do not stand in the way.
        maker: the deployment that made this one as its component and now deletes it.
    """
    sentences = dependents(session, tenant, deployment_id, maker=maker)
    sentences.extend(
        f"Deployment `{child}` has the current deployment as its environment"
        for child in children(session, tenant, deployment_id)
    )
    return numbered([text for text in sentences if not any(f"Deployment `{name}` " in text for name in leaving)])
