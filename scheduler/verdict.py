"""What becomes of a due schedule: the rules of scheduling.md §5 as one pure function, and its vocabulary.

`judge` is called by the poll for every claimed schedule. It reads no clock, no database and no log: the schedule, its
previous run, the maintenance windows, now and the interval come in, a `Verdict` goes out. The port writes it down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from scheduler.recurrence import Rule

_TICK = timedelta(microseconds=1)


class Outcome(StrEnum):
    """The fate of an occurrence, as history stores it (scheduling.md §5)."""

    FIRED = "fired"
    MISSED = "missed"
    SKIPPED_OVERLAP = "skipped_overlap"
    SKIPPED_MAINTENANCE = "skipped_maintenance"
    DISABLED_ON_FAIL = "disabled_on_fail"
    ERROR = "error"


class Overlap(StrEnum):
    """What to do while the schedule's previous run has not ended."""

    SKIP = "skip"
    QUEUE = "queue"
    PARALLEL = "parallel"


@dataclass(frozen=True, slots=True)
class PreviousRun:
    """A run of the schedule as the executions table knows it now.

    It is the newest run that has not ended if there is one, otherwise the newest run. A deleted run is no run.
    `failed` is False for a failure that a later re-enabling forgot.
    """

    execution_id: str
    status: str
    ended: bool
    failed: bool = False


@dataclass(frozen=True, slots=True)
class DueSchedule:
    """An enabled schedule whose `next_occurrence` is not after now, claimed by the poll.

    Attributes:
        key: the storage key, unique over all tenants.
        name: the schedule's id within its deployment.
        deployment_id: the owner.
        rule: what `Rule.dump` gave when the rule was made; loaded here, so that a broken one fails alone.
        next_occurrence: the oldest instant that was not evaluated yet.
        slip: minutes an occurrence may be late.
        stop_on_fail: whether a failed previous run disables the schedule.
        overlap: see `Overlap`.
        previous: see `PreviousRun`; None when the schedule has no run.
        tenant: the tenant's name, for people.
    """

    key: int
    name: str
    deployment_id: str
    rule: Mapping[str, Any]
    next_occurrence: datetime
    slip: int = 0
    stop_on_fail: bool = False
    overlap: str = Overlap.SKIP
    previous: PreviousRun | None = None
    tenant: str = "default_tenant"


@dataclass(frozen=True, slots=True)
class Window:
    """A span of maintenance, from `start` inclusive to `end` exclusive."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Fire:
    """Create the execution for `occurrence`; with `force` it does not wait for the schedule's previous run."""

    occurrence: datetime
    force: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Skip:
    """The judged occurrence does not run. `count` and `since` are set when it stands for several."""

    occurrence: datetime
    outcome: Outcome
    reason: str
    execution_id: str | None = None
    count: int | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Disable:
    """The previous run failed and the schedule stops on failure: switch it off."""

    occurrence: datetime
    reason: str
    execution_id: str | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """The schedule itself cannot be judged or started; recorded on it, the others go on."""

    occurrence: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Missed:
    """Occurrences older than the judged one, collapsed: `occurrence` is the latest, `since` the first of `count`."""

    occurrence: datetime
    count: int
    since: datetime
    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True)
class Record:
    """One row of history (scheduling.md §5), still without the schedule it belongs to."""

    occurrence: datetime
    decided_at: datetime
    outcome: Outcome
    reason: str
    execution_id: str | None = None
    missed_count: int | None = None
    missed_since: datetime | None = None


Decision = Fire | Skip | Disable | Fault


@dataclass(frozen=True, slots=True)
class Verdict:
    """Everything to write about one schedule in one transaction.

    Attributes:
        schedule: what was judged.
        decision: the fate of the most recent occurrence.
        missed: older occurrences, at most one entry an outcome and maintenance window.
        next_occurrence: the first instant after now, None when none is left.
        decided_at: now.
    """

    schedule: DueSchedule
    decision: Decision
    missed: tuple[Missed, ...]
    next_occurrence: datetime | None
    decided_at: datetime

    def records(self, *, execution_id: str | None = None, error: str | None = None) -> list[Record]:
        """Return the history rows, oldest occurrence first.

        Args:
            execution_id: the run the port created for a `Fire`.
            error: why the port could not create it; the row's outcome is then `error`.
        """
        now = self.decided_at
        rows = [Record(m.occurrence, now, m.outcome, m.reason, None, m.count, m.since) for m in self.missed]
        match self.decision:
            case Fire(occurrence, _, reason):
                if error is not None:
                    rows.append(Record(occurrence, now, Outcome.ERROR, error))
                else:
                    rows.append(Record(occurrence, now, Outcome.FIRED, reason, execution_id))
            case Skip(occurrence, outcome, reason, blocking, count, since):
                rows.append(Record(occurrence, now, outcome, reason, blocking, count, since))
            case Disable(occurrence, reason, failed_id):
                rows.append(Record(occurrence, now, Outcome.DISABLED_ON_FAIL, reason, failed_id))
            case Fault(occurrence, reason):
                rows.append(Record(occurrence, now, Outcome.ERROR, reason))
        return rows


