"""Labels as requests give them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manager_core.errors import BadParameters
from manager_core.filters.labels import FORM, parse_labels


@pytest.mark.parametrize(
    ("raw", "pairs"),
    [
        (None, []),
        ([], []),
        ([{"Env": "Prod"}], [("env", "Prod")]),
        ([{"k": ["v1", "v2"]}, {"l": "x"}], [("k", "v1"), ("k", "v2"), ("l", "x")]),
        ([{"key": "k", "value": "v", "created_at": "t", "created_by": "u"}], [("k", "v")]),
        ([{"csys-obj-parent": "d"}], [("csys-obj-parent", "d")]),
    ],
)
def test_every_form_is_read(raw: object, pairs: list[tuple[str, str]]) -> None:
    assert parse_labels(raw) == pairs


@pytest.mark.parametrize(
    "raw", ["k=v", {"k": "v"}, [{}], [{"a": "b", "c": "d"}], [{"k": 1}], [{"k": ["v", None]}], ["k"]]
)
def test_another_form_is_refused(raw: object) -> None:
    with pytest.raises(BadParameters) as refusal:
        parse_labels(raw)
    assert refusal.value.message == FORM


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ([{"k": "v"}, {"K": "v"}], "You cannot define the same label twice"),
        (
            [{"k y": "v"}],
            "The key `k y` contains illegal characters. "
            "Only letters, digits and the characters `-`, `.` and `_` are allowed",
        ),
    ],
)
def test_refusals_in_the_words_of_the_contract(raw: object, message: str) -> None:
    with pytest.raises(BadParameters) as refusal:
        parse_labels(raw)
    assert refusal.value.message == message


@pytest.mark.parametrize(
    "raw",
    [
        [{"k" * 257: "v"}],
        [{"k": "v" * 257}],
        [{"k": 'say "x"'}],
        [{"k": "a\nb"}],
        [{"": "v"}],
        [{"k": ""}],
        [{"csys-mine": "v"}],
    ],
)
def test_bad_keys_and_values_are_refused(raw: object) -> None:
    with pytest.raises(BadParameters):
        parse_labels(raw)


@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=5) | st.lists(st.text(max_size=5)), max_size=2)))
def test_no_input_raises_anything_else(raw: object) -> None:
    try:
        pairs = parse_labels(raw)
    except BadParameters:
        return
    assert len(set(pairs)) == len(pairs)
    assert all(key == key.lower() for key, _ in pairs)
