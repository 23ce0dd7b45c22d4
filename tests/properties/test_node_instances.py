"""Node instances over arbitrary plans: counts, containment, and modifications that lead where creation would."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from manager_core.dsl.instances import create_instances
from manager_core.dsl.modification import modify
from tests.support.dsl_plans import a_group, a_node, a_plan, connected_to, contained_in
from tests.support.prepare_facts import counting_ids

COUNTS = st.integers(0, 3)


@st.composite
def plans(draw: st.DrawFn) -> dict[str, Any]:
    """Draw up to six nodes: each maybe contained in an earlier one, connected to others, some in a scaling group."""
    number = draw(st.integers(1, 6))
    nodes: list[dict[str, Any]] = []
    contained: dict[int, int] = {}
    for index in range(number):
        relationships = []
        if index and draw(st.booleans()):
            contained[index] = draw(st.integers(0, index - 1))
            relationships.append(contained_in(f"n{contained[index]}"))
        for target in range(index):
            if contained.get(index) != target and draw(st.integers(0, 3)) == 0:
                relationships.append(connected_to(f"n{target}"))
        nodes.append(a_node(f"n{index}", *relationships, count=draw(COUNTS)))
    groups = {}
    if draw(st.booleans()):
        # Members are brothers: nodes of one container, none of which contains another.
        container = draw(st.sampled_from([None, *contained.values()]))
        brothers = [f"n{index}" for index in range(number) if contained.get(index) == container]
        if brothers:
            groups["g"] = a_group(*brothers, count=draw(COUNTS))
    return a_plan(*nodes, scaling_groups=groups)


def containers(plan: dict[str, Any]) -> dict[str, str]:
    return {
        node["name"]: item["target_id"]
        for node in plan["nodes"]
        for item in node["relationships"]
        if item["type"].endswith("contained_in")
    }


def wanted_counts(plan: dict[str, Any]) -> dict[str, int]:
    """Count by multiplying along containment and groups."""
    inside, groups = containers(plan), plan["scaling_groups"]
    totals: dict[str, int] = {}
    for node in plan["nodes"]:
        name = node["name"]
        total = node["capabilities"]["scalable"]["properties"]["current_instances"]
        for group in groups.values():
            if name in group["members"]:
                total *= group["properties"]["current_instances"]
        totals[name] = total * totals.get(inside.get(name, ""), 1)
    return {name: total for name, total in totals.items() if total}


def create(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return create_instances(plan, ids=counting_ids("o"))


def shape(instances: list[dict[str, Any]]) -> Counter[Any]:
    """Describe instances without their ids: what they are connected to, how often."""
    return Counter(
        (
            item["node_id"],
            tuple(group["name"] for group in item.get("scaling_groups") or ()),
            tuple(sorted(Counter((link["type"], link["target_name"]) for link in item["relationships"]).items())),
        )
        for item in instances
    )


def apply(existing: list[dict[str, Any]], lists: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Do to the stored instances what the four lists say."""
    gone = {item["id"] for item in lists["removed_and_related"] if item.get("modification") == "removed"}
    lost = {(item["id"], link["target_id"]) for item in lists["reduced_and_related"] for link in item["relationships"]}
    gained = {item["id"]: item["relationships"] for item in lists["extended_and_related"] if item.get("modification")}
    result = []
    for item in existing:
        if item["id"] not in gone:
            links = [link for link in item["relationships"] if (item["id"], link["target_id"]) not in lost]
            result.append({**item, "relationships": [*links, *gained.get(item["id"], [])]})
    return [*result, *(item for item in lists["added_and_related"] if item.get("modification") == "added")]


@given(plans())
def test_counts_multiply_and_every_instance_lives_where_it_should(plan: dict[str, Any]) -> None:
    instances = create(plan)
    assert dict(Counter(item["node_id"] for item in instances)) == wanted_counts(plan)
    ids = {item["id"]: item["node_id"] for item in instances}
    assert len(ids) == len(instances)
    inside = containers(plan)
    for item in instances:
        homes = [link for link in item["relationships"] if link["type"].endswith("contained_in")]
        assert [link["target_name"] for link in homes] == (
            [inside[item["node_id"]]] if item["node_id"] in inside else []
        )
        for link in item["relationships"]:
            assert ids[link["target_id"]] == link["target_name"]
        assert len({link["target_id"] for link in item["relationships"]}) == len(item["relationships"])


@given(plans())
def test_members_of_one_group_meet_only_within_its_instance(plan: dict[str, Any]) -> None:
    instances = create(plan)
    group_of = {item["id"]: item["scaling_groups"][0]["id"] for item in instances if item.get("scaling_groups")}
    for item in instances:
        for link in item["relationships"]:
            if item["id"] in group_of and link["target_id"] in group_of:
                assert group_of[item["id"]] == group_of[link["target_id"]]


@given(plans(), st.data())
def test_a_modification_leads_where_creating_with_the_new_numbers_would(
    plan: dict[str, Any], data: st.DataObject
) -> None:
    existing = create(plan)
    names = [node["name"] for node in plan["nodes"]] + list(plan["scaling_groups"])
    numbers = data.draw(st.dictionaries(st.sampled_from(names), COUNTS, max_size=3))
    modified = {name: {"instances": number} for name, number in numbers.items()}
    lists = modify(plan["nodes"], plan["scaling_groups"], existing, modified, ids=counting_ids("n"))
    wanted = a_plan(
        *(
            {**node, "capabilities": {"scalable": {"properties": {"current_instances": numbers[node["name"]]}}}}
            if node["name"] in numbers
            else node
            for node in plan["nodes"]
        ),
        scaling_groups={
            name: {**group, "properties": {"current_instances": numbers[name]}} if name in numbers else group
            for name, group in plan["scaling_groups"].items()
        },
    )
    after = apply(existing, lists)
    assert shape(after) == shape(create(wanted))


@given(plans())
def test_modifying_nothing_changes_nothing(plan: dict[str, Any]) -> None:
    lists = modify(plan["nodes"], plan["scaling_groups"], create(plan), {}, ids=counting_ids("n"))
    assert all(items == [] for items in lists.values())


@given(plans(), st.data())
def test_hints_are_kept_wherever_the_number_allows(plan: dict[str, Any], data: st.DataObject) -> None:
    existing = create(plan)
    name = data.draw(st.sampled_from([node["name"] for node in plan["nodes"]]))
    ids = [item["id"] for item in existing if item["node_id"] == name]
    include = set(data.draw(st.lists(st.sampled_from(ids), unique=True))) if ids else set()
    exclude = set(ids) - include
    wanted = data.draw(COUNTS)
    hints = {"removed_ids_include_hint": sorted(include), "removed_ids_exclude_hint": sorted(exclude)}
    lists = modify(
        plan["nodes"], plan["scaling_groups"], existing, {name: {"instances": wanted, **hints}}, ids=counting_ids("n")
    )
    gone = {item["id"] for item in lists["removed_and_related"] if item.get("modification")} & set(ids)
    if gone & exclude:
        parents = {item["id"]: parent(item) for item in existing}
        for removed in gone & exclude:
            left = [other for other in include - gone if parents[other] == parents[removed]]
            assert not left, "an excluded instance went while an included one of the same parent stayed"


def parent(item: dict[str, Any]) -> Any:
    groups = [group["id"] for group in item.get("scaling_groups") or ()]
    homes = [link["target_id"] for link in item["relationships"] if link["type"].endswith("contained_in")]
    return (*groups, *homes)
