"""The states of executions, modifications, deployments, blueprints and the rest (contract §3.7, §6)."""

from __future__ import annotations


class DeploymentModificationState:
    """States of a deployment modification (contract §7)."""

    STARTED = "started"
    FINISHED = "finished"
    ROLLEDBACK = "rolledback"
    STATES = [STARTED, FINISHED, ROLLEDBACK]
    END_STATES = [FINISHED, ROLLEDBACK]


class SnapshotState:
    """States of a snapshot."""

    CREATED = "created"
    FAILED = "failed"
    CREATING = "creating"
    UPLOADED = "uploaded"
    STATES = [CREATED, FAILED, CREATING, UPLOADED]
    END_STATES = [CREATED, FAILED, UPLOADED]


class LogBundleState(SnapshotState):
    """States of a log bundle: those of a snapshot."""


class ExecutionState:
    """Statuses of an execution (contract §3.7)."""

    TERMINATED = "terminated"
    FAILED = "failed"
    CANCELLED = "cancelled"
    PENDING = "pending"
    STARTED = "started"
    CANCELLING = "cancelling"
    FORCE_CANCELLING = "force_cancelling"
    KILL_CANCELLING = "kill_cancelling"
    QUEUED = "queued"
    SCHEDULED = "scheduled"
    STATES = [
        TERMINATED,
        FAILED,
        CANCELLED,
        PENDING,
        STARTED,
        CANCELLING,
        FORCE_CANCELLING,
        KILL_CANCELLING,
        QUEUED,
        SCHEDULED,
    ]
    WAITING_STATES = [SCHEDULED, QUEUED]
    QUEUED_STATE = [QUEUED]
    END_STATES = [TERMINATED, FAILED, CANCELLED]
    IN_PROGRESS_STATES = [PENDING, STARTED, CANCELLING, FORCE_CANCELLING, KILL_CANCELLING]
    ACTIVE_STATES = IN_PROGRESS_STATES


class DeploymentState:
    """Summary states of a deployment."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    GOOD = "good"
    REQUIRE_ATTENTION = "requires_attention"
    EXECUTION_STATES_SUMMARY = {
        ExecutionState.TERMINATED: COMPLETED,
        ExecutionState.FAILED: FAILED,
        ExecutionState.CANCELLED: CANCELLED,
        ExecutionState.PENDING: IN_PROGRESS,
        ExecutionState.STARTED: IN_PROGRESS,
        ExecutionState.CANCELLING: IN_PROGRESS,
        ExecutionState.FORCE_CANCELLING: IN_PROGRESS,
        ExecutionState.KILL_CANCELLING: IN_PROGRESS,
        ExecutionState.QUEUED: IN_PROGRESS,
    }


class VisibilityState:
    """Who may see a resource."""

    PRIVATE = "private"
    TENANT = "tenant"
    GLOBAL = "global"
    STATES = [PRIVATE, TENANT, GLOBAL]


class AgentState:
    """States of an agent."""

    CREATING = "creating"
    CREATED = "created"
    CONFIGURING = "configuring"
    CONFIGURED = "configured"
    STARTING = "starting"
    STARTED = "started"
    STOPPING = "stopping"
    STOPPED = "stopped"
    DELETING = "deleting"
    DELETED = "deleted"
    RESTARTING = "restarting"
    RESTARTED = "restarted"
    RESTORED = "restored"
    UPGRADING = "upgrading"
    UPGRADED = "upgraded"
    NONRESPONSIVE = "nonresponsive"
    FAILED = "failed"
    STATES = [
        CREATING,
        CREATED,
        CONFIGURING,
        CONFIGURED,
        STARTING,
        STARTED,
        STOPPING,
        STOPPED,
        DELETING,
        DELETED,
        RESTARTING,
        RESTARTED,
        UPGRADING,
        UPGRADED,
        FAILED,
        NONRESPONSIVE,
        RESTORED,
    ]


class PluginInstallationState:
    """States of a plugin on one manager or agent."""

    PENDING = "pending-install"
    INSTALLING = "installing"
    INSTALLED = "installed"
    ERROR = "error"
    PENDING_UNINSTALL = "pending-uninstall"
    UNINSTALLING = "uninstalling"
    UNINSTALLED = "uninstalled"


class BlueprintUploadState:
    """States of a blueprint on its way in (contract §6.1)."""

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
    FAILED_STATES = [
        FAILED_UPLOADING,
        FAILED_EXTRACTING,
        FAILED_PARSING,
        FAILED_EXTRACTING_TO_FILE_SERVER,
        INVALID,
    ]
    END_STATES = [*FAILED_STATES, UPLOADED]
    STATES = [*END_STATES, PENDING, UPLOADING, EXTRACTING, PARSING]
