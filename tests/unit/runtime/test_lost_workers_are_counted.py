"""How often an execution may lose its worker, and how long it rests in between (workflow-runtime contract §3.4)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from manager_core.executions.tables import Execution
from manager_core.runtime.leases import LONGEST_REST_SECONDS, losses, next_attempt, rest_seconds


def an_execution() -> Execution:
    return Execution(
        id="e", workflow_id="w", tenant_name="t", created_by="u", created_at=datetime(2026, 1, 1, tzinfo=UTC)
    )


def taken(execution: Execution) -> int:
    execution.attempt = next_attempt(execution)
    return execution.attempt


def lost(execution: Execution) -> int:
    execution.attempt += 1
    execution.resume = execution.lost_worker = True
    return losses(execution)


def test_losses_are_counted_one_by_one() -> None:
    execution = an_execution()
    for number in range(1, 6):
        taken(execution)
        assert lost(execution) == number


def test_a_users_resumes_are_no_losses() -> None:
    execution = an_execution()
    attempts = []
    for _ in range(50):
        attempts.append(taken(execution))
        assert losses(execution) == 0
        execution.resume, execution.lost_worker = True, False
    assert attempts == sorted(set(attempts)), "an attempt of the past is never given again"


def test_a_users_resume_after_losses_begins_anew() -> None:
    execution = an_execution()
    for _ in range(9):
        taken(execution)
        lost(execution)
    before = execution.attempt
    execution.lost_worker = False
    assert taken(execution) > before
    assert lost(execution) == 1


@pytest.mark.parametrize(("lost", "seconds"), [(1, 0), (2, 0.1), (3, 0.2), (6, 1.6), (60, LONGEST_REST_SECONDS)])
def test_the_first_loss_costs_no_time_and_later_ones_more_and_more(lost: int, seconds: float) -> None:
    assert rest_seconds(lost) == seconds
