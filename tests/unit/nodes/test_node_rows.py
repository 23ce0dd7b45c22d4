"""Promises of what is kept of a node, and of what instances tell about themselves."""

from __future__ import annotations

from typing import Any

import pytest

from manager_core.nodes.listing import planned_factor
from manager_core.nodes.rows import drifted, node_values, status_ok

GROUPS = {
    "inner": {"members": ["a"], "properties": {"planned_instances": 2}},
    "outer": {"members": ["inner", "b"], "properties": {"planned_instances": 3}},
}


@pytest.mark.parametrize(("name", "factor"), [("a", 6), ("b", 3), ("c", 1), ("inner", 3)])
def test_the_numbers_of_enclosing_groups_multiply(name: str, factor: int) -> None:
    assert planned_factor(GROUPS, name) == factor
    assert planned_factor(None, name) == 1


def test_a_plan_node_keeps_what_the_engine_needs_and_not_the_interfaces() -> None:
    scalable = {"current_instances": 2, "default_instances": 2, "min_instances": 1, "max_instances": 5,
                "planned_instances": 2}  # fmt: skip
    values = node_values(
        {
            "id": "n",
            "type": "t",
            "type_hierarchy": ["r", "t"],
            "capabilities": {"scalable": {"properties": scalable}},
            "interfaces": {"i": {}},
            "relationships": [{"type": "x", "target_id": "m", "source_interfaces": {}, "target_interfaces": {}}],
        }
    )
    assert "interfaces" not in values
    assert values["relationships"] == [{"type": "x", "target_id": "m"}]
    assert values["number_of_instances"] == values["deploy_number_of_instances"] == 2
    assert (values["min_number_of_instances"], values["max_number_of_instances"]) == (1, 5)
    assert values["properties"] == values["operations"] == {}


@pytest.mark.parametrize(
    ("properties", "found"),
    [
        (None, False),
        ({}, False),
        ({"configuration_drift": {"ok": True, "result": None}}, False),
        ({"configuration_drift": {"ok": True, "result": {"a": 1}}}, True),
        ({"configuration_drift": {"ok": False, "result": None}}, True),
        ({"source_relationships_configuration_drift": {"x": {"ok": True, "result": 1}}}, True),
        ({"target_relationships_configuration_drift": {"x": {"ok": True, "result": None}}}, False),
        ({"configuration_drift": "nonsense"}, False),
    ],
)
def test_any_record_with_a_finding_is_a_drift(properties: Any, found: bool) -> None:
    assert drifted(properties) is found


@pytest.mark.parametrize(
    ("properties", "ok"),
    [(None, True), ({"status": None}, True), ({"status": {"ok": True}}, True), ({"status": {"ok": False}}, False)],
)
def test_a_check_that_never_ran_counts_as_good(properties: Any, ok: bool) -> None:
    assert status_ok(properties) is ok
