"""REST endpoints of users, tenants, tokens and permissions (REST contract §2.6, §4)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import AwareDatetime, BaseModel

from manager_core.access.roles import PERMISSIONS
from manager_core.access.users import NewUser
from manager_core.rest.auth import caller_of, core_of
from manager_core.rest.listing import fixed_page, parse_boolean, parse_list_query
from manager_core.rest.responses import empty_response, json_response

router = APIRouter(tags=["users, tenants and tokens"])


class TokenBody(BaseModel):
    """A token to make; `expiration_date` is `YYYY-MM-DD HH:MM`, `HH:MM` or a sum such as `+1day+10min`."""

    description: str | None = None
    expiration_date: str | None = None


class UserBody(BaseModel):
    """A user to create."""

    username: str
    password: str
    role: str = "default"
    is_prehashed: bool = False
    created_at: AwareDatetime | None = None
    first_login_at: AwareDatetime | None = None
    last_login_at: AwareDatetime | None = None


class UserChange(BaseModel):
    """One thing to set of a user."""

    password: str | None = None
    role: str | None = None
    show_getting_started: bool | None = None


class ActiveBody(BaseModel):
    """`activate`; anything else deactivates."""

    action: str


class MemberBody(BaseModel):
    """A user's place in a tenant."""

    tenant_name: str
    username: str
    role: str = "user"


class RoleBody(BaseModel):
    """A member's new role."""

    tenant_name: str
    username: str
    role: str


class LeavingBody(BaseModel):
    """A membership to end."""

    tenant_name: str
    username: str


def _query(request: Request) -> tuple[Any, bool]:
    query = parse_list_query(request.query_params.multi_items())
    return query, parse_boolean("_get_data", query.first("_get_data") or "false")


@router.post("/tokens", summary="Make an API token")
def create_token(request: Request, body: TokenBody | None = None) -> Response:
    """Answer the token; its value is shown here and never again."""
    caller = caller_of(request, "create_token")
    wanted = body or TokenBody()
    made = core_of(request).access.tokens.create(
        caller, description=wanted.description, expiration=wanted.expiration_date
    )
    return json_response(made)


@router.get("/tokens", summary="List API tokens")
def list_tokens(request: Request) -> Response:
    """Answer the caller's tokens with masked values; an administrator's list holds everybody's."""
    caller = caller_of(request, "token_get")
    query, _ = _query(request)
    return json_response(core_of(request).access.tokens.page(caller, query))


@router.get("/tokens/{token_id}", summary="Show an API token")
def get_token(request: Request, token_id: str) -> Response:
    """Answer one token, its value masked."""
    caller = caller_of(request, "list_token")
    query, _ = _query(request)
    return json_response(core_of(request).access.tokens.get(caller, token_id, query.include))


@router.delete("/tokens/{token_id}", summary="Take back an API token", status_code=204)
def delete_token(request: Request, token_id: str) -> Response:
    """Make the token useless at once."""
    caller = caller_of(request, "delete_token")
    core_of(request).access.tokens.delete(caller, token_id)
    return empty_response()


@router.get("/users", summary="List users")
def list_users(request: Request) -> Response:
    """Answer users; `_get_data=True` shows tenants and groups in full instead of counts."""
    caller = caller_of(request, "user_list")
    query, expanded = _query(request)
    return json_response(core_of(request).access.users.page(caller, query, expanded=expanded))


@router.put("/users", summary="Create a user", status_code=201)
def create_user(request: Request, body: UserBody) -> Response:
    """Create a user; membership in tenants comes separately."""
    caller = caller_of(request, "user_create")
    new = NewUser(**body.model_dump())
    return json_response(core_of(request).access.users.create(caller, new), 201)


@router.get("/user", summary="Show the caller's own user")
def get_self(request: Request) -> Response:
    """Answer who is asking."""
    caller = caller_of(request, "user_get_self")
    query, expanded = _query(request)
    found = core_of(request).access.users.get(caller, caller.username, query.include, expanded=expanded)
    return json_response(found)


@router.get("/users/{username}", summary="Show a user")
def get_user(request: Request, username: str) -> Response:
    """Answer one user."""
    caller = caller_of(request, "user_get")
    query, expanded = _query(request)
    return json_response(core_of(request).access.users.get(caller, username, query.include, expanded=expanded))


