"""The next occurrence of a rule and the next thousand, whatever its age, beside python-dateutil and APScheduler.

    python benchmarks/recurrence.py [--slow-peer] [--rounds 7]

Results are compared with python-dateutil's before anything is timed. `after` is asked of a rule in memory,
`load_after` of one loaded from its stored form first, as a poll does. The peer parses its rule and asks it, as the
manager does; a year of minutes takes it seconds, so that is timed only with ``--slow-peer`` (and once), older ones
never. Figures are CPU time, the best of some rounds; `probe_ms` is a fixed spin, 9 to 11 ms on the idle reference
machine. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger
from dateutil.rrule import rrulestr

from scheduler.recurrence import Rule, parse

NOW = datetime(2026, 1, 15, 10, 7, 33, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PLAIN, BY = "plain", "by"

# name → (kind, RRULE, ages of DTSTART, equivalent APScheduler trigger)
CASES: dict[str, tuple[str, str, dict[str, timedelta], Callable[[datetime], Any] | None]] = {
    "minutely": (
        PLAIN,
        "FREQ=MINUTELY",
        {"1h": HOUR, "30d": 30 * DAY, "1y": 365 * DAY, "5y": 1826 * DAY},
        lambda start: IntervalTrigger(minutes=1, start_date=start, timezone=UTC),
    ),
    "every_5_min": (
        PLAIN,
        "FREQ=MINUTELY;INTERVAL=5",
        {"1h": HOUR, "5y": 1826 * DAY},
        lambda start: IntervalTrigger(minutes=5, start_date=start, timezone=UTC),
    ),
    "secondly": (PLAIN, "FREQ=SECONDLY", {"1h": HOUR, "5y": 1826 * DAY}, None),
    "hourly": (
        PLAIN,
        "FREQ=HOURLY",
        {"1h": HOUR, "5y": 1826 * DAY},
        lambda start: IntervalTrigger(hours=1, start_date=start, timezone=UTC),
    ),
    "daily": (PLAIN, "FREQ=DAILY", {"1h": HOUR, "5y": 1826 * DAY}, None),
    "minutely_count": (PLAIN, "FREQ=MINUTELY;COUNT=10000000", {"1h": HOUR, "5y": 1826 * DAY}, None),
    "weekdays": (
        BY,
        "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR",
        {"1h": HOUR, "5y": 1826 * DAY},
        lambda start: CronTrigger(hour=start.hour, minute=start.minute, day_of_week="mon-fri", timezone=UTC),
    ),
    "second_monday": (
        BY,
        "FREQ=MONTHLY;BYDAY=2MO",
        {"1h": HOUR, "5y": 1826 * DAY},
        lambda start: CronTrigger(day="2nd mon", hour=start.hour, minute=start.minute, timezone=UTC),
    ),
    "two_weeks": (BY, "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TU", {"1h": HOUR, "5y": 1826 * DAY}, None),
    "last_workday": (BY, "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", {"1h": HOUR, "5y": 1826 * DAY}, None),
    "yearly": (BY, "FREQ=YEARLY", {"1h": HOUR, "20y": 7305 * DAY}, None),
    "office_hours": (
        BY,
        "FREQ=MINUTELY;INTERVAL=5;BYHOUR=9,10,11,12,13,14,15,16;BYDAY=MO,TU,WE,TH,FR",
        {"1h": HOUR, "30d": 30 * DAY, "5y": 1826 * DAY},
        None,
    ),
}


def per_call(call: Callable[[], object], rounds: int, least: float = 0.02) -> float:
    """Return the CPU seconds of a call, the best round: the machine may be busy with others."""
    began = time.process_time()
    call()
    once = max(time.process_time() - began, 1e-7)
    loops = max(1, int(least / once))
    times = []
    gc.disable()
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(loops):
            call()
        times.append((time.process_time() - began) / loops)
    gc.enable()
    return min(times)


def once(call: Callable[[], object]) -> float:
    """Return the CPU seconds of one call, for what takes seconds."""
    began = time.process_time()
    call()
    return time.process_time() - began


def probe() -> float:
    began = time.perf_counter()
    total = 0
    for number in range(200_000):
        total += number & 7
    return time.perf_counter() - began


def equal(rule: Rule, text: str, start: datetime) -> None:
    """Compare with python-dateutil from a moved start of the same phase, so that the comparison does not walk years."""
    near = NOW - timedelta(days=40)
    if start < near and "MONTHLY" not in text and "YEARLY" not in text and "COUNT" not in text:
        weeks = (near - start) // timedelta(days=14)
        start += weeks * timedelta(days=14)
    peer = rrulestr(text, dtstart=start.replace(tzinfo=None))
    wanted = [m.replace(tzinfo=UTC) for m in islice(peer.xafter(NOW.replace(tzinfo=None)), 50)]
    assert rule.next(NOW, 50) == wanted, f"{text} from {start}"


def measure(name: str, age: str, rounds: int, slow_peer: bool) -> dict[str, float]:
    """Return the figures of one rule at one age: microseconds, milliseconds for the thousands."""
    _, text, ages, trigger = CASES[name]
    start = (NOW - ages[age]).replace(second=0)
    rule = parse(since=start, rrule=text)
    dense = "MINUTELY" in text or "SECONDLY" in text
    quick = not dense or ages[age] <= 30 * DAY
    if quick or "COUNT" not in text:
        equal(rule, text, start)
    stored = rule.dump()
    row = {
        "after_us": per_call(lambda: rule.after(NOW), rounds) * 1e6,
        "load_after_us": per_call(lambda: Rule.load(stored).after(NOW), rounds) * 1e6,
        "next1000_ms": per_call(lambda: rule.next_texts(NOW, 1000), max(3, rounds // 2)) * 1e3,
    }
    naive, now = start.replace(tzinfo=None), NOW.replace(tzinfo=None)
    peer = (lambda: rrulestr(text, dtstart=naive).after(now)) if quick or ages[age] <= 365 * DAY else None
    if peer is not None and (quick or slow_peer):
        row["dateutil_us"] = (per_call(peer, rounds) if quick else once(peer)) * 1e6
        row["times_dateutil"] = row["dateutil_us"] / row["after_us"]
    if trigger is not None:
        made = trigger(start)
        row["apscheduler_us"] = per_call(lambda: made.get_next_fire_time(None, NOW), rounds) * 1e6
    return {key: float(f"{value:.4g}") for key, value in row.items()}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--slow-peer", action="store_true", help="time python-dateutil on old sub-daily rules too")
    options = parser.parse_args()
    probes = [probe()]
    cases = {
        name: {age: measure(name, age, options.rounds, options.slow_peer) for age in spec[2]}
        for name, spec in CASES.items()
    }
    probes.append(probe())
    ages = {name: by_age[list(by_age)[-1]]["after_us"] / by_age["1h"]["after_us"] for name, by_age in cases.items()}
    worst = {
        kind: max(
            row["after_us"] for name, by_age in cases.items() if CASES[name][0] == kind for row in by_age.values()
        )
        for kind in (PLAIN, BY)
    }
    result = {
        "benchmark": "recurrence",
        "probe_ms": [round(value * 1e3, 1) for value in probes],
        "worst_after_us": worst,
        "old_over_young": {name: round(ratio, 2) for name, ratio in ages.items()},
        "cases": cases,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
