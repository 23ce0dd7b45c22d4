"""The shape each function's argument must have (contract §15.2).

A shape is checked at parse on the argument as written, and again once the calls inside it have been evaluated.
A call in the place of a string or a list item is let through: its value is checked when it is known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from manager_core.dsl.errors import Fault
from manager_core.dsl.functions.catalogue import is_function

Complaint = tuple[Fault, str]
Shape = Callable[[Any], "Complaint | None"]

SYSTEM_PROPERTIES: dict[str, tuple[str, ...]] = {
    "tenant": ("name",),
    "deployment": ("id", "name", "blueprint", "owner"),
}
"""What get_sys knows: entity → properties."""

INTEGER_ITEM: dict[str, int | None] = {"string_find": None, "string_replace": 3, "string_split": 2}
"""Functions of several strings → the index of the item that is an integer instead."""

CONSUMER_PROPERTIES = ("ids", "names", "count")
"""What get_consumers knows."""


def complaint(name: str, argument: Any) -> Complaint | None:
    """Return what is wrong with `argument` of function `name`, or None."""
    return _SHAPES[name](argument)


def validation_text(name: str, detail: str) -> str:
    """Begin a message as clients expect of a refused argument."""
    return f"Unable to validate {name} function: {detail}"


def evaluation_text(name: str, detail: str) -> str:
    """Begin a message as clients expect of a failed evaluation."""
    return f"Unable to evaluate {name} function: {detail}"


def _get_input(argument: Any) -> Complaint | None:
    if isinstance(argument, str) or is_function(argument):
        return None
    if isinstance(argument, list) and argument and all(_key(part) for part in argument):
        return None
    return Fault.VAL, (
        f"Illegal argument(s) passed to get_input function: {argument!r}. Give an input's name, a function, or a "
        "list of a name and keys or indexes"
    )


def _node_path(name: str) -> Shape:
    def check(argument: Any) -> Complaint | None:
        if isinstance(argument, list) and len(argument) >= 2 and all(_key(part) for part in argument):
            return None
        return Fault.VAL, (
            f"Illegal arguments passed to {name} function: {argument!r}. Give a list of a node's name, a name, and "
            "keys or indexes below it"
        )

    return check


def _attributes_dict(argument: Any) -> Complaint | None:
    expected = "Give a list of a node's name and attributes, each a name or a list of names"
    if not isinstance(argument, list) or not argument:
        return Fault.TYPE, f"Illegal arguments passed to get_attributes_dict function: {argument!r}. {expected}"
    if not (isinstance(argument[0], str) or is_function(argument[0])):
        return Fault.VAL, f"Illegal arguments passed to get_attributes_dict function: {argument!r}. {expected}"
    seen: set[str] = set()
    for part in argument[1:]:
        path = part if isinstance(part, list) else [part]
        if not path or (isinstance(part, dict) and not is_function(part)):
            return Fault.VAL, f"Illegal arguments passed to get_attributes_dict function: {argument!r}. {expected}"
        if not all(isinstance(key, str) for key in path):
            return Fault.TYPE, f"Illegal arguments passed to get_attributes_dict function: {argument!r}. {expected}"
        dotted = ".".join(path)
        if dotted in seen:
            return Fault.FEE, evaluation_text("get_attributes_dict", f"the attribute path {dotted} is given twice")
        seen.add(dotted)
    return None


def _get_secret(argument: Any) -> Complaint | None:
    if isinstance(argument, str) or is_function(argument) or (isinstance(argument, list) and len(argument) >= 2):
        return None
    return Fault.FVE, validation_text(
        "get_secret", f"give a secret's name, a function, or a list of at least 2 items, not {argument!r}"
    )


def _capability(name: str) -> Shape:
    def check(argument: Any) -> Complaint | None:
        if not isinstance(argument, list) or len(argument) < 2:
            return Fault.VAL, (
                f"Illegal arguments passed to {name} function: {argument!r}. Give a list of at least 2 items: where, "
                "the capability, and keys or indexes below it"
            )
        for index, part in enumerate(argument):
            several = name == "get_group_capability" and index == 1 and isinstance(part, list)
            if not several and not isinstance(part, str | int) and not is_function(part):
                return Fault.VAL, (
                    f"Illegal arguments passed to {name} function: item {index} is {part!r}; only strings, integers "
                    "and functions are accepted"
                )
        return None

    return check


def _environment_capability(argument: Any) -> Complaint | None:
    if isinstance(argument, str):
        return None
    if isinstance(argument, list) and len(argument) >= 2:
        for index, part in enumerate(argument):
            if not _key(part):
                return Fault.VAL, (
                    f"Illegal arguments passed to get_environment_capability function: item {index} is {part!r}; only "
                    "strings, integers and functions are accepted"
                )
        return None
    return Fault.FVE, validation_text(
        "get_environment_capability", f"give a capability's name or a list of at least 2 items, not {argument!r}"
    )


def _get_label(argument: Any) -> Complaint | None:
    if isinstance(argument, str) or is_function(argument):
        return None
    if isinstance(argument, list) and len(argument) == 2:
        key, index = argument
        if not (isinstance(key, str) or is_function(key)):
            return Fault.FVE, validation_text("get_label", f"the label's key must be a string, not {key!r}")
        if is_function(index) or isinstance(index, int) or (isinstance(index, str) and index.isdigit()):
            return None
        return Fault.FVE, validation_text("get_label", f"the index must be a number, not {index!r}")
    return Fault.FVE, validation_text(
        "get_label", f"give a label's key, a function, or a list of a key and an index, not {argument!r}"
    )


def _get_sys(argument: Any) -> Complaint | None:
    if not isinstance(argument, list) or len(argument) < 2:
        return Fault.VAL, (
            f"Illegal argument(s) passed to get_sys function: {argument!r}. Give a list of an entity and a property"
        )
    entity, prop = argument[:2]
    if not _key(entity) or not _key(prop):
        return Fault.VAL, f"Illegal argument(s) passed to get_sys function: {argument!r}. Give an entity and a property"
    if is_function(entity):
        return None
    if not isinstance(entity, str) or entity not in SYSTEM_PROPERTIES:
        return Fault.UNKNOWN_SYS_ENTITY, f"get_sys function unable to determine entity: {entity}"
    if not is_function(prop) and prop not in SYSTEM_PROPERTIES[entity]:
        return Fault.UNKNOWN_SYS_PROPERTY, f"get_sys function unable to determine property: {entity} {prop}"
    return None


def _get_consumers(argument: Any) -> Complaint | None:
    if isinstance(argument, str) and argument in CONSUMER_PROPERTIES:
        return None
    return Fault.VAL, f"Illegal argument passed to get_consumers function: {argument!r}. Give ids, names or count"


def _concat(argument: Any) -> Complaint | None:
    if isinstance(argument, list):
        return None
    return Fault.VAL, f"Illegal arguments passed to concat function: {argument!r}. Give a list"


def _merge(argument: Any) -> Complaint | None:
    if isinstance(argument, list):
        return None
    return Fault.VAL, f"Illegal arguments passed to merge function: {argument!r}. Give a list of mappings"


def _text(name: str, fewest: int, most: int) -> Shape:
    """Build the check of a string_* function's number of arguments."""

    def check(argument: Any) -> Complaint | None:
        count = f"{fewest}" if fewest == most else f"{fewest} or {most}"
        if isinstance(argument, list) and fewest <= len(argument) <= most:
            return None
        return Fault.FVE, validation_text(name, f"give a list of {count} items, not {argument!r}")

    return check


