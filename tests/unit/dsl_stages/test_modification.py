"""Scaling and updating: which instances come and go, and what their neighbours see of it."""

from __future__ import annotations

import copy
from typing import Any

from manager_core.dsl.errors import DslErrors, Fault
from manager_core.dsl.instances import create_instances
from manager_core.dsl.modification import modify
from tests.support.dsl_plans import a_group, a_node, a_plan, connected_to, contained_in, of_node
from tests.support.prepare_facts import counting_ids

Lists = dict[str, list[dict[str, Any]]]


def deployed(*nodes: Any, **groups: Any) -> list[dict[str, Any]]:
    return create_instances(a_plan(*nodes, scaling_groups=groups), ids=counting_ids("o"))


def changed(lists: Lists, key: str) -> dict[str, str | None]:
    """Return id → modification of one of the four lists."""
    return {item["id"]: item.get("modification") for item in lists[f"{key}_and_related"]}


def targets(item: dict[str, Any]) -> list[str]:
    return [link["target_id"] for link in item["relationships"]]


CHAIN = (
    a_node("h", host="h"),
    a_node("a", contained_in("h"), connected_to("b"), host="h"),
    a_node("b"),
    a_node("c", connected_to("a")),
)


def test_growing_adds_instances_and_shows_their_neighbours_with_the_new_relationships_alone() -> None:
    existing = deployed(*CHAIN)
    lists = modify(CHAIN, {}, existing, {"a": {"instances": 2}}, ids=counting_ids("n"))
    (old,) = of_node(existing, "a")
    added = {item["node_id"]: item for item in lists["added_and_related"]}
    assert changed(lists, "added") == {
        added["h"]["id"]: None,
        "a_n00001": "added",
        added["b"]["id"]: None,
        added["c"]["id"]: None,
    }
    assert targets(added["a"]) == [added["h"]["id"], added["b"]["id"]]
    assert added["a"]["host_id"] == added["h"]["id"]
    assert targets(added["c"]) == ["a_n00001"]
    assert targets(added["b"]) == []
    assert changed(lists, "extended") == {added["c"]["id"]: "extended"}
    assert targets(lists["extended_and_related"][0]) == ["a_n00001"]
    assert lists["removed_and_related"] == lists["reduced_and_related"] == []
    assert old["id"] not in changed(lists, "added")


def test_a_new_container_brings_what_it_contains() -> None:
    nodes = (a_node("h"), a_node("a", contained_in("h"), count=2), a_node("p", contained_in("a"), count=3))
    lists = modify(nodes, {}, deployed(*nodes), {"h": {"instances": 2}}, ids=counting_ids("n"))
    assert {node: len(of_node(lists["added_and_related"], node)) for node in "hap"} == {"h": 1, "a": 2, "p": 6}


def test_shrinking_removes_whole_subtrees_and_shows_who_loses_relationships() -> None:
    nodes = (a_node("h", count=2), a_node("a", contained_in("h")), a_node("c", connected_to("a")))
    existing = deployed(*nodes)
    hint = of_node(existing, "h")[0]["id"]
    lists = modify(nodes, {}, existing, {"h": {"instances": 1, "removed_ids_include_hint": [hint]}}, ids=counting_ids())
    gone = next(item["id"] for item in of_node(existing, "a") if hint in targets(item))
    (source,) = of_node(existing, "c")
    assert changed(lists, "removed") == {hint: "removed", gone: "removed", source["id"]: None}
    assert changed(lists, "reduced") == {source["id"]: "reduced"}
    assert targets(lists["reduced_and_related"][0]) == [gone]
    assert lists["added_and_related"] == lists["extended_and_related"] == []


def removed(count: int, **hints: list[str]) -> set[str]:
    """Shrink a node of four instances o00001 … o00004 by `count`."""
    nodes = (a_node("a", count=4),)
    lists = modify(nodes, {}, deployed(*nodes), {"a": {"instances": 4 - count, **hints}}, ids=counting_ids())
    return {item["id"][-1] for item in lists["removed_and_related"]}


def test_hinted_instances_go_first_then_the_newest_and_the_excluded_last() -> None:
    assert removed(1) == {"4"}
    assert removed(2, removed_ids_include_hint=["a_o00001"]) == {"1", "4"}
    assert removed(1, removed_ids_include_hint=["a_o00002", "a_o00003"]) == {"2"}
    assert removed(2, removed_ids_exclude_hint=["a_o00004", "a_o00003"]) == {"1", "2"}
    assert removed(3, removed_ids_exclude_hint=["a_o00004", "a_o00003"]) == {"1", "2", "4"}
    assert removed(1, removed_ids_include_hint=["a_o00002"], removed_ids_exclude_hint=["a_o00002"]) == {"2"}
    assert removed(1, removed_ids_include_hint=["unknown"]) == {"4"}
    assert removed(4) == {"1", "2", "3", "4"}


def test_the_number_is_counted_in_each_parent() -> None:
    nodes = (a_node("h", count=3), a_node("a", contained_in("h"), count=2))
    lists = modify(nodes, {}, deployed(*nodes), {"a": {"instances": 3}}, ids=counting_ids("n"))
    assert [item.get("modification") for item in of_node(lists["added_and_related"], "a")] == ["added"] * 3


