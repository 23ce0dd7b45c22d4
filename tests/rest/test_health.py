"""`/health` and `/metrics` (architecture: the service tells how it is)."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from manager_core.bootstrap import Core
from manager_core.deployments.tables import Deployment
from manager_core.executions.tables import Execution
from manager_core.health.tables import Heartbeat
from manager_core.schedules.tables import ExecutionSchedule, ScheduleRecord
from tests.support.clock import FakeClock
from tests.support.requests import ROOT


def health(client: TestClient) -> tuple[int, dict[str, object]]:
    """Return status and body of `/health`."""
    answer = client.get(f"{ROOT}/health")
    return answer.status_code, answer.json()


def beats(core: Core, clock: FakeClock) -> None:
    """Let a scheduler with a minute's interval and a worker be heard."""
    core.health.beat("scheduler", "s1", clock.now() + timedelta(seconds=60))
    core.health.beat("worker", "w1", clock.now() + timedelta(seconds=300))


def test_services_that_never_started_are_reported(anonymous: TestClient) -> None:
    status, body = health(anonymous)
    assert (status, body["status"], body["database"]) == (503, "fail", {"status": "ok"})
    assert body["scheduler"]["status"] == body["worker"]["status"] == "never started"


def test_all_is_well_while_everybody_is_heard_in_time(core: Core, anonymous: TestClient, clock: FakeClock) -> None:
    beats(core, clock)
    status, body = health(anonymous)
    assert (status, body["status"], body["scheduler"]["status"]) == (200, "ok", "ok")
    clock.advance(61)
    assert health(anonymous)[0] == 200, "a poll that takes a moment is not overdue"


def test_an_overdue_poll_is_reported(core: Core, anonymous: TestClient, clock: FakeClock) -> None:
    beats(core, clock)
    clock.advance(67)
    status, body = health(anonymous)
    assert (status, body["scheduler"]["status"], body["worker"]["status"]) == (503, "overdue", "ok")


def test_one_living_instance_is_enough(core: Core, anonymous: TestClient, clock: FakeClock) -> None:
    beats(core, clock)
    clock.advance(120)
    core.health.beat("scheduler", "s2", clock.now() + timedelta(seconds=60))
    status, body = health(anonymous)
    assert (status, body["scheduler"]["instances"]) == (200, 1)


def test_a_silent_worker_is_reported(core: Core, anonymous: TestClient, clock: FakeClock) -> None:
    core.health.beat("scheduler", "s1", clock.now() + timedelta(hours=1))
    core.health.beat("worker", "w1")
    clock.advance(core.settings.lease_seconds + 4)
    status, body = health(anonymous)
    assert (status, body["worker"]["status"]) == (503, "overdue")


def test_an_instance_that_is_gone_for_a_day_is_forgotten(core: Core, clock: FakeClock) -> None:
    core.health.beat("worker", "old")
    clock.advance(86_401)
    core.health.beat("worker", "new")
    with core.store.read() as session:
        assert [row.instance for row in session.query(Heartbeat).all()] == ["new"]


def test_an_unreachable_database_is_an_answer_not_an_error(
    sqlite_core: Core, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.support.requests import client_of

    sqlite_core.store.close()
    (sqlite_core.settings.data_dir / "manager.db").unlink()
    (sqlite_core.settings.data_dir / "manager.db").mkdir()
    with client_of(sqlite_core) as client:
        assert health(client) == (503, {"status": "fail", "database": {"status": "unreachable"}})
        assert client.get("/ok").status_code == 500


def figures(client: TestClient) -> dict[str, float]:
    """Return the page Prometheus reads: name with labels → value."""
    answer = client.get(f"{ROOT}/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = [line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#")]
    return {re.sub(r"\s", "", name): float(value) for name, value in lines}


def test_metrics_take_credentials(anonymous: TestClient) -> None:
    assert anonymous.get(f"{ROOT}/metrics").status_code == 401


def test_metrics_count_polls_and_executions(core: Core, client: TestClient, clock: FakeClock) -> None:
    beats(core, clock)
    beats(core, clock)
    with core.store.write() as session:
        for number, status in enumerate(["queued", "queued", "started"]):
            session.add(
                Execution(
                    id=f"e{number}", workflow_id="w", status=status, tenant_name="default_tenant", created_by="admin",
                    created_at=clock.now(),
                )
            )  # fmt: skip
    found = figures(client)
    assert found["cloudify_scheduler_polls_total"] == 2
    assert found['cloudify_executions{status="queued"}'] == found["cloudify_queue_length"] == 2
    assert found['cloudify_executions{status="failed"}'] == 0
    assert found['cloudify_service_up{service="scheduler"}'] == 1


def test_metrics_count_firings_once_and_keep_them_when_history_goes(
    core: Core, client: TestClient, clock: FakeClock
) -> None:
    now = clock.now()
    with core.store.write() as session:
        common = {"tenant_name": "default_tenant", "created_by": "admin", "created_at": now}
        session.add(Deployment(id="d", display_name="d", **common))
        session.flush()
        schedule = ExecutionSchedule(id="s", deployment_id="d", workflow_id="w", **common)
        session.add(schedule)
        session.flush()
        for number, (outcome, late) in enumerate(
            [("fired", 0.05), ("fired", 4.0), ("fired", 5000.0), ("skipped", 0.0)]
        ):
            session.add(
                ScheduleRecord(
                    schedule_storage_id=schedule.storage_id, occurrence=now - timedelta(seconds=late, hours=number),
                    decided_at=now - timedelta(hours=number), outcome=outcome, reason="",
                )
            )  # fmt: skip
    figures(client)
    with core.store.write() as session:
        session.query(ScheduleRecord).delete()
    found = figures(client)
    assert found['cloudify_scheduler_firings_total{outcome="fired"}'] == 3
    assert found['cloudify_scheduler_firings_total{outcome="skipped"}'] == 1
    assert found['cloudify_scheduler_lateness_seconds_bucket{le="0.1"}'] == 1
    assert found['cloudify_scheduler_lateness_seconds_bucket{le="5.0"}'] == 2
    assert found['cloudify_scheduler_lateness_seconds_bucket{le="3600.0"}'] == 2
    assert found['cloudify_scheduler_lateness_seconds_bucket{le="+Inf"}'] == 3
    assert found["cloudify_scheduler_lateness_seconds_sum"] == pytest.approx(5004.05)
