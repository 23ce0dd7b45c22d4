"""Which mappings are function calls, and when each function can be evaluated (contract §15.1, §15.2)."""

from __future__ import annotations

from typing import Any

HYBRID = frozenset(
    {
        "get_input",
        "get_property",
        "concat",
        "merge",
        "string_find",
        "string_replace",
        "string_split",
        "string_lower",
        "string_upper",
    }
)
"""Evaluated at preparation, and again on demand at run time."""

RUNTIME = frozenset(
    {
        "get_attribute",
        "get_attributes_list",
        "get_attributes_dict",
        "get_secret",
        "get_capability",
        "get_group_capability",
        "get_environment_capability",
        "get_label",
        "get_sys",
        "get_consumers",
    }
)
"""Left in the plan, evaluated at run time only."""

NAMES = HYBRID | RUNTIME

SELF, SOURCE, TARGET = "SELF", "SOURCE", "TARGET"
KEYWORDS = frozenset({SELF, SOURCE, TARGET})
"""Names that stand for the node, or for the two ends of the relationship, that a call belongs to."""

TYPE_KEY = "type"
"""The key that may stand beside a function's name: the declared type of the result."""


def function_name(value: Any) -> str | None:
    """Return the name of the function that `value` calls, or None when it is plain data.

    A call is a mapping with exactly one key naming a function, or with two keys of which one is `type`. Two
    function names in one mapping are read as a call of the second.
    """
    if not isinstance(value, dict):
        return None
    size = len(value)
    if size == 1:
        (key,) = value
        return key if isinstance(key, str) and key in NAMES else None
    if size == 2:
        first, second = value
        if first == TYPE_KEY or first in NAMES:
            if isinstance(second, str) and second in NAMES:
                return second
            return first if second == TYPE_KEY and first in NAMES else None
    return None


def is_function(value: Any) -> bool:
    """Tell whether `value` is a call of an intrinsic function (contract §15.1)."""
    return function_name(value) is not None
