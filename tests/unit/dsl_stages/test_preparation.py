"""Preparing a plan: inputs bound, static calls replaced, secrets checked; the given plan untouched."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from manager_core.dsl.errors import DslErrors, Fault
from manager_core.dsl.instances import create_instances
from manager_core.dsl.prepare import inter_deployment_functions, prepare
from tests.support.dsl_plans import a_group, a_node, a_plan, a_relationship, an_operation, connected_to
from tests.support.prepare_facts import counting_ids


def everything_exists(names: Any) -> set[str]:
    return set(names)


def value_of(expression: Any, **inputs: Any) -> Any:
    """Prepare one property of node `a`; each input is declared with its value as default."""
    schemas = {name: {"default": value} for name, value in inputs.items()}
    plan = a_plan(a_node("a", p=expression, r=2), a_node("b", q={"get_property": ["SELF", "r"]}, r=9), inputs=schemas)
    return prepare(plan, secrets=everything_exists)["nodes"][0]["properties"]["p"]


def refusal(expression: Any, **inputs: Any) -> Fault:
    with pytest.raises(DslErrors) as caught:
        value_of(expression, **inputs)
    assert caught.value.problems[0].path[:4] == ("node_templates", "a", "properties", "p")
    return caught.value.problems[0].kind


def test_static_calls_are_replaced_by_their_values_inside_out() -> None:
    assert value_of({"x": [{"concat": ["a", {"get_input": "i"}, 1, None]}]}, i="b") == {"x": ["ab1None"]}
    assert value_of({"merge": [{"a": 1}, {"get_input": "d"}, {"b": 3}]}, d={"a": 2, "b": 2}) == {"a": 2, "b": 3}
    assert value_of({"string_split": [{"string_replace": ["a.b", ".", ","]}, ",", 1]}) == "b"
    assert value_of({"string_find": [{"string_upper": "abc"}, "C"]}) == 2


def test_run_time_calls_stay_with_their_arguments_evaluated() -> None:
    assert value_of({"get_attribute": ["b", {"get_input": "i"}]}, i="ip") == {"get_attribute": ["b", "ip"]}
    assert value_of({"concat": ["a", {"get_secret": {"get_input": "i"}}]}, i="s") == {
        "concat": ["a", {"get_secret": "s"}]
    }


def test_a_value_that_is_a_call_is_evaluated_in_turn() -> None:
    assert value_of({"get_input": "i"}, i={"concat": ["x", {"get_input": "j"}]}, j="y") == "xy"
    assert value_of({"get_input": "i"}, i={"k": {"get_secret": "s"}}) == {"k": {"get_secret": "s"}}


def test_a_property_of_another_node_means_its_own_self() -> None:
    assert value_of({"get_property": ["b", "q"]}) == 9


def test_a_property_that_is_itself_stays() -> None:
    assert value_of({"get_property": ["SELF", "p"]}) == {"get_property": ["SELF", "p"]}


def test_properties_that_refer_to_each_other_are_refused_instead_of_looping() -> None:
    plan = a_plan(a_node("a", p={"get_property": ["b", "p"]}), a_node("b", p={"get_property": ["a", "p"]}))
    with pytest.raises(DslErrors) as caught:
        prepare(plan)
    assert caught.value.problems[0].kind is Fault.RECURSION_LIMIT


def test_a_long_chain_of_references_is_followed_to_its_end() -> None:
    chain = [a_node(f"n{number}", p={"get_property": [f"n{number + 1}", "p"]}) for number in range(200)]
    prepared = prepare(a_plan(*chain, a_node("n200", p="end")))
    assert {node["properties"]["p"] for node in prepared["nodes"]} == {"end"}


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ({"get_input": ["d", "nope"]}, Fault.INPUT_EVALUATION),
        ({"get_input": ["d", "l", 9]}, Fault.INPUT_EVALUATION),
        ({"get_input": ["d", "l", "x"]}, Fault.INPUT_EVALUATION),
        ({"get_input": ["d", "s", "x"]}, Fault.FEE),
        ({"get_input": {"concat": ["no", "such"]}}, Fault.UNKNOWN_INPUT),
        ({"get_input": {"get_attribute": ["SELF", "x"]}}, Fault.FEE),
        ({"get_input": "d", "type": "integer"}, Fault.INPUT_EVALUATION),
        ({"get_property": ["b", {"get_attribute": ["SELF", "x"]}]}, Fault.FEE),
        ({"get_property": [{"concat": ["z"]}, "x"]}, Fault.KEY),
        ({"string_lower": {"get_attribute": ["SELF", "x"]}}, Fault.FEE),
        ({"string_find": [{"get_input": "n"}, "x"]}, Fault.FEE),
        ({"string_split": ["a", "b", 7]}, Fault.FEE),
        ({"string_split": ["a", ""]}, Fault.FEE),
        ({"get_secret": {"get_input": "n"}}, Fault.FVE),
        ({"merge": [{"get_input": "n"}]}, Fault.FVE),
    ],
)
def test_a_call_that_cannot_be_evaluated_is_refused(expression: Any, kind: Fault) -> None:
    assert refusal(expression, d={"l": [1], "s": "text"}, n=5) is kind


def test_nesting_is_bounded_at_fifty_levels() -> None:
    def nested(levels: int) -> Any:
        value: Any = 1
        for _ in range(levels):
            value = [value]
        return value

    assert value_of(nested(49)) == nested(49)
    assert refusal(nested(50)) is Fault.RECURSION_LIMIT


def test_text_that_doubles_itself_is_refused_before_it_fills_the_memory() -> None:
    inputs: dict[str, Any] = {"i0": "x" * 1000}
    for number in range(1, 40):
        inputs[f"i{number}"] = {"concat": [{"get_input": f"i{number - 1}"}, {"get_input": f"i{number - 1}"}]}
    assert refusal({"get_input": "i39"}, **inputs) is Fault.RECURSION_LIMIT


def test_lists_that_double_themselves_are_refused_before_they_fill_the_memory() -> None:
    nodes = [a_node("n0", p=["x"] * 50)]
    for number in range(1, 30):
        reference = {"get_property": [f"n{number - 1}", "p"]}
        nodes.append(a_node(f"n{number}", p=[reference, reference]))
    with pytest.raises(DslErrors) as caught:
        prepare(a_plan(*nodes))
    assert caught.value.problems[0].kind is Fault.RECURSION_LIMIT


def test_operations_know_whether_calls_are_left() -> None:
    shared = an_operation(x={"get_input": "i"})
    node = a_node(
        "a",
        operations={
            "create": shared,
            "lifecycle.create": shared,
            "lifecycle.start": an_operation(x={"get_attribute": ["SELF", "y"]}),
            "lifecycle.stop": an_operation(x=1),
            "lifecycle.delete": an_operation(x={"get_property": ["SELF", "p"]}),
        },
        p={"get_secret": "s"},
    )
    operations = prepare(a_plan(node, inputs={"i": {"default": 7}}), secrets=everything_exists)["nodes"][0][
        "operations"
    ]
    assert {name: (item["inputs"]["x"], item["has_intrinsic_functions"]) for name, item in operations.items()} == {
        "create": (7, False),
        "lifecycle.create": (7, False),
        "lifecycle.start": ({"get_attribute": ["SELF", "y"]}, True),
        "lifecycle.stop": (1, False),
        "lifecycle.delete": ({"get_secret": "s"}, True),
    }


def test_relationship_operations_reach_both_ends() -> None:
    relationship = a_relationship(
        "cloudify.relationships.connected_to",
        "b",
        source_operations={"rl.establish": an_operation(s={"get_property": ["SOURCE", "r"]})},
        target_operations={"rl.establish": an_operation(t={"get_property": ["TARGET", "r"]})},
    )
    prepared = prepare(a_plan(a_node("a", relationship, r=1), a_node("b", r=2)))
    (ready,) = prepared["nodes"][0]["relationships"]
    assert ready["source_operations"]["rl.establish"]["inputs"] == {"s": 1}
    assert ready["target_operations"]["rl.establish"]["inputs"] == {"t": 2}


def test_every_section_with_values_is_evaluated() -> None:
    call = {"get_input": "i"}
    plan = a_plan(
        a_node("a", count=call),
        inputs={"i": {"default": 3}},
        outputs={"o": {"value": call}},
        capabilities={"c": {"value": call}},
        labels={"l": {"values": [call]}},
        policies={"p": {"type": "t", "properties": {"x": call}}},
        scaling_groups={"g": a_group("a", count=call)},
        deployment_settings={"display_name": {"concat": ["x", call]}},
    )
    prepared = prepare(plan)
    assert prepared["outputs"]["o"]["value"] == 3
    assert prepared["capabilities"]["c"]["value"] == 3
    assert prepared["labels"]["l"]["values"] == [3]
    assert prepared["policies"]["p"]["properties"]["x"] == 3
    assert prepared["scaling_groups"]["g"]["properties"]["planned_instances"] == 3
    assert prepared["deployment_settings"]["display_name"] == "x3"
    assert prepared["nodes"][0]["capabilities"]["scalable"]["properties"]["current_instances"] == 3


@pytest.mark.parametrize("count", ["3", None, 1.5, {"get_attribute": ["SELF", "n"]}])
def test_a_count_that_is_no_integer_is_refused_cleanly(count: Any) -> None:
    with pytest.raises(DslErrors, match="number of instances"):
        prepare(a_plan(a_node("a", count={"get_input": "i"}), inputs={"i": {"default": count, "required": False}}))


def test_run_time_evaluation_leaves_every_call_and_marks_operations() -> None:
    node = a_node("a", operations={"l.create": an_operation(x={"concat": ["a"]})}, p={"get_input": "i"})
    prepared = prepare(a_plan(node, inputs={"i": {"default": 1}}), runtime_only=True)
    assert prepared["nodes"][0]["properties"]["p"] == {"get_input": "i"}
    assert prepared["nodes"][0]["operations"]["l.create"]["has_intrinsic_functions"] is True
    assert prepared["inputs"] == {"i": 1}


def test_the_given_plan_is_left_as_it_was_and_unchanged_parts_are_shared() -> None:
    plan = a_plan(
        a_node("a", p={"get_input": "i"}, operations={"l.create": an_operation(x={"get_input": "i"})}),
        a_node("b", p={"deep": [1]}),
        inputs={"i": {"default": {"x": {"concat": ["a", "b"]}}}},
    )
    before = copy.deepcopy(plan)
    prepared = prepare(plan)
    assert plan == before
    assert prepared["nodes"][0]["properties"]["p"] == {"x": "ab"}
    assert prepared["nodes"][1] is plan["nodes"][1]


def test_missing_secrets_are_named_together() -> None:
    plan = a_plan(a_node("a", p={"get_secret": "x"}, q={"get_secret": ["y", "k"]}, r={"get_secret": "z"}))
    with pytest.raises(DslErrors) as caught:
        prepare(plan, secrets=lambda names: {"z"})
    assert caught.value.problems[0].message == "Required secrets: [x, y] don't exist in this tenant"
    assert caught.value.code == "unknown_deployment_secret_error"


def test_secrets_without_a_source_are_refused_and_no_secrets_ask_nobody() -> None:
    with pytest.raises(DslErrors) as caught:
        prepare(a_plan(a_node("a", p={"get_secret": "x"})))
    assert caught.value.code == "unsupported_deployment_get_secret_error"
    prepare(a_plan(a_node("a", p={"get_secret": {"get_attribute": ["SELF", "x"]}})))


def test_dependencies_on_other_deployments_come_once_for_each_instance_that_evaluates_them() -> None:
    relationship = {
        **connected_to("b"),
        "source_operations": {
            "rl.establish": an_operation(x={"get_capability": [{"get_attribute": ["TARGET", "d"]}, "c"]})
        },
    }
    plan = a_plan(
        a_node("a", relationship, count=2, p={"get_capability": [{"get_input": "i"}, "c"]}),
        a_node("b"),
        a_node("none", count=0, p={"get_capability": ["d", "c"]}),
        inputs={"i": {"default": "other"}},
        outputs={"o": {"value": [{"get_capability": ["third", "c"]}]}},
    )
    prepared = prepare(plan)
    entries = inter_deployment_functions(prepared, create_instances(prepared, ids=counting_ids()))
    assert entries == [
        {
            "function_identifier": "nodes.a.properties.p.get_capability",
            "target_deployment": ["other", "other"],
            "context": {"self": instance},
        }
        for instance in ("a_i00001", "a_i00002")
    ] + [
        {
            "function_identifier": "nodes.a.cloudify.relationships.connected_to.rl.establish.inputs.x.get_capability",
            "target_deployment": [None, {"get_attribute": ["TARGET", "d"]}],
            "context": {"self": instance, "source": instance, "target": "b_i00003"},
        }
        for instance in ("a_i00001", "a_i00002")
    ] + [
        {
            "function_identifier": "outputs.o.value[0].get_capability",
            "target_deployment": ["third", "third"],
            "context": {},
        }
    ]


def test_a_path_through_a_call_gives_the_call_and_the_next_key() -> None:
    """What the field was prepared with; after the call was evaluated the path is walked as one would expect."""
    reader, read = a_node("a", p={"get_property": ["b", "q", "k"]}), a_node("b", q={"get_input": "i"})
    inputs = {"i": {"default": {"k": 5}}}
    assert prepare(a_plan(reader, read, inputs=inputs))["nodes"][0]["properties"]["p"] == [{"k": 5}, "k"]
    assert prepare(a_plan(read, reader, inputs=inputs))["nodes"][1]["properties"]["p"] == 5


def test_keywords_in_the_wrong_place_are_refused_at_preparation_too() -> None:
    for name in ("SELF", "SOURCE"):
        plan = a_plan(a_node("a", x=1), outputs={"o": {"value": {"get_property": [{"concat": [name]}, "x"]}}})
        with pytest.raises(DslErrors) as caught:
            prepare(plan)
        assert caught.value.problems[0].kind is Fault.VAL


def test_a_property_that_is_missing_is_refused_at_preparation_too() -> None:
    assert refusal({"get_property": ["b", {"concat": ["no", "pe"]}]}) is Fault.FEE


def test_splitting_gives_a_list_and_replacing_cannot_explode() -> None:
    assert value_of({"string_split": ["a.b", "."]}) == ["a", "b"]
    text = "x" * 10000
    assert refusal({"string_replace": [{"get_input": "i"}, "x", {"get_input": "i"}]}, i=text) is Fault.RECURSION_LIMIT


def test_two_changed_properties_and_two_changed_relationships_of_one_node() -> None:
    def link(target: str) -> dict[str, Any]:
        return {**connected_to(target), "source_operations": {"rl.x": an_operation(v={"get_input": "i"})}}

    node = a_node("a", link("b"), link("c"), p={"get_input": "i"}, q={"get_input": "i"})
    prepared = prepare(a_plan(node, a_node("b"), a_node("c"), inputs={"i": {"default": 1}}))["nodes"][0]
    assert prepared["properties"] == {"p": 1, "q": 1}
    assert [item["source_operations"]["rl.x"]["inputs"] for item in prepared["relationships"]] == [{"v": 1}, {"v": 1}]


def test_mappings_of_operations_shared_between_nodes_are_prepared_for_each() -> None:
    calling = {"l.x": an_operation(x=1), "l.y": an_operation(x={"get_property": ["SELF", "r"]})}
    plain = {"l.x": an_operation(x=1), "l.z": an_operation()}
    nodes = [a_node(name, r=name) for name in "abcd"]
    for node, operations in zip(nodes, (calling, calling, plain, plain), strict=True):
        node["operations"] = operations
    prepared = prepare(a_plan(*nodes))["nodes"]
    assert [node["operations"]["l.y"]["inputs"] for node in prepared[:2]] == [{"x": "a"}, {"x": "b"}]
    assert prepared[2]["operations"] is prepared[3]["operations"] is plain


def test_operations_shared_between_nodes_are_prepared_for_each() -> None:
    plain, calling = an_operation(x=1), an_operation(x={"get_property": ["SELF", "r"]})
    operations = {"l.a": plain, "l.b": calling}
    prepared = prepare(a_plan(a_node("a", operations=operations, r=1), a_node("b", operations=operations, r=2)))
    assert [node["operations"]["l.b"]["inputs"]["x"] for node in prepared["nodes"]] == [1, 2]
    assert all(node["operations"]["l.a"] is plain for node in prepared["nodes"])


def test_a_capability_that_is_not_scalable_is_evaluated_without_being_counted() -> None:
    node = a_node("a")
    node["capabilities"]["other"] = {"properties": {"x_instances": {"concat": ["a"]}}}
    assert prepare(a_plan(node))["nodes"][0]["capabilities"]["other"]["properties"] == {"x_instances": "a"}


def test_inputs_that_refer_to_each_other_are_refused_instead_of_recursing() -> None:
    inputs = {"i": {"x": {"get_input": "j"}}, "j": [{"get_input": "i"}]}
    assert refusal({"get_input": "i"}, **inputs) is Fault.RECURSION_LIMIT


def test_a_long_chain_of_inputs_is_bounded_like_any_nesting() -> None:
    inputs: dict[str, Any] = {f"i{number}": [{"get_input": f"i{number + 1}"}] for number in range(2000)}
    assert refusal({"get_input": "i0"}, i2000="end", **inputs) is Fault.RECURSION_LIMIT


def test_the_declared_type_of_a_reference_is_asked_of_the_value_even_when_it_is_a_call() -> None:
    call = {"get_secret": "s"}
    assert refusal({"get_input": "i", "type": "integer"}, i=call) is Fault.INPUT_EVALUATION
    assert value_of({"get_input": "i", "type": "string"}, i=call) == call
    assert value_of({"get_input": "i", "type": "dict"}, i=call) == call


def test_merge_takes_mappings_and_passes_over_an_empty_list() -> None:
    assert value_of({"merge": [{"get_input": "i"}, {"a": 1}]}, i=[]) == {"a": 1}
    assert refusal({"merge": [{"get_input": "i"}]}, i=["a"]) is Fault.FVE
    assert refusal({"string_upper": {"get_input": "i"}}, i={"a": 1}) is Fault.FEE
