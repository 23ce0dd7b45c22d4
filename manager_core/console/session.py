"""The console's session: an ordinary API token with an end, in a cookie that scripts and other sites cannot use."""

from __future__ import annotations

import base64
import contextlib
from typing import TYPE_CHECKING

from fastapi import Request, Response

from manager_core.access.caller import Caller
from manager_core.access.tokens import SESSION
from manager_core.errors import Forbidden, NotFound, Unauthorized

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

COOKIE = "console_token"
HOURS = 12
PATH = "/console"


def is_from_elsewhere(request: Request) -> bool:
    """Tell whether another site's page sent a form: browsers say so, and nobody but them has a session to lose."""
    return request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}


def sign_in(core: Core, request: Request, response: Response, username: str, password: str) -> None:
    """Check a password and put a new token into the response's cookie.

    Raises:
        ManagerError: the password is wrong, or the user may not make tokens.
    """
    given = base64.b64encode(f"{username}:{password}".encode()).decode()
    caller = core.access.authenticate({"authorization": f"Basic {given}"})
    caller.require("create_token")
    token = core.access.tokens.create(caller, description=SESSION, expiration=f"+{HOURS}h")
    response.set_cookie(
        COOKIE,
        token["value"],
        max_age=HOURS * 3600,
        path=PATH,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


def sign_out(core: Core, request: Request, response: Response) -> None:
    """Take the session's token back and clear the cookie; a session that is over already is no error."""
    token = request.cookies.get(COOKIE, "")
    with contextlib.suppress(Unauthorized, NotFound):
        core.access.tokens.delete(core.access.authenticate({"authentication-token": token}), token.split("-")[1])
    response.delete_cookie(COOKIE, path=PATH, httponly=True, samesite="strict")


def visitor(core: Core, request: Request) -> Caller | None:
    """Return who is signed in, in the tenant the page is about; None when nobody is.

    The tenant is the query's, when the visitor may be there, else the first of the visitor's own.
    """
    token = request.cookies.get(COOKIE)
    if not token:
        return None
    headers = {"authentication-token": token}
    try:
        caller = core.access.authenticate(headers)
        wanted = request.query_params.get("tenant")
        own = sorted(caller.tenant_roles)
        if not wanted or not (caller.is_admin or wanted in own):
            wanted = own[0] if own else None
        return core.access.authenticate(headers, tenant=wanted) if wanted else caller
    except Unauthorized:
        return None
    except Forbidden:
        return caller
