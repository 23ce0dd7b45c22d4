"""Patterns of people: the answers of `re`, in bounded time."""

from __future__ import annotations

import re

import pytest

from manager_core import patterns
from manager_core.dsl.constraints import check_value
from manager_core.dsl.errors import DslErrors
from manager_core.secrets.schema import violation

ENDLESS = "^(a+)+$"
LONG = "a" * 60 + "!"


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("", ""), ("a", "bab"), ("^a+$", "aaa"), (r"^\d{1,3}(\.\d{1,3}){3}$", "10.0.0.255"), ("a|b", "xb"),
        (r"^\d{1,3}(\.\d{1,3}){3}$", "10.0.0"), ("^[a-z][a-z0-9_-]*$", "a" * 5000), ("(é+|ß)*x", "ßéx"),
        ("^(a+)+$", "a" * 30), ("\ud800", "x\ud800"), (r"\x00", "\x00"),
    ],
)  # fmt: skip
def test_answers_are_those_of_the_standard_library(pattern: str, text: str) -> None:
    assert patterns.search(pattern, text) is (re.search(pattern, text) is not None)
    assert patterns.match(pattern, text) is (re.match(pattern, text) is not None)


@pytest.mark.parametrize("pattern", [ENDLESS, "(a|a)*$", "(a?){60}a{60}$", "a*a*a*a*a*a*a*b", "(a|aa)+$"])
def test_what_could_take_for_ever_is_not_tried_here(pattern: str) -> None:
    assert not patterns._is_quick(pattern, "a" * 200)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less than usual."""
    monkeypatch.setattr(patterns, "SECONDS", 0.5)


@pytest.mark.usefixtures("impatient")
def test_a_pattern_that_does_not_end_is_given_up() -> None:
    with pytest.raises(patterns.PatternTooSlow, match="takes more than"):
        patterns.search(ENDLESS, LONG)


@pytest.mark.usefixtures("impatient")
def test_a_secret_that_its_pattern_cannot_judge_violates_the_schema() -> None:
    assert "takes more than" in str(violation(LONG, {"type": "string", "pattern": ENDLESS}))


@pytest.mark.usefixtures("impatient")
def test_an_input_that_its_pattern_cannot_judge_is_refused() -> None:
    schema = {"type": "string", "constraints": [{"pattern": ENDLESS}]}
    with pytest.raises(DslErrors, match="takes more than"):
        check_value("name", LONG, schema, values=None)


@pytest.mark.parametrize("text", ["(", "(" * 3000 + ")" * 3000, "a{99999999999999}", "[z-a]"])
def test_what_is_no_pattern_is_told(text: str) -> None:
    assert not patterns.is_pattern(text)
