"""Leases: which worker an execution belongs to, and what becomes of it when that worker is lost.

A worker renews the leases of its executions. One that ran out, or whose worker is known to be dead, means a lost
worker: the execution goes back to `pending` and goes on elsewhere with `ctx.resume`, or ends when it was being
cancelled. Whether its workflow can be resumed is seen by the process that takes it up; one that cannot fails there with
a text that says so.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Collection
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, or_, select, update
from sqlmodel import Session

from manager_core.executions.dispatch.signals import announce, announce_pending
from manager_core.executions.statuses import locked, set_status
from manager_core.executions.tables import Execution
from manager_core.ids import new_id
from manager_core.states import CANCELLING, END, ExecutionStatus
from scheduler.clock import SystemClock

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

S = ExecutionStatus
MAX_LOSSES = 10
"""An execution whose worker is lost this often, since somebody last asked for it, is believed to be what kills them."""
ROUND = 1000
"""Attempts of a round: what a user resumes begins the next one, so that losses of workers are counted from there."""
FIRST_REST_SECONDS = 0.1
LONGEST_REST_SECONDS = 2.0
RESTING = "resting"
"""Holder of an execution that waits before it is run again: no worker, but nobody may take it before its time."""

_X: Any = Execution.__table__.c  # type: ignore[attr-defined]
_CANCELLING = sorted(status.value for status in CANCELLING)


@cache
def _machine() -> str:
    """Return what names this boot of this machine (and its process namespace)."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return f"{socket.gethostname()}|{new_id()}"
    return f"{socket.gethostname()}|{boot}.{namespace}"


def _born(pid: int) -> str | None:
    """Return when a process was started, in the kernel's ticks; None when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]


def worker_name() -> str:
    """Return a name for a worker of this process that no other worker ever had or will have."""
    pid = os.getpid()
    return f"{_machine()}|{pid}|{_born(pid)}|{new_id()[:8]}"


def is_dead(name: str) -> bool:
    """Tell whether a worker's process is certainly gone: it ran on this machine and its process is not there."""
    host, _, rest = name.partition("|")
    parts = rest.split("|")
    if f"{host}|{parts[0]}" != _machine() or len(parts) < 3:
        return False
    return parts[1].isdigit() and _born(int(parts[1])) != parts[2]


def lease_now(core: Core, session: Session) -> datetime:
    """Return the instant that leases are compared with: one clock for all workers of a database.

    With several hosts that is the database's; a simulated clock stays what it is.
    """
    if session.get_bind().dialect.name == "postgresql" and isinstance(core.clock, SystemClock):
        moment: datetime = session.connection().execute(select(func.clock_timestamp())).scalar_one()
        return moment
    return core.clock.now()


def lease_end(core: Core, session: Session) -> datetime:
    """Return until when a lease taken now holds."""
    return lease_now(core, session) + timedelta(seconds=core.settings.lease_seconds)


def renew(core: Core, worker: str, ids: Collection[str]) -> set[str]:
    """Renew the leases of a worker's executions; returns which of them are still the worker's.

    One whose row is held by a transaction is left out, to be asked for again soon: that is its own process, which
    renews the lease itself when the transaction takes long. Waiting for it would let the leases of all others run out.
    """
    if not ids:
        return set()
    with core.store.write() as session:
        until = lease_end(core, session)
        mine = select(_X.id).where(_X.worker_id == worker, _X.id.in_(sorted(ids)))
        free = set(session.connection().execute(mine.with_for_update(skip_locked=True, key_share=True)).scalars())
        if free:
            session.connection().execute(update(Execution).where(_X.id.in_(sorted(free))).values(lease_until=until))
    return free


def sweep(core: Core, worker: str, running: Collection[str] = ()) -> int:
    """Take back the executions of lost workers, and finish cancels that no process will finish.

    Args:
        worker: who sweeps.
        running: its own executions. What else bears its name was taken in a transaction whose answer was lost, or could
            not be settled when its process had ended: it counts as lost.

    Returns: how many executions were changed.
    """
    with core.store.read() as session:
        now = lease_now(core, session)
        held = select(_X.id, _X.worker_id, _X.lease_until).where(_X.worker_id.is_not(None))
        lost = [
            row.id
            for row in session.connection().execute(held)
            if _is_lost(row.worker_id, row.lease_until, now, worker) and row.id not in running
        ]
        orphans = select(_X.id).where(_X.status.in_(_CANCELLING), _X.worker_id.is_(None))
        lost += session.connection().execute(orphans).scalars()
    changed = sum(_take_back(core, execution_id, worker) for execution_id in lost)
    if changed:
        core.executions.wake()
        core.executions.dequeue()
    return changed


