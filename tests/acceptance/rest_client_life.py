"""A whole life through the unmodified REST client. Run by the reference environment's Python: URL parts, then folders.

usage: rest_client_life.py HOST PORT PASSWORD BLUEPRINT_FILE
Prints `PASSED n checks` and ends with status 0, or fails with the client's own error.
"""

import sys
import time

from cloudify_rest_client import CloudifyClient
from cloudify_rest_client.exceptions import CloudifyClientError, MaintenanceModeActiveError

HOST, PORT, PASSWORD, BLUEPRINT = sys.argv[1:5]
client = CloudifyClient(
    host=HOST, port=int(PORT), protocol="http", username="admin", password=PASSWORD, tenant="default_tenant"
)
checks = 0


def check(condition, what):
    global checks
    assert condition, what
    checks += 1


def refused(status, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except CloudifyClientError as error:
        check(error.status_code == status, f"{error.status_code} {error} instead of {status}")
        return error
    raise AssertionError(f"{call} was not refused")


def until(true, seconds=180):
    """Ask until the answer is true; return it."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)
    return found


def ended(execution_id):
    def reached():
        execution = client.executions.get(execution_id)
        return execution if execution.status in ("terminated", "failed", "cancelled") else None

    return until(reached)


check(client.manager.get_status()["status"] == "OK", "status")
check(client.manager.get_version()["version"] == "7.0.5", "version")

# blueprint and deployment
blueprint = client.blueprints.upload(BLUEPRINT, "life")
check(blueprint.state == "uploaded", blueprint)
check(refused(409, client.blueprints.upload, BLUEPRINT, "life").error_code == "conflict_error", "taken name")
check(client.blueprints.list()[0].id == "life", "list blueprints")
deployment = client.deployments.create("life", "life", inputs={"name": "Ada"})
check(deployment.inputs == {"name": "Ada"}, deployment)
refused(400, client.deployments.create, "life", "other", inputs={"nothing": 1})
refused(404, client.deployments.get, "other")
check([node.id for node in client.nodes.list(deployment_id="life")] == ["greeter"], "nodes")
check(client.node_instances.list(deployment_id="life")[0].state == "uninitialized", "instances")

# schedules: the blueprint's own, and all that a user does to one
names = [schedule.id for schedule in client.execution_schedules.list(deployment_id="life")]
check(names == ["every-day"], names)
made = client.execution_schedules.create(
    "evening", "life", "execute_operation", since="2030-01-01T18:00:00", recurrence="1 day", weekdays=["mo", "fr"],
    parameters={"operation": "greeting.greet"},
)  # fmt: skip
check(made["next_occurrence"] == "2030-01-04T18:00:00.000Z", made["next_occurrence"])
check(made["rule"] == {"recurrence": "1 day", "count": None, "weekdays": ["MO", "FR"]}, made["rule"])
got = client.execution_schedules.get("evening", "life")
check(len(got["all_next_occurrences"]) == 1000, "all next occurrences")
check(client.execution_schedules.update("evening", "life", enabled=False)["enabled"] is False, "disable")
check(
    client.execution_schedules.update("evening", "life", recurrence="2 weeks")["rule"]["recurrence"] == "2 weeks",
    "edit",
)
refused(400, client.execution_schedules.create, "bad", "life", "install", since="2030-01-01", recurrence="often")
refused(409, client.execution_schedules.create, "evening", "life", "install", since="2030-01-01", count=1)
client.execution_schedules.delete("evening", "life")
refused(404, client.execution_schedules.get, "evening", "life")

# an execution, followed with its events
execution = client.executions.start("life", "install")
execution = ended(execution.id)
check(execution.status == "terminated", f"{execution.status}: {execution.error}")
check(not execution.error, execution.error)
check(client.node_instances.list(deployment_id="life")[0].state == "started", "started")
execution = client.executions.start("life", "execute_operation", parameters={"operation": "greeting.greet"})
execution = ended(execution.id)
check(execution.status == "terminated", f"{execution.status}: {execution.error}")
events = client.events.list(execution_id=execution.id, include_logs=True, sort="reported_timestamp")
messages = [event["message"] for event in events]
check(messages[0] == "Starting 'execute_operation' workflow execution", messages)
check("Hello, Ada!" in messages, messages)
check(messages[-1] == "'execute_operation' workflow execution succeeded", messages)
check(client.deployments.outputs.get("life")["outputs"]["greetings"]["last"] == "Hello, Ada!", "outputs")
refused(400, client.executions.start, "life", "nothing")
refused(400, client.executions.start, "life", "execute_operation")

# cancel
slow = client.executions.start("life", "execute_operation", parameters={"operation": "greeting.slow"})
until(lambda: client.executions.get(slow.id).status == "started")
refused(400, client.executions.start, "life", "install")
queued = client.executions.start("life", "execute_operation", parameters={"operation": "greeting.greet"}, queue=True)
check(queued.status == "queued", queued.status)
client.executions.cancel(slow.id, kill=True)
check(ended(slow.id).status == "cancelled", "killed")
check(ended(queued.id).status == "terminated", "the queued one ran afterwards")

# maintenance mode
client.maintenance_mode.activate()
until(lambda: client.maintenance_mode.status()["status"] == "activated")
checks += 1
try:
    client.deployments.list()
    raise AssertionError("maintenance mode let a list through")
except MaintenanceModeActiveError:
    checks += 1
check(client.maintenance_mode.deactivate()["status"] == "deactivated", "maintenance off")
check(len(client.deployments.list()) == 1, "works again")

# the end
execution = ended(client.executions.start("life", "uninstall").id)
check(execution.status == "terminated", f"{execution.status}: {execution.error}")
client.deployments.delete("life")
until(lambda: not len(client.deployments.list()))
refused(404, client.deployments.get, "life")
client.blueprints.delete("life")
refused(404, client.blueprints.get, "life")
print(f"PASSED {checks} checks")
