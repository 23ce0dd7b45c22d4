"""Rows of uploaded plugins."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from manager_core.store.base import ResourceColumns, json_column, required_instant, row_id


class Plugin(ResourceColumns, table=True):
    """An uploaded plugin (REST contract §16). `yaml_files` maps a definition file's name to its text;
    `archive_hash` addresses what was uploaded, `package_hash` the wagon or wheel in it."""

    __tablename__ = "plugins"
    __table_args__ = (UniqueConstraint("id"),)

    storage_id: int | None = row_id()
    id: str
    package_name: str = Field(index=True)
    package_version: str | None = None
    archive_name: str | None = None
    package_source: str | None = None
    distribution: str | None = None
    distribution_release: str | None = None
    distribution_version: str | None = None
    supported_platform: str | None = None
    supported_py_versions: list[str] | None = json_column()
    wheels: list[str] | None = json_column()
    excluded_wheels: list[str] | None = json_column()
    uploaded_at: datetime = required_instant()
    title: str | None = None
    blueprint_labels: Any = json_column()
    labels: Any = json_column()
    resource_tags: Any = json_column()
    installation_state: list[Any] | None = json_column()
    yaml_files: dict[str, str] | None = json_column()
    archive_hash: str
    package_hash: str | None = None
