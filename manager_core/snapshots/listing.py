"""Snapshots as clients see them (REST contract §18)."""

from __future__ import annotations

from manager_core.rest.listing import Listing, base_fields, column
from manager_core.snapshots.tables import Snapshot

SNAPSHOTS = Listing(
    model="Snapshot",
    table=Snapshot,
    permission="snapshot_list",
    fields={
        "id": column(Snapshot.id),
        **base_fields(Snapshot),
        "created_at": column(Snapshot.created_at),
        "status": column(Snapshot.status),
        "error": column(Snapshot.error),
    },
)
