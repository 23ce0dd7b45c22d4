"""Schedules as calendars: the iCalendar feed with its revocable tokens, and the import (scheduling contract §6)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from manager_core.access.caller import Caller
from manager_core.errors import BadParameters, ManagerError, NotFound, Unauthorized
from manager_core.ids import digest, token_text
from manager_core.rest.listing import fixed_page, visible
from manager_core.rest.responses import timestamp
from manager_core.schedules.listing import schedule_listing
from manager_core.schedules.tables import ExecutionSchedule, FeedToken
from scheduler.recurrence import RecurrenceError, Rule
from scheduler.recurrence.calendars import ExportedSchedule, export_calendar, import_calendar

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

_SCHEDULE: Any = ExecutionSchedule
_TOKEN: Any = FeedToken
_MAX_ID = 200


class Feeds:
    """The use cases of calendar feeds and imports."""

    def __init__(self, core: Core) -> None:
        """Work on the given Core."""
        self._core = core

    def create(self, caller: Caller, deployment_id: str | None) -> dict[str, Any]:
        """Make a feed token; its secret is in this answer alone.

        Args:
            deployment_id: limits the feed to one deployment's schedules.
        """
        secret = token_text(40)
        row = FeedToken(
            id=token_text(10),
            tenant_name=caller.tenant_name,
            username=caller.username,
            deployment_id=deployment_id,
            token_hash=digest(secret),
            created_at=self._core.clock.now(),
        )
        with self._core.store.write() as session:
            session.add(row)
        path = f"deployments/{deployment_id}/schedules.ics" if deployment_id else "execution-schedules.ics"
        return {**_shown(row), "token": secret, "url": f"{self._core.settings.base_url}/api/v3.1/{path}?token={secret}"}

    def page(self, caller: Caller) -> dict[str, Any]:
        """Return the caller's feed tokens in the tenant, without their secrets."""
        with self._core.store.read() as session:
            statement = select(_TOKEN).where(
                _TOKEN.tenant_name == caller.tenant_name, _TOKEN.username == caller.username
            )
            return fixed_page([_shown(row) for row in session.execute(statement.order_by(_TOKEN.created_at)).scalars()])

    def delete(self, caller: Caller, feed_id: str) -> None:
        """Revoke one of the caller's feed tokens.

        Raises:
            NotFound: the caller has no such token.
        """
        with self._core.store.write() as session:
            row = session.get(FeedToken, feed_id)
            if row is None or row.username != caller.username or row.tenant_name != caller.tenant_name:
                raise NotFound.of("FeedToken", feed_id)
            session.delete(row)

    def caller_by_token(self, secret: str, deployment_id: str | None) -> Caller:
        """Return who a feed's token stands for.

        Raises:
            Unauthorized: no such token, or it is for another feed.
        """
        with self._core.store.read() as session:
            row = session.execute(select(_TOKEN).where(_TOKEN.token_hash == digest(secret))).scalars().first()
            if row is None or row.deployment_id not in (None, deployment_id):
                raise Unauthorized("Unauthorized")
            try:
                caller = self._core.access.active_caller(session, row.username, row.tenant_name)
            except ManagerError:
                raise Unauthorized("Unauthorized") from None
        caller.require("execution_schedule_list")
        return caller

    def calendar(self, caller: Caller, deployment_id: str | None) -> str:
        """Return the enabled schedules as iCalendar text."""
        now = self._core.clock.now()
        with self._core.store.read() as session:
            statement = select(_SCHEDULE).where(
                _SCHEDULE.enabled.is_(True),
                _SCHEDULE.next_occurrence.is_not(None),
                *visible(schedule_listing(now), caller),
            )
            if deployment_id is not None:
                statement = statement.where(_SCHEDULE.deployment_id == deployment_id)
            rows = list(session.execute(statement.order_by(_SCHEDULE.storage_id)).scalars())
        return export_calendar(
            (
                ExportedSchedule(
                    uid=f"{row.storage_id}.{row.tenant_name}@cloudify-execution-scheduler",
                    summary=f"{row.workflow_id} on {row.deployment_id}",
                    rule=Rule.load(row.compiled),
                    description=f"Execution schedule {row.id}",
                    changed_at=row.updated_at or row.created_at,
                )
                for row in rows
            ),
            now=now,
        )

    def import_events(
        self,
        caller: Caller,
        deployment_id: str,
        workflow_id: str,
        text: bytes,
        *,
        dry_run: bool = False,
        partial: bool = False,
    ) -> dict[str, Any]:
        """Make a schedule of each event of a calendar: all of them or none, unless `partial`.

        Returns:
            `{"created": [ids], "refused": [{"uid", "reason"}]}`; with `dry_run` what would be created.

        Raises:
            BadParameters: the text is no iCalendar.
        """
        try:
            events = import_calendar(text)
        except RecurrenceError as error:
            raise BadParameters(error.message) from None
        refused: list[dict[str, Any]] = []
        accepted: list[tuple[str, str, dict[str, Any]]] = []
        for event in events:
            name = _schedule_id(event.summary or event.uid, {taken for taken, _, _ in accepted})
            fields = {**event.fields, "workflow_id": workflow_id}
            reason = event.refused
            if reason is None:
                try:
                    self._core.schedules.create(caller, name, deployment_id, fields, dry_run=True)
                except ManagerError as error:
                    reason = error.message
            if reason is None:
                accepted.append((name, event.uid, fields))
            else:
                refused.append({"uid": event.uid, "reason": reason})
        if refused and not partial:
            return {"created": [], "refused": refused}
        if not dry_run:
            self._core.schedules.create_all(caller, deployment_id, [(name, fields) for name, _, fields in accepted])
        return {"created": [name for name, _, _ in accepted], "refused": refused}


def _schedule_id(text: str, taken: set[str]) -> str:
    """Return a legal schedule id made of an event's title, free among `taken`."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:_MAX_ID] or "event"
    if not name[0].isalpha():
        name = f"event-{name}"
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    return free


def _shown(row: FeedToken) -> dict[str, Any]:
    return {
        "id": row.id,
        "deployment_id": row.deployment_id,
        "tenant_name": row.tenant_name,
        "username": row.username,
        "created_at": timestamp(row.created_at),
    }
