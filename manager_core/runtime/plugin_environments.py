"""The environments of plugins: prepared on first use, named by their content, shared by all executions of the
machine.

A plugin without requirements of its own needs no installation: its folder goes on the path of runners that are
forked from the warm server. One with requirements gets a virtual environment, and runners started with that
environment's interpreter. Environments live under one folder, each guarded by a file lock, complete when its marker
is there; two processes that need the same one wait for each other and install it once. What pip says when it fails
is the error.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from manager_core.errors import Kind, ManagerError
from manager_core.runtime import child
from manager_core.runtime.messages import RunnerEnvironment
from manager_core.runtime.plugin_packages import Package, content_hash, extract_wheel, inspect

MAX_DOWNLOAD_BYTES = 1024 * 1024 * 1024
INSTALL_SECONDS = 900.0
_SHOWN = 6000
"""How much of the end of pip's output an error shows, characters."""

_MARKER = "complete.json"


class PluginInstallationError(ManagerError):
    """A plugin could not be installed; the message says what pip, or the server of its source, said."""

    code = "plugin_installation_error"
    kind = Kind.BAD_INPUT


class PluginInstallationTimeout(ManagerError):
    """The installation of a plugin took too long."""

    code = "plugin_installation_timeout"
    kind = Kind.BAD_INPUT


@dataclass(frozen=True)
class PluginSource:
    """Where a plugin's code comes from; exactly one of `folder`, `archive` and `url`.

    Attributes:
        name: the plugin's name in the blueprint.
        folder: a directory ``plugins/NAME`` of a blueprint.
        archive: an uploaded package: wheel, wagon, zip or tar.
        url: an http(s) or file URL of an archive, or a pip address (``git+https://…``).
        install_arguments: further arguments for pip, as the blueprint gives them.
        version: for messages.
        scope: tenant and deployment; within it a URL is fetched once.
    """

    name: str
    folder: Path | None = None
    archive: Path | None = None
    url: str | None = None
    install_arguments: str = ""
    version: str = ""
    scope: str = ""


