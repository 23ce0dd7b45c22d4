"""The interfaces of one instance, a node or a side of a relationship, over those of its type (contract §7.2, §7.4).

Most operations of most templates come from the type unchanged. They are merged and resolved once a type and shared by
its instances; only what a template mentions is worked out anew. Templates that mention none share the mappings of them
as well. So nobody may change a plan's interfaces and operations in place.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from manager_core.dsl.context import Context
from manager_core.dsl.errors import Path
from manager_core.dsl.operations import Operations, RawInterfaces, merge
from manager_core.dsl.plugins import Pair


@dataclass
class Built:
    """An instance's interfaces and operations in plan form, and the plugins they use.

    Attributes:
        interfaces: interface → operation → raw form.
        operations: full name, and bare name where it is unambiguous → plan form; both names show the same object.
        pairs: the (plugin, executor) pairs of the operations.
        missing: full name → declared inputs without a value.
    """

    interfaces: dict[str, dict[str, Any]] = field(default_factory=dict)
    operations: dict[str, dict[str, Any]] = field(default_factory=dict)
    pairs: dict[Pair, None] = field(default_factory=dict)
    missing: dict[str, list[str]] = field(default_factory=dict)


class TypeInterfaces:
    """The interfaces of one type, ready for its instances.

    Args:
        context: the blueprint.
        operations: the resolver of implementations.
        declared: the type's merged interfaces with input schemas.
        code: the LOG code for implementations that mean nothing.
    """

    def __init__(self, context: Context, operations: Operations, declared: RawInterfaces, code: int) -> None:
        self._context = context
        self._operations = operations
        self._declared = declared
        self._code = code
        self._ready: Built | None = None
        self._bare: dict[str, int] = {}
        for names in declared.values():
            for name in names:
                self._bare[name] = self._bare.get(name, 0) + 1

    def build(self, template: RawInterfaces, where: str, path: Path, interfaces_path: Path) -> Built:
        """Merge a template's interfaces over the type's.

        Args:
            template: the template's checked interfaces.
            where: the end of the sentence for an implementation that means nothing.
            path: where problems of the type's operations are reported: the template itself.
            interfaces_path: where the template's own interfaces stand.
        """
        if self._ready is None:
            # Operations of a type that nobody instantiates are never resolved, so this waits for the first one.
            self._ready = self._prepare(where, path)
        ready = self._ready
        built = Built(ready.interfaces, ready.operations, dict(ready.pairs), ready.missing)
        if template:
            built = Built(dict(ready.interfaces), dict(ready.operations), built.pairs, dict(ready.missing))
            self._override(built, template, where, interfaces_path)
        for name, inputs in built.missing.items():
            interface, _, operation = name.rpartition(".")
            place = (*interfaces_path, interface, operation) if interface in template else path
            self._context.findings.log(107, _missing_text(inputs), place, operation)
        self._context.spend(len(built.operations))
        return built

    def _prepare(self, where: str, path: Path) -> Built:
        built = Built()
        for interface, declared in self._declared.items():
            into = built.interfaces[interface] = {}
            for name, operation in declared.items():
                raw, missing = merge(None, operation)
                plan = self._operations.resolve(name, raw, self._code, where, path)
                into[name] = raw
                built.operations[f"{interface}.{name}"] = plan
                if self._bare[name] == 1:
                    built.operations[name] = plan
                if plan["plugin"]:
                    built.pairs[plan["plugin"], plan["executor"]] = None
                if missing:
                    built.missing[f"{interface}.{name}"] = missing
        return built

    def _override(self, built: Built, template: RawInterfaces, where: str, path: Path) -> None:
        bare = self._bare
        operations = built.operations
        for interface, own in template.items():
            declared = self._declared.get(interface, {})
            into = built.interfaces[interface] = dict(built.interfaces.get(interface, {}))
            for name, operation in own.items():
                full = f"{interface}.{name}"
                raw, missing = merge(operation, declared.get(name))
                plan = self._operations.resolve(name, raw, self._code, where, (*path, interface, name))
                if name not in declared:
                    if bare is self._bare:
                        bare = dict(bare)
                    bare[name] = bare.get(name, 0) + 1
                into[name] = raw
                operations[full] = plan
                if bare[name] == 1:
                    operations[name] = plan
                else:
                    operations.pop(name, None)
                built.missing.pop(full, None)
                if missing:
                    built.missing[full] = missing
        built.pairs = {(plan["plugin"], plan["executor"]): None for plan in operations.values() if plan["plugin"]}


def _missing_text(names: list[str]) -> str:
    if len(names) == 1:
        return f"Input '{names[0]}' is missing a value"
    return f"Inputs {', '.join(repr(name) for name in names)} are missing a value"