@router.post("/users/{username}", summary="Set a user's password, role or getting-started flag")
def change_user(request: Request, username: str, body: UserChange) -> Response:
    """Set one thing. Everybody may set the own password."""
    caller = caller_of(request)
    found = core_of(request).access.users.change(
        caller,
        username,
        password=body.password,
        role=body.role,
        show_getting_started=body.show_getting_started,
    )
    return json_response(found)


@router.post("/users/active/{username}", summary="Activate or deactivate a user")
def set_user_active(request: Request, username: str, body: ActiveBody) -> Response:
    """Let a user in again, or keep the user out without removing anything."""
    caller = caller_of(request, "user_set_activated")
    found = core_of(request).access.users.set_active(caller, username, active=body.action == "activate")
    return json_response(found)


@router.post("/users/unlock/{username}", summary="Unlock a user")
def unlock_user(request: Request, username: str) -> Response:
    """Forget the wrong passwords that locked a user."""
    caller = caller_of(request, "user_unlock")
    return json_response(core_of(request).access.users.unlock(caller, username))


@router.delete("/users/{username}", summary="Remove a user", status_code=204)
def delete_user(request: Request, username: str) -> Response:
    """Remove a user who owns nothing."""
    caller_of(request, "user_delete")
    core_of(request).access.users.delete(username)
    return empty_response()


@router.get("/tenants", summary="List tenants")
def list_tenants(request: Request) -> Response:
    """Answer the caller's tenants; an administrator's are all."""
    caller = caller_of(request, "tenant_list")
    query, expanded = _query(request)
    return json_response(core_of(request).access.tenants.page(caller, query, expanded=expanded))


@router.put("/tenants/users", summary="Add a user to a tenant")
def add_member(request: Request, body: MemberBody) -> Response:
    """Make a user a member, with a role."""
    caller = caller_of(request, "tenant_add_user")
    found = core_of(request).access.tenants.add_member(caller, body.tenant_name, body.username, body.role)
    return json_response(found)


@router.patch("/tenants/users", summary="Change a user's role in a tenant")
def change_member(request: Request, body: RoleBody) -> Response:
    """Give a member another role."""
    caller = caller_of(request, "tenant_update_user")
    found = core_of(request).access.tenants.change_member(caller, body.tenant_name, body.username, body.role)
    return json_response(found)


@router.delete("/tenants/users", summary="Remove a user from a tenant", status_code=204)
def remove_member(request: Request, body: LeavingBody) -> Response:
    """End a membership; what the user made stays."""
    caller_of(request, "tenant_remove_user")
    core_of(request).access.tenants.remove_member(body.tenant_name, body.username)
    return empty_response()


@router.get("/tenants/{name}", summary="Show a tenant")
def get_tenant(request: Request, name: str) -> Response:
    """Answer one tenant; the caller needs a role in it."""
    caller = caller_of(request)
    query, expanded = _query(request)
    return json_response(core_of(request).access.tenants.get(caller, name, query.include, expanded=expanded))


@router.post("/tenants/{name}", summary="Create a tenant", status_code=201)
def create_tenant(request: Request, name: str) -> Response:
    """Create a tenant; clients send a body that says nothing to us."""
    caller = caller_of(request, "tenant_create")
    return json_response(core_of(request).access.tenants.create(caller, name), 201)


@router.delete("/tenants/{name}", summary="Remove a tenant", status_code=204)
def delete_tenant(request: Request, name: str) -> Response:
    """Remove a tenant that owns nothing."""
    caller_of(request, "tenant_delete")
    core_of(request).access.tenants.delete(name)
    return empty_response()


@router.get("/permissions", summary="List which role has which permission")
@router.get("/permissions/{role}", summary="List the permissions of a role")
def list_permissions(request: Request, role: str | None = None) -> Response:
    """Answer pairs of role and permission."""
    caller_of(request)
    pairs = [
        {"role": holder, "permission": permission}
        for permission, holders in sorted(PERMISSIONS.items())
        for holder in sorted(holders)
        if role in (None, holder)
    ]
    return json_response(fixed_page(pairs))
