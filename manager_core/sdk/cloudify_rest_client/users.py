"""Users."""

from __future__ import annotations

from typing import Any

from cloudify_rest_client.records import Record, record
from cloudify_rest_client.resource import Resource, given


class User(Record):
    """One of them."""


class UsersClient(Resource):
    """Users."""

    path = "/users"
    key = "username"

    def get_self(self, **params: Any) -> Any:
        """Return the caller."""
        return record(self.api.get("/user", params=params))

    def create(self, username: str, password: str, role: str, **kwargs: Any) -> Any:
        """Create a user."""
        body = {"username": username, "password": password, "role": role, **given(**kwargs)}
        return record(self.api.put("/users", data=body))

    def set_password(self, username: str, new_password: str) -> Any:
        """Change a user's password."""
        return record(self.api.post(f"/users/{username}", data={"password": new_password}))

    def set_role(self, username: str, new_role: str) -> Any:
        """Change a user's role."""
        return record(self.api.post(f"/users/{username}", data={"role": new_role}))

    def activate(self, username: str) -> Any:
        """Let a user in again."""
        return record(self.api.post(f"/users/active/{username}", data={"action": "activate"}))

    def deactivate(self, username: str) -> Any:
        """Keep a user out."""
        return record(self.api.post(f"/users/active/{username}", data={"action": "deactivate"}))

    def unlock(self, username: str, **kwargs: Any) -> Any:
        """Let a user in again whom too many wrong passwords locked out."""
        return record(self.api.post(f"/users/unlock/{username}", params=kwargs))
