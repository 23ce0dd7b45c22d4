"""What `POST /searches/*` and lists with `_filter_id` have in common: rules or constraints in, conditions out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from sqlalchemy import ColumnElement
from sqlmodel import Session

from manager_core.access.caller import Caller
from manager_core.errors import BadParameters
from manager_core.filters.constraints import constraint_conditions
from manager_core.filters.rules import conditions, parse_rules
from manager_core.rest.listing import ListQuery

if TYPE_CHECKING:
    from manager_core.bootstrap import Core


class SearchBody(BaseModel):
    """Filter rules or constraints, not both."""

    filter_rules: list[Any] | None = None
    constraints: dict[str, Any] | None = None


def search_conditions(
    core: Core, session: Session, caller: Caller, kind: str, query: ListQuery, body: SearchBody | None = None
) -> list[ColumnElement[bool]]:
    """Return the conditions of a search, for `list_page(…, hidden_by=…)`.

    The rules of a stored filter (`_filter_id`) and those in the body must all hold.

    Args:
        kind: a key of `filters.kinds.KINDS`.
        body: None for a plain list.

    Raises:
        BadParameters: rules and constraints together, or malformed constraints.
        ManagerError: `invalid_filter_rule`.
        NotFound: an unknown stored filter.
    """
    filter_id = query.first("_filter_id")
    rules = body.filter_rules if body is not None else None
    constraints = body.constraints if body is not None else None
    if constraints and (filter_id or rules):
        raise BadParameters("You should provide either filter_id/filter_rules or DSL constraints, not both")
    found: list[ColumnElement[bool]] = []
    if filter_id:
        found.extend(conditions(session, kind, core.filters.stored(session, caller, kind, filter_id)))
    if rules:
        found.extend(conditions(session, kind, parse_rules(kind, rules)))
    if constraints:
        found.extend(constraint_conditions(core, session, caller, kind, constraints))
    return found
