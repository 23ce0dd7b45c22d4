"""From what a user gave to a compiled rule, and how an edit merges with what is stored. Pure.

The grammar itself is `scheduler.recurrence`; here its errors become the manager's, and a PATCH's "not given" gets its
meaning (scheduling contract §1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from manager_core.errors import BadParameters
from scheduler.recurrence import RecurrenceError, Rule, parse
from scheduler.recurrence.compile import Excluding
from scheduler.recurrence.grammar import parse_time

RULE_PARTS = ("recurrence", "weekdays", "count")


@dataclass(frozen=True)
class RuleParts:
    """Everything a rule is made of, as given: either `rrule`, or the human-readable three.

    `timezone` None means that none was given: the RRULE's own, else UTC.
    """

    since: datetime
    until: datetime | None = None
    recurrence: str | None = None
    weekdays: list[str] | None = None
    count: Any = None
    rrule: str | None = None
    timezone: str | None = None


def compile_rule(parts: RuleParts, excluded: Sequence[Excluding] = ()) -> Rule:
    """Return the rule, or refuse in the contract's words.

    Args:
        parts: what it is made of.
        excluded: the exclusion calendars.

    Raises:
        BadParameters: naming the field and the grammar.
    """
    try:
        return parse(
            since=parts.since,
            until=parts.until,
            recurrence=parts.recurrence,
            weekdays=parts.weekdays,
            count=parts.count,
            rrule=parts.rrule,
            timezone=parts.timezone,
            exclude=excluded,
        )
    except RecurrenceError as error:
        raise BadParameters(error.message, extra={"field": error.field}) from None


def instant(value: Any, name: str) -> datetime:
    """Read a time (scheduling contract §1).

    Raises:
        BadParameters: naming the field.
    """
    try:
        return parse_time(value, field=name)
    except RecurrenceError as error:
        raise BadParameters(error.message, extra={"field": error.field}) from None


def given(value: Any) -> bool:
    """Tell whether a field of a PATCH was given: null, "" and [] mean that it was not."""
    return value is not None and value != "" and value != []


def has_own_zone(rrule: Any) -> bool:
    """Tell whether a recurrence set names its zone itself, so that none has to be given beside it."""
    return "TZID=" in str(rrule or "").upper()


def merge_parts(stored: RuleParts, change: Mapping[str, Any]) -> tuple[RuleParts, bool]:
    """Lay the rule fields of a PATCH over the stored ones.

    Returns:
        The new parts and whether anything of the rule was given. `"until": ""` clears the end.

    Raises:
        BadParameters: a time that is none, or an RRULE beside human-readable parts.
    """
    parts = stored
    touched = False
    human = {name: change[name] for name in RULE_PARTS if given(change.get(name))}
    if given(change.get("rrule")):
        if human:
            raise BadParameters("`rrule` cannot be provided together with `recurrence`, `weekdays` or `count`.")
        parts = RuleParts(
            since=parts.since,
            until=parts.until,
            rrule=change["rrule"],
            timezone=None if has_own_zone(change["rrule"]) else parts.timezone,
        )
        touched = True
    elif human:
        if parts.rrule is not None:
            parts = RuleParts(since=parts.since, until=parts.until, timezone=parts.timezone)
        parts = replace(parts, **human)
        touched = True
    if given(change.get("since")):
        parts, touched = replace(parts, since=instant(change["since"], "since")), True
    if change.get("until") == "":
        parts, touched = replace(parts, until=None), True
    elif given(change.get("until")):
        parts, touched = replace(parts, until=instant(change["until"], "until")), True
    if given(change.get("timezone")):
        parts, touched = replace(parts, timezone=change["timezone"]), True
    return parts, touched


def changed_occurrences(
    old: Rule | None, new: Rule | None, start: datetime, end: datetime, *, limit: int = 1000
) -> tuple[list[datetime], list[datetime]]:
    """Return the instants that appear and disappear in a span when `new` replaces `old`, at most `limit` each.

    None stands for a schedule that does not fire (absent, or disabled).
    """
    before = _within(old, start, end)
    after = _within(new, start, end)
    kept = before & after
    return sorted(after - kept)[:limit], sorted(before - kept)[:limit]


_WALK = 50_000
"""Instants of one rule that a comparison looks at: 30 days of a minutely rule are 43,200."""


def _within(rule: Rule | None, start: datetime, end: datetime) -> set[datetime]:
    if rule is None:
        return set()
    return {moment for moment in rule.next(start, _WALK) if moment <= end}
