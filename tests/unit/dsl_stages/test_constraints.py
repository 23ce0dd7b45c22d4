"""The form of constraints, and the values they let through."""

from __future__ import annotations

from typing import Any

import pytest

from manager_core.dsl.constraints import check_schema, check_value
from manager_core.dsl.errors import DslErrors, Fault, Findings
from tests.support.prepare_facts import DataValues


def form(constraints: Any, **options: Any) -> list[int | None]:
    findings = Findings()
    check_schema(constraints, ("inputs", "i", "constraints"), findings, **options)
    return [problem.code for problem in findings.problems]


def source(*found: Any, deployment: bool = False, blueprint: bool = False) -> DataValues:
    return DataValues({"deployment": deployment, "blueprint": blueprint, "found": list(found)})


@pytest.mark.parametrize(
    "constraint",
    [
        {"equal": 5},
        {"in_range": [1, 2.5]},
        {"valid_values": []},
        {"length": 1},
        {"pattern": "a+"},
        {"filter_id": "f"},
        {"labels": [{"a": "b"}]},
        {"name_pattern": {"contains": "x"}},
        {"deployment_id": "d"},
        {"equal": {"get_input": "x"}},
        {"equal": 5, "error_message": "five"},
    ],
)
def test_well_formed_constraints_pass(constraint: Any) -> None:
    assert form([constraint]) == []


@pytest.mark.parametrize(
    ("constraints", "code"),
    [
        ("x", 1),
        ({"equal": 5}, 1),
        (["x"], 1),
        ([{}], 103),
        ([{"error_message": "x"}], 103),
        ([{"equals": 5}], 103),
        ([{"equal": "a"}], 212),
        ([{"equal": True}], 212),
        ([{"in_range": [1]}], 212),
        ([{"valid_values": "x"}], 212),
        ([{"pattern": "("}], 212),
        ([{"labels": "x"}], 212),
        ([{"name_pattern": "x"}], 212),
        ([{"deployment_id": 3}], 212),
    ],
)
def test_ill_formed_constraints_are_refused(constraints: Any, code: int) -> None:
    assert form(constraints) == [code]


def test_an_error_message_needs_version_1_5_and_is_for_inputs() -> None:
    constraints = [{"equal": 5, "error_message": "five"}]
    assert form(constraints, version=(1, 4)) == [102]
    assert form(constraints, workflow_parameter=True) == [103]
    assert form(None) == []


def test_the_nearest_operator_is_suggested() -> None:
    findings = Findings()
    check_schema([{"min_lenght": 3}], ("inputs", "i", "constraints"), findings)
    assert findings.problems[0].suggestion == "min_length"
    assert findings.problems[0].path == ("inputs", "i", "constraints", 0)


@pytest.mark.parametrize(
    ("constraint", "good", "bad"),
    [
        ({"equal": 5}, 5, 6),
        ({"equal": 5}, 5.0, "5"),
        ({"greater_than": 3}, 4, 3),
        ({"greater_or_equal": 3}, 3, 2),
        ({"less_than": 3}, 2, 3),
        ({"less_or_equal": 3}, 3, 4),
        ({"in_range": [1, 5]}, 5, 6),
        ({"valid_values": [1, "a"]}, "a", 2),
        ({"length": 3}, "abc", "ab"),
        ({"min_length": 3}, [1, 2, 3], "ab"),
        ({"max_length": 3}, {}, "abcd"),
        ({"pattern": "a+"}, "ab", "ba"),
    ],
)
def test_each_operator_lets_the_good_value_through_alone(constraint: Any, good: Any, bad: Any) -> None:
    check_value("i", good, {"constraints": [constraint]}, values=None)
    with pytest.raises(DslErrors) as caught:
        check_value("i", bad, {"constraints": [constraint]}, values=None)
    assert caught.value.problems[0].kind is Fault.CONSTRAINT


@pytest.mark.parametrize(
    ("constraint", "value"),
    [({"greater_than": 3}, "x"), ({"in_range": [1, 2]}, None), ({"length": 1}, 5), ({"pattern": "a"}, 5)],
)
def test_values_that_cannot_be_compared_are_refused_cleanly(constraint: Any, value: Any) -> None:
    with pytest.raises(DslErrors) as caught:
        check_value("i", value, {"constraints": [constraint]}, values=None)
    assert caught.value.problems[0].kind is Fault.CONSTRAINT


