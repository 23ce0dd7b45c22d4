"""What values a declared type accepts, and the completion of a value by its data type (contract §4.2, §5.3, §16.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from manager_core.dsl.functions.catalogue import is_function
from manager_core.patterns import is_pattern

SIMPLE_TYPES = frozenset({"string", "integer", "float", "boolean", "list", "dict", "regex", "textarea"})
"""Types known to every version of the language."""

OBJECT_TYPES = frozenset(
    {
        "blueprint_id",
        "deployment_id",
        "capability_value",
        "scaling_group",
        "node_id",
        "node_type",
        "node_instance",
        "secret_key",
        "operation_name",
    }
)
"""Types whose values name something that must exist."""

PRIMITIVE_TYPES = SIMPLE_TYPES | OBJECT_TYPES

_TEXT_LIKE = OBJECT_TYPES | {"string", "textarea"}


class ValueRefused(Exception):
    """A value does not fit its type; the text is ready for the user."""


def accepts(type_name: str | None, value: Any) -> bool:
    """Tell whether a primitive type accepts `value`, any call of a function included."""
    return is_function(value) or accepts_literal(type_name, value)


def accepts_literal(type_name: str | None, value: Any) -> bool:
    """Tell whether a primitive type accepts `value` as it is.

    String-like types accept anything, and a name that is no primitive type accepts nothing.
    """
    if type_name is None or type_name in _TEXT_LIKE:
        return True
    if type_name == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if type_name == "float":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if type_name == "boolean":
        return isinstance(value, bool)
    if type_name == "list":
        return isinstance(value, list | tuple)
    if type_name == "dict":
        return isinstance(value, dict)
    return type_name == "regex" and _is_regex(value)


def mismatch_text(name: str, type_name: str, value: Any, member: str | None = None) -> str:
    """Say that a value does not fit its type, in the words clients match on."""
    which = f"property '{member}' type is" if member else "the defined type is"
    return (
        f"Property type validation failed in '{name}': {which} '{type_name}', "
        f"yet it was assigned with the value '{value}'"
    )


def complete(value: Any, type_name: str | None, data_types: Mapping[str, Any], name: str) -> Any:
    """Check `value` against its declared type and fill in a data type's defaults.

    Args:
        value: the value given.
        type_name: a primitive type, a data type, or None for no check at all.
        data_types: the plan's data types, inherited properties merged in.
        name: the input, for messages.

    Returns:
        The value, completed when the type is a data type.

    Raises:
        ValueRefused: a member is unknown, missing or of the wrong type, or the value itself is.
    """
    if type_name in data_types:
        if is_function(value):
            return value
        if not isinstance(value, dict):
            raise ValueRefused(mismatch_text(name, str(type_name), value))
        return _complete_members(value, str(type_name), data_types, name, ())
    if not accepts(type_name, value):
        raise ValueRefused(mismatch_text(name, str(type_name), value))
    return value


def _complete_members(
    value: Mapping[str, Any], type_name: str, data_types: Mapping[str, Any], name: str, path: tuple[str, ...]
) -> dict[str, Any]:
    properties = data_types[type_name].get("properties") or {}
    for key in value:
        if key not in properties:
            raise ValueRefused(f"Undefined property {'.'.join((*path, str(key)))} in value of input {name}.")
    result: dict[str, Any] = {}
    for key, schema in properties.items():
        schema = schema or {}
        member_type: Any = schema.get("type")
        composite = member_type in data_types
        if key in value:
            member = value[key]
        elif "default" in schema:
            member = schema["default"]
        elif composite:
            member = {}
        elif schema.get("required", True):
            raise ValueRefused(f"Value of input {name} is missing property {'.'.join((*path, key))}.")
        else:
            continue
        if composite and isinstance(member, dict) and not is_function(member):
            default = schema.get("default")
            base = default if isinstance(default, dict) and not is_function(default) else {}
            member = _complete_members({**base, **member}, member_type, data_types, name, (*path, key))
        elif not accepts(member_type, member):
            raise ValueRefused(mismatch_text(name, member_type, member, ".".join((*path, key))))
        result[key] = member
    return result


def _is_regex(value: Any) -> bool:
    return isinstance(value, str) and is_pattern(value)
