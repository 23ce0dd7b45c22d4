"""Binding workflow parameters, and when a workflow is available."""

from __future__ import annotations

from typing import Any

import pytest

from manager_core.dsl.errors import DslErrors, Fault
from manager_core.dsl.parameters import IllegalParameters, bind, is_available
from tests.support.prepare_facts import DataValues


def bound(declared: dict[str, Any], given: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    return bind("w", declared, given, **options)


def refusal(declared: dict[str, Any], given: dict[str, Any] | None = None, **options: Any) -> str:
    with pytest.raises(IllegalParameters) as caught:
        bound(declared, given, **options)
    assert caught.value.code == "illegal_execution_parameters_error"
    return caught.value.message


def test_undeclared_names_are_refused_together_unless_custom_ones_are_allowed() -> None:
    assert refusal({"x": {"default": 1}}, {"b": 1, "a": 2}) == (
        'Workflow "w" does not have the following parameters declared: a,b. '
        "Remove these parameters or use the flag for allowing custom parameters"
    )
    assert bound({"x": {"default": 1}}, {"a": 2}, allow_custom=True) == {"x": 1, "a": 2}


def test_defaults_fill_in_whole_values_and_null_is_one() -> None:
    declared = {"d": {"default": {"a": 1, "b": 2}}, "n": {"default": None}}
    assert bound(declared, {"d": {"a": 3}}) == {"d": {"a": 3}, "n": None}


def test_missing_ones_are_named_together_and_optional_ones_are_not_passed() -> None:
    declared = {"b": {}, "a": {"type": "integer"}, "o": {"required": False}, "null": None}
    assert refusal(declared) == ('Workflow "w" must be provided with the following parameters to execute: b,a,null')
    assert bound(declared, {"b": 1, "a": 2, "null": 3}) == {"b": 1, "a": 2, "null": 3}


@pytest.mark.parametrize(
    ("type_name", "given", "value"),
    [
        ("integer", "5", 5),
        ("integer", 5, 5),
        ("float", "1.5", 1.5),
        ("float", 2, 2.0),
        ("boolean", "TRUE", True),
        ("boolean", "false", False),
        ("boolean", True, True),
        ("string", "5", "5"),
        ("list", ["5"], ["5"]),
        ("dict", {"a": "5"}, {"a": "5"}),
        ("regex", "x", "x"),
    ],
)
def test_values_are_converted_to_their_declared_types(type_name: str, given: Any, value: Any) -> None:
    result = bound({"p": {"type": type_name}}, {"p": given})["p"]
    assert result == value
    assert type(result) is type(value)


def test_list_items_are_converted_one_by_one() -> None:
    assert bound({"p": {"type": "list", "item_type": "integer"}}, {"p": ["1", 2]}) == {"p": [1, 2]}


@pytest.mark.parametrize(
    ("schema", "given", "described"),
    [
        ({"type": "integer"}, "x", "integer"),
        ({"type": "integer"}, [], "integer"),
        ({"type": "float"}, "x", "float"),
        ({"type": "boolean"}, "yes", "boolean"),
        ({"type": "boolean"}, 1, "boolean"),
        ({"type": "string"}, 5, "string"),
        ({"type": "list", "item_type": "string"}, [5], "list of strings"),
        ({"type": "list", "item_type": "string"}, "text", "list of strings"),
        ({"type": "list"}, "text", "list"),
    ],
)
def test_a_value_that_cannot_be_converted_is_refused(schema: dict[str, Any], given: Any, described: str) -> None:
    assert refusal({"p": schema}, {"p": given}) == f'Parameter "p" must be of type {described}'


def test_several_wrong_types_come_on_lines_of_their_own() -> None:
    message = refusal({"p": {"type": "integer"}, "q": {"type": "float"}}, {"p": "x", "q": "y"})
    assert message.splitlines() == ['Parameter "p" must be of type integer', 'Parameter "q" must be of type float']


def test_calls_are_evaluated_before_types_are_looked_at() -> None:
    def evaluate(parameters: dict[str, Any]) -> dict[str, Any]:
        return {name: "7" if value == {"get_attribute": ["a", "n"]} else value for name, value in parameters.items()}

    declared = {"p": {"type": "integer", "default": {"get_attribute": ["a", "n"]}}, "q": {}}
    assert bound(declared, {"q": {"get_attribute": ["a", "n"]}}, evaluate=evaluate) == {"p": 7, "q": "7"}


def test_a_call_that_cannot_be_evaluated_is_refused_as_what_it_is() -> None:
    def evaluate(parameters: dict[str, Any]) -> dict[str, Any]:
        raise DslErrors.single(Fault.FEE, None, "no")

    with pytest.raises(DslErrors):
        bound({}, {}, evaluate=evaluate)


def test_constraints_hold_for_given_and_default_values() -> None:
    schema = {"type": "integer", "default": 1, "constraints": [{"greater_than": 3}]}
    assert refusal({"p": schema}) == (
        'Parameter "p" does not meet its constraints: Value 1 of input p violates constraint greater_than(3) operator.'
    )
    assert bound({"p": schema}, {"p": "4"}) == {"p": 4}


def test_named_things_must_exist_in_the_deployment() -> None:
    values = DataValues({"deployment": True, "blueprint": False, "found": ["a"]})
    declared = {"node_ids": {"type": "list", "item_type": "node_id", "default": []}}
    assert bound(declared, {}, values=values) == {"node_ids": []}
    assert bound(declared, {"node_ids": ["a"]}, values=values) == {"node_ids": ["a"]}
    assert refusal(declared, {"node_ids": ["b"]}, values=values).startswith('Parameter "node_ids" does not meet')


def test_a_null_stands_for_not_given_and_is_not_checked() -> None:
    declared = {"p": {"type": "node_id", "default": None}, "q": {"type": "integer", "default": None}}
    assert bound(declared) == {"p": None, "q": None}


def test_what_was_given_is_not_changed() -> None:
    given = {"p": "5"}
    bound({"p": {"type": "integer"}}, given)
    assert given == {"p": "5"}


def available(rules: dict[str, Any] | None, states: dict[str, int] | None = None, *types: str) -> bool:
    return is_available(rules, instance_states=states or {}, node_types=types)


def test_no_rules_and_rules_without_content_mean_available() -> None:
    assert available(None)
    assert available({})
    assert available({"node_types_required": [], "node_instances_active": None, "available": True})


def test_a_workflow_may_be_switched_off() -> None:
    assert not available({"available": False})


def test_a_type_may_be_required() -> None:
    assert available({"node_types_required": ["x", "y"]}, {}, "y")
    assert not available({"node_types_required": ["x", "y"]}, {}, "z")


@pytest.mark.parametrize(
    ("states", "holding"),
    [
        ({}, {"all", "none"}),
        ({"started": 2}, {"all"}),
        ({"started": 2, "stopped": 0}, {"all"}),
        ({"started": 1, "stopped": 1}, {"partial"}),
        ({"started": 1, "uninitialized": 1}, {"partial"}),
        ({"stopped": 1}, {"partial", "none"}),
        ({"uninitialized": 1, "deleted": 1}, {"none"}),
    ],
)
def test_each_rule_of_active_instances_holds_exactly_where_it_should(states: dict[str, int], holding: set[str]) -> None:
    rules = ("all", "partial", "none")
    assert {rule for rule in rules if available({"node_instances_active": [rule]}, states)} == holding


def test_any_listed_rule_is_enough_but_every_kind_must_hold() -> None:
    rules = {"node_instances_active": ["none", "partial"], "node_types_required": ["x"]}
    assert available(rules, {"started": 1, "stopped": 1}, "x")
    assert not available(rules, {"started": 1}, "x")
    assert not available(rules, {"started": 1, "stopped": 1}, "y")
