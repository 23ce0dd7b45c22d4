"""Component, SharedResource, Blueprint and PasswordSecret nodes in a running manager, and the client plugins have."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from manager_core.runtime import child
from tests.support.databases import PostgresTemplate
from tests.support.life import until
from tests.support.plugins_made import project
from tests.support.processes import PASSWORD, Manager

TYPES = "tosca_definitions_version: cloudify_dsl_1_4\nimports: [cloudify/types/types.yaml]\n"
PART = """\
inputs: {color: {default: blue}}
node_templates:
  leaf:
    type: cloudify.nodes.Root
    interfaces:
      cloudify.interfaces.lifecycle:
        start: {implementation: start.sh, executor: central_deployment_agent}
capabilities:
  color: {value: {get_input: color}}
  made: {value: {get_attribute: [leaf, made]}}
"""
WHOLE = """\
node_templates:
  part:
    type: cloudify.nodes.ServiceComponent
    properties:
      secrets: {part_key: hidden}
      resource_config:
        blueprint: {id: part-bp, blueprint_archive: part}
        deployment: {id: part, inputs: {color: red}, labels: [{team: a}], auto_inc_suffix: true}
  after:
    type: cloudify.nodes.Root
    relationships: [{type: cloudify.relationships.depends_on, target: part}]
    interfaces:
      cloudify.interfaces.lifecycle:
        create:
          implementation: note.sh
          executor: central_deployment_agent
          inputs: {made: {get_attribute: [part, capabilities, made]}}
  password:
    type: cloudify.nodes.PasswordSecret
    properties: {length: 20, digits: 12, uppercase: 8, symbols: -1, lowercase: -1}
  more:
    type: cloudify.nodes.Blueprint
    properties:
      resource_config: {id: more-bp, blueprint_archive: part, labels: [{kind: extra}]}
"""
USER = """\
node_templates:
  shared:
    type: cloudify.nodes.SharedResource
    properties: {resource_config: {deployment: {id: shared}}}
  user:
    type: cloudify.nodes.Root
    relationships:
      - type: cloudify.relationships.connected_to_shared_resource
        target: shared
        target_interfaces:
          cloudify.interfaces.relationship_lifecycle:
            establish:
              inputs:
                workflow_id: execute_operation
                parameters: {operation: cloudify.interfaces.lifecycle.start}
            unlink: {inputs: {workflow_id: check_status}}
"""
START = "#!/bin/sh\nctx instance runtime-properties made in-time\n"
NOTE = "#!/bin/sh\nctx instance runtime-properties seen $made\n"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)], scope="module")
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A client as plugins have it, of a running manager with the blueprints `whole`, `user` and `part`."""
    folder = tmp_path_factory.mktemp("types")
    extra = {}
    if request.param == "postgresql":
        template: PostgresTemplate = request.getfixturevalue("postgres_template")
        name, extra["DATABASE_URL"] = template.empty()
        request.addfinalizer(lambda: template.drop(name))
    manager = Manager(folder / "data", **extra)
    sdk = str(child.sdk_folder())
    sys.path.insert(0, sdk)
    try:
        from cloudify_rest_client import CloudifyClient

        manager.ready()
        client = CloudifyClient(
            manager.host, manager.port, username="admin", password=PASSWORD, tenant="default_tenant"
        )
        files = {
            "whole.yaml": TYPES + WHOLE, "user.yaml": TYPES + USER, "note.sh": NOTE,
            "part/blueprint.yaml": TYPES + PART, "part/start.sh": START,
        }  # fmt: skip
        made = project(folder / "blueprints", files)
        client.made = str(made)
        for name in ("whole", "user", "part/blueprint"):
            client.blueprints.upload(str(made / f"{name}.yaml"), entity_id=name.partition("/")[0])
        yield client
    finally:
        sys.path.remove(sdk)
        manager.kill_group()


def run(client: Any, deployment: str, workflow: str, **more: Any) -> Any:
    """Run a workflow to its end and return the execution."""
    key = client.executions.start(deployment, workflow, **more).id
    ended = ("terminated", "failed", "cancelled")
    return until(lambda: (found := client.executions.get(execution_id=key)).status in ended and found)


