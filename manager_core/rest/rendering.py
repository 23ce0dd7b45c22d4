"""From the rows of a SELECT to JSON objects, with the least work for each value.

JSON columns and SQLite's instants travel as text and are never parsed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import orjson
from sqlalchemy import String, cast, func, type_coerce
from sqlmodel import Session

from manager_core.rest.responses import timestamp
from manager_core.store.column_types import Json, UtcDateTime


class Columns:
    """The SELECT list of a page, and how each row of it becomes a JSON object.

    Attributes:
        expressions: what to select.
    """

    def __init__(self, fields: Mapping[str, Any], names: Sequence[str], dialect: str, otherwise: Any) -> None:
        """Plan the columns.

        Args:
            fields: name → `Field`.
            names: the members of the objects, in order.
            otherwise: what to select when no member needs a column.
        """
        self.expressions: list[Any] = []
        self._names = tuple(names)
        self._starts: list[int] = []
        self._rendered: list[tuple[str, int, int, Callable[..., Any]]] = []
        self._batches: list[tuple[str, int, int, Callable[[Session, list[tuple[Any, ...]]], list[Any]]]] = []
        for name in names:
            found = fields[name]
            start, render = len(self.expressions), found.render
            if found.batch is not None or render is not None or len(found.columns) != 1:
                self.expressions.extend(found.columns)
            else:
                expression, render = _passed_through(found.columns[0], dialect)
                self.expressions.append(expression)
            end = len(self.expressions)
            self._starts.append(start)
            if found.batch is not None:
                self._batches.append((name, start, end, found.batch))
            elif render is not None:
                self._rendered.append((name, start, end, render))
        if not self.expressions:
            self.expressions.append(otherwise)

    def render(self, session: Session, rows: Sequence[Any]) -> list[dict[str, Any]]:
        """Turn rows into objects whose members are in the order of the names."""
        if not self._names:
            return [{} for _ in rows]
        names = self._names
        if len(names) == 1:
            items = [{names[0]: row[self._starts[0]]} for row in rows]
        else:
            pick = itemgetter(*self._starts)
            items = [dict(zip(names, pick(row), strict=True)) for row in rows]
        for name, start, end, render in self._rendered:
            if end - start == 1:
                for item, row in zip(items, rows, strict=True):
                    item[name] = render(row[start])
            else:
                for item, row in zip(items, rows, strict=True):
                    item[name] = render(*row[start:end])
        for name, start, end, batch in self._batches:
            values = batch(session, [tuple(row[start:end]) for row in rows])
            for item, value in zip(items, values, strict=True):
                item[name] = value
        return items


def _fragment(value: str | None) -> Any:
    return None if value is None else orjson.Fragment(value)


def _passed_through(expression: Any, dialect: str) -> tuple[Any, Callable[..., Any] | None]:
    """Choose how a column travels to JSON with the least work."""
    kind = getattr(expression, "type", None)
    if isinstance(kind, UtcDateTime):
        if dialect == "sqlite":
            # The stored text is the answer's text but for three digits and the zone.
            return func.substr(type_coerce(expression, String), 1, 23) + "Z", None
        return expression, timestamp
    if isinstance(kind, Json):
        if dialect == "sqlite":
            return type_coerce(expression, String), _fragment
        return cast(expression, String), _fragment
    return expression, None
