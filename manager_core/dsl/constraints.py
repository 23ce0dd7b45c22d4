"""Constraints of inputs and workflow parameters: their form, and whether a value keeps them (contract §4.3, §16.3).

Most operators look at the value alone. The data-based ones ask what exists; that question goes to a `ValueSource`
that the caller passes in, so nothing here knows a database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from manager_core import patterns
from manager_core.dsl.errors import DslErrors, Fault, Findings, Path, nearest
from manager_core.dsl.functions.catalogue import is_function
from manager_core.dsl.value_types import OBJECT_TYPES, accepts, mismatch_text

ERROR_MESSAGE = "error_message"
"""The key that may stand beside an operator since version 1_5."""

_IN_DEPLOYMENT = frozenset(
    {"capability_value", "scaling_group", "node_id", "node_type", "node_instance", "operation_name"}
)
_NEEDS_DEPLOYMENT = frozenset({"capability_value", "node_instance"})
_NEEDS_CONTEXT = _IN_DEPLOYMENT - _NEEDS_DEPLOYMENT
_FILTERED = frozenset({"deployment_id", "blueprint_id"})

DATA_BASED: dict[str, frozenset[str]] = {
    "filter_id": _FILTERED,
    "labels": _FILTERED,
    "tenants": _FILTERED,
    "name_pattern": OBJECT_TYPES,
    "deployment_id": _IN_DEPLOYMENT,
    "valid_values": _IN_DEPLOYMENT,
}
"""Operator → the types for which it becomes a question to the value source; valid_values is plain for all others."""


class ValueSource(Protocol):
    """What exists, asked about one value at a time."""

    def has_deployment(self) -> bool:
        """Tell whether a running deployment is the context (workflow parameters)."""

    def has_blueprint(self) -> bool:
        """Tell whether a blueprint being deployed is the context (deployment creation)."""

    def matches(self, type_name: str, value: Any, query: Mapping[str, Any]) -> bool:
        """Tell whether `value` is among what exists of the type.

        Args:
            type_name: an object type of contract §4.2.
            value: the value to find.
            query: data-based operators and their arguments: name_pattern, valid_values, labels, tenants, filter_id,
                deployment_id. All must hold. Without deployment_id the context's deployment is meant.
        """


def check_schema(
    constraints: Any,
    path: Path,
    errors: Findings,
    *,
    version: tuple[int, ...] = (1, 5),
    workflow_parameter: bool = False,
) -> None:
    """Check the form of a `constraints` list.

    Args:
        constraints: the list as written; None counts as absent.
        path: its path in the blueprint.
        errors: receives FMT(1), LOG(102), LOG(103) and LOG(212).
        version: the blueprint's version; `error_message` needs 1_5.
        workflow_parameter: whether the list belongs to a workflow parameter, where an item has exactly one key.
    """
    if constraints is None:
        return
    if not isinstance(constraints, list):
        errors.fmt(f"Expected 'list' type but found '{type(constraints).__name__}' type", path, constraints)
        return
    for index, item in enumerate(constraints):
        here = (*path, index)
        if not isinstance(item, dict):
            errors.fmt(f"Expected 'dict' type but found '{type(item).__name__}' type", here, item)
            continue
        if len(item) > 1 and workflow_parameter:
            errors.log(103, "Each constraint operator dict must be in its own list item.", here, item)
        elif len(item) > 1 and version < (1, 5):
            errors.log(
                102,
                "Constraint's additional attributes are not supported in version "
                f"cloudify_dsl_{version[0]}_{version[1]}, they were added in cloudify_dsl_1_5",
                here,
                item,
            )
        else:
            _check_item(item, here, errors, operators_only=workflow_parameter)


def _check_item(item: Mapping[str, Any], path: Path, errors: Findings, *, operators_only: bool) -> None:
    names = [name for name in item if operators_only or name != ERROR_MESSAGE]
    known = ", ".join(_ARGUMENTS)
    if not names:
        errors.log(103, f"Empty constraint operator name given. Allowed operators: {known}", path, dict(item))
    for name in names:
        well_formed = _ARGUMENTS.get(name) if isinstance(name, str) else None
        if well_formed is None:
            text = f"No such constraint operator '{name}'. Allowed operators: {known}"
            errors.log(103, text, path, name, nearest(name, _ARGUMENTS))
        elif not is_function(item[name]) and not well_formed(item[name]):
            owner = path[-3] if len(path) >= 3 else ""
            errors.log(
                212,
                f'Invalid constraint operator argument "{item[name]}", for constraint operator "{name}" in "{owner}".',
                (*path, name),
                item[name],
            )


def check_value(
    name: str,
    value: Any,
    schema: Mapping[str, Any],
    *,
    values: ValueSource | None,
    path: Path = (),
) -> None:
    """Check one value of an input or workflow parameter against the constraints of its schema.

    The declared type itself is not checked here, but the `item_type` of a list is.

    Args:
        name: the input's name.
        value: its value.
        schema: the declaration: `type`, `item_type`, `constraints`.
        values: what exists, or None where nothing can be asked (then object types are refused).
        path: where the value stands in the blueprint, for messages.

    Raises:
        DslErrors: ConstraintException, DSL(213), LOG(105) for a list item.
    """
    constraints = schema.get("constraints") or []
    type_name, item_type = schema.get("type"), schema.get("item_type")
    if type_name != "list" or not item_type:
        if constraints or type_name in OBJECT_TYPES:
            _check_one(name, value, constraints, type_name, values, path)
        return
    if is_function(value) and not constraints:
        return
    items: Sequence[Any] = value if isinstance(value, list | tuple | str) else [value]
    for item in items:
        if not accepts(item_type, item):
            raise DslErrors.single(Fault.LOG, 105, mismatch_text(name, item_type, item), path, value=item)
        _check_one(name, item, constraints, item_type, values, path)


def _check_one(
    name: str,
    value: Any,
    constraints: Sequence[Mapping[str, Any]],
    type_name: str | None,
    values: ValueSource | None,
    path: Path,
) -> None:
    if constraints and is_function(value):
        text = f"Input value {value}, of input {name}, cannot contain an intrinsic function and also have constraints."
        raise DslErrors.single(Fault.DSL, 213, text, path, value=value)
    parsed = [_split(item) for item in constraints]
    if type_name in OBJECT_TYPES:
        _check_exists(name, value, {operator for operator, _, _ in parsed}, str(type_name), values, path)
    query: dict[str, Any] = {}
    for operator, argument, message in parsed:
        if operator in DATA_BASED and (operator != "valid_values" or type_name in DATA_BASED[operator]):
            if type_name not in DATA_BASED[operator]:
                text = f"'{operator}' constraint is not defined for '{type_name}' data types"
                raise DslErrors.single(Fault.CONSTRAINT, None, text, path)
            query[operator] = argument
        elif not _holds(operator, value, argument, path):
            reason = (
                f"is invalid. {message}" if message else f"violates constraint {_shown(operator, argument)} operator."
            )
            raise DslErrors.single(Fault.CONSTRAINT, None, f"Value {value} of input {name} {reason}", path, value=value)
    if (query or type_name in _NEEDS_DEPLOYMENT) and (
        values is None or not values.matches(str(type_name), value, query)
    ):
        shown = ", ".join(f"{_shown(operator, argument)} operator" for operator, argument in query.items())
        text = (
            f"Value '{value}' of input '{name}' does not match any relevant entity or violates at least one of the "
            f"constraints: {shown}."
        )
        raise DslErrors.single(Fault.CONSTRAINT, None, text, path, value=value)


def _check_exists(
    name: str, value: Any, operators: set[str], type_name: str, values: ValueSource | None, path: Path
) -> None:
    """Check that there is a context to look in, and look when no constraint of the value will."""
    if values is None:
        text = f"Value of input '{name}' of type '{type_name}' cannot be checked here: nothing to look it up in"
        raise DslErrors.single(Fault.CONSTRAINT, None, text, path, value=value)
    pointed = "deployment_id" in operators
    running = values.has_deployment()
    if type_name in _NEEDS_CONTEXT and not (running or pointed or values.has_blueprint()):
        text = f"Input '{name}' of type '{type_name}' lacks 'blueprint_id' or 'deployment_id' constraint."
        raise DslErrors.single(Fault.CONSTRAINT, None, text, path)
    if type_name in _NEEDS_DEPLOYMENT and not (running or pointed):
        text = f"Input '{name}' of type '{type_name}' lacks 'deployment_id' constraint."
        raise DslErrors.single(Fault.CONSTRAINT, None, text, path)
    must_look = type_name not in _IN_DEPLOYMENT or (running and not pointed)
    if must_look and not values.matches(type_name, value, {}):
        text = f"Value '{value}' of '{name}' is not a valid value for data type '{type_name}'."
        raise DslErrors.single(Fault.CONSTRAINT, None, text, path, value=value)


def _split(item: Mapping[str, Any]) -> tuple[str, Any, str | None]:
    """Return operator, argument and error message; of several operators the last one counts."""
    operators = [key for key in item if key != ERROR_MESSAGE]
    message = item.get(ERROR_MESSAGE)
    return operators[-1], item[operators[-1]], str(message) if message else None


def _shown(operator: str, argument: Any) -> str:
    inside = ", ".join(str(part) for part in argument) if isinstance(argument, list | tuple) else argument
    return f"{operator}({inside})"


def _holds(operator: str, value: Any, argument: Any, path: Path) -> bool:
    if operator not in _TESTS:
        return True  # no such operator: that is what `check_schema` reports
    try:
        return bool(_TESTS[operator](value, argument))
    except TypeError:
        text = (
            f"Value {value!r} cannot be compared by constraint {_shown(operator, argument)}: "
            f"its type is '{type(value).__name__}'"
        )
        raise DslErrors.single(Fault.CONSTRAINT, None, text, path, value=value) from None
    except patterns.PatternTooSlow as error:
        raise DslErrors.single(Fault.CONSTRAINT, None, str(error), path, value=value) from None


def _is_number(argument: Any) -> bool:
    return isinstance(argument, int | float) and not isinstance(argument, bool)


def _is_pair(argument: Any) -> bool:
    return _is_list(argument) and len(argument) == 2 and all(_is_number(part) for part in argument)


def _is_list(argument: Any) -> bool:
    return isinstance(argument, list | tuple)


def _is_text(argument: Any) -> bool:
    return isinstance(argument, str)


def _is_mapping(argument: Any) -> bool:
    return isinstance(argument, dict)


def _is_pattern(argument: Any) -> bool:
    return isinstance(argument, str) and accepts("regex", argument)


def _match(value: Any, pattern: Any) -> bool:
    if not isinstance(value, str):
        raise TypeError
    return patterns.match(pattern, value)


_ARGUMENTS: dict[str, Callable[[Any], bool]] = {
    "equal": _is_number,
    "greater_than": _is_number,
    "greater_or_equal": _is_number,
    "less_than": _is_number,
    "less_or_equal": _is_number,
    "in_range": _is_pair,
    "valid_values": _is_list,
    "length": _is_number,
    "min_length": _is_number,
    "max_length": _is_number,
    "pattern": _is_pattern,
    "filter_id": _is_text,
    "labels": _is_list,
    "tenants": _is_list,
    "name_pattern": _is_mapping,
    "deployment_id": _is_text,
}
"""Operator → is its argument well formed."""

_TESTS: dict[str, Callable[[Any, Any], Any]] = {
    "equal": lambda value, argument: value == argument,
    "greater_than": lambda value, argument: value > argument,
    "greater_or_equal": lambda value, argument: value >= argument,
    "less_than": lambda value, argument: value < argument,
    "less_or_equal": lambda value, argument: value <= argument,
    "in_range": lambda value, argument: argument[0] <= value <= argument[1],
    "valid_values": lambda value, argument: value in argument,
    "length": lambda value, argument: len(value) == argument,
    "min_length": lambda value, argument: len(value) >= argument,
    "max_length": lambda value, argument: len(value) <= argument,
    "pattern": _match,
}
"""Operator → does the value keep it; what only a value source can tell is not here."""
