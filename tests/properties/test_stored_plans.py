"""Property tests of the form in which plans are kept: whatever goes in comes out, and clients see the same JSON."""

from __future__ import annotations

import copy
import itertools
import json
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from manager_core.blueprints.stored_plan import OF_NODES, OF_RELATIONSHIPS, pack, shown, unpack
from manager_core.store.column_types import from_json_text, to_json_text

NAMES = st.sampled_from(["create", "start", "cloudify.interfaces.lifecycle.create", "shared", "plan", "nodes", ""])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 10**20)
    | st.sampled_from(["scripts/a-rather-long-name.sh", "shared", "\ud800"])
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)
# Few different parts, so that nodes share them; some are equal in part only.
PARTS = st.sampled_from(
    [
        {"create": {"implementation": "scripts/create.sh", "inputs": {}}, "start": {"implementation": "scripts/s.sh"}},
        {"create": {"implementation": "scripts/create.sh", "inputs": {}}, "start": {"implementation": "", "n": 10**30}},
        {"create": {"implementation": "scripts/create.sh", "inputs": {"port": 80}}},
        ["cloudify.nodes.Root", "example.nodes.Server"],
        {},
        [],
        None,
    ]
)
ODD = JSON | st.dictionaries(NAMES, JSON, max_size=3)
RELATIONSHIPS = st.dictionaries(st.sampled_from([*OF_RELATIONSHIPS, "type", "target_id"]), PARTS | ODD, max_size=5)
NODES = st.dictionaries(st.sampled_from([*OF_NODES, "name", "properties"]), PARTS | ODD, max_size=6)
WHOLE_NODES = st.builds(
    lambda node, related: {**node, "relationships": related}, NODES, st.lists(RELATIONSHIPS, max_size=2)
)
PLANS = (
    st.fixed_dictionaries({"nodes": st.lists(WHOLE_NODES, max_size=4), "inputs": ODD})
    | st.fixed_dictionaries({"shared": ODD, "plan": ODD})
    | st.dictionaries(st.sampled_from(["nodes", "inputs", "shared", "plan"]), ODD, max_size=3)
)


@given(PLANS)
def test_a_plan_comes_out_as_it_went_in(plan: dict[str, Any]) -> None:
    before = copy.deepcopy(plan)
    text = to_json_text(pack(plan))
    assert plan == before
    assert unpack(from_json_text(text)) == before


@given(PLANS)
def test_clients_see_the_json_that_went_in(plan: dict[str, Any]) -> None:
    text = to_json_text(pack(plan))
    assert json.loads(orjson.dumps(shown(text))) == json.loads(json.dumps(plan))


@given(st.lists(st.builds(lambda parts: {"operations": parts}, PARTS), min_size=2, max_size=20))
def test_nodes_that_are_alike_share_their_parts(nodes: list[dict[str, Any]]) -> None:
    read = unpack(from_json_text(to_json_text(pack({"nodes": copy.deepcopy(nodes)}))))["nodes"]
    for one, other in itertools.pairwise(read):
        if isinstance(one["operations"], dict) and len(to_json_text(one["operations"])) > 20:
            assert (one["operations"] is other["operations"]) == (one["operations"] == other["operations"])


def test_a_thousand_nodes_of_a_type_are_kept_in_a_hundredth() -> None:
    operations = {f"interface.operation_{number}": {"implementation": "plugin.module.function"} for number in range(60)}
    nodes = [{"name": f"n{number}", "operations": copy.deepcopy(operations)} for number in range(1000)]
    assert len(to_json_text(pack({"nodes": nodes}))) * 100 < len(to_json_text({"nodes": nodes}))
