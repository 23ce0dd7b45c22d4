"""Reads plugin packages without running them: what kind they are, what they require, what identifies their content.

Wheels, wagons (a tar or zip of wheels with ``package.json``), source archives and project folders. What a plugin
requires of the predecessor's own libraries the SDK offers, so such requirements count as met.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import shutil
import tarfile
import tomllib
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path
from typing import Any

from manager_core.errors import Kind, ManagerError

OFFERED_BY_SDK = frozenset(
    {"cloudify-common", "cloudify-plugins-common", "cloudify-rest-client", "cloudify-script-plugin", "cloudify-agent"}
)
"""Distributions whose modules the SDK takes the place of, as normalised names."""

_NAME = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


class BrokenPlugin(ManagerError):
    """A plugin package cannot be read."""

    code = "invalid_plugin_error"
    kind = Kind.BAD_INPUT


@dataclass(frozen=True)
class Package:
    """What is known of a plugin's code.

    Attributes:
        kind: ``folder`` (modules or a project), ``wheel`` or ``wagon``.
        path: the folder or the file.
        requirements: what has to be installed beside it; None when that cannot be known without building it.
        paths: folders inside a ``folder`` that hold its modules.
        buildable: whether pip can install the path itself.
        name: distribution name, as far as known.
        pure: whether unpacking a wheel is all there is to installing it.
    """

    kind: str
    path: Path
    requirements: tuple[str, ...] | None = ()
    paths: tuple[Path, ...] = ()
    buildable: bool = False
    name: str = ""
    pure: bool = True


def content_hash(path: Path, *further: str) -> str:
    """Return a hash of a file's or a folder's content (names and bytes, compiled files left out) and of `further`
    texts."""
    digest = hashlib.sha256()
    for text in further:
        digest.update(text.encode() + b"\0")
    files = [path] if path.is_file() else sorted(item for item in path.rglob("*") if item.is_file())
    for item in files:
        relative = item.name if item == path else str(item.relative_to(path))
        if "__pycache__" in relative or relative.endswith(".pyc"):
            continue
        digest.update(relative.encode("utf-8", "surrogateescape") + b"\0")
        with item.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()[:32]


def inspect(path: Path, unpack_to: Path) -> Package:
    """Find out what a plugin's folder or file is.

    Args:
        path: a folder, or a wheel, wagon, zip or tar file.
        unpack_to: an empty folder for what has to be unpacked to know.

    Raises:
        BrokenPlugin: it is none of these, or holds no plugin.
    """
    if path.is_dir():
        return _inspect_folder(path)
    if path.suffix == ".whl":
        return _inspect_wheel(path)
    if not path.is_file():
        raise BrokenPlugin(f"There is no plugin at {path.name}")
    name = _wheel_name(path)
    if name is not None:  # a stored package has lost its name, by which pip knows a wheel
        unpack_to.mkdir(parents=True, exist_ok=True)
        return _inspect_wheel(Path(shutil.copy(path, unpack_to / name)))
    unpack(path, unpack_to)
    return _inspect_unpacked(unpack_to, path.name)


def _inspect_unpacked(folder: Path, name: str) -> Package:
    root = folder
    entries = [entry for entry in root.iterdir() if entry.name != "__MACOSX"]
    if (root / "package.json").is_file() and (root / "wheels").is_dir():
        return _inspect_wagon(root)
    inner = [entry for entry in entries if entry.suffix in (".wgn", ".whl")]
    if len(inner) == 1:  # an uploaded plugin: the package and its plugin.yaml files
        return inspect(inner[0], folder / ".inner")
    if len(entries) == 1 and entries[0].is_dir():
        return _inspect_unpacked(entries[0], name)
    if any(entry.suffix == ".py" or (entry / "__init__.py").is_file() for entry in entries) or _is_project(root):
        return _inspect_folder(root)
    raise BrokenPlugin(f"{name} holds no plugin: neither a wagon or a wheel, nor a Python project")


def unpack(archive: Path, target: Path) -> None:
    """Unpack a zip or tar file; members that would leave `target` are refused.

    Raises:
        BrokenPlugin: it is neither, or damaged.
    """
    target.mkdir(parents=True, exist_ok=True)
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                opened.extractall(target)  # noqa: S202 - zipfile sanitises the names of members
        elif tarfile.is_tarfile(archive):
            with tarfile.open(archive) as opened_tar:
                opened_tar.extractall(target, filter="data")
        else:
            raise BrokenPlugin(f"{archive.name} is neither a zip nor a tar file")
    except (OSError, EOFError, zipfile.BadZipFile, tarfile.TarError, RuntimeError) as error:
        raise BrokenPlugin(f"{archive.name} cannot be unpacked: {error}") from error


# --- folders
# --------------------------------------------------------------------------------------------------------------


def _is_project(folder: Path) -> bool:
    return (folder / "setup.py").is_file() or (folder / "pyproject.toml").is_file()


def _inspect_folder(folder: Path) -> Package:
    paths: list[Path] = [folder]
    requirements: tuple[str, ...] | None = ()
    if (folder / "pyproject.toml").is_file():
        requirements = _pyproject_requirements(folder / "pyproject.toml", (folder / "setup.py").is_file())
    if (folder / "setup.py").is_file():
        stated, package_root, compiled = _setup_facts(folder / "setup.py")
        if stated is None or compiled or requirements is None:
            requirements = None
        else:
            requirements = (*requirements, *stated)
        if package_root:
            paths.insert(0, folder / package_root)
    elif not _is_project(folder) and (folder / "requirements.txt").is_file():
        requirements = _requirements_file(folder / "requirements.txt")
    if (folder / "src").is_dir() and folder / "src" not in paths:
        paths.append(folder / "src")
    return Package(
        "folder",
        folder,
        None if requirements is None else needed(requirements),
        paths=tuple(paths),
        buildable=_is_project(folder),
        name=folder.name,
    )


def _requirements_file(path: Path) -> tuple[str, ...] | None:
    """Return the requirements of a plain file; None when it has options, which pip has to read."""
    lines = [line.partition(" #")[0].strip() for line in path.read_text(errors="replace").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    return None if any(line.startswith("-") for line in lines) else tuple(lines)


def _pyproject_requirements(path: Path, has_setup: bool) -> tuple[str, ...] | None:
    try:
        document = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BrokenPlugin(f"{path.name} of the plugin is broken: {error}") from error
    project = document.get("project")
    if not isinstance(project, dict):
        return () if has_setup else None
    if "dependencies" in project.get("dynamic", []):
        return () if has_setup else None
    return tuple(str(entry) for entry in project.get("dependencies", []))


def _setup_facts(path: Path) -> tuple[tuple[str, ...] | None, str | None, bool]:
    """Return from a ``setup.py``, read and not run: its requirements (None: computed), its package root, if it
    compiles."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        raise BrokenPlugin(f"setup.py of the plugin is broken: {error}") from error
    names: dict[str, ast.expr] = {}
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target = statement.targets[0]
            if isinstance(target, ast.Name):
                names[target.id] = statement.value
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "setup":
            if any(keyword.arg is None for keyword in node.keywords):
                return None, None, False  # setup(**something)
            stated = {str(keyword.arg): keyword.value for keyword in node.keywords}
            compiled = "ext_modules" in stated
            requirements = _literal(stated.get("install_requires"), names, [])
            root = _literal(stated.get("package_dir"), names, {})
            package_root = root.get("") if isinstance(root, dict) else None
            if isinstance(requirements, str):
                requirements = requirements.splitlines()
            if not isinstance(requirements, list | tuple):
                return None, package_root, compiled
            return tuple(str(entry) for entry in requirements if entry), package_root, compiled
    return None, None, False


