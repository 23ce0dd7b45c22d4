"""Which environment the code of an operation or a workflow runs in (workflow-runtime contract §5.7)."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from manager_core.errors import Kind, ManagerError, NotFound
from manager_core.runtime.messages import RunnerEnvironment
from manager_core.runtime.plugin_environments import PluginEnvironments, PluginSource
from manager_core.runtime.writer import Writer

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

BUILT_IN = frozenset(
    {"agent", "script", "cfy_extensions", "default_workflows", "diamond", "cloudify-agent", "plugin_installer"}
)
"""Plugins whose code comes with the manager."""

_PLAN_LISTS = ("workflow_plugins_to_install", "deployment_plugins_to_install")


class Environments:
    """Finds (and on first use prepares) the environments of one execution's plugins. Safe to use from any thread."""

    def __init__(
        self, core: Core, writer: Writer, *, tenant_name: str, deployment_id: str | None, blueprint_id: str | None
    ) -> None:
        """Remember whose plugins are meant."""
        self._core = core
        self._writer = writer
        self._tenant = tenant_name
        self._deployment = deployment_id
        self._blueprint = blueprint_id
        self._prepared = PluginEnvironments(core.settings.data_dir.resolve() / "plugin-environments")
        self._known: dict[tuple[Any, ...], RunnerEnvironment] = {}
        self._lock = threading.Lock()
        self._folder: Path | None = None

    def blueprint_folder(self) -> Path | None:
        """Return the folder of the blueprint's files; None when the execution has none.

        Raises:
            NotFound: the blueprint's files are gone.
        """
        if self._folder is None and self._blueprint is not None:
            self._folder = self._core.blueprints.folder(self._tenant, self._blueprint)
        return self._folder

    def of_operation(self, context: Mapping[str, Any]) -> RunnerEnvironment:
        """Return the environment for an operation's `__cloudify_context`.

        Raises:
            ManagerError: the plugin is not there, or cannot be installed.
        """
        return self.of_plugin(context.get("plugin") or {})

    def of_plugin(self, plugin: Mapping[str, Any]) -> RunnerEnvironment:
        """Return the environment of a plugin as blueprints declare it; raises as `of_operation`."""
        name = plugin.get("name")
        if not name or (name in BUILT_IN and not plugin.get("source")):
            return RunnerEnvironment()
        key = (name, plugin.get("source"), plugin.get("package_name"), plugin.get("package_version"))
        with self._lock:
            known = self._known.get(key)
        if known is None:
            source = self._source(plugin)
            known = self._prepared.prepare(source, lambda: self._installing(name))
            with self._lock:
                self._known[key] = known
        return known

    def of_workflow(self, name: str | None) -> RunnerEnvironment:
        """Return the environment of a workflow's plugin, by the name under which the blueprint declares it.

        On another host than the API's the blueprint's files are fetched first: an execution that cannot have them ends
        before any operation does.

        Raises:
            ManagerError: see `of_plugin`; or the files cannot be fetched.
        """
        if self._core.files.fetches:
            with contextlib.suppress(NotFound):  # then it is said where something is wanted of them
                self.blueprint_folder()
        if not name or name in BUILT_IN:
            return RunnerEnvironment()
        return self.of_plugin(self._declared(name))

    def _declared(self, name: str) -> Mapping[str, Any]:
        plan: dict[str, Any] = {}
        if self._blueprint is not None:
            with self._core.store.read() as session:
                row = self._core.blueprints.of_tenant(session, self._tenant, self._blueprint)
                plan = (row.plan if row is not None else None) or {}
        for key in _PLAN_LISTS:
            for plugin in plan.get(key) or ():
                if plugin.get("name") == name:
                    found: Mapping[str, Any] = plugin
                    return found
        return {"name": name, "source": name}

    def _source(self, plugin: Mapping[str, Any]) -> PluginSource:
        name = str(plugin["name"])
        source = plugin.get("source")
        more: dict[str, Any] = {
            "install_arguments": plugin.get("install_arguments") or "",
            "version": plugin.get("package_version") or "",
            "scope": f"{self._tenant}/{self._deployment}",
        }
        if source and "://" in source:
            return PluginSource(name, url=source, **more)
        folder = self.blueprint_folder()
        if source and folder is not None and (folder / "plugins" / source).is_dir():
            return PluginSource(name, folder=folder / "plugins" / source, **more)
        package = plugin.get("package_name") or (None if source else name)
        if package:
            with self._core.store.read() as session:
                row = self._core.plugins.find(session, self._tenant, package, plugin.get("package_version"))
            if row is not None:
                return PluginSource(name, archive=self._core.plugins.package(row), **more)
        if source and folder is not None:
            return PluginSource(name, folder=folder / "plugins" / source, **more)
        version = f", version {plugin['package_version']}" if plugin.get("package_version") else ""
        raise ManagerError(
            f"Required plugin {package or name}{version} is not installed on the manager",
            code="deployment_plugin_not_found",
            kind=Kind.BAD_INPUT,
        )

    def _installing(self, name: str) -> None:
        self._writer.event(
            {"type": "cloudify_event", "event_type": "workflow_stage", "message": f"Installing plugin: {name}"}
        )


def import_paths(environment: RunnerEnvironment) -> list[str]:
    """Return the folders from which this process can import what an environment holds.

    Of a plugin with an interpreter of its own these are that interpreter's packages as well.
    """
    paths = list(environment.paths)
    if environment.interpreter is not None:
        home = Path(environment.interpreter).parent.parent
        paths += [str(folder) for folder in sorted(home.glob("lib/python*/site-packages"))]
    return paths
