"""Which mappings are calls, and where in a plan they are found."""

from __future__ import annotations

from typing import Any

import pytest

from manager_core.dsl.functions import (
    collect_requirements,
    find,
    is_function,
    literal_secrets,
    missing_capabilities,
    places,
)
from tests.support.dsl_plans import a_group, a_node, a_plan, a_relationship, an_operation, connected_to


@pytest.mark.parametrize(
    "value",
    [
        {"get_input": "x"},
        {"concat": []},
        {"get_input": "x", "type": "integer"},
        {"type": "integer", "get_input": "x"},
        {"get_consumers": "ids"},
    ],
)
def test_one_function_name_is_a_call_also_beside_a_type(value: Any) -> None:
    assert is_function(value)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"type": "integer"},
        {"get_inputs": "x"},
        {"get_input": "x", "default": 1},
        {"get_input": "x", "type": "t", "more": 1},
        {1: "x"},
        [{"get_input": "x"}],
        "get_input",
        None,
    ],
)
def test_any_other_value_is_plain_data(value: Any) -> None:
    assert not is_function(value)


def test_every_searched_place_is_found_with_its_paths() -> None:
    call = {"get_secret": "s"}
    relationship = a_relationship(
        "cloudify.relationships.connected_to",
        "b",
        source_operations={"rl.establish": an_operation(x=call)},
        target_operations={"rl.unlink": an_operation(x=[call])},
        properties={"not searched": call},
    )
    node = a_node("a", relationship, operations={"lifecycle.create": an_operation(x={"y": call})}, p=call)
    plan = a_plan(
        node,
        a_node("b", count=call),
        outputs={"o": {"value": call}},
        capabilities={"c": {"value": call}},
        labels={"l": {"values": [call]}},
        policies={"p": {"type": "t", "properties": {"x": call}}},
        scaling_groups={"g": {"members": [], "properties": {"x": call}}},
        deployment_settings={"display_name": call},
        resource_tags={"not searched": call},
        workflows={"w": {"parameters": {"x": {"default": call}}}},
    )
    found = {item.where: item.source for place in places(plan) for item in find(place)}
    assert found == {
        "nodes.a.properties.p": ("node_templates", "a", "properties", "p"),
        "nodes.a.operations.lifecycle.create.inputs.x.y": (
            "node_templates", "a", "interfaces", "lifecycle", "create", "inputs", "x", "y",
        ),
        "nodes.a.cloudify.relationships.connected_to.rl.establish.inputs.x": (
            "node_templates", "a", "relationships", 0, "source_interfaces", "rl", "establish", "inputs", "x",
        ),
        "nodes.a.cloudify.relationships.connected_to.rl.unlink.inputs.x[0]": (
            "node_templates", "a", "relationships", 0, "target_interfaces", "rl", "unlink", "inputs", "x", 0,
        ),
        "nodes.b.capabilities.scalable.default_instances": (
            "node_templates", "b", "capabilities", "scalable", "properties", "default_instances",
        ),
        "nodes.b.capabilities.scalable.current_instances": (
            "node_templates", "b", "capabilities", "scalable", "properties", "current_instances",
        ),
        "nodes.b.capabilities.scalable.planned_instances": (
            "node_templates", "b", "capabilities", "scalable", "properties", "planned_instances",
        ),
        "outputs.o.value": ("outputs", "o", "value"),
        "policies.p.properties.x": ("policies", "p", "properties", "x"),
        "scaling_groups.g.properties.x": ("groups", "g", "x"),
        "capabilities.c.value": ("capabilities", "c", "value"),
        "labels.l.values[0]": ("labels", "l", "values", 0),
        "deployment_settings.display_name": ("deployment_settings", "display_name"),
    }  # fmt: skip


def test_an_operation_known_under_two_names_is_looked_at_once_when_asked_to() -> None:
    operation = an_operation(x={"get_secret": "s"})
    plan = a_plan(a_node("a", operations={"create": operation, "lifecycle.create": operation}))
    assert len(list(places(plan))) == 3
    assert [place.where for place in places(plan, bare_operations=False)][1:] == [
        "nodes.a.operations.lifecycle.create.inputs"
    ]


def test_requirements_list_raw_arguments_once_and_nested_calls_too() -> None:
    plan = a_plan(
        a_node("a", p={"get_secret": {"get_secret": "inner"}}, q={"get_secret": "x"}, r=[{"get_secret": "x"}]),
        outputs={
            "o": {"value": {"get_environment_capability": "c"}},
            "p": {"value": {"get_environment_capability": ["c", {"get_input": "i"}]}},
        },
    )
    assert collect_requirements(plan) == {
        "secrets": [{"get_secret": "inner"}, "inner", "x"],
        "parent_capabilities": [["c"], ["c", {"get_input": "i"}]],
    }


def test_literal_secrets_are_those_known_before_run_time() -> None:
    plan = a_plan(a_node("a", p={"get_secret": ["j", "k"]}, q={"get_secret": {"get_attribute": ["SELF", "x"]}}))
    assert literal_secrets(plan) == ["j"]


def test_missing_parent_capabilities_are_named_with_dots() -> None:
    required = [["a"], ["b", "x", 0], ["b", "y"], ["c", {"get_input": "i"}], ["a"]]
    capabilities = {"b": {"x": ["v"]}, "c": {"k": 1}}
    assert missing_capabilities(required, capabilities) == ["a", "b.y"]


def test_groups_without_properties_are_no_place() -> None:
    plan = a_plan(a_node("a", connected_to("a")), scaling_groups={"g": a_group("a")})
    assert [item for place in places(plan) for item in find(place)] == []
