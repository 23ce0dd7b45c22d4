"""Reading an uploaded plugin: a zip with one wagon (or wheel) and its YAML files, or a bare wagon (REST contract §16).

Only metadata are read here; nothing of the package is executed or unpacked to disk but the package file itself.
"""

from __future__ import annotations

import email.parser
import json
import tarfile
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

import yaml
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from manager_core.blueprints.archives import BLOCK, Limits, archive_format, check_zip_directory, counted_tar
from manager_core.dsl.errors import DslErrors
from manager_core.dsl.source import load
from manager_core.errors import Kind, ManagerError
from manager_core.plugins.older_language import with_older

LARGEST_PACKAGE = 4 << 30
"""Bytes of a package inside a zip."""

_LARGEST_YAML = 4 << 20
_MOST_YAMLS = 50
_LARGEST_METADATA = 4 << 20
_LONGEST_TEXT = 1024
_NO_PACKAGE = "Archive must include one wgn file and one or more yaml files"
_NO_INPUT = "input can be only a wagon or a zip file."


class InvalidPlugin(ManagerError):
    """The upload is no plugin."""

    code = "invalid_plugin_error"
    kind = Kind.BAD_INPUT


@dataclass(frozen=True)
class Package:
    """What is known of a plugin package.

    Attributes:
        fields: the columns of a `Plugin` row that come from the package.
        yaml_files: file name → text.
        extra: `labels`, `blueprint_labels` and `resource_tags` of the main YAML file.
        member: name of the package inside the zip; None when the upload is the package.
    """

    fields: dict[str, Any]
    yaml_files: dict[str, str] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    member: str | None = None


def read(upload: Path, scratch: Path) -> Package:
    """Read an upload.

    Args:
        upload: the file as it came.
        scratch: where to write the package found in a zip; written when `member` of the answer is not None.

    Raises:
        InvalidPlugin: it is neither, or its metadata cannot be read.
    """
    try:
        if not zipfile.is_zipfile(upload):
            return Package(_wagon_of_tar(upload))
        check_zip_directory(upload)
        with zipfile.ZipFile(upload) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
            packages = [name for name in names if name.lower().endswith((".wgn", ".whl"))]
            bare = next((name for name in names if PurePosixPath(name).name == "package.json"), None)
            if bare is not None and not any(name.lower().endswith(".wgn") for name in names):
                return Package(_wagon_fields(_limited(archive, bare, _LARGEST_METADATA)))
            yamls = [name for name in names if name.lower().endswith((".yaml", ".yml"))]
            if len(packages) != 1 or not yamls:
                raise InvalidPlugin(_NO_PACKAGE)
            texts = _yaml_texts(archive, yamls)
            with archive.open(packages[0]) as source, scratch.open("wb") as target:
                _copy(source, target, packages[0])
            fields = _package_fields(scratch, PurePosixPath(packages[0]).name)
            return Package(fields, with_older(texts), _extra(texts), packages[0])
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, NotImplementedError, RuntimeError) as error:
        raise InvalidPlugin(f"The plugin package cannot be read: {error}") from error


def _copy(source: IO[bytes], target: IO[bytes], name: str) -> None:
    size = 0
    while block := source.read(BLOCK):
        size += len(block)
        if size > LARGEST_PACKAGE:
            raise InvalidPlugin(f"{name} expands to more than {LARGEST_PACKAGE >> 20} MB")
        target.write(block)