def literal_complaint(name: str, argument: Any) -> Complaint | None:
    """Return what is wrong with the literal items of a well-shaped argument of a pure function, or None.

    This is asked of the argument as written; once it is evaluated, the function itself refuses its items.
    """
    if name == "merge":
        wrong = [item for item in argument if not isinstance(item, dict)]
        return (Fault.FVE, validation_text(name, f"every item must be a mapping, not {wrong[0]!r}")) if wrong else None
    if name in ("string_lower", "string_upper") and isinstance(argument, dict) and not is_function(argument):
        return Fault.FVE, validation_text(name, f"give one string, not {argument!r}")
    if name not in INTEGER_ITEM:
        return None
    for index, part in enumerate(argument):
        wanted = int if index == INTEGER_ITEM[name] else str
        if not isinstance(part, wanted) and not is_function(part):
            kind = "an integer" if wanted is int else "a string"
            return Fault.FVE, validation_text(name, f"item {index} must be {kind}, not {part!r}")
    return None


def _case(name: str) -> Shape:
    def check(argument: Any) -> Complaint | None:
        if isinstance(argument, str) or (isinstance(argument, dict) and len(argument) == 1):
            return None
        return Fault.FVE, validation_text(name, f"give one string, not {argument!r}")

    return check


def _key(part: Any) -> bool:
    return isinstance(part, str | int) or is_function(part)


_SHAPES: dict[str, Shape] = {
    "get_input": _get_input,
    "get_property": _node_path("get_property"),
    "get_attribute": _node_path("get_attribute"),
    "get_attributes_list": _node_path("get_attributes_list"),
    "get_attributes_dict": _attributes_dict,
    "get_secret": _get_secret,
    "get_capability": _capability("get_capability"),
    "get_group_capability": _capability("get_group_capability"),
    "get_environment_capability": _environment_capability,
    "get_label": _get_label,
    "get_sys": _get_sys,
    "get_consumers": _get_consumers,
    "concat": _concat,
    "merge": _merge,
    "string_find": _text("string_find", 2, 2),
    "string_replace": _text("string_replace", 3, 4),
    "string_split": _text("string_split", 2, 3),
    "string_lower": _case("string_lower"),
    "string_upper": _case("string_upper"),
}
