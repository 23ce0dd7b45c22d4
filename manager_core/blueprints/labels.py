"""Labels of blueprints and deployments: reading them for a page of rows, adding to them, replacing them.

Both kinds keep labels in tables of the same columns; the owner's column is named by the caller.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select
from sqlmodel import Session

from manager_core.rest.responses import timestamp

Pairs = Sequence[tuple[str, str]]
_CHUNK = 500


def page_labels(table: Any, owner: str) -> Callable[[Session, list[tuple[Any, ...]]], list[Any]]:
    """Return the batch function of a listing's `labels` field over the columns (tenant_name, id)."""

    def batch(session: Session, rows: list[tuple[Any, ...]]) -> list[Any]:
        found: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        by_tenant: dict[str, list[str]] = defaultdict(list)
        for tenant, identifier in rows:
            by_tenant[tenant].append(identifier)
        owner_column = getattr(table, owner)
        for tenant, identifiers in by_tenant.items():
            for start in range(0, len(identifiers), _CHUNK):
                chosen = identifiers[start : start + _CHUNK]
                statement = (
                    select(owner_column, table.key, table.value, table.created_at, table.created_by)
                    .where(table.tenant_name == tenant, owner_column.in_(chosen))
                    .order_by(table.storage_id)
                )
                for identifier, key, value, created_at, created_by in session.connection().execute(statement):
                    found[tenant, identifier].append(
                        {"key": key, "value": value, "created_at": timestamp(created_at), "created_by": created_by}
                    )
        return [found.get((tenant, identifier), []) for tenant, identifier in rows]

    return batch


def labels_of(session: Session, table: Any, owner: str, tenant: str, identifier: str) -> list[tuple[str, str]]:
    """Return the labels of one resource, ordered by creation time, then value."""
    statement = (
        select(table.key, table.value)
        .where(table.tenant_name == tenant, getattr(table, owner) == identifier)
        .order_by(table.created_at, table.value)
    )
    return [(key, value) for key, value in session.connection().execute(statement)]


def add_labels(
    session: Session, table: Any, owner: str, tenant: str, identifier: str, pairs: Pairs, *, by: str, now: datetime
) -> None:
    """Give a resource the labels it does not have yet."""
    present = set(labels_of(session, table, owner, tenant, identifier))
    wanted = [pair for pair in dict.fromkeys(pairs) if pair not in present]
    if wanted:
        session.connection().execute(
            insert(table),
            [
                {
                    "tenant_name": tenant, owner: identifier, "key": key, "value": value,
                    "created_at": now, "created_by": by,
                }
                for key, value in wanted
            ],
        )  # fmt: skip


def replace_labels(
    session: Session, table: Any, owner: str, tenant: str, identifier: str, pairs: Pairs, *, by: str, now: datetime
) -> None:
    """Make `pairs` the labels of a resource; those it already has keep their creation time."""
    wanted = set(pairs)
    for key, value in labels_of(session, table, owner, tenant, identifier):
        if (key, value) not in wanted:
            session.connection().execute(
                delete(table).where(
                    table.tenant_name == tenant,
                    getattr(table, owner) == identifier,
                    table.key == key,
                    table.value == value,
                )
            )
    add_labels(session, table, owner, tenant, identifier, pairs, by=by, now=now)


def plan_labels(section: Any) -> list[tuple[str, str]]:
    """Return the labels of a plan's `labels` or `blueprint_labels` section: keys lower-cased, every value."""
    pairs: list[tuple[str, str]] = []
    for key, entry in (section or {}).items():
        values = entry.get("values", []) if isinstance(entry, dict) else entry
        listed: Iterable[Any] = values if isinstance(values, list) else [values]
        pairs.extend((str(key).lower(), str(value)) for value in listed)
    return pairs
