"""What lists and callers remember is forgotten with any commit, whoever makes it."""

from __future__ import annotations

from starlette.testclient import TestClient

from manager_core.bootstrap import Core, attach
from manager_core.executions.tables import Execution
from tests.support.clock import FakeClock
from tests.support.people import a_user


def add(core: Core, number: int, **fields: object) -> None:
    with core.store.write() as session:
        session.add(
            Execution(
                id=f"e{number}", workflow_id="w", status="terminated", tenant_name="default_tenant",
                created_by="admin", created_at=core.clock.now(), **fields,
            )
        )  # fmt: skip


def listed(client: TestClient, **params: object) -> tuple[int, list[str]]:
    """Return the total and the ids of a page of executions."""
    body = client.get("/executions", params={f"_{name}": value for name, value in params.items()}).json()
    return body["metadata"]["pagination"]["total"], [item["id"] for item in body["items"]]


def test_a_total_is_never_older_than_the_last_commit(core: Core, client: TestClient) -> None:
    for number in range(3):
        add(core, number)
        assert listed(client, size=1) == (number + 1, ["e0"])
        assert listed(client, size=1) == (number + 1, ["e0"])


def test_another_process_is_noticed(core: Core, client: TestClient, clock: FakeClock) -> None:
    add(core, 0)
    assert listed(client, size=1)[0] == 1
    other = attach(core.settings, clock=clock)
    add(other, 1)
    assert listed(client, size=1)[0] == 2
    other.close()


def test_a_user_whom_another_process_shuts_out_is_out(core: Core, client: TestClient, clock: FakeClock) -> None:
    headers = a_user(client, "alice")
    assert client.get("/user", headers=headers).status_code == 200
    assert client.get("/user", headers=headers).status_code == 200
    other = attach(core.settings, clock=clock)
    with other.store.read() as session:
        admin = other.access.caller_for(session, "admin", None)
    other.access.users.set_active(admin, "alice", active=False)
    other.close()
    assert client.get("/user", headers=headers).status_code == 401


def test_maintenance_begun_by_another_process_holds_at_once(core: Core, client: TestClient, clock: FakeClock) -> None:
    assert client.get("/secrets").status_code == 200
    other = attach(core.settings, clock=clock)
    with other.store.read() as session:
        admin = other.access.caller_for(session, "admin", "default_tenant")
    other.maintenance.act(admin, "activate")
    other.close()
    assert client.get("/secrets").status_code == 503


def test_two_requests_of_one_shape_get_their_own_values(core: Core, client: TestClient) -> None:
    for number in range(4):
        add(core, number, is_system_workflow=number == 3)
    assert listed(client, size=2, offset=0)[1] == ["e0", "e1"]
    assert listed(client, size=2, offset=2)[1] == ["e2"]
    assert listed(client, include_system_workflows="True")[0] == 4
    for wanted in ("e1", "e2"):
        body = client.get("/executions", params={"id": wanted}).json()
        assert [item["id"] for item in body["items"]] == [wanted]
    body = client.get("/executions", params={"id": ["e1", "e2"], "_sort": "-id"}).json()
    assert [item["id"] for item in body["items"]] == ["e2", "e1"]


def test_a_deep_page_is_in_order_and_whole(core: Core, client: TestClient) -> None:
    """From some offset on the rows are found by an index alone; nothing may change but the cost."""
    with core.store.write() as session:
        for number in range(520):
            session.add(
                Execution(
                    id=f"e{number}", workflow_id="w", status="terminated", tenant_name="default_tenant",
                    created_by="admin", created_at=core.clock.now(),
                )
            )  # fmt: skip
    everything = [f"e{number}" for number in range(520)]
    assert listed(client, size=10, offset=505) == (520, everything[505:515])
    assert listed(client, size=10, offset=515) == (520, everything[515:])
    assert listed(client, size=10, offset=600) == (520, [])
    assert listed(client, size=3, offset=510, sort="-created_at") == (520, everything[9:6:-1])
    body = client.get("/executions", params={"_size": 2, "_offset": 510, "_include": "id,parameters"}).json()
    assert body["items"] == [{"id": "e510", "parameters": None}, {"id": "e511", "parameters": None}]
