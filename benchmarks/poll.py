"""A poll of many enabled schedules of which 1 % are due: microseconds a due schedule, executions and history committed.

usage: python benchmarks/poll.py [--schedules 10000] [--due 1.0] [--url sqlite|DATABASE_URL] [--peer]

The peer is APScheduler with its SQLAlchemy job store on a SQLite file in the same run: it only finds the due jobs and
moves them, and keeps no history. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from sqlalchemy import delete, insert, update

from manager_core.bootstrap import Core, build
from manager_core.deployments.tables import Deployment
from manager_core.executions.tables import Execution
from manager_core.schedules.tables import ExecutionSchedule, ScheduleRecord
from manager_core.settings import Settings
from scheduler.poll import poll
from scheduler.recurrence import parse
from scheduler.testing import FakeClock

START = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
BASE = {"tenant_name": "default_tenant", "created_by": "admin", "visibility": "tenant", "created_at": START}


def fill(core: Core, schedules: int, due: int, *, start: datetime = START) -> None:
    """Store deployments and schedules; `due` of them are due one minute after `start`, the others an hour after it."""
    base = {**BASE, "created_at": start}
    deployments = max(1, schedules // 10)
    workflow = {"plugin": "p", "operation": "p.run", "parameters": {}, "is_cascading": False}
    soon = parse(since=start - timedelta(days=365), recurrence="1 hour")
    later = soon.dump()
    first = parse(since=start - timedelta(days=365) + timedelta(minutes=1), recurrence="1 hour").dump()
    with core.store.write() as session:
        connection = session.connection()
        rows = [
            {
                **base, "id": f"d{number}", "display_name": f"d{number}", "blueprint_id": "b", "inputs": {},
                "workflows": {"run": workflow}, "runtime_only_evaluation": False, "sub_services_count": 0,
                "sub_environments_count": 0, "drifted_instances": 0, "unavailable_instances": 0,
            }
            for number in range(deployments)
        ]  # fmt: skip
        connection.execute(insert(Deployment), rows)
        step = schedules // due
        for begin in range(0, schedules, 10_000):
            connection.execute(
                insert(ExecutionSchedule),
                [
                    {
                        **base, "id": f"s{number}", "deployment_id": f"d{number % deployments}", "workflow_id": "run",
                        "since": start - timedelta(days=365), "rule": soon.rule, "timezone": "UTC", "slip": 5,
                        "compiled": first if number % step == 0 else later, "stop_on_fail": True, "enabled": True,
                        "overlap": "skip", "origin": "user",
                        "next_occurrence": start + timedelta(minutes=1 if number % step == 0 else 60),
                    }
                    for number in range(begin, min(begin + 10_000, schedules))
                ],
            )  # fmt: skip


def reset(core: Core) -> None:
    """Make the same schedules due again."""
    table = ExecutionSchedule.__table__
    with core.store.write() as session:
        session.connection().execute(delete(ScheduleRecord))
        session.connection().execute(delete(Execution))
        session.connection().execute(
            update(ExecutionSchedule)
            .where(table.c.evaluated_until.is_not(None))
            .values(next_occurrence=START + timedelta(minutes=1), evaluated_until=None)
        )


def ours(url: str, schedules: int, due: int, rounds: int) -> dict[str, float]:
    """Measure polls of our port."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), admin_password="benchmark", database_url=url or None)
        clock = FakeClock(START)
        core = build(settings, clock=clock)
        fill(core, schedules, due)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        port = core.schedules.port()
        idle = []
        for _ in range(3):
            begin = time.perf_counter()
            poll(port, START)
            idle.append(time.perf_counter() - begin)
        wall, cpu = [], []
        clock.set(START + timedelta(minutes=1))
        for _ in range(rounds):
            begin, begin_cpu = time.perf_counter(), time.process_time()
            settled = poll(port, clock.now())
            wall.append(time.perf_counter() - begin)
            cpu.append(time.process_time() - begin_cpu)
            assert len(settled) == due, len(settled)
            assert all(result.outcome == "fired" for result in settled), settled[0]
            reset(core)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        core.close()
    return {
        "us_per_due": round(statistics.median(wall) / due * 1e6, 1),
        "cpu_us_per_due": round(statistics.median(cpu) / due * 1e6, 1),
        "poll_s": round(statistics.median(wall), 4),
        "idle_poll_ms": round(statistics.median(idle) * 1e3, 3),
        "peak_growth_mb": round(grown / 1024, 1),
    }


def _nothing() -> None:
    return None


def peer(schedules: int, due: int) -> dict[str, float]:
    """Measure APScheduler finding and moving as many due jobs, each run stubbed."""
    from apscheduler.executors.base import BaseExecutor
    from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
    from apscheduler.schedulers.background import BackgroundScheduler

    class Stub(BaseExecutor):
        def _do_submit_job(self, job: object, run_times: object) -> None:
            self._run_job_success(job.id, [])  # type: ignore[attr-defined]

    with tempfile.TemporaryDirectory() as folder:
        scheduler = BackgroundScheduler(
            jobstores={"default": SQLAlchemyJobStore(url=f"sqlite:///{folder}/jobs.db")},
            executors={"default": Stub()},
            timezone="UTC",
            job_defaults={"misfire_grace_time": None, "coalesce": True},
        )
        scheduler.start(paused=True)
        now = datetime.now(UTC)
        for number in range(schedules):
            start = now - timedelta(seconds=1) if number < due else now + timedelta(hours=1)
            scheduler.add_job(_nothing, "interval", hours=1, next_run_time=start)
        begin, begin_cpu = time.perf_counter(), time.process_time()
        scheduler.state = 1
        scheduler._process_jobs()
        wall, cpu = time.perf_counter() - begin, time.process_time() - begin_cpu
        scheduler.shutdown(wait=False)
    return {"us_per_due": round(wall / due * 1e6, 1), "cpu_us_per_due": round(cpu / due * 1e6, 1)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--schedules", type=int, default=10_000)
    parser.add_argument("--due", type=float, default=1.0, help="per cent")
    parser.add_argument("--url", default="", help="a DATABASE_URL of an empty database; SQLite in a file when absent")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer-schedules", type=int, default=1_000)
    arguments = parser.parse_args()
    due = max(1, int(arguments.schedules * arguments.due / 100))
    result = {
        "benchmark": "poll",
        "database": arguments.url.split(":")[0] or "sqlite",
        "schedules": arguments.schedules,
        "due": due,
        "ours": ours(arguments.url, arguments.schedules, due, arguments.rounds),
        "apscheduler_sqlite": peer(arguments.peer_schedules, max(1, arguments.peer_schedules // 100)),
    }
    result["times_faster"] = round(result["apscheduler_sqlite"]["us_per_due"] / result["ours"]["us_per_due"], 1)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
