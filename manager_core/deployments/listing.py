"""Deployments and deployment updates as clients see them (REST contract §6.1, §7)."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import Text, and_, case, cast, func, literal, select
from sqlalchemy.orm import outerjoin
from sqlmodel import Session

from manager_core.blueprints.labels import page_labels
from manager_core.deployments.reach import reached_by_updates
from manager_core.deployments.tables import Deployment, DeploymentLabel, DeploymentUpdate
from manager_core.dsl.parameters import is_available
from manager_core.executions.tables import Execution
from manager_core.nodes.listing import deployment_drifted_counts, deployment_unavailable_counts
from manager_core.nodes.tables import Node, NodeInstance
from manager_core.rest.listing import Field, Listing, base_fields, column
from manager_core.rest.responses import to_json
from manager_core.states import ExecutionStatus

_D: Any = Deployment
_E: Any = Execution
_U: Any = DeploymentUpdate
_L: Any = DeploymentLabel
_CHUNK = 500
Keys = list[tuple[Any, ...]]

PARENT_LABEL, TYPE_LABEL, ENVIRONMENT_TYPE_LABEL = "csys-obj-parent", "csys-obj-type", "csys-env-type"

_SUMMARY = case(
    (_E.status.is_(None), None),
    (_E.status == ExecutionStatus.TERMINATED.value, "completed"),
    (_E.status.in_([ExecutionStatus.FAILED.value, ExecutionStatus.CANCELLED.value]), _E.status),
    else_="in_progress",
)


def _json_or(expression: Any, empty: str) -> Field:
    """Describe a JSON field that is never null."""
    return Field((func.coalesce(cast(expression, Text), empty),), render=orjson.Fragment, filterable=False)


def workflow_item(name: str, workflow: Mapping[str, Any], available: bool) -> dict[str, Any]:
    """Return a workflow as clients see it."""
    return {
        "name": name,
        "plugin": workflow.get("plugin"),
        "operation": workflow.get("operation"),
        "parameters": workflow.get("parameters") or {},
        "is_cascading": bool(workflow.get("is_cascading")),
        "is_available": available,
        "availability_rules": workflow.get("availability_rules"),
    }


def workflow_lists(session: Session, rows: Keys) -> list[list[dict[str, Any]]]:
    """Return the workflows of each row (tenant, deployment, workflows as JSON text), with what of them can start now.

    Deployments of one blueprint have the same text, and most have the same states: each combination is worked out once,
    and its list is shared between the rows.
    """
    parsed = {text: _loads(text) if text else {} for text in {text for _, _, text in rows}}
    ruled = {text for text, workflows in parsed.items() if _rules(workflows)}
    typed = {text for text in ruled if any(rules.get("node_types_required") for rules in _rules(parsed[text]))}
    states = _instance_states(session, [row[:2] for row in rows if row[2] in ruled])
    types = _node_types(session, [row[:2] for row in rows if row[2] in typed])
    known: dict[Any, list[dict[str, Any]]] = {}
    answer = []
    for tenant, deployment, text in rows:
        own_states, own_types = states.get((tenant, deployment), {}), types.get((tenant, deployment), set())
        key = (text, frozenset(own_states.items()), frozenset(own_types))
        items = known.get(key)
        if items is None:
            items = known[key] = [
                workflow_item(name, body or {}, _available(body or {}, own_states, own_types))
                for name, body in parsed[text].items()
            ]
        answer.append(items)
    return answer


def workflow_texts(session: Session, rows: Keys) -> list[Any]:
    """Return `workflow_lists` as JSON, each different list serialised once."""
    texts: dict[int, orjson.Fragment] = {}
    answer = []
    for items in workflow_lists(session, rows):
        if id(items) not in texts:
            texts[id(items)] = orjson.Fragment(to_json(items))
        answer.append(texts[id(items)])
    return answer


def _loads(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text)  # integers beyond 64 bits


def _rules(workflows: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [body["availability_rules"] for body in workflows.values() if (body or {}).get("availability_rules")]


def _available(workflow: Mapping[str, Any], states: Mapping[str, int], types: set[str]) -> bool:
    rules = workflow.get("availability_rules")
    return not rules or is_available(rules, instance_states=states, node_types=types)


def _by_tenant(keys: Keys) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for tenant, deployment in keys:
        found[tenant].append(deployment)
    return found


def _instance_states(session: Session, keys: Keys) -> dict[tuple[str, str], dict[str, int]]:
    table: Any = NodeInstance
    found: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for tenant, deployments in _by_tenant(keys).items():
        for start in range(0, len(deployments), _CHUNK):
            statement = (
                select(table.deployment_id, table.state, func.count())
                .where(table.tenant_name == tenant, table.deployment_id.in_(deployments[start : start + _CHUNK]))
                .group_by(table.deployment_id, table.state)
            )
            for deployment, state, count in session.connection().execute(statement):
                found[tenant, deployment][state] = count
    return found


def _node_types(session: Session, keys: Keys) -> dict[tuple[str, str], set[str]]:
    table: Any = Node
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for tenant, deployments in _by_tenant(keys).items():
        for start in range(0, len(deployments), _CHUNK):
            statement = select(table.deployment_id, table.type_hierarchy).where(
                table.tenant_name == tenant, table.deployment_id.in_(deployments[start : start + _CHUNK])
            )
            for deployment, hierarchy in session.connection().execute(statement):
                found[tenant, deployment].update(hierarchy or ())
    return found


def _label_values(key: str) -> Any:
    def batch(session: Session, rows: Keys) -> list[Any]:
        found: dict[tuple[str, str], str] = {}
        for tenant, deployments in _by_tenant(rows).items():
            for start in range(0, len(deployments), _CHUNK):
                statement = (
                    select(_L.deployment_id, _L.value)
                    .where(
                        _L.tenant_name == tenant,
                        _L.deployment_id.in_(deployments[start : start + _CHUNK]),
                        _L.key == key,
                    )
                    .order_by(_L.storage_id)
                )
                for deployment, value in session.connection().execute(statement):
                    found.setdefault((tenant, deployment), value)
        return [found.get((tenant, deployment), "") for tenant, deployment in rows]

    return batch


def _children(session: Session, rows: Keys) -> dict[tuple[str, str], list[tuple[bool, str]]]:
    """Return, by parent, of each child whether it is an environment, and its status.

    Several fields of a page are made of it: it is read once for them all.
    """
    kept: dict[Any, Any] = session.info.setdefault("children of deployments", {})
    wanted = tuple(rows)
    if wanted not in kept:
        kept.clear()
        kept[wanted] = _read_children(session, rows)
    return kept[wanted]  # type: ignore[no-any-return]  # what _read_children returns


def _read_children(session: Session, rows: Keys) -> dict[tuple[str, str], list[tuple[bool, str]]]:
    found: dict[tuple[str, str], list[tuple[bool, str]]] = defaultdict(list)
    kind: Any = _L.__table__.alias("kind")
    environment = select(kind.c.storage_id).where(
        kind.c.tenant_name == _D.tenant_name,
        kind.c.deployment_id == _D.id,
        kind.c.key == TYPE_LABEL,
        kind.c.value == "environment",
    )
    for tenant, deployments in _by_tenant(rows).items():
        for start in range(0, len(deployments), _CHUNK):
            statement = (
                select(_L.value, environment.exists(), _D.deployment_status)
                .join(_D, and_(_D.tenant_name == _L.tenant_name, _D.id == _L.deployment_id))
                .where(
                    _L.tenant_name == tenant,
                    _L.key == PARENT_LABEL,
                    _L.value.in_(deployments[start : start + _CHUNK]),
                )
            )
            for parent, is_environment, status in session.connection().execute(statement):
                found[tenant, parent].append((bool(is_environment), status or ""))
    return found


_WORST = ("requires_attention", "in_progress", "good")


def _sub_count(environments: bool) -> Any:
    def batch(session: Session, rows: Keys) -> list[Any]:
        children = _children(session, rows)
        return [sum(kind is environments for kind, _ in children.get(row, ())) for row in rows]

    return batch


def _sub_status(environments: bool) -> Any:
    def batch(session: Session, rows: Keys) -> list[Any]:
        children = _children(session, rows)
        answer = []
        for row in rows:
            states = {status for kind, status in children.get(row, ()) if kind is environments}
            answer.append(next((status for status in _WORST if status in states), None))
        return answer

    return batch


def _has_children(session: Session, rows: Keys) -> list[Any]:
    children = _children(session, rows)
    return [bool(children.get(row)) for row in rows]


_KEY = (_D.tenant_name, _D.id)

DEPLOYMENTS = Listing(
    model="Deployment",
    table=Deployment,
    permission="deployment_list",
    source=outerjoin(Deployment, Execution, _E.id == _D.latest_execution),
    fields={
        "id": column(_D.id),
        **base_fields(Deployment),
        "display_name": column(_D.display_name),
        "description": column(_D.description),
        "blueprint_id": column(_D.blueprint_id),
        "site_name": column(_D.site_name),
        "created_at": column(_D.created_at),
        "updated_at": column(_D.updated_at),
        "inputs": _json_or(_D.inputs, "{}"),
        "outputs": _json_or(_D.outputs, "{}"),
        "capabilities": _json_or(_D.capabilities, "{}"),
        "groups": _json_or(_D.groups, "{}"),
        "policy_types": _json_or(_D.policy_types, "{}"),
        "policy_triggers": _json_or(_D.policy_triggers, "{}"),
        "scaling_groups": _json_or(_D.scaling_groups, "{}"),
        "workflows": Field((*_KEY, cast(_D.workflows, Text)), batch=workflow_texts, filterable=False),
        "labels": Field(_KEY, batch=page_labels(DeploymentLabel, "deployment_id"), filterable=False),
        "deployment_groups": _json_or(_D.deployment_groups, "[]"),
        "runtime_only_evaluation": column(_D.runtime_only_evaluation),
        "resource_tags": column(_D.resource_tags, filterable=False),
        "installation_status": column(func.coalesce(_D.installation_status, "inactive")),
        "deployment_status": column(_D.deployment_status),
        "latest_execution": column(_D.latest_execution),
        "latest_execution_status": column(_SUMMARY),
        "latest_execution_workflow_id": column(_E.workflow_id),
        "latest_execution_total_operations": column(func.coalesce(_E.total_operations, 0)),
        "latest_execution_finished_operations": column(func.coalesce(_E.finished_operations, 0)),
        "create_execution": column(_D.create_execution),
        "sub_services_count": Field(_KEY, batch=_sub_count(False), filterable=False),
        "sub_services_status": Field(_KEY, batch=_sub_status(False), filterable=False),
        "sub_environments_count": Field(_KEY, batch=_sub_count(True), filterable=False),
        "sub_environments_status": Field(_KEY, batch=_sub_status(True), filterable=False),
        "has_sub_deployments": Field(_KEY, batch=_has_children, filterable=False),
        "environment_type": Field(_KEY, batch=_label_values(ENVIRONMENT_TYPE_LABEL), filterable=False),
        "drifted_instances": Field(_KEY, batch=deployment_drifted_counts, filterable=False),
        "unavailable_instances": Field(_KEY, batch=deployment_unavailable_counts, filterable=False),
        "permalink": column(literal(None), filterable=False),
        "workdir_zip": column(literal(None), filterable=False),
    },
)

UPDATES = Listing(
    model="DeploymentUpdate",
    table=DeploymentUpdate,
    permission="deployment_update_list",
    fields={
        "id": column(_U.id),
        **base_fields(_U),
        "deployment_id": column(_U.deployment_id),
        "old_blueprint_id": column(_U.old_blueprint_id),
        "new_blueprint_id": column(_U.new_blueprint_id),
        "old_inputs": column(_U.old_inputs, filterable=False),
        "new_inputs": column(_U.new_inputs, filterable=False),
        "state": column(_U.state),
        "execution_id": column(_U.execution_id),
        "created_at": column(_U.created_at),
        "steps": _json_or(_U.steps, "[]"),
        "modified_entity_ids": column(_U.modified_entity_ids, filterable=False),
        "runtime_only_evaluation": column(_U.runtime_only_evaluation),
        "deployment_plan": column(_U.deployment_plan, filterable=False),
        "deployment_update_nodes": column(_U.deployment_update_nodes, filterable=False),
        "deployment_update_node_instances": column(_U.deployment_update_node_instances, filterable=False),
        "deployment_update_deployment": column(_U.deployment_update_deployment, filterable=False),
        "central_plugins_to_install": column(_U.central_plugins_to_install, filterable=False),
        "central_plugins_to_uninstall": column(_U.central_plugins_to_uninstall, filterable=False),
        "recursive_dependencies": Field((_U.tenant_name, _U.deployment_id), batch=reached_by_updates, filterable=False),
        "schedules_to_create": _json_or(_U.schedules_to_create, "[]"),
        "schedules_to_delete": _json_or(_U.schedules_to_delete, "[]"),
        "labels_to_create": _json_or(_U.labels_to_create, "[]"),
    },
)
