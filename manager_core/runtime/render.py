"""Renders a resource as a Jinja2 template, in the execution process (a plugin's own environment need not have
Jinja2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jinja2

from manager_core.errors import BadParameters
from manager_core.runtime.messages import JsonObject


def render(
    template: str,
    variables: Mapping[str, Any],
    context: JsonObject,
    transport: Any,
    *,
    instances: Mapping[str, JsonObject] | None = None,
) -> str:
    """Return the text of `template`.

    Args:
        template: Jinja2 source.
        variables: names for the template; ``ctx`` is added, the context of the calling operation.
        context: the ``__cloudify_context`` of the operation.
        transport: how that ``ctx`` reaches the manager.
        instances: records of node instances as the operation sees them now, unsaved changes included.

    Raises:
        BadParameters: the template is broken or failed while it was rendered.
    """
    from cloudify.context import CloudifyContext  # the SDK is importable in execution processes alone

    ctx = CloudifyContext(context, transport=transport, instances=dict(instances or {}))
    try:
        return jinja2.Environment(autoescape=False).from_string(template).render(**variables, ctx=ctx)  # noqa: S701 - not HTML
    except jinja2.TemplateError as error:
        raise BadParameters(f"Failed rendering the template: {error}") from error
