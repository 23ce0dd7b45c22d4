"""Merges a blueprint's files into one set of sections (contract §2.1, §3.6).

Files come in the order of their imports, the main file first. Each element remembers the file it came from and
whether that file is the built-in types file: built-in elements, and names of ``cloudify.``, replace what was there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from manager_core.dsl.errors import Fault, Findings
from manager_core.dsl.namespaces import Rewriter, join, prefixed
from manager_core.dsl.versions import text_of

MERGED = {
    "node_types",
    "relationships",
    "data_types",
    "plugins",
    "workflows",
    "groups",
    "policy_types",
    "policy_triggers",
}
"""Sections merged by name, in every version."""
MERGED_SINCE_1_3 = {
    "inputs",
    "outputs",
    "capabilities",
    "node_templates",
    "labels",
    "blueprint_labels",
    "resource_tags",
}
"""Sections merged by name when the main file's version is 1_3 or later."""
NEVER_MERGED = {"policies", "deployment_settings"}
FIRST_WINS = {"description", "metadata"}
IGNORED = {"tosca_definitions_version", "imports", "dsl_definitions"}
EARLIER_WINS = {"labels", "blueprint_labels", "resource_tags"}
SECTIONS = (
    IGNORED | FIRST_WINS | NEVER_MERGED | MERGED | MERGED_SINCE_1_3 | {"imported_blueprints", "namespaces_mapping"}
)
BY_NAME = MERGED | MERGED_SINCE_1_3 | {"policies"}


@dataclass(frozen=True)
class SourceFile:
    """A file's name and text, kept for finding the line of a problem."""

    name: str
    text: str
    tree: Any = field(repr=False, default=None)


@dataclass(frozen=True)
class Origin:
    """Where an element was written: its file, and its name there."""

    file: SourceFile
    name: str


@dataclass
class Fragment:
    """One file on its way into the merge: its tree, its namespace and what it is."""

    file: SourceFile
    tree: dict[Any, Any]
    namespace: str = ""
    main: bool = False


