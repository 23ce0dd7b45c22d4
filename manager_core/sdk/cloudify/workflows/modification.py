"""Deployment modification as a workflow sees it (contract §1.8, §7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloudify.models_states import DeploymentModificationState
from cloudify.workflows.nodes import WorkflowNodesAndInstancesContainer


class ModificationNodes(WorkflowNodesAndInstancesContainer):
    """The instances a modification adds or removes, and those related to them with only the changed relationships."""

    def __init__(
        self, modification: Modification, raw_nodes: list[dict[str, Any]], raw_node_instances: list[dict[str, Any]]
    ) -> None:
        super().__init__(modification.workflow_ctx, raw_nodes, raw_node_instances)


class Modification:
    """A started deployment modification."""

    def __init__(self, workflow_ctx: Any, modification: dict[str, Any]) -> None:
        self.workflow_ctx = workflow_ctx
        self._raw_modification = modification
        instances = modification["node_instances"]
        raw_nodes = workflow_ctx.internal.raw_nodes()
        self._added = ModificationNodes(self, raw_nodes, instances.get("added_and_related") or [])
        self._removed = ModificationNodes(self, raw_nodes, instances.get("removed_and_related") or [])

    @property
    def added(self) -> ModificationNodes:
        """What it adds."""
        return self._added

    @property
    def removed(self) -> ModificationNodes:
        """What it removes."""
        return self._removed

    @property
    def id(self) -> str:
        """Its id."""
        return self._raw_modification["id"]

    def finish(self) -> None:
        """Commit it: the new counts stand, removed instances are deleted."""
        self.workflow_ctx.internal.handler.finish_deployment_modification(self.id)

    def rollback(self) -> None:
        """Put all instances back as they were when it started."""
        self.workflow_ctx.internal.handler.rollback_deployment_modification(self.id)


class WorkflowDeploymentContext:
    """The deployment a workflow runs on."""

    def __init__(self, cloudify_context: Mapping[str, Any], workflow_ctx: Any) -> None:
        self._context = cloudify_context
        self.workflow_ctx = workflow_ctx

    @property
    def id(self) -> str | None:
        """Its id."""
        return self._context.get("deployment_id")

    @property
    def display_name(self) -> str | None:
        """What people call it."""
        return self._context.get("deployment_display_name")

    @property
    def creator(self) -> str | None:
        """The user who created it."""
        return self._context.get("deployment_creator")

    @property
    def tenant_name(self) -> str | None:
        """Its tenant."""
        return (self._context.get("tenant") or {}).get("name")

    @property
    def runtime_only_evaluation(self) -> bool | None:
        """Whether all intrinsic functions are evaluated at run time."""
        return self._context.get("runtime_only_evaluation")

    @property
    def resource_tags(self) -> dict[str, Any]:
        """Its resource tags, evaluated."""
        return self.workflow_ctx.internal.handler.get_resource_tags()

    @property
    def scaling_groups(self) -> dict[str, Any]:
        """Its scaling groups: name -> ``members`` and ``properties``."""
        return self.workflow_ctx.internal.handler.get_scaling_groups()

    def start_modification(self, nodes: Mapping[str, dict[str, Any]]) -> Modification:
        """Start a modification; the context's nodes and instances are loaded again (contract §7).

        Args:
            nodes: node or group name -> ``instances`` (the wanted total) and the hints.
        """
        raw = self.workflow_ctx.internal.handler.start_deployment_modification(nodes)
        self.workflow_ctx.refresh_node_instances()
        return Modification(self.workflow_ctx, raw)

    def list_started_modifications(self) -> list[Modification]:
        """Return the modifications that are started and not ended."""
        found = self.workflow_ctx.internal.handler.list_deployment_modifications(DeploymentModificationState.STARTED)
        return [Modification(self.workflow_ctx, raw) for raw in found]
