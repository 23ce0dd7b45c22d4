"""A PostgreSQL of the test's own, from the installed programs, so that it can be stopped and started."""

from __future__ import annotations

import pwd
import shutil
import socket
import tempfile
from pathlib import Path

from tests.hosts.network import run

USER = "postgres"


def programs() -> Path | None:
    """Return the folder with `initdb` and `pg_ctl` of the newest version that is installed, None when there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    for folder in ("/usr/pgsql/bin", "/usr/local/pgsql/bin"):
        if (Path(folder) / "initdb").exists():
            return Path(folder)
    name = shutil.which("initdb")
    return Path(name).parent if name else None


def obstacle() -> str | None:
    """Return why no cluster can be made on this machine, None when one can."""
    if programs() is None:
        return "no initdb of PostgreSQL on this machine"
    if shutil.which("setpriv") is None:
        return "no setpriv on this machine"
    try:
        pwd.getpwnam(USER)
    except KeyError:
        return f"no user {USER} on this machine"
    return None


class Cluster:
    """One server, reachable from one network; `url` is its database for SQLAlchemy."""

    def __init__(self, address: str, network: str) -> None:
        """Make it and start it."""
        bin_folder = programs()
        assert bin_folder is not None
        self._bin = bin_folder
        self._folder = Path(tempfile.mkdtemp(prefix="hosts-pg-"))
        shutil.chown(self._folder, USER, USER)
        self._data = self._folder / "data"
        with socket.socket() as probe:
            probe.bind((address, 0))
            self.port = probe.getsockname()[1]
        try:
            self._as_owner("initdb", "-D", str(self._data), "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
            with (self._data / "pg_hba.conf").open("a") as rules:
                rules.write(f"host all all {network} trust\n")
            with (self._data / "postgresql.conf").open("a") as settings:
                settings.write(
                    f"listen_addresses = '{address}'\nport = {self.port}\nmax_connections = 200\nfsync = off\n"
                    f"unix_socket_directories = '{self._folder}'\nshared_buffers = 32MB\n"
                    # a host that is cut off must not hold locks for longer than a lease
                    "tcp_keepalives_idle = 2\ntcp_keepalives_interval = 1\ntcp_keepalives_count = 3\n"
                    "tcp_user_timeout = 5000\n"
                )
            self._control("start")
        except OSError:
            self.close()
            raise
        self.url = f"postgresql+psycopg://{USER}@{address}:{self.port}/postgres"

    def restart(self) -> None:
        """Stop it as a crash would, and start it: every connection breaks, nothing that was committed is lost."""
        self._control("restart", "-m", "immediate")

    def close(self) -> None:
        """Stop it and remove its files."""
        if (self._data / "postmaster.pid").exists():
            self._control("stop", "-m", "immediate")
        shutil.rmtree(self._folder, ignore_errors=True)

    def _control(self, *command: str) -> None:
        log = str(self._folder / "log")
        self._as_owner("pg_ctl", "-D", str(self._data), "-w", "-t", "150", "-s", "-l", log, *command)

    def _as_owner(self, program: str, *arguments: str) -> None:
        owner = pwd.getpwnam(USER)
        drop = ("setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups")
        run(*drop, "env", "-C", str(self._folder), str(self._bin / program), *arguments)
