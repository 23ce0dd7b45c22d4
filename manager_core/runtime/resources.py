"""Where operations and workflows find files (workflow-runtime contract §5.6)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from manager_core.errors import NotFound

if TYPE_CHECKING:
    from manager_core.bootstrap import Core


class Resources:
    """The files of one execution: of its deployment, of its blueprint, and those for everybody."""

    def __init__(self, core: Core, *, tenant_name: str, deployment_id: str | None, blueprint_id: str | None) -> None:
        """Remember whose files are meant."""
        self._core = core
        self._tenant = tenant_name
        self._deployment = deployment_id
        self._blueprint = blueprint_id
        self._blueprint_folder: Path | None = None

    def workdir(self) -> Path:
        """Return the deployment's work directory on this machine; it exists."""
        return _made(self._core.deployments.workdir(self._tenant, self._deployment or "_none"))

    def deployment_files(self) -> Path:
        """Return the folder of the deployment's own resources; it exists."""
        return _made(self._core.deployments.folder(self._tenant, self._deployment or "_none"))

    def find(self, path: str, *, folder: bool = False) -> Path:
        """Return a file (or folder) of the first place that has it: deployment, blueprint, file server root.

        `NAMESPACE--path` is looked for as it is, then without the namespace.

        Raises:
            NotFound: no place has it; a path that leads out of its place counts as missing.
        """
        names = [path]
        prefix, separator, rest = path.partition("--")
        if separator and "/" not in prefix:
            names.append(rest)
        for root in self._roots():
            for name in names:
                found = _inside(root, name)
                if found is not None and (found.is_dir() if folder else found.is_file()):
                    return found
        raise NotFound(f"Resource not found: {path}")

    def _roots(self) -> list[Path]:
        roots = [self.deployment_files()]
        if self._blueprint is not None:
            if self._blueprint_folder is None or not self._blueprint_folder.is_dir():
                self._blueprint_folder = self._core.blueprints.folder(self._tenant, self._blueprint)
            roots.append(self._blueprint_folder)
        roots.append(self._core.settings.data_dir.resolve() / "resources")
        return roots


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _inside(root: Path, name: str) -> Path | None:
    """Return the path below `root`, or None when it would lead out of it."""
    base = root.resolve()
    try:
        found = (base / name.lstrip("/")).resolve()
    except (OSError, ValueError):
        return None
    return found if found.is_relative_to(base) else None
