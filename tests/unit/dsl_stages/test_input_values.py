"""Binding inputs: chosen, corrected, constrained, completed, and everything wrong reported at once."""

from __future__ import annotations

from typing import Any

import pytest

from manager_core.dsl.errors import DslErrors, Fault
from manager_core.dsl.input_values import bind_inputs

DATA_TYPES = {
    "d": {"properties": {"x": {"type": "integer", "default": 1}, "y": {"type": "string", "default": "abc"}}},
    "e": {"properties": {"x": {"type": "integer"}, "z": {"type": "d"}, "o": {"required": False}}},
    "f": {"properties": {"w": {"type": "d", "default": {"y": "own"}}}},
}


def bind(schema: dict[str, Any] | None, *given: Any, **options: Any) -> Any:
    return bind_inputs({"i": schema}, {"i": given[0]} if given else {}, data_types=DATA_TYPES, values=None, **options)[
        "i"
    ]


def kinds(schema: dict[str, Any] | None, *given: Any, **options: Any) -> list[tuple[Fault, int | None]]:
    with pytest.raises(DslErrors) as caught:
        bind(schema, *given, **options)
    return [(problem.kind, problem.code) for problem in caught.value.problems]


def test_a_given_value_wins_over_the_default_even_when_it_is_null() -> None:
    assert bind({"default": 1}, 2) == 2
    assert bind({"default": 1}, None) is None
    assert bind({"default": 1}) == 1


def test_a_null_default_is_no_default() -> None:
    assert kinds({"default": None}) == [(Fault.MISSING_INPUT, None)]
    assert bind({"default": None, "required": False}) is None


def test_an_optional_input_without_a_value_is_null_and_not_checked() -> None:
    assert bind({"required": False, "type": "integer", "constraints": [{"greater_than": 3}]}) is None


def test_a_null_body_declares_a_required_input() -> None:
    assert bind(None, "x") == "x"
    assert kinds(None) == [(Fault.MISSING_INPUT, None)]


@pytest.mark.parametrize(
    ("type_name", "value"),
    [
        ("integer", "x"),
        ("integer", True),
        ("integer", None),
        ("float", "1.5"),
        ("boolean", "true"),
        ("list", {}),
        ("dict", []),
        ("regex", "("),
    ],
)
def test_a_value_of_another_type_is_refused(type_name: str, value: Any) -> None:
    assert kinds({"type": type_name}, value) == [(Fault.DSL, 214)]


@pytest.mark.parametrize(
    ("type_name", "value"),
    [("string", 5), ("textarea", None), ("float", 3), ("regex", "a+"), ("integer", {"get_secret": "s"})],
)
def test_string_like_types_take_anything_and_calls_are_never_checked(type_name: str, value: Any) -> None:
    assert bind({"type": type_name}, value) == value


def test_data_types_complete_values() -> None:
    assert bind({"type": "d"}) == {"x": 1, "y": "abc"}
    assert bind({"type": "e"}, {"x": 4, "z": {"x": 5}}) == {"x": 4, "z": {"x": 5, "y": "abc"}}
    assert bind({"type": "f"}, {"w": {"x": 7}}) == {"w": {"x": 7, "y": "own"}}
    assert bind({"type": "d", "default": {"x": 4}}, {"y": "q"}) == {"x": 1, "y": "q"}


def test_data_types_refuse_unknown_missing_and_wrong_members() -> None:
    assert kinds({"type": "e"}, {"x": 1, "z": {"k": 5}}) == [(Fault.DSL, 214)]
    assert kinds({"type": "e"}, {}) == [(Fault.DSL, 214)]
    assert kinds({"type": "e"}, {"x": None}) == [(Fault.DSL, 214)]
    assert kinds({"type": "e"}) == [(Fault.MISSING_INPUT, None)]


def test_text_is_corrected_only_when_asked_and_only_when_it_reads_as_the_type() -> None:
    assert bind({"type": "integer"}, "5", auto_correct=True) == 5
    assert bind({"type": "float"}, "1.5", auto_correct=True) == 1.5
    assert bind({"type": "boolean"}, "true", auto_correct=True) is True
    assert bind({"type": "string"}, "5", auto_correct=True) == "5"
    assert kinds({"type": "integer"}, "1.5", auto_correct=True) == [(Fault.DSL, 214)]
    assert kinds({"type": "boolean"}, "TRUE", auto_correct=True) == [(Fault.DSL, 214)]


def test_text_that_cannot_be_encoded_is_refused() -> None:
    assert bind({}, "snow ☃") == "snow ☃"
    assert kinds({}, {"k": ["\ud800"]}) == [(Fault.INP, 108)]


def test_constraints_may_use_earlier_inputs_and_what_the_caller_evaluates() -> None:
    declared: dict[str, Any] = {
        "least": {"default": 3},
        "i": {
            "constraints": [{"greater_than": {"get_input": "least"}}, {"less_than": {"get_sys": ["tenant", "name"]}}]
        },
    }

    def evaluate(constraints: list[Any]) -> list[Any]:
        assert constraints == [{"greater_than": 3}, {"less_than": {"get_sys": ["tenant", "name"]}}]
        return [{"greater_than": 3}, {"less_than": 10}]

    options: dict[str, Any] = {"data_types": {}, "values": None, "evaluate_constraints": evaluate}
    assert bind_inputs(declared, {"i": 5}, **options)["i"] == 5
    with pytest.raises(DslErrors, match="violates constraint less_than"):
        bind_inputs(declared, {"i": 11}, **options)


def test_everything_wrong_is_reported_at_once() -> None:
    declared: dict[str, Any] = {"a": {}, "b": {"type": "integer"}, "c": {}, "d": {"constraints": [{"equal": 1}]}}
    with pytest.raises(DslErrors) as caught:
        bind_inputs(declared, {"b": "x", "d": 2, "cc": 1}, data_types={}, values=None)
    assert [problem.kind for problem in caught.value.problems] == [
        Fault.DSL,
        Fault.CONSTRAINT,
        Fault.MISSING_INPUT,
        Fault.UNKNOWN_INPUT,
    ]
    messages = [problem.message for problem in caught.value.problems]
    assert messages[2] == "Required inputs ['a', 'c'] were not specified - expected inputs: ['a', 'b', 'c', 'd']"
    assert messages[3] == "Unknown inputs ['cc'] specified - expected inputs: ['a', 'b', 'c', 'd']"


def test_only_text_is_corrected() -> None:
    assert kinds({"type": "integer"}, 1.7, auto_correct=True) == [(Fault.DSL, 214)]


def test_a_data_type_takes_a_call_and_refuses_a_scalar() -> None:
    assert bind({"type": "e"}, {"get_secret": "s"}) == {"get_secret": "s"}
    assert kinds({"type": "e"}, 5) == [(Fault.DSL, 214)]


def test_a_member_of_a_data_type_without_a_default_is_completed_from_nothing() -> None:
    assert bind({"type": "e"}, {"x": 1}) == {"x": 1, "z": {"x": 1, "y": "abc"}}


def test_a_regular_expression_must_be_text() -> None:
    assert kinds({"type": "regex"}, 5) == [(Fault.DSL, 214)]
