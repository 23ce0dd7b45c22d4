"""Node instances: how many, where they live, whom they know."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from manager_core.dsl import instances as instances_module
from manager_core.dsl.errors import DslErrors, Fault
from manager_core.dsl.instances import create_instances
from tests.support.dsl_plans import (
    DEPENDS_ON,
    a_group,
    a_node,
    a_plan,
    a_relationship,
    by_id,
    connected_to,
    contained_in,
    of_node,
)
from tests.support.prepare_facts import counting_ids


def create(*nodes: Any, **groups: Any) -> list[dict[str, Any]]:
    return create_instances(a_plan(*nodes, scaling_groups=groups), ids=counting_ids())


def counts(instances: list[dict[str, Any]]) -> dict[str, int]:
    return dict(Counter(item["node_id"] for item in instances))


def test_an_instance_has_its_node_its_name_and_no_more_than_it_needs() -> None:
    assert create(a_node("a")) == [{"id": "a_i00001", "name": "a", "node_id": "a", "relationships": []}]


def test_counts_multiply_along_containment_and_groups() -> None:
    made = create(
        a_node("host", count=2),
        a_node("app", contained_in("host"), count=3),
        a_node("part", contained_in("app"), count=2),
        g=a_group("app", count=2),
    )
    assert counts(made) == {"host": 2, "app": 12, "part": 24}


def test_none_of_a_container_means_none_of_what_it_contains() -> None:
    assert create(a_node("host", count=0), a_node("app", contained_in("host"), count=3)) == []


def test_contained_instances_know_their_container_and_their_host() -> None:
    made = create(
        a_node("host", count=2, host="host"), a_node("app", contained_in("host"), count=2, host="host"), a_node("free")
    )
    hosts = {item["id"] for item in of_node(made, "host")}
    assert all(item["host_id"] == item["id"] for item in of_node(made, "host"))
    for item in of_node(made, "app"):
        (link,) = item["relationships"]
        assert link == {
            "type": "cloudify.relationships.contained_in",
            "target_name": "host",
            "target_id": item["host_id"],
        }
    assert Counter(item["host_id"] for item in of_node(made, "app")) == dict.fromkeys(hosts, 2)
    assert "host_id" not in of_node(made, "free")[0]


def test_direct_members_list_their_groups_from_the_inside_out() -> None:
    made = create(
        a_node("host"),
        a_node("app", contained_in("host")),
        a_node("part", contained_in("app")),
        inner=a_group("app", count=2),
        outer=a_group("inner", count=2),
    )
    for item in of_node(made, "app"):
        assert [group["name"] for group in item["scaling_groups"]] == ["inner", "outer"]
    assert len({item["scaling_groups"][0]["id"] for item in of_node(made, "app")}) == 4
    assert len({item["scaling_groups"][1]["id"] for item in of_node(made, "app")}) == 2
    assert all("scaling_groups" not in item for item in [*of_node(made, "part"), *of_node(made, "host")])


def test_all_to_all_connects_every_source_to_every_target() -> None:
    made = create(a_node("a", connected_to("b"), count=2), a_node("b", count=3))
    targets = {item["id"] for item in of_node(made, "b")}
    for item in of_node(made, "a"):
        assert {link["target_id"] for link in item["relationships"]} == targets


def test_members_of_one_group_are_connected_only_within_its_instance() -> None:
    made = create(
        a_node("host"),
        a_node("a", contained_in("host"), connected_to("b"), count=2),
        a_node("b", contained_in("host")),
        a_node("c", contained_in("b"), connected_to("a")),
        g=a_group("a", "b", count=3),
    )
    known = by_id(made)
    for item in of_node(made, "a"):
        links = [link for link in item["relationships"] if link["target_name"] == "b"]
        assert len(links) == 1
        assert known[links[0]["target_id"]]["scaling_groups"] == item["scaling_groups"]
    for item in of_node(made, "c"):
        container = known[item["relationships"][0]["target_id"]]
        near = {known[link["target_id"]]["scaling_groups"][0]["id"] for link in item["relationships"][1:]}
        assert near == {container["scaling_groups"][0]["id"]}, "containment counts as membership"


def test_all_to_one_connects_all_sources_to_the_smallest_target() -> None:
    made = create(a_node("a", connected_to("b", "all_to_one"), count=3), a_node("b", count=3))
    smallest = min(item["id"] for item in of_node(made, "b"))
    assert {link["target_id"] for item in of_node(made, "a") for link in item["relationships"]} == {smallest}


def test_relationships_keep_the_order_of_the_node_and_of_two_with_one_target_the_last_counts() -> None:
    made = create(
        a_node("a", connected_to("b"), connected_to("c"), a_relationship(DEPENDS_ON, "b")), a_node("b"), a_node("c")
    )
    links = [(link["type"].rpartition(".")[2], link["target_name"]) for link in of_node(made, "a")[0]["relationships"]]
    assert links == [("depends_on", "b"), ("connected_to", "c")]


@pytest.mark.parametrize(
    ("relationship", "kind"),
    [
        ({**connected_to("b"), "type_hierarchy": ["stray"]}, Fault.UNSUPPORTED_RELATIONSHIP),
        (connected_to("b", "some"), Fault.ILLEGAL_CONNECTION_TYPE),
        (connected_to("b", "all_to_one"), Fault.ALL_TO_ONE_IN_GROUP),
    ],
)
def test_relationships_without_instances_of_their_own_kind_are_refused(relationship: Any, kind: Fault) -> None:
    with pytest.raises(DslErrors) as caught:
        create(a_node("a", relationship), a_node("b"), g=a_group("a", "b"))
    assert caught.value.problems[0].kind is kind
    assert caught.value.problems[0].path[:2] == ("node_templates", "a")


def test_ids_in_use_are_avoided() -> None:
    made = create_instances(a_plan(a_node("a")), ids=counting_ids(), existing={"a_i00001", "a_i00002"})
    assert made[0]["id"] == "a_i00003"


def test_a_source_of_ids_that_repeats_itself_does_not_loop_for_ever() -> None:
    with pytest.raises(DslErrors, match="No free id"):
        create_instances(a_plan(a_node("a", count=2)), ids=lambda: "same")


def test_giant_counts_are_refused_before_anything_is_made() -> None:
    def never() -> str:
        raise AssertionError("nothing may be made")

    plan = a_plan(a_node("a", count=10**6), a_node("b", contained_in("a"), count=10**6))
    with pytest.raises(DslErrors, match=f"more than {instances_module.MAX_INSTANCES}"):
        create_instances(plan, ids=never)


def test_giant_meshes_are_refused_before_they_are_made() -> None:
    with pytest.raises(DslErrors, match="relationships between node instances"):
        create(a_node("a", connected_to("b"), count=5000), a_node("b", count=5000))


def test_a_long_chain_of_containers_is_no_recursion() -> None:
    nodes = [a_node("n0"), *(a_node(f"n{number}", contained_in(f"n{number - 1}")) for number in range(1, 3000))]
    assert len(create(*nodes)) == 3000


def test_a_thousand_instances_grow_linearly() -> None:
    """Twice the nodes, about twice the ids asked for: one each, whatever the containment."""
    asked = counting_ids()
    plan = a_plan(
        *(a_node(f"h{number}") for number in range(500)),
        *(a_node(f"a{number}", contained_in(f"h{number}")) for number in range(500)),
    )
    assert len(create_instances(plan, ids=asked)) == 1000
    assert asked() == "i01001"


def test_members_that_are_no_nodes_are_passed_over() -> None:
    assert counts(create(a_node("a"), g=a_group("a", "gone", count=2))) == {"a": 2}


def test_all_to_one_without_targets_connects_nothing() -> None:
    made = create(a_node("a", connected_to("b", "all_to_one")), a_node("b", count=0))
    assert made[0]["relationships"] == []


def test_a_host_outside_the_containers_is_left_out() -> None:
    assert "host_id" not in create(a_node("a", host="elsewhere"))[0]


def test_a_host_inside_a_host_belongs_to_the_outer_one() -> None:
    made = create(
        a_node("outer", host="outer"),
        a_node("inner", contained_in("outer"), host="inner"),
        a_node("app", contained_in("inner"), host="inner"),
    )
    assert {item["host_id"] for item in made} == {of_node(made, "outer")[0]["id"]}
