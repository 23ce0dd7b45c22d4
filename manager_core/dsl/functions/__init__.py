"""Intrinsic functions: recognising them, checking them at parse, finding them in a plan (contract §15, §16.2).

`evaluation`, `static` and `runtime` hold how they get their values. Nothing here reads a clock, a file or a database.
"""

from __future__ import annotations

from manager_core.dsl.functions.catalogue import HYBRID, NAMES, RUNTIME, function_name, is_function
from manager_core.dsl.functions.checks import validate
from manager_core.dsl.functions.places import Found, Place, Scope, find, places
from manager_core.dsl.functions.requirements import collect_requirements, literal_secrets, missing_capabilities

__all__ = [
    "HYBRID",
    "NAMES",
    "RUNTIME",
    "Found",
    "Place",
    "Scope",
    "collect_requirements",
    "find",
    "function_name",
    "is_function",
    "literal_secrets",
    "missing_capabilities",
    "places",
    "validate",
]
