"""REST endpoints of the room `nodes`: nodes, node instances and deployment modifications (REST contract §12-§14)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StrictInt

from manager_core.blueprints.api import include_of
from manager_core.filters.searches import SearchBody
from manager_core.rest.auth import caller_of, core_of
from manager_core.rest.listing import parse_boolean, parse_list_query
from manager_core.rest.responses import empty_response, json_response

router = APIRouter(tags=["nodes"])


class InstanceChanges(BaseModel):
    """What changes of a node instance; members that are null stay."""

    version: Annotated[StrictInt, Field(ge=0)]
    state: str | None = None
    runtime_properties: dict[str, Any] | None = None
    system_properties: dict[str, Any] | None = None
    relationships: list[dict[str, Any]] | None = None


class NewNode(BaseModel):
    """A node in the form of a plan, or as it is stored."""

    model_config = ConfigDict(extra="allow")

    id: str
    type: str
    type_hierarchy: list[str] | None = None
    properties: dict[str, Any] | None = None
    operations: dict[str, Any] | None = None
    relationships: list[dict[str, Any]] | None = None
    plugins: list[Any] | None = None
    plugins_to_install: list[Any] | None = None
    capabilities: dict[str, Any] | None = None
    host_id: str | None = None


class NewNodes(BaseModel):
    """Nodes that a workflow adds to a deployment."""

    deployment_id: str
    nodes: list[NewNode]


class NewInstance(BaseModel):
    """A node instance; what is not given is as of a new one."""

    model_config = ConfigDict(extra="allow")

    id: str
    node_id: str
    host_id: str | None = None
    index: int | None = None
    state: str | None = None
    version: int | None = None
    relationships: list[dict[str, Any]] | None = None
    runtime_properties: dict[str, Any] | None = None
    system_properties: dict[str, Any] | None = None
    scaling_groups: list[dict[str, Any]] | None = None


class NewInstances(BaseModel):
    """Node instances that a workflow adds to a deployment."""

    deployment_id: str
    node_instances: list[NewInstance]


class NodeChanges(BaseModel):
    """What a deployment update changes of a node."""

    model_config = ConfigDict(extra="allow")

    plugins: list[Any] | None = None
    operations: dict[str, Any] | None = None
    relationships: list[Any] | None = None
    properties: dict[str, Any] | None = None
    capabilities: dict[str, Any] | None = None


class NewModification(BaseModel):
    """Node or scaling group → the wanted number of instances, with hints."""

    deployment_id: str
    nodes: dict[str, dict[str, Any]] = Field(default_factory=dict)
    context: dict[str, Any] | None = None


_NOTHING_TO_ADD: dict[int | str, dict[str, Any]] = {204: {"description": "The list is empty"}}


def _evaluated(request: Request) -> bool:
    return parse_boolean("_evaluate_functions", request.query_params.get("_evaluate_functions", "false"))


def _dumped(items: Sequence[BaseModel]) -> list[dict[str, Any]]:
    return [item.model_dump(exclude_none=True) for item in items]


@router.get("/nodes", summary="List nodes")
def list_nodes(request: Request) -> Response:
    """With `_evaluate_functions` properties and operations hold values instead of function calls."""
    caller = caller_of(request, "node_list")
    query = parse_list_query(request.query_params.multi_items())
    return json_response(core_of(request).nodes.page(caller, query, evaluated=_evaluated(request)))


@router.post("/searches/nodes", summary="List nodes by filter rules or constraints")
def search_nodes(request: Request, body: SearchBody) -> Response:
    """The query parameters are those of the list."""
    caller = caller_of(request, "node_list")
    query = parse_list_query(request.query_params.multi_items())
    return json_response(core_of(request).nodes.page(caller, query, body, evaluated=_evaluated(request)))


@router.post("/searches/node-types", summary="List node types")
def search_node_types(request: Request, body: SearchBody) -> Response:
    """Return the distinct types of the nodes that match."""
    caller = caller_of(request, "node_list")
    query = parse_list_query(request.query_params.multi_items())
    return json_response(core_of(request).nodes.types_page(caller, query, body))


@router.post("/nodes", status_code=201, summary="Add nodes to a deployment", responses=_NOTHING_TO_ADD)
def add_nodes(request: Request, body: NewNodes) -> Response:
    """Used by workflows."""
    caller = caller_of(request, "deployment_create")
    if not core_of(request).nodes.add_nodes(caller, body.deployment_id, _dumped(body.nodes)):
        return empty_response()
    return json_response(None, 201)


@router.patch("/nodes/{deployment_id}/{node_id}", status_code=204, summary="Change a node")
def patch_node(deployment_id: str, node_id: str, request: Request, body: NodeChanges) -> Response:
    """Only a deployment update may do this."""
    caller = caller_of(request, "node_update")
    core_of(request).nodes.patch_node(caller, deployment_id, node_id, body.model_dump(exclude_unset=True))
    return empty_response()


@router.delete("/nodes/{deployment_id}/{node_id}", status_code=204, summary="Delete a node")
def delete_node(deployment_id: str, node_id: str, request: Request) -> Response:
    """Only a deployment update may do this."""
    caller = caller_of(request, "node_delete")
    core_of(request).nodes.delete_node(caller, deployment_id, node_id)
    return empty_response()


@router.get("/node-instances", summary="List node instances")
def list_instances(request: Request) -> Response:
    """Return a page of node instances."""
    caller = caller_of(request, "node_instance_list")
    query = parse_list_query(request.query_params.multi_items())
    return json_response(core_of(request).nodes.instances_page(caller, query, evaluated=_evaluated(request)))


@router.post("/searches/node-instances", summary="List node instances by filter rules or constraints")
def search_instances(request: Request, body: SearchBody) -> Response:
    """The query parameters are those of the list."""
    caller = caller_of(request, "node_instance_list")
    query = parse_list_query(request.query_params.multi_items())
    return json_response(core_of(request).nodes.instances_page(caller, query, body, evaluated=_evaluated(request)))


@router.get("/node-instances/{node_instance_id}", summary="Get a node instance")
def get_instance(node_instance_id: str, request: Request) -> Response:
    """With `_evaluate_functions` the runtime properties hold values instead of function calls."""
    caller = caller_of(request, "node_instance_get")
    found = core_of(request).nodes.instance(
        caller, node_instance_id, include_of(request), evaluated=_evaluated(request)
    )
    return json_response(found)


@router.patch("/node-instances/{node_instance_id}", summary="Change a node instance")
def patch_instance(
    node_instance_id: str, request: Request, body: InstanceChanges, force: str = Query("false")
) -> Response:
    """A stored version higher than the one sent is a conflict (409), unless `force`."""
    caller = caller_of(request, "node_instance_update")
    found = core_of(request).nodes.update_instance(
        caller, node_instance_id, force=parse_boolean("force", force), **body.model_dump()
    )
    return json_response(found)


@router.post(
    "/node-instances", status_code=201, summary="Add node instances to a deployment", responses=_NOTHING_TO_ADD
)
def add_instances(request: Request, body: NewInstances) -> Response:
    """Used by workflows."""
    caller = caller_of(request, "deployment_create")
    if not core_of(request).nodes.add_instances(caller, body.deployment_id, _dumped(body.node_instances)):
        return empty_response()
    return json_response(None, 201)


@router.delete("/node-instances/{node_instance_id}", status_code=204, summary="Delete a node instance")
def delete_instance(node_instance_id: str, request: Request) -> Response:
    """Used by workflows."""
    caller = caller_of(request, "node_instance_delete")
    core_of(request).nodes.delete_instance(caller, node_instance_id)
    return empty_response()


@router.post("/deployment-modifications", status_code=201, summary="Start a deployment modification")
def start_modification(request: Request, body: NewModification) -> Response:
    """Instances that are added exist at once; those that are removed go when it is finished."""
    caller = caller_of(request, "deployment_modify")
    found = core_of(request).nodes.modifications.start(caller, body.deployment_id, body.nodes, body.context)
    return json_response(found, 201)


@router.get("/deployment-modifications", summary="List deployment modifications")
def list_modifications(request: Request) -> Response:
    """Return a page of modifications."""
    caller = caller_of(request, "deployment_modification_list")
    query = parse_list_query(request.query_params.multi_items())
    return json_response(core_of(request).nodes.modifications.page(caller, query))


@router.get("/deployment-modifications/{modification_id}", summary="Get a deployment modification")
def get_modification(modification_id: str, request: Request) -> Response:
    """Return one modification."""
    caller = caller_of(request, "deployment_modification_get")
    return json_response(core_of(request).nodes.modifications.get(caller, modification_id, include_of(request)))


@router.post("/deployment-modifications/{modification_id}/finish", summary="Finish a deployment modification")
def finish_modification(modification_id: str, request: Request) -> Response:
    """Remove the removed instances and let the planned numbers stand."""
    caller = caller_of(request, "deployment_modification_finish")
    return json_response(core_of(request).nodes.modifications.finish(caller, modification_id))


@router.post("/deployment-modifications/{modification_id}/rollback", summary="Roll a deployment modification back")
def rollback_modification(modification_id: str, request: Request) -> Response:
    """Put instances and planned numbers back as they were."""
    caller = caller_of(request, "deployment_modification_rollback")
    return json_response(core_of(request).nodes.modifications.rollback(caller, modification_id))
