"""REST endpoints of configuration values and the provider context (REST contract §2.3, §2.4)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from manager_core.access.roles import PERMISSIONS, ROLE_DESCRIPTIONS, SYSTEM_ROLES
from manager_core.rest.auth import caller_of, core_of
from manager_core.rest.listing import fixed_page, parse_boolean
from manager_core.rest.responses import json_response

router = APIRouter(tags=["configuration"])


class ConfigChange(BaseModel):
    """A new value; `force` also changes one that is not editable."""

    value: Any
    force: bool = False


class ProviderContextBody(BaseModel):
    """The provider context of old clients."""

    name: str
    context: dict[str, Any]


@router.get("/config", summary="List configuration values")
def list_config(request: Request, scope: str | None = None) -> Response:
    """Answer the values of a scope; without a scope also the roles and what each may do."""
    caller = caller_of(request, "manager_config_get")
    found = fixed_page(core_of(request).configuration.items(caller, None if scope == "authorization" else scope))
    if scope in (None, "authorization"):
        found["authorization"] = {
            "roles": [
                {
                    "name": name,
                    "type": "system_role" if name in SYSTEM_ROLES else "tenant_role",
                    "description": description,
                }
                for name, description in ROLE_DESCRIPTIONS.items()
            ],
            "permissions": {permission: sorted(roles) for permission, roles in PERMISSIONS.items()},
        }
    return json_response(found)


@router.get("/config/{name}", summary="Show one configuration value")
def get_config(request: Request, name: str) -> Response:
    """Answer the value called `name` or `scope.name`."""
    caller = caller_of(request, "manager_config_get")
    return json_response(core_of(request).configuration.item(caller, name))


@router.put("/config/{name}", summary="Change one configuration value")
def put_config(request: Request, name: str, body: ConfigChange) -> Response:
    """Set the value called `name` or `scope.name`; it holds from the next time it is read."""
    caller = caller_of(request, "manager_config_put")
    return json_response(core_of(request).configuration.change(caller, name, body.value, force=body.force))


@router.get("/provider/context", summary="Show the provider context")
def get_provider_context(request: Request) -> Response:
    """Answer the stored context, or an empty one."""
    caller_of(request, "provider_context_get")
    return json_response(core_of(request).configuration.provider_context())


@router.post("/provider/context", summary="Store the provider context", status_code=201)
def post_provider_context(request: Request, body: ProviderContextBody, update: str = "false") -> Response:
    """Store the first context; with `update=true`, as the client does, replace the stored one and answer 200."""
    caller_of(request, "manager_config_put")
    replace = parse_boolean("update", update)
    core_of(request).configuration.set_provider_context(body.name, body.context, update=replace)
    return json_response({"status": "ok"}, 200 if replace else 201)


@router.put("/provider/context", summary="Replace the provider context")
def put_provider_context(request: Request, body: ProviderContextBody) -> Response:
    """Replace the stored context."""
    caller_of(request, "manager_config_put")
    core_of(request).configuration.set_provider_context(body.name, body.context, update=True)
    return json_response({"status": "ok"})
