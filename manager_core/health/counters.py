"""Figures that only grow, kept in the database so that every process adds to the same ones.

Firings are counted from the schedules' history: rows newer than the last look are folded in, so that the figures
outlive the history's own retention.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Mapping

from sqlmodel import Session, col, select

from manager_core.health.tables import Counter
from manager_core.schedules.tables import ScheduleRecord
from manager_core.store.upsert import upsert

LATENESS_BUCKETS = (0.1, 0.5, 1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
"""Upper bounds, in seconds, of the histogram of how late occurrences were fired."""

_FOLDED = ("history_folded", "")


def add(session: Session, amounts: Mapping[tuple[str, str], float]) -> None:
    """Add to counters, (name, label) → amount; those that are new begin at 0."""
    rows = [{"name": name, "label": label, "value": amount} for (name, label), amount in sorted(amounts.items())]
    upsert(
        session,
        Counter,
        rows,
        key=["name", "label"],
        change=lambda present, offered: {"value": present.value + offered.value},
    )


def read(session: Session) -> dict[tuple[str, str], float]:
    """Return every counter, (name, label) → value."""
    return {(row.name, row.label): row.value for row in session.exec(select(Counter)).all()}


def fold_history(session: Session) -> None:
    """Count the verdicts that were recorded since the last call. Needs a write transaction."""
    upsert(session, Counter, [{"name": _FOLDED[0], "label": _FOLDED[1], "value": 0.0}], key=["name", "label"])
    mark = session.exec(
        select(Counter).where(col(Counter.name) == _FOLDED[0], col(Counter.label) == _FOLDED[1]).with_for_update()
    ).one()
    rows = session.exec(
        select(
            ScheduleRecord.storage_id, ScheduleRecord.outcome, ScheduleRecord.occurrence, ScheduleRecord.decided_at
        ).where(col(ScheduleRecord.storage_id) > int(mark.value))
    ).all()
    if not rows:
        return
    amounts: Tally[tuple[str, str]] = Tally()
    late = 0.0
    for _, outcome, occurrence, decided_at in rows:
        amounts["firings", outcome] += 1
        if outcome == "fired":
            seconds = max(0.0, (decided_at - occurrence).total_seconds())
            late += seconds
            place = bisect_left(LATENESS_BUCKETS, seconds)
            amounts["lateness", str(LATENESS_BUCKETS[place]) if place < len(LATENESS_BUCKETS) else "+Inf"] += 1
    newest = max(int(row[0] or 0) for row in rows)
    grown: dict[tuple[str, str], float] = dict(amounts)
    grown["lateness_sum", ""] = late
    grown[_FOLDED] = newest - mark.value
    add(session, grown)
