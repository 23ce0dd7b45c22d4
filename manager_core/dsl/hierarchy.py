"""Derivation of types: parents, hierarchies and cycles (contract §5.1, §6, §8)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from manager_core.dsl.context import Context


def order(
    context: Context, section: str, bodies: Mapping[str, Mapping[str, Any]], unknown: str
) -> dict[str, tuple[str, ...]]:
    """Find the hierarchy of every type of a section.

    Args:
        context: the blueprint; unknown parents (LOG(103)) and cycles (LOG(100)) are recorded.
        section: the section's name.
        bodies: type → its checked body.
        unknown: the sentence for an unknown parent, with ``{parent}`` and ``{name}``.

    Returns:
        Type → its names from the root-most ancestor down to itself, parents before children. A type with an unknown
        parent counts as a root; types on a cycle are left out.
    """
    result: dict[str, tuple[str, ...]] = {}
    on_cycle: set[str] = set()
    for start in bodies:
        chain: list[str] = []
        name: str | None = start
        while name is not None and name not in result and name not in on_cycle:
            if name in chain:
                circle = chain[chain.index(name) :]
                context.findings.log(100, circular([*circle, name]), (section, circle[0]), name)
                on_cycle.update(chain)
                break
            chain.append(name)
            parent = bodies[name].get("derived_from")
            if parent is not None and parent not in bodies:
                known = context.section(section)
                text = unknown.format(parent=parent, name=name)
                if parent not in known:  # else its own problem has been reported
                    context.findings.log(
                        103, text, (section, name, "derived_from"), parent, context.findings.nearest(parent, known)
                    )
                parent = None
            name = parent
        if name in on_cycle:
            on_cycle.update(chain)
            continue
        base = result[name] if name is not None else ()
        for item in reversed(chain):
            base = (*base, item)
            result[item] = base
    return result


def circular(names: Iterable[str]) -> str:
    """Return the sentence for a cycle, its first name repeated at the end."""
    return "Parsing failed. Circular dependency detected: " + " --> ".join(names)