class Merged:
    """The sections of a blueprint with all its imports.

    Attributes:
        sections: section → merged body.
        origins: (section, name) → where the element was first written.
        section_origins: section → the file that first carried it.
        built_in: (section, name) of elements from a built-in types file.
        imported_blueprints: ids of the blueprints that this one itself imports, with repetition.
        namespaces_mapping: namespace → id of the blueprint imported under it.
        files: every file, main file first.
        too_new: texts of imported files whose version is higher than the main file's; what they use is not reported.
    """

    def __init__(self, version: tuple[int, int], findings: Findings) -> None:
        self.version = version
        self.findings = findings
        self.sections: dict[str, Any] = {}
        self.origins: dict[tuple[str, Any], Origin] = {}
        self.section_origins: dict[str, SourceFile] = {}
        self.built_in: set[tuple[str, Any]] = set()
        self.imported_blueprints: list[str] = []
        self.too_new: set[str] = set()
        self._nested_blueprints: list[str] = []
        self.namespaces_mapping: dict[str, str] = {}
        self.files: list[SourceFile] = []

    def add(self, fragment: Fragment) -> None:
        """Merge one file."""
        self.files.append(fragment.file)
        built_in = is_built_in(fragment.tree)
        namespace = "" if built_in else fragment.namespace
        rewriter = Rewriter(namespace) if namespace else None
        for section, body in fragment.tree.items():
            if section not in SECTIONS:
                self._unknown(section, fragment)
            elif section in IGNORED:
                if fragment.main:
                    self._keep(section, body, fragment.file)
            elif body is None:
                continue
            elif section in FIRST_WINS:
                self._keep_first(section, body, fragment.file, namespace)
            elif section in BY_NAME:
                self._merge_section(section, body, fragment.file, rewriter, built_in)
            elif section in NEVER_MERGED:
                self._keep_only(section, body, fragment.file)
            else:
                self._take_bookkeeping(section, body)

    def _keep_first(self, section: str, body: Any, file: SourceFile, namespace: str) -> None:
        if section in self.sections:
            return
        if section == "metadata" and namespace and isinstance(body, dict):
            body = {prefixed(namespace, key): value for key, value in body.items()}
        self._keep(section, body, file)

    def _keep_only(self, section: str, body: Any, file: SourceFile) -> None:
        if section in self.sections:
            self._not_mergeable(section)
        else:
            self._keep(section, body, file)

    def _take_bookkeeping(self, section: str, body: Any) -> None:
        """Take over what a blueprint that was merged before says about its own imports."""
        if section == "imported_blueprints" and isinstance(body, list):
            self.imported_blueprints += [item for item in body if isinstance(item, str)]
        elif section == "namespaces_mapping" and isinstance(body, dict):
            self.namespaces_mapping.update({str(name): str(item) for name, item in body.items()})

    def add_blueprint(self, inner: Merged, namespace: str, blueprint_id: str) -> None:
        """Merge an imported blueprint, already merged with its own imports, under a namespace."""
        self.files += inner.files
        rewriter = Rewriter(namespace)
        for section, body in inner.sections.items():
            file = inner.section_origins.get(section)
            if section in BY_NAME and isinstance(body, dict) and file is not None:
                self._merge_blueprint_section(section, body, inner, rewriter)
            elif section in FIRST_WINS and file is not None:
                self._keep_first(section, body, file, "" if is_built_in(file.tree) else namespace)
            elif section == "deployment_settings" and file is not None:
                self._keep_only(section, body, file)
        self.imported_blueprints.append(blueprint_id)
        self._nested_blueprints += inner.all_imported_blueprints()
        self.namespaces_mapping[namespace] = blueprint_id
        for name, imported in inner.namespaces_mapping.items():
            self.namespaces_mapping[join(namespace, name)] = imported

    def is_too_new(self, path: tuple[str | int, ...]) -> bool:
        """Tell whether a path leads into a file whose version was refused already."""
        if not self.too_new or not path:
            return False
        origin = self.origins.get((str(path[0]), path[1])) if len(path) > 1 else None
        file = origin.file if origin is not None else self.section_origins.get(str(path[0]))
        return file is not None and file.text in self.too_new

    def all_imported_blueprints(self) -> list[str]:
        """Return the own ids with repetition, then those that the imported blueprints import, each once."""
        result = list(self.imported_blueprints)
        for blueprint_id in self._nested_blueprints:
            if blueprint_id not in result:
                result.append(blueprint_id)
        return result

    def _merge_blueprint_section(self, section: str, body: dict[Any, Any], inner: Merged, rewriter: Rewriter) -> None:
        existing = self._open(section, inner.section_origins[section])
        if existing is None:
            return
        for name, element in body.items():
            built_in = (section, name) in inner.built_in
            own = inner.origins[section, name]
            if built_in:
                self._merge_element(section, existing, name, element, own, built_in=True)
            else:
                self._merge_element(
                    section, existing, rewriter.name(name), rewriter.element(section, element), own, built_in=False
                )

    def _unknown(self, section: Any, fragment: Fragment) -> None:
        known = sorted(SECTIONS)
        if isinstance(section, str):
            message = f"'{section}' is not in schema. Valid schema values: {known}"
        else:
            message = f"Dict keys must be strings but found '{section}' of type '{type(section).__name__}'"
        self.section_origins.setdefault(section, fragment.file)
        self.findings.fmt(message, (section,), section, self.findings.nearest(section, known))

    def _keep(self, section: str, body: Any, file: SourceFile) -> None:
        self.sections[section] = body
        self.section_origins[section] = file

    def _open(self, section: str, file: SourceFile) -> dict[Any, Any] | None:
        """Return the section to merge into; None after recording why it may not be merged."""
        existing = self.sections.get(section)
        if existing is None:
            existing = {}
            self._keep(section, existing, file)
            return existing
        if section in NEVER_MERGED or (section in MERGED_SINCE_1_3 and self.version < (1, 3)):
            self._not_mergeable(section)
            return None
        return existing if isinstance(existing, dict) else None

    def _not_mergeable(self, section: str) -> None:
        message = f"Import failed: non-mergeable field: '{section}'"
        if section in MERGED_SINCE_1_3:
            message += f". {section} can be imported multiple times only from {text_of((1, 3))} and above."
        self.findings.log(3, message, ("imports",), section)

    def _merge_section(
        self, section: str, body: Any, file: SourceFile, rewriter: Rewriter | None, built_in: bool
    ) -> None:
        if not isinstance(body, dict):
            self.section_origins.setdefault(section, file)
            self.findings.fmt(f"Expected 'dict' type but found '{type_name(body)}' type", (section,), body)
            return
        existing = self._open(section, file)
        if existing is None:
            return
        for name, element in body.items():
            own = Origin(file, name)
            if not isinstance(name, str):
                self.origins.setdefault((section, name), own)
                self.findings.fmt(
                    f"Dict keys must be strings but found '{name}' of type '{type_name(name)}'", (section,), name
                )
                continue
            if rewriter is not None:
                element = rewriter.element(section, element)
                self._merge_element(section, existing, rewriter.name(name), element, own, built_in=built_in)
            else:
                self._merge_element(section, existing, name, element, own, built_in=built_in)

    def _merge_element(
        self, section: str, existing: dict[Any, Any], name: Any, element: Any, origin: Origin, *, built_in: bool
    ) -> None:
        key = (section, name)
        if name not in existing or built_in or name.startswith("cloudify."):
            existing[name] = element
            self.origins[key] = origin
        elif section in EARLIER_WINS:
            return
        elif section == "workflows" and isinstance(existing[name], dict | str) and isinstance(element, dict | str):
            self._merge_workflow(existing, name, element)
        elif section == "node_templates" and _only_relationships(existing[name], element):
            existing[name] = _join_relationships(existing[name], element)
        else:
            self.findings.log(
                4, f"Import failed: Could not merge '{section}' due to conflict on '{name}'", (section, name), name
            )
            return
        if built_in:
            self.built_in.add(key)

    def _merge_workflow(self, existing: dict[Any, Any], name: str, element: Any) -> None:
        earlier = existing[name]
        if isinstance(earlier, str) or isinstance(element, str):
            self.findings.add(
                Fault.TYPE,
                None,
                f"Import failed: Could not merge 'workflows' due to conflict on '{name}': "
                "both definitions must be mappings",
                ("workflows", name),
                value=name,
            )
            return
        existing[name] = {**earlier, **{key: value for key, value in element.items() if key not in earlier}}


def is_built_in(tree: dict[Any, Any]) -> bool:
    """Tell whether a file is a built-in types file: it defines ``cloudify.nodes.Root`` (contract §3.3)."""
    types = tree.get("node_types")
    return isinstance(types, dict) and "cloudify.nodes.Root" in types


def _only_relationships(earlier: Any, later: Any) -> bool:
    if not isinstance(earlier, dict) or not isinstance(later, dict):
        return False
    if not isinstance(earlier.get("relationships"), list) or not isinstance(later.get("relationships"), list):
        return False
    return len(earlier) == 1 or len(later) == 1


def _join_relationships(earlier: dict[Any, Any], later: dict[Any, Any]) -> dict[Any, Any]:
    full = later if len(earlier) == 1 else earlier
    return {**full, "relationships": [*earlier["relationships"], *later["relationships"]]}


def type_name(value: Any) -> str:
    """Return the name that messages give to a value's type."""
    names = {"str": "string", "int": "integer", "bool": "boolean", "NoneType": "null"}
    name = type(value).__name__
    return names.get(name, name)