def properties(client: Any, deployment: str, node: str) -> dict[str, Any]:
    """Return the runtime properties of a node's only instance."""
    found = client.node_instances.list(deployment_id=deployment, node_id=node).one()
    return dict(found.runtime_properties)


def ids(listing: Any) -> set[str]:
    return {each.id for each in listing}


def test_a_component_lives_and_goes_with_its_node(client: Any) -> None:
    """Created under a free name, installed, read, guarded while it is needed, and gone after the uninstall."""
    from cloudify_rest_client.exceptions import CloudifyClientError

    client.deployments.create("part", "part-0")
    client.deployments.create("whole", "whole")
    done = run(client, "whole", "install")
    assert done.status == "terminated", done.error
    part = properties(client, "whole", "part")
    assert part["deployment"] == {"id": "part-1"}
    assert part["capabilities"] == {"color": "red", "made": "in-time"}
    assert properties(client, "whole", "after") == {"seen": "in-time"}
    labels = {(one["key"], one["value"]) for one in client.deployments.get("part-1").labels}
    assert labels == {("team", "a"), ("csys-obj-parent", "whole")}
    assert client.secrets.get(key="part_key").value == "hidden"
    assert {"part-bp", "more-bp"} <= ids(client.blueprints.list())
    said = [event.message for event in client.events.list(execution_id=done.id, include_logs=True, _size=1000)]
    assert any("Starting 'install' workflow execution" in text and text.startswith("20") for text in said)
    for refused in (
        lambda: client.deployments.delete(deployment_id="part-1"),
        lambda: client.executions.start("part-1", "uninstall"),
    ):
        with pytest.raises(CloudifyClientError, match="as a component in its node"):
            refused()
    assert run(client, "whole", "uninstall").status == "terminated"
    assert ids(client.deployments.list()) & {"whole", "part-0", "part-1"} == {"whole", "part-0"}
    assert not {"part-bp", "more-bp"} & ids(client.blueprints.list())
    assert {one.key for one in client.secrets.list()} == set()
    assert client.inter_deployment_dependencies.list(source_deployment_id="whole").items == []


def test_a_password_has_what_was_asked_for_and_is_a_secret(client: Any) -> None:
    """It is made once, is named by the runtime properties, and goes with the node."""
    client.deployments.create("whole", "words")
    done = run(client, "words", "install", parameters={"node_ids": ["password"]})
    assert done.status == "terminated", done.error
    found = properties(client, "words", "password")
    assert found["password"] == {"get_secret": found["secret_name"]}
    value = client.secrets.get(found["secret_name"]).value
    assert (len(value), sum(letter.isdigit() for letter in value) >= 12, value.upper()) == (20, True, value)
    assert run(client, "words", "uninstall").status == "terminated"
    assert found["secret_name"] not in {one.key for one in client.secrets.list()}


def test_a_shared_resource_is_used_while_it_is_installed(client: Any) -> None:
    """One that is not installed is refused; one that is in use stays, and workflows run in it."""
    from cloudify_rest_client.exceptions import CloudifyClientError

    client.deployments.create("part", "shared")
    client.deployments.create("user", "user")
    refused = run(client, "user", "install")
    assert refused.status == "failed"
    assert "is not installed: install it" in refused.error
    assert run(client, "shared", "install").status == "terminated"
    assert run(client, "user", "install").status == "terminated"
    assert properties(client, "user", "shared")["capabilities"]["made"] == "in-time"
    assert client.executions.list(deployment_id="shared", workflow_id="execute_operation").one().status == "terminated"
    with pytest.raises(CloudifyClientError, match="uses the current deployment as a shared resource"):
        client.deployments.delete("shared")
    assert run(client, "user", "uninstall").status == "terminated"
    assert run(client, "shared", "uninstall").status == "terminated"


