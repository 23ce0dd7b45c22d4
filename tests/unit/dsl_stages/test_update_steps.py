"""The steps between two plans."""

from __future__ import annotations

from typing import Any

from manager_core.dsl.update_steps import Step, diff, unsupported
from tests.support.dsl_plans import a_node, a_plan, an_operation, connected_to, contained_in


def steps(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(step.action, step.entity_type, ":".join(step.entity_id)) for step in diff(old, new)]


def node(**changes: Any) -> dict[str, Any]:
    return {**a_node("a", p=1, operations={"l.create": an_operation()}), **changes}


def test_equal_plans_need_no_steps() -> None:
    assert steps(a_plan(node()), a_plan(node())) == []


def test_nodes_come_and_go_whole() -> None:
    assert steps(a_plan(a_node("a")), a_plan(a_node("b"))) == [
        ("add", "node", "nodes:b"),
        ("remove", "node", "nodes:a"),
    ]


def test_added_nodes_are_ordered_by_what_they_lead_to() -> None:
    new = a_plan(
        a_node("top", connected_to("middle"), connected_to("low")),
        a_node("middle", contained_in("low")),
        a_node("low", connected_to("old")),
        a_node("old"),
    )
    added = diff(a_plan(a_node("old")), new)
    assert [(step.entity_id[1], step.topology_order) for step in added] == [("low", 0), ("middle", 1), ("top", 2)]


def test_properties_and_operations_are_compared_one_by_one() -> None:
    operations = {"l.create": an_operation(x=1), "l.stop": an_operation()}
    new = a_plan({**a_node("a", p=2, q=3), "operations": operations})
    assert steps(a_plan(a_node("a", p=1, r=1, operations={"l.create": an_operation()})), new) == [
        ("modify", "operation", "nodes:a:operations:l.create"),
        ("add", "operation", "nodes:a:operations:l.stop"),
        ("modify", "property", "nodes:a:properties:p"),
        ("add", "property", "nodes:a:properties:q"),
        ("remove", "property", "nodes:a:properties:r"),
    ]


def test_relationships_are_known_by_type_and_target_and_may_move() -> None:
    others = (a_node("b"), a_node("c"), a_node("d"))
    old = a_plan(a_node("a", connected_to("b"), connected_to("c")), *others)
    new = a_plan(a_node("a", connected_to("d"), connected_to("b")), *others)
    assert steps(old, new) == [
        ("add", "relationship", "nodes:a:relationships:[0]"),
        ("modify", "relationship", "nodes:a:relationships:[0]:[1]"),
        ("remove", "relationship", "nodes:a:relationships:[1]"),
    ]


def test_operations_of_relationships_are_compared() -> None:
    def plan(**inputs: Any) -> dict[str, Any]:
        relationship = {**connected_to("b"), "source_operations": {"rl.establish": an_operation(**inputs)}}
        return a_plan(a_node("a", relationship), a_node("b"))

    assert steps(plan(), plan(x=1)) == [
        ("modify", "operation", "nodes:a:relationships:[0]:source_operations:rl.establish")
    ]


def test_what_cannot_be_changed_is_said_to_be_unsupported() -> None:
    old = a_plan(
        a_node("a", contained_in("b")),
        a_node("b"),
        a_node("c", connected_to("b")),
        a_node("d"),
        groups={"g": {"members": ["a", "b"]}, "h": {"members": ["c", "d"]}},
    )
    new = a_plan(
        a_node("a", contained_in("c")),
        a_node("b"),
        a_node("c", connected_to("b", "all_to_one")),
        {**a_node("d"), "type": "u"},
        groups={"g": {"members": ["b", "a"]}, "h": {"members": ["c"]}},
    )
    found = diff(old, new)
    assert unsupported(found) == found
    assert [(step.entity_type, ":".join(step.entity_id)) for step in found] == [
        ("node", "nodes:a"),
        ("property", "nodes:c:relationships:[0]:properties:connection_type"),
        ("node", "nodes:d"),
        ("group", "groups:h"),
    ]


def test_workflows_outputs_capabilities_plugins_and_the_description_are_compared() -> None:
    plugin = {"name": "p", "executor": "central_deployment_agent", "package_version": "1"}
    old = a_plan(node(plugins=[plugin]), workflows={"w": {"plugin": "p"}}, outputs={"o": {"value": 1}}, description="x")
    new = a_plan(
        node(plugins=[{**plugin, "package_version": "2"}]),
        workflows={"v": {"plugin": "p"}},
        outputs={"o": {"value": 2}},
        capabilities={"c": {"value": 1}},
    )
    assert steps(old, new) == [
        ("modify", "plugin", "nodes:a:plugins:p/central_deployment_agent"),
        ("add", "workflow", "workflows:v"),
        ("remove", "workflow", "workflows:w"),
        ("modify", "output", "outputs:o"),
        ("add", "capability", "capabilities:c"),
        ("remove", "description", "description"),
    ]


def test_a_step_is_written_as_the_rest_contract_says() -> None:
    assert Step("add", "node", ("nodes", "n2"), 1).as_dict() == {
        "action": "add",
        "entity_type": "node",
        "entity_id": ["nodes", "n2"],
        "topology_order": 1,
    }
