"""Deployments, their values, and groups of them."""

from __future__ import annotations

from typing import Any

from cloudify_rest_client.records import ListResponse, Record, listing, record
from cloudify_rest_client.resource import Resource, given


class Deployment(Record):
    """One of them."""


class DeploymentOutputs(Record):
    """One of them."""


class DeploymentCapabilities(Record):
    """One of them."""


class DeploymentScalingGroup(Record):
    """One of them."""


class DeploymentGroup(Record):
    """One of them."""


class Workflow(Record):
    """One of them."""


class DeploymentOutputsClient:
    """Evaluated outputs."""

    def __init__(self, api: Any) -> None:
        self.api = api

    def get(self, deployment_id: str) -> Any:
        """Return ``{deployment_id, outputs}``."""
        return record(self.api.get(f"/deployments/{deployment_id}/outputs"))


class DeploymentCapabilitiesClient:
    """Evaluated capabilities."""

    def __init__(self, api: Any) -> None:
        self.api = api

    def get(self, deployment_id: str) -> Any:
        """Return ``{deployment_id, capabilities}``."""
        return record(self.api.get(f"/deployments/{deployment_id}/capabilities"))

    def list(self, deployment_id: str, _include: Any = None, constraints: Any = None, **kwargs: Any) -> ListResponse:
        """Return the capabilities of a deployment that meet the constraints."""
        params = {"deployment_id": deployment_id, **kwargs}
        return listing(self.api.post("/searches/capabilities", data={"constraints": constraints or {}}, params=params))


class DeploymentScalingGroupsClient:
    """Scaling groups."""

    def __init__(self, api: Any) -> None:
        self.api = api

    def list(
        self, blueprint_id: Any = None, deployment_id: Any = None, constraints: Any = None, _include: Any = None,
        **kwargs: Any,
    ) -> ListResponse:  # fmt: skip
        """Return the scaling groups of a deployment or of a blueprint that meet the constraints."""
        params = {**given(blueprint_id=blueprint_id, deployment_id=deployment_id), **kwargs}
        body = {"constraints": constraints or {}}
        return listing(self.api.post("/searches/scaling-groups", data=body, params=params))


class DeploymentsClient(Resource):
    """Deployments."""

    path = "/deployments"
    key = "deployment_id"

    def __init__(self, api: Any) -> None:
        super().__init__(api)
        self.outputs = DeploymentOutputsClient(api)
        self.capabilities = DeploymentCapabilitiesClient(api)
        self.scaling_groups = DeploymentScalingGroupsClient(api)

    def create(
        self,
        blueprint_id: str,
        deployment_id: str,
        inputs: dict[str, Any] | None = None,
        visibility: str = "tenant",
        skip_plugins_validation: bool = False,
        site_name: str | None = None,
        runtime_only_evaluation: bool = False,
        labels: Any = None,
        display_name: str | None = None,
        async_create: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """Create a deployment of a blueprint."""
        body = given(
            blueprint_id=blueprint_id,
            visibility=visibility,
            inputs=inputs,
            site_name=site_name,
            labels=labels,
            display_name=display_name,
            **kwargs,
        )
        body["skip_plugins_validation"] = skip_plugins_validation
        body["runtime_only_evaluation"] = runtime_only_evaluation
        params = given(async_create=async_create)
        return record(self.api.put(f"/deployments/{deployment_id}", data=body, params=params))

    def delete(
        self,
        deployment_id: str,
        force: bool = False,
        delete_db_mode: bool = False,
        with_logs: bool = False,
        recursive: bool = False,
    ) -> None:
        """Delete a deployment; it is gone when its deletion has run."""
        params = {"force": force, "delete_logs": with_logs, "recursive": recursive}
        if delete_db_mode:
            params["delete_db_mode"] = True
        self.api.delete(f"/deployments/{deployment_id}", params=params)

    def update_labels(self, deployment_id: str, labels: Any, creator: Any = None, created_at: Any = None) -> Any:
        """Replace the labels of a deployment."""
        body = given(labels=labels, creator=creator, created_at=created_at)
        return record(self.api.patch(f"/deployments/{deployment_id}", data=body))

    def set_attributes(self, deployment_id: str, **kwargs: Any) -> Any:
        """Change a deployment's record."""
        return record(self.api.patch(f"/deployments/{deployment_id}", data=kwargs))

    def set_site(self, deployment_id: str, site_name: str | None = None, detach_site: bool = False) -> Any:
        """Put a deployment at a site."""
        body = given(site_name=site_name, detach_site=detach_site or None)
        return record(self.api.post(f"/deployments/{deployment_id}/set-site", data=body))


class DeploymentGroupsClient(Resource):
    """Groups of deployments."""

    path = "/deployment-groups"
    key = "group_id"

    def put(self, group_id: str, **kwargs: Any) -> Any:
        """Create a group or change it."""
        return record(self.api.put(f"/deployment-groups/{group_id}", data=given(**kwargs)))

    def add_deployments(
        self,
        group_id: str,
        deployment_ids: Any = None,
        count: int | None = None,
        new_deployments: Any = None,
        filter_id: str | None = None,
        filter_rules: Any = None,
        deployments_from_group: str | None = None,
        **_: Any,
    ) -> Any:
        """Add deployments to a group, or create them in it."""
        if count is not None and new_deployments is not None:
            raise ValueError("count and new_deployments exclude each other")
        body = {
            "deployment_ids": deployment_ids,
            "new_deployments": [{} for _ in range(count)] if count else new_deployments,
            "filter_id": filter_id,
            "filter_rules": filter_rules,
            "deployments_from_group": deployments_from_group,
        }
        return record(self.api.patch(f"/deployment-groups/{group_id}", data={"add": body}))

    def remove_deployments(
        self,
        group_id: str,
        deployment_ids: Any = None,
        filter_id: str | None = None,
        filter_rules: Any = None,
        deployments_from_group: str | None = None,
    ) -> Any:
        """Take deployments out of a group."""
        body = {
            "deployment_ids": deployment_ids,
            "filter_id": filter_id,
            "filter_rules": filter_rules,
            "deployments_from_group": deployments_from_group,
        }
        return record(self.api.patch(f"/deployment-groups/{group_id}", data={"remove": body}))

    def delete(  # type: ignore[override]
        self,
        group_id: str,
        delete_deployments: bool = False,
        force: bool = False,
        with_logs: bool = False,
        recursive: bool = False,
    ) -> None:
        """Delete a group, with its deployments on request."""
        params = {
            "delete_deployments": delete_deployments,
            "force": force,
            "delete_logs": with_logs,
            "recursive": recursive,
        }
        self.api.delete(f"/deployment-groups/{group_id}", params=params)
