"""Ready-made ``on_conflict`` handlers for ``ctx.instance.update`` (contract §5.3)."""

from __future__ import annotations

from typing import Any


def simple_merge_handler(previous: dict[str, Any], next: dict[str, Any]) -> dict[str, Any]:
    """Add to the latest properties the keys that only mine have.

    Args:
        previous: my properties.
        next: the latest stored ones; where both have a key with different values, this cannot be decided.

    Raises:
        ValueError: the same key has two values.
    """
    for key, value in previous.items():
        if key in next and next[key] != value:
            raise ValueError(f"Cannot merge - {key} changed (old value: {value},  new value: {next[key]})")
    return {**next, **{key: value for key, value in previous.items() if key not in next}}
