"""Whether a task may be tried once more."""

from __future__ import annotations

import pytest

from manager_core.graph.retries import Action, delay, may_retry, settled


@pytest.mark.parametrize(
    ("total", "used", "allowed"), [(0, 0, False), (1, 0, True), (1, 1, False), (-1, 1000, True), (3, 2, True)]
)
def test_there_are_as_many_retries_as_were_allowed(total: int, used: int, allowed: bool) -> None:
    assert may_retry(total, used) is allowed


def test_a_handler_may_go_beyond_the_limit() -> None:
    assert may_retry(0, 5, ignore_total=True)


def test_a_retry_beyond_the_limit_is_a_failure_and_other_answers_stand() -> None:
    assert settled(Action.RETRY, 0, 0) is Action.FAIL
    assert settled(Action.RETRY, 1, 0) is Action.RETRY
    assert settled(Action.IGNORE, 0, 0) is Action.IGNORE


def test_a_delay_of_nothing_is_no_default() -> None:
    assert delay(0, 30) == 0
    assert delay(None, 30) == 30
