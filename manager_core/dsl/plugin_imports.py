"""What a `plugin:` import asks for, and which file of a plugin answers it (contract §3.4). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from manager_core.dsl.errors import DslErrors, Fault

_SUFFIX = re.compile(r"_(\d+)_(\d+)\.ya?ml$")
_OPERATORS = ("<", ">", "=", "!", "~")


@dataclass(frozen=True)
class PluginQuery:
    """The text after ``plugin:``, taken apart.

    Attributes:
        name: the plugin's package name.
        specifiers: PEP 440 specifiers as text, a bare version means exactly that text; empty when any will do.
        distribution: the distribution the plugin must be for, or None.
    """

    name: str
    specifiers: tuple[str, ...] = ()
    distribution: str | None = None

    def matches(self, version: str) -> bool:
        """Tell whether a plugin's version satisfies every specifier."""
        for text in self.specifiers:
            if not text.startswith(_OPERATORS):
                if version != text:
                    return False
                continue
            try:
                if not SpecifierSet(text).contains(Version(version), prereleases=True):
                    return False
            except InvalidVersion:
                return False
        return True


def parse_query(text: str) -> PluginQuery:
    """Take ``NAME[?version=SPEC][&distribution=D]`` apart.

    Raises:
        DslErrors: InvalidBlueprintImport for an unknown parameter or a bad specifier.
    """
    name, _, query = text.partition("?")
    specifiers: list[str] = []
    distribution = None
    for part in filter(None, query.split("&")):
        key, _, value = part.partition("=")
        key, value = key.strip(), value.strip()
        if key == "version":
            specifiers = [item.strip() for item in value.split(",") if item.strip()]
        elif key == "distribution":
            distribution = value
        else:
            raise _refuse(f"Error parsing plugin import: unknown parameter {key!r} in `plugin:{text}`")
    for item in specifiers:
        if item.startswith(_OPERATORS):
            try:
                SpecifierSet(item)
            except InvalidSpecifier as error:
                raise _refuse(f"Specified version param {item!r} of the plugin {name} is in an invalid form") from error
    return PluginQuery(name.strip(), tuple(specifiers), distribution)


def best_version(query: PluginQuery, versions: Iterable[str]) -> str | None:
    """Return the highest of the versions that satisfy the query, or None."""
    fitting = [version for version in versions if query.matches(version)]
    return max(fitting, key=_order) if fitting else None


def _order(version: str) -> tuple[int, Version]:
    try:
        return 1, Version(version)
    except InvalidVersion:
        return 0, Version("0")


def choose_file(names: Iterable[str], dsl_version: tuple[int, int]) -> str | None:
    """Return which of a plugin's YAML files serves blueprints of a language version.

    Args:
        names: file names, any order.
        dsl_version: the main file's version, for instance ``(1, 4)``.

    Returns:
        The file made for that version; else the one for the highest version below it; else the one without a
        version in its name; None when there is no candidate.
    """
    plain: list[str] = []
    versioned: dict[tuple[int, int], str] = {}
    for name in sorted(names):
        found = _SUFFIX.search(name)
        if found:
            versioned.setdefault((int(found[1]), int(found[2])), name)
        elif name.endswith((".yaml", ".yml")):
            plain.append(name)
    usable = [version for version in versioned if version <= dsl_version]
    if usable:
        return versioned[max(usable)]
    if "plugin.yaml" in plain:
        return "plugin.yaml"
    return plain[0] if plain else None


def _refuse(message: str) -> DslErrors:
    return DslErrors.single(Fault.IMPORT, None, message)
