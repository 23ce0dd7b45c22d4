"""Rows by which the services tell that they are alive, and what they have done."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlmodel import Field, SQLModel

from manager_core.store.base import instant, json_column, required_instant


class Heartbeat(SQLModel, table=True):
    """The last sign of life of one scheduler or worker."""

    __tablename__ = "heartbeats"

    service: str = Field(primary_key=True)
    instance: str = Field(primary_key=True)
    started_at: datetime = required_instant()
    beat_at: datetime = required_instant(index=True)
    next_due_at: datetime | None = instant()
    details: dict[str, Any] | None = json_column()


class Counter(SQLModel, table=True):
    """A figure that only grows, over restarts and over all processes (`/metrics`). `label` tells kinds of it apart."""

    __tablename__ = "counters"

    name: str = Field(primary_key=True)
    label: str = Field(default="", primary_key=True)
    value: float = 0.0
