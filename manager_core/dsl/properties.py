"""Property schemas and the values they complete: of types, data types, group policies and triggers (contract §5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from manager_core.dsl.context import Context, plain
from manager_core.dsl.errors import DslErrors, Fault, Path
from manager_core.dsl.functions.catalogue import is_function
from manager_core.dsl.source import MAX_DEPTH
from manager_core.dsl.value_types import OBJECT_TYPES, PRIMITIVE_TYPES, accepts, mismatch_text

Schema = dict[str, dict[str, Any]]
"""Property name → its entry, the default of a data type completed."""

_ENTRY: dict[str, str | None] = {"required": "boolean", "default": None, "description": "string", "type": "string"}
_MISSING = object()


def check_type_name(context: Context, name: Any, path: Path) -> bool:
    """Check that a type name is a primitive one or a data type's; record LOG(103) or LOG(102)."""
    if name in PRIMITIVE_TYPES:
        if name in OBJECT_TYPES:
            context.gate(f"type '{name}'", (1, 5) if name == "operation_name" else (1, 4), path)
        return True
    if name in context.section("data_types"):
        return True
    known = [*PRIMITIVE_TYPES, *context.section("data_types")]
    context.findings.log(103, f"Illegal type name '{name}'", path, name, context.findings.nearest(name, known))
    return False


def check_schema(context: Context, value: Any, path: Path, owner: str) -> Schema:
    """Check the form of a property schema, and the defaults that need no data type.

    Args:
        context: the blueprint.
        value: the schema as written.
        path: where it stands.
        owner: the type's name, for messages.

    Returns:
        The entries that are well formed; null entries are refused. Defaults are as written, not copied.
    """
    body = context.mapping(value, path)
    result: Schema = {}
    for name, entry in (body or {}).items():
        here = (*path, name)
        if not isinstance(entry, dict):
            found = "null" if entry is None else type(entry).__name__
            context.findings.fmt(f"Expected 'dict' type but found '{found}' type", here, entry)
            continue
        checked = context.record(entry, _ENTRY, here)
        if checked is None:
            continue
        if "default" in entry:
            checked["default"] = entry["default"]
            context.refuse_date(entry["default"], (*here, "default"))
        if "required" in checked:
            context.gate("required", (1, 2), (*here, "required"))
        type_ = checked.get("type")
        if type_ is not None and not check_type_name(context, type_, (*here, "type")):
            del checked["type"]
        elif type_ in PRIMITIVE_TYPES and "default" in checked and not accepts(type_, checked["default"]):
            text = f"Property type validation failed in '{owner}': property '{name}' type is '{type_}', "
            text += f"yet it was assigned with the value '{checked['default']}'"
            context.findings.log(105, text, (*here, "default"), checked["default"])
            del checked["default"]
        result[name] = checked
    return result


def inherit(context: Context, parent: Schema, own: Schema, path: Path, owner: str) -> Schema:
    """Merge a type's own schema over its parent's, own properties first, and complete data type defaults.

    Args:
        context: the blueprint; the data types that the schema names are resolved.
        parent: the parent's merged schema.
        own: the checked own schema.
        path: where the own schema stands.
        owner: the type's name, for messages.

    Returns:
        The merged schema; entries are shared with the inputs where nothing changed.
    """
    result: Schema = {}
    for name, entry in own.items():
        data_type = context.data_types.get(entry.get("type", ""))
        if data_type is not None:
            inherited = parent.get(name, {})
            base = inherited.get("default") if inherited.get("type") == entry["type"] else None
            entry = {**entry, "default": _declared(context, entry, base, (*path, name, "default"), owner, name)}
        result[name] = entry
    for name, entry in parent.items():
        result.setdefault(name, entry)
    return result


def _declared(context: Context, entry: dict[str, Any], base: Any, path: Path, owner: str, name: str) -> Any:
    default = entry.get("default", _MISSING)
    if default is _MISSING:
        default = {} if not isinstance(base, dict) or is_function(base) else base
        base = None
    if is_function(default):
        return default
    problems: list[tuple[int, str, Any]] = []
    completer = _Completer(
        context,
        lambda code, member, value, type_: problems.append(
            (code, _default_text(code, member, value, type_, owner), value)
        ),
        partial=True,
    )
    result = completer.one((name,), entry["type"], base if isinstance(base, dict) else {}, default)
    for code, text, value in problems:
        context.findings.log(code, text, path, value)
    return {} if result is _MISSING else result


def _default_text(code: int, member: str, value: Any, type_: str, owner: str) -> str:
    if code == 106:
        return f"Undefined property {member} in default value of type {owner}"
    return (
        f"Property type validation failed in '{owner}': property '{member}' type is '{type_}', "
        f"yet it was assigned with the value '{value}'"
    )


