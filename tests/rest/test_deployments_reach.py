"""A deployment update names the deployments that its change reaches (REST contract §7)."""

from __future__ import annotations

from starlette.testclient import TestClient

from manager_core.bootstrap import Core
from manager_core.deployments.tables import DeploymentUpdate, InterDeploymentDependency
from tests.support.rows import a_deployment

NEEDS = [
    ("near", "component.part_a", "dep"),
    ("near", "nodes.web.properties.ip", "dep"),
    ("far", "sharedresource.shared", "near"),
    ("dep", "nodes.back.properties.x", "far"),
    ("other", "nodes.web.properties.ip", "elsewhere"),
]
"""(who needs, what made the need, who is needed); with a circle."""


def test_an_update_names_all_whom_its_change_reaches_the_nearest_first(core: Core, client: TestClient) -> None:
    names = {"dep", "near", "far", "other", "elsewhere"}
    for name in names:
        a_deployment(core, name)
    common = {"tenant_name": "default_tenant", "created_at": core.clock.now()}
    with core.store.write() as session:
        for needing, creator, needed in NEEDS:
            session.add(
                InterDeploymentDependency(
                    deployment_id=needing, dependency_creator=creator, target_deployment=needed, **common
                )
            )
        for name in ("dep", "other"):
            session.add(DeploymentUpdate(id=f"{name}-1", deployment_id=name, created_by="admin", **common))
    found = client.get("/deployment-updates/dep-1").json()["recursive_dependencies"]
    assert [(each["deployment"], each["dependency_type"], each["dependent_node"]) for each in found] == [
        ("near", "component", "part_a"),
        ("near", "nodes", "web"),
        ("far", "sharedresource", "shared"),
    ]
    assert {each["tenant"] for each in found} == {"default_tenant"}
    items = client.get("/deployment-updates").json()["items"]
    assert {item["id"]: len(item["recursive_dependencies"]) for item in items} == {"dep-1": 3, "other-1": 0}
