"""REST endpoints of stored filters and labels (REST contract §20)."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import AwareDatetime, BaseModel

from manager_core.rest.auth import caller_of, core_of
from manager_core.rest.listing import parse_boolean, parse_list_query
from manager_core.rest.responses import empty_response, json_response
from manager_core.states import Visibility

router = APIRouter(tags=["filters and labels"])


class Filtered(StrEnum):
    """What stored filters and labels exist for."""

    BLUEPRINTS = "blueprints"
    DEPLOYMENTS = "deployments"


class NewFilter(BaseModel):
    """A filter to store."""

    filter_rules: list[Any]
    visibility: str = Visibility.TENANT.value
    created_at: AwareDatetime | None = None
    created_by: str | None = None


class FilterChange(BaseModel):
    """What to change of a stored filter."""

    filter_rules: list[Any] | None = None
    visibility: str | None = None


@router.get("/filters/{kind}", summary="List stored filters")
def list_filters(request: Request, kind: Filtered) -> Response:
    """Answer a page of the filters over blueprints or deployments."""
    caller = caller_of(request, "filter_list")
    query = parse_list_query(request.query_params.multi_items())
    return json_response(core_of(request).filters.page(caller, kind.value, query))


@router.get("/filters/{kind}/{filter_id}", summary="Show a stored filter")
def get_filter(request: Request, kind: Filtered, filter_id: str) -> Response:
    """Answer one filter."""
    caller = caller_of(request, "filter_get")
    query = parse_list_query(request.query_params.multi_items())
    return json_response(core_of(request).filters.get(caller, kind.value, filter_id, query.include))


@router.put("/filters/{kind}/{filter_id}", summary="Store a filter")
def put_filter(request: Request, kind: Filtered, filter_id: str, body: NewFilter) -> Response:
    """Store rules under a name."""
    caller = caller_of(request, "filter_create")
    found = core_of(request).filters.create(
        caller,
        kind.value,
        filter_id,
        body.filter_rules,
        visibility=body.visibility,
        created_at=body.created_at,
        created_by=body.created_by,
    )
    return json_response(found)


@router.patch("/filters/{kind}/{filter_id}", summary="Change a stored filter")
def patch_filter(request: Request, kind: Filtered, filter_id: str, body: FilterChange) -> Response:
    """Replace the rules, widen the visibility, or both."""
    caller = caller_of(request, "filter_update")
    found = core_of(request).filters.update(
        caller, kind.value, filter_id, rules=body.filter_rules, visibility=body.visibility
    )
    return json_response(found)


@router.delete("/filters/{kind}/{filter_id}", summary="Remove a stored filter", status_code=204)
def delete_filter(request: Request, kind: Filtered, filter_id: str) -> Response:
    """Remove one filter."""
    caller = caller_of(request, "filter_delete")
    core_of(request).filters.delete(caller, kind.value, filter_id)
    return empty_response()


@router.get("/labels/{kind}", summary="List the label keys in use")
def list_label_keys(request: Request, kind: Filtered) -> Response:
    """Answer keys, or with `_reserved=True` the reserved keys that can be set."""
    caller = caller_of(request, "labels_list")
    query = parse_list_query(request.query_params.multi_items())
    reserved = parse_boolean("_reserved", query.first("_reserved") or "false")
    return json_response(core_of(request).filters.label_keys(caller, kind.value, query, reserved=reserved))


@router.get("/labels/{kind}/{key}", summary="List the values in use of a label key")
def list_label_values(request: Request, kind: Filtered, key: str) -> Response:
    """Answer values."""
    caller = caller_of(request, "labels_list")
    query = parse_list_query(request.query_params.multi_items())
    return json_response(core_of(request).filters.label_values(caller, kind.value, query, key))
