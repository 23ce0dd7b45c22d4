"""Regular expressions that come from people: matched in bounded time.

Python's `re` tries every way to read a text, and holds the interpreter's lock while it does: `(a+)+$` on forty letters
stops the whole process for years. What cannot take long is matched here; everything else in a child process that ends
after `SECONDS`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys

SECONDS = 3.0
"""How long a text may be looked at."""

_MOST_STEPS = 1_000_000
_REPEATS = "*+?{|"
_CHILD = (
    "import json, re, sys\n"
    "how, pattern, text = json.load(sys.stdin)\n"
    "sys.exit(0 if getattr(re, how)(pattern, text) else 3)\n"
)


class PatternTooSlow(ValueError):
    """A pattern did not come to an end on a text."""

    def __init__(self, pattern: str) -> None:
        """Say which pattern."""
        super().__init__(f"The pattern {pattern} takes more than {SECONDS:g} seconds to look at the value")


def is_pattern(text: str) -> bool:
    """Tell whether a text is a regular expression that can be used."""
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError):
        return False
    return True


def search(pattern: str, text: str) -> bool:
    """Tell whether `pattern` is found anywhere in `text`.

    Raises:
        PatternTooSlow: it takes too long to tell.
    """
    return _found("search", pattern, text)


def match(pattern: str, text: str) -> bool:
    """Tell whether `pattern` is found at the beginning of `text`; raises as `search`."""
    return _found("match", pattern, text)


def _found(how: str, pattern: str, text: str) -> bool:
    if _is_quick(pattern, text):
        found = re.search(pattern, text) if how == "search" else re.match(pattern, text)
        return found is not None
    try:
        child = subprocess.run(  # noqa: S603 - our own program; pattern and text are its input
            [sys.executable, "-I", "-S", "-c", _CHILD],
            input=json.dumps([how, pattern, text]).encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PatternTooSlow(pattern) from None
    return child.returncode == 0


def _is_quick(pattern: str, text: str) -> bool:
    """Tell whether the steps of a match are few, counted from above: each repeat may stop at every place of the text.

    Within a group a repeat can be repeated, so with groups one is the most that is quick.
    """
    repeats = sum(pattern.count(sign) for sign in _REPEATS)
    if repeats > 1 and "(" in pattern:
        return False
    steps: int = (len(text) + 1) ** (repeats + 1)
    return steps <= _MOST_STEPS
