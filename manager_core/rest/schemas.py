"""What resources look like, for the OpenAPI document: made from the same `Listing`s that answer requests.

Types of columns are the database's; members that are made otherwise are described in `_MADE` by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Boolean, Float, Integer

from manager_core.rest.resource import Field, Listing
from manager_core.store.column_types import Json, UtcDateTime

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
WHOLE: Schema = {"type": "integer"}
TRUTH: Schema = {"type": "boolean"}
ANYTHING: Schema = {}
OBJECT: Schema = {"type": "object"}
OBJECT_OR_NULL: Schema = {"type": ["object", "null"]}
LIST: Schema = {"type": "array", "items": {}}
LIST_OR_NULL: Schema = {"type": ["array", "null"], "items": {}}
_INSTANT = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"
INSTANT: Schema = {"type": "string", "pattern": _INSTANT, "examples": ["2026-11-21T18:00:00.000Z"]}
INSTANT_OR_NULL: Schema = {**INSTANT, "type": ["string", "null"]}
COUNT_OR_MAP: Schema = {"type": ["integer", "object"]}


def one_of_type(name: str) -> Schema:
    """Refer to a component of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def list_of(items: Schema) -> Schema:
    """Describe an array."""
    return {"type": "array", "items": items}


def map_of(values: Schema) -> Schema:
    """Describe an object whose members are all alike."""
    return {"type": "object", "additionalProperties": values}


def object_of(**members: Schema) -> Schema:
    """Describe an object with these members, all of them there, and no others."""
    return {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}


def page_of(items: Schema) -> Schema:
    """Describe the envelope of lists (REST contract §1.7)."""
    return object_of(
        items=list_of(items),
        metadata=object_of(
            pagination=object_of(total=WHOLE, size=WHOLE, offset=WHOLE),
            filtered={"type": ["integer", "null"], "description": "Rows hidden by filter rules"},
        ),
    )


_MADE: dict[str, Schema] = {
    "private_resource": TRUTH,
    "labels": list_of(one_of_type("Label")),
    "inputs": OBJECT,
    "outputs": OBJECT,
    "capabilities": OBJECT,
    "groups": OBJECT,
    "policy_types": OBJECT,
    "policy_triggers": OBJECT,
    "scaling_groups": OBJECT,
    "workflows": list_of(one_of_type("Workflow")),
    "deployment_groups": list_of(TEXT),
    "resource_tags": OBJECT_OR_NULL,
    "sub_services_count": WHOLE,
    "sub_services_status": TEXT_OR_NULL,
    "sub_environments_count": WHOLE,
    "sub_environments_status": TEXT_OR_NULL,
    "has_sub_deployments": TRUTH,
    "environment_type": TEXT_OR_NULL,
    "drifted_instances": WHOLE,
    "unavailable_instances": WHOLE,
    "actual_number_of_instances": WHOLE,
    "actual_planned_number_of_instances": WHOLE,
    "deployment_display_name": TEXT_OR_NULL,
    "status_display": TEXT,
    "steps": list_of(one_of_type("UpdateStep")),
    "schedules_to_create": LIST,
    "schedules_to_delete": LIST,
    "labels_to_create": LIST,
    "recursive_dependencies": list_of(
        object_of(deployment=TEXT, dependency_type=TEXT, dependent_node=TEXT, tenant=TEXT)
    ),
    "old_inputs": OBJECT_OR_NULL,
    "new_inputs": OBJECT_OR_NULL,
    "plan": OBJECT,
    "upload_execution": OBJECT_OR_NULL,
    "index": WHOLE,
    "type_hierarchy": list_of(TEXT),
    "relationships": LIST_OR_NULL,
    "runtime_properties": OBJECT_OR_NULL,
    "system_properties": OBJECT_OR_NULL,
    "properties": OBJECT_OR_NULL,
    "operations": OBJECT,
    "plugins": LIST_OR_NULL,
    "plugins_to_install": LIST_OR_NULL,
    "modified_nodes": OBJECT_OR_NULL,
    "node_instances": OBJECT_OR_NULL,
    "context": OBJECT_OR_NULL,
    "dependencies": LIST_OR_NULL,
    "parameters": OBJECT_OR_NULL,
    "wheels": LIST,
    "excluded_wheels": LIST,
    "supported_py_versions": LIST_OR_NULL,
    "installation_state": LIST,
    "yaml_url_path": TEXT,
    "yaml_files_paths": list_of(TEXT),
    "file_server_path": TEXT,
    "value": ANYTHING,
    "labels_filter_rules": list_of(one_of_type("FilterRule")),
    "attrs_filter_rules": list_of(one_of_type("FilterRule")),
    "execution_arguments": OBJECT,
    "rule": OBJECT,
    "exclude_calendars": list_of(TEXT),
    "next_occurrence": INSTANT_OR_NULL,
    "all_next_occurrences": list_of({"type": "string", "examples": ["2026-11-21 18:00:00"]}),
    "latest_execution_status": TEXT_OR_NULL,
    "requirements": OBJECT_OR_NULL,
    "provider_options": ANYTHING,
    "schema": OBJECT_OR_NULL,
    "is_locked": TRUTH,
    "permalink": {"type": "null"},
    "workdir_zip": {"type": "null"},
}
"""Members whose JSON is not simply a column's, by name: a name means the same in every resource."""


def resource_schema(listing: Listing, description: str, **other: Schema) -> Schema:
    """Describe one resource. No member is required: `_include` chooses among them.

    Args:
        other: members that this resource has otherwise than others, or only alone.
    """
    members = {name: _member(name, field) for name, field in listing.fields.items()} | other
    return {"type": "object", "description": description, "properties": members, "additionalProperties": False}


def _member(name: str, field: Field) -> Schema:
    made = _MADE.get(name)
    if made is not None:
        return made
    if field.render is not None or field.batch is not None or len(field.columns) != 1:
        return ANYTHING
    expression = field.columns[0]
    kind = getattr(expression, "type", None)
    if isinstance(kind, Json):
        return ANYTHING
    found: Mapping[str, Any] = TEXT
    if isinstance(kind, Boolean):
        found = TRUTH
    elif isinstance(kind, Integer):
        found = WHOLE
    elif isinstance(kind, Float):
        found = {"type": "number"}
    elif isinstance(kind, UtcDateTime):
        found = INSTANT
    return dict(found) if _never_null(expression) else {**found, "type": [found["type"], "null"]}


def _never_null(expression: Any) -> bool:
    """Tell whether the column is declared so; expressions may be null for all we know."""
    columns: Any = getattr(getattr(expression, "property", None), "columns", ())
    return len(columns) == 1 and columns[0].nullable is False
