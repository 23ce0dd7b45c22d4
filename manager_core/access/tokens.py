"""API tokens: made, listed and taken back by their owners (REST contract §4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete
from sqlmodel import Session, col

from manager_core.access.caller import Caller
from manager_core.access.expiry import parse_expiration
from manager_core.access.listing import TOKENS
from manager_core.access.tables import Token, User
from manager_core.errors import NotFound
from manager_core.ids import digest, token_text
from manager_core.rest.listing import ListQuery, get_one, list_page

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

ID_LENGTH = 10
SECRET_LENGTH = 40
SESSION = "console"
"""The description of a token that is a session of the web console."""


def end_sessions(session: Session, username: str) -> None:
    """Sign a user out of the console everywhere: who has changed the password means so."""
    session.connection().execute(
        delete(Token).where(col(Token.username) == username, col(Token.description) == SESSION)
    )


class Tokens:
    """The API tokens of the manager's users."""

    def __init__(self, core: Core) -> None:
        """Work on the given Core."""
        self._core = core

    def create(
        self, caller: Caller, *, description: str | None = None, expiration: str | None = None
    ) -> dict[str, Any]:
        """Make a token; the answer is the only place where its secret is shown. The caller's expired ones go.

        Raises:
            BadParameters: the expiration is unreadable or past.
        """
        now = self._core.clock.now()
        expiration_date = parse_expiration(expiration, now) if expiration else None
        token_id, secret = token_text(ID_LENGTH), token_text(SECRET_LENGTH)
        with self._core.store.write() as session:
            session.connection().execute(
                delete(Token).where(col(Token.username) == caller.username, col(Token.expiration_date) <= now)
            )
            session.add(
                Token(
                    id=token_id,
                    username=caller.username,
                    secret_hash=digest(secret),
                    description=description,
                    expiration_date=expiration_date,
                    created_at=now,
                )
            )
            user = session.get(User, caller.username)
        return {
            "id": token_id,
            "username": caller.username,
            "value": f"ctok-{token_id}-{secret}",
            "role": None if user is None else user.role,
            "expiration_date": expiration_date,
            "last_used": None,
            "description": description,
        }

    def page(self, caller: Caller, query: ListQuery) -> dict[str, Any]:
        """Return a page of the caller's tokens; who manages others' tokens sees all."""
        with self._core.store.read() as session:
            return list_page(session, TOKENS, query, caller, where=self._own(caller))

    def get(self, caller: Caller, token_id: str, include: list[str] | None = None) -> dict[str, Any]:
        """Return one token, its secret masked.

        Raises:
            NotFound: there is none, or it is somebody else's.
        """
        with self._core.store.read() as session:
            try:
                return get_one(session, TOKENS, caller, token_id, include=include, where=self._own(caller))
            except NotFound:
                raise NotFound(f"Could not find token {token_id}") from None

    def delete(self, caller: Caller, token_id: str) -> None:
        """Take a token back.

        Raises:
            NotFound: there is none, or it is somebody else's.
        """
        with self._core.store.write() as session:
            gone = session.connection().execute(delete(Token).where(col(Token.id) == token_id, *self._own(caller)))
            if gone.rowcount == 0:
                raise NotFound(f"Could not find token {token_id}")

    @staticmethod
    def _own(caller: Caller) -> list[Any]:
        return [] if caller.may("manage_others_tokens") else [col(Token.username) == caller.username]
