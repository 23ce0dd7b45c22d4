"""Rows of execution schedules, their history, exclusion calendars and feed tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from manager_core.deployments.tables import deployment_key
from manager_core.store.base import ResourceColumns, RowId, instant, json_column, required_instant, row_id


class ExecutionSchedule(ResourceColumns, table=True):
    """An execution schedule (scheduling contract §1).

    `rule` is what the user gave; `compiled` is the same rule in the recurrence library's own form, so that loading it
    costs microseconds. `origin` is `user` or `blueprint`. A failure before `rearmed_at` is forgotten.
    """

    __tablename__ = "execution_schedules"
    __table_args__ = (
        UniqueConstraint("tenant_name", "deployment_id", "id"),
        deployment_key(),
        Index("ix_execution_schedules_due", "enabled", "next_occurrence"),
    )

    storage_id: int | None = row_id()
    id: str = Field(index=True)
    deployment_id: str = Field(index=True)
    workflow_id: str
    parameters: dict[str, Any] | None = json_column()
    execution_arguments: dict[str, Any] | None = json_column()
    since: datetime | None = instant()
    until: datetime | None = instant()
    rule: dict[str, Any] | None = json_column()
    compiled: Any = json_column()
    timezone: str = "UTC"
    slip: int = 0
    stop_on_fail: bool = False
    enabled: bool = True
    overlap: str = "skip"
    exclude_calendars: list[str] | None = json_column()
    origin: str = "user"
    next_occurrence: datetime | None = instant()
    evaluated_until: datetime | None = instant()
    latest_execution_id: str | None = None
    last_outcome: str | None = None
    rearmed_at: datetime | None = instant()
    updated_at: datetime | None = instant()
    disabled_at: datetime | None = instant()
    disabled_by: str | None = None
    disabled_reason: str | None = None


class ScheduleRecord(SQLModel, table=True):
    """One verdict about one occurrence of one schedule (scheduling contract §5, History).

    (schedule, occurrence) is unique but for runs that a user started by hand (`manual`): this is what makes firing
    exactly-once.
    """

    __tablename__ = "schedule_records"
    __table_args__ = (
        Index(
            "uq_schedule_records_occurrence",
            "schedule_storage_id",
            "occurrence",
            unique=True,
            sqlite_where=text("manual = 0"),
            postgresql_where=text("NOT manual"),
        ),
        Index("ix_schedule_records_newest", "schedule_storage_id", "storage_id"),
    )

    storage_id: int | None = row_id()
    schedule_storage_id: int = Field(foreign_key="execution_schedules.storage_id", ondelete="CASCADE", sa_type=RowId)
    occurrence: datetime = required_instant()
    decided_at: datetime = required_instant()
    outcome: str
    execution_id: str | None = None
    reason: str
    missed_count: int | None = None
    missed_since: datetime | None = instant()
    manual: bool = False
    facts: dict[str, Any] | None = json_column()


class Calendar(SQLModel, table=True):
    """An exclusion calendar of a tenant: iCalendar text."""

    __tablename__ = "calendars"
    __table_args__ = (UniqueConstraint("tenant_name", "name"),)

    storage_id: int | None = row_id()
    tenant_name: str = Field(foreign_key="tenants.name")
    name: str
    text: str
    created_at: datetime = required_instant()
    updated_at: datetime | None = instant()
    created_by: str


class FeedToken(SQLModel, table=True):
    """A revocable token that reads a calendar feed and nothing else; only its digest is kept."""

    __tablename__ = "feed_tokens"

    id: str = Field(primary_key=True)
    tenant_name: str = Field(foreign_key="tenants.name")
    username: str = Field(foreign_key="users.username", ondelete="CASCADE")
    deployment_id: str | None = None
    token_hash: str = Field(unique=True)
    created_at: datetime = required_instant()
    last_used: datetime | None = instant()
