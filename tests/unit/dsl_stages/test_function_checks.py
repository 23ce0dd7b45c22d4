"""What is refused of calls when a blueprint is parsed, and with which kind and path."""

from __future__ import annotations

from typing import Any

import pytest

from manager_core.dsl.errors import Fault, Findings, Problem
from manager_core.dsl.functions import validate
from tests.support.dsl_plans import a_node, a_plan, a_relationship, an_operation


def problems(plan: dict[str, Any], **options: Any) -> list[Problem]:
    findings = Findings()
    validate(plan, findings, **options)
    return findings.problems


def problems_of(value: Any) -> list[Problem]:
    """Check one property value, in a plan with an input `i` and nodes `a` (with it) and `b`."""
    return problems(a_plan(a_node("a", p=value, r=2), a_node("b", d={"k": [1, 2]}), inputs={"i": {}, "length": {}}))


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"get_input": 3}, Fault.VAL),
        ({"get_input": []}, Fault.VAL),
        ({"get_input": "j"}, Fault.UNKNOWN_INPUT),
        ({"get_input": ["j", "k"]}, Fault.UNKNOWN_INPUT),
        ({"get_property": ["SELF"]}, Fault.VAL),
        ({"get_property": ["nosuch", "p"]}, Fault.KEY),
        ({"get_property": ["b", "nope"]}, Fault.FEE),
        ({"get_property": ["b", "d", "k", 9]}, Fault.FEE),
        ({"get_property": ["b", "d", "k", "x"]}, Fault.FEE),
        ({"get_property": ["SOURCE", "p"]}, Fault.VAL),
        ({"get_attribute": "a"}, Fault.VAL),
        ({"get_attribute": ["nosuch", "x"]}, Fault.KEY),
        ({"get_attribute": ["TARGET", "x"]}, Fault.VAL),
        ({"get_attributes_list": ["nosuch", "x"]}, Fault.KEY),
        ({"get_attributes_dict": ["b", "x.y", ["x", "y"]]}, Fault.FEE),
        ({"get_attributes_dict": ["nosuch", "x"]}, Fault.KEY),
        ({"get_secret": ["s"]}, Fault.FVE),
        ({"get_secret": 3}, Fault.FVE),
        ({"get_capability": ["d"]}, Fault.VAL),
        ({"get_capability": ["d", 1.5]}, Fault.VAL),
        ({"get_group_capability": ["g"]}, Fault.VAL),
        ({"get_environment_capability": ["c"]}, Fault.FVE),
        ({"get_label": ["k", "x"]}, Fault.FVE),
        ({"get_sys": ["tenant"]}, Fault.VAL),
        ({"get_sys": ["x", "y"]}, Fault.UNKNOWN_SYS_ENTITY),
        ({"get_sys": ["tenant", "y"]}, Fault.UNKNOWN_SYS_PROPERTY),
        ({"get_consumers": "all"}, Fault.VAL),
        ({"concat": "x"}, Fault.VAL),
        ({"merge": "x"}, Fault.VAL),
        ({"merge": [3]}, Fault.FVE),
        ({"string_find": ["a"]}, Fault.FVE),
        ({"string_find": [1, "a"]}, Fault.FVE),
        ({"string_replace": ["a", "b", "c", "d"]}, Fault.FVE),
        ({"string_split": ["a", "b", "c"]}, Fault.FVE),
        ({"string_upper": ["a"]}, Fault.FVE),
    ],
)
def test_a_wrong_call_is_refused_with_its_kind_and_place(value: Any, kind: Fault) -> None:
    (problem,) = problems_of(value)
    assert (problem.kind, problem.code, problem.path) == (kind, None, ("node_templates", "a", "properties", "p"))


@pytest.mark.parametrize(
    "value",
    [
        {"get_input": "i"},
        {"get_input": ["i", "k", 0, {"get_input": "i"}]},
        {"get_input": {"concat": ["a"]}},
        {"get_property": ["SELF", "r"]},
        {"get_property": ["b", "d", "k", -1]},
        {"get_property": [{"get_input": "i"}, "x"]},
        {"get_attribute": ["SELF", "x"]},
        {"get_attribute": [{"get_input": "i"}, "x"]},
        {"get_attribute": ["nosuch", {"get_input": "i"}]},
        {"get_attribute": ["TARGET", {"get_input": "i"}]},
        {"get_attributes_list": ["nosuch", {"get_input": "i"}]},
        {"get_attributes_list": ["SELF", "x"]},
        {"get_secret": ["s", "k"]},
        {"get_capability": [{"get_secret": "s"}, "c", 0]},
        {"get_group_capability": ["g", ["a", "b"], "k"]},
        {"get_label": ["k", "0"]},
        {"get_sys": [{"get_input": "i"}, "name"]},
        {"string_find": [{"get_input": "i"}, "b"]},
        {"concat": [{"anything": {"concat": []}}]},
        {"unknown_function": 3},
    ],
)
def test_a_well_formed_call_passes(value: Any) -> None:
    assert problems_of(value) == []


