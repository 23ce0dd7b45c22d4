"""Functions of their arguments alone: concat, merge and string_* (contract §15.2)."""

from __future__ import annotations

from typing import Any

from manager_core.dsl.errors import Fault
from manager_core.dsl.functions.catalogue import function_name, is_function
from manager_core.dsl.functions.shapes import INTEGER_ITEM, evaluation_text, validation_text

PURE = frozenset({"concat", "merge", "string_find", "string_replace", "string_split", "string_lower", "string_upper"})

MAX_TEXT = 8 * 1024 * 1024
"""Characters one call may produce."""


class CallFailed(Exception):
    """A call cannot be evaluated.

    Attributes:
        kind: the contract's kind.
        text: the message.
    """

    def __init__(self, kind: Fault, text: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text


def apply(name: str, argument: Any, call: Any) -> Any:
    """Evaluate one call whose arguments have been evaluated.

    Args:
        name: one of `PURE`.
        argument: its well-formed argument.
        call: the whole call, returned as it is when it has to wait for a run-time value.

    Raises:
        CallFailed: an argument has the wrong type, an index is out of range, or the text would be too long.
    """
    if name == "concat":
        return call if any(is_function(item) for item in argument) else _concat(argument)
    if name == "merge":
        return call if any(is_function(item) for item in argument) else _merge(argument)
    if name in ("string_lower", "string_upper"):
        _require(name, argument, str)
        return argument.lower() if name == "string_lower" else argument.upper()
    for index, item in enumerate(argument):
        _require(name, item, int if index == INTEGER_ITEM[name] else str)
    if name == "string_find":
        return argument[0].find(argument[1])
    if name == "string_replace":
        return _replace(*argument)
    return _split(*argument)


def _concat(items: list[Any]) -> str:
    parts = [item if isinstance(item, str) else str(item) for item in items]
    if sum(map(len, parts)) > MAX_TEXT:
        raise _too_long("concat")
    return "".join(parts)


def _merge(items: list[Any]) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    for item in items:
        if not isinstance(item, dict) and item != []:
            raise CallFailed(Fault.FVE, validation_text("merge", f"every item must be a mapping, not {item!r}"))
        result.update(item)
    return result


def _replace(haystack: str, needle: str, replacement: str, count: int = -1) -> str:
    found = haystack.count(needle)
    times = found if count < 0 else min(found, count)
    if len(haystack) + times * len(replacement) > MAX_TEXT:
        raise _too_long("string_replace")
    return haystack.replace(needle, replacement, count)


def _split(text: str, separator: str, index: int | None = None) -> Any:
    if not separator:
        raise CallFailed(Fault.FEE, evaluation_text("string_split", "the separator is empty"))
    parts = text.split(separator)
    if index is None:
        return parts
    try:
        return parts[index]
    except IndexError:
        reason = f"index {index} is out of range, there are {len(parts)} parts"
        raise CallFailed(Fault.FEE, evaluation_text("string_split", reason)) from None


def _require(name: str, item: Any, wanted: type) -> None:
    if isinstance(item, wanted):
        return
    kind = "a string" if wanted is str else "an integer"
    waiting = function_name(item)
    reason = f"{waiting} has no value before run time" if waiting else f"{item!r} is not {kind}"
    raise CallFailed(Fault.FEE, evaluation_text(name, reason))


def _too_long(name: str) -> CallFailed:
    return CallFailed(Fault.RECURSION_LIMIT, evaluation_text(name, f"the text is longer than {MAX_TEXT} characters"))
