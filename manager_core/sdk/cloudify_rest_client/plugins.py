"""Plugins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cloudify_rest_client.records import Record, record
from cloudify_rest_client.resource import Resource, given


class Plugin(Record):
    """One of them."""


class PluginsClient(Resource):
    """Plugins."""

    path = "/plugins"
    key = "plugin_id"

    def upload(self, plugin_path: str, plugin_title: Any = None, visibility: str = "tenant", **kwargs: Any) -> Any:
        """Upload a plugin package from a file or a URL."""
        params = given(visibility=visibility, title=plugin_title)
        if "://" in plugin_path:
            return record(self.api.post("/plugins", params={**params, "plugin_archive_url": plugin_path}))
        return record(self.api.post("/plugins", params=params, data=Path(plugin_path).read_bytes()))

    def download(
        self, plugin_id: str, output_file: str, progress_callback: Any = None, full_archive: bool = False
    ) -> str:
        """Fetch a plugin package into a file and return its path."""
        params = {"full_archive": True} if full_archive else None
        return self._download(f"/plugins/{plugin_id}/archive", output_file, params)

    def download_yaml(self, plugin_id: str, output_file: str, progress_callback: Any = None) -> str:
        """Fetch a plugin's definitions into a file and return its path."""
        return self._download(f"/plugins/{plugin_id}/yaml", output_file)

    def get_yaml(self, plugin_id: str, dsl_version: str | None = None, progress_callback: Any = None) -> str:
        """Return the text of a plugin's definitions."""
        params = given(dsl_version=dsl_version)
        pieces = self.api.get(f"/plugins/{plugin_id}/yaml", params=params, stream=True).bytes_stream()
        return b"".join(pieces).decode("utf-8")

    def delete(self, plugin_id: str, force: bool = False) -> None:  # type: ignore[override]
        """Delete a plugin."""
        self.api.delete(f"/plugins/{plugin_id}", data={"force": force})

    def install(self, plugin_id: str, managers: Any = None, agents: Any = None) -> Any:
        """Install a plugin ahead of its first use."""
        body = {"action": "install", **given(managers=managers, agents=agents)}
        return record(self.api.post(f"/plugins/{plugin_id}", data=body))

    def set_state(
        self, plugin_id: str, state: str, agent_name: Any = None, manager_name: Any = None, error: Any = None
    ) -> Any:
        """Record how the installation of a plugin went."""
        body = {"state": state, **given(agent=agent_name, manager=manager_name, error=error)}
        return record(self.api.put(f"/plugins/{plugin_id}", data=body))

    def set_owner(self, plugin_id: str, creator: str) -> Any:
        """Give a plugin to another user."""
        return self.update(plugin_id, creator=creator)

    def update(self, plugin_id: str, **kwargs: Any) -> Any:
        """Change a plugin's record."""
        return record(self.api.patch(f"/plugins/{plugin_id}", data=kwargs))