def _literal(node: ast.expr | None, names: dict[str, ast.expr], default: Any) -> Any:
    """Return the value of a literal, or of a name bound to one; None when it is computed."""
    if node is None:
        return default
    if isinstance(node, ast.Name):
        node = names.get(node.id, node)
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


# --- wheels and wagons
# ----------------------------------------------------------------------------------------------------


def _inspect_wheel(path: Path) -> Package:
    try:
        with zipfile.ZipFile(path) as wheel:
            members = wheel.namelist()
            metadata = next(member for member in members if member.endswith(".dist-info/METADATA"))
            headers = Parser().parsestr(wheel.read(metadata).decode("utf-8", "replace"))
    except (OSError, zipfile.BadZipFile, StopIteration) as error:
        raise BrokenPlugin(f"{path.name} is not a wheel") from error
    stated = [str(entry) for entry in headers.get_all("Requires-Dist") or []]
    plain = tuple(entry for entry in stated if "extra ==" not in entry.replace("extra==", "extra =="))
    pure = not any(".data/" in member for member in members)
    return Package("wheel", path, needed(plain), name=str(headers["Name"] or ""), pure=pure)


def _wheel_name(path: Path) -> str | None:
    """Return the file name that belongs to a wheel, made from what is in it; None when the file is no wheel."""
    try:
        with zipfile.ZipFile(path) as archive:
            stated = [name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/WHEEL", name)]
            if len(stated) != 1:
                return None
            tags = Parser().parsestr(archive.read(stated[0]).decode("utf-8", "replace")).get_all("Tag") or []
    except (OSError, zipfile.BadZipFile):
        return None
    parts = zip(*(tag.strip().split("-") for tag in tags if tag.count("-") == 2), strict=True)
    joined = "-".join(".".join(sorted(set(part))) for part in parts)
    return f"{stated[0].partition('.dist-info/')[0]}-{joined or 'py3-none-any'}.whl"


def _inspect_wagon(root: Path) -> Package:
    try:
        described = json.loads((root / "package.json").read_text())
        name = str(described["package_name"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BrokenPlugin("The wagon's package.json is broken") from error
    wheels = sorted((root / "wheels").glob("*.whl"))
    own = [wheel for wheel in wheels if normalised(wheel.name.partition("-")[0]) == normalised(name)]
    if len(own) != 1:
        raise BrokenPlugin(f"The wagon holds no wheel of {name}")
    package = _inspect_wheel(own[0])
    return Package("wagon", root, package.requirements, name=name, pure=package.pure, paths=(own[0],))


def extract_wheel(wheel: Path, target: Path) -> None:
    """Install a pure wheel by unpacking it."""
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    unpack(wheel, partial)
    partial.rename(target)


# --- requirements
# ---------------------------------------------------------------------------------------------------------


def needed(requirements: Iterable[str]) -> tuple[str, ...]:
    """Return the requirements that the SDK does not meet."""
    return tuple(entry.strip() for entry in requirements if _distribution(entry) not in OFFERED_BY_SDK)


def _distribution(requirement: str) -> str:
    match = _NAME.match(requirement)
    return normalised(match[1]) if match else requirement


def normalised(name: str) -> str:
    """Return a distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()
