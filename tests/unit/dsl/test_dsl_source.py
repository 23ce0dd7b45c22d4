"""The YAML layer: what text becomes, what it costs at most, and where things stand in it."""

from __future__ import annotations

import datetime

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from manager_core.dsl import source
from manager_core.dsl.errors import DslErrors, Fault
from manager_core.dsl.source import load, locate


def refused(text: str) -> tuple[Fault, int | None, int | None]:
    """Return kind, code and line of a refusal."""
    with pytest.raises(DslErrors) as caught:
        load(text, "f.yaml")
    (problem,) = caught.value.problems
    assert problem.file == "f.yaml"
    return problem.kind, problem.code, problem.line


def test_scalars_are_read_by_yaml_1_1() -> None:
    """yes and no are booleans, 18:00 is a number, a date is a date."""
    text = "{a: yes, b: off, c: 18:00, d: 2023-01-02, e: 010, f: '010', g: ~, h: 1e3, i: 1.5}"
    assert load(text, "f") == {
        "a": True, "b": False, "c": 1080, "d": datetime.date(2023, 1, 2), "e": 8, "f": "010", "g": None, "h": "1e3",
        "i": 1.5,
    }  # fmt: skip


def test_an_empty_file_is_an_empty_mapping() -> None:
    """Also one with comments alone, and one that says null."""
    assert load("", "f") == load("# x\n", "f") == load("---\n", "f") == {}


def test_merge_keys_go_under_written_keys() -> None:
    """A written key wins, wherever the merge stands; of a list the first mapping wins."""
    text = "a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc: {y: 9, <<: *a}\nd: {<<: [*a, *b]}\n"
    tree = load(text, "f")
    assert tree["c"] == {"x": 1, "y": 9}
    assert tree["d"] == {"x": 1, "y": 2, "z": 4}


def test_the_last_of_equal_keys_wins() -> None:
    """As the predecessor has it."""
    assert load("{a: 1, a: 2}", "f") == {"a": 2}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [", 1),
        ("a: 1\nb: *x\n", 2),
        ("a: 1\n---\nb: 1\n", 2),
        ("x: !!python/object:os.system {}", 1),
        ("a: 2023-99-01", 1),
    ],
)
def test_broken_yaml_is_refused_with_its_line(text: str, line: int) -> None:
    """FMT(-1), never an exception of PyYAML."""
    kind, code, found = refused(text)
    assert (kind, code) == (Fault.FMT, -1)
    assert found is not None
    assert found >= line


def test_text_outside_ascii_is_refused_in_values_and_keys_but_not_in_comments() -> None:
    """INP(108); escapes count as what they stand for."""
    assert refused("a: 1\nb: é\n") == (Fault.INP, 108, 2)
    assert refused("é: 1\n") == (Fault.INP, 108, 1)
    assert refused('a: "\\u00e9"\n') == (Fault.INP, 108, 1)
    assert load("a: 1  # é\n", "f") == {"a": 1}


def test_nesting_is_bounded() -> None:
    """Also nesting that aliases put together."""
    depth = source.MAX_DEPTH
    load("a: " + "[" * (depth - 1) + "]" * (depth - 1), "f")
    assert refused("a: " + "[" * depth + "]" * depth)[:2] == (Fault.FMT, -1)
    half = "[" * 150 + "]" * 150
    assert refused(f"a: &a {half}\nb: {'[' * 100}*a{']' * 100}\n")[:2] == (Fault.FMT, -1)


def test_what_aliases_stand_for_is_bounded() -> None:
    """Every alias counts with all it stands for."""
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 64)]
    assert refused("\n".join(lines))[:2] == (Fault.FMT, -1)


def test_a_file_that_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is on characters, before anything is parsed."""
    monkeypatch.setattr(source, "MAX_TEXT", 10)
    assert refused("a: 0123456789")[:2] == (Fault.FMT, -1)


def test_a_path_is_found_with_line_and_column() -> None:
    """Mapping keys by their key, list items by their start; of what is not written the longest part that is."""
    text = "a:\n  b:\n    - x\n    - {c: 1}\n  d: 5\n"
    paths = [("a", "b", 1, "c"), ("a", "b", 0), ("a", "d"), ("a", "zz", "y"), ("nope",)]
    assert locate(text, paths) == {
        ("a", "b", 1, "c"): (4, 8),
        ("a", "b", 0): (3, 7),
        ("a", "d"): (5, 3),
        ("a", "zz", "y"): (1, 1),
    }


plain_trees = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.text(alphabet=st.characters(max_codepoint=126, min_codepoint=32), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(alphabet="abcxyz<=-", max_size=4), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(plain_trees)
def test_what_pyyaml_writes_is_read_as_pyyaml_reads_it(tree: object) -> None:
    """The one-pass builder agrees with the library's own constructor."""
    for flow in (True, False):
        text = yaml.safe_dump(tree, default_flow_style=flow)
        expected = yaml.safe_load(text)
        assert load(text, "f") == ({} if expected is None else expected)
