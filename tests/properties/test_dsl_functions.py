"""Intrinsic functions over arbitrary values: nothing but a DSL error comes out, and nothing given is changed."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from manager_core.dsl import functions
from manager_core.dsl.errors import DslErrors, Findings
from manager_core.dsl.evaluate import evaluate
from manager_core.dsl.prepare import prepare
from tests.support.dsl_plans import a_node, a_plan, a_relationship, an_operation
from tests.support.prepare_facts import DataStorage
from tests.support.prepare_scenarios import STORAGE

WORDS = st.sampled_from(["a", "b", "i", "j", "p", "q", "k", "SELF", "SOURCE", "TARGET", "pw", "own", "", "0", "tenant"])
SCALARS = st.one_of(WORDS, st.integers(-3, 3), st.booleans(), st.none(), st.floats(allow_nan=False, width=16))


def calls(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return mappings that look like calls, well formed or not."""
    names = st.sampled_from(sorted(functions.NAMES))
    arguments = st.one_of(inner, st.lists(inner, max_size=4))
    plain = st.builds(lambda name, argument: {name: argument}, names, arguments)
    typed = st.builds(
        lambda call, type_name: {**call, "type": type_name}, plain, st.sampled_from(["integer", "string", "nosuch", 3])
    )
    return st.one_of(plain, typed)


VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        calls(inner), st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3), calls(SCALARS)
    ),
    max_leaves=12,
)
PLAIN = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=12
)

FACTS = {**STORAGE, "groups": {"a": ["d"]}, "system": {"tenant": {"name": "t"}}, "consumers": []}


def plan_with(values: list[Any]) -> dict[str, Any]:
    """Put values into every kind of place."""
    p, q, r, s, default = values
    relationship = a_relationship(
        "cloudify.relationships.connected_to", "b", source_operations={"rl.x": an_operation(v=r)}
    )
    return a_plan(
        a_node("a", relationship, p=p, q=q, k={"own": s}, operations={"l.x": an_operation(v=q)}),
        a_node("b", p=r, q={"k": [p]}),
        inputs={"i": {"default": default}, "j": {"default": {"k": s}}},
        outputs={"o": {"value": s}},
        labels={"l": {"values": [p]}},
    )


@given(st.lists(VALUES, min_size=5, max_size=5), st.booleans())
def test_checking_and_preparing_raise_nothing_but_dsl_errors_and_change_nothing(
    values: list[Any], runtime_only: bool
) -> None:
    plan = plan_with(values)
    before = copy.deepcopy(plan)
    functions.validate(plan, Findings())
    functions.collect_requirements(plan)
    try:
        prepare(plan, secrets=set, runtime_only=runtime_only)
    except DslErrors as error:
        assert error.problems
    assert plan == before


@given(st.lists(VALUES, min_size=5, max_size=5))
def test_preparing_twice_is_preparing_once(values: list[Any]) -> None:
    plan = plan_with(values)
    try:
        prepared = prepare(plan, secrets=set)
        again = prepare({**prepared, "inputs": plan["inputs"]}, secrets=set)
    except DslErrors:
        return
    settled = [[node["properties"], node["operations"], node["relationships"]] for node in prepared["nodes"]]
    assert [[node["properties"], node["operations"], node["relationships"]] for node in again["nodes"]] == settled
    assert again["outputs"] == prepared["outputs"]


@given(PLAIN)
def test_values_without_calls_come_through_as_the_same_object(value: Any) -> None:
    payload = {"v": value}
    assert evaluate(payload, storage=DataStorage(FACTS)) is payload
    plan = a_plan(a_node("a", p=value))
    assert prepare(plan)["nodes"][0] is plan["nodes"][0]


@given(VALUES, st.sampled_from([{}, {"self": "a_1"}, {"self": "nosuch"}, {"source": "a_2", "target": "b_1"}]))
def test_evaluating_on_demand_raises_nothing_but_dsl_errors_and_changes_nothing(
    value: Any, context: dict[str, str]
) -> None:
    payload = {"v": value}
    before = copy.deepcopy(payload)
    try:
        evaluate(payload, storage=DataStorage(FACTS), context=context)
    except DslErrors as error:
        assert error.code == "functions_evaluation_error"
    assert payload == before


@given(st.lists(st.text("ab.", max_size=5) | st.integers(), max_size=4))
def test_concat_is_the_text_of_its_items(items: list[Any]) -> None:
    assert evaluate([{"concat": items}], storage=DataStorage(FACTS)) == ["".join(str(item) for item in items)]


@given(st.lists(st.dictionaries(WORDS, st.integers(), max_size=3), max_size=4))
def test_merge_lets_the_later_win(items: list[dict[str, Any]]) -> None:
    wanted: dict[str, Any] = {}
    for item in items:
        wanted.update(item)
    assert evaluate([{"merge": items}], storage=DataStorage(FACTS)) == [wanted]
