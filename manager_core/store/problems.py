"""What went wrong with the database, in one line; and whether it is worth trying again.

Commands that start ask for the line, services that run ask whether to wait. Neither ever shows a password.
"""

from __future__ import annotations

import logging

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

_AWAY = ("08", "57P")
"""SQLSTATE classes of a connection that failed and of a server that stops, starts or was told to drop us."""
_PASSING = ("40001", "40P01", "53300", "55P03")
"""Serialization failure, deadlock, too many connections, lock not available: nothing was done, another try may do."""


def is_passing(error: BaseException) -> bool:
    """Tell whether PostgreSQL was away, or refused for the moment: the transaction did not happen and may be repeated.

    Whether a failed COMMIT happened is another question (`manager_core.runtime.fencing`).
    """
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    state = getattr(error.orig, "sqlstate", "-")
    if state is None:  # the client library's own error: there was no answer
        return type(error.orig).__name__ in {"OperationalError", "ConnectionTimeout"}
    return state.startswith(_AWAY) or state in _PASSING


def is_too_much(error: BaseException) -> bool:
    """Tell whether a statement or a value in it was larger than a database takes: too many terms, a long key."""
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return str(state).startswith("54")  # program limit exceeded
    said = str(error.orig).lower()
    return "too many" in said or "too large" in said or "number of parameters" in said


def shown_url(url: str) -> str:
    """Return a database URL as it may be shown."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        return "the given URL"


def one_line(error: BaseException) -> str:
    """Return an error's own words as one line."""
    inner = error.orig if isinstance(error, StatementError) and error.orig is not None else error
    lines = [line.strip() for line in str(inner).splitlines()]
    told = [line for line in lines if line and not line.startswith(("Multiple connection attempts", "(Background on"))]
    return " ".join(told[:1] or [type(inner).__name__])


def start_problem(error: BaseException, url: str) -> str:
    """Return in one line why something that needs the database at `url` cannot start."""
    if isinstance(error, (ArgumentError, NoSuchModuleError)) or (
        isinstance(error, ModuleNotFoundError) and not url.startswith("sqlite")
    ):
        return (
            f"DATABASE_URL is not usable: {one_line(error)}. "
            "It looks like postgresql+psycopg://USER:PASSWORD@HOST:5432/NAME"
        )
    if isinstance(error, PoolTimeout) or is_passing(error):
        return f"the database at {shown_url(url)} cannot be reached: {one_line(error)}"
    if isinstance(error, SQLAlchemyError):
        return f"the database at {shown_url(url)} cannot be used: {one_line(error)}"
    return one_line(error)


class _OneLine(logging.Filter):
    """Turns the traceback of a database that is away into its one line: it is no fault of the program."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through."""
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and is_passing(error):
            record.msg, record.args = f"{record.getMessage()} error={one_line(error)}", None
            record.exc_info = record.exc_text = None
        return True


def log_in_one_line() -> None:
    """Let the handlers of the root logger tell of a database that is away in one line."""
    for handler in logging.getLogger().handlers:
        handler.addFilter(_OneLine())
