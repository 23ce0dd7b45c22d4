"""Many schedules due at the same minute on PostgreSQL: how soon their executions are committed, how fast they drain.

usage: python benchmarks/due_at_once.py [--schedules 1000] [--rounds 3] [--drain 15] [--url DATABASE_URL of a server]

Committed: one poll of a scheduler process in which all are due. Contending: three scheduler processes begin at the
same instant; the time until the last is done, over the same number of due schedules, compared with one alone (both as
processes, in turns, in the same run). Drain: a worker process takes what was fired for some seconds; the rate at which
executions of one operation end, against the rate of as many that were started by hand on the same worker (what the
operations themselves cost), and against the rate at which a worker of Procrastinate alone does nothing. Prints one JSON
line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from sqlalchemy import delete, func, insert, select, text, update

from benchmarks.servers import a_database, skip_without_server
from manager_core.bootstrap import Core, build
from manager_core.executions.tables import Execution
from manager_core.schedules.tables import ExecutionSchedule, ScheduleRecord
from manager_core.settings import Settings
from scheduler.poll import poll
from scheduler.recurrence import parse
from tests.support.parts import Part
from tests.support.running import a_running_deployment, start

DEPLOYMENTS = 100


def settings_of(folder: Path, url: str) -> Settings:
    """Return the settings of every process here."""
    return Settings(data_dir=folder, admin_password="benchmark-pw", database_url=url, password_memory_kib=8)


def fill(core: Core, schedules: int, due: datetime) -> None:
    """Store deployments that can run, and schedules that are due."""
    for number in range(DEPLOYMENTS):
        a_running_deployment(core, f"d{number}")
    base = {"tenant_name": "default_tenant", "created_by": "admin", "visibility": "tenant", "created_at": due}
    rule = parse(since=due - timedelta(days=30), recurrence="1 hour")
    with core.store.write() as session:
        session.connection().execute(
            insert(ExecutionSchedule),
            [
                {
                    **base, "id": f"s{number}", "deployment_id": f"d{number % DEPLOYMENTS}", "workflow_id": "each",
                    "since": due - timedelta(days=30), "rule": rule.rule, "compiled": rule.dump(), "timezone": "UTC",
                    "slip": 60, "stop_on_fail": False, "enabled": True, "overlap": "skip", "origin": "user",
                    "next_occurrence": due,
                }
                for number in range(schedules)
            ],
        )  # fmt: skip


def reset(core: Core, due: datetime) -> None:
    """Make the same schedules due again."""
    with core.store.write() as session:
        connection = session.connection()
        for table in (ScheduleRecord, Execution):
            connection.execute(delete(table))
        connection.execute(text("DELETE FROM procrastinate_jobs"))
        connection.execute(update(ExecutionSchedule).values(next_occurrence=due, evaluated_until=None))
    with core.store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE executions, schedule_records, execution_schedules")


class Poller:
    """A scheduler process that polls once when it is told to."""

    def __init__(self, folder: str, url: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--poller", folder, "--url", url],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._line()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def go(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def fired(self) -> int:
        return int(self._line())

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


def be_a_poller(folder: str, url: str) -> None:
    """The process behind `Poller`."""
    core = build(settings_of(Path(folder), url))
    port = core.schedules.port()
    print("ready", flush=True)
    for _ in sys.stdin:
        settled = poll(port, core.clock.now(), interval=60)
        print(sum(item.outcome == "fired" for item in settled), flush=True)
    core.close()


def timed(pollers: list[Poller], schedules: int) -> float:
    """Let pollers poll at once; return the seconds until the last is done."""
    begin = time.perf_counter()
    for poller in pollers:
        poller.go()
    fired = sum(poller.fired() for poller in pollers)
    seconds = time.perf_counter() - begin
    assert fired == schedules, fired
    return seconds


def contend(core: Core, folder: str, url: str, schedules: int, due: datetime, rounds: int) -> dict[str, float]:
    """Compare three pollers with one, in turns."""
    pollers = [Poller(folder, url) for _ in range(3)]
    alone, together = [], []
    try:
        timed(pollers[:1], schedules)  # everything is imported and prepared
        for _ in range(rounds):
            reset(core, due)
            alone.append(timed(pollers[:1], schedules))
            reset(core, due)
            together.append(timed(pollers, schedules))
    finally:
        for poller in pollers:
            poller.close()
    return {
        "committed_s": round(statistics.median(alone), 2),
        "alone_us_per_due": round(statistics.median(alone) / schedules * 1e6),
        "three_us_per_due": round(statistics.median(together) / schedules * 1e6),
        "times_alone": round(statistics.median(b / a for a, b in zip(alone, together, strict=True)), 2),
    }


def ended(core: Core) -> int:
    """Return how many executions have ended well."""
    with core.store.read() as session:
        statement = select(func.count()).where(Execution.status == "terminated")
        return int(session.connection().execute(statement).scalar_one())


def rate(core: Core, seconds: float) -> float:
    """Return how many executions a second end, from the first that does on."""
    while (first := ended(core)) < 3:
        time.sleep(0.02)
    begin = time.perf_counter()
    while (taken := time.perf_counter() - begin) < seconds:
        time.sleep(0.05)
        with core.store.read() as session:
            statement = select(Execution.id).where(Execution.status.in_(["pending", "started", "queued"])).limit(1)
            if session.connection().execute(statement).first() is None:
                taken = time.perf_counter() - begin
                break
    return (ended(core) - first) / taken


def drain(core: Core, folder: Path, url: str, due: datetime, seconds: float) -> dict[str, float]:
    """Measure a worker on what was fired, and on what was started by hand."""
    worker = Part(folder, "worker", DATABASE_URL=url, CLOUDIFY_PASSWORD_MEMORY_KIB="8")
    try:
        reset(core, due)
        warm = start(core, "each", "d0")
        assert core.executions.wait_until_end(warm, 60) is not None
        reset(core, due)
        for number in range(DEPLOYMENTS):
            start(core, "each", f"d{number}", queue=True)
        by_hand = rate(core, seconds)
        reset(core, due)
        poll(core.schedules.port(), core.clock.now(), interval=60)
        fired = rate(core, seconds)
    finally:
        worker.stop()
    return {
        "drain_per_s": round(fired, 1),
        "by_hand_per_s": round(by_hand, 1),
        "of_by_hand": round(fired / by_hand, 2),
    }


def engine_alone(url: str, jobs: int) -> float:
    """Return how many jobs a second a worker of Procrastinate runs that do nothing."""
    from procrastinate import App, PsycopgConnector

    async def run() -> float:
        app = App(connector=PsycopgConnector(conninfo=url.replace("+psycopg", "")))

        @app.task(name="nothing", queue="alone")
        async def nothing() -> None:
            return

        async with app.open_async():
            await nothing.batch_defer_async(*({} for _ in range(jobs)))
            begin = time.perf_counter()
            await app.run_worker_async(queues=["alone"], wait=False, install_signal_handlers=False, concurrency=4)
            return jobs / (time.perf_counter() - begin)

    return round(asyncio.run(run()), 1)


def main() -> None:
    """Measure and print."""
    logging.getLogger("procrastinate").setLevel(logging.ERROR)  # it warns of an App in a main module
    parser = argparse.ArgumentParser()
    parser.add_argument("--schedules", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--drain", type=float, default=15.0, help="seconds of each drain")
    parser.add_argument("--url", default="")
    parser.add_argument("--poller", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.poller:
        be_a_poller(options.poller, options.url)
        return
    skip_without_server("due_at_once", options.url)
    result: dict[str, Any] = {
        "benchmark": "due_at_once", "database": "postgresql", "schedules": options.schedules,
    }  # fmt: skip
    due = datetime.now(UTC).replace(second=0, microsecond=0)
    with tempfile.TemporaryDirectory() as folder, a_database(options.url) as url:
        core = build(settings_of(Path(folder), url))
        fill(core, options.schedules, due)
        result |= contend(core, folder, url, options.schedules, due, options.rounds)
        result |= drain(core, Path(folder), url, due, options.drain)
        result["procrastinate_alone_per_s"] = engine_alone(url, 500)
        core.close()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
