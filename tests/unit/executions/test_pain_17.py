"""Queue starvation, the seventeenth pain of the field: nobody's backlog keeps somebody else's execution waiting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from manager_core.executions.admission import Waiting, choose

START = datetime(2026, 3, 2, tzinfo=UTC)


def waiting(number: int, tenant: str, deployment: str) -> Waiting:
    return Waiting(
        id=f"{tenant}-{number}",
        created_at=START + timedelta(seconds=number),
        row=number,
        workflow_id="run",
        deployment=(tenant, deployment),
    )


def test_pain_17_one_tenants_hundred_thousand_runs_do_not_hold_up_another_tenants_one() -> None:
    """The newcomer's free deployment is chosen in the very next round, beside the oldest of the backlog."""
    backlog = [waiting(number, "greedy", "one") for number in range(100_000)]
    newcomer = waiting(100_000, "modest", "other")
    chosen = choose([*backlog, newcomer], busy=(), active=0, limit=20, system_wide_active=False)
    assert [item.id for item in chosen] == ["greedy-0", "modest-100000"]


def test_pain_17_a_busy_deployments_backlog_takes_no_place_of_the_others() -> None:
    """With the greedy deployment running already, the newcomer is the only candidate and starts."""
    backlog = [waiting(number, "greedy", "one") for number in range(1_000)]
    newcomer = waiting(1_000, "modest", "other")
    chosen = choose([*backlog, newcomer], busy={("greedy", "one")}, active=19, limit=20, system_wide_active=False)
    assert chosen == [newcomer]
