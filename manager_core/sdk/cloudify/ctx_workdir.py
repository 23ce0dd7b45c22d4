"""The work directory and the own files of a deployment, as methods of the context (contract §5.1).

Every worker sees the one directory that belongs to the deployment, so nothing has to be copied to and fro.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cloudify.exceptions import NonRecoverableError


class DeploymentWorkdirMixin:
    """Methods about the deployment's directories."""

    _endpoint: Any

    def local_deployment_workdir(self) -> str:
        """Return the deployment's work directory on this machine."""
        return self._endpoint.call("deployment_workdir")

    def download_deployment_workdir(self) -> None:
        """Fetch the work directory from the manager; it is the same one here."""

    def upload_deployment_workdir(self) -> None:
        """Send the work directory to the manager; it is the same one here."""

    def sync_deployment_workdir(self) -> Any:
        """Keep the work directory in step during a ``with`` block."""
        return self._synchronised()

    @contextmanager
    def _synchronised(self) -> Iterator[str]:
        yield self.local_deployment_workdir()

    def upload_deployment_file(self, target_file_path: str, src_file: Any, src_file_mtime: Any = None) -> str:
        """Store a file among the deployment's own resources and return its path.

        Args:
            target_file_path: where, relative to the deployment's resources.
            src_file: a path or an open file.
            src_file_mtime: modification time to give it, seconds since the epoch or text.
        """
        target = self._deployment_file(target_file_path)
        target.parent.mkdir(parents=True, exist_ok=True)
        if hasattr(src_file, "read"):
            content = src_file.read()
            target.write_bytes(content.encode() if isinstance(content, str) else content)
        else:
            shutil.copyfile(src_file, target)
        if src_file_mtime is not None:
            moment = float(src_file_mtime)
            os.utime(target, (moment, moment))
        return str(target)

    def delete_deployment_file(self, file_path: str) -> None:
        """Remove a file from the deployment's own resources; it may be gone already."""
        self._deployment_file(file_path).unlink(missing_ok=True)

    def _deployment_file(self, relative: str) -> Path:
        root = Path(self._endpoint.call("deployment_files")).resolve()
        path = (root / relative).resolve()
        if root != path and root not in path.parents:
            raise NonRecoverableError(f"{relative} is outside of the deployment's resources")
        return path
