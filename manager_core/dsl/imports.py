"""Reads a blueprint with everything it imports and merges it, breadth first (contract §3).

Nothing is opened here: the resolver finds the files. Parsed files are kept by their text, so that the types file and
plugins cost their reading once.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from manager_core.dsl.context import plain
from manager_core.dsl.errors import DslErrors, Fault, Findings, Problem
from manager_core.dsl.functions.catalogue import is_function
from manager_core.dsl.merge import Fragment, Merged, SourceFile, is_built_in, type_name
from manager_core.dsl.namespaces import DELIMITER, join
from manager_core.dsl.plugin_imports import parse_query
from manager_core.dsl.resolver import SCHEMES, Found, Resolver
from manager_core.dsl.source import load
from manager_core.dsl.versions import SUPPORTED, gate_message, text_of

BlueprintCheck = Callable[["Merged | None", Resolver, Findings, SourceFile], list[Problem]]
"""Merged blueprint (None when it has no version), its resolver, what is known to be wrong, its main file → problems."""

MAX_FILES = 1000
"""Files of one blueprint, imported blueprints included."""
MAX_BLUEPRINT_DEPTH = 20
"""Blueprints importing blueprints."""


class FileCache:
    """Parsed files by text, the least recently used dropped first.

    Args:
        size: characters of text that are kept at most.
    """

    def __init__(self, size: int = 8_000_000) -> None:
        self._size = size
        self._held = 0
        self._trees: OrderedDict[str, Any] = OrderedDict()

    def load(self, text: str, name: str) -> Any:
        """Return the parsed file. The tree is shared: nobody may change it."""
        tree = self._trees.get(text)
        if tree is not None:
            with contextlib.suppress(KeyError):  # another thread dropped it meanwhile; the tree is still good
                self._trees.move_to_end(text)
            return tree
        tree = load(text, name)
        if len(text) <= self._size // 4 and text not in self._trees:
            self._trees[text] = tree
            self._held += len(text)
            with contextlib.suppress(KeyError):  # another thread may empty it first
                while self._held > self._size:
                    dropped, _ = self._trees.popitem(last=False)
                    self._held -= len(dropped)
            if not self._trees:
                self._held = 0
        return tree


@dataclass(frozen=True)
class _Entry:
    """One import: what to read, under which full namespace (its own or inherited), with which plugin properties."""

    text: str
    namespace: str
    own_namespace: bool
    properties: dict[str, Any] | None
    position: int


class Importer:
    """Merges a main file with its imports.

    Args:
        resolver: finds files, plugins and blueprints.
        cache: parsed files.
        findings: where problems go.
        check_versions: whether versions of imports and feature gates are checked.
        depth: how many blueprints import this one.
        check_blueprint: called with each imported blueprint, merged with its own imports, and its resolver; returns
            what is wrong with it, placed in its files.
    """

    def __init__(
        self,
        resolver: Resolver,
        cache: FileCache,
        findings: Findings,
        *,
        check_blueprint: BlueprintCheck,
        check_versions: bool = True,
        depth: int = 0,
    ) -> None:
        self.resolver = resolver
        self.cache = cache
        self.findings = findings
        self.check_blueprint = check_blueprint
        self.check_versions = check_versions
        self.depth = depth

    def run(self, main: Found) -> Merged | None:
        """Merge; None when the main file has no usable version."""
        tree = self.cache.load(main.text, main.name)
        file = SourceFile(main.name, main.text, tree)
        if not isinstance(tree, dict):
            raise DslErrors(
                [
                    Problem(
                        Fault.FMT,
                        1,
                        f"Expected 'dict' type but found '{type_name(tree)}' type",
                        (),
                        tree,
                        None,
                        main.name,
                        1,
                        1,
                    )
                ]
            )
        version = self._main_version(tree, file)
        if version is None:
            return None
        merged = Merged(version, self.findings)
        merged.add(Fragment(file, tree, main=True))
        seen = {(main.url, "")}
        queue: deque[tuple[dict[Any, Any], Found, str]] = deque([(tree, main, "")])
        while queue:
            tree, found, namespace = queue.popleft()
            for entry in self._entries(tree, found, namespace, version):
                self._import(entry, found, merged, seen, queue)
        return merged

    def _main_version(self, tree: dict[Any, Any], file: SourceFile) -> tuple[int, int] | None:
        value = tree.get("tosca_definitions_version")
        path = ("tosca_definitions_version",)
        if value is None:
            self.findings.log(27, "tosca_definitions_version field must appear in the main blueprint file", path)
        elif not isinstance(value, str):
            self.findings.fmt(f"Expected 'string' type but found '{type_name(value)}' type", path, value)
        elif value not in SUPPORTED:
            self.findings.log(
                29,
                f"Unexpected tosca_definitions_version {value}; Currently supported versions are: {list(SUPPORTED)}",
                path,
                value,
                self.findings.nearest(value, SUPPORTED),
            )
        else:
            return SUPPORTED[value]
        return None

    def _entries(self, tree: dict[Any, Any], found: Found, outer: str, version: tuple[int, int]) -> list[_Entry]:
        imports = tree.get("imports", [])
        path = ("imports",)
        if imports is None:
            self.findings.add(Fault.TYPE, None, "Expected 'list' type but found 'null' type", path)
            return []
        if not isinstance(imports, list):
            self.findings.fmt(f"Expected 'list' type but found '{type_name(imports)}' type", path, imports)
            return []
        entries: list[_Entry] = []
        texts: set[str] = set()
        for position, item in enumerate(imports):
            text, properties = self._entry_text(item, (*path, position), version)
            if text is None:
                continue
            if text in texts:
                self.findings.add(Fault.FMT, 2, "Duplicate imports", (*path, position), value=text)
                continue
            texts.add(text)
            namespace, body = "", text
            if DELIMITER in text:
                namespace, _, body = text.rpartition(DELIMITER)
                if DELIMITER in namespace:
                    self.findings.log(
                        212,
                        f"Invalid {namespace}: import's namespace cannot contain namespace delimiter",
                        (*path, position),
                        text,
                    )
                    continue
            entries.append(_Entry(body, join(outer, namespace), bool(namespace), properties, position))
        return entries

    def _entry_text(
        self, item: Any, path: tuple[str | int, ...], version: tuple[int, int]
    ) -> tuple[str | None, dict[str, Any] | None]:
        if isinstance(item, str):
            return item, None
        if item is None:
            self.findings.add(Fault.FMT, 220, "An import must be a string or a mapping, it is null", path)
            return None, None
        if not isinstance(item, dict):
            self.findings.fmt(f"Expected 'string' or 'dict' type but found '{type_name(item)}' type", path, item)
            return None, None
        for key, properties in item.items():
            if properties is not None and not isinstance(properties, dict):
                text = f"Expected 'dict' type but found '{type_name(properties)}' type"
                self.findings.fmt(text, (*path, str(key)), properties)
            elif properties is not None and self.check_versions and version < (1, 5):
                for name in properties or (key,):
                    self.findings.log(102, gate_message(str(name), version, (1, 5)), path, name)
        if len(item) != 1:
            self.findings.add(Fault.FMT, 220, "An import with properties must have exactly one key", path, value=item)
            return None, None
        text, properties = next(iter(item.items()))
        if not isinstance(text, str):
            self.findings.fmt(f"Dict keys must be strings but found '{text}' of type '{type_name(text)}'", path, text)
            return None, None
        if not isinstance(properties, dict):
            return text, None
        for name, value in properties.items():
            if not isinstance(value, str | int | float | list) and not is_function(value):
                self.findings.add(
                    Fault.FMT,
                    220,
                    f"Import property {name!r} must be a string, a number, a boolean, a list or a function",
                    (*path, text, name),
                    value=value,
                )
        return text, properties

    def _import(
        self,
        entry: _Entry,
        importer: Found,
        merged: Merged,
        seen: set[tuple[str, str]],
        queue: deque[tuple[dict[Any, Any], Found, str]],
    ) -> None:
        path = ("imports", entry.position)
        if len(merged.files) >= MAX_FILES:
            self.findings.log(13, f"Import failed: more than {MAX_FILES} files", path)
            return
        scheme, _, rest = entry.text.partition(":")
        if scheme == "blueprint" and rest:
            self._import_blueprint(rest.strip(), entry, merged)
            return
        found = self._find(entry, importer, merged.version)
        if found is None or (found.url, entry.namespace) in seen:
            return
        seen.add((found.url, entry.namespace))
        try:
            tree = self.cache.load(found.text, found.name)
        except DslErrors as errors:
            self.findings.problems += errors.problems
            return
        file = SourceFile(found.name, found.text, tree)
        if not isinstance(tree, dict):
            self.findings.fmt(f"Expected 'dict' type but found '{type_name(tree)}' type", path, found.name)
            return
        self._check_version(tree, found, merged, path)
        namespace = entry.namespace
        if is_built_in(tree):
            if entry.own_namespace:
                self.findings.log(
                    214, f"Invalid import namespace {namespace}: cannot be used on Cloudify basic types.", path
                )
                return
            namespace = ""
        if found.extra is not None:
            tree = _with_extra(tree, found.extra)
        if entry.properties is not None:
            tree = self._with_properties(tree, entry.properties, path)
        merged.add(Fragment(file, tree, namespace))
        queue.append((tree, found, namespace))

    def _find(self, entry: _Entry, importer: Found, version: tuple[int, int]) -> Found | None:
        path = ("imports", entry.position)
        scheme, colon, rest = entry.text.partition(":")
        try:
            if colon and scheme == "plugin":
                query = parse_query(rest)
                found = self.resolver.plugin(query, version)
                if found is None:
                    self.findings.add(
                        Fault.IMPORT,
                        None,
                        f"Plugin {query.name} not found"
                        + (f" (query: {', '.join(query.specifiers)})" if query.specifiers else ""),
                        path,
                        value=entry.text,
                    )
                return found
            found = self.resolver.read(entry.text, importer.url, version)
        except DslErrors as errors:
            self.findings.problems += [
                Problem(p.kind, p.code, p.message, path, p.value if p.value is not None else entry.text, p.suggestion)
                for p in errors.problems
            ]
            return None
        if found is None:
            what = "import url" if colon and scheme in SCHEMES else "import file"
            self.findings.log(
                13, f"Import failed: Unable to open {what} {entry.text}; it was not found", path, entry.text
            )
        return found

    def _check_version(self, tree: dict[Any, Any], found: Found, merged: Merged, path: tuple[str | int, ...]) -> None:
        value = tree.get("tosca_definitions_version")
        if value is None:
            return
        if not isinstance(value, str) or value not in SUPPORTED:
            self.findings.log(
                29,
                f"Unexpected tosca_definitions_version {value}; Currently supported versions are: {list(SUPPORTED)}",
                path,
                value,
                self.findings.nearest(value, SUPPORTED),
            )
        elif self.check_versions and SUPPORTED[value] > merged.version:
            self.findings.log(
                28,
                "An import uses a different tosca_definitions_version than the one defined in the main blueprint's "
                f"file: main blueprint's file version is '{text_of(merged.version)}', import with different version "
                f"is '{found.name}', version of problematic import is '{value}'",
                path,
                found.name,
            )
            merged.too_new.add(found.text)

    def _import_blueprint(self, blueprint_id: str, entry: _Entry, merged: Merged) -> None:
        path = ("imports", entry.position)
        namespace = entry.namespace
        if not namespace:
            self.findings.log(
                213, f"Invalid blueprint:{blueprint_id}: blueprint import cannot be used without namespace", path
            )
            return
        known = merged.namespaces_mapping.get(namespace)
        if known is not None:
            if known != blueprint_id:
                self.findings.log(
                    214,
                    f"Invalid import namespace {namespace}: it was already used for blueprint {known}",
                    path,
                    blueprint_id,
                )
            return
        if self.depth >= MAX_BLUEPRINT_DEPTH:
            self.findings.log(13, "Import failed: blueprints import one another too deeply", path, blueprint_id)
            return
        imported = self.resolver.blueprint(blueprint_id)
        if imported is None:
            self.findings.add(
                Fault.IMPORT,
                None,
                f"Requested blueprint import `{blueprint_id}` was not found, please first upload the blueprint with "
                "that id.",
                path,
                value=blueprint_id,
            )
            return
        findings = Findings()
        importer = Importer(
            imported.resolver,
            self.cache,
            findings,
            check_blueprint=self.check_blueprint,
            check_versions=False,
            depth=self.depth + 1,
        )
        inner = importer.run(imported.main)
        main = SourceFile(imported.main.name, imported.main.text)
        self.findings.problems += self.check_blueprint(inner, imported.resolver, findings, main)
        if inner is not None:
            self._check_version(inner.files[0].tree, imported.main, merged, path)
            merged.add_blueprint(inner, namespace, blueprint_id)

    def _with_properties(
        self, tree: dict[Any, Any], properties: dict[str, Any], path: tuple[str | int, ...]
    ) -> dict[Any, Any]:
        """Return the file with the values given at its import in the plugins that declare properties."""
        plugins = tree.get("plugins")
        if not isinstance(plugins, dict):
            return tree
        result: dict[Any, Any] = {}
        for name, body in plugins.items():
            declared = body.get("properties") if isinstance(body, dict) else None
            if isinstance(declared, dict) and declared:
                body = {**body, "properties": self._filled(name, declared, properties, path)}
            result[name] = body
        return {**tree, "plugins": result}

    def _filled(
        self, plugin: str, declared: dict[Any, Any], given: dict[str, Any], path: tuple[str | int, ...]
    ) -> dict[Any, Any]:
        filled = {name: dict(schema) if isinstance(schema, dict) else schema for name, schema in declared.items()}
        for name, value in given.items():
            schema = filled.get(name)
            if schema is None:
                self.findings.log(
                    221,
                    f"Plugin '{plugin}' does not declare the property '{name}'",
                    (*path, name),
                    name,
                    self.findings.nearest(name, declared),
                )
                continue
            if not isinstance(schema, dict):
                continue
            if not is_function(value):
                self._check_property(plugin, name, value, schema.get("type"), (*path, name))
            schema["value"] = plain(value)
        return filled

    def _check_property(self, plugin: str, name: str, value: Any, declared: Any, path: tuple[str | int, ...]) -> None:
        allowed: dict[str, tuple[type, ...]] = {
            "string": (str, int),
            "integer": (int,),
            "float": (int, float),
            "boolean": (bool,),
            "list": (list,),
        }
        if declared is None:
            return
        if declared not in allowed:
            self.findings.add(
                Fault.FMT, 220, f"Property '{name}' of plugin '{plugin}' has an illegal type {declared!r}", path
            )
        elif not isinstance(value, allowed[declared]):
            self.findings.log(
                221,
                f"Property '{name}' of plugin '{plugin}' must be of type {declared}, it was given {value!r}",
                path,
                value,
            )


def _with_extra(tree: dict[Any, Any], extra: Any) -> dict[Any, Any]:
    """Return a plugin's file with the labels and tags that its record keeps."""
    result = {key: value for key, value in tree.items() if key not in extra}
    result.update({key: value for key, value in extra.items() if value is not None})
    return result
