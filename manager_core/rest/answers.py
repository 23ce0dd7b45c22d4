"""What every endpoint answers when all is well, for the OpenAPI document: endpoint → status → schema.

Endpoints answer ready-made JSON, so the framework cannot know; tests hold every answer against this table.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from manager_core.access.listing import TOKENS, tenants_listing, users_listing
from manager_core.blueprints.listing import BLUEPRINTS
from manager_core.deployments.listing import DEPLOYMENTS, UPDATES
from manager_core.executions.listing import EXECUTIONS, OPERATIONS, TASKS_GRAPHS
from manager_core.filters.listing import FILTERS
from manager_core.nodes.listing import MODIFICATIONS, NODE_INSTANCES, NODES
from manager_core.plugins.listing import PLUGINS
from manager_core.rest.schemas import (
    ANYTHING,
    COUNT_OR_MAP,
    INSTANT,
    INSTANT_OR_NULL,
    LIST,
    OBJECT,
    OBJECT_OR_NULL,
    TEXT,
    TEXT_OR_NULL,
    TRUTH,
    WHOLE,
    Schema,
    list_of,
    map_of,
    object_of,
    one_of_type,
    page_of,
    resource_schema,
)
from manager_core.schedules.listing import schedule_listing
from manager_core.secrets.listing import SECRETS
from manager_core.snapshots.listing import SNAPSHOTS
from scheduler.verdict import Outcome

_NULL: Schema = {"type": "null"}
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER_OR_NULL: Schema = {"type": ["integer", "null"]}

_OUTCOME: Schema = {"enum": [outcome.value for outcome in Outcome]}

SCHEMAS: dict[str, Schema] = {
    "Label": object_of(key=TEXT, value=TEXT, created_at=INSTANT, created_by=TEXT),
    "Workflow": object_of(
        name=TEXT, plugin=TEXT_OR_NULL, operation=TEXT_OR_NULL, parameters=OBJECT, is_cascading=TRUTH,
        is_available=TRUTH, availability_rules=OBJECT_OR_NULL,
    ),
    "UpdateStep": {
        "type": "object",
        "properties": {
            "id": TEXT, "action": {"enum": ["add", "remove", "modify"]}, "entity_type": TEXT,
            "entity_id": list_of(TEXT), "topology_order": _NUMBER_OR_NULL,
        },
    },
    "FilterRule": object_of(key=TEXT, values=list_of(TEXT), operator=TEXT, type={"enum": ["label", "attribute"]}),
    "Execution": resource_schema(EXECUTIONS, "A run of a workflow", scheduled_for={"type": ["string", "null"]}),
    "Operation": resource_schema(OPERATIONS, "A step of a stored tasks graph"),
    "TasksGraph": resource_schema(TASKS_GRAPHS, "A stored tasks graph"),
    "Event": {
        "type": "object",
        "description": "An event or a log of an execution",
        "properties": {
            "_storage_id": WHOLE, "type": {"enum": ["cloudify_event", "cloudify_log"]}, "message": TEXT_OR_NULL,
            "reported_timestamp": INSTANT, "timestamp": INSTANT, "event_type": TEXT_OR_NULL, "logger": TEXT_OR_NULL,
            "level": TEXT_OR_NULL, "error_causes": {"type": ["array", "null"], "items": {}},
            **dict.fromkeys(
                (
                    "blueprint_id", "deployment_id", "deployment_display_name", "execution_id", "execution_group_id",
                    "workflow_id", "operation", "node_name", "node_instance_id", "source_id", "target_id",
                    "manager_name", "agent_name",
                ),
                TEXT_OR_NULL,
            ),
        },
        "additionalProperties": False,
    },
    "ExecutionSchedule": resource_schema(schedule_listing(_BEGINNING), "When a workflow runs by itself"),
    "ScheduleRule": {
        "type": "object",
        "description": "What is repeated: words (`recurrence`, `count`, `weekdays`) or an iCalendar `rrule`",
        "properties": {
            "recurrence": TEXT_OR_NULL, "count": _NUMBER_OR_NULL, "rrule": TEXT,
            "weekdays": {"type": ["array", "null"], "items": TEXT},
        },
        "additionalProperties": False,
    },
    "ScheduleRecord": {
        **object_of(
            occurrence=INSTANT, decided_at=INSTANT, outcome=_OUTCOME, execution_id=TEXT_OR_NULL, reason=TEXT,
            missed_count=_NUMBER_OR_NULL, missed_since=INSTANT_OR_NULL, manual=TRUTH,
        ),
        "description": "What became of an occurrence, or of several that were collapsed into one record",
    },
    "ScheduleChange": {
        **object_of(
            schedule=one_of_type("ExecutionSchedule"), appear=list_of(INSTANT), disappear=list_of(INSTANT),
            fires_now={"const": False},
        ),
        "description": "With `dry_run`: the occurrences of the next 30 days that would come and go; nothing is stored",
    },
    "Calendar": {
        "type": "object",
        "description": "Times without occurrences of the schedules that name it; alone it is shown with its `text`",
        "properties": {
            "name": TEXT, "tenant_name": TEXT, "created_by": TEXT, "created_at": INSTANT, "updated_at": INSTANT_OR_NULL,
            "text": TEXT,
        },
        "required": ["name", "tenant_name", "created_by", "created_at", "updated_at"],
        "additionalProperties": False,
    },
    "Feed": {
        "type": "object",
        "description": "A token that opens a calendar of schedules; `token` and `url` are shown once",
        "properties": {
            "id": TEXT, "deployment_id": TEXT_OR_NULL, "tenant_name": TEXT, "username": TEXT, "created_at": INSTANT,
            "token": TEXT, "url": TEXT,
        },
        "required": ["id", "deployment_id", "tenant_name", "username", "created_at"],
        "additionalProperties": False,
    },
    "Blueprint": resource_schema(BLUEPRINTS, "An uploaded blueprint"),
    "Deployment": resource_schema(DEPLOYMENTS, "A blueprint made real"),
    "DeploymentUpdate": resource_schema(UPDATES, "A change of a deployment"),
    "Node": resource_schema(NODES, "A node of a deployment"),
    "NodeInstance": resource_schema(NODE_INSTANCES, "An instance of a node", scaling_groups=LIST),
    "DeploymentModification": resource_schema(MODIFICATIONS, "A change of the number of instances"),
    "Plugin": resource_schema(PLUGINS, "An uploaded plugin", labels=ANYTHING, blueprint_labels=ANYTHING),
    "Secret": resource_schema(SECRETS, "A value that blueprints name; alone it is shown with `value`", value=ANYTHING),
    "SharedSecret": object_of(
        key=TEXT, value=ANYTHING, schema=OBJECT_OR_NULL, visibility=TEXT, tenant_name=TEXT, is_hidden_value=TRUTH,
        encrypted=TRUTH,
    ),
    "Snapshot": resource_schema(SNAPSHOTS, "The whole manager in one file"),
    "Filter": resource_schema(FILTERS, "Stored filter rules", value=list_of(one_of_type("FilterRule"))),
    "Token": resource_schema(TOKENS, "An API token; its value is shown once", value=TEXT),
    "User": resource_schema(
        users_listing(now=_BEGINNING, limit=0, minutes=0), "A user; counts become maps with `_get_data`",
        groups={"type": ["integer", "array"]}, tenants=COUNT_OR_MAP, tenant_roles=OBJECT_OR_NULL,
        group_system_roles=OBJECT, password_hash=TEXT_OR_NULL,
    ),
    "Tenant": resource_schema(
        tenants_listing(), "A tenant; counts become maps with `_get_data`", groups=COUNT_OR_MAP, users=COUNT_OR_MAP,
        user_roles=OBJECT_OR_NULL, rabbitmq_username=_NULL, rabbitmq_password=_NULL, rabbitmq_vhost=_NULL,
    ),
    "Permission": object_of(role=TEXT, permission=TEXT),
    "Config": object_of(
        name=TEXT, value=ANYTHING, schema=OBJECT_OR_NULL, scope=TEXT, is_editable=TRUTH, admin_only=TRUTH,
        updated_at=INSTANT_OR_NULL, updater_name=TEXT_OR_NULL,
    ),
    "Maintenance": object_of(
        status={"enum": ["deactivated", "activating", "activated"]}, activation_requested_at=TEXT, activated_at=TEXT,
        requested_by=TEXT, remaining_executions={"type": ["array", "null"], "items": OBJECT},
    ),
    "Version": object_of(
        version=TEXT, edition=TEXT, build=TEXT_OR_NULL, date=TEXT_OR_NULL, commit=TEXT_OR_NULL, distribution=TEXT,
        distro_release=TEXT,
    ),
    "Status": {
        "type": "object",
        "properties": {
            "status": {"enum": ["OK", "Fail"]},
            "services": map_of(
                object_of(status={"enum": ["Active", "Inactive"]}, is_remote=TRUTH, extra_info=OBJECT)
            ),
        },
        "required": ["status"],
        "additionalProperties": False,
    },
}  # fmt: skip

_SCHEDULED: Schema = {
    "type": "object",
    "description": "With `scheduled_time`: there is no execution yet",
    "properties": {"id": _NULL, "status": {"const": "scheduled"}},
    "required": ["id", "status"],
}
_GONE: Schema = {
    "type": "object",
    "description": "It was the removal of its deployment, and went with it",
    "properties": {"id": TEXT, "status": TEXT, "workflow_id": TEXT, "created_at": _NULL},
    "required": ["id", "status", "workflow_id", "created_at"],
}
_OK = object_of(status={"const": "ok"})


EXAMPLES: dict[str, Any] = {
    "Execution": {
        "id": "0d2c7a3e-5a0f-4a7e-9a3e-2f6c1b8d4e90", "workflow_id": "install", "deployment_id": "shop",
        "status": "terminated", "status_display": "completed", "error": None, "parameters": {}, "is_dry_run": False,
        "created_at": "2026-11-21T18:00:00.000Z", "started_at": "2026-11-21T18:00:00.012Z",
        "ended_at": "2026-11-21T18:00:09.450Z", "total_operations": 12, "finished_operations": 12,
        "created_by": "admin", "tenant_name": "default_tenant", "visibility": "tenant",
    },
    "ExecutionSchedule": {
        "id": "backup", "deployment_id": "shop", "workflow_id": "backup", "since": "2026-12-01T00:30:00.000Z",
        "until": None, "rule": {"recurrence": "1 day", "count": None, "weekdays": None}, "timezone": "Asia/Jerusalem",
        "slip": 30, "stop_on_fail": False, "enabled": True, "next_occurrence": "2026-12-02T00:30:00.000Z",
        "all_next_occurrences": ["2026-12-02 00:30:00", "2026-12-03 00:30:00"], "latest_execution_status": "terminated",
    },
    "Deployment": {
        "id": "shop", "display_name": "Shop", "blueprint_id": "shop-1.4", "inputs": {"size": 2}, "outputs": {},
        "deployment_status": "good", "installation_status": "active", "labels": [
            {"key": "team", "value": "web", "created_at": "2026-11-21T18:00:00.000Z", "created_by": "admin"}
        ],
        "created_at": "2026-11-21T18:00:00.000Z", "tenant_name": "default_tenant", "visibility": "tenant",
    },
    "Blueprint": {
        "id": "shop-1.4", "state": "uploaded", "main_file_name": "blueprint.yaml", "description": "The web shop",
        "plan": {"inputs": {"size": {"type": "integer", "default": 1}}, "metadata": None}, "labels": [],
        "created_at": "2026-11-21T18:00:00.000Z", "error": None,
    },
    "Event": {
        "type": "cloudify_event", "event_type": "workflow_started",
        "execution_id": "0d2c7a3e-5a0f-4a7e-9a3e-2f6c1b8d4e90",
        "message": "Starting 'install' workflow execution", "deployment_id": "shop", "workflow_id": "install",
        "reported_timestamp": "2026-11-21T18:00:00.020Z", "timestamp": "2026-11-21T18:00:00.020Z",
    },
    "NodeInstance": {
        "id": "web_a1b2c3", "node_id": "web", "deployment_id": "shop", "state": "started", "version": 7,
        "runtime_properties": {"ip": "10.0.0.4"},
    },
    "Secret": {
        "key": "db-password", "is_hidden_value": True, "visibility": "tenant", "created_by": "admin",
        "created_at": "2026-11-21T18:00:00.000Z", "updated_at": "2026-11-21T18:00:00.000Z",
    },
    "Token": {
        "id": "a1B2c3D4e5", "username": "admin", "value": "ctok-a1B2c3D4e5-********", "role": "sys_admin",
        "expiration_date": "2026-12-21T18:00:00.000Z", "last_used": None, "description": "for the nightly job",
    },
}  # fmt: skip
"""What these look like; members are left out as with `_include`."""


def _one(name: str) -> Schema:
    return one_of_type(name)


def _many(name: str) -> Schema:
    return page_of(one_of_type(name))


_NAMES = page_of(TEXT)

ANSWERS: dict[str, dict[int, Schema]] = {
    "GET /executions": {200: _many("Execution")},
    "POST /executions": {201: {"anyOf": [_one("Execution"), _SCHEDULED]}},
    "DELETE /executions": {
        200: object_of(items=list_of(object_of(count=WHOLE)), metadata=object_of(pagination=OBJECT))
    },
    "GET /executions/{execution_id}": {200: _one("Execution")},
    "POST /executions/{execution_id}": {200: _one("Execution")},
    "PATCH /executions/{execution_id}": {200: {"anyOf": [_one("Execution"), _GONE]}},
    "GET /executions/{execution_id}/should-start": {200: TRUTH},
    "GET /operations": {200: _many("Operation")},
    "GET /operations/{operation_id}": {200: _one("Operation")},
    "PUT /operations/{operation_id}": {201: _one("Operation")},
    "PATCH /operations/{operation_id}": {200: object_of()},
    "GET /tasks_graphs": {200: _many("TasksGraph")},
    "POST /tasks_graphs/tasks_graphs": {201: _one("TasksGraph")},
    "PATCH /tasks_graphs/{graph_id}": {200: _one("TasksGraph")},
    "GET /events": {200: _many("Event")},
    "POST /events": {201: _NULL},
    "DELETE /events": {200: {**page_of(WHOLE), "properties": {"items": list_of(WHOLE), "metadata": OBJECT}}},
    "GET /execution-schedules": {200: _many("ExecutionSchedule")},
    "GET /execution-schedules/{schedule_id}": {200: _one("ExecutionSchedule")},
    "PUT /execution-schedules/{schedule_id}": {200: _one("ScheduleChange"), 201: _one("ExecutionSchedule")},
    "PATCH /execution-schedules/{schedule_id}": {200: _one("ScheduleChange"), 201: _one("ExecutionSchedule")},
    "POST /execution-schedules/{schedule_id}/run": {201: _one("Execution")},
    "GET /execution-schedules/{schedule_id}/history": {200: _many("ScheduleRecord")},
    "GET /execution-schedules/{schedule_id}/explain": {
        200: object_of(
            at=INSTANT,
            occurrence=INSTANT_OR_NULL,
            outcome={"enum": [*_OUTCOME["enum"], "not_yet", "no_occurrence", "not_evaluated"]},
            reason=TEXT,
            facts=OBJECT,
            execution_id=TEXT_OR_NULL,
        )
    },
    "POST /execution-schedules/preview": {
        200: object_of(
            rule=_one("ScheduleRule"),
            timezone=TEXT,
            next=list_of(object_of(utc=INSTANT, local=TEXT)),
            last=INSTANT_OR_NULL,
            warnings=list_of(TEXT),
        )
    },
    "POST /execution-schedules/simulate": {
        200: object_of(
            firings=list_of(
                object_of(
                    schedule=TEXT,
                    deployment_id=TEXT,
                    occurrence=INSTANT,
                    start=INSTANT_OR_NULL,
                    end=INSTANT_OR_NULL,
                    outcome=_OUTCOME,
                    reason=TEXT,
                )
            ),
            peak_running=WHOLE,
            longest_wait={"type": "number"},
            complete=TRUTH,
        )
    },
    "POST /execution-schedules/import": {
        200: object_of(created=list_of(TEXT), refused=list_of(object_of(uid=TEXT, reason=TEXT)))
    },
    "GET /calendars": {200: _many("Calendar")},
    "GET /calendars/{name}": {200: _one("Calendar")},
    "PUT /calendars/{name}": {200: _one("Calendar")},
    "GET /feeds": {200: _many("Feed")},
    "POST /feeds": {201: _one("Feed")},
    "POST /deployment-updates/{deployment_id}/update/initiate": {200: _one("DeploymentUpdate")},
    "POST /deployment-updates/{update_id}/update/finalize": {200: _one("DeploymentUpdate")},
    "GET /deployment-updates": {200: _many("DeploymentUpdate")},
    "GET /deployment-updates/{update_id}": {200: _one("DeploymentUpdate")},
    "PUT /deployment-updates/{update_id}": {200: _one("DeploymentUpdate")},
    "PATCH /deployment-updates/{update_id}": {200: _one("DeploymentUpdate")},
    "GET /inter-deployment-dependencies": {200: page_of(OBJECT)},
    "PUT /inter-deployment-dependencies": {200: OBJECT},
    "GET /deployments": {200: _many("Deployment")},
    "POST /searches/deployments": {200: _many("Deployment")},
    "GET /deployments/{deployment_id}": {200: _one("Deployment")},
    "PUT /deployments/{deployment_id}": {201: _one("Deployment")},
    "PATCH /deployments/{deployment_id}": {200: _one("Deployment")},
    "PATCH /deployments/{identifier}/set-visibility": {200: _one("Deployment")},
    "POST /deployments/{deployment_id}/set-site": {200: _one("Deployment")},
    "GET /deployments/{deployment_id}/outputs": {200: object_of(deployment_id=TEXT, outputs=OBJECT)},
    "GET /deployments/{deployment_id}/capabilities": {200: object_of(deployment_id=TEXT, capabilities=OBJECT)},
    "GET /workflows": {200: _many("Workflow")},
    "POST /searches/workflows": {200: _many("Workflow")},
    "POST /searches/capabilities": {200: page_of(object_of(deployment_id=TEXT, capabilities=LIST))},
    "POST /searches/scaling-groups": {200: page_of(object_of(deployment_id=TEXT, name=TEXT))},
    "POST /evaluate/functions": {200: object_of(deployment_id=TEXT, payload=OBJECT)},
    "GET /nodes": {200: _many("Node")},
    "POST /nodes": {201: _NULL},
    "POST /searches/nodes": {200: _many("Node")},
    "POST /searches/node-types": {200: page_of(object_of(deployment_id=TEXT, type=TEXT))},
    "GET /node-instances": {200: _many("NodeInstance")},
    "POST /node-instances": {201: _NULL},
    "POST /searches/node-instances": {200: _many("NodeInstance")},
    "GET /node-instances/{node_instance_id}": {200: _one("NodeInstance")},
    "PATCH /node-instances/{node_instance_id}": {200: _one("NodeInstance")},
    "GET /deployment-modifications": {200: _many("DeploymentModification")},
    "POST /deployment-modifications": {201: _one("DeploymentModification")},
    "GET /deployment-modifications/{modification_id}": {200: _one("DeploymentModification")},
    "POST /deployment-modifications/{modification_id}/finish": {200: _one("DeploymentModification")},
    "POST /deployment-modifications/{modification_id}/rollback": {200: _one("DeploymentModification")},
    "GET /status": {200: _one("Status")},
    "GET /cluster-status": {200: _one("Status")},
    "GET /ok": {200: {"const": "OK"}},
    "GET /version": {200: _one("Version")},
    "GET /managers": {
        200: page_of(
            object_of(
                id=WHOLE, hostname=TEXT, private_ip=TEXT, public_ip=TEXT, version=TEXT, edition=TEXT,
                distribution=TEXT, distro_release=TEXT, fs_sync_node_id=_NULL, networks=map_of(TEXT),
                ca_cert_content=_NULL, last_seen=INSTANT,
            )
        )
    },
    "GET /brokers": {
        200: page_of(
            object_of(
                id=WHOLE, name=TEXT, host=TEXT, management_host=TEXT, port=_NULL, username=_NULL, password=_NULL,
                params=OBJECT, networks=map_of(TEXT), is_external=TRUTH, ca_cert_content=_NULL,
            )
        )
    },
    "GET /db-nodes": {200: page_of(object_of(name=TEXT, host=TEXT, is_external=TRUTH))},
    "GET /maintenance": {200: _one("Maintenance")},
    "POST /maintenance/{action}": {200: _one("Maintenance")},
    "GET /secrets": {200: _many("Secret")},
    "POST /searches/secrets": {200: _many("Secret")},
    "GET /secrets/share/export": {200: list_of(one_of_type("SharedSecret"))},
    "POST /secrets/share/import": {
        200: object_of(colliding_secrets=map_of(list_of(TEXT)), secrets_errors=map_of(OBJECT))
    },
    "GET /secrets/{key}": {200: _one("Secret")},
    "PUT /secrets/{key}": {200: _one("Secret")},
    "PATCH /secrets/{key}": {200: _one("Secret")},
    "PATCH /secrets/{identifier}/set-visibility": {200: _one("Secret")},
    "GET /tokens": {200: _many("Token")},
    "POST /tokens": {200: _one("Token")},
    "GET /tokens/{token_id}": {200: _one("Token")},
    "GET /users": {200: _many("User")},
    "PUT /users": {201: _one("User")},
    "GET /user": {200: _one("User")},
    "GET /users/{username}": {200: _one("User")},
    "POST /users/{username}": {200: _one("User")},
    "POST /users/active/{username}": {200: _one("User")},
    "POST /users/unlock/{username}": {200: _one("User")},
    "GET /tenants": {200: _many("Tenant")},
    "GET /tenants/{name}": {200: _one("Tenant")},
    "POST /tenants/{name}": {201: _one("Tenant")},
    "PUT /tenants/users": {200: _one("Tenant")},
    "PATCH /tenants/users": {200: _one("Tenant")},
    "GET /permissions": {200: _many("Permission")},
    "GET /permissions/{role}": {200: _many("Permission")},
    "GET /config": {
        200: {
            "type": "object",
            "properties": {**page_of(one_of_type("Config"))["properties"], "authorization": OBJECT},
            "required": ["items", "metadata"],
            "additionalProperties": False,
        }
    },
    "GET /config/{name}": {200: _one("Config")},
    "PUT /config/{name}": {200: _one("Config")},
    "GET /provider/context": {200: object_of(name=TEXT, context=OBJECT)},
    "POST /provider/context": {200: _OK, 201: _OK},
    "PUT /provider/context": {200: _OK},
    "GET /filters/{kind}": {200: _many("Filter")},
    "GET /filters/{kind}/{filter_id}": {200: _one("Filter")},
    "PUT /filters/{kind}/{filter_id}": {200: _one("Filter")},
    "PATCH /filters/{kind}/{filter_id}": {200: _one("Filter")},
    "GET /labels/{kind}": {200: _NAMES},
    "GET /labels/{kind}/{key}": {200: _NAMES},
    "GET /summary/{type_name}": {200: page_of(OBJECT)},
    "GET /blueprints": {200: _many("Blueprint")},
    "POST /searches/blueprints": {200: _many("Blueprint")},
    "GET /blueprints/{blueprint_id}": {200: _one("Blueprint")},
    "PUT /blueprints/{blueprint_id}": {201: _one("Blueprint")},
    "PUT /blueprints/{blueprint_id}/validate": {201: _one("Blueprint")},
    "PATCH /blueprints/{blueprint_id}": {200: _one("Blueprint")},
    "PATCH /blueprints/{identifier}/set-visibility": {200: _one("Blueprint")},
    "PATCH /blueprints/{blueprint_id}/icon": {200: _one("Blueprint")},
    "PUT /blueprints/{blueprint_id}/archive": {200: _NULL},
    "GET /plugins": {200: _many("Plugin")},
    "POST /plugins": {201: _one("Plugin")},
    "GET /plugins/{plugin_id}": {200: _one("Plugin")},
    "PUT /plugins/{plugin_id}": {200: _one("Plugin")},
    "PATCH /plugins/{identifier}/set-visibility": {200: _one("Plugin")},
    "GET /snapshots": {200: _many("Snapshot")},
    "GET /snapshots/{snapshot_id}": {200: _one("Snapshot")},
    "PUT /snapshots/{snapshot_id}": {201: _one("Execution")},
    "PATCH /snapshots/{snapshot_id}": {200: _one("Snapshot")},
    "POST /snapshots/{snapshot_id}/restore": {200: _one("Execution")},
    "PUT /snapshots/{snapshot_id}/archive": {201: _one("Snapshot")},
    "GET /snapshot-status": {200: object_of(status={"enum": ["running", "not-running"]})},
}  # fmt: skip
"""Answers with a JSON body. Downloads, calendar feeds and 204 answers have none."""


def describe_answers(document: dict[str, Any], base: str) -> None:
    """Put the schemas into an OpenAPI document.

    Args:
        base: the path below which the endpoints of the table are.
    """
    schemas = document["components"]["schemas"]
    schemas.update(SCHEMAS)
    for name, example in EXAMPLES.items():
        schemas[name] = {**schemas[name], "examples": [example]}
    for endpoint, answers in ANSWERS.items():
        method, _, path = endpoint.partition(" ")
        operation = document["paths"].get(base + path, {}).get(method.lower())
        if operation is None:
            continue
        for status, schema in answers.items():
            response = operation["responses"].setdefault(str(status), {"description": "As asked for"})
            response["content"] = {"application/json": {"schema": schema}}
