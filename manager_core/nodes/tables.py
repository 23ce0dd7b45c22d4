"""Rows of nodes, node instances and deployment modifications."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from manager_core.deployments.tables import deployment_key
from manager_core.store.base import ResourceColumns, instant, json_column, row_id


class Node(ResourceColumns, table=True):
    """A node of a deployment (REST contract §12). The plan's node, without its interfaces."""

    __tablename__ = "nodes"
    __table_args__ = (UniqueConstraint("tenant_name", "deployment_id", "id"), deployment_key())

    storage_id: int | None = row_id()
    id: str
    deployment_id: str = Field(index=True)
    blueprint_id: str | None = None
    host_id: str | None = None
    type: str
    type_hierarchy: list[str] | None = json_column()
    properties: dict[str, Any] | None = json_column()
    operations: dict[str, Any] | None = json_column()
    relationships: list[Any] | None = json_column()
    plugins: list[Any] | None = json_column()
    plugins_to_install: list[Any] | None = json_column()
    number_of_instances: int = 1
    planned_number_of_instances: int = 1
    deploy_number_of_instances: int = 1
    min_number_of_instances: int = 0
    max_number_of_instances: int = -1


class NodeInstance(ResourceColumns, table=True):
    """An instance of a node (REST contract §13). `version` grows by one with every change of the row."""

    __tablename__ = "node_instances"
    __table_args__ = (UniqueConstraint("tenant_name", "id"), deployment_key())

    storage_id: int | None = row_id()
    id: str
    node_id: str = Field(index=True)
    deployment_id: str = Field(index=True)
    host_id: str | None = None
    index: int | None = None
    state: str = "uninitialized"
    version: int = 1
    relationships: list[Any] | None = json_column()
    runtime_properties: dict[str, Any] | None = json_column()
    system_properties: dict[str, Any] | None = json_column()
    scaling_groups: list[Any] | None = json_column()
    has_configuration_drift: bool = False
    is_status_check_ok: bool = True


class DeploymentModification(ResourceColumns, table=True):
    """A change of the number of instances (REST contract §14)."""

    __tablename__ = "deployment_modifications"
    __table_args__ = (UniqueConstraint("tenant_name", "id"), deployment_key())

    storage_id: int | None = row_id()
    id: str
    deployment_id: str = Field(index=True)
    status: str = "started"
    context: dict[str, Any] | None = json_column()
    ended_at: datetime | None = instant()
    modified_nodes: dict[str, Any] | None = json_column()
    node_instances: dict[str, Any] | None = json_column()
