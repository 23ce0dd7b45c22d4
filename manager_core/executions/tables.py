"""Rows of executions, and of the task graphs they store for resuming."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from manager_core.deployments.tables import deployment_key
from manager_core.states import ExecutionStatus, TaskState
from manager_core.store.base import ResourceColumns, RowId, instant, json_column, required_instant, row_id

_OPEN = text("status NOT IN ('terminated', 'failed', 'cancelled')")


class Execution(ResourceColumns, table=True):
    """An execution (REST contract §8.1). The row is the truth; a dispatch is only a wake-up.

    `worker_id` and `lease_until` say which worker runs it and until when that is believed; both stay set after a cancel
    while its operations still run. `attempt` grows with every take: a process whose attempt is not the row's has lost
    the execution. `lost_worker` marks a run that goes on because its worker was lost. `schedule_id` and `occurrence`
    say which schedule fired it and for which instant. `allow_overlap` marks starts that skip the queue rules (§9.1).
    """

    __tablename__ = "executions"
    __table_args__ = (
        UniqueConstraint("id"),
        deployment_key(),
        Index("ix_executions_status_created", "status", "created_at"),
        Index("ix_executions_deployment_created", "tenant_name", "deployment_id", "created_at"),
        # Covering: the total and the place of a page are found without reading a row.
        Index(
            "ix_executions_created",
            "created_at",
            "storage_id",
            "tenant_name",
            "visibility",
            "is_system_workflow",
            "created_by",
        ),
        # "Is the schedule's last run open?" is asked at every firing: it must not cost more for an old schedule.
        Index("ix_executions_schedule", "schedule_storage_id", "storage_id"),
        Index(
            "ix_executions_schedule_open",
            "schedule_storage_id",
            "storage_id",
            sqlite_where=_OPEN,
            postgresql_where=_OPEN,
        ),
    )

    storage_id: int | None = row_id()
    id: str
    deployment_id: str | None = Field(default=None, index=True)
    blueprint_id: str | None = None
    workflow_id: str = Field(index=True)
    status: str = ExecutionStatus.PENDING.value
    error: str | None = None
    parameters: dict[str, Any] | None = json_column()
    is_system_workflow: bool = False
    is_dry_run: bool = False
    started_at: datetime | None = instant()
    ended_at: datetime | None = instant()
    scheduled_for: datetime | None = instant()
    total_operations: int = 0
    finished_operations: int = 0
    resume: bool = False
    allow_custom_parameters: bool = False
    force: bool = False
    wait_after_fail: int = 600
    allow_overlap: bool = False
    token_hash: str | None = Field(default=None, index=True)
    worker_id: str | None = None
    lease_until: datetime | None = instant()
    attempt: int = 0
    lost_worker: bool = False
    schedule_storage_id: int | None = Field(default=None, sa_type=RowId)
    schedule_id: str | None = None
    occurrence: datetime | None = instant()
    manager_name: str | None = None


class TasksGraph(SQLModel, table=True):
    """A stored task graph; names are unique within an execution."""

    __tablename__ = "tasks_graphs"
    __table_args__ = (UniqueConstraint("execution_id", "name"),)

    storage_id: int | None = row_id()
    id: str = Field(unique=True)
    execution_id: str = Field(foreign_key="executions.id", ondelete="CASCADE")
    name: str
    created_at: datetime = required_instant()


class Operation(SQLModel, table=True):
    """A task of a stored graph. `response` keeps what came back, for a resume that missed it."""

    __tablename__ = "operations"

    storage_id: int | None = row_id()
    id: str = Field(unique=True)
    tasks_graph_id: str = Field(foreign_key="tasks_graphs.id", index=True, ondelete="CASCADE")
    name: str
    state: str = TaskState.PENDING.value
    type: str
    dependencies: list[str] | None = json_column()
    parameters: dict[str, Any] | None = json_column()
    created_at: datetime = required_instant()
    manager_name: str | None = None
    agent_name: str | None = None
    response: Any = json_column()