def test_every_wrong_call_is_reported_nested_ones_too() -> None:
    value = {"concat": [{"get_input": "j"}, {"x": {"get_attribute": ["nosuch", "y"]}}]}
    assert [(problem.kind, problem.path[3:]) for problem in problems_of(value)] == [
        (Fault.UNKNOWN_INPUT, ("p", "concat", 0)),
        (Fault.KEY, ("p", "concat", 1, "x")),
    ]


def test_the_nearest_input_is_suggested() -> None:
    (problem,) = problems_of({"get_input": "lenght"})
    assert problem.suggestion == "length"
    assert problem.message == "get_input function references an unknown input 'lenght'."


@pytest.mark.parametrize("keyword", ["SOURCE", "TARGET"])
def test_both_ends_mean_something_in_a_relationship_and_self_does_not(keyword: str) -> None:
    def plan(name: str) -> dict[str, Any]:
        operation = an_operation(
            w={"get_attributes_list": [name, "y"]}, x={"get_attribute": [name, "y"]}, z={"get_property": [name, "r"]}
        )
        relationship = a_relationship("x", "b", source_operations={"rl.establish": operation})
        return a_plan(a_node("a", relationship, r=1), a_node("b", r=1))

    assert problems(plan(keyword)) == []
    assert [problem.kind for problem in problems(plan("SELF"))] == [Fault.VAL] * 3


@pytest.mark.parametrize("section", ["outputs", "capabilities"])
def test_keywords_mean_nothing_outside_nodes(section: str) -> None:
    for function in ("get_attribute", "get_attributes_list", "get_attributes_dict", "get_property"):
        plan = a_plan(a_node("a", x=1), **{section: {"o": {"value": {function: ["SELF", "x"]}}}})
        (problem,) = problems(plan)
        assert problem.kind in (Fault.VAL, Fault.KEY)
        assert problem.path == (section, "o", "value")


def test_functions_newer_than_the_version_are_refused_unless_versions_are_not_checked() -> None:
    plan = a_plan(a_node("a", p={"concat": []}, q={"merge": []}))
    plan["version"]["definitions_version"] = [1, 0]
    assert [problem.kind for problem in problems(plan)] == [Fault.FVE, Fault.FVE]
    plan["version"]["definitions_version"] = [1, 1]
    assert len(problems(plan)) == 1
    assert problems(plan, check_version=False) == []


def test_an_operation_known_under_two_names_is_reported_once() -> None:
    operation = an_operation(x={"get_input": "j"})
    (problem,) = problems(a_plan(a_node("a", operations={"create": operation, "lifecycle.create": operation})))
    assert problem.path == ("node_templates", "a", "interfaces", "lifecycle", "create", "inputs", "x")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"get_attributes_dict": "b"}, Fault.TYPE),
        ({"get_attributes_dict": [["b"], "x"]}, Fault.VAL),
        ({"get_attributes_dict": ["b", []]}, Fault.VAL),
        ({"get_attributes_dict": ["b", {"x": "y"}]}, Fault.VAL),
        ({"get_attributes_dict": ["b", 3]}, Fault.TYPE),
        ({"get_environment_capability": ["c", None]}, Fault.VAL),
        ({"get_label": [3, 0]}, Fault.FVE),
        ({"get_sys": [["tenant"], "name"]}, Fault.VAL),
        ({"get_property": ["b", "d", "k", 0, "x"]}, Fault.FEE),
    ],
)
def test_a_wrong_item_of_an_argument_is_refused_with_its_kind(value: Any, kind: Fault) -> None:
    assert [problem.kind for problem in problems_of(value)] == [kind]


def test_a_path_through_a_call_is_not_followed_into_its_value() -> None:
    call = {"get_input": "i"}
    plan = a_plan(a_node("a", p={"get_property": ["b", "d", "x"]}), a_node("b", d=call), inputs={"i": {}})
    assert problems(plan) == []


def test_a_mapping_that_is_no_call_is_no_text() -> None:
    assert [problem.kind for problem in problems_of({"string_upper": {"a": 1}})] == [Fault.FVE]
