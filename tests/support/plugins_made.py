"""Builds plugin packages for tests: wheels, wagons, uploaded archives, project folders. No network, no build tools."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path


def wheel(
    folder: Path, name: str, version: str, files: dict[str, str], requires: Sequence[str] = (), data: bool = False
) -> Path:
    """Build a pure wheel by hand and return its path; with `data` it also holds a script, which needs pip."""
    folder.mkdir(parents=True, exist_ok=True)
    base = f"{name.replace('-', '_')}-{version}"
    members = dict(files)
    if data:
        members[f"{base}.data/scripts/{name}-tool"] = "#!python\nprint('tool')\n"
    info = f"{base}.dist-info"
    headers = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    headers += [f"Requires-Dist: {entry}" for entry in requires]
    members[f"{info}/METADATA"] = "\n".join(headers) + "\n"
    members[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = []
    for path, text in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record.append(f"{path},sha256={digest},{len(text.encode())}")
    members[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"]) + "\n"
    target = folder / f"{base}-py3-none-any.whl"
    with zipfile.ZipFile(target, "w") as archive:
        for path, text in members.items():
            entry = zipfile.ZipInfo(path)
            entry.external_attr = (0o100755 if ".data/scripts/" in path else 0o100644) << 16
            archive.writestr(entry, text)
    return target


def wagon(folder: Path, name: str, version: str, wheels: Sequence[Path], kind: str = "tar") -> Path:
    """Build a wagon of wheels and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    described = json.dumps({"package_name": name, "package_version": version, "wheels": [w.name for w in wheels]})
    target = folder / f"{name}-{version}.wgn"
    if kind == "zip":
        with zipfile.ZipFile(target, "w") as archive:
            archive.writestr(f"{name}/package.json", described)
            for one in wheels:
                archive.write(one, f"{name}/wheels/{one.name}")
        return target
    with tarfile.open(target, "w:gz") as archive_tar:
        member = tarfile.TarInfo(f"{name}/package.json")
        member.size = len(described)
        archive_tar.addfile(member, io.BytesIO(described.encode()))
        for one in wheels:
            archive_tar.add(one, f"{name}/wheels/{one.name}")
    return target


def uploaded(folder: Path, package: Path, yaml: str = "plugins: {}\n") -> Path:
    """Build the zip that clients upload: the package and its ``plugin.yaml``."""
    target = folder / "upload.zip"
    with zipfile.ZipFile(target, "w") as archive:
        archive.write(package, package.name)
        archive.writestr("plugin.yaml", yaml)
    return target


def project(folder: Path, files: dict[str, str]) -> Path:
    """Write a folder of files and return it."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def zipped(target: Path, folder: Path, root: str) -> Path:
    """Put a folder into a zip below one directory, as code hosts do, and return the zip."""
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, f"{root}/{path.relative_to(folder)}")
    return target
