"""What the operations of these types upload: blueprints, plugins and secrets, and how they take them back."""

from __future__ import annotations

import shutil
import tempfile
import urllib.request
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cloudify import ctx
from cloudify.exceptions import HttpException, NonRecoverableError
from cloudify.models_states import BlueprintUploadState
from cloudify_rest_client.exceptions import CloudifyClientError

from cloudify_types.clients import EXTERNAL, checked_labels, exists, is_missing
from cloudify_types.following import wait_until

_SECRETS = "_secrets_made"
_PLUGINS = "plugins"
_PARSING = 300
"""Seconds that a blueprint may take to be parsed."""


def upload_blueprint(client: Any, blueprint: dict[str, Any]) -> None:
    """Upload a blueprint unless it is there; what was asked for is kept as the runtime property ``blueprint``.

    Args:
        blueprint: ``id``, ``blueprint_archive`` (a URL, or an archive or a folder of the own blueprint),
            ``main_file_name``, ``labels``, ``external_resource``.

    Raises:
        NonRecoverableError: an external one is not there, there is nothing to upload, or it is refused.
    """
    name = blueprint.get("id") or ctx.instance.id
    source, main_file = blueprint.get("blueprint_archive"), blueprint.get("main_file_name")
    labels = checked_labels(blueprint.get("labels") or [])
    ctx.instance.runtime_properties["blueprint"] = {
        "id": name,
        "blueprint_archive": source,
        "application_file_name": main_file,
        "labels": labels,
    }
    there = exists(client.blueprints, name)
    if blueprint.get(EXTERNAL):
        if not there:
            raise NonRecoverableError(f'{EXTERNAL} is true, and tenant "{ctx.tenant_name}" has no blueprint "{name}"')
        ctx.logger.info("The blueprint is there already and is used as it is.")
        return
    if there:
        ctx.logger.info('Blueprint "%s" is there already and is used, although %s is false.', name, EXTERNAL)
    elif not source:
        raise NonRecoverableError(f"blueprint_archive is missing: it is needed where {EXTERNAL} is false")
    else:
        _send_blueprint(client, name, source, main_file, labels)
    _wait_for_blueprint(client, name)


def _send_blueprint(client: Any, name: str, source: str, main_file: str | None, labels: Any) -> None:
    try:
        with tempfile.TemporaryDirectory() as folder:
            address = urlsplit(source)
            if not (address.scheme and address.netloc):
                try:
                    tree = ctx.download_directory(source, str(Path(folder) / "blueprint"))
                except HttpException:
                    source = ctx.download_resource(source, str(Path(folder) / Path(source).name))
                else:
                    path = str(Path(tree) / (main_file or "blueprint.yaml"))
                    client.blueprints.upload(path, name, async_upload=True, labels=labels)
                    return
            client.blueprints.publish_archive(source, name, main_file, async_upload=True, labels=labels)
    except CloudifyClientError as error:
        if error.status_code != 409:  # somebody else uploads the same one at this moment
            raise


def _wait_for_blueprint(client: Any, name: str) -> None:
    found: dict[str, Any] = {}

    def parsed() -> bool:
        found.update(client.blueprints.get(name, _include=["id", "state", "error"]))
        return found["state"] in BlueprintUploadState.END_STATES

    if not wait_until(parsed, _PARSING):
        raise NonRecoverableError(f"The blueprint was not parsed within {_PARSING} seconds.")
    if found["state"] in BlueprintUploadState.FAILED_STATES:
        raise NonRecoverableError(f"Blueprint {name} could not be uploaded ({found['state']}): {found.get('error')}")


def delete_blueprint(client: Any, name: str) -> None:
    """Delete a blueprint that nothing else uses."""
    try:
        client.blueprints.delete(name)
    except CloudifyClientError as error:
        if is_missing(error):
            ctx.logger.warning('Blueprint "%s" is gone already.', name)
        elif error.error_code in ("blueprint_in_use", "dependent_exists_error"):
            ctx.logger.warning('Blueprint "%s" stays: %s', name, error)
        else:
            raise


def make_secrets(client: Any, secrets: dict[str, Any] | None) -> None:
    """Store secrets under names that are free.

    Raises:
        NonRecoverableError: a name is taken.
    """
    properties = ctx.instance.runtime_properties
    made = list(properties.get(_SECRETS) or [])
    wanted = [name for name in secrets or {} if name not in made]
    taken = {secret.key for secret in client.secrets.list(_get_all_results=True)} if wanted else set()
    clashing = ", ".join(f'"{name}"' for name in wanted if name in taken)
    if clashing:
        raise NonRecoverableError(f"Secrets of these names exist already and are not overwritten: {clashing}")
    for name in wanted:
        client.secrets.create(name, str((secrets or {})[name]))
        made.append(name)
        properties[_SECRETS] = list(made)
        ctx.logger.info('Secret "%s" was made', name)


def delete_secrets(client: Any) -> None:
    """Delete the secrets that this instance made."""
    for name in ctx.instance.runtime_properties.pop(_SECRETS, None) or []:
        try:
            client.secrets.delete(name)
        except CloudifyClientError as error:
            if not is_missing(error):
                raise
        ctx.logger.info('Secret "%s" was deleted', name)


def upload_plugins(client: Any, plugins: dict[str, Any] | None) -> None:
    """Upload plugins that are not there: each has a ``wagon_path`` and a ``plugin_yaml_path``, files or URLs."""
    if not plugins or _PLUGINS in ctx.instance.runtime_properties:
        return
    sent: list[str] = []
    for title, plugin in plugins.items():
        if not plugin.get("wagon_path") or not plugin.get("plugin_yaml_path"):
            raise NonRecoverableError(f'Plugin "{title}" needs both wagon_path and plugin_yaml_path')
        parts = [plugin[key] for key in ("wagon_path", "plugin_yaml_path", "icon_png_path") if plugin.get(key)]
        with tempfile.TemporaryDirectory() as folder:
            package = Path(folder) / "plugin.zip"
            with zipfile.ZipFile(package, "w") as archive:
                for part in parts:
                    file = _local(part, Path(folder))
                    archive.write(file, file.name)
            try:
                sent.append(client.plugins.upload(str(package), title).id)
                ctx.logger.info('Plugin "%s" was uploaded', title)
            except CloudifyClientError as error:
                if error.status_code != 409:
                    raise
                ctx.logger.warning('Plugin "%s" is there already', title)
    ctx.instance.runtime_properties[_PLUGINS] = sent


def _local(source: str, folder: Path) -> Path:
    """Return a local copy of a file, of a resource of the blueprint, or of what a URL leads to."""
    address = urlsplit(source)
    target = folder / Path(address.path).name
    if address.scheme in ("http", "https"):
        with urllib.request.urlopen(source, timeout=300) as answer, target.open("wb") as out:
            shutil.copyfileobj(answer, out)
        return target
    if Path(source).is_file():
        return Path(source)
    return Path(ctx.download_resource(source, str(target)))


def delete_plugins(client: Any) -> None:
    """Delete the plugins that this instance uploaded and nothing else uses."""
    for plugin_id in ctx.instance.runtime_properties.pop(_PLUGINS, None) or []:
        try:
            client.plugins.delete(plugin_id)
            ctx.logger.info('Plugin "%s" was deleted', plugin_id)
        except CloudifyClientError as error:
            if not is_missing(error) and error.error_code != "plugin_in_use":
                raise
            ctx.logger.warning('Plugin "%s" stays: %s', plugin_id, error)
