"""Why an occurrence ran or did not, in words and data (scheduling contract §6, `explain`).

History answers for every occurrence that was judged. For an instant without a record the rule, the exclusions, the
edits and the maintenance windows are asked in turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select
from sqlmodel import Session

from manager_core.executions.tables import Execution
from manager_core.maintenance.tables import MaintenanceWindow
from manager_core.rest.responses import timestamp
from manager_core.schedules.calendars import calendars_in
from manager_core.schedules.rules import RuleParts, compile_rule
from manager_core.schedules.tables import ExecutionSchedule, ScheduleRecord
from scheduler.recurrence import Rule

_RECORD: Any = ScheduleRecord
_NOT_YET = "not_yet"
_NO_OCCURRENCE = "no_occurrence"
_NOT_EVALUATED = "not_evaluated"


def explain(
    session: Session, row: ExecutionSchedule, parts: RuleParts, at: datetime | None, now: datetime
) -> dict[str, Any]:
    """Tell what became of the occurrence at `at`, or why there is none.

    Args:
        row: the schedule.
        parts: what its rule is made of, without exclusions.
        at: an instant; None means the last occurrence that was judged.
        now: the present instant.

    Returns:
        `{"at", "occurrence", "outcome", "reason", "facts", "execution_id"}`. For an instant without a verdict `outcome`
        is `not_yet`, `no_occurrence` or `not_evaluated`.
    """
    rule = Rule.load(row.compiled)
    facts: dict[str, Any] = {
        "schedule": {"id": row.id, "deployment_id": row.deployment_id, "enabled": row.enabled, "slip": row.slip},
        "rule": row.rule,
        "timezone": row.timezone,
        "next_occurrence": timestamp(row.next_occurrence),
    }
    if row.disabled_at is not None:
        facts["disabled"] = {
            "at": timestamp(row.disabled_at), "by": row.disabled_by, "reason": row.disabled_reason,
        }  # fmt: skip
    record = _record(session, row, at)
    if record is not None:
        return _judged(session, record, at, facts)
    if at is None:
        reason = "No occurrence of this schedule has been judged yet."
        return _answer(now, None, _NOT_EVALUATED, reason, facts)
    occurs = rule.after(at - timedelta(seconds=1)) == at.replace(microsecond=0)
    if not occurs:
        return _answer(at, None, _NO_OCCURRENCE, _no_occurrence(session, row, parts, rule, at, facts), facts)
    if at > now:
        state = "" if row.enabled else ", but the schedule is disabled"
        return _answer(at, at, _NOT_YET, f"The occurrence is still to come{state}.", facts)
    return _answer(at, at, _NOT_EVALUATED, _not_evaluated(session, row, at, now, facts), facts)


def _answer(
    at: datetime, occurrence: datetime | None, outcome: str, reason: str, facts: dict[str, Any]
) -> dict[str, Any]:
    return {
        "at": timestamp(at),
        "occurrence": timestamp(occurrence),
        "outcome": outcome,
        "reason": reason,
        "facts": facts,
        "execution_id": None,
    }


def _record(session: Session, row: ExecutionSchedule, at: datetime | None) -> ScheduleRecord | None:
    """Return the verdict about `at`: the one of that second, or a collapsed one that covers it; the newest for None."""
    statement = select(_RECORD).where(_RECORD.schedule_storage_id == row.storage_id)
    if at is not None:
        second = at.replace(microsecond=0)
        exact = (_RECORD.occurrence >= second) & (_RECORD.occurrence < second + timedelta(seconds=1))
        covering = (_RECORD.missed_since <= at) & (_RECORD.occurrence >= at)
        statement = statement.where(or_(exact, covering)).order_by(_RECORD.occurrence, _RECORD.storage_id.desc())
    else:
        statement = statement.order_by(_RECORD.storage_id.desc())
    found: ScheduleRecord | None = session.execute(statement.limit(1)).scalars().first()
    return found


def _judged(session: Session, record: ScheduleRecord, at: datetime | None, facts: dict[str, Any]) -> dict[str, Any]:
    facts["decided_at"] = timestamp(record.decided_at)
    facts["late_seconds"] = round((record.decided_at - record.occurrence).total_seconds(), 3)
    facts["manual"] = record.manual
    if record.missed_count is not None:
        facts["stands_for"] = {"count": record.missed_count, "since": timestamp(record.missed_since)}
    if record.execution_id is not None:
        table: Any = Execution
        run = session.execute(select(table).where(table.id == record.execution_id)).scalars().first()
        facts["execution"] = (
            {"id": record.execution_id, "deleted": True}
            if run is None
            else {"id": run.id, "status": run.status, "error": run.error, "ended_at": timestamp(run.ended_at)}
        )
    return {
        "at": timestamp(at or record.occurrence),
        "occurrence": timestamp(record.occurrence),
        "outcome": record.outcome,
        "reason": record.reason,
        "facts": facts,
        "execution_id": record.execution_id,
    }


def _no_occurrence(
    session: Session, row: ExecutionSchedule, parts: RuleParts, rule: Rule, at: datetime, facts: dict[str, Any]
) -> str:
    """Say why the rule has no occurrence at `at`."""
    second = at.replace(microsecond=0)
    facts["before"] = timestamp(rule.latest(rule.since, at)) if at > rule.since else None
    facts["after"] = timestamp(rule.after(at))
    if second < rule.since:
        return f"The schedule begins later, at {timestamp(rule.since)}."
    if rule.end is not None and second > rule.end:
        return f"The schedule ended before, at {timestamp(rule.end)}."
    for name in row.exclude_calendars or []:
        if _excluded_by(session, row, parts, [name], second):
            facts["excluded_by"] = name
            return f"The exclusion calendar {name} has an event at this instant, so the occurrence does not exist."
    return "The rule has no occurrence at this instant; the nearest ones are in the facts."


def _excluded_by(
    session: Session, row: ExecutionSchedule, parts: RuleParts, names: Sequence[str], second: datetime
) -> bool:
    bare = compile_rule(parts)
    if bare.after(second - timedelta(seconds=1)) != second:
        return False
    excluded = compile_rule(parts, calendars_in(session, row.tenant_name, names))
    return excluded.after(second - timedelta(seconds=1)) != second


def _not_evaluated(session: Session, row: ExecutionSchedule, at: datetime, now: datetime, facts: dict[str, Any]) -> str:
    """Say why an occurrence in the past has no verdict."""
    if at < row.created_at:
        facts["created_at"] = timestamp(row.created_at)
        return "The schedule was created after this instant; occurrences before the creation are never missed."
    if row.disabled_at is not None and at >= row.disabled_at:
        return f"The schedule was disabled at that time, by {row.disabled_by}: {row.disabled_reason}."
    if row.updated_at is not None and at <= row.updated_at:
        facts["updated_at"] = timestamp(row.updated_at)
        return "The schedule was changed after this instant; occurrences before a change are never missed."
    window: Any = MaintenanceWindow
    found = session.execute(
        select(window)
        .where(window.started_at <= at, or_(window.ended_at.is_(None), window.ended_at > at))
        .limit(1)
    ).scalars().first()  # fmt: skip
    if found is not None:
        facts["maintenance"] = {"from": timestamp(found.started_at), "to": timestamp(found.ended_at)}
        return "The manager was in maintenance mode; the first poll afterwards records what was skipped."
    if row.enabled and row.next_occurrence is not None and row.next_occurrence <= at:
        facts["waiting_seconds"] = round((now - at).total_seconds(), 3)
        return "The next poll will judge this occurrence: no scheduler has polled since."
    return "No record of this occurrence is kept: history keeps a limited number of rows a schedule."
