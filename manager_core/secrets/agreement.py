"""Hosts that share a database must share the secret key: seen at the start, not at the first secret.

The database keeps a fingerprint of the key that its secrets are encrypted with. Whoever starts first leaves it; whoever
has another key, or none where one is in use, is told so and does not start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlmodel import Session, col, select

from manager_core.errors import ManagerError
from manager_core.health import counters
from manager_core.secrets.cipher import KEY_FILE, Cipher
from manager_core.secrets.tables import Secret

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

MARK = "secret_key"
_PURPOSE = "fingerprint"
_LOCK_KEY = 0x6B657973
"""Advisory lock under which one process at a time leaves its fingerprint."""


class KeyRefused(RuntimeError):
    """This host's key is not that of the database; the text says what to do."""


def agree_on_key(core: Core) -> None:
    """See that this host has the secret key of the database. A SQLite database lies beside its key: nothing to see.

    Raises:
        KeyRefused: it has another key, or none.
    """
    if core.store.dialect != "postgresql":
        return
    key_file = core.settings.data_dir / KEY_FILE
    with core.store.read() as session:
        known = _known(session)
        in_use = known is not None or session.exec(select(Secret.key).limit(1)).first() is not None
    if in_use and core.settings.secret_key is None and not key_file.exists():
        raise KeyRefused(
            "the database's secrets are encrypted with a key that this host does not have: set CLOUDIFY_SECRET_KEY to "
            f"the same as on the other hosts, or copy their {KEY_FILE} file to {key_file}"
        )
    mine = fingerprint(core)
    if known is None:
        known = _leave(core, mine)
    if known != mine:
        raise _other(core)


def fingerprint(core: Core) -> str:
    """Return what tells this host's key from others, and nothing more about it."""
    return _short(core.secrets.derived_key(_PURPOSE))


def fingerprint_of(cipher: Cipher) -> str:
    """Return the same of a cipher."""
    return _short(cipher.derived(_PURPOSE))


def leave_in(session: Session, mark: str) -> None:
    """Store a fingerprint in the caller's transaction."""
    counters.add(session, {(MARK, mark): 1.0})


def _short(key: bytes) -> str:
    return key.hex()[:16]


def _known(session: Session) -> str | None:
    found = [label for name, label in counters.read(session) if name == MARK]
    return found[0] if found else None


def _leave(core: Core, mine: str) -> str:
    """Store this host's fingerprint unless another host was faster; return the one that holds."""
    with core.store.write() as session:
        session.connection().execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
        known = _known(session)
        if known is not None:
            return known
        row = session.exec(select(Secret).order_by(col(Secret.storage_id).desc()).limit(1)).first()
        if row is not None:
            try:
                core.secrets.value(session, row.tenant_name, row.key)
            except ManagerError:
                raise _other(core) from None
        leave_in(session, mine)
    return mine


def _other(core: Core) -> KeyRefused:
    ours = (
        "CLOUDIFY_SECRET_KEY" if core.settings.secret_key is not None else f"key in {core.settings.data_dir / KEY_FILE}"
    )
    return KeyRefused(
        f"the database's secrets are encrypted with another key than this host's {ours}. The key has to be the same "
        "on every host"
    )
