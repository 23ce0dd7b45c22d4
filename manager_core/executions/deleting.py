"""Delete ended executions (REST contract §8.5)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlmodel import Session

from manager_core.access.caller import Caller
from manager_core.errors import BadParameters
from manager_core.executions.admission import CREATE_ENVIRONMENT
from manager_core.executions.listing import EXECUTIONS
from manager_core.executions.tables import Execution
from manager_core.rest.listing import ListQuery, filter_conditions, visible
from manager_core.states import END, ExecutionStatus

_FORMATS = (
    "%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S.%f",
    "%Y-%m-%dT%H:%M:%S.%fZ",
)  # fmt: skip
CHUNK = 500


def naive_utc(text: str) -> datetime:
    """Read a naive UTC time in one of the forms of §10.2.

    Raises:
        BadParameters: it has none of them.
    """
    for form in _FORMATS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise BadParameters(f"{text} is not a legal time format")


def delete_ended(
    session: Session, caller: Caller, query: ListQuery, *, keep_last: Any = None, to_datetime: str | None = None
) -> int:
    """Delete the END executions that match, and return how many went.

    Args:
        keep_last: the number of newest ones to keep.
        to_datetime: delete those created earlier.

    Raises:
        BadParameters: with the texts of §8.5.
    """
    if keep_last is not None and to_datetime is not None:
        raise BadParameters(
            "Must provide either a `to_datetime` timestamp or a `keep_last` number of executions to keep"
        )
    if keep_last is not None:
        keep_last = _count(keep_last)
    ended = sorted(status.value for status in END)
    for status in query.filters.get("status", []):
        if status not in ended:
            raise BadParameters(f"Can't filter by execution status `{status}`. Allowed statuses are: {ended}")
    table: Any = Execution
    conditions = [
        *visible(EXECUTIONS, caller, all_tenants=query.all_tenants),
        *filter_conditions(EXECUTIONS, query.filters),
        table.status.in_(ended),
        table.storage_id.not_in(_kept_environments()),
    ]
    if not query.all_tenants:  # a global deployment of another tenant is seen here, not owned
        conditions.append(table.tenant_name == caller.tenant_name)
    if to_datetime is not None:
        conditions.append(table.created_at < naive_utc(to_datetime))
    statement = select(table.storage_id).where(*conditions).order_by(table.created_at, table.storage_id)
    rows: Sequence[int] = session.connection().execute(statement).scalars().all()
    if keep_last is not None:
        rows = rows[: max(0, len(rows) - keep_last)]
    for begin in range(0, len(rows), CHUNK):
        session.connection().execute(delete(Execution).where(table.storage_id.in_(rows[begin : begin + CHUNK])))
    return len(rows)


def _count(value: Any) -> int:
    try:
        number = 0 if isinstance(value, bool) else int(value)
    except (TypeError, ValueError):
        number = 0
    if number <= 0:
        raise BadParameters(f"`keep_last` must be an integer greater than 0. got {value} instead.")
    return number


def _kept_environments() -> Any:
    """Select every deployment's last terminated environment creation."""
    table: Any = Execution
    return (
        select(func.max(table.storage_id))
        .where(table.workflow_id == CREATE_ENVIRONMENT, table.status == ExecutionStatus.TERMINATED.value)
        .group_by(table.tenant_name, table.deployment_id)
    )