def test_the_texts_of_a_violation_are_those_clients_know() -> None:
    with pytest.raises(DslErrors) as caught:
        check_value("i", 7, {"constraints": [{"in_range": [1, 5]}]}, values=None)
    assert caught.value.problems[0].message == "Value 7 of input i violates constraint in_range(1, 5) operator."
    with pytest.raises(DslErrors) as caught:
        check_value("i", 7, {"constraints": [{"equal": 1, "error_message": "Take one."}]}, values=None)
    assert caught.value.problems[0].message == "Value 7 of input i is invalid. Take one."


def test_a_list_with_an_item_type_is_checked_item_by_item() -> None:
    schema = {"type": "list", "item_type": "integer", "constraints": [{"greater_than": 3}]}
    check_value("i", [4, 5], schema, values=None)
    with pytest.raises(DslErrors) as caught:
        check_value("i", [4, "x"], schema, values=None)
    assert (caught.value.problems[0].kind, caught.value.problems[0].code) == (Fault.LOG, 105)
    with pytest.raises(DslErrors, match="Value 1 of input i violates"):
        check_value("i", [4, 1], schema, values=None)
    check_value("i", [1], {"type": "list", "constraints": [{"length": 1}]}, values=None)


def test_a_call_cannot_be_constrained() -> None:
    with pytest.raises(DslErrors) as caught:
        check_value("i", {"get_secret": "s"}, {"constraints": [{"equal": 1}]}, values=None)
    assert (caught.value.problems[0].kind, caught.value.problems[0].code) == (Fault.DSL, 213)


def test_data_based_constraints_become_one_question() -> None:
    values = source("a", deployment=True)
    schema = {
        "type": "node_id",
        "constraints": [{"name_pattern": {"contains": "a"}}, {"valid_values": ["a"]}, {"deployment_id": "d"}],
    }
    check_value("i", "a", schema, values=values)
    query = {"name_pattern": {"contains": "a"}, "valid_values": ["a"], "deployment_id": "d"}
    assert values.asked == [("node_id", "a", query)]


def test_object_types_must_exist_where_there_is_something_to_look_in() -> None:
    def refused(type_name: str, value: str, values: DataValues | None, *constraints: Any) -> bool:
        try:
            check_value("i", value, {"type": type_name, "constraints": list(constraints)}, values=values)
        except DslErrors as error:
            return error.problems[0].kind is Fault.CONSTRAINT
        return False

    assert refused("secret_key", "b", source("a", blueprint=True))
    assert not refused("secret_key", "a", source("a", blueprint=True))
    assert refused("secret_key", "a", None), "nothing to look in"
    assert not refused("node_id", "anything", source(blueprint=True)), "a blueprint's own nodes are not looked up"
    assert refused("node_id", "b", source("a", deployment=True))
    assert refused("node_id", "a", source("a")), "no context"
    assert refused("capability_value", "a", source("a", blueprint=True)), "needs a deployment"
    assert not refused("capability_value", "a", source("a", blueprint=True), {"deployment_id": "d"})
    assert refused("string", "a", source("a"), {"labels": []}), "not defined for strings"
    assert refused("secret_key", "a", source("a"), {"valid_values": ["b"]}), "plain for secret keys"


def test_a_list_that_is_a_call_is_not_looked_into_unless_it_is_constrained() -> None:
    schema: dict[str, Any] = {"type": "list", "item_type": "integer"}
    check_value("i", {"get_secret": "s"}, schema, values=None)
    with pytest.raises(DslErrors):
        check_value("i", {"get_secret": "s"}, {**schema, "constraints": [{"equal": 1}]}, values=None)


def test_a_data_based_constraint_that_finds_nothing_is_named() -> None:
    schema = {"type": "node_id", "constraints": [{"name_pattern": {"contains": "x"}}]}
    with pytest.raises(DslErrors) as caught:
        check_value("i", "b", schema, values=source("a", blueprint=True))
    assert "name_pattern({'contains': 'x'}) operator." in caught.value.problems[0].message


def test_an_unknown_operator_is_left_to_the_check_of_the_form() -> None:
    check_value("i", 1, {"constraints": [{"min_lenght": 3}]}, values=None)
