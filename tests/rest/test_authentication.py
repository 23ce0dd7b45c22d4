"""Who may come in, and what the others are told (REST contract §1.3, §1.4)."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from manager_core.access.tables import Token, User
from manager_core.bootstrap import Core
from manager_core.executions.tables import Execution, Operation, TasksGraph
from manager_core.ids import digest
from tests.support.clock import FakeClock
from tests.support.databases import ADMIN_PASSWORD
from tests.support.people import PASSWORD, a_tenant, a_user
from tests.support.requests import basic, error

NOBODY = "User unauthorized: No authentication info provided"
WRONG = "User unauthorized: Authentication failed for <User username=`{}`>. Wrong credentials or locked account"


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, NOBODY),
        (basic("nobody", "x"), NOBODY),
        ({"Authorization": "Basic not-base64!"}, NOBODY),
        ({"Authorization": "Bearer x"}, NOBODY),
        (basic("admin", "wrong"), WRONG.format("admin")),
        ({"Authentication-Token": "nonsense"}, "User unauthorized: Invalid token structure"),
        ({"Authentication-Token": "ptok-a-b"}, "User unauthorized: Invalid token structure"),
        ({"Authentication-Token": "ctok-a-b-c"}, "User unauthorized: Invalid token structure"),
        ({"Authentication-Token": "ctok-aaaaaaaaaa-b"}, "User unauthorized: Unauthorized"),
        ({"Execution-Token": "0" * 32}, "User unauthorized: Authentication failed, invalid Execution Token"),
    ],
)
def test_bad_credentials_are_refused_in_the_words_clients_know(
    anonymous: TestClient, headers: dict[str, str], message: str
) -> None:
    assert error(anonymous.get("/status", headers=headers)) == (401, "unauthorized_error", message)


def test_user_names_are_compared_in_any_letter_case(anonymous: TestClient) -> None:
    assert anonymous.get("/version", headers=basic("ADMIN", ADMIN_PASSWORD)).status_code == 200


def test_five_wrong_passwords_lock_and_the_lock_ends_by_itself(
    core: Core, anonymous: TestClient, clock: FakeClock
) -> None:
    for _ in range(5):
        assert anonymous.get("/status", headers=basic("admin", "wrong")).status_code == 401
    right = basic("admin", ADMIN_PASSWORD)
    assert error(anonymous.get("/status", headers=right))[2] == WRONG.format("admin")
    clock.advance(core.configuration.value("account_lock_period") * 60 - 1)
    assert anonymous.get("/status", headers=right).status_code == 401
    clock.advance(1)
    assert anonymous.get("/status", headers=right).status_code == 200
    with core.store.read() as session:
        assert session.get(User, "admin").failed_logins == 0


def test_four_wrong_passwords_are_forgiven_by_a_right_one(core: Core, anonymous: TestClient) -> None:
    for _ in range(2):
        for _ in range(4):
            anonymous.get("/status", headers=basic("admin", "wrong"))
        assert anonymous.get("/status", headers=basic("admin", ADMIN_PASSWORD)).status_code == 200


def test_a_remembered_password_does_not_pass_a_lock(anonymous: TestClient) -> None:
    right = basic("admin", ADMIN_PASSWORD)
    assert anonymous.get("/status", headers=right).status_code == 200
    for _ in range(5):
        anonymous.get("/status", headers=basic("admin", "wrong"))
    assert anonymous.get("/status", headers=right).status_code == 401


def test_a_changed_password_holds_at_once(client: TestClient) -> None:
    headers = a_user(client, "alice")
    assert client.get("/status", headers=headers).status_code == 200
    assert client.post("/users/alice", json={"password": "another-one"}).status_code == 200
    assert client.get("/status", headers=headers).status_code == 401
    assert client.get("/status", headers={**headers, **basic("alice", "another-one")}).status_code == 200


def test_a_deactivated_user_is_out_with_password_and_token(client: TestClient) -> None:
    headers = a_user(client, "alice")
    token = client.post("/tokens", json={}, headers=headers).json()["value"]
    client.post("/users/active/alice", json={"action": "deactivate"})
    with TestClient(client.app, base_url=client.base_url) as other:
        by_token = other.get("/status", headers={"Authentication-Token": token})
        by_password = other.get("/status", headers=headers)
    assert error(by_token)[2] == error(by_password)[2] == WRONG.format("alice")


def test_login_stamps_are_written_at_most_once_a_minute(core: Core, anonymous: TestClient, clock: FakeClock) -> None:
    right, first = basic("admin", ADMIN_PASSWORD), clock.now()
    anonymous.get("/status", headers=right)
    clock.advance(59)
    anonymous.get("/status", headers=right)
    with core.store.read() as session:
        assert session.get(User, "admin").last_login_at == first
    clock.advance(2)
    anonymous.get("/status", headers=right)
    with core.store.read() as session:
        user = session.get(User, "admin")
    assert (user.first_login_at, user.last_login_at) == (first, clock.now())


def test_a_token_is_a_credential_until_it_expires(core: Core, client: TestClient, clock: FakeClock) -> None:
    made = client.post("/tokens", json={"expiration_date": "+1h"}).json()
    with TestClient(client.app, base_url=client.base_url) as other:
        headers = {"Authentication-Token": made["value"]}
        assert other.get("/status", headers=headers).status_code == 200
        with core.store.read() as session:
            assert session.get(Token, made["id"]).last_used == clock.now()
        clock.advance(3600)
        assert error(other.get("/status", headers=headers))[2] == "User unauthorized: Token is expired"
    with core.store.read() as session:
        assert made["value"].rsplit("-", 1)[1] not in session.get(Token, made["id"]).secret_hash


def an_execution(core: Core, status: str, token: str = "a" * 32, **fields: object) -> Execution:
    """Store an execution that holds a token."""
    row = Execution(
        id=f"e-{status}", workflow_id="w", status=status, tenant_name="default_tenant", created_by="admin",
        created_at=core.clock.now(), token_hash=digest(token), **fields,
    )  # fmt: skip
    with core.store.write() as session:
        session.add(row)
    return row


@pytest.mark.parametrize("status", ["pending", "started", "cancelling", "force_cancelling", "kill_cancelling"])
@pytest.mark.parametrize("header", ["Execution-Token", "Authentication-Token"])
def test_an_active_execution_acts_as_its_creator_in_its_tenant(
    core: Core, anonymous: TestClient, status: str, header: str
) -> None:
    an_execution(core, status)
    answer = anonymous.get("/user", headers={header: "a" * 32})
    assert (answer.status_code, answer.json()["username"]) == (200, "admin")
    caller = core.access.authenticate({header.lower(): "a" * 32})
    assert (caller.tenant_name, caller.execution_id) == ("default_tenant", f"e-{status}")


@pytest.mark.parametrize("status", ["terminated", "failed", "cancelled", "queued"])
def test_the_token_of_an_execution_that_ended_opens_nothing(core: Core, anonymous: TestClient, status: str) -> None:
    an_execution(core, status)
    assert anonymous.get("/user", headers={"Execution-Token": "a" * 32}).status_code == 401


def test_operations_that_outlive_a_cancelled_execution_keep_its_token(core: Core, anonymous: TestClient) -> None:
    an_execution(core, "cancelled")
    with core.store.write() as session:
        session.add(TasksGraph(id="g", execution_id="e-cancelled", name="n", created_at=core.clock.now()))
        session.flush()
        session.add(
            Operation(id="o", tasks_graph_id="g", name="n", state="started", type="t", created_at=core.clock.now())
        )
    assert anonymous.get("/user", headers={"Execution-Token": "a" * 32}).status_code == 200


def test_a_scheduled_execution_may_come_a_minute_early(core: Core, anonymous: TestClient, clock: FakeClock) -> None:
    due = clock.now()
    clock.advance(-61)
    an_execution(core, "scheduled", scheduled_for=due)
    assert anonymous.get("/user", headers={"Execution-Token": "a" * 32}).status_code == 401
    clock.advance(1)
    assert anonymous.get("/user", headers={"Execution-Token": "a" * 32}).status_code == 200


def test_an_unknown_tenant_is_refused_after_the_credentials(client: TestClient) -> None:
    answer = client.get("/status", headers={"Tenant": "nowhere"})
    message = "Authorization failed: Tried to authenticate with invalid tenant name: nowhere"
    assert error(answer) == (403, "forbidden_error", message)
    assert client.get("/status", headers={"Tenant": "nowhere", **basic("admin", "no")}).status_code == 401


def test_a_missing_tenant_matters_only_where_one_is_needed(anonymous: TestClient) -> None:
    right = basic("admin", ADMIN_PASSWORD)
    assert anonymous.get("/status", headers=right).status_code == 200
    answer = anonymous.get("/secrets", headers=right)
    assert error(answer) == (403, "forbidden_error", "Authorization failed: tenant not provided")


def test_a_role_counts_in_its_own_tenant_only(client: TestClient) -> None:
    a_tenant(client, "other")
    headers = a_user(client, "alice", role="user")
    assert client.get("/secrets", headers=headers).status_code == 200
    answer = client.get("/secrets", headers={**headers, "Tenant": "other"})
    message = "User `alice` is not permitted to perform the action secret_list in the tenant `other`"
    assert error(answer) == (403, "forbidden_error", message)


def test_an_administrator_acts_in_every_tenant(client: TestClient) -> None:
    a_tenant(client, "other")
    assert client.get("/secrets", headers={"Tenant": "other"}).status_code == 200


def test_a_viewer_looks_and_does_not_touch(client: TestClient) -> None:
    headers = a_user(client, "vera", role="viewer")
    assert client.get("/secrets", headers=headers).status_code == 200
    assert client.put("/secrets/k", json={"value": "v"}, headers=headers).status_code == 403
    assert PASSWORD not in client.get("/users").text
