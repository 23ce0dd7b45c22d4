"""From `cloudify-manager up` to `ready` on a prepared data directory, and the memory of the idle service.

usage: python benchmarks/start.py [--rounds 5]

Memory is the proportional set size (shared pages counted once) of all processes of the service, ten seconds after
`ready`; the resident sizes are summed too. The peer is Python importing FastAPI and SQLModel alone. One JSON line.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.support.processes import Manager

SETTLE_SECONDS = 10


def processes(root: int) -> list[int]:
    """Return a process and all of its descendants."""
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        for task in Path(f"/proc/{pid}/task").iterdir():
            waiting += [int(child) for child in (task / "children").read_text().split()]
    return found


def memory(root: int) -> tuple[float, float]:
    """Return (PSS, RSS) in MB, summed over the service's processes."""
    pss = rss = 0
    for pid in processes(root):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                pss += int(line.split()[1])
            elif line.startswith("Rss:"):
                rss += int(line.split()[1])
    return pss / 1024, rss / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    seconds, cpu = [], []
    sizes = (0.0, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "data"
        Manager(data_dir).ready().stop()
        for number in range(rounds):
            manager = Manager(data_dir).ready()
            seconds.append(manager.seconds_to_ready)
            times = Path(f"/proc/{manager.pid}/stat").read_text().rsplit(") ", 1)[1].split()
            cpu.append((int(times[11]) + int(times[12])) / 100)
            if number == rounds - 1:
                time.sleep(SETTLE_SECONDS)
                sizes = memory(manager.pid)
            manager.stop()
    peer = []
    for _ in range(rounds):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", "import fastapi, sqlmodel"], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        peer.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    print(
        json.dumps(
            {
                "benchmark": "start",
                "ready_s": round(statistics.median(seconds), 2),
                "ready_cpu_s": round(statistics.median(cpu), 2),
                "idle_pss_mb": round(sizes[0], 1),
                "idle_rss_mb": round(sizes[1], 1),
                "import_fastapi_sqlmodel_cpu_s": round(statistics.median(peer), 2),
            }
        )
    )


if __name__ == "__main__":
    main()
