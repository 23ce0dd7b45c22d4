"""Archives made of texts, for uploads."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

HELLO = """\
tosca_definitions_version: cloudify_dsl_1_4
imports: [cloudify/types/types.yaml]
description: says hello
inputs:
  greeting: {default: hello}
node_templates:
  hello: {type: cloudify.nodes.Root, properties: {}}
"""


def blueprint_tar(files: dict[str, str] | str = HELLO, *, top: str = "bp", mode: str = "w:gz") -> bytes:
    """Return an archive with one folder; a text alone is its `blueprint.yaml`."""
    texts = {"blueprint.yaml": files} if isinstance(files, str) else files
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as tar:
        for name, text in texts.items():
            info = tarfile.TarInfo(f"{top}/{name}")
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return target.getvalue()


def blueprint_zip(files: dict[str, str] | str = HELLO, *, top: str = "bp") -> bytes:
    """Return the same as a zip."""
    texts = {"blueprint.yaml": files} if isinstance(files, str) else files
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, text in texts.items():
            archive.writestr(f"{top}/{name}", text)
    return target.getvalue()


def wagon(name: str = "my-plugin", version: str = "1.0", **fields: Any) -> bytes:
    """Return a wagon: a tar.gz with `package.json`."""
    data = {
        "package_name": name,
        "package_version": version,
        "archive_name": f"{name}-{version}-py311-none-any.wgn",
        "package_source": f"{name}=={version}",
        "supported_platform": "any",
        "supported_python_versions": ["py311"],
        "wheels": [f"{name}-{version}-py3-none-any.whl"],
        "build_server_os_properties": {"distribution": "centos", "distribution_version": "7"},
        **fields,
    }
    return blueprint_tar({"package.json": json.dumps(data)}, top=name)


def plugin_zip(texts: dict[str, str], package: bytes | None = None, package_name: str = "p.wgn") -> bytes:
    """Return a zip of YAML files and a package."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, text in texts.items():
            archive.writestr(name, text)
        if package is not None:
            archive.writestr(package_name, package)
    return target.getvalue()


def write(path: Path, data: bytes) -> Path:
    """Write bytes to a file and return it."""
    path.write_bytes(data)
    return path
