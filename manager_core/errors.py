"""The one error root of the manager core.

Every refusal a user can meet is a `ManagerError`: a message for the person, a stable `code` that clients
dispatch on (REST contract §1.10) and a `kind` from which the web edge alone derives the HTTP status.
Nothing here knows about HTTP, the database or a blueprint.
"""

from __future__ import annotations

from enum import Enum
from typing import Any


class Kind(Enum):
    """What went wrong, in terms of who has to act."""

    BAD_INPUT = "bad_input"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    IN_USE = "in_use"
    CONFLICT = "conflict"
    UNSUPPORTED = "unsupported"
    NOT_MODIFIED = "not_modified"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


class ManagerError(Exception):
    """Root of all errors the manager core raises on purpose.

    Attributes:
        message: the sentence shown to the user.
        code: the stable error code of the REST contract.
        kind: see `Kind`.
        extra: further members of the error envelope, for instance ``err_filter_rule``.
    """

    code: str = "internal_server_error"
    kind: Kind = Kind.INTERNAL

    def __init__(
        self, message: str, *, code: str | None = None, kind: Kind | None = None, extra: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        if kind is not None:
            self.kind = kind
        self.extra: dict[str, Any] = extra or {}


class BadParameters(ManagerError):
    """A parameter, a field or a body is not acceptable."""

    code = "bad_parameters_error"
    kind = Kind.BAD_INPUT


class IllegalAction(ManagerError):
    """The thing exists, but what was asked cannot be done to it in its present state."""

    code = "illegal_action_error"
    kind = Kind.BAD_INPUT


class Unauthorized(ManagerError):
    """Who is asking could not be established."""

    code = "unauthorized_error"
    kind = Kind.UNAUTHENTICATED

    def __init__(self, message: str) -> None:
        super().__init__(f"User unauthorized: {message}")


class Forbidden(ManagerError):
    """Who is asking is known and may not do this."""

    code = "forbidden_error"
    kind = Kind.FORBIDDEN


class NotFound(ManagerError):
    """The named thing does not exist (for this caller)."""

    code = "not_found_error"
    kind = Kind.NOT_FOUND

    @classmethod
    def of(cls, model: str, identifier: str, filters: dict[str, str] | None = None) -> NotFound:
        """Build the generic text clients match on (REST contract §1.10)."""
        suffix = f" (filters: {filters!r})" if filters else ""
        return cls(f"Requested `{model}` with ID `{identifier}` was not found{suffix}")


class Conflict(ManagerError):
    """The name is taken, or somebody else changed the thing first."""

    code = "conflict_error"
    kind = Kind.CONFLICT


class NotModified(ManagerError):
    """The wanted state is already there; the web edge answers 304 without a body."""

    code = "not_modified"
    kind = Kind.NOT_MODIFIED
