"""The workflow `upload_blueprint`: from an archive to a usable blueprint (workflow-runtime contract §6.1).

Each phase is written to the blueprint as its state; a phase that fails leaves its own state and text, and ends the
execution with the same text. Runs again from the start when an earlier run was cut off.
"""

from __future__ import annotations

import shutil
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import delete, update

from manager_core.blueprints import archives
from manager_core.blueprints.fetching import download
from manager_core.blueprints.labels import add_labels, plan_labels
from manager_core.blueprints.parsing import parse_folder
from manager_core.blueprints.service import ARCHIVES
from manager_core.blueprints.tables import Blueprint, BlueprintLabel
from manager_core.dsl.errors import DslErrors
from manager_core.errors import BadParameters, Kind, ManagerError
from manager_core.filters.labels import parse_labels
from manager_core.runtime.system_work import SystemWork, WorkCancelled
from manager_core.states import BlueprintState

DEFAULT_MAIN_FILE = "blueprint.yaml"


class UploadFailed(ManagerError):
    """An upload did not end in a usable blueprint."""

    code = "invalid_blueprint_error"
    kind = Kind.BAD_INPUT


def run(work: SystemWork) -> None:
    """Turn the archive of `work.blueprint_id` into a plan.

    Parameters of the execution: app_file_name, url, validate_only, labels.

    Raises:
        UploadFailed: the text that the blueprint's `error` has too.
    """
    upload = _Upload(work)
    try:
        upload.run()
    finally:
        if work.parameters.get("validate_only"):
            upload.forget()
        elif work.core.files.fetches:  # every host unpacks the stored archive for itself
            shutil.rmtree(upload.home, ignore_errors=True)


