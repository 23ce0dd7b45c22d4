"""The worker with real processes on both databases: starts, events, ends, cancels, the queue."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from manager_core.bootstrap import Core, build
from manager_core.runtime.worker import Worker
from tests.conftest import BOTH
from tests.support.databases import PostgresTemplate, SqliteTemplate, test_settings
from tests.support.running import (
    ADMIN,
    a_running_deployment,
    a_worker,
    ended,
    event_types,
    events,
    let_go,
    lines,
    one_is_in_time,
    start,
    status,
    until,
)


@pytest.fixture(scope="module", params=BOTH)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Core, Worker]]:
    """A Core on a real clock with a worker and the deployments `dep` and `other`; one for all tests of this file."""
    data_dir = tmp_path_factory.mktemp("running") / "data"
    url = name = template = None
    if request.param == "sqlite":
        sqlite: SqliteTemplate = request.getfixturevalue("sqlite_template")
        sqlite.copy_into(data_dir)
    else:
        template = request.getfixturevalue("postgres_template")
        assert isinstance(template, PostgresTemplate)
        name, url = template.clone()
    core = build(test_settings(data_dir, database_url=url))
    try:
        a_running_deployment(core)
        a_running_deployment(core, "other", instances=3)
        with a_worker(core) as worker:
            yield core, worker
    finally:
        core.close()
        if template is not None:
            template.drop(name)


@pytest.fixture
def core(running: tuple[Core, Worker]) -> Core:
    """The Core whose worker runs."""
    return running[0]


def test_a_workflow_runs_its_operation_and_leaves_its_events_in_order(core: Core) -> None:
    key = start(core, "each", "other")
    execution = ended(core, key)
    assert (execution.status, execution.error) == ("terminated", "")
    assert execution.started_at is not None
    assert execution.ended_at is not None
    assert event_types(core, key) == [
        "workflow_started", *["sending_task", "task_succeeded"] * 3, "workflow_succeeded",
    ]  # fmt: skip
    messages = [item["message"] for item in events(core, key)]
    assert messages[0] == "Starting 'each' workflow execution"
    assert messages[-1] == "'each' workflow execution succeeded"


def test_the_lease_is_given_back_and_the_token_changes_with_every_run(core: Core) -> None:
    key = start(core, "boom")
    first = ended(core, key)
    assert (first.worker_id, first.lease_until) == (None, None)
    core.executions.act(ADMIN, key, "resume")
    second = ended(core, key)
    assert second.attempt > first.attempt
    assert second.token_hash not in (None, first.token_hash)


def test_an_error_of_the_author_is_the_error_of_the_execution_without_our_frames(core: Core) -> None:
    key = start(core, "boom")
    execution = ended(core, key)
    assert execution.status == "failed"
    assert execution.error is not None
    assert execution.error.rstrip().endswith("ValueError: boom")
    assert "my_plugin.py" in execution.error
    assert "execution_process.py" not in execution.error
    assert event_types(core, key) == ["workflow_started", "workflow_failed"]


@pytest.mark.parametrize(
    ("workflow", "text"),
    [
        ("die", "ended with exit code 7"),
        ("segfault", "signal SIGSEGV"),
        ("leave", "SystemExit: 3"),
        ("odd", "odd"),
        ("strange", "nul \ufffd and surrogate \\udc80"),
        ("missing", "my_plugin has no function named 'missing'"),
    ],
)
def test_whatever_a_workflow_does_to_its_process_ends_in_a_clear_failure(core: Core, workflow: str, text: str) -> None:
    key = start(core, workflow)
    execution = ended(core, key)
    assert execution.status == "failed"
    assert text in (execution.error or "")
    assert event_types(core, key)[-1] == "workflow_failed"
    assert ended(core, start(core, "each")).status == "terminated", "the worker is well afterwards"


def test_logs_are_stored_in_order_and_all_before_the_end(core: Core) -> None:
    key = start(core, "loud")
    ended(core, key)
    logged = [item for item in events(core, key) if item["type"] == "cloudify_log"]
    assert [item["message"] for item in logged] == [f"line {number}" for number in range(300)]
    assert {item["level"] for item in logged} == {"info"}


def test_a_dry_run_runs_no_operation_and_says_so(core: Core, tmp_path: Path) -> None:
    key = start(core, "graph", dry_run=True, parameters={"operation": "op.work", "path": str(tmp_path / "log")})
    assert ended(core, key).status == "terminated"
    assert lines(tmp_path / "log") == []
    messages = [item["message"] for item in events(core, key)]
    assert messages[0] == "Starting 'graph' workflow execution (dry run)"
    assert messages[-1] == "'graph' workflow execution succeeded (dry run)"


def test_a_cancelled_workflow_that_heeds_it_ends_cancelled(core: Core) -> None:
    key = start(core, "slow")
    until(core, lambda: "workflow_started" in event_types(core, key))
    assert core.executions.act(ADMIN, key, "cancel")["status"] == "cancelling"
    execution = ended(core, key)
    assert (execution.status, execution.error) == ("cancelled", "")
    assert event_types(core, key) == ["workflow_started", "workflow_cancelled"]


def test_a_workflow_that_ignores_a_cancel_and_returns_is_terminated(core: Core, tmp_path: Path) -> None:
    key = start(core, "deaf", parameters={"until": str(tmp_path / "go")})
    until(core, lambda: "workflow_started" in event_types(core, key))
    core.executions.act(ADMIN, key, "cancel")
    (tmp_path / "go").touch()
    assert ended(core, key).status == "terminated"


@pytest.mark.parametrize("action", ["force-cancel", "kill"])
def test_what_does_not_heed_a_cancel_is_cancelled_by_force_or_killed(core: Core, action: str) -> None:
    key = start(core, "deaf")
    until(core, lambda: "workflow_started" in event_types(core, key))
    core.executions.act(ADMIN, key, action)
    assert ended(core, key).status == "cancelled"
    assert event_types(core, key)[-1] == "workflow_cancelled"


def test_an_operation_that_runs_at_the_cancel_ends_and_its_result_is_used_by_the_resume(
    core: Core, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    parameters = {"operation": "op.work", "path": str(log), "held": 0}
    key = start(core, "graph", parameters=parameters)
    until(core, lambda: "begin node_dep_000" in lines(log))
    core.executions.act(ADMIN, key, "cancel")
    assert ended(core, key).status == "cancelled"
    assert lines(log) == ["begin node_dep_000"]
    core.executions.act(ADMIN, key, "resume")
    until(core, lambda: status(core, key) != "cancelled")
    let_go(log)
    assert ended(core, key).status == "terminated"
    assert lines(log) == ["begin node_dep_000", "end node_dep_000"]
    assert event_types(core, key).count("workflow_cancelled") == 1
    assert "Resuming 'graph' workflow execution" in [item["message"] for item in events(core, key)]


def test_a_force_resume_runs_the_operation_again_without_waiting_for_it(core: Core, tmp_path: Path) -> None:
    log = tmp_path / "log"
    key = start(core, "graph", parameters={"operation": "op.work", "path": str(log), "held": 0})
    until(core, lambda: "begin node_dep_000" in lines(log))
    core.executions.act(ADMIN, key, "cancel")
    assert ended(core, key).status == "cancelled"
    core.executions.act(ADMIN, key, "force-resume")
    until(core, lambda: lines(log).count("begin node_dep_000") == 2)
    let_go(log)
    assert ended(core, key).status == "terminated"
    assert lines(log).count("begin node_dep_000") == 2


def test_a_queued_execution_starts_within_a_second_of_the_end_of_the_other(core: Core) -> None:
    def waited() -> float:
        first = start(core, "slow")
        second = start(core, "each", queue=True)
        assert status(core, second) == "queued"
        core.executions.act(ADMIN, first, "cancel")
        one, two = ended(core, first), ended(core, second)
        assert two.status == "terminated"
        assert one.ended_at is not None
        assert two.started_at is not None
        return (two.started_at - one.ended_at).total_seconds()

    assert one_is_in_time(1, waited)


def test_stored_operations_are_counted(core: Core) -> None:
    execution = ended(core, start(core, "graph", "other"))
    assert (execution.total_operations, execution.finished_operations) == (3, 3)


def test_a_start_of_another_process_is_noticed(core: Core) -> None:
    other = build(core.settings)  # its wake-ups reach no worker of this one
    try:
        key = start(other, "each")
        assert ended(core, key).status == "terminated"
    finally:
        other.close()
