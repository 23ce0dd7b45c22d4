"""Memory of the scheduler service with many enabled schedules in its database.

usage: python benchmarks/service_memory.py [--schedules 100000]

The peer is APScheduler holding as many jobs in its memory store, in a process of its own. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.poll import fill
from manager_core.bootstrap import build
from manager_core.settings import Settings
from scheduler.clock import SystemClock
from scheduler.testing import FakeClock
from tests.support.processes import REPOSITORY, Process, product_environment

POLLED_SECONDS = 20
_PEER = """
import sys
from datetime import datetime, timedelta, timezone
from apscheduler.schedulers.background import BackgroundScheduler
scheduler = BackgroundScheduler(timezone="UTC")
scheduler.start(paused=True)
later = datetime.now(timezone.utc) + timedelta(hours=1)
for number in range(int(sys.argv[1])):
    scheduler.add_job(print, "interval", hours=1, next_run_time=later)
print([line for line in open("/proc/self/status") if line.startswith("VmRSS")][0].split()[1])
"""


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--schedules", type=int, default=100_000)
    schedules = parser.parse_args().schedules
    with tempfile.TemporaryDirectory() as folder:
        now = SystemClock().now()
        core = build(Settings(data_dir=Path(folder), admin_password="benchmark"), clock=FakeClock(now))
        # one in a hundred is due at the first poll, the others within the hour
        fill(core, schedules, max(1, schedules // 100), start=now - timedelta(minutes=2))
        core.close()
        service = Process([sys.executable, "-m", "scheduler"], product_environment(Path(folder)), REPOSITORY)
        time.sleep(POLLED_SECONDS)
        ours = resident_mb(service.pid)
        service.stop()
    done = subprocess.run([sys.executable, "-c", _PEER, str(schedules)], capture_output=True, text=True, check=True)
    print(
        json.dumps(
            {
                "benchmark": "service_memory",
                "schedules": schedules,
                "rss_mb": round(ours, 1),
                "apscheduler_memory_store_rss_mb": round(int(done.stdout) / 1024, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
