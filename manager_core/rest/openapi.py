"""What the generated OpenAPI document does not know by itself: credentials, the error envelope, the tenant header."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from manager_core.rest.answers import describe_answers

DESCRIPTION = """
Blueprints, deployments, executions and their schedules: the REST API v3.1 that `cfy` and the Cloudify REST client
speak.

- **Credentials**: Basic, or an API token in `Authentication-Token`. `POST /tokens` makes one.
- **Tenant**: the `Tenant` header names the tenant a request is about; most calls need it.
- **Lists**: `_size`, `_offset`, `_sort`, `_include`, `_search`, `_all_tenants`; any other parameter filters a field by
  equality. Answers hold `items`, and in `metadata.pagination` the total.
- **Errors**: a message for people and an `error_code` for programs.
"""

TAGS = [
    {"name": "execution schedules", "description": "When workflows run: rules, time zones, history."},
    {"name": "executions", "description": "Runs of workflows: start, follow, cancel, resume."},
    {"name": "events", "description": "What executions said."},
    {"name": "deployments", "description": "Blueprints made real, with their inputs, outputs and updates."},
    {"name": "blueprints", "description": "Uploaded blueprints."},
    {"name": "nodes", "description": "Nodes, their instances, and changes of their number."},
    {"name": "plugins", "description": "Uploaded plugins."},
    {"name": "secrets", "description": "Encrypted values that blueprints name instead of holding."},
    {"name": "filters and labels", "description": "Stored filter rules, and the labels in use."},
    {"name": "summaries", "description": "Counts of resources by one or two fields."},
    {"name": "users, tenants and tokens", "description": "Who may do what, and where."},
    {"name": "maintenance", "description": "A pause in which nothing new begins."},
    {"name": "configuration", "description": "Values an operator changes at run time."},
    {"name": "snapshots", "description": "The whole manager in one file."},
    {"name": "system", "description": "Version, status, and the one-manager cluster."},
    {"name": "internal", "description": "What the manager's own processes on other hosts call."},
    {"name": "health", "description": "For those who watch over the service."},
]

ERROR = {
    "title": "Error",
    "type": "object",
    "required": ["message", "error_code"],
    "properties": {
        "message": {"type": "string", "description": "What went wrong, for a person"},
        "error_code": {"type": "string", "description": "The same for a program; it stays the same over versions"},
        "server_traceback": {"type": ["string", "null"]},
    },
    "example": {
        "message": "Requested `Deployment` with ID `db` was not found",
        "error_code": "not_found_error",
        "server_traceback": None,
    },
}

SECURITY_SCHEMES = {
    "basic": {"type": "http", "scheme": "basic"},
    "token": {"type": "apiKey", "in": "header", "name": "Authentication-Token", "description": "`ctok-<id>-<secret>`"},
    "worker": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`Cloudify-Worker <seconds>:<HMAC>`, made from `CLOUDIFY_SECRET_KEY`, good for five minutes",
    },
}

TENANT = {
    "name": "Tenant",
    "in": "header",
    "required": False,
    "description": "The tenant the request is about",
    "schema": {"type": "string", "default": "default_tenant"},
}

LIST = [
    {"name": name, "in": "query", "required": False, "description": description, "schema": schema}
    for name, description, schema in (
        ("_size", "Items a page", {"type": "integer", "minimum": 0, "default": 1000}),
        ("_offset", "Items before the page", {"type": "integer", "minimum": 0, "default": 0}),
        ("_sort", "A field; `-` in front for descending", {"type": "array", "items": {"type": "string"}}),
        ("_include", "A comma list of fields; items hold no others", {"type": "string"}),
        ("_search", "A text to look for, in any letter case", {"type": "string"}),
        ("_all_tenants", "Look into every tenant the caller may look into", {"type": "boolean", "default": False}),
    )
]

_OPEN = {"/health", "/api/v3.1/ok", "/api/v3.1/snapshot-status"}
_NOT_MODIFIED = {"/api/v3.1/maintenance/{action}"}


def describe(app: FastAPI) -> None:
    """Make the application's document say what every endpoint has in common."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes, tags=TAGS
            )
            app.openapi_schema = _completed(made)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # the way FastAPI documents


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    components = document.setdefault("components", {})
    components.setdefault("schemas", {})["Error"] = ERROR
    components["securitySchemes"] = SECURITY_SCHEMES
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    refusal = {
        "description": "Refused; the envelope says why",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            responses = operation["responses"]
            responses.pop("422", None)
            responses.setdefault("default", refusal)
            if path in _NOT_MODIFIED:
                responses["304"] = {"description": "The wanted state is there already"}
            if path in _OPEN:
                continue
            if path.startswith("/api/v3.1/internal/"):
                operation["security"] = [{"worker": []}]
                continue
            if method == "get" and operation.get("summary", "").startswith("List ") and path.startswith("/api/v3.1/"):
                known = {parameter["name"] for parameter in operation.get("parameters", [])}
                operation.setdefault("parameters", []).extend(item for item in LIST if item["name"] not in known)
            operation["security"] = [{"basic": []}, {"token": []}]
            if path.startswith("/api/v3.1/"):
                operation.setdefault("parameters", []).append(TENANT)
    describe_answers(document, "/api/v3.1")
    return document
