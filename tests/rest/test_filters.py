"""Stored filters, filter rules and labels (REST contract §20)."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from manager_core.blueprints.tables import Blueprint
from manager_core.bootstrap import Core
from manager_core.deployments.tables import Deployment, DeploymentLabel
from manager_core.errors import ManagerError
from manager_core.filters.rules import conditions
from manager_core.filters.searches import SearchBody, search_conditions
from manager_core.nodes.tables import Node
from manager_core.rest.listing import ListQuery
from manager_core.schedules.tables import ExecutionSchedule
from tests.support.people import a_tenant, a_user
from tests.support.requests import error


def label(key: str, operator: str, *values: str) -> dict[str, object]:
    return {"key": key, "values": list(values), "operator": operator, "type": "label"}


def attribute(key: str, operator: str, *values: str) -> dict[str, object]:
    return {"key": key, "values": list(values), "operator": operator, "type": "attribute"}


@pytest.fixture
def three_deployments(core: Core) -> Core:
    """`a` (env=prod, env=eu), `b` (env=test) and `c` (no label); `a` of blueprint b1, the others of b2."""
    now = core.clock.now()
    common = {"tenant_name": "default_tenant", "created_by": "admin", "created_at": now}
    with core.store.write() as session:
        for name, blueprint, site in (("a", "b1", "east"), ("b", "b2", None), ("c", "b2", "")):
            session.add(
                Deployment(id=name, display_name=f"The {name}%_", blueprint_id=blueprint, site_name=site, **common)
            )
        session.flush()
        for name, value in (("a", "prod"), ("a", "eu"), ("b", "test")):
            session.add(DeploymentLabel(deployment_id=name, key="env", value=value, **common))
        session.add(ExecutionSchedule(id="nightly", deployment_id="a", workflow_id="w", **common))
        session.add(Node(id="vm", deployment_id="a", type="t", operations={"configure": {}, "start": {}}, **common))
        session.add(Node(id="disk", deployment_id="a", type="t", operations={}, **common))
    return core


def chosen(core: Core, *rules: dict[str, object], kind: str = "deployments", table: type = Deployment) -> str:
    """Return the ids that satisfy the rules, joined."""
    with core.store.read() as session:
        found = select(table.id).where(*conditions(session, kind, rules)).order_by(table.id)
        return " ".join(session.connection().execute(found).scalars())


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (label("env", "any_of", "prod", "test"), "a b"),
        (label("ENV", "any_of", "eu"), "a"),
        (label("env", "not_any_of", "prod"), "b"),
        (label("env", "is_not", "prod"), "b c"),
        (label("env", "is_null"), "c"),
        (label("env", "is_not_null"), "a b"),
        (attribute("blueprint_id", "any_of", "b2"), "b c"),
        (attribute("blueprint_id", "not_any_of", "b2"), "a"),
        (attribute("site_name", "not_any_of", "east"), "b c"),
        (attribute("site_name", "is_not_empty"), "a"),
        (attribute("display_name", "contains", "%_"), "a b c"),
        (attribute("display_name", "contains", "_%"), ""),
        (attribute("display_name", "starts_with", "the A"), "a"),
        (attribute("display_name", "ends_with", "b%_", "c%_"), "b c"),
        (attribute("display_name", "not_contains", "b"), "a c"),
        (attribute("schedules", "any_of", "nightly"), "a"),
        (attribute("schedules", "not_any_of", "nightly"), "b c"),
        (attribute("schedules", "is_not_empty"), "a"),
        (attribute("schedules", "contains", "night"), "a"),
    ],
)
def test_each_operator_chooses_its_rows(three_deployments: Core, rule: dict[str, object], expected: str) -> None:
    assert chosen(three_deployments, rule) == expected


def test_all_rules_must_hold(three_deployments: Core) -> None:
    assert chosen(three_deployments, label("env", "is_not", "prod"), attribute("id", "any_of", "a", "b")) == "b"


def test_nodes_are_chosen_by_their_operations(three_deployments: Core) -> None:
    for rule, expected in (
        (attribute("operation_name", "any_of", "start"), "vm"),
        (attribute("operation_name", "contains", "conf"), "vm"),
        (attribute("operation_name", "is_not_empty"), "vm"),
        (attribute("operation_name", "not_contains", "conf"), "disk"),
    ):
        assert chosen(three_deployments, rule, kind="nodes", table=Node) == expected


@pytest.mark.parametrize(
    ("constraints", "expected"),
    [
        ({"name_pattern": {"contains": "the", "ends_with": "a%_"}}, "a"),
        ({"name_pattern": {"equals_to": "b"}}, "b"),
        ({"valid_values": ["a", "c", "x"]}, "a c"),
        ({"labels": [{"env": "prod"}, {"env": "eu"}]}, "a"),
        ({"tenants": ["elsewhere"]}, ""),
        ({"deployment_id": "b"}, "b"),
    ],
)
def test_constraints_choose_rows(three_deployments: Core, constraints: dict[str, object], expected: str) -> None:
    core = three_deployments
    with core.store.read() as session:
        caller = core.access.caller_for(session, "admin", "default_tenant")
        body = SearchBody(constraints=constraints)
        found = search_conditions(core, session, caller, "deployments", ListQuery(), body)
        rows = session.connection().execute(select(Deployment.id).where(*found).order_by(Deployment.id)).scalars()
        assert " ".join(rows) == expected


@pytest.mark.parametrize(
    "constraints", [{"color": 1}, {"name_pattern": "x"}, {"valid_values": "x"}, {"name_pattern": {"like": "x"}}]
)
def test_malformed_constraints_are_refused(client: TestClient, constraints: dict[str, object]) -> None:
    answer = client.post("/searches/secrets", json={"constraints": constraints})
    assert error(answer)[:2] == (400, "bad_parameters_error")


def test_rules_and_constraints_exclude_each_other(client: TestClient) -> None:
    body = {"filter_rules": [attribute("key", "any_of", "k")], "constraints": {"valid_values": ["k"]}}
    message = "You should provide either filter_id/filter_rules or DSL constraints, not both"
    assert error(client.post("/searches/secrets", json=body)) == (400, "bad_parameters_error", message)


@pytest.mark.parametrize(
    "rule",
    [
        {}, "text", {"key": "k", "values": ["v"], "operator": "any_of"}, label("k", "contains", "v"),
        label("k", "any_of"),
        label("k", "is_null", "v"), attribute("nothing", "any_of", "v"), attribute("id", "is_null"),
        {**label("k", "any_of", "v"), "type": "color"}, {**label("k", "any_of"), "values": "v"},
        {**label("k", "any_of"), "values": [1]}, {**label("k", "any_of", "v"), "key": 1}, 
        attribute("id", "is_not_empty", "v"),
    ],
)  # fmt: skip
def test_a_bad_rule_is_named_with_its_reason(client: TestClient, rule: object) -> None:
    answer = client.put("/filters/deployments/f", json={"filter_rules": [rule]})
    status, code, message = error(answer)
    assert (status, code) == (400, "invalid_filter_rule")
    assert message.startswith(f"The filter rule {rule} is not in the right format.")
    assert answer.json()["err_filter_rule"] == rule
    assert answer.json()["err_reason"]


def test_secrets_have_no_labels(core: Core) -> None:
    with core.store.read() as session, pytest.raises(ManagerError) as refusal:
        conditions(session, "secrets", [label("k", "is_null")])
    assert refusal.value.code == "invalid_filter_rule"


def test_a_filter_lives_its_life(client: TestClient) -> None:
    rules = [label("Env", "any_of", "prod"), attribute("created_by", "any_of", "admin")]
    made = client.put("/filters/deployments/prod", json={"filter_rules": rules, "visibility": "tenant"})
    assert made.status_code == 200
    body = made.json()
    lower = label("env", "any_of", "prod")
    assert body["value"] == [lower, rules[1]]
    assert (body["labels_filter_rules"], body["attrs_filter_rules"]) == ([lower], [rules[1]])
    assert (body["is_system_filter"], body["visibility"]) == (False, "tenant")
    assert error(client.put("/filters/deployments/prod", json={"filter_rules": rules}))[:2] == (409, "conflict_error")
    assert client.put("/filters/blueprints/prod", json={"filter_rules": []}).status_code == 200, "another kind"
    changed = client.patch("/filters/deployments/prod", json={"filter_rules": [lower]})
    assert (changed.status_code, changed.json()["value"]) == (200, [lower])
    assert changed.json()["updated_at"] is not None
    assert error(client.patch("/filters/deployments/prod", json={"visibility": "private"}))[0] == 400
    assert [item["id"] for item in client.get("/filters/deployments").json()["items"]] == ["prod"]
    assert client.delete("/filters/deployments/prod").status_code == 204
    message = "Requested `Filter` with ID `prod` was not found"
    assert error(client.get("/filters/deployments/prod")) == (404, "not_found_error", message)


def test_reserved_and_illegal_filter_ids(client: TestClient) -> None:
    assert error(client.put("/filters/deployments/csys-x", json={"filter_rules": []}))[0] == 400
    assert error(client.put("/filters/deployments/a b", json={"filter_rules": []}))[0] == 400
    assert error(client.get("/filters/nodes"))[0] == 400


def test_a_stored_filter_and_a_body_must_both_hold(three_deployments: Core, client: TestClient) -> None:
    core = three_deployments
    client.put("/filters/deployments/f", json={"filter_rules": [attribute("blueprint_id", "any_of", "b2")]})
    query = ListQuery(special={"_filter_id": ["f"]})
    with core.store.read() as session:
        caller = core.access.caller_for(session, "admin", "default_tenant")
        body = SearchBody(filter_rules=[label("env", "is_not_null")])
        found = search_conditions(core, session, caller, "deployments", query, body)
        assert list(session.connection().execute(select(Deployment.id).where(*found)).scalars()) == ["b"]


def test_labels_in_use_are_listed(three_deployments: Core, client: TestClient) -> None:
    assert client.get("/labels/deployments").json()["items"] == ["env"]
    assert client.get("/labels/deployments/env").json()["items"] == ["eu", "prod", "test"]
    found = client.get("/labels/deployments/ENV", params={"_search": "e", "_size": 1}).json()
    assert (found["items"], found["metadata"]["pagination"]["total"]) == (["eu"], 2)
    assert client.get("/labels/blueprints").json()["items"] == []
    assert "csys-obj-parent" in client.get("/labels/deployments", params={"_reserved": "True"}).json()["items"]


def test_labels_of_what_the_caller_may_not_see_are_not_listed(three_deployments: Core, client: TestClient) -> None:
    a_tenant(client, "other")
    assert client.get("/labels/deployments", headers={"Tenant": "other"}).json()["items"] == []
    headers = a_user(client, "alice")
    with three_deployments.store.write() as session:
        for row in session.query(Deployment).all():
            row.visibility = "private"
            session.add(row)
    assert client.get("/labels/deployments", headers=headers).json()["items"] == []
    assert client.get("/labels/deployments").json()["items"] == ["env"]


def test_blueprint_rules_speak_of_states(core: Core) -> None:
    with core.store.write() as session:
        for name, state in (("b1", "uploaded"), ("b2", "invalid")):
            session.add(
                Blueprint(
                    id=name, state=state, tenant_name="default_tenant", created_by="admin", created_at=core.clock.now()
                )
            )
    assert chosen(core, attribute("state", "any_of", "invalid"), kind="blueprints", table=Blueprint) == "b2"
