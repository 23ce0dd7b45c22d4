"""Column types that mean the same on SQLite and PostgreSQL.

`UtcDateTime` keeps aware UTC instants: TIMESTAMPTZ on PostgreSQL, 26-character sortable text on SQLite.
`Json` keeps any JSON value: JSONB on PostgreSQL, compact text on SQLite.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import Dialect, LargeBinary, String, Text
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeDecorator, TypeEngine


def to_text(value: datetime) -> str:
    """Return the 26-character text under which SQLite keeps an aware instant."""
    if value.tzinfo is None:
        raise ValueError(f"naive datetime {value!r}: instants are aware")
    # isoformat is several times faster than strftime, and this runs for every instant that is stored.
    return value.astimezone(UTC).isoformat(timespec="microseconds")[:26]


def from_text(value: str) -> datetime:
    """Return the aware UTC instant that `to_text` wrote."""
    return datetime.fromisoformat(value).replace(tzinfo=UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware instant, in UTC. A naive one is refused with ValueError."""

    impl = String(26)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose TIMESTAMPTZ where there is one."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.TIMESTAMP(timezone=True))
        return dialect.type_descriptor(String(26))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Turn an aware instant into what the database keeps."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive datetime {value!r}: instants are aware")
        return value.astimezone(UTC) if dialect.name == "postgresql" else to_text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Turn what the database kept into an aware UTC instant."""
        if value is None:
            return None
        if isinstance(value, str):
            return from_text(value)
        return value.astimezone(UTC)  # type: ignore[no-any-return]  # a TIMESTAMPTZ arrives as datetime


def _dumps(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()


def to_json_text(value: Any) -> str:
    """Return the text under which SQLite keeps a JSON value.

    It is dumped with orjson, or with the standard library where orjson's 64-bit integers do not reach.

    Such a text begins with a space, which tells the reader that orjson would make floats of its long integers.
    """
    try:
        return _dumps(value)
    except TypeError:
        return " " + json.dumps(value, separators=(",", ":"))


def from_json_text(text: str | None) -> Any:
    """Return the JSON value that `to_json_text` wrote; None for SQL's NULL."""
    if text is None:
        return None
    return json.loads(text) if text.startswith(" ") else orjson.loads(text)


class Json(TypeDecorator[Any]):
    """Any JSON value. `None` is SQL NULL. PostgreSQL cannot keep U+0000 in JSONB; it is replaced there."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose JSONB where there is one; text elsewhere."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.JSONB(none_as_null=True))
        return dialect.type_descriptor(Text())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Turn a JSON value into what the driver takes."""
        if value is None:
            return None
        if dialect.name == "postgresql":
            return _without_nul(value) if "\\u0000" in to_json_text(value) else value
        return to_json_text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Turn what the driver gave into the JSON value."""
        return value if dialect.name == "postgresql" else from_json_text(value)


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd")
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(item) for key, item in value.items()}
    return value


Binary = LargeBinary
"""Bytes."""
