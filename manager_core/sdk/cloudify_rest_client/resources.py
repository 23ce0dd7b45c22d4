"""The resources of the API that plugins and workflows use: attribute of the client to what makes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cloudify_rest_client.agents import AgentsClient
from cloudify_rest_client.blueprints import BlueprintsClient
from cloudify_rest_client.cluster_status import ClusterStatusClient
from cloudify_rest_client.deployment_modifications import DeploymentModificationsClient
from cloudify_rest_client.deployment_updates import DeploymentUpdatesClient
from cloudify_rest_client.deployments import DeploymentGroupsClient, DeploymentsClient
from cloudify_rest_client.evaluate import EvaluateClient
from cloudify_rest_client.events import EventsClient
from cloudify_rest_client.execution_schedules import ExecutionSchedulesClient
from cloudify_rest_client.executions import ExecutionGroupsClient, ExecutionsClient
from cloudify_rest_client.filters import BlueprintsFiltersClient, DeploymentsFiltersClient
from cloudify_rest_client.inter_deployment_dependencies import InterDeploymentDependencyClient
from cloudify_rest_client.labels import BlueprintsLabelsClient, DeploymentsLabelsClient
from cloudify_rest_client.maintenance import MaintenanceModeClient
from cloudify_rest_client.manager import ManagerClient
from cloudify_rest_client.node_instances import NodeInstancesClient
from cloudify_rest_client.nodes import NodesClient
from cloudify_rest_client.operations import OperationsClient, TasksGraphClient
from cloudify_rest_client.permissions import PermissionsClient
from cloudify_rest_client.plugins import PluginsClient
from cloudify_rest_client.secrets import SecretsClient
from cloudify_rest_client.sites import SitesClient
from cloudify_rest_client.snapshots import SnapshotsClient
from cloudify_rest_client.summary import SummariesClient
from cloudify_rest_client.tenants import TenantsClient
from cloudify_rest_client.tokens import TokensClient
from cloudify_rest_client.users import UsersClient
from cloudify_rest_client.workflows import WorkflowsClient

RESOURCES: dict[str, Callable[[Any], Any]] = {
    "agents": AgentsClient,
    "blueprints": BlueprintsClient,
    "blueprints_filters": BlueprintsFiltersClient,
    "blueprints_labels": BlueprintsLabelsClient,
    "cluster_status": ClusterStatusClient,
    "deployment_groups": DeploymentGroupsClient,
    "deployment_modifications": DeploymentModificationsClient,
    "deployment_updates": DeploymentUpdatesClient,
    "deployments": DeploymentsClient,
    "deployments_filters": DeploymentsFiltersClient,
    "deployments_labels": DeploymentsLabelsClient,
    "evaluate": EvaluateClient,
    "events": EventsClient,
    "execution_groups": ExecutionGroupsClient,
    "execution_schedules": ExecutionSchedulesClient,
    "executions": ExecutionsClient,
    "inter_deployment_dependencies": InterDeploymentDependencyClient,
    "maintenance_mode": MaintenanceModeClient,
    "manager": ManagerClient,
    "node_instances": NodeInstancesClient,
    "nodes": NodesClient,
    "operations": OperationsClient,
    "permissions": PermissionsClient,
    "plugins": PluginsClient,
    "secrets": SecretsClient,
    "sites": SitesClient,
    "snapshots": SnapshotsClient,
    "summary": SummariesClient,
    "tasks_graphs": TasksGraphClient,
    "tenants": TenantsClient,
    "tokens": TokensClient,
    "users": UsersClient,
    "workflows": WorkflowsClient,
}
