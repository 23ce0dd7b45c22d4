"""Rows of deployments, their labels, updates and dependencies."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKeyConstraint, UniqueConstraint
from sqlmodel import Field, SQLModel

from manager_core.store.base import ResourceColumns, instant, json_column, required_instant, row_id


def deployment_key(*, cascade: bool = True) -> ForeignKeyConstraint:
    """Declare that rows belong to a deployment and go when it goes."""
    return ForeignKeyConstraint(
        ["tenant_name", "deployment_id"],
        ["deployments.tenant_name", "deployments.id"],
        ondelete="CASCADE" if cascade else None,
    )


class Deployment(ResourceColumns, table=True):
    """A deployment (REST contract §6.1). `workflows` is kept as a map and rendered as a list."""

    __tablename__ = "deployments"
    __table_args__ = (
        UniqueConstraint("tenant_name", "id"),
        # No foreign key on (tenant, blueprint): a global blueprint may live in another tenant.
    )

    storage_id: int | None = row_id()
    id: str = Field(index=True)
    display_name: str
    description: str | None = None
    blueprint_id: str | None = Field(default=None, index=True)
    site_name: str | None = None
    updated_at: datetime | None = instant()
    inputs: dict[str, Any] | None = json_column()
    outputs: dict[str, Any] | None = json_column()
    capabilities: dict[str, Any] | None = json_column()
    groups: dict[str, Any] | None = json_column()
    policy_types: dict[str, Any] | None = json_column()
    policy_triggers: dict[str, Any] | None = json_column()
    scaling_groups: dict[str, Any] | None = json_column()
    workflows: dict[str, Any] | None = json_column()
    deployment_groups: list[str] | None = json_column()
    runtime_only_evaluation: bool = False
    resource_tags: dict[str, Any] | None = json_column()
    installation_status: str | None = None
    deployment_status: str | None = None
    latest_execution: str | None = None
    create_execution: str | None = None
    sub_services_count: int = 0
    sub_services_status: str | None = None
    sub_environments_count: int = 0
    sub_environments_status: str | None = None
    drifted_instances: int = 0
    unavailable_instances: int = 0


class DeploymentLabel(SQLModel, table=True):
    """One (key, value) of a deployment."""

    __tablename__ = "deployment_labels"
    __table_args__ = (UniqueConstraint("tenant_name", "deployment_id", "key", "value"), deployment_key())

    storage_id: int | None = row_id()
    tenant_name: str
    deployment_id: str
    key: str = Field(index=True)
    value: str
    created_at: datetime = required_instant()
    created_by: str


class DeploymentUpdate(ResourceColumns, table=True):
    """A deployment update (REST contract §7)."""

    __tablename__ = "deployment_updates"
    __table_args__ = (UniqueConstraint("tenant_name", "id"), deployment_key())

    storage_id: int | None = row_id()
    id: str
    deployment_id: str = Field(index=True)
    old_blueprint_id: str | None = None
    new_blueprint_id: str | None = None
    old_inputs: dict[str, Any] | None = json_column()
    new_inputs: dict[str, Any] | None = json_column()
    state: str = "updating"
    execution_id: str | None = None
    preview: bool = False
    runtime_only_evaluation: bool = False
    steps: list[Any] | None = json_column()
    deployment_plan: dict[str, Any] | None = json_column()
    deployment_update_nodes: Any = json_column()
    deployment_update_node_instances: Any = json_column()
    deployment_update_deployment: Any = json_column()
    central_plugins_to_install: Any = json_column()
    central_plugins_to_uninstall: Any = json_column()
    modified_entity_ids: Any = json_column()
    schedules_to_create: Any = json_column()
    schedules_to_delete: Any = json_column()
    labels_to_create: Any = json_column()


class InterDeploymentDependency(SQLModel, table=True):
    """One deployment's need of another (a capability it reads, a component it made, a shared resource)."""

    __tablename__ = "inter_deployment_dependencies"
    __table_args__ = (deployment_key(),)

    storage_id: int | None = row_id()
    tenant_name: str
    deployment_id: str = Field(index=True)
    dependency_creator: str
    target_deployment: str | None = Field(default=None, index=True)
    target_deployment_function: Any = json_column()
    created_at: datetime = required_instant()
