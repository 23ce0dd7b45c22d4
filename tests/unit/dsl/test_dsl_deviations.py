"""Where we mean more, or better, than the predecessor on purpose (contract §22)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from manager_core.dsl.errors import DslErrors
from manager_core.dsl.parser import parse
from manager_core.dsl.resolver import FolderResolver, Found

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HEAD = "tosca_definitions_version: cloudify_dsl_1_4\n"


def plan_of(folder: Path, text: str, **files: str) -> dict[str, Any]:
    for name, body in files.items():
        (folder / f"{name}.yaml").write_text(body)
    return parse(Found(str(folder / "main.yaml"), HEAD + text, "main.yaml"), FolderResolver(folder), now=NOW)


def test_functions_are_rewritten_everywhere_under_a_namespace(tmp_path: Path) -> None:
    """Also in labels, tags, lists of outputs, get_attributes_list and get_input within get_input."""
    library = """
inputs: {a: {default: a}}
node_types: {t: {}}
node_templates: {n: {type: t}}
labels: {l: {values: [{get_input: a}]}}
resource_tags: {r: {get_input: a}}
outputs: {o: {value: [{get_input: a}, {get_attributes_list: [n, x]}, {get_input: [{get_input: a}, b]}]}}
"""
    plan = plan_of(tmp_path, "imports: [ns--lib.yaml]\n", lib=library)
    assert plan["labels"] == {"ns--l": {"values": [{"get_input": "ns--a"}]}}
    assert plan["resource_tags"] == {"ns--r": {"get_input": "ns--a"}}
    assert plan["outputs"]["ns--o"]["value"] == [
        {"get_input": "ns--a"},
        {"get_attributes_list": ["ns--n", "x"]},
        {"get_input": [{"get_input": "ns--a"}, "b"]},
    ]


def test_plain_text_under_a_namespace_stays(tmp_path: Path) -> None:
    """The text of an output is no reference."""
    plan = plan_of(tmp_path, "imports: [ns--lib.yaml]\n", lib="outputs: {o: {value: text}}\nresource_tags: {t: x}\n")
    assert plan["outputs"] == {"ns--o": {"value": "text"}}
    assert plan["resource_tags"] == {"ns--t": "x"}


def test_group_members_keep_their_order(tmp_path: Path) -> None:
    """Each once, as written."""
    nodes = ", ".join(f"{name}: {{type: t}}" for name in "dcba")
    text = f"node_types: {{t: {{}}}}\nnode_templates: {{{nodes}}}\ngroups: {{g: {{members: [c, a, d, c, b]}}}}\n"
    assert plan_of(tmp_path, text)["groups"]["g"]["members"] == ["c", "a", "d", "b"]


@pytest.mark.parametrize(
    "text",
    [
        "imports: null\n",
        "labels: {a: null}\n",
        "plugins: {p: null}\n",
        "workflows: {w: {mapping: ''}}\n",
        "deployment_settings: {default_schedules: {s: null}}\n",
        "metadata: [a]\n",
        "node_types: {t: null}\n",
    ],
)
def test_what_crashes_the_predecessor_is_a_clean_refusal(tmp_path: Path, text: str) -> None:
    """With a message and a line."""
    with pytest.raises(DslErrors) as caught:
        plan_of(tmp_path, text)
    assert all(problem.message and problem.line == 2 for problem in caught.value.problems)


def test_values_that_json_lacks_become_text(tmp_path: Path) -> None:
    """Dates, not-a-number, bytes; keys that are not text."""
    text = """node_types: {t: {properties: {p: {}}}}
node_templates: {n: {type: t, properties: {p: [2023-01-02, .nan, !!binary aGVsbG8=, {2: a, null: b, true: c}]}}}
"""
    properties = plan_of(tmp_path, text)["nodes"][0]["properties"]
    assert properties["p"] == ["2023-01-02", "nan", "hello", {"2": "a", "null": "b", "true": "c"}]
