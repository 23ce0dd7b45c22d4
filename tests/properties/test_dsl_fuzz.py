"""Whatever the text, the parser answers with a plan or with its own error, within bounds of time and memory."""

from __future__ import annotations

import copy
import json
import resource
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from manager_core.dsl.errors import DslErrors
from manager_core.dsl.imports import FileCache
from manager_core.dsl.parser import parse
from manager_core.dsl.resolver import FolderResolver, Found, ImportedBlueprint
from tests.support.blueprint_cases import read_cases

NOW = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
NOWHERE = Path("/nonexistent")
HEAD = "tosca_definitions_version: cloudify_dsl_1_5\n"


class Files:
    """A resolver over texts in memory; every blueprint import leads back to the main file."""

    def __init__(self, files: dict[str, str], main: Found) -> None:
        self._disk = FolderResolver(NOWHERE)
        self._files = files
        self._main = main

    def read(self, entry: str, importer: str, version: tuple[int, int]) -> Found | None:
        if entry in self._files:
            return Found(entry, self._files[entry], entry)
        return self._disk.read(entry, "builtin:", version)

    def plugin(self, query: Any, version: tuple[int, int]) -> None:
        return None

    def blueprint(self, blueprint_id: str) -> ImportedBlueprint:
        return ImportedBlueprint(self._main, self)

    def is_file(self, relative: str) -> bool:
        return relative == "scripts/run.sh"


def attempt(text: str, files: dict[str, str] | None = None, *, dump: bool = True) -> dict[str, Any] | None:
    """Parse; return the plan, or None after a DSL error whose parts can all be shown."""
    main = Found("main.yaml", text, "main.yaml")
    try:
        plan = parse(main, Files({"main.yaml": text, **(files or {})}, main), now=NOW, cache=FileCache())
    except DslErrors as errors:
        assert errors.problems
        for problem in errors.problems:
            json.dumps(problem.as_dict())
            assert problem.render()
        return None
    if dump:
        json.dumps(plan)
    return plan


def trees() -> list[dict[str, Any]]:
    """Return the main files of all cases that are plain trees."""
    found = []
    for case in read_cases():
        try:
            tree = yaml.safe_load(case.main)
        except (yaml.YAMLError, ValueError):
            continue
        if isinstance(tree, dict) and "recursive" not in case.title:
            found.append(tree)
    return found


TREES = trees()
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.dates()
    | st.sampled_from(
        ["string", "integer", "script.x", "scripts/run.sh", "cloudify.nodes.Root", "SELF", "a", "x", "get_input"]
    )
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "default", "properties", "get_input", "concat", "get_property", "a", "x"])
            | scalars.filter(lambda key: not isinstance(key, float)),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value below the top."""
    found = [path] if path else []
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        found += places(value, (*path, key))
    return found


@given(st.data())
def test_a_changed_blueprint_gives_a_plan_or_a_dsl_error(data: st.DataObject) -> None:
    """Values, types and keys of real sections replaced by anything."""
    tree = copy.deepcopy(data.draw(st.sampled_from(TREES)))
    for _ in range(data.draw(st.integers(1, 3))):
        known = places(tree)
        if not known:
            break
        path = data.draw(st.sampled_from(known))
        parent = tree
        for key in path[:-1]:
            parent = parent[key]
        parent[path[-1]] = data.draw(values)
    attempt(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True))


@given(st.dictionaries(st.sampled_from(sorted({key for tree in TREES for key in tree}, key=str)), values, max_size=5))
def test_any_tree_under_the_known_sections_gives_a_plan_or_a_dsl_error(tree: dict[str, Any]) -> None:
    """Sections with bodies of any shape."""
    attempt(HEAD + yaml.safe_dump(tree, allow_unicode=True))


@given(st.text(max_size=300) | st.text(alphabet="{}[]:,-*&!<>|%@`'\"#?= \n\tab01", max_size=200))
def test_any_text_gives_a_plan_or_a_dsl_error(text: str) -> None:
    """Text that is no YAML at all, or YAML of the odd kind."""
    attempt(text)
    attempt(HEAD + text)


@given(st.binary(max_size=200))
def test_any_bytes_as_text_give_a_plan_or_a_dsl_error(data: bytes) -> None:
    """Control characters and broken encodings."""
    attempt(data.decode("latin-1"))


def bounded(text: str, *, seconds: float = 30, megabytes: int = 700) -> None:
    """Parse within seconds of CPU, and without raising the process's peak of memory by more than `megabytes`."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    attempt(text, dump=False)
    assert time.process_time() - started < seconds
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < megabytes * 1024


def doubling(levels: int) -> str:
    """Return aliases each of which holds the one before twice."""
    lines = ["  l0: &l0 [x, x]"]
    lines += [f"  l{n}: &l{n} [*l{n - 1}, *l{n - 1}]" for n in range(1, levels)]
    return "dsl_definitions:\n" + "\n".join(lines) + "\n"


