"""REST endpoints of deployment updates (REST contract §7)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict

from manager_core.blueprints.api import include_of
from manager_core.deployments.updates import UpdateRequest
from manager_core.errors import BadParameters
from manager_core.rest.auth import caller_of, core_of
from manager_core.rest.listing import parse_boolean, parse_list_query
from manager_core.rest.responses import json_response

router = APIRouter(tags=["deployment updates"])


class Update(BaseModel):
    """What to update a deployment to, and how."""

    blueprint_id: str | None = None
    inputs: Any = None
    workflow_id: str | None = None
    skip_install: Any = False
    skip_uninstall: Any = False
    skip_reinstall: Any = False
    skip_drift_check: Any = False
    skip_heal: Any = False
    force_reinstall: Any = False
    install_first: Any = False
    ignore_failure: Any = False
    reinstall_list: Any = None
    preview: Any = False
    update_plugins: Any = True
    force: Any = False
    runtime_only_evaluation: Any = None
    auto_correct_types: Any = False
    reevaluate_active_statuses: Any = False


class UpdateRecord(BaseModel):
    """The record of an update, as an execution writes it."""

    model_config = ConfigDict(extra="allow")

    deployment_id: str
    state: str | None = None
    blueprint_id: str | None = None
    inputs: dict[str, Any] | None = None
    execution_id: str | None = None


class Step(BaseModel):
    """One difference; the id is a path, as a list or joined by colons."""

    id: str | None = None
    action: str
    entity_type: str
    entity_id: list[str] | str
    topology_order: int | None = None


class UpdateChanges(BaseModel):
    """What changes of an update's record; `steps` are appended."""

    model_config = ConfigDict(extra="allow")

    state: str | None = None
    plan: dict[str, Any] | None = None
    steps: list[Step] | None = None
    nodes: Any = None
    node_instances: Any = None


_TEXTS = ("blueprint_id", "workflow_id")


def _request(body: Update) -> UpdateRequest:
    inputs, listed = body.inputs, body.reinstall_list
    if inputs is not None and not isinstance(inputs, dict):
        raise BadParameters("parameter `inputs` must be of type `dict`")
    if listed is not None and not isinstance(listed, list):
        raise BadParameters("parameter `reinstall_list` must be of type `list`")
    fields: dict[str, Any] = {name: getattr(body, name) or None for name in _TEXTS}
    for name in type(body).model_fields:
        if name in (*_TEXTS, "inputs", "reinstall_list"):
            continue
        value = getattr(body, name)
        if value is not None:
            fields[name] = parse_boolean(name, value)
    return UpdateRequest(inputs=inputs or {}, reinstall_list=listed or [], **fields)


@router.post("/deployment-updates/{deployment_id}/update/initiate", summary="Update a deployment")
def initiate_update(deployment_id: str, request: Request, body: Update) -> Response:
    """Start workflow `update`; with `preview` nothing changes and the answer holds the steps."""
    caller = caller_of(request, "deployment_update_create")
    return json_response(core_of(request).deployments.updates.initiate(caller, deployment_id, _request(body)))


@router.post("/deployment-updates/{update_id}/update/finalize", summary="Finalize an update (does nothing)")
def finalize_update(update_id: str, request: Request) -> Response:
    """Kept for old workflows."""
    caller = caller_of(request, "deployment_update_create")
    return json_response(core_of(request).deployments.updates.get(caller, update_id))


@router.get("/deployment-updates", summary="List deployment updates")
def list_updates(request: Request) -> Response:
    """Return a page of updates."""
    caller = caller_of(request, "deployment_update_list")
    query = parse_list_query(request.query_params.multi_items())
    return json_response(core_of(request).deployments.updates.page(caller, query))


@router.get("/deployment-updates/{update_id}", summary="Get a deployment update")
def get_update(update_id: str, request: Request) -> Response:
    """Return one update with its steps."""
    caller = caller_of(request, "deployment_update_get")
    return json_response(core_of(request).deployments.updates.get(caller, update_id, include_of(request)))


@router.put("/deployment-updates/{update_id}", summary="Write an update's record")
def put_update(update_id: str, request: Request, body: UpdateRecord) -> Response:
    """Only executions may do this."""
    caller = caller_of(request, "deployment_update_create")
    fields = body.model_dump(exclude_none=True)
    return json_response(core_of(request).deployments.updates.put(caller, update_id, fields))


@router.patch("/deployment-updates/{update_id}", summary="Change an update's record")
def patch_update(update_id: str, request: Request, body: UpdateChanges) -> Response:
    """Used by update workflows."""
    caller = caller_of(request, "deployment_update_update")
    fields = body.model_dump(exclude_none=True)
    return json_response(core_of(request).deployments.updates.patch(caller, update_id, fields))
