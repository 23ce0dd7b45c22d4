"""Workflows about host agents: this manager has none, so they only look (workflow-runtime.md §4.1)."""

# mypy: allow-untyped-decorators
# (the SDK is no part of the checked program: mypy sees its decorators as Any)

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from cloudify.constants import AGENT_INSTALL_METHOD_NONE
from cloudify.decorators import workflow

from manager_core.workflows.hosts import install_method, is_host_node
from manager_core.workflows.selection import selected_instances

Names = Collection[str] | None


@workflow(resumable=True)
def install_new_agents(ctx: Any, node_ids: Names = None, node_instance_ids: Names = None, **_: Any) -> None:
    """Succeed if no selected host has an agent.

    Raises:
        RuntimeError: a selected host is declared to have one.
    """
    _refuse_agents(ctx, node_ids, node_instance_ids)


@workflow(resumable=True)
def validate_agents(ctx: Any, node_ids: Names = None, node_instance_ids: Names = None, **_: Any) -> None:
    """Succeed if no selected host has an agent; raises as `install_new_agents`."""
    _refuse_agents(ctx, node_ids, node_instance_ids)


def _refuse_agents(ctx: Any, node_ids: Names, node_instance_ids: Names) -> None:
    with_agents = [
        instance.id
        for instance in selected_instances(ctx, node_ids, node_instance_ids)
        if is_host_node(instance) and install_method(instance) != AGENT_INSTALL_METHOD_NONE
    ]
    if with_agents:
        raise RuntimeError(f"Host agents are not supported by this manager: {', '.join(sorted(with_agents))}")
    ctx.logger.info("No host agents to look after.")
