"""What a Blueprint node does in its lifecycle."""

from __future__ import annotations

from typing import Any

from cloudify import ctx
from cloudify.decorators import operation

from cloudify_types import uploads
from cloudify_types.clients import EXTERNAL, client_of, final, setting


@operation(resumable=True)
@final
def upload(**kwargs: Any) -> bool:
    """Upload the blueprint, its secrets and its plugins."""
    client, _ = client_of(setting("client", kwargs))
    uploads.upload_blueprint(client, setting("resource_config", kwargs) or {})
    uploads.make_secrets(client, setting("secrets", kwargs))
    uploads.upload_plugins(client, setting("plugins", kwargs))
    return True


@operation(resumable=True)
@final
def delete(**kwargs: Any) -> bool:
    """Delete what was uploaded."""
    client, _ = client_of(setting("client", kwargs))
    config = setting("resource_config", kwargs) or {}
    if not config.get(EXTERNAL):
        uploads.delete_blueprint(client, config.get("id") or ctx.instance.id)
    uploads.delete_plugins(client)
    uploads.delete_secrets(client)
    ctx.instance.runtime_properties.pop("blueprint", None)
    return True
