"""What the sections share while one blueprint is turned into a plan: merged sections, version, findings, budget."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Any

from manager_core.dsl.errors import DslErrors, Fault, Findings, Path
from manager_core.dsl.merge import Merged, type_name
from manager_core.dsl.versions import gate_message

MAX_PLAN_VALUES = 3_000_000
"""Operations a plan may hold, a property counted as ten: repetition through types makes small files large."""

_CHECKS: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int),
    "dict": lambda value: isinstance(value, dict),
    "list": lambda value: isinstance(value, list),
}


class Context:
    """One blueprint being checked.

    Args:
        merged: the sections.
        findings: where problems go.
        check_versions: whether features newer than the version are refused.
        is_file: tells whether a path below the main file's folder is a file.
        now: the instant of the upload, aware, for schedule times.
        timezone: the zone's name for schedule times without one of their own.
    """

    def __init__(
        self,
        merged: Merged,
        findings: Findings,
        *,
        check_versions: bool,
        is_file: Callable[[str], bool],
        now: datetime,
        timezone: str,
    ) -> None:
        self.merged = merged
        self.findings = findings
        self.version = merged.version
        self.check_versions = check_versions
        self.is_file = is_file
        self.now = now
        self.timezone = timezone
        self.data_types: dict[str, dict[str, Any]] = {}
        self._spent = 0

    def section(self, name: str) -> dict[str, Any]:
        """Return a merged mapping section; absent or null is empty."""
        body = self.merged.sections.get(name)
        return body if isinstance(body, dict) else {}

    def gate_section(self, name: str, since: tuple[int, int]) -> None:
        """Record LOG(102) when a section is there, even an empty one, that the version lacks."""
        if self.merged.sections.get(name) is not None:
            self.gate(name, since, (name,))

    def gate(self, what: str, since: tuple[int, int], path: Path) -> None:
        """Record LOG(102) when the main file's version lacks a feature."""
        if self.check_versions and self.version < since and not self.merged.is_too_new(path):
            self.findings.log(102, gate_message(what, self.version, since), path, what)

    def refuse_date(self, value: Any, path: Path) -> None:
        """Record VAL for a date or time that YAML made of text without quotes."""
        if isinstance(value, date):
            text = f"Unexpected type: '{type_name(value)}'; put the text in quotes"
            self.findings.add(Fault.VAL, None, text, path, value=str(value))

    def spend(self, values: int) -> None:
        """Count properties and operations that go into the plan.

        Raises:
            DslErrors: the plan would become too large.
        """
        self._spent += values
        if self._spent > MAX_PLAN_VALUES:
            raise DslErrors.single(
                Fault.FMT, 1, f"The blueprint is too large: its plan would hold more than {MAX_PLAN_VALUES} items"
            )

    def mapping(self, value: Any, path: Path) -> dict[str, Any] | None:
        """Return a mapping; null is an empty one; None when it is none. Keys that are not text are left out: FMT(1)."""
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.findings.fmt(f"Expected 'dict' type but found '{type_name(value)}' type", path, value)
            return None
        for key in value:
            if not isinstance(key, str):
                text = f"Dict keys must be strings but found '{key}' of type '{type_name(key)}'"
                self.findings.fmt(text, path, key)
                return {key: item for key, item in value.items() if isinstance(key, str)}
        return value

    def record(
        self, value: Any, schema: Mapping[str, str | None], path: Path, required: tuple[str, ...] = ()
    ) -> dict[str, Any] | None:
        """Check a mapping against the keys it may have.

        Args:
            value: the mapping as written; null is an empty one.
            schema: key → the type its value must have (string, boolean, integer, dict, list), or None for any.
            path: where it stands.
            required: keys that must be there and not null.

        Returns:
            The keys with good values, nulls left out; None when the value is no mapping at all.
        """
        body = self.mapping(value, path)
        if body is None:
            return None
        result: dict[str, Any] = {}
        for key, item in body.items():
            if key not in schema:
                text = f"'{key}' is not in schema. Valid schema values: {list(schema)}"
                self.findings.fmt(text, (*path, key), key, self.findings.nearest(key, schema))
                continue
            if item is None:
                continue
            expected = schema[key]
            if expected is not None and not _CHECKS[expected](item):
                text = f"Expected '{expected}' type but found '{type_name(item)}' type"
                self.findings.fmt(text, (*path, key), item)
                continue
            result[key] = item
        for key in required:
            if body.get(key) is None:
                self.findings.fmt(f"'{key}' key is required but it is currently missing", (*path, key))
        return result


def listed(names: Iterable[str], most: int = 100) -> str:
    """Return names as a list in a message, cut short when there are many."""
    texts = list(names)
    if len(texts) <= most:
        return str(texts)
    return f"{str(texts[:most])[:-1]}, … {len(texts) - most} more]"


def plain(value: Any) -> Any:
    """Return a copy of a value made of what JSON knows: text keys, dates as text, no shared parts."""
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if kind is dict:
        return {(key if type(key) is str else _key(key)): plain(item) for key, item in value.items()}
    if kind is list:
        return [plain(item) for item in value]
    if kind is float:
        return value if math.isfinite(value) else str(value)
    if kind is tuple:
        return [plain(item) for item in value]
    return value.decode("latin-1") if kind is bytes else str(value)


def _key(key: Any) -> str:
    if key is None:
        return "null"
    if isinstance(key, bool):
        return "true" if key else "false"
    return str(key)


def size_of(value: Any) -> int:
    """Return how many values a value holds."""
    if isinstance(value, dict):
        return 1 + sum(map(size_of, value.values()))
    if isinstance(value, list):
        return 1 + sum(map(size_of, value))
    return 1
