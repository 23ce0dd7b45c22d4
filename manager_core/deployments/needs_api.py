"""REST endpoints for needs between deployments that operations register: components, shared resources."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from manager_core.deployments.needs import Needs
from manager_core.errors import BadParameters
from manager_core.rest.auth import caller_of, core_of
from manager_core.rest.listing import fixed_page, parse_list_query
from manager_core.rest.responses import empty_response, json_response

router = APIRouter(tags=["deployments"])


class Need(BaseModel):
    """One deployment's need of another one; without a target, of one on another manager."""

    dependency_creator: str
    source_deployment: str
    target_deployment: str | None = None
    target_deployment_func: Any = None
    external_source: Any = None
    external_target: Any = None

    @property
    def target(self) -> str | None:
        """Id of the needed deployment; a blank is how clients write that it is elsewhere."""
        return (self.target_deployment or "").strip() or None

    def require_local_source(self) -> None:
        """Refuse what another manager's deployment needs of this one: it could not be told when that ends."""
        if self.external_source is not None:
            raise BadParameters("external_source: the needs of another manager's deployments are not kept here")


@router.get("/inter-deployment-dependencies", summary="List which deployments need which")
def list_needs(request: Request) -> Response:
    """Filter by `source_deployment_id`, `target_deployment_id` or `dependency_creator`."""
    caller = caller_of(request, "inter_deployment_dependency_list")
    query = parse_list_query(request.query_params.multi_items())
    found = Needs(core_of(request)).listed(caller, query.filters)
    return json_response(fixed_page(found, size=max(len(found), 1)))


@router.put("/inter-deployment-dependencies", summary="Register that a deployment needs another one")
def register_need(request: Request, body: Need) -> Response:
    """Keep it until the needing deployment goes or the need is removed; a known one is answered as it is."""
    caller = caller_of(request, "deployment_update")
    body.require_local_source()
    found = Needs(core_of(request)).register(
        caller,
        creator=body.dependency_creator,
        source=body.source_deployment,
        target=body.target,
        function=body.target_deployment_func,
    )
    return json_response(found)


@router.delete("/inter-deployment-dependencies", status_code=204, summary="Remove a deployment's need of another one")
def remove_need(request: Request, body: Need) -> Response:
    """Name it as it was registered."""
    caller = caller_of(request, "deployment_update")
    Needs(core_of(request)).remove(
        caller, creator=body.dependency_creator, source=body.source_deployment, target=body.target
    )
    return empty_response()
