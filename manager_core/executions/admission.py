"""Start, queue or refuse: the rules of the execution queue as pure functions over plain facts (REST contract §9).

`decide` is the table of §9.2, called for a start that arrives and again for one that leaves the queue; `choose` is the
selection step of §9.5. Neither reads a database, a clock or a log: the service gathers the facts and carries out the
answer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

SYSTEM_WIDE_WORKFLOWS = frozenset(
    {"create_snapshot", "restore_snapshot", "update_plugin", "uninstall_plugin", "create_log_bundle"}
)
"""Workflows that have the whole manager to themselves (§9.1)."""

CREATE_ENVIRONMENT = "create_deployment_environment"
DELETE_ENVIRONMENT = "delete_deployment_environment"
UPLOAD_BLUEPRINT = "upload_blueprint"

OWN_STARTS = frozenset({UPLOAD_BLUEPRINT, CREATE_ENVIRONMENT, DELETE_ENVIRONMENT})
"""Workflows that the manager starts by itself: they wait behind system-wide ones instead of being refused (row 4)."""

DeploymentKey = tuple[str, str]
"""(tenant, deployment id): what "the same deployment" means over all tenants."""


class Outcome(Enum):
    """What becomes of a start."""

    START = "start"
    QUEUE = "queue"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Start:
    """A start that asks for admission.

    Attributes:
        system_wide: a system workflow without deployment.
        deployment: whose turn it takes; None for uploads and system-wide ones.
        queue: wait instead of being refused.
        force: do not wait for others of the same deployment (row 7 is skipped).
        own: the manager or a schedule starts it: row 4 queues it, whatever `queue` says.
        overlap: neither waits nor is refused (non-blocking snapshots, updates: row 1).
        scheduled: it carries `scheduled_for`, which row 7 treats like `queue`.
    """

    system_wide: bool = False
    deployment: DeploymentKey | None = None
    queue: bool = False
    force: bool = False
    own: bool = False
    overlap: bool = False
    scheduled: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What stands in the way, as ids, without the start itself. The first few of each are enough.

    Attributes:
        active: ACTIVE executions anywhere.
        system_wide: system-wide executions anywhere, ACTIVE or QUEUED.
        deployment: of the same deployment: ACTIVE ones, and QUEUED ones that are older.
    """

    active: Sequence[str] = ()
    system_wide: Sequence[str] = ()
    deployment: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer: what happens, by which row of §9.2, and because of which executions."""

    outcome: Outcome
    row: int
    blockers: tuple[str, ...] = ()


def decide(start: Start, facts: Facts) -> Decision:
    """Return what becomes of `start` (REST contract §9.2; the first matching row wins)."""
    if start.overlap:
        return Decision(Outcome.START, 1)
    if start.system_wide:
        if not facts.active:
            return Decision(Outcome.START, 3)
        return Decision(Outcome.QUEUE if start.queue else Outcome.REFUSE, 2, tuple(facts.active))
    if facts.system_wide:
        waits = start.queue or start.own
        return Decision(Outcome.QUEUE if waits else Outcome.REFUSE, 4, tuple(facts.system_wide))
    if start.force:
        return Decision(Outcome.START, 5)
    if start.deployment is None:
        return Decision(Outcome.START, 6)
    if facts.deployment:
        waits = start.queue or start.scheduled
        return Decision(Outcome.QUEUE if waits else Outcome.REFUSE, 7, tuple(facts.deployment))
    return Decision(Outcome.START, 8)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A QUEUED execution. `created_at` and then `row` (its storage id) give its place in the queue."""

    id: str
    created_at: datetime
    row: int
    workflow_id: str
    system_wide: bool = False
    deployment: DeploymentKey | None = None

    @property
    def place(self) -> tuple[datetime, int]:
        """The sort key of the queue."""
        return (self.created_at, self.row)


def choose(
    waiting: Iterable[Waiting], *, busy: Collection[DeploymentKey], active: int, limit: int, system_wide_active: bool
) -> list[Waiting]:
    """Return the candidates of one round of the dequeue step, oldest first (REST contract §9.5).

    Args:
        waiting: every QUEUED execution of every tenant.
        busy: deployments that have an ACTIVE execution.
        active: how many executions are ACTIVE in all.
        limit: `max_concurrent_workflows`.
        system_wide_active: whether a system-wide execution is ACTIVE; normal ones then stay where they are.
    """
    queue = sorted(waiting, key=lambda item: item.place)
    oldest_system_wide = next((item for item in queue if item.system_wide), None)
    if oldest_system_wide is not None:
        return [oldest_system_wide] if active == 0 else []
    if system_wide_active:
        return []
    building = {item.deployment for item in queue if item.workflow_id == CREATE_ENVIRONMENT}
    taken: set[DeploymentKey | None] = set(busy)
    chosen: list[Waiting] = []
    for item in queue:
        if active + len(chosen) >= limit:
            break
        if item.deployment in taken:
            continue
        if item.deployment in building and item.workflow_id != CREATE_ENVIRONMENT:
            continue
        taken.add(item.deployment)
        chosen.append(item)
    return chosen


def is_non_blocking_snapshot(workflow_id: str, parameters: object, *, queue: bool) -> bool:
    """Tell whether a start is a snapshot that nothing waits for: `legacy` false and no `queue` (§9.1)."""
    legacy = parameters.get("legacy", True) if isinstance(parameters, dict) else True
    return workflow_id == "create_snapshot" and legacy is False and not queue
