"""What is checked of every call when a blueprint is parsed (contract §15.2, §15.3): nothing is evaluated here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from manager_core.dsl.errors import Fault, Findings, nearest
from manager_core.dsl.functions.catalogue import KEYWORDS, SELF, SOURCE, TARGET, is_function
from manager_core.dsl.functions.places import Found, Plan, Scope, find, places
from manager_core.dsl.functions.shapes import complaint, evaluation_text, literal_complaint, validation_text
from manager_core.dsl.functions.walking import PropertyPathError, walk_property

NEEDS_VERSION = {"concat": (1, 1), "merge": (1, 3)}
"""Functions that an older `tosca_definitions_version` does not have."""


_ALLOWED_KEYWORDS: dict[Scope, tuple[str, ...]] = {Scope.NODE: (SELF,), Scope.RELATIONSHIP: (SOURCE, TARGET)}


def validate(plan: Plan, errors: Findings, *, check_version: bool = True) -> None:
    """Check every function call of a parsed plan.

    Args:
        plan: the plan as parsed; functions still in place.
        errors: receives every problem, with the call's path in the blueprint.
        check_version: whether calls of functions newer than the blueprint's version are refused.
    """
    nodes = {node["name"]: node for node in plan["nodes"]}
    version = tuple((plan.get("version") or {}).get("definitions_version") or ()) if check_version else ()
    for place in places(plan, bare_operations=False):
        for call in find(place):
            _check(call, plan, nodes, version, errors)


def _check(
    call: Found, plan: Plan, nodes: Mapping[str, Mapping[str, Any]], version: tuple[int, ...], errors: Findings
) -> None:
    wrong = complaint(call.name, call.argument) or literal_complaint(call.name, call.argument)
    if wrong is not None:
        errors.add(wrong[0], None, wrong[1], call.source, value=call.argument)
        return
    needed = NEEDS_VERSION.get(call.name)
    if version and needed and version < needed:
        text = f"using {call.name} requires DSL version {needed[0]}_{needed[1]} or greater"
        errors.add(Fault.FVE, None, validation_text(call.name, text), call.source)
    elif call.name == "get_input":
        _check_input(call, plan["inputs"], errors)
    elif call.name == "get_property":
        _check_property(call, nodes, errors)
    elif call.name.startswith("get_attribute") and not any(is_function(part) for part in call.argument):
        # With a call among its arguments, what is meant is known at run time alone.
        _check_attribute(call, nodes, errors)


def _check_input(call: Found, inputs: Mapping[str, Any], errors: Findings) -> None:
    name = call.argument[0] if isinstance(call.argument, list) else call.argument
    if is_function(name) or name in inputs:
        return
    errors.add(
        Fault.UNKNOWN_INPUT,
        None,
        f"get_input function references an unknown input '{name}'.",
        call.source,
        value=name,
        suggestion=nearest(name, inputs),
    )


def _check_property(call: Found, nodes: Mapping[str, Mapping[str, Any]], errors: Findings) -> None:
    name, *path = call.argument
    if any(is_function(part) for part in call.argument):
        return
    if name == SELF and call.place.scope is not Scope.NODE:
        text = f"SELF can only be used in a context of node template but appears in {call.place.scope}."
        errors.add(Fault.VAL, None, text, call.source)
        return
    if name in (SOURCE, TARGET) and call.place.scope is not Scope.RELATIONSHIP:
        text = f"{name} can only be used within a relationship but is used in {call.where}"
        errors.add(Fault.VAL, None, text, call.source)
        return
    target = {SELF: call.place.node, SOURCE: call.place.node, TARGET: call.place.target}.get(name, name)
    node = nodes.get(target) if isinstance(target, str) else None
    if node is None:
        text = f"Node {target} does not exist"
        errors.add(Fault.KEY, None, text, call.source, value=name, suggestion=nearest(target, nodes))
        return
    try:
        walk_property(node["properties"], path, f"{target}.properties", call.where)
    except PropertyPathError as error:
        suggestion = nearest(path[0], node["properties"]) if path[0] not in node["properties"] else None
        text = evaluation_text("get_property", str(error))
        errors.add(Fault.FEE, None, text, call.source, value=call.argument, suggestion=suggestion)


def _check_attribute(call: Found, nodes: Mapping[str, Mapping[str, Any]], errors: Findings) -> None:
    name, scope = call.argument[0], call.place.scope
    if name in KEYWORDS:
        if name not in _ALLOWED_KEYWORDS.get(scope, ()):
            kind = Fault.VAL if scope in (Scope.NODE, Scope.RELATIONSHIP, Scope.OUTPUTS) else Fault.KEY
            text = f"{name} cannot be used with {call.name} function in {call.where}"
            errors.add(kind, None, text, call.source)
    elif name not in nodes:
        text = f"{call.name} function node reference '{name}' does not exist."
        errors.add(Fault.KEY, None, text, call.source, value=name, suggestion=nearest(name, nodes))
