"""Plugins as clients see them (REST contract §16)."""

from __future__ import annotations

from typing import Any

from manager_core.plugins.tables import Plugin
from manager_core.rest.listing import Field, Listing, base_fields, column


def _yaml_url(name: str, version: str | None, distribution: str | None) -> str:
    url = f"plugin:{name}?version={version}"
    return f"{url}&distribution={distribution}" if distribution else url


def _yaml_paths(identifier: str, files: dict[str, Any] | None) -> list[str]:
    return [f"plugins/{identifier}/{name}" for name in sorted(files or {})]


def _listed(value: list[Any] | None) -> list[Any]:
    return value or []


PLUGINS = Listing(
    model="Plugin",
    table=Plugin,
    permission="plugin_list",
    default_sort=("uploaded_at",),
    search=("package_name",),
    fields={
        "id": column(Plugin.id),
        **base_fields(Plugin),
        "package_name": column(Plugin.package_name),
        "package_version": column(Plugin.package_version),
        "archive_name": column(Plugin.archive_name),
        "package_source": column(Plugin.package_source),
        "distribution": column(Plugin.distribution),
        "distribution_release": column(Plugin.distribution_release),
        "distribution_version": column(Plugin.distribution_version),
        "supported_platform": column(Plugin.supported_platform),
        "supported_py_versions": column(Plugin.supported_py_versions, filterable=False),
        "wheels": column(Plugin.wheels, render=_listed, filterable=False),
        "excluded_wheels": column(Plugin.excluded_wheels, render=_listed, filterable=False),
        "uploaded_at": column(Plugin.uploaded_at),
        "title": column(Plugin.title),
        "blueprint_labels": column(Plugin.blueprint_labels, filterable=False),
        "labels": column(Plugin.labels, filterable=False),
        "resource_tags": column(Plugin.resource_tags, filterable=False),
        "installation_state": column(Plugin.installation_state, render=_listed, filterable=False),
        "yaml_url_path": Field(
            (Plugin.package_name, Plugin.package_version, Plugin.distribution), render=_yaml_url, filterable=False
        ),
        "yaml_files_paths": Field((Plugin.id, Plugin.yaml_files), render=_yaml_paths, filterable=False),
        "file_server_path": Field((Plugin.id,), render=lambda value: f"plugins/{value}", filterable=False),
    },
)
