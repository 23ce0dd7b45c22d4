"""A list of 100 daily schedules: CPU milliseconds with 10 and with 1000 coming occurrences each.

usage: python benchmarks/schedule_list.py [--rounds 5]

The peer is python-dateutil expanding the same rules from their `since`, as the predecessor does for each row of a list
(without its database and serialisation). Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from dateutil.rrule import DAILY, rrule

from benchmarks.poll import BASE, START, fill
from manager_core.access.caller import system_caller
from manager_core.bootstrap import Core, build
from manager_core.rest.listing import parse_list_query
from manager_core.rest.responses import to_json
from manager_core.schedules.tables import ExecutionSchedule
from manager_core.settings import Settings
from scheduler.recurrence import parse
from scheduler.testing import FakeClock

AGE = timedelta(days=365)


def make_daily(core: Core) -> None:
    """Turn the filled schedules into daily ones, one year old."""
    rule = parse(since=START - AGE, recurrence="1 day")
    table = ExecutionSchedule.__table__
    with core.store.write() as session:
        session.connection().execute(table.update().values(compiled=rule.dump(), rule=rule.rule))


def measure(core: Core, cap: int, rounds: int) -> float:
    """Return the CPU milliseconds of one list, from parameters to JSON bytes."""
    caller = system_caller(BASE["tenant_name"])
    times = []
    for _ in range(rounds + 1):
        begin = time.process_time()
        body = to_json(core.schedules.page(caller, parse_list_query([("_size", "100"), ("_next", str(cap))])))
        times.append((time.process_time() - begin) * 1e3)
        assert len(json.loads(body)["items"]) == 100
        assert len(json.loads(body)["items"][0]["all_next_occurrences"]) == cap
    return round(statistics.median(times[1:]), 2)


def peer(cap: int) -> float:
    """Return the CPU milliseconds dateutil needs for the same occurrences."""
    begin = time.process_time()
    now = datetime.now(UTC).replace(tzinfo=None)
    for _ in range(100):
        texts = []
        for moment in rrule(DAILY, dtstart=(now - AGE), cache=True):
            if moment > now:
                texts.append(moment.strftime("%Y-%m-%d %H:%M:%S"))
                if len(texts) == cap:
                    break
    return round((time.process_time() - begin) * 1e3, 2)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), admin_password="benchmark")
        core = build(settings, clock=FakeClock(START))
        fill(core, 100, 1)
        make_daily(core)
        result = {
            "benchmark": "schedule_list",
            "schedules": 100,
            "cpu_ms_next_10": measure(core, 10, rounds),
            "cpu_ms_next_1000": measure(core, 1000, rounds),
            "dateutil_cpu_ms_next_10": peer(10),
            "dateutil_cpu_ms_next_1000": peer(1000),
        }
        core.close()
    result["times_faster_next_1000"] = round(result["dateutil_cpu_ms_next_1000"] / result["cpu_ms_next_1000"], 1)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
