"""Delete a deployment's events (REST contract §11.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlmodel import Session

from manager_core.access.caller import Caller
from manager_core.access.visibility import may_modify
from manager_core.errors import BadParameters, NotFound
from manager_core.events.listing import EVENT, LOG, executions_of, range_condition
from manager_core.events.tables import Event, EventCount
from manager_core.executions.starting import find_deployment


def delete_events(
    session: Session, caller: Caller, deployment_id: str, types: Sequence[str], ranges: Sequence[str]
) -> int:
    """Delete the events (and logs) of a deployment within the given ranges; returns how many.

    Raises:
        BadParameters: `cloudify_event` is not among the types, or a type or range is unknown.
        NotFound: no such deployment.
    """
    unknown = sorted(set(types) - {EVENT, LOG})
    if EVENT not in types or unknown:
        raise BadParameters(f"At least `type={EVENT}` must be passed, and `type={LOG}` may be; got {list(types)}")
    deployment = find_deployment(session, caller, deployment_id)
    if not may_modify(caller, deployment):
        raise NotFound.of("Deployment", deployment_id)
    table: Any = Event
    conditions = [
        table.execution_id.in_(executions_of(deployment.tenant_name, [deployment.id])),
        table.type.in_(sorted(set(types))),
        *(range_condition(text) for text in ranges),
    ]
    connection = session.connection()
    lost = (
        select(table.execution_id, table.type, func.count()).where(*conditions).group_by(table.execution_id, table.type)
    )
    counts: Any = EventCount
    for execution_id, kind, count in connection.execute(lost).all():
        column = counts.events if kind == EVENT else counts.logs
        connection.execute(
            update(EventCount).where(counts.execution_id == execution_id).values({column: column - count})
        )
    return int(connection.execute(delete(Event).where(*conditions)).rowcount)
