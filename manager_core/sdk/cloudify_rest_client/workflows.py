"""Workflows of deployments."""

from __future__ import annotations

from cloudify_rest_client.resource import Resource


class WorkflowsClient(Resource):
    """Workflows of deployments."""

    path = "/workflows"
