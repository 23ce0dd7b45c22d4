"""REST endpoints of secrets (REST contract §17)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from manager_core.filters.searches import SearchBody
from manager_core.rest.auth import caller_of, core_of
from manager_core.rest.listing import parse_boolean, parse_list_query
from manager_core.rest.responses import empty_response, json_response
from manager_core.rest.visibility import add_set_visibility
from manager_core.secrets.service import NewSecret
from manager_core.secrets.sharing import export_secrets, import_secrets
from manager_core.states import Visibility

router = APIRouter(tags=["secrets"])


class SecretBody(BaseModel):
    """A secret to store; any JSON value when it has a schema, else a text."""

    value: Any = None
    update_if_exists: bool = False
    is_hidden_value: bool = False
    visibility: str = Visibility.TENANT.value
    value_schema: dict[str, Any] | None = Field(default=None, alias="schema")
    provider_name: str | None = None
    provider_options: Any = None


class SecretChange(BaseModel):
    """What to change of a secret."""

    value: Any = None
    is_hidden_value: bool | None = None
    visibility: str | None = None
    creator: str | None = None
    provider_name: str | None = None
    provider_options: Any = None


class ImportBody(BaseModel):
    """Secrets that were exported, and what to do with them."""

    secrets_list: list[Any]
    tenant_map: dict[str, str] | None = Field(default=None, description="Tenant where a secret was → where it goes")
    passphrase: str | None = Field(default=None, description="What the values were encrypted with")
    override_collisions: bool = Field(default=False, description="Replace secrets that are there already")


@router.get("/secrets", summary="List secrets")
def list_secrets(request: Request) -> Response:
    """Answer a page of secrets, without values."""
    caller = caller_of(request, "secret_list")
    query = parse_list_query(request.query_params.multi_items())
    return json_response(core_of(request).secrets.page(caller, query))


@router.post("/searches/secrets", summary="Search secrets by rules or constraints")
def search_secrets(request: Request, body: SearchBody) -> Response:
    """Answer a page of secrets, without values."""
    caller = caller_of(request, "secret_list")
    query = parse_list_query(request.query_params.multi_items())
    return json_response(core_of(request).secrets.page(caller, query, body))


@router.get("/secrets/share/export", summary="Export secrets")
def export(request: Request) -> Response:
    """Answer secrets with their values, encrypted with a given `_passphrase`; `visibility` chooses among them."""
    caller = caller_of(request, "secret_export")
    query = parse_list_query(request.query_params.multi_items())
    visibility = next(iter(query.filters.get("visibility", [])), None)
    found = export_secrets(
        core_of(request), caller, query, passphrase=query.first("_passphrase") or None, visibility=visibility
    )
    return json_response(found)


@router.post("/secrets/share/import", summary="Import secrets")
def import_(request: Request, body: ImportBody) -> Response:
    """Store exported secrets; answer which were there already, and what was wrong with which."""
    caller = caller_of(request, "secret_import")
    found = import_secrets(
        core_of(request),
        caller,
        body.secrets_list,
        passphrase=body.passphrase or None,
        tenant_map=body.tenant_map,
        override_collisions=body.override_collisions,
    )
    return json_response(found)


@router.get("/secrets/{key}", summary="Show a secret")
def get_secret(request: Request, key: str) -> Response:
    """Answer one secret with its value; a hidden value only to its creator and to administrators."""
    caller = caller_of(request, "secret_get")
    query = parse_list_query(request.query_params.multi_items())
    skip_value = parse_boolean("_skip_value", query.first("_skip_value") or "false")
    return json_response(core_of(request).secrets.get(caller, key, skip_value=skip_value))


@router.put("/secrets/{key}", summary="Store a secret")
def put_secret(request: Request, key: str, body: SecretBody) -> Response:
    """Create a secret, or replace it with `update_if_exists`."""
    caller = caller_of(request, "secret_create")
    given = body.model_dump()
    new = NewSecret(schema=given.pop("value_schema"), **given)
    return json_response(core_of(request).secrets.create(caller, key, new))


@router.patch("/secrets/{key}", summary="Change a secret")
def patch_secret(request: Request, key: str, body: SecretChange) -> Response:
    """Change what is given."""
    caller = caller_of(request, "secret_update")
    return json_response(core_of(request).secrets.update(caller, key, body.model_dump(exclude_none=True)))


add_set_visibility(
    router, "secrets", "secret", lambda core, caller, key, wider: core.secrets.set_visibility(caller, key, wider)
)


@router.delete("/secrets/{key}", summary="Remove a secret", status_code=204)
def delete_secret(request: Request, key: str) -> Response:
    """Remove one secret."""
    caller = caller_of(request, "secret_delete")
    core_of(request).secrets.delete(caller, key)
    return empty_response()
