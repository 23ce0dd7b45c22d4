"""What a plan asks of its surroundings: secrets and the parent deployment's capabilities (contract §16.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Any

from manager_core.dsl.functions.catalogue import is_function
from manager_core.dsl.functions.places import Plan, find, places
from manager_core.dsl.functions.walking import StepError, step_through


def collect_requirements(plan: Plan) -> dict[str, list[Any]]:
    """Return the plan's `requirements`.

    Returns:
        `secrets`: the raw argument of every get_secret, `parent_capabilities`: the path of every
        get_environment_capability as a list. An argument that occurs more than once is listed once.
    """
    secrets: dict[str, Any] = {}
    capabilities: dict[str, list[Any]] = {}
    for place in places(plan, bare_operations=False):
        for call in find(place):
            if call.name == "get_secret":
                secrets.setdefault(repr(call.argument), call.argument)
            elif call.name == "get_environment_capability":
                path = call.argument if isinstance(call.argument, list) else [call.argument]
                capabilities.setdefault(repr(path), path)
    return {"secrets": list(secrets.values()), "parent_capabilities": list(capabilities.values())}


def missing_capabilities(required: Iterable[Sequence[Any]], capabilities: Mapping[str, Any]) -> list[str]:
    """Return the required parent capabilities that `capabilities` (evaluated, name → value) lack, dotted, each once.

    A path is followed up to its first part that is a call, which only run time can tell.
    """
    missing: dict[str, None] = {}
    for path in required:
        literal = list(takewhile(lambda part: not is_function(part), path))
        try:
            step_through(dict(capabilities), literal, "capabilities")
        except StepError:
            missing[".".join(str(part) for part in literal)] = None
    return list(missing)


def literal_secrets(plan: Plan) -> list[str]:
    """Return the secret names known without evaluating anything at run time, each once, in order of appearance."""
    names: dict[str, None] = {}
    for place in places(plan, bare_operations=False):
        for call in find(place):
            if call.name == "get_secret":
                argument = call.argument
                name = argument[0] if isinstance(argument, list) and argument else argument
                if isinstance(name, str):
                    names[name] = None
    return list(names)