class _Completer:
    """Overlays values on defaults, member by member, and reports what does not fit.

    Args:
        context: the blueprint, for its resolved data types and its budget.
        report: called with the code (105, 106, 107), the dotted member, the value and the type.
        partial: whether missing members are tolerated.
    """

    def __init__(
        self,
        context: Context,
        report: Callable[[int, str, Any, str], None],
        *,
        partial: bool = False,
    ) -> None:
        self.data_types = context.data_types
        self.spend = context.spend
        self.report = report
        self.partial = partial

    def members(
        self,
        schema: Mapping[str, Mapping[str, Any]],
        defaults: Mapping[str, Any],
        given: Mapping[Any, Any],
        path: tuple[str, ...],
        *,
        optional: bool = False,
    ) -> dict[str, Any]:
        """Complete a mapping: `given` over `defaults` over the schema's own defaults."""
        if len(path) > MAX_DEPTH:
            raise DslErrors.single(Fault.FMT, 1, f"Data types are nested too deeply: the limit is {MAX_DEPTH}")
        self.spend(10 * len(schema))
        for key in given:
            if key not in schema:
                self.report(106, ".".join((*path, str(key))), given[key], "")
        result: dict[str, Any] = {}
        for name, entry in schema.items():
            value = given.get(name, _MISSING)
            default = defaults.get(name, _MISSING)
            if default is _MISSING:
                default = entry.get("default", _MISSING)
            type_ = entry.get("type")
            if type_ is not None and type_ in self.data_types:
                base = default if isinstance(default, dict) and not is_function(default) else {}
                if value is _MISSING:
                    value = {} if default is _MISSING else default
                completed = self.one((*path, name), type_, base, value)
                if completed is not _MISSING:
                    result[name] = completed
            elif value is not _MISSING or default is not _MISSING:
                self._simple((*path, name), type_, default if value is _MISSING else value, result)
            elif not self.partial and not optional and entry.get("required", True):
                self.report(107, ".".join((*path, name)), None, "")
        return result

    def _simple(self, path: tuple[str, ...], type_: str | None, value: Any, into: dict[str, Any]) -> None:
        """Put one value of a primitive type, or of none, into the result."""
        if type_ is None or accepts(type_, value):
            into[path[-1]] = plain(value)
        else:
            self.report(105, ".".join(path), value, type_)

    def one(self, path: tuple[str, ...], type_: str, base: Mapping[str, Any], value: Any) -> Any:
        """Complete one value of a data type."""
        if is_function(value):
            return plain(value)
        if not isinstance(value, dict):
            self.report(105, ".".join(path), value, type_)
            return _MISSING
        return self.members(self.data_types[type_]["properties"], base, value, path)


def resolve(
    context: Context,
    schema: Schema,
    given: Mapping[Any, Any],
    path: Path,
    owner: str,
    *,
    say: Callable[[int, str], str] | None = None,
) -> dict[str, Any]:
    """Complete the properties of an instance by its type's schema (contract §5.3).

    Args:
        context: the blueprint.
        schema: the type's merged schema.
        given: the values as written.
        path: where they stand.
        owner: the instance's name, for messages.
        say: makes the message of LOG(106) and LOG(107) from code and dotted property; default: the node's.

    Returns:
        The properties, copied; those that are optional and not given are left out.
    """
    findings = context.findings
    say = say or (lambda code, member: _node_text(code, member, owner))

    def report(code: int, member: str, value: Any, type_: str) -> None:
        place = (*path, *member.split(".")) if code != 107 else path
        if code == 105:
            if "." in member or type_:
                text = mismatch_text(owner, type_, value, member)
            findings.log(105, text, place, value)
        elif code == 106:
            findings.log(106, say(106, member), place, member, findings.nearest(member, schema))
        else:
            findings.log(107, say(107, member), place, None)

    external = given.get("use_external_resource", _MISSING)
    if external is _MISSING:
        external = schema.get("use_external_resource", {}).get("default")
    if external and is_function(external):
        findings.log(
            219,
            "Only boolean values are allowed for `use_external_resource` property, don't use intrinsic functions.",
            (*path, "use_external_resource"),
            external,
        )
    completer = _Completer(context, report)
    return completer.members(schema, {}, given, (), optional=bool(external))


def _node_text(code: int, member: str, owner: str) -> str:
    if code == 106:
        return f"'{owner}' node '{member}' property is not part of the derived type properties schema"
    return f"'{owner}' node does not provide a value for mandatory '{member}' property which is part of its type schema"


def complete_default(context: Context, type_: str, value: Any, path: Path, owner: str) -> Any:
    """Check and complete the default of an input or workflow parameter whose type is a data type."""

    def report(code: int, member: str, found: Any, declared: str) -> None:
        if code == 105:
            inner = member or None
            context.findings.log(105, mismatch_text(owner, declared, found, inner), path, found)
        elif code == 106:
            context.findings.log(106, f"Undefined property {member} in value of input {owner}.", path, value)
        else:
            context.findings.log(107, f"Value of input {owner} is missing property {member}.", path, value)

    result = _Completer(context, report).one((), type_, {}, value)
    return plain(value) if result is _MISSING else result
