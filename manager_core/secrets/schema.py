"""Checks a secret's value against its JSON schema: the keywords people use, and no others. Pure.

A schema with a keyword that is not known here is refused when it is given, rather than half obeyed; nothing is ever
fetched.
"""

from __future__ import annotations

from typing import Any

from manager_core import patterns
from manager_core.errors import BadParameters

_ANNOTATIONS = frozenset({"title", "description", "default", "examples", "$schema", "$id", "$comment"})
_CHECKS = frozenset(
    {
        "type", "enum", "const", "properties", "required", "additionalProperties", "items", "minItems", "maxItems",
        "uniqueItems", "minLength", "maxLength", "pattern", "minimum", "maximum", "exclusiveMinimum",
        "exclusiveMaximum", "anyOf", "allOf", "oneOf", "not",
    }
)  # fmt: skip
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "integer": (int,), "number": (int, float),
    "boolean": (bool,), "null": (type(None),),
}  # fmt: skip
_LONGEST_PATTERN = 500
_DEEPEST = 30


def check_schema(schema: Any, *, depth: int = 0) -> None:
    """Refuse a schema that is malformed or says what we cannot check.

    Raises:
        BadParameters: with the keyword.
    """
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict) or depth > _DEEPEST:
        raise BadParameters("Invalid JSON schema: a schema is a map, not more than 30 levels deep")
    unknown = sorted(set(schema) - _CHECKS - _ANNOTATIONS)
    if unknown:
        raise BadParameters(f"Invalid JSON schema: unsupported keywords: {', '.join(map(str, unknown))}")
    types = schema.get("type", [])
    for name in types if isinstance(types, list) else [types]:
        if name not in _TYPES:
            raise BadParameters(f"Invalid JSON schema: unknown type {name!r}")
    if "pattern" in schema:
        _check_pattern(schema["pattern"])
    for keyword in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength",
                    "minItems", "maxItems"):  # fmt: skip
        if keyword in schema and (isinstance(schema[keyword], bool) or not isinstance(schema[keyword], (int, float))):
            raise BadParameters(f"Invalid JSON schema: {keyword} must be a number")
    for keyword, kind in (("properties", dict), ("required", list), ("enum", list), ("anyOf", list), ("allOf", list),
                          ("oneOf", list)):  # fmt: skip
        if keyword in schema and not isinstance(schema[keyword], kind):
            raise BadParameters(f"Invalid JSON schema: {keyword} must be a {kind.__name__}")
    for inner in _inner(schema):
        check_schema(inner, depth=depth + 1)


def _check_pattern(pattern: Any) -> None:
    if not isinstance(pattern, str) or len(pattern) > _LONGEST_PATTERN:
        raise BadParameters("Invalid JSON schema: pattern must be a short text")
    if not patterns.is_pattern(pattern):
        raise BadParameters(f"Invalid JSON schema: pattern: {pattern} is no regular expression")


def _inner(schema: dict[str, Any]) -> list[Any]:
    found = [schema[keyword] for keyword in ("items", "not", "additionalProperties") if keyword in schema]
    found.extend(schema.get("properties", {}).values())
    for keyword in ("anyOf", "allOf", "oneOf"):
        found.extend(schema.get(keyword, []))
    return found


def violation(value: Any, schema: Any, path: str = "value") -> str | None:
    """Return what is wrong with `value`, or None. The value itself is never in the text: it is a secret.

    Args:
        schema: one that `check_schema` let pass.
        path: where in the value we are.
    """
    if isinstance(schema, bool):
        return None if schema else f"{path} is not allowed"
    return (
        _of_type(value, schema, path)
        or _of_size(value, schema, path)
        or _of_parts(value, schema, path)
        or _of_combination(value, schema, path)
    )


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[name])


def _of_type(value: Any, schema: dict[str, Any], path: str) -> str | None:
    if "type" in schema:
        names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if not any(_is(value, name) for name in names):
            return f"{path} is not of type {' or '.join(repr(name) for name in names)}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{path} is not one of the allowed values"
    if "const" in schema and value != schema["const"]:
        return f"{path} is not the allowed value"
    return None


def _of_size(value: Any, schema: dict[str, Any], path: str) -> str | None:
    if isinstance(value, str):
        try:
            if "pattern" in schema and not patterns.search(schema["pattern"], value):
                return f"{path} does not match the pattern {schema['pattern']}"
        except patterns.PatternTooSlow as error:
            return f"{path}: {error}"
        return _between(len(value), schema, path, "minLength", "maxLength", "length")
    if isinstance(value, list):
        if schema.get("uniqueItems") and any(item in value[:place] for place, item in enumerate(value)):
            return f"{path} has an item twice"
        return _between(len(value), schema, path, "minItems", "maxItems", "number of items")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
            return f"{path} is not greater than {schema['exclusiveMinimum']}"
        if "exclusiveMaximum" in schema and value >= schema["exclusiveMaximum"]:
            return f"{path} is not less than {schema['exclusiveMaximum']}"
        return _between(value, schema, path, "minimum", "maximum", "value")
    return None


def _between(size: float, schema: dict[str, Any], path: str, low: str, high: str, what: str) -> str | None:
    if low in schema and size < schema[low]:
        return f"the {what} of {path} is less than {schema[low]}"
    if high in schema and size > schema[high]:
        return f"the {what} of {path} is greater than {schema[high]}"
    return None


def _of_parts(value: Any, schema: dict[str, Any], path: str) -> str | None:
    if isinstance(value, list) and "items" in schema:
        problems = (violation(item, schema["items"], f"{path}[{place}]") for place, item in enumerate(value))
        return next((problem for problem in problems if problem), None)
    if not isinstance(value, dict):
        return None
    missing = [name for name in schema.get("required", []) if name not in value]
    if missing:
        return f"{missing[0]!r} is a required property of {path}"
    properties = schema.get("properties", {})
    for name, item in value.items():
        inner = properties.get(name, schema.get("additionalProperties", True))
        problem = violation(item, inner, f"{path}.{name}")
        if problem:
            return problem
    return None


def _of_combination(value: Any, schema: dict[str, Any], path: str) -> str | None:
    for inner in schema.get("allOf", []):
        problem = violation(value, inner, path)
        if problem:
            return problem
    if "anyOf" in schema and all(violation(value, inner, path) for inner in schema["anyOf"]):
        return f"{path} satisfies none of the alternatives"
    if "oneOf" in schema and sum(violation(value, inner, path) is None for inner in schema["oneOf"]) != 1:
        return f"{path} does not satisfy exactly one of the alternatives"
    if "not" in schema and violation(value, schema["not"], path) is None:
        return f"{path} satisfies what it must not"
    return None
