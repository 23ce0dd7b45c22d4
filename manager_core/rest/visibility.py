"""The endpoint that widens a resource's visibility: the same for every noun that has one (REST contract §1.9)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from manager_core.access.caller import Caller
from manager_core.rest.auth import caller_of, core_of
from manager_core.rest.responses import json_response

if TYPE_CHECKING:
    from manager_core.bootstrap import Core


class WiderVisibility(BaseModel):
    """The visibility a resource is to have."""

    visibility: str = Field(description="`private`, `tenant` or `global`", examples=["tenant"])


def add_set_visibility(
    router: APIRouter,
    collection: str,
    noun: str,
    change: Callable[[Core, Caller, str, str], dict[str, Any]],
    *,
    permission: str = "resource_set_visibility",
    description: str = "Visibility can only become wider.",
    **documented: Any,
) -> None:
    """Give a room's router `PATCH /<collection>/<id>/set-visibility`.

    Args:
        collection: the path of the collection, without slashes.
        noun: what one of it is called in the document.
        change: the room's use case: (core, caller, id, visibility) → the resource.
        permission: what the caller needs.
        description: what else is to be known.
        documented: further arguments of the route, for the document.
    """

    def set_visibility(identifier: str, request: Request, body: WiderVisibility) -> Response:
        caller = caller_of(request, permission)
        return json_response(change(core_of(request), caller, identifier, body.visibility))

    router.add_api_route(
        f"/{collection}/{{identifier}}/set-visibility",
        set_visibility,
        methods=["PATCH"],
        summary=f"Widen a {noun}'s visibility",
        description=description,
        name=f"set_{noun}_visibility",
        **documented,
    )