class _Upload:
    def __init__(self, work: SystemWork) -> None:
        assert work.blueprint_id is not None
        self.work = work
        self.core = work.core
        self.tenant = work.tenant_name
        self.blueprint_id = work.blueprint_id
        self.home = self.core.blueprints.home(self.tenant, self.blueprint_id)

    def run(self) -> None:
        archive = self._archive()
        self._heed_cancel()
        self._set(state=BlueprintState.EXTRACTING.value)
        with self._phase(BlueprintState.FAILED_EXTRACTING):
            kind = archives.unpack_single(archive, self.home)
            main_file = self._main_file()
        if kind != "tar.gz":
            self._repack()
        self._heed_cancel()
        self._set(state=BlueprintState.PARSING.value)
        plan = self._parse(main_file)
        self._heed_cancel()
        with self._phase(BlueprintState.FAILED_UPLOADING):
            self._finish(main_file, plan)

    def _archive(self) -> Path:
        """Return the stored archive, downloading it first when the upload named a URL."""
        url = self.work.parameters.get("url")
        if url:
            self._set(state=BlueprintState.UPLOADING.value)
            with self._phase(BlueprintState.FAILED_UPLOADING):
                self.work.send_event(f"Downloading the archive from {url}")
                temporary = self.core.files.temporary()
                try:
                    download(url, temporary, self.core.clock)
                    if archives.archive_format(temporary) is None:
                        raise BadParameters(archives.UNRECOGNIZED)
                    self._set(archive_hash=self.core.files.adopt(ARCHIVES, temporary))
                finally:
                    temporary.unlink(missing_ok=True)
        with self.core.store.read() as session:
            row = self.core.blueprints.of_tenant(session, self.tenant, self.blueprint_id)
        if row is None or row.archive_hash is None or row.upload_execution_id != self.work.execution_id:
            raise self._removed()
        return self.core.files.require(ARCHIVES, row.archive_hash, f"The archive of blueprint `{self.blueprint_id}`")

    def _removed(self) -> UploadFailed:
        return UploadFailed(f"Blueprint `{self.blueprint_id}` was removed while it was uploaded")

    def _heed_cancel(self) -> None:
        if self.work.cancelled():
            raise WorkCancelled

    def _main_file(self) -> str:
        given: str | None = self.work.parameters.get("app_file_name")
        name = given or DEFAULT_MAIN_FILE
        try:
            path = (self.home / name).resolve()
            found = path.is_file() and path.is_relative_to(self.home.resolve())
        except (OSError, ValueError):
            found = False
        if found:
            return name
        if given is None or given == DEFAULT_MAIN_FILE:
            raise BadParameters(
                "Application directory is missing blueprint.yaml and application_file_name query parameter "
                "was not passed"
            )
        raise BadParameters(f"{name} does not exist in the application directory")

    def _repack(self) -> None:
        """Store the files as tar.gz, the one format that is given out."""
        temporary = self.core.files.temporary()
        try:
            archives.pack(self.home, self.blueprint_id, temporary)
            self._set(archive_hash=self.core.files.adopt(ARCHIVES, temporary))
        finally:
            temporary.unlink(missing_ok=True)

    def _parse(self, main_file: str) -> dict[str, Any]:
        try:
            return parse_folder(self.core, self.tenant, self.home, main_file)
        except DslErrors as error:
            raise self._failed(BlueprintState.INVALID, f"Invalid blueprint - {error.message}", error) from error
        except Exception as error:
            text = f"Failed parsing blueprint - {error}"
            raise self._failed(BlueprintState.FAILED_PARSING, text, error) from error

    def _finish(self, main_file: str, plan: dict[str, Any]) -> None:
        for node in plan.get("nodes", []):
            self._warn_of_doubles(node)
        labels = [*parse_labels(self.work.parameters.get("labels") or []), *plan_labels(plan.get("blueprint_labels"))]
        with self.core.store.write() as session:
            now = self.core.clock.now()
            row = self._values(
                plan=plan,
                description=plan.get("description"),
                requirements=plan.get("requirements"),
                main_file_name=main_file,
                state=BlueprintState.UPLOADED.value,
                error=None,
                error_traceback=None,
                updated_at=now,
            )
            if not session.connection().execute(row).rowcount:
                raise self._removed()
            add_labels(
                    session, BlueprintLabel, "blueprint_id", self.tenant, self.blueprint_id, labels,
                    by=self.work.caller.username, now=now,
                )  # fmt: skip

    def _warn_of_doubles(self, node: dict[str, Any]) -> None:
        targets = [item["target_id"] for item in node.get("relationships") or []]
        for target in sorted({name for name in targets if targets.count(name) > 1}):
            self.work.send_event(
                f"The node '{node['id']}' has several relationships to '{target}': "
                "only the operations of the last one will run"
            )

    @contextmanager
    def _phase(self, failure: BlueprintState) -> Iterator[None]:
        try:
            yield
        except ManagerError as error:
            raise self._failed(failure, error.message, error) from error
        except OSError as error:
            raise self._failed(failure, str(error), error) from error

    def _failed(self, state: BlueprintState, text: str, error: BaseException) -> UploadFailed:
        trace = None if isinstance(error, ManagerError) else "".join(traceback.format_exception(error))
        self._set(state=state.value, error=text, error_traceback=trace)
        return UploadFailed(text)

    def _mine(self) -> list[Any]:
        """Return the conditions of this upload's own row; another upload may have taken the name since."""
        table: Any = Blueprint
        return [
            table.tenant_name == self.tenant,
            table.id == self.blueprint_id,
            table.upload_execution_id == self.work.execution_id,
        ]

    def _values(self, **values: Any) -> Any:
        table: Any = Blueprint
        return update(table).where(*self._mine()).values(**values)

    def _set(self, **values: Any) -> None:
        if self.work.parameters.get("validate_only"):
            values.pop("state", None)
        if values:
            with self.core.store.write() as session:
                session.connection().execute(self._values(**values))

    def forget(self) -> None:
        """Remove what a validation made."""
        table: Any = Blueprint
        with self.core.store.write() as session:
            session.connection().execute(delete(table).where(*self._mine()))
        shutil.rmtree(self.home, ignore_errors=True)
