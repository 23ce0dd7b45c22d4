"""Evaluating on demand: which instance an attribute is read from, and what each function answers."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from manager_core.dsl.errors import DslErrors, Fault
from manager_core.dsl.evaluate import evaluate, evaluate_capabilities, evaluate_outputs
from tests.support.prepare_facts import DataStorage
from tests.support.prepare_scenarios import OUTPUTS, STORAGE

FACTS: dict[str, Any] = {
    **STORAGE,
    "capabilities": {
        "d": {"x": {"y": [1, 2]}, "s": "t"},
        "e": {"s": "u", "z": 1},
        "f": {},
        "parent": {"network": {"name": "n"}},
    },
    "groups": {"g": ["e", "f", "d"]},
    "labels": {"k": ["v1", "v2"], "csys-obj-parent": ["parent", "ignored"]},
    "system": {"tenant": {"name": "default_tenant"}, "deployment": {"owner": "admin"}},
    "consumers": [{"id": "c1", "display_name": "Consumer"}],
}


def value_of(call: Any, **context: str) -> Any:
    return evaluate({"v": call}, storage=DataStorage(FACTS), context=context)["v"]


def refusal(call: Any, **context: str) -> str:
    with pytest.raises(DslErrors) as caught:
        value_of(call, **context)
    assert caught.value.code == "functions_evaluation_error"
    assert caught.value.problems[0].kind is Fault.FEE
    return caught.value.problems[0].message


def test_the_payload_itself_is_never_a_call() -> None:
    assert evaluate({"concat": ["a", "b"]}, storage=DataStorage(FACTS)) == {"concat": ["a", "b"]}
    assert evaluate([{"concat": ["a", "b"]}], storage=DataStorage(FACTS)) == ["ab"]
    assert evaluate("text", storage=DataStorage(FACTS)) == "text"


def test_what_holds_no_call_comes_back_as_the_same_object() -> None:
    payload = {"a": [1, {"b": "c"}]}
    assert evaluate(payload, storage=DataStorage(FACTS)) is payload


def test_nothing_stored_is_changed() -> None:
    facts = copy.deepcopy(FACTS)
    evaluate({"v": {"get_attribute": ["SELF", "m"]}}, storage=DataStorage(facts), context={"self": "b_1"})
    assert facts == FACTS


def test_the_instance_of_a_keyword_comes_from_the_context() -> None:
    assert value_of({"get_attribute": ["SELF", "own"]}, self="a_2") == "A2"
    assert value_of({"get_attribute": ["SOURCE", "own"]}, source="a_1", target="b_1") == "A1"
    assert value_of({"get_attribute": ["TARGET", "own"]}, source="a_1", target="b_1") == "B1"
    assert "SELF is missing in request context" in refusal({"get_attribute": ["SELF", "own"]})


def test_of_several_instances_the_related_one_is_meant() -> None:
    assert value_of({"get_attribute": ["b", "own"]}, self="a_1") == "B2"


def test_of_several_instances_the_one_in_the_same_group_is_meant_through_containment() -> None:
    assert value_of({"get_attribute": ["b", "own"]}, self="a_2") == "B2"
    assert value_of({"get_attribute": ["b", "own"]}, self="h_1") == "B1"
    assert value_of({"get_attribute": ["b", "own"]}, source="a_2", target="h_1") == "B2"


def test_of_several_instances_without_a_clue_none_is_meant() -> None:
    message = refusal({"get_attribute": ["a", "own"]})
    assert message.startswith("Unable to evaluate get_attribute function: More than one node instance found")
    assert "has no instances" in refusal({"get_attribute": ["nosuch", "own"]})


def test_a_hint_names_the_instance_of_its_own_node() -> None:
    storage = DataStorage(FACTS)
    assert evaluate({"v": {"get_attribute": ["b", "own"]}}, storage=storage, hint="b_1") == {"v": "B1"}
    assert evaluate({"v": {"get_attribute": ["one", "ip"]}}, storage=storage, hint="b_1") == {"v": "1.2.3.4"}


def test_an_attribute_falls_back_to_the_instance_and_then_to_the_node() -> None:
    assert value_of({"get_attribute": ["SELF", "node_instance_id"]}, self="a_2") == "a_2"
    assert value_of({"get_attribute": ["SELF", "node_instance_index"]}, self="a_2") == 2
    assert value_of({"get_attribute": ["SELF", "r"]}, self="a_2") == 2
    assert value_of({"get_attribute": ["SELF", "nest", "k"]}, self="b_1") == 5
    assert value_of({"get_attribute": ["SELF", "nope", "x"]}, self="a_2") is None


def test_calls_in_what_was_read_are_evaluated_for_the_instance_it_was_read_from() -> None:
    assert value_of({"get_attribute": ["SELF", "fn"]}, self="b_1") == "xy"
    assert value_of({"get_attribute": ["SELF", "m", "k"]}, self="b_1") == "uv"
    assert value_of({"get_attribute": ["b", "q"]}, self="a_1") == "B2"
    assert value_of({"get_attribute": ["TARGET", "q"]}, source="a_1", target="b_1") == "B1"


def test_attributes_of_all_instances_come_as_a_list_or_by_instance() -> None:
    assert value_of({"get_attributes_list": ["b", "l", 0]}) == [1, None]
    assert value_of({"get_attributes_list": ["SELF", "own"]}, self="b_2") == ["B1", "B2"]
    assert value_of({"get_attributes_dict": ["b", "own", ["m", "k"]]}) == {
        "b_1": {"own": "B1", "m.k": "uv"},
        "b_2": {"own": "B2", "m.k": None},
    }


def test_properties_are_read_by_name_and_by_context() -> None:
    assert value_of({"get_property": ["b", "nest", "k"]}) == 5
    assert value_of({"get_property": ["SELF", "r"]}, self="a_1") == 2
    assert value_of({"get_property": ["TARGET", "r"]}, source="a_1", target="b_1") == 9
    assert "SELF is missing" in refusal({"get_property": ["SELF", "r"]})
    assert "doesn't exist" in refusal({"get_property": ["b", "nope"]})


def test_secrets_are_read_whole_or_as_json() -> None:
    assert value_of({"get_secret": "pw"}) == "secret"
    assert value_of({"get_secret": ["js", "a", "b", 1]}) == 2
    assert "does not exist" in refusal({"get_secret": "nosuch"}) or "nosuch" in refusal({"get_secret": "nosuch"})


def test_a_refused_secret_does_not_show_its_value() -> None:
    message = refusal({"get_secret": ["pw", "a"]})
    assert "pw" in message
    assert "secret'" not in message.replace("secret 'pw'", "")


def test_capabilities_of_another_deployment_are_walked_into() -> None:
    assert value_of({"get_capability": ["d", "x", "y", 1]}) == 2
    for path in (["d", "x", "y", 7], ["d", "x", "zz"], ["d", "s", "q"], ["d", "nosuch"], ["nosuch", "x"]):
        assert refusal({"get_capability": path}).startswith("Unable to evaluate get_capability function")


def test_capabilities_of_a_group_skip_deployments_without_them() -> None:
    assert value_of({"get_group_capability": ["g", "s"]}) == ["t", "u"]
    assert value_of({"get_group_capability": ["g", "deployment_id:s"]}) == {"d": "t", "e": "u"}
    assert value_of({"get_group_capability": ["g", ["s", "z"]]}) == [["t"], ["u", 1]]
    assert value_of({"get_group_capability": ["g", "x", "y", 0]}) == [1]


def test_the_environment_is_the_first_parent_label() -> None:
    assert value_of({"get_environment_capability": ["network", "name"]}) == "n"
    orphan = DataStorage({**FACTS, "labels": {}})
    with pytest.raises(DslErrors, match="csys-obj-parent"):
        evaluate([{"get_environment_capability": "network"}], storage=orphan)


def test_labels_system_values_and_consumers() -> None:
    assert value_of({"get_label": "k"}) == ["v1", "v2"]
    assert value_of({"get_label": ["k", "1"]}) == "v2"
    assert "2 values" in refusal({"get_label": ["k", 2]})
    assert "no label" in refusal({"get_label": "nosuch"})
    assert value_of({"get_sys": ["tenant", "name"]}) == "default_tenant"
    assert value_of({"get_sys": ["deployment", {"concat": ["owner"]}]}) == "admin"
    assert value_of({"get_consumers": "ids"}) == ["c1"]
    assert value_of({"get_consumers": "names"}) == ["Consumer"]
    assert value_of({"get_consumers": "count"}) == 1


def test_arguments_are_evaluated_first() -> None:
    assert value_of({"get_secret": {"concat": ["p", "w"]}}) == "secret"
    assert value_of({"concat": ["a", {"get_attribute": ["SELF", "own"]}]}, self="a_1") == "aA1"
    assert value_of({"get_input": ["d", "k"]}) == "secret"


def test_an_unknown_input_is_refused_as_such() -> None:
    with pytest.raises(DslErrors) as caught:
        value_of({"get_input": "nosuch"})
    assert caught.value.problems[0].kind is Fault.UNKNOWN_INPUT


def test_outputs_leave_out_missing_secrets_and_show_unresolved_attributes_as_text() -> None:
    values = evaluate_outputs(OUTPUTS, storage=DataStorage(FACTS))
    error = "<ERROR: Unable to evaluate get_attribute function: Node z has no instances.>"
    assert set(values) == {"ok", "several", "none", "inside", "known", "plain"}
    assert values["ok"] == "1.2.3.4"
    assert values["none"] == error
    assert values["inside"] == "a" + error
    assert values["several"].startswith("<ERROR: ")
    assert values["known"] == "secret"


def test_capabilities_leave_out_missing_secrets_but_refuse_unresolved_attributes() -> None:
    assert evaluate_capabilities({"a": OUTPUTS["secret"], "b": OUTPUTS["ok"]}, storage=DataStorage(FACTS)) == {
        "b": "1.2.3.4"
    }
    with pytest.raises(DslErrors) as caught:
        evaluate_capabilities({"a": OUTPUTS["none"]}, storage=DataStorage(FACTS))
    assert caught.value.code == "deployment_capabilities_evaluation_error"


def test_runtime_properties_that_refer_to_each_other_are_refused_instead_of_looping() -> None:
    facts = copy.deepcopy(FACTS)
    facts["instances"][-1]["runtime_properties"] = {
        "x": {"get_attribute": ["one", "y"]},
        "y": {"get_attribute": ["one", "x"]},
    }
    with pytest.raises(DslErrors) as caught:
        evaluate([{"get_attribute": ["one", "x"]}], storage=DataStorage(facts))
    assert caught.value.problems[0].kind is Fault.RECURSION_LIMIT


def test_a_call_walked_into_that_leads_back_to_itself_is_refused_instead_of_recursing() -> None:
    facts = copy.deepcopy(FACTS)
    facts["instances"][-1]["runtime_properties"] = {"x": {"get_attribute": ["one", "x", "k"]}}
    with pytest.raises(DslErrors) as caught:
        evaluate([{"get_attribute": ["one", "x", "k"]}], storage=DataStorage(facts))
    assert caught.value.problems[0].kind is Fault.RECURSION_LIMIT


def test_an_instance_of_the_context_that_does_not_exist_is_refused() -> None:
    assert "nosuch does not exist" in refusal({"get_attribute": ["SELF", "x"]}, self="nosuch")
    assert "nosuch does not exist" in refusal({"get_attribute": ["b", "x"]}, self="nosuch")
    assert "nosuch does not exist" in refusal({"get_property": ["SELF", "x"]}, self="nosuch")


def test_one_of_several_instances_that_asks_means_itself() -> None:
    assert value_of({"get_attribute": ["a", "own"]}, self="a_2") == "A2"


def test_a_group_with_several_instances_of_a_node_tells_nothing() -> None:
    facts = copy.deepcopy(FACTS)
    for item in facts["instances"]:
        if item["id"] == "b_2":
            item["scaling_groups"] = [{"name": "g", "id": "g_1"}]
    with pytest.raises(DslErrors, match="More than one node instance"):
        evaluate([{"get_attribute": ["b", "own"]}], storage=DataStorage(facts), context={"self": "h_1"})


def test_an_instance_whose_node_is_gone_still_has_its_runtime_properties() -> None:
    facts = copy.deepcopy(FACTS)
    facts["nodes"] = [node for node in facts["nodes"] if node["id"] not in ("b", "one")]
    storage = DataStorage(facts)
    assert evaluate([{"get_attribute": ["SELF", "own"]}], storage=storage, context={"self": "b_1"}) == ["B1"]
    assert evaluate([{"get_attribute": ["one", "k"]}], storage=storage) == [None]
    with pytest.raises(DslErrors, match="More than one node instance"):
        evaluate([{"get_attribute": ["h", "own"]}], storage=storage, context={"source": "one_1"})


def test_a_contained_instance_without_its_relationship_has_no_container() -> None:
    facts = copy.deepcopy(FACTS)
    facts["instances"][1]["relationships"] = []
    with pytest.raises(DslErrors, match="More than one node instance"):
        evaluate([{"get_attribute": ["b", "own"]}], storage=DataStorage(facts), context={"self": "a_2"})


def test_lenient_outputs_show_a_missing_context_as_text() -> None:
    values = evaluate_outputs({"o": {"value": {"get_attribute": ["SELF", "x"]}}}, storage=DataStorage(FACTS))
    assert values["o"].startswith("<ERROR: Unable to evaluate get_attribute function: SELF is missing")


def test_a_list_is_indexed_by_integers_and_a_scalar_has_no_members() -> None:
    assert "must be an integer" in refusal({"get_attribute": ["SELF", "l", "x"]}, self="b_1")
    assert value_of({"get_attribute": ["SELF", "l", 7]}, self="b_1") is None
    assert value_of({"get_attribute": ["SELF", "own", "x"]}, self="b_1") is None


def test_a_call_met_on_the_way_is_walked_into() -> None:
    facts = copy.deepcopy(FACTS)
    facts["instances"][-1]["runtime_properties"] = {"x": {"get_secret": ["js", "a"]}}
    assert evaluate([{"get_attribute": ["one", "x", "b", 0]}], storage=DataStorage(facts)) == [1]


def test_a_property_that_refers_to_self_means_its_own_node() -> None:
    facts = copy.deepcopy(FACTS)
    facts["nodes"][-1]["properties"]["again"] = {"get_property": ["SELF", "k"]}
    assert evaluate([{"get_property": ["one", "again"]}], storage=DataStorage(facts)) == ["v"]


def test_a_call_that_never_gets_a_value_is_no_argument() -> None:
    facts = copy.deepcopy(FACTS)
    facts["nodes"][-1]["properties"]["me"] = {"get_property": ["one", "me"]}
    with pytest.raises(DslErrors, match="unresolved argument"):
        evaluate([{"get_secret": {"get_property": ["one", "me"]}}], storage=DataStorage(facts))


def test_json_secrets_refuse_wrong_paths_and_names() -> None:
    for call in (["js", "zz"], ["js", "a", "b", 9], ["js", "a", "b", "x"], ["js", "a", "b", 0, "x"], [["js"], "a"]):
        assert refusal({"get_secret": call}).startswith("Unable to evaluate get_secret function")
