"""Every `cfy executions` and `cfy events` command (REST contract §22.1)."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support.life import DATA, deploy_life, execution_in, needs_cfy, until
from tests.support.processes import Manager
from tests.support.warm_cfy import WarmCfy

pytestmark = needs_cfy

END = ("terminated", "failed", "cancelled")


@pytest.fixture(scope="module")
def life(cfy: WarmCfy) -> str:
    return deploy_life(cfy)


@pytest.fixture(scope="module")
def stumbling(cfy: WarmCfy) -> str:
    """A deployment whose operation fails until a runtime property says otherwise."""
    cfy("blueprints", "upload", str(DATA / "stumbling" / "blueprint.yaml"), "-b", "stumbling")
    cfy("deployments", "create", "stumbling", "-b", "stumbling")
    return "stumbling"


def newest(manager: Manager, deployment_id: str) -> str:
    """Return the id of the execution that was made last."""
    page = manager.get(f"/executions?deployment_id={deployment_id}&_sort=-created_at&_size=1&_include=id")
    return str(page["items"][0]["id"])


def begun(cfy: WarmCfy, manager: Manager) -> str:
    """Start the long operation and leave it running; return its execution."""
    start = ("executions", "start", "execute_operation", "-d", "life", "-p", "operation=greeting.slow")
    cfy(*start, "--timeout", "1", ok=False)
    started = newest(manager, "life")
    execution_in(manager, started, "started")
    return started


def test_an_execution_is_started_followed_listed_and_shown(cfy: WarmCfy, manager: Manager, life: str) -> None:
    cfy("deployments", "create", "shown", "-b", life, "-i", "name=Ada")
    start = ("executions", "start", "execute_operation", "-d", "shown", "-p", "operation=greeting.greet")
    said = cfy(*start, "--include-logs")
    assert "INFO: Hello, Ada!" in said
    assert "Finished executing workflow execute_operation on deployment shown" in said
    events = [json.loads(line) for line in cfy(*start, "--json").splitlines()]
    assert {event["type"] for event in events} == {"cloudify_event", "cloudify_log"}
    assert events[-1]["event_type"] == "workflow_succeeded"
    extra = ("--allow-custom-parameters", "-p", "more=1", "-f", "--wait-after-fail", "5", "--dry-run")
    assert "(dry run)" in cfy(*start, *extra)
    assert "Workflow nothing does not exist" in cfy("executions", "start", "nothing", "-d", "shown", ok=False)
    said = cfy("executions", "list", "-d", "shown")
    assert "Showing 4 of 4 executions" in said and "completed" in said
    rows = cfy.json("executions", "list", "-d", "shown", "--sort-by", "created_at", "--descending")
    assert (rows[0]["status"], rows[0]["is_dry_run"]) == ("completed", True)
    assert "upload_blueprint" in {row["workflow_id"] for row in cfy.json("executions", "list", "-a")}
    cfy("executions", "list", "--include-system-workflows", "-o", "1", "-s", "1")
    assert "more" in cfy("executions", "get", rows[0]["id"])
    found = cfy.json("executions", "get", rows[0]["id"])
    assert found["parameters"]["more"] == "1"
    assert "not found" in cfy("executions", "get", "nothing", ok=False)
    rows = cfy.json("executions", "summary", "status")
    assert "terminated" in {row["status"] for row in rows}
    assert "execute_operation" in cfy("executions", "summary", "deployment_id", "workflow_id")


def test_events_and_logs_are_lines_of_time_deployment_place_and_text(
    cfy: WarmCfy, manager: Manager, life: str, stumbling: str
) -> None:
    cfy("executions", "start", "execute_operation", "-d", life, "-p", "operation=greeting.greet")
    said = cfy("events", "list", newest(manager, life)).splitlines()
    lines = [line for line in said if " <life> " in line]
    moment = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}  "
    place = r"\[greeter_\w+\.greet\] "
    for expected in (
        moment + r"CFY <life> Starting 'execute_operation' workflow execution",
        moment + r"CFY <life> \[greeter_\w+\] Starting operation greeting\.greet",
        moment + r"CFY <life> " + place + r"Sending task 'script_runner\.tasks\.run'",
        moment + r"CFY <life> " + place + r"Task started 'script_runner\.tasks\.run'",
        moment + r"LOG <life> " + place + r"INFO: Hello, Ada!",
        moment + r"CFY <life> 'execute_operation' workflow execution succeeded",
    ):
        assert [line for line in lines if re.fullmatch(expected, line)], f"{expected} is not in\n" + "\n".join(lines)
    assert all(re.match(moment + "(CFY|LOG) <life> ", line) for line in lines)
    step = ("executions", "start", "execute_operation", "-d", stumbling, "-p", "operation=walk.step")
    (instance,) = [row["id"] for row in cfy.json("node-instances", "list", "-d", stumbling)]
    cfy("node-instances", "update-runtime", instance, "-p", "mode=fail")
    failed = cfy(*step, ok=False).splitlines()
    (at,) = [number for number, line in enumerate(failed) if "Task failed 'script_runner.tasks.run' -> " in line]
    assert "ProcessException: command: " in failed[at + 1], "the traceback of the cause follows on a line of its own"
    assert f"Execution of workflow execute_operation for deployment {stumbling} failed. [error=" in "\n".join(failed)


def test_a_start_can_be_scheduled_for_once(cfy: WarmCfy, life: str) -> None:
    start = ("executions", "start", "execute_operation", "-d", life, "-p", "operation=greeting.greet", "--schedule")
    assert "Execution is scheduled for 203001012230+0000" in cfy(*start, "203001012230+0000")
    assert "has already passed" in cfy(*start, "200101012230+0000", ok=False)
    made = [row["id"] for row in cfy.json("deployments", "schedule", "list", life, "--search", "execute_operation_")]
    assert len(made) == 1
    cfy("deployments", "schedule", "delete", life, made[0])


def test_a_running_execution_is_tailed_queued_behind_and_cancelled_in_three_ways(
    cfy: WarmCfy, manager: Manager, life: str
) -> None:
    running = begun(cfy, manager)
    start = ("executions", "start", "execute_operation", "-d", life, "-p", "operation=greeting.greet")
    assert "currently running" in cfy(*start, ok=False)
    assert "queued" in cfy(*start, "--queue")
    queued = newest(manager, life)
    tail = cfy.beside("events", "list", running, "--tail")
    try:
        tail.wait_for("Starting 'execute_operation' workflow execution")
        assert "A cancel request for execution" in cfy("executions", "cancel", running)
        assert tail.finish() == 0, tail.output
        assert "'execute_operation' workflow execution cancelled" in tail.output
    finally:
        tail.kill_group()
    assert execution_in(manager, running, *END)["status"] == "cancelled"
    assert execution_in(manager, queued, *END)["status"] == "terminated"
    assert "because it's in status" in cfy("executions", "cancel", running, ok=False)
    for way in ("-f", "-k"):
        running = begun(cfy, manager)
        cfy("executions", "cancel", way, running)
        assert execution_in(manager, running, *END)["status"] == "cancelled"


def test_a_failed_and_a_killed_execution_are_resumed(cfy: WarmCfy, manager: Manager, stumbling: str) -> None:
    step = ("executions", "start", "execute_operation", "-d", stumbling, "-p", "operation=walk.step")
    (instance,) = [row["id"] for row in cfy.json("node-instances", "list", "-d", stumbling)]
    cfy("node-instances", "update-runtime", instance, "-p", "mode=fail")
    assert "workflow execution failed" in cfy(*step, ok=False)
    failed = newest(manager, stumbling)
    assert cfy.json("executions", "get", failed)["error"]
    said = cfy("executions", "operations", "list", failed)
    assert "failed" in said
    (graph,) = cfy.json("executions", "graphs", "list", failed)
    assert graph["id"] in cfy("executions", "graphs", "list", failed, "--name", graph["name"])
    rows = cfy.json("executions", "operations", "list", "--graph-id", graph["id"], "--show-internal")
    assert len(rows) > len(cfy.json("executions", "operations", "list", failed, "--state", "failed")) > 0
    assert rows[0]["id"] in cfy("executions", "operations", "get", rows[0]["id"])
    assert cfy.json("executions", "operations", "get", rows[0]["id"])["id"] == rows[0]["id"]
    cfy("node-instances", "update-runtime", instance, "-p", "mode=work")
    assert "Resuming execution" in cfy("executions", "resume", failed)
    assert execution_in(manager, failed, *END)["status"] == "terminated"
    assert "Cannot resume execution" in cfy("executions", "resume", failed, ok=False)

    cfy("node-instances", "update-runtime", instance, "-p", "mode=hang")
    cfy(*step, "--timeout", "1", ok=False)
    killed = newest(manager, stumbling)
    until(lambda: manager.get(f"/operations?execution_id={killed}&state=started&skip_internal=true")["items"])
    cfy("executions", "cancel", "-k", killed)
    execution_in(manager, killed, "cancelled")
    cfy("node-instances", "update-runtime", instance, "-p", "mode=work")
    cfy("executions", "resume", "--reset-operations", killed)
    assert execution_in(manager, killed, *END)["status"] == "terminated"
    assert "Resuming 'execute_operation' workflow execution" in cfy("events", "list", killed)


def test_events_are_listed_by_time_node_and_operation_and_deleted(
    cfy: WarmCfy, manager: Manager, life: str, tmp_path: Path
) -> None:
    cfy("executions", "start", "execute_operation", "-d", life, "-p", "operation=greeting.greet")
    execution = newest(manager, life)
    said = cfy("events", "list", execution, "--from", "2020-01-01", "--to", "2100-01-01")
    assert "Hello, Ada!" in said and "Showing" in said
    assert "Hello, Ada!" not in cfy("events", "list", execution, "--before", "2 days ago")
    rows = [json.loads(line) for line in cfy("events", "list", execution, "--json").splitlines()]
    assert rows[-1]["message"]["text"] == "'execute_operation' workflow execution succeeded"
    assert "Task started" in cfy("events", "list", execution, "--node", "greeter", "--operation", "greeting.greet")
    assert "Task started" not in cfy("events", "list", execution, "--node", "other")
    assert "not found" in cfy("events", "list", "nothing", ok=False)
    assert "No events to delete" in cfy("events", "delete", life, "--include-logs", "--before", "2 days ago")
    kept = tmp_path / "events"
    said = cfy("events", "delete", life, "--store-before", "-o", str(kept))
    assert "Deleted" in said
    assert "Starting 'execute_operation'" in kept.read_text()
    assert "Task started" not in cfy("events", "list", execution)
    assert "not found" in cfy("events", "delete", "nothing", ok=False)


def test_ended_executions_are_deleted(cfy: WarmCfy, life: str) -> None:
    assert "No executions to delete" in cfy("executions", "delete", "--before", "2 days ago")
    assert "No executions to delete" in cfy("executions", "delete", "--keep-last", "100")
    cfy("executions", "start", "execute_operation", "-d", life, "-p", "operation=greeting.greet")
    cfy("executions", "delete", "--keep-last", "1")
    rows = cfy.json("executions", "list", "-a")
    assert "create_deployment_environment" in {row["workflow_id"] for row in rows}
    assert "upload_blueprint" not in {row["workflow_id"] for row in rows}
    cfy("executions", "delete", "--to", "2100-01-01")
    assert {row["workflow_id"] for row in cfy.json("executions", "list", "-a")} == {"create_deployment_environment"}
