"""Which attributes of which resources filter rules can speak about (REST contract §20.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlmodel import SQLModel

from manager_core.blueprints.tables import Blueprint, BlueprintLabel
from manager_core.deployments.tables import Deployment, DeploymentLabel
from manager_core.nodes.tables import Node, NodeInstance
from manager_core.secrets.tables import Secret


@dataclass(frozen=True)
class FilteredKind:
    """One kind of resource.

    Attributes:
        table: its table.
        attributes: name in rules → column.
        names: the columns that a name constraint looks at; one that matches is enough.
        labels: the table of its labels and the column that names their owner; None when it has none.
    """

    table: type[SQLModel]
    attributes: dict[str, Any]
    names: tuple[Any, ...]
    labels: tuple[Any, Any] | None = None
    related: frozenset[str] = field(default_factory=frozenset)

    def attribute_names(self) -> list[str]:
        """Return every attribute a rule may name."""
        return sorted({*self.attributes, *self.related})


KINDS: dict[str, FilteredKind] = {
    "deployments": FilteredKind(
        Deployment,
        {
            "blueprint_id": Deployment.blueprint_id,
            "created_by": Deployment.created_by,
            "site_name": Deployment.site_name,
            "tenant_name": Deployment.tenant_name,
            "display_name": Deployment.display_name,
            "installation_status": Deployment.installation_status,
            "deployment_status": Deployment.deployment_status,
            "visibility": Deployment.visibility,
            "id": Deployment.id,
        },
        (Deployment.id, Deployment.display_name),
        (DeploymentLabel, DeploymentLabel.deployment_id),
        frozenset({"schedules"}),
    ),
    "blueprints": FilteredKind(
        Blueprint,
        {
            "created_by": Blueprint.created_by,
            "state": Blueprint.state,
            "tenant_name": Blueprint.tenant_name,
            "visibility": Blueprint.visibility,
            "id": Blueprint.id,
        },
        (Blueprint.id,),
        (BlueprintLabel, BlueprintLabel.blueprint_id),
    ),
    "secrets": FilteredKind(
        Secret,
        {"key": Secret.key, "provider_name": Secret.provider_name, "tenant_name": Secret.tenant_name},
        (Secret.key,),
    ),
    "nodes": FilteredKind(
        Node,
        {"id": Node.id, "type": Node.type, "deployment_id": Node.deployment_id},
        (Node.id,),
        related=frozenset({"operation_name"}),
    ),
    "node-instances": FilteredKind(
        NodeInstance,
        {"id": NodeInstance.id, "node_id": NodeInstance.node_id, "deployment_id": NodeInstance.deployment_id},
        (NodeInstance.id,),
    ),
}
"""Kind of resource, in the word of the URL → what rules know of it."""
