"""Stepping into a value along keys and indexes, with the refusals of each function (contract §15.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from manager_core.dsl.functions.catalogue import is_function


class PropertyPathError(Exception):
    """A property path leads nowhere; the text says where it ended."""


def walk_property(properties: Any, path: Sequence[Any], start: str, where: str) -> Any:
    """Follow `path` through a node's properties.

    A call met on the way is not evaluated: the walk goes on in the list of that call and the next key, which is
    what blueprints in the field were prepared with.

    Args:
        properties: the node's properties.
        path: at least one key.
        start: how messages call `properties`, as in `n.properties`.
        where: where the reference stands, for messages.

    Returns:
        The value found, raw.

    Raises:
        PropertyPathError: a key is missing, an index is not an integer or out of range, or a scalar is entered.
    """
    value = properties
    trail = start
    for key in path:
        trail = f"{trail}.{key}"
        if is_function(value):
            value = [value, key]
        elif isinstance(value, dict):
            if key not in value:
                raise PropertyPathError(f"node template property '{trail}' referenced from '{where}' doesn't exist.")
            value = value[key]
        elif isinstance(value, list):
            if not isinstance(key, int):
                raise PropertyPathError(
                    f"node template property '{trail}' referenced from '{where}': "
                    f"an index must be an integer, not {key!r}."
                )
            try:
                value = value[key]
            except IndexError:
                raise PropertyPathError(
                    f"node template property '{trail}' referenced from '{where}': index {key} is out of range, "
                    f"the list has {len(value)} items."
                ) from None
        else:
            raise PropertyPathError(f"node template property '{trail}' referenced from '{where}' doesn't exist.")
    return value


class StepError(Exception):
    """A key or index does not lead anywhere.

    Attributes:
        reached: the keys followed so far.
        scalar: whether the walk ended because the value has no members at all.
    """

    def __init__(self, message: str, reached: Sequence[Any], *, scalar: bool = False) -> None:
        super().__init__(message)
        self.reached = tuple(reached)
        self.scalar = scalar


def step_through(value: Any, path: Sequence[Any], label: str) -> Any:
    """Follow `path` through mappings and lists; `label` is how messages call the value.

    Raises:
        StepError: a key is missing, an index is wrong, or a scalar is entered.
    """
    for index, key in enumerate(path):
        reached = ".".join(str(part) for part in (label, *path[:index]))
        if isinstance(value, dict):
            if key not in value:
                raise StepError(f"attribute '{key}' of '{reached}' doesn't exist.", path[:index])
            value = value[key]
        elif isinstance(value, list):
            if not isinstance(key, int):
                raise StepError(f"an index of '{reached}' must be an integer, not {key!r}.", path[:index])
            try:
                value = value[key]
            except IndexError:
                raise StepError(
                    f"list size of '{reached}' is {len(value)} but index {key} is retrieved.", path[:index]
                ) from None
        else:
            raise StepError(f"'{reached}' has no attribute {key!r}.", path[:index], scalar=True)
    return value
