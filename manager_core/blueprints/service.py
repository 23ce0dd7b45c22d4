"""Upload, keep and give out blueprints."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from manager_core.access import visibility as visibility_rules
from manager_core.access.caller import Caller
from manager_core.blueprints import archives
from manager_core.blueprints.fetching import check_scheme
from manager_core.blueprints.labels import replace_labels
from manager_core.blueprints.listing import BLUEPRINTS
from manager_core.blueprints.tables import Blueprint, BlueprintLabel
from manager_core.deployments.tables import Deployment
from manager_core.errors import BadParameters, Conflict, Kind, ManagerError, NotFound
from manager_core.files.fetching import FetchingFiles
from manager_core.filters.labels import parse_labels
from manager_core.filters.searches import SearchBody, search_conditions
from manager_core.ids import new_id
from manager_core.rest.identifiers import check_id
from manager_core.rest.listing import ListQuery, get_one, list_page, visible
from manager_core.states import BLUEPRINT_END, BLUEPRINT_FAILED, END, BlueprintState, ExecutionStatus, Visibility

if TYPE_CHECKING:
    from manager_core.bootstrap import Core
    from manager_core.executions.tables import Execution

ARCHIVES = "blueprints"
"""The kind under which the file store keeps archives."""

SYNCHRONOUS_SECONDS = 120.0
_UNUSED_AFTER_SECONDS = 3600
_PATCHABLE = {
    "plan", "requirements", "description", "main_file_name", "visibility", "state", "error", "error_traceback",
    "labels", "creator", "created_at", "upload_execution",
}  # fmt: skip
_PLAIN = ("plan", "requirements", "description", "main_file_name", "error", "error_traceback")


@dataclass(frozen=True)
class UploadRequest:
    """The parameters of an upload (REST contract §5.2).

    Attributes:
        visibility: who may see the blueprint.
        asynchronous: answer when the upload is queued.
        main_file: the blueprint file, relative to the archive's top folder; None when the request named none.
        url: where the archive is, when it does not come with the request.
        labels: in a request form of §20.2.
        skip_execution: only make the row; with `state`, `requirements`, `created_at`, `created_by`.
    """

    visibility: str = Visibility.TENANT.value
    asynchronous: bool = False
    main_file: str | None = None
    url: str | None = None
    labels: Any = None
    skip_execution: bool = False
    state: str | None = None
    requirements: dict[str, Any] | None = None
    created_at: datetime | None = None
    created_by: str | None = None


class Blueprints:
    """Upload, keep and give out blueprints."""

    def __init__(self, core: Core) -> None:
        """Work on the given Core."""
        self._core = core

    # -- reading

    def page(self, caller: Caller, query: ListQuery, body: SearchBody | None = None) -> dict[str, Any]:
        """List blueprints; hidden ones only when the request filters by `is_hidden`."""
        shown = [] if "is_hidden" in query.filters else [Blueprint.is_hidden == False]  # noqa: E712 - SQL
        with self._core.store.read() as session:
            hidden_by = search_conditions(self._core, session, caller, "blueprints", query, body)
            return list_page(session, BLUEPRINTS, query, caller, where=shown, hidden_by=hidden_by)

    def get(self, caller: Caller, blueprint_id: str, include: list[str] | None = None) -> dict[str, Any]:
        """Return one blueprint as clients see it."""
        with self._core.store.read() as session:
            return get_one(session, BLUEPRINTS, caller, blueprint_id, include=include)

    def find(self, session: Session, caller: Caller, blueprint_id: str) -> Blueprint:
        """Return the row the caller means: the own tenant's, else a global one.

        Raises:
            NotFound: none that the caller may read.
        """
        statement = (
            select(Blueprint)
            .where(Blueprint.id == blueprint_id, *visible(BLUEPRINTS, caller))  # type: ignore[arg-type]  # an SQL expression
            .order_by((Blueprint.tenant_name == caller.tenant_name).desc())  # type: ignore[attr-defined]
        )
        row: Blueprint | None = session.execute(statement).scalars().first()
        if row is None:
            raise NotFound.of("Blueprint", blueprint_id)
        return row

    def of_tenant(self, session: Session, tenant: str, blueprint_id: str) -> Blueprint | None:
        """Return the row that an execution in `tenant` means by an id, or None."""
        table: Any = Blueprint
        statement = (
            select(Blueprint)
            .where(
                table.id == blueprint_id,
                or_(table.tenant_name == tenant, table.visibility == Visibility.GLOBAL.value),
            )
            .order_by((table.tenant_name == tenant).desc())
        )
        return session.execute(statement).scalars().first()

    def owned(self, session: Session, caller: Caller, blueprint_id: str) -> Blueprint:
        """Return a row of the caller's own tenant, to change it.

        Raises:
            NotFound: none.
        """
        row = self.find(session, caller, blueprint_id)
        if row.tenant_name != caller.tenant_name:
            raise NotFound.of("Blueprint", blueprint_id)
        return row

    # -- files

    def home(self, tenant: str, blueprint_id: str) -> Path:
        """Return where a blueprint of this very tenant is unpacked, whether or not it is."""
        return self._core.settings.data_dir / "blueprints" / tenant / blueprint_id

    def folder(self, tenant: str, blueprint_id: str) -> Path:
        """Return the folder with a blueprint's files, unpacking its archive when the folder is not there.

        Args:
            tenant: who asks; a global blueprint of another tenant is found too.

        Raises:
            NotFound: no such blueprint, or its archive is not on this machine.
            FileUnavailable: its archive cannot be fetched from the API of another host.
        """
        if self._core.files.fetches:
            return self._fetched_folder(tenant, blueprint_id)
        home = self.home(tenant, blueprint_id)
        if home.is_dir():
            return home
        with self._core.store.read() as session:
            row = self.of_tenant(session, tenant, blueprint_id)
        if row is None or row.archive_hash is None:
            raise NotFound.of("Blueprint", blueprint_id)
        home = self.home(row.tenant_name, blueprint_id)
        if not home.is_dir():
            what = f"The archive of blueprint `{blueprint_id}`"
            archive = self._core.files.require(ARCHIVES, row.archive_hash, what)
            archives.unpack_single(archive, home, replace=False)
        return home

    def _fetched_folder(self, tenant: str, blueprint_id: str) -> Path:
        """Return the folder of exactly the archive that the blueprint has now.

        A folder named after the blueprint could be of one with the same name that was deleted on another host.
        """
        files = self._core.files
        assert isinstance(files, FetchingFiles)
        with self._core.store.read() as session:
            row = self.of_tenant(session, tenant, blueprint_id)
        if row is not None and row.archive_hash is not None:
            return files.unpacked(
                ARCHIVES,
                row.archive_hash,
                lambda archive, target: archives.unpack_single(archive, target, replace=False),
                f"The archive of blueprint `{blueprint_id}`",
            )
        home = self.home(tenant, blueprint_id)
        if row is not None or not home.is_dir():
            raise NotFound.of("Blueprint", blueprint_id)
        return home

    def archive(self, caller: Caller, blueprint_id: str) -> Path:
        """Return the file to download.

        Raises:
            NotFound: no such blueprint, or it has no archive.
        """
        with self._core.store.read() as session:
            row = self.find(session, caller, blueprint_id)
        what = f"The archive of blueprint `{blueprint_id}`"
        path = self._core.files.find(ARCHIVES, row.archive_hash, what) if row.archive_hash else None
        if path is None:
            raise NotFound(f"Could not find blueprint's archive. Blueprint ID: {blueprint_id}")
        return path

    def put_archive(self, caller: Caller, blueprint_id: str, temporary: Path | None) -> None:
        """Replace a blueprint's archive and its unpacked files."""
        if temporary is None or archives.archive_format(temporary) is None:
            raise BadParameters(archives.UNRECOGNIZED)
        with self._core.store.read() as session:
            row = self.owned(session, caller, blueprint_id)
        content_hash = self._core.files.adopt(ARCHIVES, temporary)
        archives.unpack_single(self._core.files.path(ARCHIVES, content_hash), self.home(row.tenant_name, blueprint_id))
        with self._core.store.write() as session:
            row = self.owned(session, caller, blueprint_id)
            row.archive_hash = content_hash
            session.add(row)

    def set_icon(self, caller: Caller, blueprint_id: str, temporary: Path | None) -> dict[str, Any]:
        """Keep a picture beside the blueprint; None removes it."""
        with self._core.store.read() as session:
            row = self.owned(session, caller, blueprint_id)
        icon = self._core.settings.data_dir / "icons" / row.tenant_name / f"{blueprint_id}.png"
        if temporary is None:
            icon.unlink(missing_ok=True)
        else:
            with temporary.open("rb") as stream:
                if stream.read(8) != b"\x89PNG\r\n\x1a\n":
                    raise BadParameters("The icon must be a png image")
            icon.parent.mkdir(parents=True, exist_ok=True)
            temporary.replace(icon)
        return self.get(caller, blueprint_id)

    # -- uploading

    def check_free(self, caller: Caller, blueprint_id: str) -> None:
        """Refuse an id that cannot be uploaded to.

        Raises:
            BadParameters: it is no legal id.
            Conflict: a blueprint has it that did not fail.
        """
        check_id(blueprint_id, "blueprint_id")
        with self._core.store.read() as session:
            self._replaceable(session, caller.tenant_name, blueprint_id)

    def upload(
        self,
        caller: Caller,
        blueprint_id: str,
        request: UploadRequest,
        temporary: Path | None,
        *,
        validate_only: bool = False,
    ) -> dict[str, Any]:
        """Take in a blueprint and start its upload execution (REST contract §5.2, §5.3).

        Args:
            temporary: the archive; adopted when it is used.
            validate_only: parse it and throw it away; the result is the execution's.

        Returns:
            The blueprint as clients see it.

        Raises:
            ManagerError: as the contract says; `invalid_blueprint_error` when a synchronous upload fails.
        """
        check_id(blueprint_id, "blueprint_id")
        labels = parse_labels(request.labels or [])
        visibility = visibility_rules.checked(request.visibility, caller)
        if request.created_at is not None:
            caller.require("set_timestamp")
        if request.created_by is not None:
            caller.require("set_owner")
        row_id = f"{blueprint_id[:200]}-{new_id()}" if validate_only else blueprint_id
        if not validate_only:
            self.check_free(caller, blueprint_id)
        if request.url is not None and temporary is None:
            check_scheme(request.url)
        archive_hash = self._adopt(caller, row_id, visibility, request, temporary)
        state = BlueprintState.VALIDATING if validate_only else BlueprintState.UPLOADING
        if archive_hash is None and not validate_only:
            state = BlueprintState.PENDING
        execution_id = None
        with self._core.store.write() as session:
            stale = self._replaceable(session, caller.tenant_name, row_id)
            self._require_unique_if_global(session, caller.tenant_name, row_id, visibility)
            row = self._new_row(caller, row_id, visibility, request)
            row.state = request.state or state if request.skip_execution else state
            row.archive_hash = archive_hash
            row.is_hidden = validate_only
            self._insert(session, row)
            if request.skip_execution:
                now = self._core.clock.now()
                replace_labels(
                    session, BlueprintLabel, "blueprint_id", row.tenant_name, row.id, labels, by=row.created_by, now=now
                )
            else:
                execution = self._core.executions.start_system_in(
                    session,
                    caller,
                    "upload_blueprint",
                    blueprint_id=row_id,
                    parameters={
                        "blueprint_id": row_id,
                        "app_file_name": request.main_file,
                        "url": request.url if archive_hash is None else None,
                        "file_server_root": None,
                        "marketplace_api_url": None,
                        "validate_only": validate_only,
                        "labels": [{key: value} for key, value in labels],
                    },
                )
                execution_id = row.upload_execution_id = execution.id
                session.add(row)
        if stale:
            shutil.rmtree(self.home(caller.tenant_name, row_id), ignore_errors=True)
        if execution_id is not None:
            self._core.executions.wake()
            if not request.asynchronous and not validate_only:
                self._core.executions.wait_until_end(execution_id, SYNCHRONOUS_SECONDS)
                self._raise_failure(caller, blueprint_id)
        return self.get(caller, row_id)

    def _adopt(
        self, caller: Caller, row_id: str, visibility: str, request: UploadRequest, temporary: Path | None
    ) -> str | None:
        if temporary is not None:
            if archives.archive_format(temporary) is None:
                self._keep_failure(caller, row_id, visibility, request)
                raise BadParameters(archives.UNRECOGNIZED)
            return self._core.files.adopt(ARCHIVES, temporary)
        if request.url is None and not request.skip_execution:
            raise BadParameters(
                "Missing file: send the blueprint's archive with the request, or name it in `blueprint_archive_url`",
                code="upload_missing_file",
            )
        return None

    def _keep_failure(self, caller: Caller, row_id: str, visibility: str, request: UploadRequest) -> None:
        with self._core.store.write() as session:
            self._replaceable(session, caller.tenant_name, row_id)
            row = self._new_row(caller, row_id, visibility, request)
            row.state = BlueprintState.FAILED_UPLOADING.value
            row.error = archives.UNRECOGNIZED
            self._insert(session, row)

    def _new_row(self, caller: Caller, row_id: str, visibility: str, request: UploadRequest) -> Blueprint:
        return Blueprint(
            id=row_id,
            tenant_name=caller.tenant_name,
            created_by=request.created_by or caller.username,
            created_at=request.created_at or self._core.clock.now(),
            visibility=visibility,
            requirements=request.requirements,
        )

    def _insert(self, session: Session, row: Blueprint) -> None:
        session.add(row)
        try:
            session.flush()
        except IntegrityError as error:
            raise _taken(row.id, row.tenant_name) from error

    def _replaceable(self, session: Session, tenant: str, blueprint_id: str) -> bool:
        """Remove a failed blueprint of this id; refuse if another has it. Returns whether one was removed.

        In a reading session nothing is kept of the removal.
        """
        row = self.of_tenant(session, tenant, blueprint_id)
        if row is None:
            return False
        if row.tenant_name != tenant or row.state not in BLUEPRINT_FAILED:
            raise _taken(blueprint_id, tenant)
        if not session.get_bind().get_execution_options().get("readonly"):
            session.delete(row)
            session.flush()
        return True

    def _require_unique_if_global(self, session: Session, tenant: str, blueprint_id: str, visibility: str) -> None:
        visibility_rules.require_unique_if_global(session, Blueprint, "Blueprint", tenant, blueprint_id, visibility)

    def _raise_failure(self, caller: Caller, blueprint_id: str) -> None:
        found = self.get(caller, blueprint_id, ["state", "error"])
        if found["state"] in BLUEPRINT_FAILED:
            what = "is invalid" if found["state"] == BlueprintState.INVALID else "has failed uploading"
            raise _invalid(f"Blueprint `{blueprint_id}` {what}. Error: {found['error']}")

    def on_execution_status_in(self, session: Session, execution: Execution) -> None:
        """Give a blueprint an end state when its upload execution ended without one (cancelled, killed, lost)."""
        if execution.status not in END or execution.blueprint_id is None:
            return
        table: Any = Blueprint
        mine = [table.tenant_name == execution.tenant_name, table.upload_execution_id == execution.id]
        if (execution.parameters or {}).get("validate_only"):
            session.connection().execute(delete(table).where(*mine))
            return
        error = execution.error or f"The upload was {execution.status}"
        if execution.status == ExecutionStatus.TERMINATED:
            return
        session.connection().execute(
            update(table)
            .where(*mine, table.state.not_in([str(state) for state in BLUEPRINT_END]))
            .values(state=BlueprintState.FAILED_UPLOADING.value, error=error)
        )

    # -- changing

    def patch(self, caller: Caller, blueprint_id: str, changes: dict[str, Any]) -> dict[str, Any]:
        """Change the given members of a blueprint; labels replace the full set."""
        unknown = sorted(set(changes) - _PATCHABLE)
        if unknown:
            raise BadParameters(f"Unknown parameters: {','.join(unknown)}")
        state = changes.get("state")
        if state is not None and state not in {str(item) for item in BlueprintState}:
            raise BadParameters(f"Invalid state: `{state}`. Valid blueprint state values are: {list(BlueprintState)}")
        if "creator" in changes:
            caller.require("set_owner")
        if changes.get("created_at") is not None:
            caller.require("set_timestamp")
        pairs = parse_labels(changes["labels"]) if changes.get("labels") is not None else None
        now = self._core.clock.now()
        with self._core.store.write() as session:
            row = self.owned(session, caller, blueprint_id)
            final_state = state or row.state
            if pairs is not None and final_state != BlueprintState.UPLOADED:
                raise Conflict("Blueprint labels can be created only if the blueprint state is uploaded")
            if changes.get("visibility") is not None:
                visibility_rules.widen(session, caller, row, "Blueprint", changes["visibility"])
            for name in _PLAIN:
                if name in changes:
                    setattr(row, name, changes[name])
            row.state = final_state
            if changes.get("creator") is not None:
                row.created_by = self._core.access.caller_for(session, changes["creator"], None).username
            if changes.get("created_at") is not None:
                row.created_at = changes["created_at"]
            if changes.get("upload_execution") is not None:
                row.upload_execution_id = str(changes["upload_execution"])
            row.updated_at = now
            session.add(row)
            if pairs is not None:
                replace_labels(
                    session, BlueprintLabel, "blueprint_id", row.tenant_name, row.id, pairs, by=caller.username, now=now
                )
        return self.get(caller, blueprint_id)

    def set_visibility(self, caller: Caller, blueprint_id: str, visibility: Any) -> dict[str, Any]:
        """Make a blueprint visible to more people."""
        with self._core.store.write() as session:
            row = self.owned(session, caller, blueprint_id)
            visibility_rules.widen(session, caller, row, "Blueprint", visibility)
        return self.get(caller, blueprint_id)

    def delete(self, caller: Caller, blueprint_id: str, *, force: bool = False) -> None:
        """Remove a blueprint, its archive and its files (REST contract §5.3)."""
        with self._core.store.write() as session:
            row = self.owned(session, caller, blueprint_id)
            if row.state not in BLUEPRINT_FAILED:
                self._require_unused(session, row, force=force)
            session.delete(row)
        shutil.rmtree(self.home(row.tenant_name, blueprint_id), ignore_errors=True)
        (self._core.settings.data_dir / "icons" / row.tenant_name / f"{blueprint_id}.png").unlink(missing_ok=True)
        self.sweep_archives()

    def _require_unused(self, session: Session, row: Blueprint, *, force: bool) -> None:
        if not force:
            if row.state not in BLUEPRINT_END:
                raise _invalid(f"Blueprint `{row.id}` is still {row.state}.")
            if row.id in self._imported_ids(session, row):
                raise ManagerError(
                    f'Blueprint {row.id} is currently in use. You can "force" blueprint removal.',
                    code="blueprint_in_use",
                    kind=Kind.IN_USE,
                )
        table: Any = Deployment
        using = select(table.id).where(table.blueprint_id == row.id).order_by(table.storage_id)
        if row.visibility != Visibility.GLOBAL:
            using = using.where(table.tenant_name == row.tenant_name)
        ids = list(session.connection().execute(using).scalars())
        if ids:
            raise ManagerError(
                f"Can't delete blueprint {row.id} - There exist deployments for this blueprint; "
                f"Deployments ids: {','.join(ids)}",
                code="dependent_exists_error",
                kind=Kind.BAD_INPUT,
            )

    def _imported_ids(self, session: Session, row: Blueprint) -> set[str]:
        """Return the ids that other blueprints of the tenant import."""
        table: Any = Blueprint
        # Plans are large: only those whose text names the id are read.
        from sqlalchemy import Text, cast

        statement = select(table.plan).where(
            table.storage_id != row.storage_id,
            table.plan.is_not(None),
            cast(table.plan, Text).contains(f'"{row.id}"', autoescape=True),
        )
        if row.visibility != Visibility.GLOBAL:
            statement = statement.where(table.tenant_name == row.tenant_name)
        found: set[str] = set()
        for (plan,) in session.connection().execute(statement):
            found.update(plan.get("imported_blueprints") or [])
        return found

    def sweep_archives(self) -> None:
        """Delete archives that no blueprint uses; those younger than an hour may belong to an upload under way."""
        table: Any = Blueprint
        with self._core.store.read() as session:
            used = set(session.connection().execute(select(table.archive_hash).distinct()).scalars())
        now = self._core.clock.now().timestamp()
        for path in (self._core.files.root / ARCHIVES).glob("*/*"):
            if path.name not in used and now - path.stat().st_mtime > _UNUSED_AFTER_SECONDS:
                path.unlink(missing_ok=True)


def _taken(blueprint_id: str, tenant: str) -> Conflict:
    return Conflict(f"blueprint with id={blueprint_id} already exists on tenant {tenant} or with global visibility")


def _invalid(message: str) -> ManagerError:
    return ManagerError(message, code="invalid_blueprint_error", kind=Kind.BAD_INPUT)
