"""Exclusion calendars of a tenant: iCalendar text, used when a schedule's rule is made (scheduling contract §6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlmodel import Session

from manager_core.access.caller import Caller
from manager_core.errors import BadParameters, Conflict, NotFound
from manager_core.rest.identifiers import check_id
from manager_core.rest.listing import fixed_page
from manager_core.rest.responses import timestamp
from manager_core.schedules.tables import Calendar, ExecutionSchedule
from scheduler.recurrence import RecurrenceError
from scheduler.recurrence.calendars import parse_calendar
from scheduler.recurrence.compile import Excluding

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

_TABLE: Any = Calendar
_SCHEDULE: Any = ExecutionSchedule


def calendars_in(session: Session, tenant_name: str, names: Sequence[str]) -> list[Excluding]:
    """Return the tenant's calendars of these names, parsed.

    Raises:
        BadParameters: the tenant has no calendar of one of the names.
    """
    if not names:
        return []
    rows = session.execute(
        select(_TABLE.name, _TABLE.text).where(_TABLE.tenant_name == tenant_name, _TABLE.name.in_(names))
    ).all()
    texts = {row.name: row.text for row in rows}
    missing = [name for name in names if name not in texts]
    if missing:
        raise BadParameters(f"exclude_calendars: there is no calendar {', '.join(missing)} in tenant {tenant_name}")
    return [parse_calendar(texts[name], name) for name in names]


class Calendars:
    """The use cases of exclusion calendars."""

    def __init__(self, core: Core) -> None:
        """Work on the given Core."""
        self._core = core

    def put(self, caller: Caller, name: str, text: bytes) -> dict[str, Any]:
        """Create or replace a calendar; the rules of schedules that name it are made anew, nothing fires by that.

        Raises:
            BadParameters: the text is no iCalendar, or a schedule would be left without any occurrence.
        """
        check_id(name, "calendar_name")
        try:
            decoded = text.decode()
            parse_calendar(decoded, name)
        except UnicodeDecodeError as error:
            raise BadParameters(f"The calendar {name} is not UTF-8 text: {error}") from None
        except RecurrenceError as error:
            raise BadParameters(error.message) from None
        now = self._core.clock.now()
        with self._core.store.write() as session:
            row = self._find(session, caller, name)
            if row is None:
                row = Calendar(
                    tenant_name=caller.tenant_name, name=name, text=decoded, created_at=now, created_by=caller.username
                )
            else:
                row.text, row.updated_at = decoded, now
            session.add(row)
            session.flush()
            for schedule in self._users(session, caller.tenant_name, name):
                try:
                    self._core.schedules.recompile_in(session, schedule)
                except BadParameters as error:
                    raise BadParameters(
                        f"With this calendar the schedule {schedule.id} of deployment {schedule.deployment_id} is not "
                        f"possible: {error.message}"
                    ) from None
            return _shown(row)

    def get(self, caller: Caller, name: str) -> dict[str, Any]:
        """Return a calendar with its text.

        Raises:
            NotFound: no such calendar in the tenant.
        """
        with self._core.store.read() as session:
            row = self._find(session, caller, name)
            if row is None:
                raise NotFound.of("Calendar", name)
            return {**_shown(row), "text": row.text}

    def page(self, caller: Caller) -> dict[str, Any]:
        """Return the tenant's calendars, without their texts."""
        with self._core.store.read() as session:
            statement = select(_TABLE).where(_TABLE.tenant_name == caller.tenant_name).order_by(_TABLE.name)
            return fixed_page([_shown(row) for row in session.execute(statement).scalars()])

    def delete(self, caller: Caller, name: str) -> None:
        """Delete a calendar that no schedule names.

        Raises:
            NotFound: no such calendar.
            Conflict: schedules name it.
        """
        with self._core.store.write() as session:
            row = self._find(session, caller, name)
            if row is None:
                raise NotFound.of("Calendar", name)
            users = self._users(session, caller.tenant_name, name)
            if users:
                names = ", ".join(f"{schedule.deployment_id}/{schedule.id}" for schedule in users)
                raise Conflict(f"The calendar {name} is used by the schedules {names}")
            session.delete(row)

    @staticmethod
    def _find(session: Session, caller: Caller, name: str) -> Calendar | None:
        statement = select(_TABLE).where(_TABLE.tenant_name == caller.tenant_name, _TABLE.name == name)
        row: Calendar | None = session.execute(statement).scalars().first()
        return row

    @staticmethod
    def _users(session: Session, tenant_name: str, name: str) -> list[ExecutionSchedule]:
        statement = select(_SCHEDULE).where(
            _SCHEDULE.tenant_name == tenant_name, _SCHEDULE.exclude_calendars.is_not(None)
        )
        rows = session.execute(statement).scalars()
        return [row for row in rows if name in (row.exclude_calendars or [])]


def _shown(row: Calendar) -> dict[str, Any]:
    return {
        "name": row.name,
        "tenant_name": row.tenant_name,
        "created_by": row.created_by,
        "created_at": timestamp(row.created_at),
        "updated_at": timestamp(row.updated_at),
    }
