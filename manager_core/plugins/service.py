"""Keep plugin packages, and answer which of them a blueprint or an operation means."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, and_, cast, or_, select
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from manager_core.access import visibility as visibility_rules
from manager_core.access.caller import Caller
from manager_core.blueprints.fetching import download
from manager_core.blueprints.tables import Blueprint
from manager_core.dsl.plugin_imports import PluginQuery, best_version, choose_file
from manager_core.dsl.resolver import Found
from manager_core.errors import Conflict, Kind, ManagerError, NotFound
from manager_core.executions.tables import Execution
from manager_core.ids import new_id
from manager_core.plugins.listing import PLUGINS
from manager_core.plugins.packages import Package, read
from manager_core.plugins.tables import Plugin
from manager_core.rest.identifiers import check_id
from manager_core.rest.listing import ListQuery, get_one, list_page, visible
from manager_core.states import ACTIVE, ExecutionStatus, Visibility

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

FILES = "plugins"
"""The kind under which the file store keeps uploads and packages."""

PLUGIN_LISTS = ("deployment_plugins_to_install", "workflow_plugins_to_install", "host_agent_plugins_to_install")


@dataclass(frozen=True)
class PluginRequest:
    """The parameters of a plugin upload (REST contract §16)."""

    visibility: str = Visibility.TENANT.value
    title: str | None = None
    id: str | None = None
    url: str | None = None
    uploaded_at: datetime | None = None
    created_by: str | None = None


class Plugins:
    """Keep plugin packages, and answer which of them a blueprint or an operation means."""

    def __init__(self, core: Core) -> None:
        """Work on the given Core."""
        self._core = core

    # -- reading

    def page(self, caller: Caller, query: ListQuery) -> dict[str, Any]:
        """List plugins."""
        with self._core.store.read() as session:
            return list_page(session, PLUGINS, query, caller)

    def get(self, caller: Caller, plugin_id: str, include: list[str] | None = None) -> dict[str, Any]:
        """Return one plugin as clients see it."""
        with self._core.store.read() as session:
            return get_one(session, PLUGINS, caller, plugin_id, include=include)

    def _row(self, session: Session, caller: Caller, plugin_id: str) -> Plugin:
        table: Any = Plugin
        statement = select(Plugin).where(table.id == plugin_id, *visible(PLUGINS, caller))
        row: Plugin | None = session.execute(statement).scalars().first()
        if row is None:
            raise NotFound.of("Plugin", plugin_id)
        return row

    def _owned(self, session: Session, caller: Caller, plugin_id: str) -> Plugin:
        row = self._row(session, caller, plugin_id)
        if row.tenant_name != caller.tenant_name:
            raise NotFound.of("Plugin", plugin_id)
        return row

    def find(self, session: Session, tenant: str, package_name: str, version: str | None = None) -> Plugin | None:
        """Return the plugin of this name and version (the highest when None) that a tenant may use, or None."""
        rows = {row.package_version or "": row for row in self._usable(session, tenant, package_name)}
        if version is not None:
            return rows.get(version)
        best = best_version(PluginQuery(package_name), rows)
        return rows[best] if best is not None else None

    def package(self, row: Plugin) -> Path:
        """Return the wagon or wheel of a plugin, fetched when it is on another host.

        Raises:
            ManagerError: it is not here and cannot be fetched.
        """
        what = f"The package of plugin {row.package_name} {row.package_version or ''}".rstrip()
        return self._core.files.require(FILES, row.package_hash or row.archive_hash, what)

    def _usable(self, session: Session, tenant: str, package_name: str) -> Iterator[Plugin]:
        table: Any = Plugin
        statement = (
            select(Plugin)
            .where(
                table.package_name == package_name,
                or_(table.tenant_name == tenant, table.visibility == Visibility.GLOBAL.value),
            )
            # The tenant's own plugin comes last, so that it wins over a global one of the same version.
            .order_by(table.tenant_name == tenant, table.storage_id)
        )
        yield from session.execute(statement).scalars()

    def catalogue(self, session: Session, tenant: str) -> Callable[[PluginQuery, tuple[int, int]], Found | None]:
        """Return the function by which the parser finds the YAML behind a `plugin:` import."""

        def find(query: PluginQuery, version: tuple[int, int]) -> Found | None:
            rows = {
                row.package_version or "": row
                for row in self._usable(session, tenant, query.name)
                if query.distribution is None or (row.distribution or "").lower() == query.distribution.lower()
            }
            best = best_version(query, rows)
            if best is None:
                return None
            row = rows[best]
            files = row.yaml_files or {}
            name = choose_file(files, version)
            if name is None:
                return None
            extra = {
                "labels": row.labels,
                "blueprint_labels": row.blueprint_labels,
                "resource_tags": row.resource_tags,
            }
            return Found(f"plugin:{row.package_name}/{best}/{name}", files[name], f"{row.package_name}/{name}", extra)

        return find

    def require_installed(self, session: Session, tenant: str, plan: dict[str, Any]) -> None:
        """Refuse a plan whose central or workflow plugins are not there.

        Raises:
            ManagerError: `deployment_plugin_not_found`.
        """
        for entry in (*(plan.get(PLUGIN_LISTS[0]) or ()), *(plan.get(PLUGIN_LISTS[1]) or ())):
            name, version = entry.get("package_name"), entry.get("package_version")
            if not entry.get("install", True) or entry.get("source") or not name:
                continue
            if self.find(session, tenant, name, version) is None:
                raise ManagerError(
                    f"Required plugin {name}, version {version} is not installed on the manager",
                    code="deployment_plugin_not_found",
                    kind=Kind.BAD_INPUT,
                )

    # -- changing

    def check_no_snapshot(self) -> None:
        """Refuse to change plugins while a snapshot is taken (REST contract §9.2).

        Raises:
            ManagerError: `existing_running_execution_error`.
        """
        table: Any = Execution
        waiting = [str(status) for status in (*ACTIVE, ExecutionStatus.QUEUED)]
        statement = select(table.parameters).where(table.workflow_id == "create_snapshot", table.status.in_(waiting))
        with self._core.store.read() as session:
            parameters = session.connection().execute(statement.limit(1)).first()
        if parameters is not None:
            raise ManagerError(
                "You cannot start an execution that modifies DB state while a `create_snapshot` workflow is running or "
                f"queued (snapshot id: {(parameters[0] or {}).get('snapshot_id')})",
                code="existing_running_execution_error",
                kind=Kind.BAD_INPUT,
            )

    def upload(self, caller: Caller, request: PluginRequest, temporary: Path | None) -> dict[str, Any]:
        """Take in a plugin.

        Args:
            temporary: the body; None when it is at `request.url`.

        Returns:
            The plugin as clients see it.

        Raises:
            ManagerError: `invalid_plugin_error`, or 409 when the same package is there already.
        """
        visibility = visibility_rules.checked(request.visibility, caller)
        if request.id:
            check_id(request.id, "id", any_first=True)
        if request.uploaded_at is not None:
            caller.require("set_timestamp")
        if request.created_by is not None:
            caller.require("set_owner")
        self.check_no_snapshot()
        fetched = None
        scratch = self._core.files.temporary()
        try:
            if temporary is None:
                if not request.url:
                    raise ManagerError(
                        "Missing file: send the plugin with the request, or name it in `plugin_archive_url`",
                        code="upload_missing_file",
                        kind=Kind.BAD_INPUT,
                    )
                fetched = temporary = self._core.files.temporary()
                download(request.url, fetched, self._core.clock)
            package = read(temporary, scratch)
            self._refuse_double(caller, package)
            package_hash = self._core.files.adopt(FILES, scratch) if package.member is not None else None
            archive_hash = self._core.files.adopt(FILES, temporary)
        finally:
            scratch.unlink(missing_ok=True)
            if fetched is not None:
                fetched.unlink(missing_ok=True)
        return self._store(caller, request, visibility, package, archive_hash, package_hash)

    def _refuse_double(self, caller: Caller, package: Package) -> None:
        fields = package.fields
        with self._core.store.read() as session:
            for row in self._usable(session, caller.tenant_name, fields["package_name"]):
                if (row.archive_name, row.package_version) == (fields["archive_name"], fields["package_version"]):
                    raise Conflict(
                        f"a plugin archive by the name of {row.archive_name} already exists for package with name "
                        f"{row.package_name} and version {row.package_version}"
                    )

    def _store(
        self,
        caller: Caller,
        request: PluginRequest,
        visibility: str,
        package: Package,
        archive_hash: str,
        package_hash: str | None,
    ) -> dict[str, Any]:
        now = self._core.clock.now()
        row = Plugin(
            id=request.id or new_id(),
            tenant_name=caller.tenant_name,
            created_by=request.created_by or caller.username,
            created_at=request.uploaded_at or now,
            uploaded_at=request.uploaded_at or now,
            visibility=visibility,
            title=request.title or package.fields["package_name"],
            installation_state=[],
            yaml_files=package.yaml_files,
            archive_hash=archive_hash,
            package_hash=package_hash,
            **package.fields,
            **package.extra,
        )
        with self._core.store.write() as session:
            session.add(row)
            try:
                session.flush()
            except IntegrityError as error:
                raise visibility_rules.taken("Plugin", caller.tenant_name, row.id) from error
        return self.get(caller, row.id)

    def set_state(self, caller: Caller, plugin_id: str, state: dict[str, Any]) -> dict[str, Any]:
        """Record the installation state on one manager or agent."""
        manager, agent = state.get("manager"), state.get("agent")
        if manager is None and agent is None:
            manager = platform.node()
        with self._core.store.write() as session:
            row = self._owned(session, caller, plugin_id)
            others = [
                item for item in row.installation_state or [] if (item["manager"], item["agent"]) != (manager, agent)
            ]
            row.installation_state = [
                *others,
                {"manager": manager, "agent": agent, "state": state["state"], "error": state.get("error")},
            ]
            session.add(row)
        return self.get(caller, plugin_id)

    def set_visibility(self, caller: Caller, plugin_id: str, visibility: Any) -> dict[str, Any]:
        """Make a plugin visible to more people."""
        with self._core.store.write() as session:
            visibility_rules.widen(session, caller, self._owned(session, caller, plugin_id), "Plugin", visibility)
        return self.get(caller, plugin_id)

    def delete(self, caller: Caller, plugin_id: str, *, force: bool = False) -> None:
        """Remove a plugin and its files.

        Raises:
            ManagerError: `plugin_in_use` without `force`.
        """
        self.check_no_snapshot()
        with self._core.store.write() as session:
            row = self._owned(session, caller, plugin_id)
            if not force:
                users = self._blueprints_using(session, row)
                if users:
                    raise ManagerError(
                        f'Plugin "{plugin_id}" is currently in use in blueprints: {", ".join(users)}. '
                        'You can "force" plugin removal if needed.',
                        code="plugin_in_use",
                        kind=Kind.IN_USE,
                    )
            session.delete(row)
            session.flush()
            table: Any = Plugin
            for content_hash in filter(None, {row.archive_hash, row.package_hash}):
                used = select(table.id).where(
                    or_(table.archive_hash == content_hash, table.package_hash == content_hash)
                )
                if session.connection().execute(used.limit(1)).first() is None:
                    self._core.files.remove(FILES, content_hash)

    def _blueprints_using(self, session: Session, row: Plugin) -> list[str]:
        table: Any = Blueprint
        # Plans are large: only those whose text names the package are read.
        text = cast(table.plan, Text).contains(f'"{row.package_name}"', autoescape=True)
        statement = select(table.id, table.plan).where(and_(table.plan.is_not(None), text)).order_by(table.id)
        if row.visibility != Visibility.GLOBAL:
            statement = statement.where(table.tenant_name == row.tenant_name)
        wanted = (row.package_name, row.package_version)
        return [
            identifier
            for identifier, plan in session.connection().execute(statement)
            if any(
                (entry.get("package_name"), entry.get("package_version")) == wanted
                for name in PLUGIN_LISTS
                for entry in plan.get(name) or ()
            )
        ]

    # -- files

    def archive(self, caller: Caller, plugin_id: str, *, full: bool) -> tuple[Path, str]:
        """Return the file to download and its name: the package, or all that was uploaded."""
        with self._core.store.read() as session:
            row = self._row(session, caller, plugin_id)
        name = row.archive_name or f"{row.package_name}-{row.package_version}.wgn"
        content_hash = row.package_hash or row.archive_hash
        if full and row.package_hash is not None:
            content_hash, name = row.archive_hash, f"{row.package_name}-{row.package_version}.zip"
        path = self._core.files.find(FILES, content_hash, f"The archive of plugin {row.package_name}")
        if path is None:
            raise NotFound(f"Could not find plugin archive. Plugin ID: {plugin_id}")
        return path, Path(name).name

    def yaml(self, caller: Caller, plugin_id: str, dsl_version: tuple[int, int]) -> tuple[str, str]:
        """Return the name and text of the YAML file for blueprints of a language version."""
        with self._core.store.read() as session:
            files = self._row(session, caller, plugin_id).yaml_files or {}
        name = choose_file(files, dsl_version)
        if name is None:
            raise NotFound(f"Could not find plugin YAML. Plugin ID: {plugin_id}")
        return name, files[name]
