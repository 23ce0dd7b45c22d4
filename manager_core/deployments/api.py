"""REST endpoints of the room `deployments` (REST contract §6, §20.3); updates are in `updates_api`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from manager_core.blueprints.api import aware_instant
from manager_core.deployments.needs_api import router as needs_router
from manager_core.deployments.updates_api import router as updates_router
from manager_core.filters.searches import SearchBody
from manager_core.rest.auth import caller_of, core_of
from manager_core.rest.listing import parse_boolean, parse_list_query
from manager_core.rest.responses import empty_response, json_response
from manager_core.rest.visibility import add_set_visibility

router = APIRouter(tags=["deployments"])
router.include_router(updates_router)
router.include_router(needs_router)

_FLAGS = ("all_sub_deployments", "include_workdir")


class NewDeployment(BaseModel):
    """A deployment to create."""

    blueprint_id: str
    inputs: dict[str, Any] | None = None
    visibility: str | None = None
    labels: list[Any] | None = None
    display_name: str | None = None
    skip_plugins_validation: bool | None = None
    runtime_only_evaluation: bool | None = None
    site_name: str | None = None
    created_at: str | None = None
    created_by: str | None = None


class DeploymentChanges(BaseModel):
    """What changes of a deployment; members that are null stay."""

    labels: list[Any] | None = None
    display_name: str | None = None
    description: str | None = None
    visibility: str | None = None
    creator: str | None = None
    blueprint_id: str | None = None
    site_name: str | None = None
    workflows: dict[str, Any] | None = None
    groups: dict[str, Any] | None = None
    scaling_groups: dict[str, Any] | None = None
    policy_types: dict[str, Any] | None = None
    policy_triggers: dict[str, Any] | None = None
    inputs: dict[str, Any] | None = None
    outputs: dict[str, Any] | None = None
    capabilities: dict[str, Any] | None = None
    resource_tags: dict[str, Any] | None = None
    deployment_groups: list[str] | None = None
    runtime_only_evaluation: bool | None = None
    create_execution: str | None = None
    latest_execution: str | None = None


class Site(BaseModel):
    """The site to set, or that there shall be none."""

    site_name: str | None = None
    detach_site: bool = False


class Evaluation(BaseModel):
    """Something with intrinsic functions in it, and whose SELF, SOURCE and TARGET they mean."""

    deployment_id: str
    context: dict[str, Any]
    payload: dict[str, Any] = Field(default_factory=dict)


@router.put("/deployments/{deployment_id}", status_code=201, summary="Create a deployment")
def create_deployment(
    deployment_id: str, request: Request, body: NewDeployment, async_create: str = Query("false")
) -> Response:
    """Build the deployment's environment; unless `async_create`, the answer waits for its end (at most 120 s)."""
    caller = caller_of(request, "deployment_create")
    fields = body.model_dump(exclude_none=True)
    if "created_at" in fields:
        fields["created_at"] = aware_instant("created_at", fields["created_at"])
    created = core_of(request).deployments.create(
        caller, deployment_id, asynchronous=parse_boolean("async_create", async_create), **fields
    )
    return json_response(created, 201)


@router.get("/deployments", summary="List deployments")
def list_deployments(request: Request) -> Response:
    """`_search_name` looks into display names, `_dependencies_of` lists what a deployment needs."""
    caller = caller_of(request, "deployment_list")
    query = parse_list_query(request.query_params.multi_items(), ignore=_FLAGS)
    return json_response(core_of(request).deployments.page(caller, query))


@router.post("/searches/deployments", summary="List deployments by filter rules or constraints")
def search_deployments(request: Request, body: SearchBody) -> Response:
    """The query parameters are those of the list."""
    caller = caller_of(request, "deployment_list")
    query = parse_list_query(request.query_params.multi_items(), ignore=_FLAGS)
    return json_response(core_of(request).deployments.page(caller, query, body))


@router.get("/deployments/{deployment_id}", summary="Get a deployment")
def get_deployment(deployment_id: str, request: Request) -> Response:
    """Return one deployment with its workflows, labels and statuses."""
    caller = caller_of(request, "deployment_get")
    include = parse_list_query(request.query_params.multi_items(), ignore=_FLAGS).include
    return json_response(core_of(request).deployments.get(caller, deployment_id, include))