def _is_lost(holder: str, until: datetime | None, now: datetime, worker: str) -> bool:
    return holder == worker or until is None or until < now or is_dead(holder)


def _take_back(core: Core, execution_id: str, worker: str) -> bool:
    with core.store.write() as session:
        # A row that is held belongs to a process in the middle of a transaction: not lost, and not worth waiting for.
        execution = locked(session, execution_id, wait=False)
        if execution is None:
            return False
        holder, until = execution.worker_id, execution.lease_until
        if holder is not None and not _is_lost(holder, until, lease_now(core, session), worker):
            return False
        recover(core, session, execution)
    return True


def give_back(core: Core, worker: str, ids: Collection[str]) -> None:
    """Let go of executions whose processes this worker has ended: they count as lost at once."""
    for execution_id in ids:
        with core.store.write() as session:
            execution = locked(session, execution_id)
            if execution is not None and execution.worker_id == worker:
                recover(core, session, execution)


def recover(core: Core, session: Session, execution: Execution) -> None:
    """Decide about a locked execution whose worker is lost.

    Whatever is left of the lost run, be it a paused machine that comes back in an hour, may write nothing more: its
    attempt is over, and its token opens no door.
    """
    execution.worker_id = None
    execution.lease_until = None
    execution.attempt += 1
    execution.token_hash = None
    status = S(execution.status)
    if status in END or status is S.PENDING:  # only operations were left of it
        session.add(execution)
    elif status in CANCELLING:
        core.events.add_workflow_event_in(
            session, execution, "workflow_cancelled", f"'{execution.workflow_id}' workflow execution cancelled"
        )
        set_status(core, session, execution, S.CANCELLED, check=False)
    elif losses(execution) >= MAX_LOSSES:
        fail(core, session, execution, f"The worker that ran this execution was lost {losses(execution)} times")
    elif status is S.STARTED:
        execution.resume = True
        execution.lost_worker = True
        set_status(core, session, execution, S.PENDING, check=False)
        rest = rest_seconds(losses(execution))
        if rest:
            execution.worker_id = RESTING
            execution.lease_until = lease_now(core, session) + timedelta(seconds=rest)
        announce_pending(session)
    announce(session)


def next_attempt(execution: Execution) -> int:
    """Return the attempt with which a worker takes an execution: more than all before it."""
    if execution.resume and not execution.lost_worker:  # a user wants it, whatever was before
        return (execution.attempt // ROUND + 1) * ROUND + 1
    return execution.attempt + 1


def losses(execution: Execution) -> int:
    """Return how often the worker of an execution was lost since its start, or since a user resumed it.

    A take counts one attempt, and so does a loss.
    """
    return execution.attempt % ROUND // 2


def rest_seconds(lost: int) -> float:
    """Return how long an execution rests that lost its worker for the n-th time: not at all the first time."""
    return 0.0 if lost < 2 else min(FIRST_REST_SECONDS * 2.0 ** (lost - 2), LONGEST_REST_SECONDS)


def fail(core: Core, session: Session, execution: Execution, text: str) -> None:
    """End a locked execution as failed, with its event."""
    core.events.add_workflow_event_in(
        session, execution, "workflow_failed", f"'{execution.workflow_id}' workflow execution failed: {text}"
    )
    set_status(core, session, execution, S.FAILED, error=text, check=False)


def pending(session: Session, now: datetime, *columns: Any) -> Any:
    """Return the SELECT of executions that a worker may take, oldest first.

    One that was resumed while operations of its earlier run go on waits for them, or for the end of their lease.
    """
    free = or_(_X.worker_id.is_(None), _X.lease_until < now)
    return select(*columns).where(_X.status == S.PENDING.value, free).order_by(_X.created_at, _X.storage_id)
