"""Write and read events and logs (REST contract §11)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlmodel import Session

from manager_core.access.caller import Caller
from manager_core.events import deleting, receiving
from manager_core.events.bulk import insert_events
from manager_core.events.listing import EventQuery, page

if TYPE_CHECKING:
    from manager_core.bootstrap import Core
    from manager_core.executions.tables import Execution

EVENT, LOG = "cloudify_event", "cloudify_log"


class Events:
    """Write and read events and logs."""

    def __init__(self, core: Core) -> None:
        """Work on the given Core."""
        self._core = core

    def add_in(self, session: Session, rows: Iterable[Mapping[str, Any]]) -> int:
        """Insert events and logs in one statement, in the caller's transaction, in the order given.

        Args:
            rows: columns of `Event`; a missing one is null, missing instants are now.

        Returns: how many were inserted.
        """
        now = self._core.clock.now()
        complete = [_complete(row, now) for row in rows]
        if complete:
            insert_events(session.connection(), complete)
        return len(complete)

    def add_workflow_event_in(
        self, session: Session, execution: Execution, event_type: str, message: str, **more: Any
    ) -> None:
        """Insert one event about an execution itself."""
        row = {
            "tenant_name": execution.tenant_name,
            "execution_id": execution.id,
            "deployment_id": execution.deployment_id,
            "type": EVENT,
            "event_type": event_type,
            "message": message,
            **more,
        }
        self.add_in(session, [row])

    def list(self, caller: Caller, query: EventQuery) -> dict[str, Any]:
        """Return a page of events and logs (REST contract §11.1)."""
        with self._core.store.read() as session:
            return page(session, caller, query)

    def receive(self, caller: Caller, body: Mapping[str, Any]) -> int:
        """Store events and logs that a client posts; returns how many (REST contract §11.2).

        Raises:
            Conflict: it is not clear which execution they belong to.
            BadParameters: an item lacks what it must have.
        """
        with self._core.store.write() as session:
            return self.add_in(session, receiving.rows(session, caller, body))

    def delete(self, caller: Caller, deployment_id: str, types: Sequence[str], ranges: Sequence[str]) -> int:
        """Delete a deployment's events, and its logs when asked for; returns how many went."""
        with self._core.store.write() as session:
            return deleting.delete_events(session, caller, deployment_id, types, ranges)


def _complete(row: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    complete = dict(row)
    complete["reported_timestamp"] = row.get("reported_timestamp") or now
    complete["timestamp"] = row.get("timestamp") or now
    return complete
