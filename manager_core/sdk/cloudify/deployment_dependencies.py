"""Needs between deployments as the REST API takes them."""

from __future__ import annotations

from typing import Any

DEPENDENCY_CREATOR = "dependency_creator"
SOURCE_DEPLOYMENT = "source_deployment"
TARGET_DEPLOYMENT = "target_deployment"
TARGET_DEPLOYMENT_FUNC = "target_deployment_func"
EXTERNAL_SOURCE = "external_source"
EXTERNAL_TARGET = "external_target"

VALID_ATTRIBUTES = {
    DEPENDENCY_CREATOR, SOURCE_DEPLOYMENT, TARGET_DEPLOYMENT, TARGET_DEPLOYMENT_FUNC, EXTERNAL_SOURCE, EXTERNAL_TARGET,
    "id", "visibility", "created_at", "created_by",
}  # fmt: skip


def build_deployment_dependency(dependency_creator: str, **kwargs: Any) -> dict[str, Any]:
    """Return a need without the attributes that are None.

    Args:
        dependency_creator: what needs it, see `format_dependency_creator`.
        kwargs: attributes, see `VALID_ATTRIBUTES`.

    Raises:
        RuntimeError: an attribute that a need does not have.
    """
    unknown = ", ".join(sorted(kwargs.keys() - VALID_ATTRIBUTES))
    if unknown:
        raise RuntimeError(f"Not valid inter-deployment dependency attribute(s): {unknown}")
    return {
        DEPENDENCY_CREATOR: dependency_creator,
        **{key: value for key, value in kwargs.items() if value is not None},
    }


def create_deployment_dependency(
    dependency_creator: str,
    source_deployment: str | None = None,
    target_deployment: str | None = None,
    target_deployment_func: Any = None,
    external_source: Any = None,
    external_target: Any = None,
) -> dict[str, Any]:
    """Return a need; the name and the order of arguments that plugins of version 5 use."""
    return build_deployment_dependency(
        dependency_creator,
        source_deployment=source_deployment,
        target_deployment=target_deployment,
        target_deployment_func=target_deployment_func,
        external_source=external_source,
        external_target=external_target,
    )


def format_dependency_creator(connection_type: str, to_deployment: str) -> str:
    """Return the name of what needs: a kind (`cloudify.constants`) and the id of a node instance."""
    return f"{connection_type}.{to_deployment}"


dependency_creator_generator = format_dependency_creator
