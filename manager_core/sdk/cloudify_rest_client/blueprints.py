"""Blueprints."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from cloudify_rest_client.records import Record, record
from cloudify_rest_client.resource import Resource, given
from cloudify_rest_client.utils import tar_blueprint


class Blueprint(Record):
    """One of them."""


class BlueprintsClient(Resource):
    """Blueprints."""

    path = "/blueprints"
    key = "blueprint_id"

    def download(self, blueprint_id: str, output_file: str | None = None, progress_callback: Any = None) -> str:
        """Fetch the archive of a blueprint into a file and return its path."""
        return self._download(f"/blueprints/{blueprint_id}/archive", output_file or f"{blueprint_id}.tar.gz")

    def publish_archive(
        self,
        archive_location: str,
        blueprint_id: str,
        blueprint_filename: str | None = None,
        visibility: str = "tenant",
        progress_callback: Any = None,
        async_upload: bool = False,
        labels: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Upload a blueprint from an archive: a file or a URL."""
        return self._upload(
            archive_location, blueprint_id, blueprint_filename, visibility, progress_callback, async_upload, labels,
            **kwargs,
        )  # fmt: skip

    def _upload(
        self,
        archive_location: str,
        blueprint_id: str,
        application_file_name: str | None = None,
        visibility: str = "tenant",
        progress_callback: Any = None,
        async_upload: bool = False,
        labels: Any = None,
        validate: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Upload an archive, a file or a URL; plugins call it although it begins with an underscore."""
        params = given(
            application_file_name=application_file_name,
            visibility=visibility,
            async_upload=async_upload,
            labels=labels,
            created_at=kwargs.get("created_at"),
            created_by=kwargs.get("created_by"),
            skip_execution=kwargs.get("skip_execution") or None,
            state=kwargs.get("state"),
        )
        address = f"/blueprints/{blueprint_id}" + ("/validate" if validate else "")
        if "://" in archive_location and not Path(archive_location).exists():
            return record(self.api.put(address, params={**params, "blueprint_archive_url": archive_location}))
        with Path(archive_location).open("rb") as archive:
            return record(self.api.put(address, data=archive.read(), params=params))

    def upload(
        self,
        path: str,
        entity_id: str,
        visibility: str = "tenant",
        progress_callback: Any = None,
        skip_size_limit: bool = True,
        async_upload: bool = False,
        labels: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Upload the folder of a blueprint file; the file is the one that is parsed."""
        with tempfile.TemporaryDirectory() as folder:
            archive = tar_blueprint(path, folder)
            return self._upload(
                archive, entity_id, Path(path).name, visibility, progress_callback, async_upload, labels, **kwargs
            )

    def validate(
        self,
        path: str,
        entity_id: str,
        blueprint_filename: str | None = None,
        visibility: str = "tenant",
        progress_callback: Any = None,
        skip_size_limit: bool = True,
    ) -> Any:
        """Parse a blueprint without keeping it; raises what an upload of it would."""
        if "://" in path and not Path(path).exists():
            return self._upload(path, entity_id, blueprint_filename, visibility, validate=True)
        with tempfile.TemporaryDirectory() as folder:
            return self._upload(tar_blueprint(path, folder), entity_id, Path(path).name, visibility, validate=True)

    def upload_archive(self, blueprint_id: str, archive_path: str) -> None:
        """Replace the archive of a blueprint."""
        self.api.put(f"/blueprints/{blueprint_id}/archive", data=Path(archive_path).read_bytes())

    def upload_icon(self, blueprint_id: str, icon_path: str) -> None:
        """Give a blueprint an icon."""
        self.api.patch(f"/blueprints/{blueprint_id}/icon", data=Path(icon_path).read_bytes())

    def remove_icon(self, blueprint_id: str) -> None:
        """Take a blueprint's icon away."""
        self.api.patch(f"/blueprints/{blueprint_id}/icon")

    def update(self, blueprint_id: str, update_dict: dict[str, Any]) -> Any:
        """Change a blueprint's record."""
        return record(self.api.patch(f"/blueprints/{blueprint_id}", data=update_dict))
