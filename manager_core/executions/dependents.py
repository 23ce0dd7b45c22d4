"""Other deployments that need this one (REST contract §8.2 check 10)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlmodel import Session

from manager_core.access.caller import Caller
from manager_core.deployments.tables import Deployment, InterDeploymentDependency
from manager_core.executions.tables import Execution

_D: Any = InterDeploymentDependency

_WORDS = {
    "component": "Deployment `{0}` contains the current deployment as a component in its node `{1}`",
    "sharedresource": "Deployment `{0}` uses the current deployment as a shared resource in its node `{1}`",
}


def maker(session: Session, caller: Caller) -> str | None:
    """Return the deployment of the execution that asks; None when a person does.

    A deployment that made components is not held back by its own need of them: it stops and deletes them itself.
    """
    if caller.execution_id is None:
        return None
    table: Any = Execution
    asking = (table.id == caller.execution_id) & (table.tenant_name == caller.tenant)
    found: str | None = session.scalars(select(table.deployment_id).where(asking)).first()
    return found


def dependents(
    session: Session, tenant: str, deployment_id: str, *, inactive_readers: bool = True, maker: str | None = None
) -> list[str]:
    """Return one sentence for each need of another deployment.

    Args:
        maker: a deployment whose need of this one as its component does not count.
        inactive_readers: also count deployments that only read a capability and are not installed (an uninstall does
            not, the other guarded workflows do).
    """
    statement = (
        select(_D.deployment_id, _D.dependency_creator)
        .where(_D.tenant_name == tenant, _D.target_deployment == deployment_id, _D.deployment_id != deployment_id)
        .order_by(_D.storage_id)
    )
    rows = session.connection().execute(statement.distinct().add_columns(_D.storage_id)).all()
    inactive = set() if inactive_readers else _inactive(session, tenant, {row.deployment_id for row in rows})
    sentences: dict[str, None] = {}
    for row in rows:
        kind, _, rest = row.dependency_creator.partition(".")
        form = _WORDS.get(kind)
        if form is None and row.deployment_id in inactive:
            continue
        if kind == "component" and row.deployment_id == maker:
            continue
        node = rest.split(".", 1)[0]
        form = form or "Deployment `{0}` uses capabilities of the current deployment"
        sentences[form.format(row.deployment_id, node)] = None
    return list(sentences)


def _inactive(session: Session, tenant: str, names: set[str]) -> set[str]:
    table: Any = Deployment
    statement = select(table.id).where(
        table.tenant_name == tenant, table.id.in_(names), table.installation_status.is_distinct_from("active")
    )
    return set(session.connection().execute(statement).scalars())


def numbered(sentences: list[str]) -> str:
    """Return the sentences as a numbered list, one a line."""
    return "\n".join(f"[{number}] {sentence}" for number, sentence in enumerate(sentences, 1))
