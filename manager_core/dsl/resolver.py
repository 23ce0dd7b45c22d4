"""Where imports are read from: the port that the parser calls, and the resolver for files on disk.

The parser itself opens nothing. `FolderResolver` serves blueprints that lie in a folder (an uploaded archive,
`cloudify-manager plan`); the manager gives it its own catalogues of plugins and blueprints as functions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from manager_core.dsl.errors import DslErrors, Fault
from manager_core.dsl.plugin_imports import PluginQuery, best_version, choose_file
from manager_core.dsl.source import MAX_TEXT, load

SCHEMES = ("http", "https", "file", "ftp", "plugin", "blueprint")
"""The text before the first ``:`` that makes an import entry a URL (contract §3.2)."""

_SPEC_URL = re.compile(r"https?://(?:www\.)?(?:getcloudify\.org|cloudify\.co)/spec/cloudify/([^/]+)/types\.yaml$")
_SPEC_FILES = {
    "4.3.3": "spec_4.yaml",
    "4.4": "spec_4.yaml",
    "4.5": "spec_4.yaml",
    "4.5.5": "spec_4.yaml",
    "4.6": "spec_4.yaml",
    "5.0.5": "spec_5_0.yaml",
    "5.1.0": "spec_5_1.yaml",
    "5.1.1": "spec_5_1.yaml",
    "5.2.0": "spec_5_1.yaml",
    "6.1.0": "spec_6_1.yaml",
    "6.2.0": "spec_6_1.yaml",
    "6.3.0": "spec_6_3_0.yaml",
    "6.3.1": "spec_6_3_1.yaml",
}
BUILTIN_TYPES = Path(__file__).resolve().parents[2] / "blueprints" / "types"
"""The folder of our own built-in types files."""


@dataclass(frozen=True)
class Found:
    """A file that an import led to.

    Attributes:
        url: what tells files apart: two imports with the same url and namespace are one.
        text: the file's text.
        name: what messages call it.
        extra: sections that replace those of the file (labels and tags of a plugin's record), or None.
    """

    url: str
    text: str
    name: str
    extra: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class ImportedBlueprint:
    """An uploaded blueprint: its main file and the resolver for what that imports."""

    main: Found
    resolver: Resolver


class Resolver(Protocol):
    """What the parser asks of the world."""

    def read(self, entry: str, importer: str, version: tuple[int, int]) -> Found | None:
        """Find a file or URL entry.

        Args:
            entry: the import's text without its namespace; a path or a URL of http, https, ftp or file.
            importer: `Found.url` of the file that holds the entry.
            version: the main file's language version, which selects version variants (contract §3.2).

        Returns:
            The file, or None when it is nowhere.
        """
        ...

    def plugin(self, query: PluginQuery, version: tuple[int, int]) -> Found | None:
        """Find the file of the highest plugin that satisfies the query; None when there is none."""
        ...

    def blueprint(self, blueprint_id: str) -> ImportedBlueprint | None:
        """Find an uploaded blueprint; None when there is none."""
        ...

    def is_file(self, relative: str) -> bool:
        """Tell whether a path below the main file's folder is a file (contract §7.3)."""
        ...


@dataclass
class FolderResolver:
    """Reads a blueprint that lies in a folder.

    Attributes:
        folder: where the main file lies; scripts are sought here.
        root: no file outside it is read through a relative path (the archive's top folder); None: no such limit.
        resources: folders where relative imports are sought that are not beside the importing file.
        plugins: a function from query and version to a plugin's file.
        blueprints: a function from an id to an uploaded blueprint.
        fetch: a function that reads a URL from the network, or None: the network is never used.
        local_urls: whether ``file:`` URLs are followed.
    """

    folder: Path
    root: Path | None = None
    resources: Iterable[Path] = ()
    plugins: Callable[[PluginQuery, tuple[int, int]], Found | None] | None = None
    blueprints: Callable[[str], ImportedBlueprint | None] | None = None
    fetch: Callable[[str], str | None] | None = None
    local_urls: bool = False
    _known_files: dict[str, bool] = field(default_factory=dict, repr=False)

    def read(self, entry: str, importer: str, version: tuple[int, int]) -> Found | None:
        """See `Resolver.read`."""
        scheme = entry.partition(":")[0]
        if scheme == "file" and ":" in entry:
            path = Path("/" + entry.partition(":")[2].lstrip("/"))
            return self._file(path, None) if self.local_urls else None
        if scheme in SCHEMES and ":" in entry:
            return self._url(entry)
        if importer.startswith(("http:", "https:", "ftp:")):
            beside = self._url(importer.rpartition("/")[0] + "/" + entry)
            if beside is not None:
                return beside
        elif importer and not importer.startswith(("builtin:", "plugin:")):
            beside = self._file(Path(importer).parent / entry, self.root)
            if beside is not None:
                return beside
        stem, dot, extension = entry.rpartition(".")
        variants = [entry]
        if dot:
            variants.insert(0, f"{stem}_{version[0]}_{version[1]}.{extension}")
        for variant in variants:
            for resources in self.resources:
                found = self._file(resources / variant, resources)
                if found is not None:
                    return found
            built_in = builtin_types(variant)
            if built_in is not None:
                return built_in
        return None

    def plugin(self, query: PluginQuery, version: tuple[int, int]) -> Found | None:
        """See `Resolver.plugin`."""
        return self.plugins(query, version) if self.plugins is not None else None

    def blueprint(self, blueprint_id: str) -> ImportedBlueprint | None:
        """See `Resolver.blueprint`."""
        return self.blueprints(blueprint_id) if self.blueprints is not None else None

    def is_file(self, relative: str) -> bool:
        """See `Resolver.is_file`. Answers are kept: a plan asks for the same script many times."""
        known = self._known_files.get(relative)
        if known is None:
            known = self._known_files[relative] = self._is_file(relative)
        return known

    def _is_file(self, relative: str) -> bool:
        try:
            path = self.folder / relative.lstrip("/")
            return path.is_file() and _inside(path, self.root)
        except (OSError, ValueError):
            return False

    def _url(self, url: str) -> Found | None:
        spec = _SPEC_URL.match(url)
        if spec:
            name = _spec_file(spec[1])
            if name is not None:
                return _built_in(name)
        if self.fetch is None:
            return None
        text = self.fetch(url)
        return None if text is None else Found(url, text, url)

    def _file(self, path: Path, root: Path | None) -> Found | None:
        try:
            if not path.is_file() or not _inside(path, root):
                return None
            # Normalising makes one file one import, however it is reached.
            resolved = path.resolve()
            if resolved.stat().st_size > MAX_TEXT:
                raise DslErrors.single(Fault.LOG, 13, f"Import failed: the file {path.name} is too large")
            text = resolved.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise DslErrors.single(Fault.FMT, -1, f"Failed to parse DSL: {path.name} is not UTF-8 text") from error
        except (OSError, ValueError):
            return None
        # Messages go to whoever uploads: inside an archive they name files from its top.
        name = str(resolved.relative_to(root.resolve())) if root is not None else str(path)
        return Found(str(resolved), text, name)


def _inside(path: Path, root: Path | None) -> bool:
    return root is None or path.resolve().is_relative_to(root.resolve())


def builtin_types(entry: str) -> Found | None:
    """Return the built-in types file an import entry names, or None."""
    folder, _, name = entry.rpartition("/")
    if folder == "cloudify/types" and re.fullmatch(r"types(_\d+_\d+)?\.yaml", name):
        return _built_in(name)
    return None


def _spec_file(version: str) -> str | None:
    known = _SPEC_FILES.get(version)
    if known is not None:
        return known
    numbers = re.findall(r"\d+", version)
    if len(numbers) >= 2 and tuple(map(int, numbers[:2])) >= (6, 4):
        return "types.yaml"
    return None


def _built_in(name: str) -> Found | None:
    path = BUILTIN_TYPES / name
    if not path.is_file():
        return None
    return Found(f"builtin:{name}", path.read_text(encoding="utf-8"), f"cloudify/types/{name}")


def plugins_in_folder(folder: Path) -> Callable[[PluginQuery, tuple[int, int]], Found | None]:
    """Serve plugins laid out as ``folder/NAME/VERSION/plugin*.yaml``.

    Args:
        folder: the top folder.

    Returns:
        The function that `FolderResolver.plugins` wants.
    """

    def find(query: PluginQuery, version: tuple[int, int]) -> Found | None:
        home = folder / query.name
        if "/" in query.name or query.name in ("", ".", "..") or not home.is_dir():
            return None
        best = best_version(query, [path.name for path in home.iterdir() if path.is_dir()])
        if best is None:
            return None
        name = choose_file([path.name for path in (home / best).glob("*.y*ml")], version)
        if name is None:
            return None
        text = (home / best / name).read_text(encoding="utf-8-sig")
        url = f"plugin:{query.name}/{best}/{name}"
        return Found(url, text, url, _recorded_sections(home / best))

    return find


RECORDED_SECTIONS = ("labels", "blueprint_labels", "resource_tags")
"""Sections of a plugin that its record keeps: filled at upload from the file named plugin.yaml, else from the first."""


def recorded_sections(text: str, name: str) -> dict[str, Any]:
    """Return what a plugin's record keeps of its file: labels as ``{key: {values: […]}}``, and tags.

    Args:
        text: the file named plugin.yaml, else the plugin's first YAML file.
        name: what messages call it.

    Raises:
        DslErrors: the file is not YAML.
    """
    result: dict[str, Any] = dict.fromkeys(RECORDED_SECTIONS)
    if not any(section in text for section in RECORDED_SECTIONS):
        return result
    tree = load(text, name)
    for section in RECORDED_SECTIONS:
        body = tree.get(section) if isinstance(tree, dict) else None
        if isinstance(body, dict) and body:
            result[section] = body if section == "resource_tags" else {k: _label(v) for k, v in body.items()}
    return result


def _label(body: Any) -> Any:
    return {"values": body} if isinstance(body, list) else body


def _recorded_sections(folder: Path) -> dict[str, Any]:
    names = sorted(path.name for path in folder.glob("*.y*ml"))
    name = "plugin.yaml" if "plugin.yaml" in names else names[0]
    return recorded_sections((folder / name).read_text(encoding="utf-8-sig"), name)