@router.patch("/deployments/{deployment_id}", summary="Change a deployment")
def patch_deployment(deployment_id: str, request: Request, body: DeploymentChanges) -> Response:
    """Labels replace the full set; what the plan set can only be changed by a deployment update."""
    caller = caller_of(request, "deployment_update")
    changes = body.model_dump(exclude_unset=True)
    return json_response(core_of(request).deployments.patch(caller, deployment_id, changes))


@router.delete("/deployments/{deployment_id}", status_code=204, summary="Delete a deployment")
def delete_deployment(
    deployment_id: str,
    request: Request,
    force: str = Query("false"),
    delete_logs: str = Query("false"),
    recursive: str = Query("false"),
) -> Response:
    """Start the removal; the deployment and everything under it go when its execution has ended."""
    caller = caller_of(request, "deployment_delete")
    core_of(request).deployments.delete(
        caller,
        deployment_id,
        force=parse_boolean("force", force),
        delete_logs=parse_boolean("delete_logs", delete_logs),
        recursive=parse_boolean("recursive", recursive),
    )
    return empty_response()


@router.get("/deployments/{deployment_id}/outputs", summary="Get a deployment's outputs")
def get_outputs(deployment_id: str, request: Request) -> Response:
    """Return the outputs with their intrinsic functions evaluated."""
    caller = caller_of(request, "deployment_outputs")
    return json_response(core_of(request).deployments.outputs(caller, deployment_id))


@router.get("/deployments/{deployment_id}/capabilities", summary="Get a deployment's capabilities")
def get_capabilities(deployment_id: str, request: Request) -> Response:
    """Return the capabilities with their intrinsic functions evaluated."""
    caller = caller_of(request, "deployment_capabilities")
    return json_response(core_of(request).deployments.capabilities(caller, deployment_id))


add_set_visibility(
    router,
    "deployments",
    "deployment",
    lambda core, caller, identifier, wider: core.deployments.set_visibility(caller, identifier, wider),
    permission="deployment_set_visibility",
    description="Not wider than its blueprint's; nodes and instances follow.",
)


@router.post("/deployments/{deployment_id}/set-site", summary="Set or remove a deployment's site")
def set_site(deployment_id: str, request: Request, body: Site) -> Response:
    """Give either `site_name` or `detach_site`."""
    caller = caller_of(request, "deployment_set_site")
    found = core_of(request).deployments.set_site(caller, deployment_id, body.site_name, detach=body.detach_site)
    return json_response(found)


@router.get("/workflows", summary="List workflows")
def list_workflows(request: Request) -> Response:
    """Return the workflows of all deployments that match, each name once."""
    caller = caller_of(request, "workflow_list")
    query = parse_list_query(request.query_params.multi_items())
    return json_response(core_of(request).deployments.workflows_page(caller, query))


@router.post("/searches/workflows", summary="List workflows by filter rules or constraints")
def search_workflows(request: Request, body: SearchBody) -> Response:
    """The query parameters are those of the list."""
    caller = caller_of(request, "workflow_list")
    query = parse_list_query(request.query_params.multi_items())
    return json_response(core_of(request).deployments.workflows_page(caller, query, body))


@router.post("/searches/capabilities", summary="List capabilities by constraints")
def search_capabilities(request: Request, body: SearchBody) -> Response:
    """Name the deployment in the query parameter `deployment_id`."""
    caller = caller_of(request, "deployment_list")
    query = parse_list_query(request.query_params.multi_items())
    return json_response(core_of(request).deployments.parts_page(caller, query, body, part="capabilities"))


@router.post("/searches/scaling-groups", summary="List scaling groups by constraints")
def search_scaling_groups(request: Request, body: SearchBody) -> Response:
    """Name the deployment in the query parameter `deployment_id`."""
    caller = caller_of(request, "deployment_list")
    query = parse_list_query(request.query_params.multi_items())
    return json_response(core_of(request).deployments.parts_page(caller, query, body, part="scaling_groups"))


@router.post("/evaluate/functions", summary="Evaluate intrinsic functions")
def evaluate_functions(request: Request, body: Evaluation) -> Response:
    """Return the payload with its function calls replaced by values."""
    caller = caller_of(request, "functions_evaluate")
    found = core_of(request).deployments.evaluate(caller, body.deployment_id, body.context, body.payload)
    return json_response(found)