def _limited(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    with archive.open(name) as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise InvalidPlugin(f"{name} is too large")
    return data


def _yaml_texts(archive: zipfile.ZipFile, names: list[str]) -> dict[str, str]:
    if len(names) > _MOST_YAMLS:
        raise InvalidPlugin(f"A plugin archive has at most {_MOST_YAMLS} yaml files")
    texts = {}
    for name in sorted(names):
        try:
            text = _limited(archive, name, _LARGEST_YAML).decode("utf-8-sig")
            content = load(text, PurePosixPath(name).name)
        except UnicodeDecodeError as error:
            raise InvalidPlugin(f"The plugin yaml file {name} is not UTF-8 text") from error
        except (DslErrors, yaml.YAMLError) as error:
            raise InvalidPlugin(f"The provided plugin's description ({name}) can not be read.\n{error}") from error
        if not isinstance(content, dict):
            raise InvalidPlugin(f"The provided plugin's description ({name}) is not a mapping")
        texts[PurePosixPath(name).name] = text
    return texts


def _extra(texts: dict[str, str]) -> dict[str, Any]:
    main = "plugin.yaml" if "plugin.yaml" in texts else next(iter(texts))
    content = load(texts[main], main)
    return {
        "labels": _label_section(content.get("labels")),
        "blueprint_labels": _label_section(content.get("blueprint_labels")),
        "resource_tags": content.get("resource_tags"),
    }


def _label_section(section: Any) -> Any:
    """Return labels in the language's form, name → {values: […]}; lists of one-entry mappings are turned into it."""
    if not isinstance(section, list):
        return section
    found: dict[str, Any] = {}
    for item in section:
        for key, value in item.items() if isinstance(item, dict) else ():
            values = value if isinstance(value, list) else [value]
            found.setdefault(str(key), {"values": []})["values"].extend(values)
    return found


def _package_fields(package: Path, name: str) -> dict[str, Any]:
    if name.lower().endswith(".whl"):
        return _wheel_fields(package, name)
    if zipfile.is_zipfile(package):
        check_zip_directory(package)
        with zipfile.ZipFile(package) as archive:
            for member in archive.namelist():
                if PurePosixPath(member).name == "package.json":
                    return _wagon_fields(_limited(archive, member, _LARGEST_METADATA))
        raise InvalidPlugin(_NO_PACKAGE)
    return _wagon_of_tar(package)


def _wagon_of_tar(package: Path) -> dict[str, Any]:
    kind = archive_format(package)
    if kind in (None, "zip"):
        raise InvalidPlugin(_NO_INPUT)
    limit = Limits().expanded(package.stat().st_size)
    try:
        with counted_tar(package, str(kind), limit) as archive:
            while (member := archive.next()) is not None:
                archive.members = []  # type: ignore[attr-defined]  # the list would grow with the archive
                if PurePosixPath(member.name).name != "package.json" or not member.isreg():
                    continue
                if member.size > _LARGEST_METADATA:
                    raise InvalidPlugin("package.json is too large")
                stream = archive.extractfile(member)
                assert stream is not None
                return _wagon_fields(stream.read())
    except tarfile.ReadError as error:
        raise InvalidPlugin(_NO_INPUT) from error
    raise InvalidPlugin(_NO_INPUT)


def _wagon_fields(text: bytes) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidPlugin(f"The wagon's package.json cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise InvalidPlugin("The wagon's package.json cannot be read: it is no object")
    built = data.get("build_server_os_properties") or {}
    if not isinstance(built, dict):
        raise InvalidPlugin("The wagon's package.json cannot be read: build_server_os_properties is no object")
    if not data.get("package_name"):
        raise InvalidPlugin("The wagon's package.json cannot be read: it has no package_name")
    if "/" in (_text(data, "archive_name") or ""):
        raise InvalidPlugin("The wagon's package.json cannot be read: archive_name is no file name")
    return {
        "package_name": _text(data, "package_name"),
        "package_version": _text(data, "package_version"),
        "archive_name": _text(data, "archive_name"),
        "package_source": _text(data, "package_source"),
        "supported_platform": _text(data, "supported_platform"),
        "supported_py_versions": _texts(data, "supported_python_versions"),
        "distribution": _text(built, "distribution"),
        "distribution_version": _text(built, "distribution_version"),
        "distribution_release": _text(built, "distribution_release"),
        "wheels": _texts(data, "wheels") or [],
        "excluded_wheels": _texts(data, "excluded_wheels") or [],
    }


def _text(data: dict[str, Any], name: str) -> str | None:
    """Return a text of the metadata: it names files, ends up in headers, and is shown."""
    value = data.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not value.isprintable() or len(value) > _LONGEST_TEXT:
        raise InvalidPlugin(f"The wagon's package.json cannot be read: {name} is no short text on one line")
    return value


def _texts(data: dict[str, Any], name: str) -> list[str] | None:
    value = data.get(name)
    if value is not None and not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
        raise InvalidPlugin(f"The wagon's package.json cannot be read: {name} is no list of texts")
    return value


def _wheel_fields(package: Path, name: str) -> dict[str, Any]:
    with zipfile.ZipFile(package) as archive:
        member = next((item for item in archive.namelist() if item.endswith(".dist-info/METADATA")), None)
        if member is None:
            raise InvalidPlugin(f"{name} is no wheel: it has no METADATA")
        headers = email.parser.Parser().parsestr(_limited(archive, member, _LARGEST_METADATA).decode(errors="replace"))
    if not headers["Name"] or not headers["Version"]:
        raise InvalidPlugin(f"The METADATA of {name} names no package or version")
    try:
        tags = sorted(parse_wheel_filename(name)[3], key=str)
    except InvalidWheelFilename as error:
        raise InvalidPlugin(str(error)) from error
    return {
        "package_name": headers["Name"],
        "package_version": headers["Version"],
        "archive_name": name,
        "package_source": None,
        "supported_platform": tags[0].platform,
        "supported_py_versions": sorted({tag.interpreter for tag in tags}),
        "distribution": None,
        "distribution_version": None,
        "distribution_release": None,
        "wheels": [name],
        "excluded_wheels": [],
    }
