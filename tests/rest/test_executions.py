"""Executions over REST, on both databases (REST contract §8, §9)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from manager_core.access.caller import system_caller
from manager_core.bootstrap import Core
from manager_core.deployments.tables import Deployment, InterDeploymentDependency
from manager_core.executions.firing import Firing
from manager_core.executions.tables import Execution
from manager_core.nodes.tables import NodeInstance
from tests.support.clock import FakeClock
from tests.support.rows import WORKFLOW, a_deployment, an_execution

ADMIN = system_caller("default_tenant")


@pytest.fixture
def api(core: Core, client: TestClient) -> Iterator[TestClient]:
    """A client of a manager that has the deployments `dep` and `other`."""
    a_deployment(core)
    a_deployment(core, "other")
    yield client


def start(api: TestClient, deployment: str = "dep", workflow: str = "backup", **fields: Any) -> Any:
    return api.post("/executions", json={"deployment_id": deployment, "workflow_id": workflow, **fields})


def act(api: TestClient, execution_id: str, action: str) -> Any:
    return api.post(f"/executions/{execution_id}", json={"action": action})


def get(api: TestClient, execution_id: str) -> Any:
    return api.get(f"/executions/{execution_id}").json()


def put_status(api: TestClient, execution_id: str, status: str, error: str | None = None) -> Any:
    return api.patch(f"/executions/{execution_id}", json={"status": status, "error": error})


def with_workflow(core: Core, deployment: str = "dep", **more: Any) -> None:
    """Give a deployment the workflow `special` with these declarations."""
    with core.store.write() as session:
        row = session.query(Deployment).filter_by(id=deployment).one()  # type: ignore[deprecated]
        row.workflows = {**(row.workflows or {}), "special": {**WORKFLOW, **more}}
        session.add(row)


def test_a_start_is_pending_and_reads_back_with_every_field(api: TestClient) -> None:
    answer = start(api, wait_after_fail=5)
    assert answer.status_code == 201
    body = answer.json()
    assert body == get(api, body["id"])
    assert body["status"] == body["status_display"] == "pending"
    assert (body["deployment_id"], body["deployment_display_name"]) == ("dep", "dep")
    assert (body["workflow_id"], body["blueprint_id"], body["created_by"]) == ("backup", "bp", "admin")
    assert (body["error"], body["started_at"], body["ended_at"], body["scheduled_for"]) == (None, None, None, None)
    assert (body["total_operations"], body["finished_operations"], body["resume"]) == (0, 0, False)
    assert "token_hash" not in body


def test_the_text_booleans_of_cfy_are_read(api: TestClient) -> None:
    body = start(api, dry_run="true", queue="False", force="false", allow_custom_parameters="True", parameters={"x": 1})
    assert body.status_code == 201
    assert (body.json()["is_dry_run"], body.json()["parameters"]) == (True, {"x": 1})
    wrong = start(api, force="maybe")
    assert (wrong.status_code, wrong.json()["message"]) == (400, "force must be <true/false>, got maybe")


@pytest.mark.parametrize(
    ("fields", "status", "code", "text"),
    [
        ({"deployment": "nope"}, 404, "not_found_error", "Requested `Deployment` with ID `nope` was not found"),
        ({"workflow": "nope"}, 400, "nonexistent_workflow_error", "Workflow nope does not exist in the deployment dep"),
        ({"parameters": [1]}, 400, "bad_parameters_error", "must be a dict but is of type list"),
        ({"parameters": {"y": 1, "x": 2}}, 400, "illegal_execution_parameters_error", "declared: x,y. Remove"),
        ({"force_status": "odd"}, 400, "bad_parameters_error", 'invalid state "odd"'),
        ({"force_status": "failed", "scheduled_time": "x"}, 400, "bad_parameters_error", "cannot be forced when"),
        ({"scheduled_time": "2040-01-01 10:00"}, 400, "bad_parameters_error", "missing timezone information"),
        ({"scheduled_time": "200001012230+0000"}, 400, "bad_parameters_error", "has already passed"),
    ],
)  # fmt: skip
def test_a_refused_start_says_why_and_leaves_no_row(
    api: TestClient, fields: dict[str, Any], status: int, code: str, text: str
) -> None:
    answer = start(api, **fields)
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)
    assert text in answer.json()["message"]
    assert api.get("/executions").json()["items"] == []


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({}, 'Workflow "special" must be provided with the following parameters to execute: n'),
        ({"n": "many"}, 'Parameter "n" must be of type integer'),
        ({"n": 1}, 'Parameter "n" does not meet its constraints: '),
        ({"n": 5, "x": 1}, 'Workflow "special" does not have the following parameters declared: x.'),
    ],
)
def test_parameters_that_do_not_fit_are_refused_before_anything_runs(
    api: TestClient, core: Core, parameters: dict[str, Any], text: str
) -> None:
    declared = {"type": "integer", "constraints": [{"greater_than": 3}]}
    with_workflow(core, parameters={"n": declared, "d": {"default": {"a": 1, "b": 2}}})
    refused = start(api, workflow="special", parameters=parameters)
    assert (refused.status_code, refused.json()["error_code"]) == (400, "illegal_execution_parameters_error")
    assert refused.json()["message"].startswith(text)
    assert api.get("/executions").json()["items"] == []
    fitting = start(api, workflow="special", parameters={"n": "5", "d": {"a": 3}})
    assert fitting.json()["parameters"] == {"n": 5, "d": {"a": 3}}


def test_a_start_for_a_time_makes_a_schedule_and_no_execution(api: TestClient) -> None:
    answer = start(api, scheduled_time="2040-01-01T10:00+02:00", parameters={"any": "thing"})
    assert answer.status_code == 201
    assert answer.json()["status"] == "scheduled"
    assert api.get("/executions").json()["items"] == []
    (schedule,) = api.get("/execution-schedules").json()["items"]
    assert schedule["next_occurrence"] == "2040-01-01T08:00:00.000Z"
    assert schedule["id"].startswith("backup_")


@pytest.mark.parametrize(
    ("status", "code", "text"),
    [
        ("pending", "deployment_environment_creation_pending_error", "still pending"),
        ("started", "deployment_environment_creation_in_progress_error", "still in progress"),
        ("failed", "deployment_creation_error", "has failed: the end"),
        ("cancelled", "deployment_creation_error", "has been cancelled [status=cancelled]"),
        ("queued", "deployment_creation_error", "Unexpected deployment status for deployment dep [status=queued]"),
        ("terminated", None, ""),
    ],
)
def test_nothing_starts_before_the_environment_is_there(
    api: TestClient, core: Core, status: str, code: str | None, text: str
) -> None:
    key = an_execution(core, workflow_id="create_deployment_environment", status=status, error="a\nthe end")
    with core.store.write() as session:
        row = session.query(Deployment).filter_by(id="dep").one()  # type: ignore[deprecated]
        row.create_execution = key
        session.add(row)
    answer = start(api)
    if code is None:
        assert answer.status_code == 201
    else:
        assert (answer.status_code, answer.json()["error_code"]) == (400, code)
        assert text in answer.json()["message"]


def test_a_busy_deployment_refuses_queues_or_is_forced(api: TestClient, core: Core) -> None:
    first = start(api).json()
    refused = start(api)
    assert (refused.status_code, refused.json()["error_code"]) == (400, "existing_running_execution_error")
    named = f"<Execution id=`{first['id']}` tenant=`default_tenant` status=`pending` workflow_id=`backup`>"
    assert named in refused.json()["message"]
    assert start(api, queue=True).json()["status"] == "queued"
    assert start(api, force=True).json()["status"] == "pending"
    assert start(api, "other").json()["status"] == "pending"


def test_the_queue_of_a_deployment_moves_one_by_one_when_executions_end(api: TestClient) -> None:
    first, second, third = (start(api, queue=True).json()["id"] for _ in range(3))
    assert [get(api, key)["status"] for key in (first, second, third)] == ["pending", "queued", "queued"]
    put_status(api, first, "terminated")
    assert [get(api, key)["status"] for key in (second, third)] == ["pending", "queued"]
    put_status(api, second, "failed", "x")
    assert get(api, third)["status"] == "pending"


def test_a_system_wide_execution_waits_alone_and_holds_back_newcomers(api: TestClient, core: Core) -> None:
    running = start(api).json()["id"]
    with core.store.write() as session:
        waiting = core.executions.start_system_in(session, ADMIN, "create_snapshot", is_system_workflow=True).id
    assert get(api, waiting)["status"] == "queued"
    refused = start(api, "other", force=True)
    assert (refused.status_code, refused.json()["error_code"]) == (400, "existing_running_execution_error")
    behind = start(api, "other", queue=True).json()["id"]
    assert get(api, behind)["status"] == "queued"
    put_status(api, running, "terminated")
    assert [get(api, key)["status"] for key in (waiting, behind)] == ["pending", "queued"]
    put_status(api, waiting, "terminated")
    assert get(api, behind)["status"] == "pending"


def test_a_blocking_snapshot_without_queue_is_refused_and_leaves_nothing(api: TestClient, core: Core) -> None:
    start(api)
    with pytest.raises(Exception, match="You cannot start a system-wide execution"), core.store.write() as session:
        core.executions.start_system_in(session, ADMIN, "create_snapshot", is_system_workflow=True, queue=False)
    assert len(api.get("/executions?_include_system_workflows=True").json()["items"]) == 1


def test_dequeuing_rests_in_maintenance_mode_and_goes_on_after_it(api: TestClient, core: Core) -> None:
    first = start(api).json()["id"]
    second = start(api, queue=True).json()["id"]
    api.post("/maintenance/activate")
    put_status(api, first, "terminated")
    assert core.executions.dequeue() == 0
    with core.store.read() as session:
        assert core.executions.found(session, second).status == "queued"
    api.post("/maintenance/deactivate")
    assert get(api, second)["status"] == "pending"


def test_an_environment_is_made_before_whatever_waits_for_it(api: TestClient, core: Core, clock: FakeClock) -> None:
    """Also when it came into the queue later: otherwise each of the two would wait for the other."""
    first = start(api).json()["id"]
    second = start(api, queue=True).json()["id"]
    clock.advance(1)
    made = an_execution(core, workflow_id="create_deployment_environment", status="queued", is_system_workflow=True)
    put_status(api, first, "terminated")
    with core.store.read() as session:
        assert core.executions.found(session, made).status == "pending"
        assert core.executions.found(session, second).status == "queued"
    put_status(api, made, "terminated")
    assert get(api, second)["status"] == "pending"


def test_what_cannot_start_any_more_fails_in_the_queue_and_lets_the_next_start(api: TestClient, core: Core) -> None:
    with_workflow(core, parameters={"n": {"type": "integer"}})
    first = start(api).json()["id"]
    second = start(api, workflow="special", parameters={"n": "5"}, queue=True).json()["id"]
    third = start(api, queue=True).json()["id"]
    assert get(api, second)["parameters"] == {"n": 5}
    with_workflow(core, parameters={"other": {}})
    put_status(api, first, "terminated")
    failed = get(api, second)
    assert failed["status"] == "failed"
    assert failed["error"].startswith('Error dequeueing execution: Workflow "special" does not have the following')
    assert get(api, third)["status"] == "pending"


def test_an_unavailable_workflow_is_refused_and_kept_as_failed_but_for_force(api: TestClient, core: Core) -> None:
    with_workflow(core, availability_rules={"node_instances_active": ["all"]})
    with core.store.write() as session:
        session.add(
            NodeInstance(
                id="n_1", node_id="n", deployment_id="dep", state="stopped", tenant_name="default_tenant",
                created_by="admin", created_at=core.clock.now(),
            )
        )  # fmt: skip
    refused = start(api, workflow="special")
    assert (refused.status_code, refused.json()["error_code"]) == (400, "unavailable_workflow_error")
    (kept,) = api.get("/executions").json()["items"]
    assert (kept["status"], kept["error"]) == ("failed", "Workflow not available: special")
    assert start(api, workflow="special", force=True).json()["status"] == "pending"


def test_a_deployment_that_others_need_is_not_stopped_but_for_force(api: TestClient, core: Core) -> None:
    a_deployment(core, "base", workflows=("stop",))
    with core.store.write() as session:
        session.add(
            InterDeploymentDependency(
                tenant_name="default_tenant", deployment_id="other", dependency_creator="component.node",
                target_deployment="base", created_at=core.clock.now(),
            )
        )  # fmt: skip
    refused = start(api, "base", "stop")
    assert (refused.status_code, refused.json()["error_code"]) == (400, "dependent_exists_error")
    assert refused.json()["message"].startswith(
        "Can't execute workflow `stop` on deployment base - existing installations depend on it:\n[1] "
    )
    (kept,) = api.get("/executions").json()["items"]
    assert kept["error"].startswith("Error preparing execution: Can't execute")
    assert start(api, "base", "stop", force=True).status_code == 201


@pytest.mark.parametrize(
    ("action", "status"),
    [("cancel", "cancelling"), ("force-cancel", "force_cancelling"), ("kill", "kill_cancelling")],
)
@pytest.mark.parametrize("queued", [True, False])
def test_what_no_process_has_shows_the_cancel_and_is_cancelled_at_once(
    api: TestClient, action: str, status: str, queued: bool
) -> None:
    start(api)
    key = start(api, queue=True).json()["id"] if queued else start(api, "other").json()["id"]
    answer = act(api, key, action)
    assert (answer.status_code, answer.json()["status"]) == (200, status)
    assert get(api, key)["status"] == "cancelled"
    assert get(api, key)["error"] == ""


def test_a_running_execution_stays_cancelling_until_its_process_ends(api: TestClient, core: Core) -> None:
    key = an_execution(core, status="started", worker_id="w", lease_until=core.clock.now().replace(year=2100))
    assert act(api, key, "cancel").json()["status"] == "cancelling"
    again = act(api, key, "cancel")
    assert (again.status_code, again.json()["error_code"]) == (400, "illegal_action_error")
    assert again.json()["message"] == f"Can't cancel execution {key} because it's in status cancelling"
    assert act(api, key, "force-cancel").json()["status"] == "force_cancelling"
    assert act(api, key, "kill").json()["status"] == "kill_cancelling"
    assert get(api, key)["status"] == "kill_cancelling"


@pytest.mark.parametrize("status", ["terminated", "failed", "cancelled"])
def test_what_has_ended_cannot_be_cancelled_but_killed(api: TestClient, core: Core, status: str) -> None:
    key = an_execution(core, status=status, error="why", ended_at=core.clock.now())
    for action, verb in (("cancel", "cancel"), ("force-cancel", "force-cancel")):
        refused = act(api, key, action)
        assert (refused.status_code, refused.json()["error_code"]) == (400, "illegal_action_error")
        assert refused.json()["message"] == f"Can't {verb} execution {key} because it's in status {status}"
    assert (get(api, key)["status"], get(api, key)["error"]) == (status, "why")
    assert act(api, key, "kill").json()["status"] == "kill_cancelling"
    assert (get(api, key)["status"], get(api, key)["error"]) == ("cancelled", "")


def test_unknown_actions_and_executions_are_told_apart(api: TestClient) -> None:
    unknown = act(api, "nope", "cancel")
    assert (unknown.status_code, unknown.json()["message"]) == (404, "Requested `Execution` ['nope'] was not found")
    wrong = act(api, "nope", "stop")
    assert wrong.json()["message"] == (
        "Invalid action: stop, Valid action values are: "
        "['cancel', 'force-cancel', 'kill', 'resume', 'force-resume', 'requeue']"
    )


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_resuming_makes_it_pending_again_whatever_waits(api: TestClient, core: Core, status: str) -> None:
    start(api)
    key = an_execution(core, status=status, error="x", ended_at=core.clock.now())
    answer = act(api, key, "resume")
    assert (answer.status_code, answer.json()["status"]) == (200, "pending")
    assert (answer.json()["resume"], answer.json()["ended_at"], answer.json()["error"]) == (True, None, "")


def test_only_what_can_be_resumed_is_resumed(api: TestClient, core: Core) -> None:
    done = an_execution(core, status="terminated")
    refused = act(api, done, "resume")
    assert (refused.status_code, refused.json()["error_code"]) == (409, "conflict_error")
    assert refused.json()["message"] == f"Cannot resume execution: `{done}` in state: `terminated`"
    held = an_execution(core, status="started", worker_id="w", lease_until=core.clock.now().replace(year=2100))
    assert act(api, held, "resume").status_code == 409
    assert act(api, held, "force-resume").json()["message"] == (
        f"Cannot force-resume execution: `{held}` in state: `started`"
    )
    stuck = an_execution(core, status="started", worker_id="w", lease_until=core.clock.now())
    assert act(api, stuck, "resume").json()["status"] == "pending"


@pytest.mark.parametrize(
    ("before", "after", "legal"),
    [
        ("pending", "started", True), ("started", "terminated", True), ("terminated", "terminated", True),
        ("terminated", "started", False), ("failed", "cancelled", False), ("cancelling", "started", False),
        ("cancelling", "terminated", False), ("cancelling", "failed", True), ("force_cancelling", "cancelling", False),
        ("force_cancelling", "cancelled", True), ("kill_cancelling", "started", True),
    ],
)  # fmt: skip
def test_a_status_changes_only_as_the_table_says(
    api: TestClient, core: Core, before: str, after: str, legal: bool
) -> None:
    key = an_execution(core, status=before)
    answer = put_status(api, key, after)
    assert answer.status_code == (200 if legal else 400)
    if not legal:
        assert answer.json()["error_code"] == "invalid_exception_status_update"
        assert answer.json()["message"] == (
            f"Invalid relationship - can't change status from {before} to {after} "
            f'for "{key}" execution while running "backup" workflow.'
        )
    assert get(api, key)["status"] == (after if legal else before)


def test_status_changes_leave_their_times_and_their_error(api: TestClient) -> None:
    key = start(api).json()["id"]
    assert put_status(api, key, "started").json()["started_at"] is not None
    ended = put_status(api, key, "failed", "why").json()
    assert (ended["error"], ended["status_display"]) == ("why", "failed")
    assert ended["ended_at"] is not None


def test_system_wide_executions_are_listed_only_when_asked_for(api: TestClient, core: Core) -> None:
    an_execution(core, deployment_id=None, workflow_id="create_snapshot", is_system_workflow=True)
    upload = an_execution(core, deployment_id=None, workflow_id="upload_blueprint")
    assert [item["id"] for item in api.get("/executions").json()["items"]] == [upload]
    assert len(api.get("/executions?_include_system_workflows=True").json()["items"]) == 2
    assert len(api.get("/executions?is_system_workflow=true").json()["items"]) == 1


def test_lists_filter_by_the_status_that_is_shown(api: TestClient, core: Core) -> None:
    an_execution(core, status="terminated")
    an_execution(core, status="failed")
    page = api.get("/executions?status_display=completed&_include=id,status_display").json()
    assert [item["status_display"] for item in page["items"]] == ["completed"]
    assert page["metadata"]["pagination"] == {"total": 1, "size": 1000, "offset": 0}


def test_deleting_takes_ended_ones_only_and_keeps_the_environment(api: TestClient, core: Core) -> None:
    kept = {
        an_execution(core, workflow_id="create_deployment_environment"),
        an_execution(core, status="started"),
    }
    ended = [an_execution(core) for _ in range(4)]
    answer = api.request("DELETE", "/executions", json={"keep_last": 1})
    assert answer.json() == {"items": [{"count": 3}], "metadata": {"pagination": {}}}
    left = {item["id"] for item in api.get("/executions").json()["items"]}
    assert left == {*kept, ended[-1]}
    assert api.request("DELETE", "/executions", json={"to_datetime": "2040-01-01"}).json()["items"] == [{"count": 1}]


@pytest.mark.parametrize(
    ("body", "query", "text"),
    [
        ({"keep_last": 0}, "", "`keep_last` must be an integer greater than 0. got 0 instead."),
        ({"keep_last": 1, "to_datetime": "2020-01-01"}, "", "Must provide either a `to_datetime` timestamp"),
        ({"to_datetime": "yesterday"}, "", "yesterday is not a legal time format"),
        ({"keep_last": 1}, "?status=started", "Can't filter by execution status `started`. Allowed statuses are:"),
    ],
)
def test_a_wrong_deletion_is_refused(api: TestClient, body: dict[str, Any], query: str, text: str) -> None:
    answer = api.request("DELETE", f"/executions{query}", json=body)
    assert answer.status_code == 400
    assert answer.json()["message"].startswith(text)


def test_should_start_tells_what_the_queue_would_do(api: TestClient) -> None:
    first = start(api).json()["id"]
    second = start(api, queue=True).json()["id"]
    assert api.get(f"/executions/{first}/should-start").json() is True
    assert api.get(f"/executions/{second}/should-start").json() is False


def firing(deployment: str, workflow: str = "backup", **more: Any) -> Firing:
    from tests.support.clock import START

    return Firing("default_tenant", deployment, workflow, "admin", START, 7, "nightly", **more)


def test_firing_creates_many_in_one_go_and_each_fails_alone(api: TestClient, core: Core) -> None:
    start(api, "other")
    batch = [
        firing("dep"), firing("dep"), firing("other"), firing("gone"), firing("dep", "gone"),
        firing("dep", parameters={"x": 1}), firing("dep", parallel=True),
    ]  # fmt: skip
    with core.store.write() as session:
        results = core.executions.fire_in(session, batch)
    assert [result.status for result in results] == ["pending", "queued", "queued", None, None, None, "pending"]
    assert [result.error.code if result.error else None for result in results] == [
        None, None, None, "not_found_error", "nonexistent_workflow_error", "illegal_execution_parameters_error", None,
    ]  # fmt: skip
    with core.store.read() as session:
        row = core.executions.found(session, results[0].execution_id or "")
        assert (row.schedule_storage_id, row.schedule_id, row.occurrence) == (7, "nightly", row.scheduled_for)
    assert len(api.get("/executions").json()["items"]) == 5


def test_firing_waits_behind_a_system_wide_execution(api: TestClient, core: Core) -> None:
    an_execution(core, deployment_id=None, workflow_id="create_snapshot", is_system_workflow=True, status="started")
    with core.store.write() as session:
        (result,) = core.executions.fire_in(session, [firing("dep", parallel=True)])
    assert result.status == "queued"


def test_a_cancelled_execution_may_not_start_others(api: TestClient, core: Core) -> None:
    from dataclasses import replace

    key = an_execution(core, status="cancelling", worker_id="w")
    with pytest.raises(Exception, match="may not start others") as caught:
        core.executions.start(replace(ADMIN, execution_id=key), deployment_id="other", workflow_id="backup")
    assert caught.value.code == "forbidden_while_cancelling"  # type: ignore[attr-defined]


def test_the_end_of_a_deletion_takes_the_deployment_and_its_executions_along(api: TestClient, core: Core) -> None:
    key = an_execution(core, workflow_id="delete_deployment_environment", status="started")
    an_execution(core)
    put_status(api, key, "terminated")
    gone = api.get(f"/executions/{key}")
    assert (gone.status_code, "not found" in gone.json()["message"]) == (404, True)
    with core.store.read() as session:
        assert session.query(Execution).filter_by(deployment_id="dep").count() == 0  # type: ignore[deprecated]