class PluginEnvironments:
    """Prepares environments below one folder; safe to use from many threads and processes."""

    def __init__(self, root: Path, *, timeout: float = INSTALL_SECONDS) -> None:
        """Use the folder `root`, made when needed; an installation may take `timeout` seconds."""
        self._root = root
        self._timeout = timeout
        self._known: dict[PluginSource, RunnerEnvironment] = {}
        self._locks: dict[PluginSource, threading.Lock] = {}
        self._guard = threading.Lock()

    def prepare(self, source: PluginSource, on_install: Callable[[], None] | None = None) -> RunnerEnvironment:
        """Return the environment of a plugin, installed if nobody did before.

        Args:
            source: where its code comes from.
            on_install: called before an installation that takes time.

        Raises:
            PluginInstallationError: it cannot be installed; pip's output is in the message.
            PluginInstallationTimeout: it took too long.
            BrokenPlugin: there is no plugin in the package.
        """
        with self._guard:
            lock = self._locks.setdefault(source, threading.Lock())
        with lock:
            if source not in self._known:
                self._known[source] = self._prepare(source, on_install)
            return self._known[source]

    def remove_unused(self, kept: set[str]) -> list[str]:
        """Delete the environments whose folder names are not in `kept`; return the names of the deleted ones."""
        removed = []
        for folder in self._root.glob("*/" + _MARKER):
            if folder.parent.name not in kept:
                with self._locked(folder.parent.name):
                    shutil.rmtree(folder.parent, ignore_errors=True)
                removed.append(folder.parent.name)
        return removed

    def _prepare(self, source: PluginSource, on_install: Callable[[], None] | None) -> RunnerEnvironment:
        if source.folder is not None:
            path = source.folder
            if not path.is_dir():
                raise PluginInstallationError(f"Plugin {source.name}: there is no directory plugins/{path.name}")
        elif source.archive is not None:
            path = source.archive
        elif source.url and "+" in source.url.partition("://")[0]:
            return self._install_address(source, on_install)
        elif source.url:
            path = self._fetch(source)
        else:
            raise PluginInstallationError(f"Plugin {source.name} has no source")
        key = content_hash(path, source.install_arguments, _python_tag())
        home = self._root / key
        with self._locked(key):
            found = _read_marker(home)
            if found is None:
                shutil.rmtree(home, ignore_errors=True)
                home.mkdir(parents=True)
                found = self._build(source, path, home, on_install)
                _write_marker(home, found)
        return found

    def _build(
        self, source: PluginSource, path: Path, home: Path, on_install: Callable[[], None] | None
    ) -> RunnerEnvironment:
        package = inspect(path, home / "unpacked")
        label = f"{source.name}-{source.version}" if source.version else source.name
        if not source.install_arguments and package.requirements == () and package.pure:
            return RunnerEnvironment(name=label, paths=tuple(map(str, self._lay_out(package, home))))
        if on_install:
            on_install()
        return self._install(source, package, home, label)

    def _lay_out(self, package: Package, home: Path) -> tuple[Path, ...]:
        """Return the folders that make the package importable, without any installation."""
        if package.kind == "folder":
            # The blueprint's folder may go with its blueprint; what runs is a copy of our own.
            if home in package.path.parents:
                return package.paths
            shutil.copytree(package.path, home / "plugin", ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
            return tuple(home / "plugin" / path.relative_to(package.path) for path in package.paths)
        wheel = package.paths[0] if package.kind == "wagon" else package.path
        extract_wheel(wheel, home / "lib")
        return (home / "lib",)

    def _install(self, source: PluginSource, package: Package, home: Path, label: str) -> RunnerEnvironment:
        python = self._make_venv(source, home)
        paths: tuple[Path, ...] = ()
        arguments = shlex.split(source.install_arguments)
        if package.kind == "wagon":
            wheels = package.path / "wheels"
            self._pip(source, python, [*arguments, "--no-index", "--find-links", str(wheels), package.name])
        elif package.kind == "wheel":
            self._pip(source, python, ["--no-deps", str(package.path)])
            if package.requirements or arguments:
                self._pip(source, python, [*arguments, *(package.requirements or ())])
        elif package.requirements is not None:
            paths = self._lay_out(package, home)
            if package.requirements or arguments:
                self._pip(source, python, [*arguments, *package.requirements], cwd=package.path)
        elif package.buildable:
            self._pip(source, python, [*arguments, str(package.path)], cwd=package.path)
        else:
            paths = self._lay_out(package, home)
            self._pip(source, python, [*arguments, "-r", "requirements.txt"], cwd=package.path)
        return _own_environment(label, python, paths)

    def _install_address(self, source: PluginSource, on_install: Callable[[], None] | None) -> RunnerEnvironment:
        """Install from an address that pip alone understands, once for a scope."""
        text = "\0".join([source.scope, source.url or "", source.install_arguments, _python_tag()])
        key = hashlib.sha256(text.encode()).hexdigest()[:32]
        home = self._root / key
        with self._locked(key):
            found = _read_marker(home)
            if found is None:
                if on_install:
                    on_install()
                shutil.rmtree(home, ignore_errors=True)
                home.mkdir(parents=True)
                python = self._make_venv(source, home)
                self._pip(source, python, [*shlex.split(source.install_arguments), source.url or ""])
                found = _own_environment(source.name, python, ())
                _write_marker(home, found)
        return found

    def _make_venv(self, source: PluginSource, home: Path) -> Path:
        venv = home / "venv"
        self._run(source, [child.interpreter(), "-m", "venv", "--without-pip", str(venv)])
        # Plugins that run scripts on other hosts take these from beside the interpreter and put them there.
        for name, called in (("ctx", child.sdk_folder() / "bin" / "ctx"), ("ctx-sh", "${0%/*}/ctx")):
            command = venv / "bin" / name
            command.write_text(f'#!/bin/sh\nexec "{called}" "$@"\n')
            command.chmod(0o755)
        return venv / "bin" / "python"

    def _pip(self, source: PluginSource, python: Path, arguments: list[str], *, cwd: Path | None = None) -> None:
        command = [child.interpreter(), "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
        self._run(source, [*command, "--no-input", "install", *arguments], cwd=cwd)

    def _run(self, source: PluginSource, command: list[str], *, cwd: Path | None = None) -> None:
        environment = child.child_environment()
        del environment["PYTHONPATH"]
        try:
            done = subprocess.run(  # noqa: S603 - our own interpreter; the arguments are the blueprint author's
                command,
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=cwd,
                timeout=self._timeout,
            )
        except subprocess.TimeoutExpired as error:
            text = f"Plugin {source.name}: the installation took longer than {self._timeout:g} seconds"
            raise PluginInstallationTimeout(text) from error
        if done.returncode != 0:
            said = done.stdout.decode("utf-8", "replace").strip()
            raise PluginInstallationError(f"Failed installing plugin {source.name}: {said[-_SHOWN:]}")

    def _fetch(self, source: PluginSource) -> Path:
        """Return the archive of a URL, downloaded once for a scope."""
        url = source.url or ""
        folder = self._root / "sources" / hashlib.sha256(f"{source.scope}\0{url}".encode()).hexdigest()[:32]
        name = url.partition("?")[0].rstrip("/").rpartition("/")[2] or "plugin"
        target = folder / name
        with self._locked(folder.name):
            if not target.is_file():
                folder.mkdir(parents=True, exist_ok=True)
                _download(source.name, url, target)
        return target

    @contextlib.contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        """Hold the lock of an environment, against other processes too."""
        locks = self._root / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        with (locks / key).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _download(name: str, url: str, target: Path) -> None:
    scheme = url.partition("://")[0]
    if scheme not in ("http", "https", "file"):
        raise PluginInstallationError(f"Plugin {name}: the source {url} is neither a directory nor a URL")
    partial = target.with_name(target.name + ".partial")
    try:
        with urllib.request.urlopen(url, timeout=60) as answer, partial.open("wb") as out:  # noqa: S310 - checked above
            size = 0
            while piece := answer.read(1 << 20):
                size += len(piece)
                if size > MAX_DOWNLOAD_BYTES:
                    raise PluginInstallationError(f"Plugin {name}: {url} is larger than {MAX_DOWNLOAD_BYTES} bytes")
                out.write(piece)
    except urllib.error.HTTPError as error:
        raise PluginInstallationError(f"Plugin {name}: {url} answered {error.code} {error.reason}") from error
    except OSError as error:
        raise PluginInstallationError(f"Plugin {name}: {url} cannot be fetched: {error}") from error
    partial.rename(target)


def _own_environment(label: str, python: Path, paths: tuple[Path, ...]) -> RunnerEnvironment:
    folders = os.pathsep.join([str(python.parent), os.environ.get("PATH") or os.defpath])
    variables = (("PATH", folders), ("VIRTUAL_ENV", str(python.parent.parent)))
    return RunnerEnvironment(label, str(python), tuple(map(str, paths)), variables)


def _python_tag() -> str:
    return f"python-{sys.version_info.major}.{sys.version_info.minor}"


def _read_marker(home: Path) -> RunnerEnvironment | None:
    try:
        stored = json.loads((home / _MARKER).read_text())
    except (OSError, ValueError):
        return None
    python = stored["interpreter"]
    paths = tuple(stored["paths"])
    if not python:
        return RunnerEnvironment(name=stored["name"], paths=paths)
    return _own_environment(stored["name"], Path(python), tuple(map(Path, paths)))


def _write_marker(home: Path, environment: RunnerEnvironment) -> None:
    text = json.dumps(
        {"name": environment.name, "interpreter": environment.interpreter, "paths": list(environment.paths)}
    )
    partial = home / (_MARKER + ".partial")
    partial.write_text(text)
    partial.rename(home / _MARKER)
