"""Where the APIs of one database are: each says so in its heartbeat, and keeps what it was given on its own disk.

With several APIs behind one address, a file is on the one that took it in. Who does not find it at `CLOUDIFY_API_URL`
asks the others.
"""

from __future__ import annotations

import ipaddress
import socket
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from sqlmodel import Session, col, select

from manager_core.health.tables import Heartbeat
from manager_core.ids import new_id

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

API = "api"
MARK = "api-mark"
"""A file beside the originals, by which a process sees that an API works in the same data directory."""

FRESH = timedelta(seconds=120)
"""An API that was not heard of for so long is not asked."""


def mark(core: Core) -> str:
    """Leave a new mark in the data directory of an API; whoever finds it works in the same directory.

    It is made anew at every start, so that it says nothing in a copy of the directory.
    """
    made = new_id()
    path = core.files.root / MARK
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{MARK}.{made}")
    partial.write_text(made)
    partial.replace(path)
    return made


def announce(core: Core, directory: str) -> None:
    """Tell the others where this API is. On SQLite there are no others.

    Args:
        directory: what `mark` returned.
    """
    if core.store.dialect != "postgresql":
        return
    machine, port = socket.gethostname(), core.settings.port
    with core.store.write() as session:
        host = _reachable(session, core.settings.host)
        shown = f"[{host}]" if ":" in host else host
        core.health.beat_in(
            session,
            API,
            f"{machine}/{core.settings.data_dir.resolve()}:{port}",
            core.clock.now() + FRESH,
            {"url": f"http://{shown}:{port}", "machine": machine, "directory": directory},
        )


def addresses(core: Core) -> list[str]:
    """Return the URLs of the APIs that this host can hope to reach, the one last heard of first."""
    machine = socket.gethostname()
    return [
        str(details["url"])
        for details in _told(core)
        if details.get("machine") == machine or not _is_loopback(str(details["url"]).split("://")[1])
    ]


def serves_here(core: Core) -> bool:
    """Tell whether an API works in this process's data directory: what is put there, it has."""
    try:
        here = (core.files.root / MARK).read_text()
    except OSError:
        return False
    return any(details.get("directory") == here for details in _told(core))


def _told(core: Core) -> list[dict[str, Any]]:
    """Return what the APIs told of themselves, the one last heard of first."""
    statement = (
        select(Heartbeat)
        .where(col(Heartbeat.service) == API, col(Heartbeat.beat_at) > core.clock.now() - FRESH)
        .order_by(col(Heartbeat.beat_at).desc())
    )
    with core.store.read() as session:
        return [row.details or {} for row in session.exec(statement)]


def _reachable(session: Session, host: str) -> str:
    """Return the address an API is reached at: the one it listens on, or, listening on all, what the database sees."""
    if host not in {"", "0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        return host
    seen = session.connection().execute(text("SELECT host(inet_client_addr())")).scalar()
    return str(seen or "127.0.0.1")


def _is_loopback(place: str) -> bool:
    host = place.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
