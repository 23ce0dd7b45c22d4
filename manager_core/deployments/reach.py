"""Which deployments a change of one reaches: those that need it, those that need these, and so on."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Any

from sqlalchemy import select
from sqlmodel import Session

from manager_core.deployments.tables import InterDeploymentDependency

_N: Any = InterDeploymentDependency
_MOST = 1000
"""Reached deployments that are named for one update."""


def reached_by_updates(session: Session, rows: list[tuple[Any, ...]]) -> list[Any]:
    """Return, for each row (tenant, deployment), the needs that its change reaches, the nearest first.

    Each is `{"deployment", "dependency_type", "dependent_node", "tenant"}`: who needs, how (`component`, `nodes`, …),
    and through which of its nodes.
    """
    needs = {tenant: _needs_of(session, tenant) for tenant in {tenant for tenant, _ in rows}}
    return [_reached(needs[tenant], tenant, deployment) for tenant, deployment in rows]


def _needs_of(session: Session, tenant: str) -> dict[str, list[tuple[str, str]]]:
    """Return needed deployment → (needing deployment, what made the need), of a whole tenant."""
    statement = (
        select(_N.target_deployment, _N.deployment_id, _N.dependency_creator)
        .where(_N.tenant_name == tenant, _N.target_deployment.is_not(None))
        .order_by(_N.storage_id)
    )
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for target, needing, creator in session.connection().execute(statement):
        found[target].append((needing, creator))
    return found


def _reached(needs: dict[str, list[tuple[str, str]]], tenant: str, deployment: str) -> list[dict[str, str]]:
    waiting, seen = deque([deployment]), {deployment}
    found: list[dict[str, str]] = []
    while waiting and len(found) < _MOST:
        for needing, creator in needs.get(waiting.popleft(), ()):
            kind, _, rest = creator.partition(".")
            if needing == deployment:
                continue
            found.append(
                {
                    "deployment": needing,
                    "dependency_type": kind,
                    "dependent_node": rest.partition(".")[0],
                    "tenant": tenant,
                }
            )
            if needing not in seen:
                seen.add(needing)
                waiting.append(needing)
    return found
