"""Rows of events and logs, in one table: clients read them merged and in order."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from manager_core.store.base import json_column, required_instant, row_id


class Event(SQLModel, table=True):
    """An event (`type` `cloudify_event`) or a log line (`cloudify_log`) of an execution (REST contract §11).

    The indices hold all that a list is filtered and sorted by in the common cases, so that skipping to a page never
    touches the rows themselves; `EventCount` knows the totals.
    """

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_execution", "execution_id", "reported_timestamp", "storage_id", "type"),
        Index("ix_events_tenant", "tenant_name", "reported_timestamp", "storage_id", "type"),
    )

    storage_id: int | None = row_id()
    tenant_name: str
    execution_id: str = Field(foreign_key="executions.id", ondelete="CASCADE")
    deployment_id: str | None = None
    type: str
    event_type: str | None = None
    logger: str | None = None
    level: str | None = None
    message: str
    operation: str | None = None
    node_name: str | None = None
    node_instance_id: str | None = None
    source_id: str | None = None
    target_id: str | None = None
    error_causes: list[Any] | None = json_column()
    timestamp: datetime = required_instant()
    reported_timestamp: datetime = required_instant()
    manager_name: str | None = None
    agent_name: str | None = None


class EventCount(SQLModel, table=True):
    """How many events and logs an execution has; kept by everything that inserts or deletes them."""

    __tablename__ = "event_counts"

    execution_id: str = Field(foreign_key="executions.id", primary_key=True, ondelete="CASCADE")
    tenant_name: str = Field(index=True)
    events: int = 0
    logs: int = 0
