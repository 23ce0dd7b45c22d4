"""All problems at once, each with file, line, column, code, value and the nearest valid name."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from manager_core.dsl.errors import DslErrors, Problem
from manager_core.dsl.imports import FileCache
from manager_core.dsl.parser import Options, parse
from manager_core.dsl.resolver import FolderResolver, Found
from manager_core.errors import Kind, ManagerError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HEAD = "tosca_definitions_version: cloudify_dsl_1_4\n"


def problems(text: str, folder: Path = Path("/nonexistent")) -> tuple[Problem, ...]:
    with pytest.raises(DslErrors) as caught:
        parse(Found(str(folder / "main.yaml"), text, "main.yaml"), FolderResolver(folder), now=NOW)
    return caught.value.problems


def test_independent_problems_are_reported_in_one_go() -> None:
    """In the order of the lines."""
    found = problems(
        HEAD
        + """inputs:
  a: {type: integr}
  b: {type: integer, default: x}
node_types:
  t: {properties: {p: {}}}
node_templates:
  n: {type: t, properties: {q: 1}}
  m: {type: tt, relationships: [{type: r, target: nn}]}
outputs:
  o: {value: {get_input: bb}}
"""
    )
    lines = [problem.line for problem in found]
    assert lines == sorted(lines)
    assert sorted((problem.line, problem.code or 0) for problem in found) == [
        (3, 103), (4, 105), (8, 106), (8, 107), (9, 7), (9, 25), (9, 26), (11, 0)
    ]  # fmt: skip
    assert {problem.file for problem in found} == {"main.yaml"}


def test_a_problem_names_the_nearest_valid_name() -> None:
    """Keys, types, nodes, inputs, plugins."""
    suggestions = {
        "inputz: {}\n": "inputs",
        "inputs: {a: {tipe: string}}\n": "type",
        "inputs: {a: {type: integr}}\n": "integer",
        "node_types: {web: {}}\nnode_templates: {a: {type: wep}}\n": "web",
        "node_types: {w: {properties: {port: {}}}}\nnode_templates: {a: {type: w, properties: {prt: 1}}}\n": "port",
    }
    for text, expected in suggestions.items():
        assert expected in [problem.suggestion for problem in problems(HEAD + text)], text


def test_a_problem_in_an_import_names_that_file_and_line(tmp_path: Path) -> None:
    """Also under a namespace, where the merged name is another than the written one."""
    (tmp_path / "lib.yaml").write_text("# first line\ninputs:\n  a:\n    type: nope\n")
    (problem,) = problems(HEAD + "imports: [ns--lib.yaml]\n", tmp_path)
    assert problem.path == ("inputs", "ns--a", "type")
    assert problem.file is not None
    assert problem.file.endswith("lib.yaml")
    assert (problem.line, problem.column) == (4, 5)


def test_broken_yaml_has_a_line_too() -> None:
    """The YAML layer's problems look like the others."""
    (problem,) = problems(HEAD + "inputs: {a: [}\n")
    assert (problem.exception_name, problem.code, problem.line) == ("DSLParsingFormatException", -1, 2)


def test_the_text_keeps_the_location_lines() -> None:
    """Message first; then in, in line, path, value, as clients know them."""
    with pytest.raises(DslErrors) as caught:
        parse(Found("main.yaml", HEAD + "inputs: {a: {type: nope}}\n", "main.yaml"), FolderResolver(Path()), now=NOW)
    lines = str(caught.value).splitlines()
    assert lines[0] == "Illegal type name 'nope'"
    assert lines[1:] == ["  in: main.yaml", "  in line: 2, column: 14", "  path: inputs.a.type", "  value: 'nope'"]


def test_a_refusal_is_a_manager_error() -> None:
    """With the stable code of the REST contract."""
    error = DslErrors([])
    assert isinstance(error, ManagerError)
    assert (error.code, error.kind) == ("invalid_blueprint_error", Kind.BAD_INPUT)


def test_an_import_that_is_too_new_is_one_problem(tmp_path: Path) -> None:
    """What it uses of its own version is not reported on top."""
    (tmp_path / "lib.yaml").write_text("tosca_definitions_version: cloudify_dsl_1_5\ninputs: {a: {type: node_id}}\n")
    text = "tosca_definitions_version: cloudify_dsl_1_2\nimports: [lib.yaml]\n"
    assert [problem.code for problem in problems(text, tmp_path)] == [28]


def test_version_checks_can_be_switched_off() -> None:
    """The manager setting validate_definitions_version: gates go, unknown versions stay refused."""
    main = Found("m", "tosca_definitions_version: cloudify_dsl_1_0\ndata_types: {d: {}}\n", "m")
    plan = parse(main, FolderResolver(Path()), now=NOW, options=Options(check_versions=False))
    assert "d" in plan["data_types"]


def test_cached_files_are_not_changed_by_what_is_made_of_them(tmp_path: Path) -> None:
    """Two parses with one cache give equal plans, whatever was done to the first one."""
    (tmp_path / "lib.yaml").write_text("inputs: {a: {default: {x: [1]}}}\n")
    main = Found(str(tmp_path / "m"), HEAD + "imports: [lib.yaml, ns--lib.yaml]\n", "m")
    cache = FileCache()
    first = parse(main, FolderResolver(tmp_path), now=NOW, cache=cache)
    first["inputs"]["a"]["default"]["x"].append(2)
    second = parse(main, FolderResolver(tmp_path), now=NOW, cache=cache)
    assert second["inputs"]["a"] == second["inputs"]["ns--a"] == {"default": {"x": [1]}}


def test_the_cache_forgets_when_it_is_full() -> None:
    """The least recently used file goes first; large ones are never kept."""
    cache = FileCache(size=40)
    one = cache.load("a: 1", "f")
    assert cache.load("a: 1", "f") is one
    for number in range(20):
        cache.load(f"b: {number}", "f")
    assert cache.load("a: 1", "f") is not one
    large = "c: " + "x" * 20
    assert cache.load(large, "f") is not cache.load(large, "f")
