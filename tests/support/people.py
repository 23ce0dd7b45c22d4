"""Users and tenants for tests of the API."""

from __future__ import annotations

from starlette.testclient import TestClient

from tests.support.requests import basic

PASSWORD = "their-password"


def a_user(admin: TestClient, username: str, *, role: str = "user", tenant: str = "default_tenant") -> dict[str, str]:
    """Create a user with a role in a tenant; return the headers of its requests there."""
    made = admin.put("/users", json={"username": username, "password": PASSWORD})
    assert made.status_code == 201, made.text
    member = admin.put("/tenants/users", json={"tenant_name": tenant, "username": username, "role": role})
    assert member.status_code == 200, member.text
    return {"Tenant": tenant, **basic(username, PASSWORD)}


def a_tenant(admin: TestClient, name: str) -> str:
    """Create a tenant; return its name."""
    made = admin.post(f"/tenants/{name}", json={"rabbitmq_password": ""})
    assert made.status_code == 201, made.text
    return name