def test_a_group_grows_and_shrinks_with_its_members() -> None:
    nodes = (a_node("a", connected_to("b")), a_node("b", count=2))
    groups = {"g": a_group("a", "b", count=2)}
    existing = deployed(*nodes, **groups)
    grown = modify(nodes, groups, existing, {"g": {"instances": 3}}, ids=counting_ids("n"))
    new = grown["added_and_related"]
    assert [(item["node_id"], item["modification"]) for item in new] == [("a", "added"), ("b", "added"), ("b", "added")]
    assert len({item["scaling_groups"][0]["id"] for item in new}) == 1
    assert set(targets(new[0])) == {new[1]["id"], new[2]["id"]}
    member = of_node(existing, "b")[0]
    hints = {"removed_ids_include_hint": [member["id"]]}
    shrunk = modify(nodes, groups, existing, {"g": {"instances": 1, **hints}}, ids=counting_ids("n"))
    group = member["scaling_groups"][0]["id"]
    wanted = {item["id"] for item in existing if item["scaling_groups"][0]["id"] == group}
    assert {item["id"] for item in shrunk["removed_and_related"]} == wanted


def test_all_to_one_keeps_its_target_and_new_sources_join_it() -> None:
    nodes = (a_node("a", connected_to("b", "all_to_one")), a_node("b", count=2))
    existing = deployed(*nodes)
    (kept,) = targets(of_node(existing, "a")[0])
    lists = modify(nodes, {}, existing, {"a": {"instances": 2}, "b": {"instances": 3}}, ids=lambda: "00000")
    (new,) = [item for item in of_node(lists["added_and_related"], "a") if item.get("modification")]
    assert targets(new) == [kept], "even where a smaller id comes"


def test_all_to_one_with_several_targets_in_use_is_refused() -> None:
    nodes = (a_node("a", connected_to("b", "all_to_one"), count=2), a_node("b", count=2))
    existing = deployed(*nodes)
    one, other = of_node(existing, "a")
    other["relationships"][0]["target_id"] = of_node(existing, "b")[1]["id"]
    assert one["relationships"] != other["relationships"]
    try:
        modify(nodes, {}, existing, {}, ids=counting_ids("n"))
    except DslErrors as error:
        assert error.problems[0].kind is Fault.ALL_TO_ONE_STATE
    else:
        raise AssertionError("refused")


def test_nothing_to_do_changes_nothing() -> None:
    existing = deployed(*CHAIN)
    lists = modify(CHAIN, {}, existing, {"b": {"instances": 1}}, ids=counting_ids("n"))
    assert all(items == [] for items in lists.values())


def test_existing_instances_keep_what_they_were_stored_with_and_are_not_changed() -> None:
    existing = [{**item, "state": "started", "runtime_properties": {"x": 1}} for item in deployed(*CHAIN)]
    before = copy.deepcopy(existing)
    lists = modify(CHAIN, {}, existing, {"a": {"instances": 2}}, ids=counting_ids("n"))
    assert existing == before
    related = [item for item in lists["added_and_related"] if "modification" not in item]
    assert related
    assert all(item["state"] == "started" and item["runtime_properties"] == {"x": 1} for item in related)


def test_stored_nodes_serve_as_well_as_those_of_a_plan() -> None:
    existing = deployed(*CHAIN)
    stored = []
    for node in CHAIN:
        row = {key: value for key, value in node.items() if key != "capabilities"}
        stored.append({**row, "number_of_instances": 1})
    lists = modify(stored, {}, existing, {"b": {"instances": 2}}, ids=counting_ids("n"))
    assert "b_n00001" in changed(lists, "added")


def test_an_updated_blueprint_adds_removes_and_rewires() -> None:
    existing = deployed(*CHAIN)
    wanted = (CHAIN[0], a_node("a", contained_in("h"), connected_to("d"), host="h"), CHAIN[2], a_node("d", count=2))
    lists = modify(wanted, {}, existing, {}, ids=counting_ids("n"))
    ids = {item["node_id"]: item["id"] for item in existing}
    assert changed(lists, "added") == {ids["a"]: None, "d_n00001": "added", "d_n00002": "added"}
    assert changed(lists, "extended") == {ids["a"]: "extended"}
    assert changed(lists, "removed") == {ids["a"]: None, ids["c"]: "removed"}
    assert changed(lists, "reduced") == {ids["a"]: "reduced", ids["b"]: None}


def test_a_count_that_shrinks_on_its_own_removes_nothing() -> None:
    """Only what is asked to be modified loses instances; a blueprint's smaller default does not."""
    existing = deployed(a_node("a", count=3))
    lists = modify((a_node("a", count=1),), {}, existing, {}, ids=counting_ids("n"))
    assert all(items == [] for items in lists.values())


def test_names_that_are_not_in_the_plan_are_ignored() -> None:
    existing = deployed(*CHAIN)
    assert modify(CHAIN, {}, existing, {"nosuch": {"instances": 5}}, ids=counting_ids("n"))["added_and_related"] == []


def test_instances_that_lost_their_container_or_their_group_are_replaced() -> None:
    nodes = (a_node("h"), a_node("a", contained_in("h")), a_node("m"))
    groups = {"g": a_group("m")}
    existing = deployed(*nodes, **groups)
    for item in existing:
        item["relationships"] = []
        item.pop("scaling_groups", None)
    lists = modify(nodes, groups, existing, {}, ids=counting_ids("n"))
    marks = ("added", "removed")
    assert {mark: sorted(item["node_id"] for item in lists[f"{mark}_and_related"] if "modification" in item)
            for mark in marks} == {mark: ["a", "m"] for mark in marks}  # fmt: skip


def test_a_target_whose_instances_all_go_is_let_go() -> None:
    nodes = (a_node("a", connected_to("b", "all_to_one"), count=2), a_node("b"))
    lists = modify(nodes, {}, deployed(*nodes), {"b": {"instances": 0}}, ids=counting_ids("n"))
    assert set(changed(lists, "reduced").values()) == {"reduced"}