def judge(schedule: DueSchedule, now: datetime, *, windows: Sequence[Window] = (), interval: float = 60.0) -> Verdict:
    """Return what becomes of a due schedule.

    All occurrences from `schedule.next_occurrence` to `now` collapse into the most recent one, which is judged; those
    before it become one `missed` entry, those inside a maintenance window one `skipped_maintenance` entry each.

    Args:
        schedule: due: its `next_occurrence` is not after `now`.
        now: the poll's instant.
        windows: ended spans of maintenance; no occurrence inside one fires, whatever the slip.
        interval: seconds between polls, the grace beyond the slip.

    Returns: a verdict; a rule that cannot be read gives a `Fault` and no next occurrence.
    """
    first = schedule.next_occurrence
    try:
        rule = Rule.load(schedule.rule)
        second = rule.after(first)
        single = second is None or second > now
        following = second if single else rule.after(now)
    except Exception as error:  # noqa: BLE001 - one broken rule must not keep the others from firing
        return Verdict(schedule, Fault(first, f"the rule cannot be evaluated: {error}"), (), None, now)
    hit = [window for window in windows if window.start <= now and window.end > first]
    if single and not hit:
        return Verdict(schedule, _decide(schedule, first, now, interval), (), following, now)
    decision, missed = _judge_several(schedule, rule, now, windows=hit, interval=interval)
    return Verdict(schedule, decision, missed, following, now)


@dataclass(frozen=True, slots=True)
class _Span:
    """Some occurrences in a row: the first, the last, how many, and whether the number is exact."""

    first: datetime
    last: datetime
    count: int
    exact: bool

    def number(self) -> str:
        plural = "occurrence" if self.count == 1 else "occurrences"
        return f"{'' if self.exact else 'at least '}{self.count} {plural}"


def _span(rule: Rule, start: datetime, end: datetime) -> _Span | None:
    last = rule.latest(start, end)
    if last is None:
        return None
    first = rule.after(start - _TICK)
    assert first is not None
    return _Span(first, last, *rule.count(first, last))


def _split(rule: Rule, first: datetime, now: datetime, windows: Sequence[Window]) -> tuple[list[_Span], list[_Span]]:
    """Return the occurrences from `first` to `now` outside the windows, in spans, and those inside, a span a window."""
    outside: list[_Span] = []
    inside: list[_Span] = []
    start = first
    for window in sorted(windows, key=lambda item: item.start):
        if window.end <= start:
            continue
        if window.start > start and (span := _span(rule, start, min(window.start, now) - _TICK)):
            outside.append(span)
        if span := _span(rule, max(window.start, start), min(window.end - _TICK, now)):
            inside.append(span)
        start = max(start, window.end)
    if start <= now and (span := _span(rule, start, now)):
        outside.append(span)
    return outside, inside


def _judge_several(
    schedule: DueSchedule, rule: Rule, now: datetime, *, windows: Sequence[Window], interval: float
) -> tuple[Decision, tuple[Missed, ...]]:
    """Judge the most recent occurrence outside the windows and collapse all the others."""
    outside, inside = _split(rule, schedule.next_occurrence, now, windows)
    entries = [
        Missed(s.last, s.count, s.first, Outcome.SKIPPED_MAINTENANCE, f"{s.number()} during maintenance")
        for s in inside
    ]
    if not outside:
        if not entries:  # what is stored is no occurrence of the rule: nothing to run, only to move on
            return Skip(schedule.next_occurrence, Outcome.MISSED, "not an occurrence of the rule"), ()
        latest = entries.pop()
        return Skip(latest.occurrence, latest.outcome, latest.reason, None, latest.count, latest.since), tuple(entries)
    final = outside[-1]
    decision = _decide(schedule, final.last, now, interval)
    whole = _Span(outside[0].first, final.last, sum(s.count for s in outside), all(s.exact for s in outside))
    if whole.count > 1:
        if isinstance(decision, Skip) and decision.outcome is Outcome.MISSED:
            decision = replace(decision, count=whole.count, since=whole.first)
        else:
            older = rule.latest(final.first, final.last - _TICK) or outside[-2].last
            rest = replace(whole, last=older, count=whole.count - 1)
            reason = f"{rest.number()} passed before the poll; only the most recent one is judged"
            entries.append(Missed(older, rest.count, rest.first, Outcome.MISSED, reason))
            entries.sort(key=lambda entry: entry.occurrence)
    return decision, tuple(entries)


def _decide(schedule: DueSchedule, occurrence: datetime, now: datetime, interval: float) -> Decision:
    """Judge one occurrence: overlap first, then a failed previous run, then lateness (rest-api.md §10.4)."""
    previous = schedule.previous
    force = False
    if previous is not None and not previous.ended:
        if schedule.overlap == Overlap.SKIP:
            reason = f"the previous run {previous.execution_id} has not ended ({previous.status})"
            return Skip(occurrence, Outcome.SKIPPED_OVERLAP, reason, previous.execution_id)
        force = schedule.overlap == Overlap.PARALLEL
    if schedule.stop_on_fail and previous is not None and previous.ended and previous.failed:
        reason = f"the previous run {previous.execution_id} failed and stop_on_fail is set"
        return Disable(occurrence, reason, previous.execution_id)
    late = (now - occurrence).total_seconds()
    if late > schedule.slip * 60 + interval:
        reason = f"{late:.0f} s late; allowed are {schedule.slip} min of slip and {interval:g} s of grace"
        return Skip(occurrence, Outcome.MISSED, reason)
    return Fire(occurrence, force, "on time" if late < interval else f"{late:.0f} s late, within its slip")
