"""From a request to its caller: called by every endpoint, in the thread that serves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Request

from manager_core.access.caller import Caller

if TYPE_CHECKING:
    from manager_core.bootstrap import Core


def core_of(request: Request) -> Core:
    """Return the Core the application was made with."""
    return request.app.state.core  # type: ignore[no-any-return]


def caller_of(request: Request, permission: str | None = None, *, tenant: str | None = None) -> Caller:
    """Authenticate the request, place it in its tenant and check the permission.

    Args:
        permission: what the endpoint needs; None when being known is enough.
        tenant: the tenant to act in where it is not the `Tenant` header's.

    Raises:
        ManagerError: 503 in maintenance mode (checked first), 401 or 403 (REST contract §1.3, §1.4, §3).
    """
    core = core_of(request)
    core.maintenance.gate(request.method, request.scope["path"], request.headers)
    caller = core.access.authenticate(request.headers, tenant=tenant)
    if permission is not None:
        caller.require(permission)
    return caller
