"""Status words and the legal changes between them, as tables. Pure."""

from __future__ import annotations

from enum import StrEnum


class ExecutionStatus(StrEnum):
    """Statuses of an execution (REST contract §8.1)."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    PENDING = "pending"
    STARTED = "started"
    CANCELLING = "cancelling"
    FORCE_CANCELLING = "force_cancelling"
    KILL_CANCELLING = "kill_cancelling"
    TERMINATED = "terminated"
    FAILED = "failed"
    CANCELLED = "cancelled"


S = ExecutionStatus
ACTIVE = frozenset({S.PENDING, S.STARTED, S.CANCELLING, S.FORCE_CANCELLING, S.KILL_CANCELLING})
WAITING = frozenset({S.QUEUED, S.SCHEDULED})
END = frozenset({S.TERMINATED, S.FAILED, S.CANCELLED})
CANCELLING = frozenset({S.CANCELLING, S.FORCE_CANCELLING, S.KILL_CANCELLING})

STATUS_DISPLAY = {S.TERMINATED: "completed"}
"""How a status is shown where it differs from its name."""

CANCEL_ACTIONS: dict[str, tuple[ExecutionStatus, frozenset[ExecutionStatus] | None]] = {
    "cancel": (S.CANCELLING, frozenset({S.PENDING, S.STARTED, S.QUEUED, S.SCHEDULED})),
    "requeue": (S.CANCELLING, frozenset({S.PENDING, S.STARTED, S.QUEUED, S.SCHEDULED})),
    "force-cancel": (S.FORCE_CANCELLING, frozenset({S.PENDING, S.STARTED, S.QUEUED, S.SCHEDULED, S.CANCELLING})),
    "kill": (S.KILL_CANCELLING, None),
}
"""Action → (new status, statuses it is allowed from; None = any) (REST contract §8.6)."""


def can_change(current: str, new: str, workflow_id: str) -> bool:
    """Tell whether an execution's status may go from `current` to `new` (REST contract §8.8)."""
    if current == new:
        return True
    if current in END:
        return workflow_id == "create_snapshot"
    if current == S.CANCELLING:
        return new not in ACTIVE and new != S.TERMINATED
    if current == S.FORCE_CANCELLING:
        return new not in ACTIVE and new not in {S.CANCELLING, S.TERMINATED}
    return True


class BlueprintState(StrEnum):
    """States of a blueprint (REST contract §5.1)."""

    PENDING = "pending"
    VALIDATING = "validating"
    UPLOADING = "uploading"
    EXTRACTING = "extracting"
    PARSING = "parsing"
    UPLOADED = "uploaded"
    FAILED_UPLOADING = "failed_uploading"
    FAILED_EXTRACTING = "failed_extracting"
    FAILED_PARSING = "failed_parsing"
    FAILED_EXTRACTING_TO_FILE_SERVER = "failed_extracting_to_file_server"
    INVALID = "invalid"


B = BlueprintState
BLUEPRINT_FAILED = frozenset(
    {B.FAILED_UPLOADING, B.FAILED_EXTRACTING, B.FAILED_PARSING, B.FAILED_EXTRACTING_TO_FILE_SERVER, B.INVALID}
)
BLUEPRINT_END = BLUEPRINT_FAILED | {B.UPLOADED}


class TaskState(StrEnum):
    """States of a stored operation (REST contract §15)."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    STARTED = "started"
    RESPONSE_SENT = "response-sent"
    RESCHEDULED = "rescheduled"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


TASK_END = frozenset({TaskState.RESCHEDULED, TaskState.SUCCEEDED, TaskState.FAILED})

DELETED_OR_NEVER_BUILT = frozenset({"uninitialized", "deleted"})
"""Node instance states in which nothing of the instance is left on the machine."""


class MaintenanceStatus(StrEnum):
    """Maintenance mode (REST contract §3)."""

    DEACTIVATED = "deactivated"
    ACTIVATING = "activating"
    ACTIVATED = "activated"


class Visibility(StrEnum):
    """Who may read a resource, narrow to wide (REST contract §1.9)."""

    PRIVATE = "private"
    TENANT = "tenant"
    GLOBAL = "global"


VISIBILITY_ORDER = [Visibility.PRIVATE, Visibility.TENANT, Visibility.GLOBAL]
