"""How a plan is kept: what its nodes have in common once, not once a node.

Nodes of one type carry the same interfaces, operations and plugins, and those are nearly all of a plan: that of a
thousand nodes is 21 MB of JSON, of which one part in twenty says something new. The kept form names such parts by their
place in a list:

    {"shared": [part, …], "plan": {…, "nodes": [{…, "operations": 0, "interfaces": {"lifecycle": 1, …}}, …]}}

A number stands where a plan never has one: for a whole part, or for a member of it. Unpacked, all nodes hold the very
same object, as the parser made them; who changes one makes a copy. What a client gave for a plan and does not look like
one is kept as it is, and so read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import orjson
from sqlalchemy import Dialect

from manager_core.store.column_types import Json, from_json_text, to_json_text

OF_NODES = ("type_hierarchy", "interfaces", "operations", "capabilities", "plugins", "deployment_plugins_to_install")
OF_RELATIONSHIPS = (
    "type_hierarchy", "source_interfaces", "target_interfaces", "source_operations", "target_operations",
)  # fmt: skip
SHORT = 16
"""A part whose JSON is not longer than this is not worth a place in the list, bytes."""

Plan = dict[str, Any]


def pack(plan: Plan) -> Plan:
    """Return the form in which a plan is kept; the plan itself is left as it is."""
    if not _is_regular(plan):
        return {"shared": [], "plan": plan} if _is_packed(plan) else plan
    parts = _Parts()
    for owner, key in _places(plan):
        parts.count(owner[key])
    nodes = [
        {
            **parts.replaced(node, OF_NODES),
            **(
                {"relationships": [parts.replaced(each, OF_RELATIONSHIPS) for each in node["relationships"]]}
                if node.get("relationships")
                else {}
            ),
        }
        for node in plan["nodes"]
    ]
    return {"shared": parts.shared, "plan": {**plan, "nodes": nodes}}


def unpack(kept: Plan) -> Plan:
    """Return the plan that `pack` was given, as new containers around shared parts."""
    if not _is_packed(kept):
        return kept
    plan: Plan = kept["plan"]
    if kept["shared"]:
        _resolve(plan, kept["shared"].__getitem__)
    return plan


def shown(text: str) -> orjson.Fragment:
    """Return the plan's own JSON for a kept text, without making its parts one by one."""
    if '"shared"' not in text:
        return orjson.Fragment(text)
    kept = from_json_text(text)
    if not _is_packed(kept):
        return orjson.Fragment(text)
    fragments = [orjson.Fragment(to_json_text(part)) for part in kept["shared"]]
    if fragments:
        _resolve(kept["plan"], fragments.__getitem__)
    try:
        return orjson.Fragment(orjson.dumps(kept["plan"]))
    except TypeError:  # a number beyond orjson's
        return orjson.Fragment(to_json_text(unpack(from_json_text(text))))


class PlanJson(Json):
    """A column of plans: packed in the database, whole outside."""

    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Turn a plan into what the driver takes."""
        return super().process_bind_param(None if value is None else pack(value), dialect)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Turn what the driver gave into the plan."""
        kept = super().process_result_value(value, dialect)
        return unpack(kept) if isinstance(kept, dict) else kept


def _is_packed(kept: Any) -> bool:
    return isinstance(kept, dict) and kept.keys() == {"shared", "plan"}


def _is_regular(plan: Any) -> bool:
    """Tell whether a plan has nodes as the parser makes them, and nowhere a number that would be taken for a place."""
    nodes = plan.get("nodes") if isinstance(plan, dict) else None
    if not nodes or not isinstance(nodes, list) or not all(isinstance(node, dict) for node in nodes):
        return False
    for node in nodes:
        related = node.get("relationships") or []
        if not isinstance(related, list) or not all(isinstance(each, dict) for each in related):
            return False
    parts = {id(owner[key]): owner[key] for owner, key in _places(plan)}  # each once, however many nodes share it
    return not any(
        isinstance(part, int) or (isinstance(part, dict) and any(isinstance(member, int) for member in part.values()))
        for part in parts.values()
    )


def _places(plan: Plan) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield what may hold a shared part, with the key of it."""
    for node in plan["nodes"]:
        for key in OF_NODES:
            if key in node:
                yield node, key
        for relationship in node.get("relationships") or ():
            for key in OF_RELATIONSHIPS:
                if key in relationship:
                    yield relationship, key


def _resolve(plan: Plan, part_of: Callable[[int], Any]) -> None:
    """Put the shared parts where their numbers stand."""
    for owner, key in _places(plan):
        value = owner[key]
        if isinstance(value, int):
            owner[key] = part_of(value)
        elif isinstance(value, dict):
            for name, member in value.items():
                if isinstance(member, int):
                    value[name] = part_of(member)


class _Parts:
    """The parts of one plan: how often each occurs, and the list of those that are shared."""

    def __init__(self) -> None:
        self.shared: list[Any] = []
        self._numbers: dict[str, int] = {}
        self._counts: Counter[str] = Counter()
        self._texts: dict[int, str] = {}  # by identity: the parser shares what it can

    def count(self, value: Any) -> None:
        """Take note of a part and, when it is the first of its kind, of its members."""
        text = self._text(value)
        self._counts[text] += 1
        if self._counts[text] == 1 and isinstance(value, dict):
            self._counts.update(self._text(member) for member in value.values())

    def replaced(self, owner: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
        """Return a node or relationship with numbers for what is shared."""
        changes: dict[str, Any] = {}
        for key in keys:
            if key not in owner:
                continue
            value = owner[key]
            number = self._number(value)
            if number is not None:
                changes[key] = number
            elif isinstance(value, dict):
                numbers = {name: self._number(member) for name, member in value.items()}
                changes[key] = {
                    name: member if numbers[name] is None else numbers[name] for name, member in value.items()
                }
        return {**owner, **changes}

    def _number(self, value: Any) -> int | None:
        text = self._text(value)
        if len(text) <= SHORT or self._counts[text] < 2 or not isinstance(value, dict | list):
            return None
        number = self._numbers.get(text)
        if number is None:
            number = self._numbers[text] = len(self.shared)
            self.shared.append(value)
        return number

    def _text(self, value: Any) -> str:
        text = self._texts.get(id(value))
        if text is None:
            text = self._texts[id(value)] = to_json_text(value)
        return text
