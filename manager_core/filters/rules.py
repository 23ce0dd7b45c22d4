"""Filter rules: checked for form, and turned into conditions of a SELECT (REST contract §20.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from sqlalchemy import ColumnElement, and_, exists, false, func, not_, or_, select
from sqlmodel import Session

from manager_core.errors import Kind, ManagerError
from manager_core.filters.kinds import KINDS, FilteredKind
from manager_core.rest.listing import like_escaped
from manager_core.schedules.tables import ExecutionSchedule

LABEL_OPERATORS = ("any_of", "not_any_of", "is_not", "is_null", "is_not_null")
ATTRIBUTE_OPERATORS = ("any_of", "not_any_of", "contains", "not_contains", "starts_with", "ends_with", "is_not_empty")
_WITHOUT_VALUES = frozenset({"is_null", "is_not_null", "is_not_empty"})


@dataclass(frozen=True)
class Rule:
    """One checked rule."""

    key: str
    values: tuple[str, ...]
    operator: str
    type: str

    def as_json(self) -> dict[str, Any]:
        """Return the rule as it is stored and shown."""
        return {"key": self.key, "values": list(self.values), "operator": self.operator, "type": self.type}


MOST_RULES = 100
"""Each rule is a condition of its own: thousands keep a database busy for minutes."""

_MOST_VALUES = 1000


def parse_rules(kind: str, raw: Any) -> list[Rule]:
    """Return a request's rules.

    Raises:
        ManagerError: `invalid_filter_rule`, with the rule and the reason in the envelope.
    """
    if not isinstance(raw, list):
        _refuse(raw, "the rules must be a list")
    if len(raw) > MOST_RULES:
        _refuse(f"list of {len(raw)}", f"at most {MOST_RULES} rules are looked at together")
    return [_parse(KINDS[kind], rule) for rule in raw]


def _refuse(rule: Any, reason: str) -> NoReturn:
    raise ManagerError(
        f"The filter rule {rule} is not in the right format. {reason[:1].upper()}{reason[1:]}",
        code="invalid_filter_rule",
        kind=Kind.BAD_INPUT,
        extra={"err_filter_rule": rule, "err_reason": reason},
    )


def _parse(kind: FilteredKind, rule: Any) -> Rule:
    if not isinstance(rule, dict) or set(rule) != {"key", "values", "operator", "type"}:
        _refuse(rule, "a rule is a dictionary with the keys `key`, `values`, `operator` and `type`")
    key, values, operator, type_ = rule["key"], rule["values"], rule["operator"], rule["type"]
    if not isinstance(key, str) or not key:
        _refuse(rule, "`key` must be a non-empty string")
    if not isinstance(values, list) or not all(isinstance(value, str) and "\0" not in value for value in values):
        _refuse(rule, "`values` must be a list of strings")
    if len(values) > _MOST_VALUES:
        _refuse({**rule, "values": values[:10]}, f"`values` has more than {_MOST_VALUES} values")
    if type_ == "label":
        if kind.labels is None:
            _refuse(rule, "this resource has no labels")
        allowed: Sequence[str] = LABEL_OPERATORS
        key = key.lower()
    elif type_ == "attribute":
        allowed = ATTRIBUTE_OPERATORS
        if key not in kind.attribute_names():
            _refuse(rule, f"the allowed attributes are: {', '.join(kind.attribute_names())}")
    else:
        _refuse(rule, "`type` must be `label` or `attribute`")
    if operator not in allowed:
        _refuse(rule, f"the operator of a rule of type `{type_}` must be one of: {', '.join(allowed)}")
    if operator in _WITHOUT_VALUES and values:
        _refuse(rule, f"the values of the operator `{operator}` must be an empty list")
    if operator not in _WITHOUT_VALUES and not values:
        _refuse(rule, f"the operator `{operator}` needs at least one value")
    return Rule(key, tuple(values), operator, type_)


def conditions(session: Session, kind: str, rules: Sequence[Any]) -> list[ColumnElement[bool]]:
    """Return what rows must satisfy for all rules to hold.

    Args:
        kind: `deployments`, `blueprints`, `secrets`, `nodes` or `node-instances`.
        rules: as requests give them, or `Rule`s.

    Raises:
        ManagerError: `invalid_filter_rule`.
    """
    dialect = session.get_bind().dialect.name
    found = []
    for given in rules:
        rule = given if isinstance(given, Rule) else _parse(KINDS[kind], given)
        found.append(_label(KINDS[kind], rule) if rule.type == "label" else _attribute(KINDS[kind], rule, dialect))
    return found


def _label(kind: FilteredKind, rule: Rule) -> ColumnElement[bool]:
    assert kind.labels is not None
    labels, owner = kind.labels
    table: Any = kind.table
    of_row = and_(labels.tenant_name == table.tenant_name, owner == table.id, labels.key == rule.key)
    present = exists().where(of_row)
    one_of = exists().where(of_row, labels.value.in_(rule.values))
    match rule.operator:
        case "any_of":
            return one_of
        case "not_any_of":
            return and_(present, not_(one_of))
        case "is_not":
            return not_(one_of)
        case "is_null":
            return not_(present)
        case _:
            return present


def _attribute(kind: FilteredKind, rule: Rule, dialect: str) -> ColumnElement[bool]:
    if rule.key in kind.related:
        return _related(kind, rule, dialect)
    expression = kind.attributes[rule.key]
    if rule.operator == "is_not_empty":
        return and_(expression.is_not(None), expression != "")
    found = matches(expression, rule.operator.removeprefix("not_"), rule.values)
    return or_(expression.is_(None), not_(found)) if rule.operator.startswith("not_") else found


def matches(expression: Any, operator: str, values: Sequence[str]) -> ColumnElement[bool]:
    """Return the test that `expression` is one of, contains, starts or ends with one of `values`."""
    if operator == "any_of":
        return expression.in_(values)  # type: ignore[no-any-return]
    pattern = {"contains": "%{}%", "starts_with": "{}%", "ends_with": "%{}"}[operator]
    tests = [expression.ilike(pattern.format(like_escaped(value)[1:-1]), escape="\\") for value in values]
    return or_(*tests) if tests else false()


def _related(kind: FilteredKind, rule: Rule, dialect: str) -> ColumnElement[bool]:
    """Return the test on what lies beside the row: a deployment's schedules, a node's operations."""
    table: Any = kind.table
    name: Any
    if rule.key == "schedules":
        name = ExecutionSchedule.id
        rows = select(ExecutionSchedule.storage_id).where(  # type: ignore[call-overload]
            ExecutionSchedule.tenant_name == table.tenant_name, ExecutionSchedule.deployment_id == table.id
        )
    else:
        entries = func.json_each if dialect == "sqlite" else func.jsonb_each
        keys = entries(table.operations).table_valued("key")
        name = keys.c.key
        rows = select(name).select_from(keys)
    if rule.operator == "is_not_empty":
        return exists(rows.correlate(table))
    found = exists(rows.where(matches(name, rule.operator.removeprefix("not_"), rule.values)).correlate(table))
    return not_(found) if rule.operator.startswith("not_") else found
