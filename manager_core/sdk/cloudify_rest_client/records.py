"""What the API answers: objects whose keys are attributes too, and lists that know how much there is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_OTHER_NAMES = {"latest_execution_id": "latest_execution"}
"""Attributes that plugins ask for → the key that the API answers with."""


class Record(dict):
    """One object of the API; a key that it lacks is None as an attribute."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.get(name) if name in self else self.get(_OTHER_NAMES.get(name, name))

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


class ListResponse:
    """One page of a list: `items`, and `metadata` with the pagination."""

    def __init__(self, items: list[Any], metadata: dict[str, Any] | None = None) -> None:
        self.items = items
        described = dict(metadata or {})
        described["pagination"] = Record(described.get("pagination") or {})
        self.metadata = Record(described)

    @property
    def total(self) -> int:
        """How many there are on all pages together."""
        return self.metadata["pagination"].get("total", len(self.items))

    @property
    def size(self) -> int:
        """How many a page holds."""
        return self.metadata["pagination"].get("size", len(self.items))

    @property
    def offset(self) -> int:
        """Where this page begins."""
        return self.metadata["pagination"].get("offset", 0)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: Any) -> Any:
        return self.items[index]

    def __contains__(self, item: object) -> bool:
        return item in self.items

    def one(self) -> Any:
        """Return the only item; raises `ValueError` when there are none or several."""
        if len(self.items) != 1:
            raise ValueError(f"Called one() on a list of {len(self.items)} items")
        return self.items[0]

    def sort(self, key: Any, reverse: bool = False) -> None:
        """Sort the items in place."""
        self.items.sort(key=key, reverse=reverse)


def record(answer: Any) -> Any:
    """Return an answered object as a `Record`."""
    return Record(answer) if isinstance(answer, dict) else answer


def listing(answer: Any) -> ListResponse:
    """Return an answered list as a `ListResponse`."""
    if isinstance(answer, list):
        return ListResponse([record(item) for item in answer])
    return ListResponse([record(item) for item in answer.get("items") or []], answer.get("metadata"))
