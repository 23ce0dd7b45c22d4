"""The table of admission, row by row (REST contract §9.2, §9.3, §9.6)."""

from __future__ import annotations

import pytest

from manager_core.executions.admission import Facts, Outcome, Start, decide, is_non_blocking_snapshot

DEPLOYMENT = ("t", "d")
BUSY = Facts(active=("x",), deployment=("x",))
SNAPSHOT = Facts(active=("s",), system_wide=("s",))
NOTHING = Facts()

CASES = [
    ("a non-blocking start starts beside anything", Start(overlap=True, system_wide=True), SNAPSHOT, Outcome.START, 1),
    ("system-wide is refused beside anything active", Start(system_wide=True), BUSY, Outcome.REFUSE, 2),
    ("system-wide waits with queue", Start(system_wide=True, queue=True), BUSY, Outcome.QUEUE, 2),
    ("system-wide does not mind what is queued", Start(system_wide=True), Facts(system_wide=("q",)), Outcome.START, 3),
    ("a start is refused beside a system-wide one", Start(deployment=DEPLOYMENT), SNAPSHOT, Outcome.REFUSE, 4),
    ("force does not help against row 4", Start(deployment=DEPLOYMENT, force=True), SNAPSHOT, Outcome.REFUSE, 4),
    ("queue waits for it", Start(deployment=DEPLOYMENT, queue=True), SNAPSHOT, Outcome.QUEUE, 4),
    ("the manager's own start waits for it", Start(deployment=DEPLOYMENT, own=True), SNAPSHOT, Outcome.QUEUE, 4),
    ("a timed start is refused by row 4", Start(deployment=DEPLOYMENT, scheduled=True), SNAPSHOT, Outcome.REFUSE, 4),
    ("force starts on a busy deployment", Start(deployment=DEPLOYMENT, force=True), BUSY, Outcome.START, 5),
    ("an upload starts beside others", Start(), Facts(active=("x",)), Outcome.START, 6),
    ("a busy deployment refuses", Start(deployment=DEPLOYMENT), BUSY, Outcome.REFUSE, 7),
    ("a busy deployment queues", Start(deployment=DEPLOYMENT, queue=True), BUSY, Outcome.QUEUE, 7),
    ("a busy deployment queues a timed start", Start(deployment=DEPLOYMENT, scheduled=True), BUSY, Outcome.QUEUE, 7),
    ("a busy deployment refuses the manager too", Start(deployment=DEPLOYMENT, own=True), BUSY, Outcome.REFUSE, 7),
    ("a free deployment starts", Start(deployment=DEPLOYMENT), Facts(active=("x",)), Outcome.START, 8),
    ("queue on a free deployment starts", Start(deployment=DEPLOYMENT, queue=True), NOTHING, Outcome.START, 8),
]  # fmt: skip


@pytest.mark.parametrize(("name", "start", "facts", "outcome", "row"), CASES, ids=[case[0] for case in CASES])
def test_the_first_matching_row_wins(name: str, start: Start, facts: Facts, outcome: Outcome, row: int) -> None:
    decision = decide(start, facts)
    assert (decision.outcome, decision.row) == (outcome, row)


def test_a_refusal_names_what_stands_in_the_way() -> None:
    assert decide(Start(deployment=DEPLOYMENT), BUSY).blockers == ("x",)
    assert decide(Start(deployment=DEPLOYMENT), NOTHING).blockers == ()


@pytest.mark.parametrize(
    ("parameters", "queue", "expected"),
    [
        ({"legacy": False}, False, True),
        ({"legacy": False}, True, False),
        ({"legacy": True}, False, False),
        ({}, False, False),
        (None, False, False),
    ],
)
def test_a_snapshot_is_non_blocking_only_when_it_says_so_and_does_not_queue(
    parameters: dict[str, bool] | None, queue: bool, expected: bool
) -> None:
    assert is_non_blocking_snapshot("create_snapshot", parameters, queue=queue) is expected
    assert not is_non_blocking_snapshot("install", parameters, queue=queue)
