"""Makes a `Rule` of what a person wrote: checks it, anchors it, turns COUNT into an instant once.

`parse` is the one door into the library for schedules, blueprints and imports. It costs what finding the first and, for
COUNT, the last occurrence costs; the result is stored by `Rule.dump` and never parsed again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Protocol

from scheduler.recurrence.errors import RecurrenceError
from scheduler.recurrence.expand import HORIZON, Parts, Pattern
from scheduler.recurrence.grammar import parse_count, parse_recurrence, parse_time, parse_weekdays
from scheduler.recurrence.rfc5545 import Moment, RecurrenceSet, RRule, parse_set
from scheduler.recurrence.rule import Rule, dump_pattern
from scheduler.recurrence.zones import DAY, MAX_INSTANT, MIN_INSTANT, Zone, to_seconds, zone

COUNT_STEPS = 10_000


class Excluding(Protocol):
    """An exclusion calendar: `scheduler.recurrence.calendars.Calendar` is one."""

    def compiled(self, where: str) -> tuple[list[list[int]], list[dict[str, Any]]]:
        """Return its single spans as instants and its repeating events for storage, floating times read in `where`."""
        ...


def parse(
    *,
    since: datetime | str,
    until: datetime | str | None = None,
    recurrence: str | None = None,
    weekdays: Sequence[str] | None = None,
    count: int | str | None = None,
    rrule: str | None = None,
    timezone: str | None = None,
    exclude: Iterable[Excluding] = (),
) -> Rule:
    """Return the rule of a schedule's fields (scheduling.md §1, §2, §3).

    Args:
        since: the earliest instant and the anchor; aware, or a time text. Fractions of a second are cut off.
        until: the latest instant, inclusive.
        recurrence: ``2 weeks`` and the like.
        weekdays: ``["MO", "2TU", "L-FR"]``.
        count: the maximum number of occurrences from `since` on.
        rrule: an RRULE or a recurrence set; excludes the three above.
        timezone: the IANA zone the rule is expanded in; None means UTC, or the TZID of a DTSTART inside `rrule`.
        exclude: exclusion calendars; an occurrence inside one of their events does not exist.

    Raises:
        RecurrenceError: with the guilty field; also when the rule produces no occurrence at all.
    """
    start = _bounded(parse_time(since, field="since"), "since")
    stop = None if until is None or until == "" else _bounded(parse_time(until, field="until"), "until")
    where = zone(timezone if timezone is not None else "UTC")
    if rrule is not None and rrule != "":
        if recurrence or weekdays or count is not None:
            raise RecurrenceError(
                "rrule", "`rrule` cannot be provided together with `recurrence`, `weekdays` or `count`."
            )
        stored = _from_set(parse_set(rrule), start, where, explicit=timezone is not None)
        stored["rule"] = {"rrule": rrule}
        blamed = "rrule"
    else:
        stored = _from_words(start, stop, where, recurrence, weekdays, parse_count(count))
        blamed = "recurrence" if recurrence else "until"
    stored |= {"v": 1, "since": start}
    if stop is not None:
        stored["end"] = min(stop, stored.get("end", MAX_INSTANT))
    _exclude(stored, exclude)
    rule = Rule(stored)
    if rule.next_seconds(start - 1) is None:
        raise RecurrenceError(blamed, "the rule produces no occurrence")
    return rule


def _bounded(moment: datetime, field: str) -> int:
    instant = to_seconds(moment)
    if not MIN_INSTANT + DAY <= instant <= MAX_INSTANT - DAY:
        raise RecurrenceError(field, f"{moment.isoformat()} is outside the years a schedule can have")
    return instant


def _exclude(stored: dict[str, Any], exclude: Iterable[Excluding]) -> None:
    spans: list[list[int]] = list(stored.pop("spans", ()))
    repeating: list[dict[str, Any]] = []
    for calendar in exclude:
        more_spans, more_repeating = calendar.compiled(stored["tz"])
        spans += more_spans
        repeating += more_repeating
    merged: list[list[int]] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([begin, end])
    if merged:
        stored["spans"] = merged
    if repeating:
        stored["cal"] = repeating


def _from_words(
    start: int, stop: int | None, where: Zone, recurrence: Any, weekdays: Any, count: int | None
) -> dict[str, Any]:
    unit = None
    if recurrence is None or recurrence == "":
        texts, _ = parse_weekdays(weekdays, unit=None)
        if count != 1:
            raise RecurrenceError("recurrence", "recurrence must be specified for execution count larger than 1")
        stored: dict[str, Any] = {"tz": where.name, "rd": [start]}
        recurrence = None
    else:
        freq, interval, unit = parse_recurrence(recurrence)
        texts, days = parse_weekdays(weekdays, unit=unit)
        wall = where.to_wall(start)
        plain = tuple(sorted({pair for pair in days if not pair[1]}))
        several = [(pair,) for pair in dict.fromkeys(days) if pair[1]]
        groups = [plain, *several] if plain or not several else several
        patterns = [Pattern(Parts(freq, interval, byday=group), wall, where, instant=start) for group in groups]
        stored = {"tz": where.name, "p": [dump_pattern(pattern) for pattern in patterns]}
        if count is not None:
            last = _last_of(patterns, start, count, stop, "count")
            if last is not None:
                stored["end"] = last
    stored["rule"] = {"recurrence": recurrence, "count": count, "weekdays": list(texts) or None}
    return stored


def _last_of(patterns: list[Pattern], start: int, count: int, stop: int | None, field: str) -> int | None:
    """Return the instant of the `count`-th occurrence from `start` on; None when the rule ends before it, or it lies
    beyond the horizon, so that the count can never matter.

    Raises:
        RecurrenceError: finding it takes more steps than the budget.
    """
    bare = Rule({"tz": patterns[0].zone.name, "rule": {}, "since": start, "p": [dump_pattern(p) for p in patterns]})
    pattern = patterns[0]
    step = pattern.plain_step
    if len(patterns) == 1 and step is not None:
        if not pattern.calendar:
            first = pattern.after(start - 1)
            assert first is not None
            last = first + (count - 1) * step
        else:
            wall = pattern.next_wall(pattern.wall - 1)
            assert wall is not None
            if pattern.zone.to_instant(wall) < start:  # the anchor stands in the second pass of a fold
                wall += step
            wall += (count - 1) * step
            last = pattern.zone.to_instant(min(wall, MAX_INSTANT))
        return last if last < MAX_INSTANT else None
    limit = min(start + HORIZON, MAX_INSTANT if stop is None else stop)
    if count > COUNT_STEPS and len(patterns) == 1:
        counted = pattern.last_by_days(count, limit)
        if counted is not None:
            return counted if counted <= limit else None
    for seen, instant in enumerate(bare.stream(start - 1), 1):
        if instant > limit:
            return None
        if seen == count:
            return instant
        if seen >= COUNT_STEPS:
            raise RecurrenceError(field, f"a count of {count} needs more steps than can be taken; use `until` instead")
    return None


def _from_set(found: RecurrenceSet, start: int, where: Zone, *, explicit: bool) -> dict[str, Any]:
    anchor = found.dtstart
    if anchor is not None and anchor.tzid is not None:
        if explicit and anchor.tzid != where.name:
            raise RecurrenceError(
                "timezone", f"timezone {where.name} differs from the TZID {anchor.tzid} of the DTSTART in the rrule"
            )
        where = zone(anchor.tzid, "rrule")
    instant = start if anchor is None else anchor.resolve(where)
    if not MIN_INSTANT + DAY <= instant <= MAX_INSTANT - DAY:
        raise RecurrenceError(
            "rrule", "invalid RRULE string provided: DTSTART is outside the years a schedule can have"
        )
    wall = where.to_wall(instant) if anchor is None or anchor.utc else anchor.wall
    stored: dict[str, Any] = {"tz": where.name}
    patterns = [_bound(rule, wall, instant, where) for rule in found.rules]
    if patterns:
        stored["p"] = [dump_pattern(pattern) for pattern in patterns]
    if found.exrules:
        stored["xp"] = [dump_pattern(_bound(rule, wall, instant, where)) for rule in found.exrules]
    if found.rdates:
        stored["rd"] = sorted({moment.resolve(where) for moment in found.rdates})
    excluded = sorted({moment.resolve(where) for moment in found.exdates if not moment.date})
    if excluded:
        stored["xd"] = excluded
    days = [moment for moment in found.exdates if moment.date]
    if days:
        stored["spans"] = sorted([day.resolve(where), _next_midnight(day).resolve(where)] for day in days)
    return stored


def _next_midnight(day: Moment) -> Moment:
    return Moment(day.wall + DAY, utc=day.utc, tzid=day.tzid, date=True)


def _bound(rule: RRule, wall: int, instant: int, where: Zone) -> Pattern:
    """Return the pattern with UNTIL and COUNT turned into one last instant."""
    until = None if rule.until is None else rule.until.resolve(where)
    pattern = Pattern(rule.parts, wall, where, instant=instant, end=until)
    if rule.count is not None:
        last = _last_of([pattern], instant, rule.count, until, "rrule")
        if last is not None:
            pattern.end = last if until is None else min(last, until)
    return pattern