def test_a_shared_resource_on_demand_comes_and_goes_with_its_use(client: Any, tmp_path: Path) -> None:
    """The first use installs it, the end of the last one uninstalls it."""
    client.deployments.create("part", "shared-2", labels=[{"csys-obj-type": "on-demand-resource"}])
    (tmp_path / "on-demand.yaml").write_text((TYPES + USER).replace("id: shared}", "id: shared-2}"))
    client.blueprints.upload(str(tmp_path / "on-demand.yaml"), "user-2")
    client.deployments.create("user-2", "user-2")
    assert run(client, "user-2", "install").status == "terminated"
    assert client.deployments.get("shared-2").installation_status == "active"
    assert run(client, "user-2", "uninstall").status == "terminated"
    assert client.deployments.get("shared-2").installation_status == "inactive"


CALLS: dict[str, Any] = {
    "capabilities": lambda c: c.deployments.capabilities.list("looked-at"),
    "cluster": lambda c: c.cluster_status.get_status(),
    "configuration": lambda c: c.manager.get_config(scope="workflow"),
    "database": lambda c: c.manager.get_db_nodes(),
    "events": lambda c: c.events.get(c.deployments.get("looked-at").latest_execution_id),
    "export": lambda c: c.secrets.export(),
    "feeds": lambda c: c.execution_schedules.list(deployment_id="looked-at"),
    "filters": lambda c: [
        c.deployments_filters.create("f", [{"key": "a", "values": ["b"], "operator": "any_of", "type": "label"}]),
        c.deployments_filters.update("f", new_visibility="global"),
        c.deployments_filters.get(filter_id="f"),
        c.deployments_filters.list(),
        c.deployments_filters.delete("f"),
    ],
    "labels": lambda c: [
        c.deployments.update_labels("looked-at", [{"a": "b"}]),
        c.deployments_labels.list_keys(),
        c.deployments_labels.list_key_values("a"),
        c.blueprints_labels.get_reserved_labels_keys(),
    ],
    "maintenance": lambda c: c.maintenance_mode.status(),
    "managers": lambda c: c.manager.get_managers(),
    "modifications": lambda c: c.deployment_modifications.list("looked-at"),
    "needs": lambda c: c.inter_deployment_dependencies.list(),
    "node types": lambda c: c.nodes.types.list(deployment_id="looked-at"),
    "permissions": lambda c: c.permissions.list(role="viewer"),
    "scaling groups": lambda c: c.deployments.scaling_groups.list(deployment_id="looked-at"),
    "secrets": lambda c: [
        c.secrets.create(key="k", value="v"),
        c.secrets.update(key="k", value="w"),
        c.secrets.set_visibility(key="k", visibility="global"),
        c.secrets.delete(key="k"),
    ],
    "snapshots": lambda c: [c.snapshots.list(), c.snapshots.get_status()],
    "summary": lambda c: c.summary.nodes.get(_target_field="deployment_id"),
    "system": lambda c: c.executions.list(include_system_workflows=True, sort="created_at", is_descending=True),
    "tenants": lambda c: [c.tenants.create("t"), c.tenants.add_user("admin", "t", "manager"), c.tenants.list()],
    "tokens": lambda c: c.tokens.delete(token_id=c.tokens.create("of a test").id),
    "users": lambda c: [
        c.users.create("u", "a-password", "default"),
        c.users.set_role("u", "sys_admin"),
        c.users.set_password("u", "another-password"),
        c.users.deactivate("u"),
        c.users.activate("u"),
        c.users.delete(username="u"),
    ],
    "validation": lambda c: c.blueprints.validate(c.made + "/part/blueprint.yaml", "checked"),
    "workflows": lambda c: c.workflows.list(deployment_id="looked-at"),
}


def test_every_other_call_of_the_client_is_one_that_the_api_knows(client: Any) -> None:
    """Each of them is answered; what a manager of this kind has not is a 404 of the client's own kind."""
    from cloudify_rest_client.exceptions import CloudifyClientError

    client.deployments.create(blueprint_id="part", deployment_id="looked-at")
    refused = {}
    for name, call in CALLS.items():
        try:
            call(client)
        except CloudifyClientError as error:
            refused[name] = str(error)
    assert refused == {}
    for absent in (client.sites, client.deployment_groups, client.agents):
        with pytest.raises(CloudifyClientError, match="404"):
            absent.list()
    client.deployments.delete(deployment_id="looked-at")
