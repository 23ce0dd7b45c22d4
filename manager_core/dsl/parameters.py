"""Workflow parameters: what a start request gives, bound to what the workflow declares; and whether a workflow is
available at all (contract §11.2, §11.3; workflow runtime §3.6; REST §8.4)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from manager_core.dsl.constraints import ValueSource, check_value
from manager_core.dsl.errors import DslErrors
from manager_core.errors import Kind, ManagerError

Evaluate = Callable[[dict[str, Any]], dict[str, Any]]
"""Replaces the function calls in a mapping by their values, in the context of the deployment."""

STARTED = "started"
NOT_ACTIVE = frozenset({"uninitialized", "deleted"})


class IllegalParameters(ManagerError):
    """The given parameters do not fit what the workflow declares."""

    code = "illegal_execution_parameters_error"
    kind = Kind.BAD_INPUT


def bind(
    workflow_id: str,
    declared: Mapping[str, Any] | None,
    given: Mapping[str, Any] | None,
    *,
    allow_custom: bool = False,
    evaluate: Evaluate | None = None,
    values: ValueSource | None = None,
) -> dict[str, Any]:
    """Return the parameters that an execution is started with.

    Args:
        workflow_id: the workflow's name, for messages.
        declared: its `parameters`.
        given: the parameters of the request.
        allow_custom: whether undeclared names are passed on.
        evaluate: replaces function calls, in defaults as well; without it calls are passed on as they are.
        values: what exists, for object types and data-based constraints.

    Returns:
        name → value; a parameter that is not required and has no value is left out.

    Raises:
        IllegalParameters: with the texts of workflow runtime §3.6.
        DslErrors: a function call cannot be evaluated.
    """
    declared = {name: schema or {} for name, schema in (declared or {}).items()}
    given = given or {}
    custom = sorted(str(name) for name in given if name not in declared)
    if custom and not allow_custom:
        raise IllegalParameters(
            f'Workflow "{workflow_id}" does not have the following parameters declared: {",".join(custom)}. '
            "Remove these parameters or use the flag for allowing custom parameters"
        )
    bound = {name: schema["default"] for name, schema in declared.items() if "default" in schema}
    bound.update(given)
    if evaluate is not None:
        bound = evaluate(bound)
    _convert(declared, bound)
    for name, schema in declared.items():
        # A null is no value: it stands for "not given" in the built-in workflows.
        if bound.get(name) is not None:
            _check(name, bound[name], schema, values)
    missing = [name for name, schema in declared.items() if schema.get("required", True) and name not in bound]
    if missing:
        raise IllegalParameters(
            f'Workflow "{workflow_id}" must be provided with the following parameters to execute: {",".join(missing)}'
        )
    return bound


def is_available(
    rules: Mapping[str, Any] | None, *, instance_states: Mapping[str, int], node_types: Collection[str]
) -> bool:
    """Tell whether a workflow may be started now.

    Args:
        rules: the workflow's `availability_rules`; None means always.
        instance_states: state → number of the deployment's node instances in it.
        node_types: every type in the hierarchies of the deployment's nodes.
    """
    if not rules:
        return True
    if rules.get("available") is False:
        return False
    required = rules.get("node_types_required")
    if required and not any(name in node_types for name in required):
        return False
    active = rules.get("node_instances_active")
    return not active or any(_holds(rule, instance_states) for rule in active)


def _holds(rule: str, states: Mapping[str, int]) -> bool:
    present = {state for state, count in states.items() if count}
    if rule == "all":
        return present <= {STARTED}
    if rule == "partial":
        return not present <= {STARTED} and not present <= NOT_ACTIVE
    return rule == "none" and STARTED not in present


def _convert(declared: Mapping[str, Any], bound: dict[str, Any]) -> None:
    """Convert values to their declared types in place; all that cannot be are refused together."""
    wrong: list[str] = []
    for name, schema in declared.items():
        type_name, value = schema.get("type"), bound.get(name)
        if type_name is None or value is None:
            continue
        item_type = schema.get("item_type")
        try:
            if type_name == "list" and item_type:
                if not isinstance(value, list | tuple):
                    raise TypeError
                bound[name] = [_converted(item, item_type) for item in value]
            else:
                bound[name] = _converted(value, type_name)
        except (TypeError, ValueError, OverflowError):
            described = f"list of {item_type}s" if type_name == "list" and item_type else type_name
            wrong.append(f'Parameter "{name}" must be of type {described}')
    if wrong:
        raise IllegalParameters("\n".join(wrong))


def _converted(value: Any, type_name: str) -> Any:
    if type_name == "integer":
        return int(value)
    if type_name == "float":
        return float(value)
    if type_name == "boolean":
        return _boolean(value)
    if (type_name == "string" and not isinstance(value, str)) or (
        type_name == "list" and not isinstance(value, list | tuple)
    ):
        raise TypeError
    return value


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise ValueError


def _check(name: str, value: Any, schema: Mapping[str, Any], values: ValueSource | None) -> None:
    try:
        check_value(name, value, schema, values=values)
    except DslErrors as error:
        text = f'Parameter "{name}" does not meet its constraints: {error.problems[0].message}'
        raise IllegalParameters(text) from error
