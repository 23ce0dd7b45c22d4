"""Promises of the YAML made for blueprints of version 1_3."""

from __future__ import annotations

import yaml

from manager_core.plugins.older_language import FILE, with_older

NEWER = """\
data_types:
  d: {properties: {target: {type: deployment_id, constraints: [{labels: []}]}, many: {type: list, item_type: string}}}
node_types:
  n: {derived_from: cloudify.nodes.Root, properties: {key: {type: secret_key, default: k}, plain: {type: string}}}
relationships:
  r: {source_interfaces: {i: {op: {implementation: p.x, inputs: {b: {type: blueprint_id}}}}}}
workflows:
  w: {mapping: p.w, parameters: {ids: {type: list, item_type: node_id}}, availability_rules: {available: true}}
  s: p.simple
"""


def test_what_the_older_version_does_not_know_is_taken_out() -> None:
    """Object types become strings, typed lists and rules go, all else stays."""
    older = yaml.safe_load(with_older({"plugin.yaml": NEWER})[FILE])
    assert older["data_types"]["d"]["properties"] == {"target": {"type": "string"}}
    assert older["node_types"]["n"] == {
        "derived_from": "cloudify.nodes.Root",
        "properties": {"key": {"type": "string", "default": "k"}, "plain": {"type": "string"}},
    }
    assert older["relationships"]["r"]["source_interfaces"]["i"]["op"]["inputs"] == {"b": {"type": "string"}}
    assert older["workflows"] == {"w": {"mapping": "p.w", "parameters": {}}, "s": "p.simple"}


def test_nothing_is_made_when_it_is_not_needed() -> None:
    """A plugin with its own file, or without newer features, is left as it is."""
    own = {"plugin.yaml": NEWER, "thing_1_3.yaml": "a: 1"}
    assert with_older(own) == own
    plain = {"plugin.yaml": "plugins: {p: {executor: central_deployment_agent}}"}
    assert with_older(plain) == plain
