"""A page of 100 events of a million, at any offset, total included: milliseconds, through the service.

usage: python benchmarks/events_page.py [--events 1000000] [--url sqlite|DATABASE_URL]

The peer, in the same run, is the plain way over the same rows: one SELECT with LIMIT and OFFSET through SQLModel
objects, and one COUNT. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from sqlalchemy import func, select

from manager_core.access.caller import system_caller
from manager_core.bootstrap import Core, build
from manager_core.events.bulk import insert_events
from manager_core.events.listing import parse_event_query
from manager_core.events.tables import Event
from manager_core.executions.tables import Execution
from manager_core.settings import Settings

CALLER = system_caller("default_tenant")
CHUNK = 20_000
KEY = "e0"


def fill(core: Core, events: int) -> float:
    """Store the events of ten executions, nine tenths of them of one; returns microseconds an event."""
    now = core.clock.now()
    with core.store.write() as session:
        for number in range(10):
            session.add(
                Execution(
                    id=f"e{number}", tenant_name="default_tenant", created_by="admin", created_at=now, workflow_id="w"
                )
            )
    begin = time.perf_counter()
    for start in range(0, events, CHUNK):
        rows = [
            {
                "tenant_name": "default_tenant",
                "execution_id": KEY if number % 10 else f"e{number // 10 % 10}",
                "type": "cloudify_event" if number % 4 else "cloudify_log",
                "event_type": "task_started",
                "message": f"Task started 'plugin.tasks.operation_{number}'",
                "node_instance_id": "node_abcdef",
                "node_name": "node",
                "timestamp": now + timedelta(microseconds=100 * number),
                "reported_timestamp": now + timedelta(microseconds=100 * number),
            }
            for number in range(start, min(start + CHUNK, events))
        ]
        with core.store.write() as session:
            insert_events(session.connection(), rows)
    return (time.perf_counter() - begin) / events * 1e6


def measured(call: Callable[[], Any], times: int = 7) -> float:
    """Return the median milliseconds of a call."""
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        call()
        taken.append((time.perf_counter() - begin) * 1000)
    return round(statistics.median(taken), 1)


def peer(core: Core, offset: int) -> None:
    """The usual way."""
    table: Any = Event
    with core.store.read() as session:
        statement = select(Event).where(table.execution_id == KEY).order_by(table.reported_timestamp, table.storage_id)
        rows = session.scalars(statement.offset(offset).limit(100)).all()
        [row.model_dump() for row in rows]
        session.connection().execute(select(func.count()).select_from(Event).where(table.execution_id == KEY)).scalar()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--url", default="sqlite")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = None if options.url == "sqlite" else options.url
        core = build(Settings(data_dir=Path(folder), admin_password="benchmark", database_url=url))
        filling = fill(core, options.events)
        if url:
            with core.store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("VACUUM ANALYZE events")
        else:
            with core.store.write() as session:
                session.connection().exec_driver_sql("ANALYZE")
        both = [("type", "cloudify_event"), ("type", "cloudify_log")]
        cases = {
            "execution": [("execution_id", KEY), *both],
            "execution_events_only": [("execution_id", KEY), ("type", "cloudify_event")],
            "everything": both,
        }
        figures: dict[str, Any] = {}
        for name, filters in cases.items():
            for at in (0, 0.25, 0.5, 0.9):
                offset = int(options.events * at * 0.7)
                query = parse_event_query([*filters, ("_size", "100"), ("_offset", str(offset))])
                figures[f"{name}_{at}"] = measured(lambda query=query: core.events.list(CALLER, query))
        offset = int(options.events * 0.5 * 0.7)
        result = {
            "benchmark": "events_page",
            "events": options.events,
            "database": core.store.dialect,
            "insert_us_per_event": round(filling, 1),
            "page_ms": figures,
            "worst_ms": max(figures.values()),
            "peer_ms_middle": measured(lambda: peer(core, offset), 3),
        }
        print(json.dumps(result))
        core.close()


if __name__ == "__main__":
    main()
