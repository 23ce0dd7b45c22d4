"""Nodes that say nothing of operations share those of their type; what a node says is its own."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from manager_core.dsl.parser import parse
from manager_core.dsl.resolver import FolderResolver, Found

BLUEPRINT = """
tosca_definitions_version: cloudify_dsl_1_4
plugins: {p: {executor: central_deployment_agent, install: false}}
node_types:
  t: {interfaces: {i: {create: p.m.create, start: {implementation: p.m.start, inputs: {port: {default: 80}}}}}}
node_templates:
  one: {type: t}
  two: {type: t}
  own: {type: t, interfaces: {i: {start: {inputs: {port: 8080}}}}}
"""


def test_only_a_template_that_says_something_of_operations_has_its_own(tmp_path: Path) -> None:
    plan = parse(
        Found(str(tmp_path / "main.yaml"), BLUEPRINT, "main.yaml"),
        FolderResolver(tmp_path),
        now=datetime(2026, 1, 1, tzinfo=UTC),
    )
    one, two, own = plan["nodes"]
    assert one["operations"] is two["operations"] and one["interfaces"] is two["interfaces"]
    assert [node["operations"]["i.start"]["inputs"] for node in plan["nodes"]] == [
        {"port": 80},
        {"port": 80},
        {"port": 8080},
    ]
    assert own["operations"]["i.create"] is one["operations"]["i.create"]
