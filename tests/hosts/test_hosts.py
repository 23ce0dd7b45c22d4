"""Real hosts: two API processes and two schedulers behind a proxy, three workers, one PostgreSQL; and their faults.

Each host is a network namespace with a data directory and a host name of its own. Workers are killed, paused and cut
off, PostgreSQL is restarted, an API and a scheduler are killed, all under load. One story is told, several tests look
at what is left of it. `make reliability` writes the table of recovery times to docs/reference/reliability.md.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.hosts import cluster, network
from tests.hosts.story import INSTANCES, LEASE_SECONDS, RECURRENCE_SECONDS, Story, told
from tests.hosts.table import page

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

DYING_PULSES = 20
"""How often operations of a thawed host may pulse until its processes are ended: for two seconds."""


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """The story, told once."""
    why = network.obstacle() or cluster.obstacle()
    if why and os.environ.get("REQUIRE_POSTGRES") == "1":
        pytest.fail(f"REQUIRE_POSTGRES=1, but hosts cannot be made: {why}")
    if why:
        pytest.skip(f"hosts cannot be made: {why}")
    with told(tmp_path_factory.mktemp("hosts")) as story:
        yield story


def operations(story: Story) -> dict[tuple[str, str], list[tuple[str, int, float]]]:
    """Return what the operations noted, by execution and instance: (word, pid, time) in the order of writing."""
    found: dict[tuple[str, str], list[tuple[str, int, float]]] = defaultdict(list)
    for line in story.log.read_text().splitlines():
        word, execution, instance, pid, at = line.split()
        found[execution, instance].append((word, int(pid), float(at)))
    return found


def test_every_execution_has_ended_well(story: Story) -> None:
    rows = story.rows("SELECT id, workflow_id, status, error, worker_id, attempt FROM executions")
    assert [(row.id, row.status, row.error) for row in rows if row.status != "terminated"] == []
    assert [row.id for row in rows if row.worker_id is not None] == []
    assert any(row.attempt > 1 for row in rows), "some were lost and taken up again"


def test_whoever_was_told_that_an_execution_started_finds_it(story: Story) -> None:
    assert len(story.acknowledged) > 10
    known = {row.id for row in story.rows("SELECT id FROM executions")}
    assert set(story.acknowledged) <= known


def test_every_occurrence_is_in_the_history_exactly_once(story: Story) -> None:
    (schedule,) = story.rows("SELECT storage_id, since FROM execution_schedules WHERE id = 'often'")
    rows = story.rows(
        "SELECT occurrence, outcome, execution_id, missed_count, missed_since FROM schedule_records "
        "WHERE schedule_storage_id = %s ORDER BY occurrence",
        schedule.storage_id,
    )
    step = timedelta(seconds=RECURRENCE_SECONDS)
    covered = Counter()
    for row in rows:
        first = row.missed_since or row.occurrence
        for number in range(row.missed_count or 1):
            covered[first + number * step] += 1
    expected, at = [], min(covered)
    while at <= max(covered):
        expected.append(at)
        at += step
    assert dict(covered) == dict.fromkeys(expected, 1)
    assert min(covered) - schedule.since <= step
    fired = [row.execution_id for row in rows if row.outcome == "fired"]
    assert len(fired) > 4
    assert len(set(fired)) == len(fired)
    made = {row.id for row in story.rows("SELECT id FROM executions WHERE schedule_id = 'often'")}
    assert made == set(fired), "an execution for each occurrence that fired, and none beside them"


def test_no_operation_that_ended_well_was_begun_again(story: Story) -> None:
    """Its success is an event; nothing of it begins after that."""
    succeeded = defaultdict(list)
    for row in story.rows(
        "SELECT execution_id, node_instance_id, reported_timestamp AS at FROM events "
        "WHERE event_type = 'task_succeeded' AND node_instance_id IS NOT NULL AND operation LIKE '%%work'"
    ):
        succeeded[row.execution_id, row.node_instance_id].append(row.at.timestamp())
    found = operations(story)
    workers = {row.id for row in story.rows("SELECT id FROM executions WHERE workflow_id = 'work'")}
    assert len(found) == INSTANCES * len(workers)
    assert {key: len(times) for key, times in succeeded.items()} == dict.fromkeys(found, 1)
    late = [key for key, notes in found.items() for word, _, at in notes if word == "begin" and at > succeeded[key][0]]
    assert late == []
    states = story.rows("SELECT state, count(*) AS number FROM operations GROUP BY state")
    assert {row.state for row in states} == {"succeeded"}, states


def test_two_hosts_never_work_on_the_same_operation(story: Story) -> None:
    """Only a host that was frozen whole can find out no sooner than when it is thawed: it ends its processes then."""
    overlaps = []
    for key, notes in operations(story).items():
        owner = notes[0][1]
        past: set[int] = set()
        taken = 0.0
        for word, pid, at in notes:
            if word == "begin" and pid != owner:
                past.add(owner)
                owner, taken = pid, at
            elif pid in past:
                overlaps.append((key, pid, at - taken))
    zombies = defaultdict(list)
    for _, pid, after in overlaps:
        zombies[pid].append(after)
    assert all(len(times) <= DYING_PULSES for times in zombies.values()), overlaps


def test_each_fault_is_recovered_from_in_time(story: Story) -> None:
    assert len(story.recoveries) >= 8
    slow = [item for item in story.recoveries if item.seconds > item.bound * story.slowness]
    assert slow == [], story.slowness


def test_nobody_met_a_traceback(story: Story) -> None:
    """A database that is away is told in one line, by every process."""
    assert len(story.outputs) >= 9
    assert {name: text for name, text in story.outputs.items() if "Traceback" in text} == {}
    assert any("database_awaited" in text for text in story.outputs.values())


def test_the_table_of_recovery_times_is_written(story: Story, tmp_path: Path) -> None:
    target = Path(os.environ.get("RELIABILITY_PAGE") or tmp_path / "reliability.md")
    target.write_text(page(story.recoveries, lease_seconds=LEASE_SECONDS))
    lines = target.read_text().splitlines()
    assert sum(line.startswith("| ") for line in lines) == len(story.recoveries) + 2, "and the head"
