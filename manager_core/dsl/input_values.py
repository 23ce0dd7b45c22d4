"""The values of a deployment's inputs: given, defaulted, corrected, checked and completed (contract §16.1)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from manager_core.dsl.constraints import ValueSource, check_value
from manager_core.dsl.errors import DslErrors, Fault, Problem, nearest
from manager_core.dsl.functions.catalogue import is_function
from manager_core.dsl.functions.evaluation import Frame
from manager_core.dsl.functions.static import StaticEvaluator
from manager_core.dsl.value_types import ValueRefused, complete

ConstraintEvaluator = Callable[[list[Any]], list[Any]]
"""Evaluates the calls in a list of constraints with all that is known besides the inputs."""

_MISSING = object()


def bind_inputs(
    declared: Mapping[str, Any],
    given: Mapping[str, Any] | None,
    *,
    data_types: Mapping[str, Any],
    values: ValueSource | None,
    auto_correct: bool = False,
    evaluate_constraints: ConstraintEvaluator | None = None,
) -> dict[str, Any]:
    """Return name → value for every declared input.

    Args:
        declared: the plan's input schemas.
        given: the values of the request.
        data_types: the plan's data types.
        values: what exists, for object types and data-based constraints.
        auto_correct: whether text is turned into the declared integer, float or boolean where it reads as one.
        evaluate_constraints: evaluates calls in constraint arguments; without it they may use inputs alone.

    Raises:
        DslErrors: everything that is wrong, as contract §16.1 names it; the missing inputs come together in one
            problem, and so do the undeclared ones.
    """
    given = given or {}
    bound: dict[str, Any] = {}
    missing: list[str] = []
    problems: list[Problem] = []
    for name, schema in declared.items():
        schema = schema or {}
        try:
            value = _chosen(name, schema, given, data_types)
            if value is _MISSING:
                if schema.get("required", True):
                    missing.append(name)
                else:
                    bound[name] = None
                continue
            if auto_correct:
                value = corrected(value, schema.get("type"))
            schema = _with_evaluated_constraints(schema, bound, evaluate_constraints)
            check_value(name, value, schema, values=values, path=("inputs", name))
            bound[name] = complete(value, schema.get("type"), data_types, name)
        except ValueRefused as error:
            problems.append(Problem(Fault.DSL, 214, str(error), ("inputs", name), value))
        except DslErrors as error:
            problems.extend(error.problems)
    if missing:
        text = f"Required inputs {missing} were not specified - expected inputs: {list(declared)}"
        problems.append(Problem(Fault.MISSING_INPUT, None, text, ("inputs",)))
    unknown = [name for name in given if name not in declared]
    if unknown:
        text = f"Unknown inputs {unknown} specified - expected inputs: {list(declared)}"
        hint = nearest(unknown[0], declared)
        problems.append(Problem(Fault.UNKNOWN_INPUT, None, text, ("inputs",), None, hint))
    if problems:
        raise DslErrors(problems)
    return bound


def corrected(value: Any, type_name: str | None) -> Any:
    """Turn text into the declared integer, float or boolean where it reads as one; leave anything else."""
    if not isinstance(value, str):
        return value
    try:
        if type_name == "integer":
            return int(value)
        if type_name == "float":
            return float(value)
    except ValueError:
        return value
    if type_name == "boolean":
        return {"true": True, "false": False}.get(value, value)
    return value


def _chosen(name: str, schema: Mapping[str, Any], given: Mapping[str, Any], data_types: Mapping[str, Any]) -> Any:
    if name in given:
        _check_encodable(name, given[name])
        return given[name]
    if schema.get("default") is not None:
        return schema["default"]
    if schema.get("type") in data_types:
        try:
            return complete({}, schema["type"], data_types, name) or _MISSING
        except ValueRefused:
            return _MISSING
    return _MISSING


def _check_encodable(name: str, value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        text = f"Illegal characters in input: {name}. The value cannot be written as text"
        raise DslErrors.single(Fault.INP, 108, text, ("inputs", name)) from None


def _with_evaluated_constraints(
    schema: Mapping[str, Any], bound: Mapping[str, Any], evaluate: ConstraintEvaluator | None
) -> Mapping[str, Any]:
    constraints: Sequence[Any] = schema.get("constraints") or []
    if not any(is_function(argument) for item in constraints for argument in item.values()):
        return schema
    known: list[Any] = [dict(item) for item in constraints]
    known = StaticEvaluator(bound, {}).container(known, Frame())
    return {**schema, "constraints": evaluate(known) if evaluate else known}
