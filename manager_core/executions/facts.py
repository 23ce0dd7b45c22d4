"""Gather the facts that admission decides on, and hold decisions apart (REST contract §9)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, text
from sqlmodel import Session

from manager_core.executions.admission import DeploymentKey, Facts, Start
from manager_core.executions.tables import Execution
from manager_core.states import ACTIVE, END, ExecutionStatus

ACTIVE_VALUES = sorted(status.value for status in ACTIVE)
END_VALUES = sorted(status.value for status in END)
QUEUED = ExecutionStatus.QUEUED.value
SHOWN = 5
"""How many blockers are named at most."""

_ADMISSION_KEY = 0x61646D74

E: Any = Execution.__table__.c  # type: ignore[attr-defined]


def lock_admission(session: Session) -> None:
    """Let one transaction at a time decide about admission.

    SQLite has one writer anyway; PostgreSQL gets an advisory lock that goes with the transaction.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.connection().execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADMISSION_KEY})


def is_system_wide() -> ColumnElement[bool]:
    """Return the condition "system-wide" of §9.1."""
    return and_(E.is_system_workflow.is_(True), E.deployment_id.is_(None))


def gather(
    session: Session, start: Start, *, but: str | None = None, place: tuple[datetime, int] | None = None
) -> Facts:
    """Return what stands in the way of `start`.

    Args:
        but: the id of the start itself, when it has a row.
        place: its (created_at, storage_id) in the queue; None for one that just arrived (every QUEUED one is older).
    """
    if start.overlap:
        return Facts()
    itself = [E.id != but] if but else []
    if start.system_wide:
        return Facts(active=_ids(session, E.status.in_(ACTIVE_VALUES), *itself))
    # A queued system-wide one holds back newcomers; what leaves the queue has been chosen behind it (§9.5 #1).
    blocking = _ids(session, E.status.in_([*ACTIVE_VALUES, QUEUED]), is_system_wide(), *itself)
    if blocking or start.deployment is None or start.force:
        return Facts(system_wide=blocking)
    tenant, deployment = start.deployment
    older: ColumnElement[bool] = E.status == QUEUED
    if place is not None:
        created_at, row = place
        older = and_(older, or_(E.created_at < created_at, and_(E.created_at == created_at, E.storage_id < row)))
    same = _ids(
        session,
        E.tenant_name == tenant,
        E.deployment_id == deployment,
        or_(E.status.in_(ACTIVE_VALUES), older),
        *itself,
    )
    return Facts(deployment=same)


def _ids(session: Session, *conditions: Any) -> tuple[str, ...]:
    statement = select(E.id).where(*conditions).order_by(E.created_at, E.storage_id).limit(SHOWN)
    return tuple(session.connection().execute(statement).scalars())


def described(session: Session, ids: Iterable[str]) -> str:
    """Return executions as messages show them (REST contract §1.10), comma-separated."""
    statement = select(E.id, E.tenant_name, E.status, E.workflow_id).where(E.id.in_(list(ids)))
    rows = session.connection().execute(statement.order_by(E.created_at, E.storage_id)).all()
    return ", ".join(describe(*row) for row in rows)


def describe(execution_id: str, tenant: str, status: str, workflow_id: str) -> str:
    """Return one execution as messages show it."""
    return f"<Execution id=`{execution_id}` tenant=`{tenant}` status=`{status}` workflow_id=`{workflow_id}`>"


def busy_deployments(session: Session, deployments: Iterable[DeploymentKey] | None = None) -> set[DeploymentKey]:
    """Return the deployments that have an ACTIVE execution (all of them, whatever is asked for)."""
    statement = select(E.tenant_name, E.deployment_id).where(E.status.in_(ACTIVE_VALUES), E.deployment_id.is_not(None))
    return {(tenant, deployment) for tenant, deployment in session.connection().execute(statement.distinct())}
