"""Text of plugins is made fit for both databases."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from manager_core.events.clean import clean, clean_text

texts = st.text(alphabet=st.one_of(st.characters(), st.sampled_from(["\x00", "\ud800", "\udfff", "é"])))


@given(texts)
def test_cleaned_text_can_be_said_in_utf_8_and_holds_no_nul(text: str) -> None:
    cleaned = clean_text(text)
    assert "\x00" not in cleaned
    assert len(cleaned.encode().decode()) == len(text)
    assert clean_text(cleaned) == cleaned


def test_ordinary_text_stays_the_same_object() -> None:
    for text in ("", "plain", "größe"):
        assert clean_text(text) is text


def test_values_are_cleaned_all_through() -> None:
    value = {"a\x00": ["\udc80", {"b": ("x", 1, None, True, 1.5)}]}
    assert (
        json.dumps(clean(value)).encode()
        == json.dumps({"a\ufffd": ["\ufffd", {"b": ["x", 1, None, True, 1.5]}]}).encode()
    )
