"""The constraints by which searches narrow what an input of a blueprint may name (REST contract §20.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, or_
from sqlmodel import Session

from manager_core.access.caller import Caller
from manager_core.errors import BadParameters
from manager_core.filters.kinds import KINDS
from manager_core.filters.labels import parse_labels
from manager_core.filters.rules import Rule, conditions, matches

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

_PATTERNS = {"contains": "contains", "starts_with": "starts_with", "ends_with": "ends_with", "equals_to": "any_of"}
KEYS = (
    "name_pattern",
    "valid_values",
    "labels",
    "tenants",
    "filter_id",
    "deployment_id",
    "type",
)


def check_constraints(constraints: Mapping[str, Any]) -> None:
    """Refuse constraints that are not in the right form.

    Raises:
        BadParameters: an unknown key or a value of the wrong type.
    """
    unknown = [key for key in constraints if key not in KEYS]
    if unknown:
        raise BadParameters(f"Unknown constraints: {', '.join(unknown)}. Known are: {', '.join(KEYS)}")
    pattern = constraints.get("name_pattern")
    if pattern is not None and (
        not isinstance(pattern, dict)
        or not set(pattern) <= set(_PATTERNS)
        or not all(isinstance(value, str) for value in pattern.values())
    ):
        raise BadParameters(f"name_pattern must be a map of {', '.join(_PATTERNS)} to texts")
    for key in ("valid_values", "tenants"):
        value = constraints.get(key)
        if value is not None and not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
            raise BadParameters(f"{key} must be a list of texts")


def name_matches(constraints: Mapping[str, Any], name: str) -> bool:
    """Tell whether a name that lies in no table of its own (a workflow, a capability) satisfies the constraints."""
    folded = name.lower()
    tests = {
        "contains": lambda text: text in folded,
        "starts_with": folded.startswith,
        "ends_with": folded.endswith,
    }
    for how, text in (constraints.get("name_pattern") or {}).items():
        if not (name == text if how == "equals_to" else tests[how](text.lower())):
            return False
    allowed = constraints.get("valid_values")
    return allowed is None or name in allowed


def constraint_conditions(
    core: Core, session: Session, caller: Caller, kind: str, constraints: Mapping[str, Any]
) -> list[ColumnElement[bool]]:
    """Return what rows must satisfy for all constraints to hold.

    Raises:
        BadParameters: the constraints are malformed, or the resource has no such property.
        NotFound: an unknown stored filter.
    """
    check_constraints(constraints)
    described = KINDS[kind]
    table: Any = described.table
    found: list[ColumnElement[bool]] = []
    for how, text in (constraints.get("name_pattern") or {}).items():
        found.append(or_(*(matches(name, _PATTERNS[how], [text]) for name in described.names)))
    if constraints.get("valid_values") is not None:
        found.append(or_(*(name.in_(constraints["valid_values"]) for name in described.names)))
    if constraints.get("tenants"):
        found.append(table.tenant_name.in_(constraints["tenants"]))
    if constraints.get("labels"):
        pairs = parse_labels(constraints["labels"])
        wanted = [Rule(key, (value,), "any_of", "label") for key, value in pairs]
        if described.labels is None:
            raise BadParameters(f"Constraint labels: {kind} have no labels")
        found.extend(conditions(session, kind, wanted))
    if constraints.get("filter_id"):
        found.extend(conditions(session, kind, core.filters.stored(session, caller, kind, constraints["filter_id"])))
    for key in ("deployment_id", "type"):
        if constraints.get(key):
            if key not in described.attributes and not (key == "deployment_id" and kind == "deployments"):
                raise BadParameters(f"Constraint {key}: {kind} have no such property")
            expression = described.attributes.get(key, table.id)
            found.append(expression == str(constraints[key]))
    return found
