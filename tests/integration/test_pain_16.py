"""Runs that never end, the sixteenth pain of the field: a lost worker's run is settled, its late results are not."""

from __future__ import annotations

import contextlib

from sqlalchemy import select

from manager_core.bootstrap import Core
from manager_core.events.tables import Event
from manager_core.executions.tables import Execution
from manager_core.runtime import leases
from manager_core.runtime.fencing import LostExecution
from manager_core.runtime.writer import Writer
from scheduler.clock import SystemClock
from tests.support.clock import FakeClock
from tests.support.rows import a_deployment, an_execution


def the_execution(core: Core, execution_id: str) -> Execution:
    with core.store.read() as session:
        return core.executions.found(session, execution_id)


def test_pain_16_a_lost_run_is_settled_within_a_lease_and_its_late_result_is_refused(
    core: Core, clock: FakeClock
) -> None:
    """After the lease another worker may take it; what the old attempt still writes changes nothing."""
    a_deployment(core)
    lease = core.settings.lease_seconds
    until = clock.now()
    run = an_execution(core, status="started", worker_id="vanished", lease_until=until, attempt=1)
    told: list[str] = []
    late = Writer(
        core.store,
        SystemClock(),
        execution_id=run,
        tenant_name="default_tenant",
        deployment_id="dep",
        attempt=1,
        on_lost=lambda: told.append("lost"),
    )
    clock.advance(lease)
    assert leases.sweep(core, "another") == 1
    settled = the_execution(core, run)
    assert (settled.status, settled.resume, settled.worker_id) == ("pending", True, None)
    late.event({"type": "cloudify_event", "event_type": "workflow_stage", "message": "too late"})
    with contextlib.suppress(LostExecution):  # unless the writer's own thread met it first
        late.flush()
    assert told == ["lost"]
    with core.store.read() as session:
        assert session.execute(select(Event.__table__)).all() == []  # type: ignore[attr-defined]
    assert leases.sweep(core, "another") == 0
    assert the_execution(core, run).status == "pending"
    late.close()