HOSTILE = {
    "aliases that double": HEAD + doubling(80),
    "aliases that double, used": HEAD
    + doubling(18)
    + "outputs: {o: {value: *l17}, p: {value: [*l17, *l17, *l17, *l17]}}\n",
    "merges that double": HEAD
    + "dsl_definitions:\n  - &a {a: 1}\n"
    + "".join(f"  - &m{n} {{k{n}: 1, <<: [{'*a' if n == 0 else f'*m{n - 1}, *m{n - 1}'}]}}\n" for n in range(2000)),
    "nesting by brackets": HEAD + "outputs: " + "[" * 50_000,
    "nesting by braces": HEAD + "outputs: " + "{a: " * 50_000,
    "nesting by indentation": HEAD + "".join(" " * n + "a:\n" for n in range(1000)),
    "nesting by aliases": HEAD
    + "dsl_definitions:\n  - &a0 "
    + "[" * 150
    + "]" * 150
    + "\n"
    + "".join(f"  - &a{n} [*a{n - 1}]\n" for n in range(1, 300)),
    "a recursive alias": HEAD + "outputs: &a {o: {value: [*a]}}\n",
    "data types that double": HEAD
    + "data_types:\n"
    + "".join(f"  d{n}: {{properties: {{a: {{type: d{n + 1}}}, b: {{type: d{n + 1}}}}}}}\n" for n in range(60))
    + "  d60: {properties: {x: {default: 1}}}\ninputs: {i: {type: d0, default: {}}}\n",
    "a chain of data types": HEAD
    + "data_types:\n"
    + "".join(f"  d{n}: {{derived_from: d{n + 1}, properties: {{p{n}: {{default: 1}}}}}}\n" for n in range(3000))
    + "  d3000: {}\n",
    "a chain of data types by property": HEAD
    + "data_types:\n"
    + "".join(f"  d{n}: {{properties: {{p: {{type: d{n + 1}}}}}}}\n" for n in range(3000))
    + "  d3000: {}\n",
    "a chain of node types": HEAD
    + "node_types:\n"
    + "".join(f"  t{n}: {{derived_from: t{n + 1}, properties: {{p{n}: {{default: 1}}}}}}\n" for n in range(2500))
    + "  t2500: {}\nnode_templates: {n: {type: t0}}\n",
    "a big type with many templates": HEAD
    + "node_types: {t: {properties: {"
    + ", ".join(f"p{n}: {{default: 1}}" for n in range(3000))
    + "}}}\nnode_templates:\n"
    + "".join(f"  n{n}: {{type: t}}\n" for n in range(4000)),
    "many operations and many templates": HEAD
    + "node_types: {t: {interfaces: {i: {"
    + ", ".join(f"o{n}: {{}}" for n in range(3000))
    + "}}}}\nnode_templates:\n"
    + "".join(f"  n{n}: {{type: t}}\n" for n in range(4000)),
    "a containment chain": HEAD
    + "imports: [cloudify/types/types.yaml]\nnode_templates:\n"
    + "".join(
        f"  n{n}: {{type: cloudify.nodes.Root, relationships: "
        f"[{{type: cloudify.relationships.contained_in, target: n{n + 1}}}]}}\n"
        for n in range(1500)
    )
    + "  n1500: {type: cloudify.nodes.Root}\n",
    "a cycle of node templates": HEAD
    + "imports: [cloudify/types/types.yaml]\nnode_templates:\n"
    + "".join(
        f"  n{n}: {{type: cloudify.nodes.Root, relationships: "
        f"[{{type: cloudify.relationships.depends_on, target: n{(n + 1) % 1500}}}]}}\n"
        for n in range(1500)
    ),
    "groups in a chain": HEAD
    + "node_types: {t: {}}\nnode_templates: {n: {type: t}}\ngroups:\n  g0: {members: [n]}\n"
    + "".join(f"  g{n}: {{members: [g{n - 1}]}}\n" for n in range(1, 1500))
    + "policies: {p: {type: cloudify.policies.scaling, targets: ["
    + ", ".join(f"g{n}" for n in range(1500))
    + "]}}\n",
    "groups that hold one another": HEAD
    + "groups:\n"
    + "".join(f"  g{n}: {{members: [" + ", ".join(f"g{m}" for m in range(60)) + "]}\n" for n in range(60))
    + "policies: {p: {type: cloudify.policies.scaling, targets: ["
    + ", ".join(f"g{n}" for n in range(60))
    + "]}}\n",
    "a blueprint that imports itself": HEAD + "imports: ['a--blueprint:me', 'b--blueprint:me']\ninputs: {x: {}}\n",
    "a file that imports itself under new namespaces": HEAD
    + "imports: [a--main.yaml, b--main.yaml]\ninputs: {x: {}}\n",
    "thousands of problems": HEAD + "inputs:\n" + "".join(f"  i{n}: {{type: nope{n}}}\n" for n in range(5000)),
    "a giant number": HEAD + "inputs: {a: {default: " + "9" * 5000 + "}}\n",
    "a giant sexagesimal": HEAD + "inputs: {a: {default: 1" + ":59" * 3000 + "}}\n",
    "a long scalar": HEAD + "description: " + "x" * 2_000_000 + "\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_answered_within_bounds(name: str) -> None:
    """Bombs, chains and cycles end in a plan or a DSL error, in bounded time and memory."""
    bounded(HOSTILE[name])


def test_files_that_import_one_another_are_read_once() -> None:
    """Two hundred files, each importing all of them."""
    names = [f"f{n}.yaml" for n in range(200)]
    body = "imports: [" + ", ".join(names) + "]\n"
    files = {name: body + f"inputs: {{i{n}: {{}}}}\n" for n, name in enumerate(names)}
    plan = attempt(HEAD + body, files)
    assert plan is not None
    assert len(plan["inputs"]) == 200
