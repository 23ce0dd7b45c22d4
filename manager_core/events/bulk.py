"""Insert many events the fast way: straight through the driver, with values already in the database's own form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, insert

from manager_core.events.tables import Event
from manager_core.store.bulk import insert_tuples, run, run_each

EVENT, LOG = "cloudify_event", "cloudify_log"

COLUMNS = tuple(name for name in Event.model_fields if name != "storage_id")
_INSTANTS = ("timestamp", "reported_timestamp")
_PLAIN = tuple(name for name in COLUMNS if name not in (*_INSTANTS, "error_causes"))
_ORDER = (*_PLAIN, "error_causes", *_INSTANTS)


def insert_events(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows in their order and count them; both instants must be set (aware, UTC), missing columns are null."""
    if not rows:
        return
    _count(connection, rows)
    if connection.dialect.name != "sqlite":
        complete = [{name: row.get(name) for name in COLUMNS} for row in rows]
        connection.execute(insert(Event.__table__), complete)  # type: ignore[attr-defined]
        return
    values = []
    for row in rows:
        get = row.get
        causes = get("error_causes")
        values.append(
            (
                *[get(name) for name in _PLAIN],
                None if causes is None else _json(causes),
                _text(row["timestamp"]),
                _text(row["reported_timestamp"]),
            )
        )
    insert_tuples(connection, "events", _ORDER, values)


EventValues = tuple[Any, ...]
"""type, event_type, logger, level, message, operation, node_name, node_instance_id, source_id, target_id, error_causes,
timestamp, reported_timestamp."""

_OWN = (
    "type", "event_type", "logger", "level", "message", "operation", "node_name", "node_instance_id", "source_id",
    "target_id", "error_causes", "timestamp", "reported_timestamp",
)  # fmt: skip
_OWNER = ("tenant_name", "execution_id", "deployment_id")
_OWNED = (*_OWNER, *_OWN)


def insert_own_events(
    connection: Connection, tenant: str, execution_id: str, deployment_id: str | None, events: Sequence[EventValues]
) -> None:
    """Insert events of one execution in their order and count them; the hot path of a running workflow."""
    owner = (tenant, execution_id, deployment_id)
    if connection.dialect.name != "sqlite":
        insert_events(connection, [dict(zip((*_OWNER, *_OWN), (*owner, *values), strict=True)) for values in events])
        return
    logs = sum(values[0] == LOG for values in events)
    count = {"key": execution_id, "tenant": tenant, "more_events": len(events) - logs, "more_logs": logs}
    run(connection, _COUNT, count)
    rows = []
    second, prefix = None, ""
    for values in events:
        causes, happened, reported = values[10:]
        now = (reported.day, reported.hour, reported.minute, reported.second)
        if now != second:
            second, prefix = now, _text(reported)[:20]
        at = f"{prefix}{reported.microsecond:06d}"
        rows.append(
            (
                *owner,
                *values[:10],
                None if causes is None else _json(causes),
                at if happened is reported else _text(happened),
                at,
            )
        )
    insert_tuples(connection, "events", _OWNED, rows)


def _count(connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    counts: dict[str, list[Any]] = {}
    for row in rows:
        count = counts.get(row["execution_id"])
        if count is None:
            count = counts[row["execution_id"]] = [row["tenant_name"], 0, 0]
        count[1 if row["type"] == EVENT else 2] += 1
    values = [
        {"key": key, "tenant": tenant, "more_events": events, "more_logs": logs}
        for key, (tenant, events, logs) in sorted(counts.items())
    ]
    run_each(connection, _COUNT, values)


_COUNT = (
    "INSERT INTO event_counts (execution_id, tenant_name, events, logs) "
    "VALUES (:key, :tenant, :more_events, :more_logs) "
    "ON CONFLICT (execution_id) DO UPDATE SET events = event_counts.events + excluded.events, "
    "logs = event_counts.logs + excluded.logs"
)


def _text(moment: datetime) -> str:
    """Return the instant as the column keeps it: 26 characters, UTC."""
    if moment.utcoffset():
        raise ValueError(f"{moment!r} is not in UTC")
    return moment.isoformat(timespec="microseconds")[:26]


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        import json

        return json.dumps(value, separators=(",", ":"), default=str)
