"""The parameters of list requests, parsed and checked for form (REST contract §1.6)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement

from manager_core.errors import BadParameters

DEFAULT_SIZE = 1000
_MOST_SORTS = 50


@dataclass(frozen=True)
class ListQuery:
    """The parameters of one list request, parsed and checked for form."""

    include: list[str] | None = None
    sort: list[tuple[str, bool]] = field(default_factory=list)
    size: int | None = DEFAULT_SIZE
    page_size: int = DEFAULT_SIZE
    offset: int = 0
    search: str | None = None
    all_tenants: bool = False
    filters: dict[str, list[str]] = field(default_factory=dict)
    special: dict[str, list[str]] = field(default_factory=dict)

    def first(self, name: str) -> str | None:
        """Return the first value of an underscore parameter that the list machinery does not know."""
        return next(iter(self.special.get(name, [])), None)


def parse_boolean(name: str, value: Any) -> bool:
    """Read `true`/`false` in any letter case.

    Raises:
        BadParameters: it is neither.
    """
    if isinstance(value, bool):
        return value
    if str(value).lower() in {"true", "false"}:
        return str(value).lower() == "true"
    raise BadParameters(f"{name} must be <true/false>, got {value}")


def _natural(name: str, value: str) -> int:
    try:
        number = int(value)
    except ValueError:
        raise BadParameters(f"{name} must be a non-negative integer, got {value}") from None
    if not 0 <= number < 2**62:
        raise BadParameters(f"{name} must be a non-negative integer, got {value}")
    return number


_MACHINERY = {"_include", "_sort", "_size", "_offset", "_search", "_all_tenants", "_get_all_results"}


def parse_list_query(
    items: Iterable[tuple[str, str]], *, default_size: int = DEFAULT_SIZE, ignore: Sequence[str] = ()
) -> ListQuery:
    """Read the query parameters of a list request (REST contract §1.6).

    Args:
        items: the parameters in order, repeated ones repeated.
        default_size: the page size when `_size` is absent.
        ignore: names of plain parameters that are not filters.

    Raises:
        BadParameters: `_size` or `_offset` is no natural number, or a boolean is neither true nor false.
    """
    known: dict[str, list[str]] = {}
    filters: dict[str, list[str]] = {}
    special: dict[str, list[str]] = {}
    for name, value in items:
        if "\x00" in value or "\x00" in name:
            raise BadParameters(f"{name!r} holds a NUL character")
        if name in _MACHINERY:
            known.setdefault(name, []).append(value)
        elif name.startswith("_"):
            special.setdefault(name, []).append(value)
        elif name not in ignore:
            filters.setdefault(name, []).append(value)
    size: int | None = _natural("_size", known["_size"][-1]) if "_size" in known else default_size
    page_size = size or default_size
    if "_get_all_results" in known and parse_boolean("_get_all_results", known["_get_all_results"][-1]):
        size = None
    include = None
    if "_include" in known:
        include = [name for text in known["_include"] for name in text.split(",") if name]
    sort = []
    for text in known.get("_sort", []):
        for part in text.split(","):
            if part:
                sort.append((part.lstrip("+- "), part.startswith("-")))
    if len(sort) > _MOST_SORTS:
        raise BadParameters(f"_sort names {len(sort)} fields; at most {_MOST_SORTS} are possible")
    return ListQuery(
        include=include or None,
        sort=sort,
        size=size,
        page_size=page_size,
        offset=_natural("_offset", known["_offset"][-1]) if "_offset" in known else 0,
        search=known["_search"][-1] if known.get("_search") else None,
        all_tenants="_all_tenants" in known and parse_boolean("_all_tenants", known["_all_tenants"][-1]),
        filters=filters,
        special=special,
    )


def like_escaped(text: str) -> str:
    """Return a LIKE pattern that finds `text` anywhere; its own `%`, `_` and backslashes are literal."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def contains(expression: Any, text: str) -> ColumnElement[bool]:
    """Return the case-insensitive substring test."""
    return expression.ilike(like_escaped(text), escape="\\")  # type: ignore[no-any-return]
