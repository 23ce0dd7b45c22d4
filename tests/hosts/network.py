"""Hosts on one machine: network namespaces joined by a bridge, each with a host name of its own.

Needs root, iproute2 and util-linux. Everything made here has a name of its own and is removed by `close`, whatever
happened in between.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from scheduler.clock import SystemClock
from tests.support.clock import PATIENCE
from tests.support.processes import REPOSITORY, Process, product_environment


def run(*command: str) -> str:
    """Run a command to its end and return what it printed; fail with what it said."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def obstacle() -> str | None:
    """Return why no network can be made on this machine, None when one can."""
    if os.geteuid() != 0:
        return "not run as root"
    for tool in ("ip", "unshare"):
        if shutil.which(tool) is None:
            return f"no {tool} on this machine"
    probe = f"cx{os.getpid() % 0xFFFF:04x}p"
    try:
        run("ip", "netns", "add", probe)
        run("ip", "netns", "del", probe)
    except OSError as error:
        return f"no network namespaces: {error}"
    return None


@dataclass
class Host:
    """A namespace with one address on the bridge."""

    name: str
    address: str
    cable: str
    data_dir: Path

    def start(self, module: str, *arguments: str, **environment: str) -> Process:
        """Start a program of the product here."""
        inside = f'echo {self.name} > /proc/sys/kernel/hostname && exec "$@"'
        command = ["ip", "netns", "exec", self.name, "unshare", "--uts", "sh", "-c", inside, "sh"]
        return Process(
            [*command, sys.executable, "-m", module, *arguments],
            product_environment(self.data_dir, **environment),
            cwd=REPOSITORY,
        )

    def pids(self) -> list[int]:
        """Return the processes of this host."""
        return [int(pid) for pid in run("ip", "netns", "pids", self.name).split()]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to every process of this host."""
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def cut(self) -> None:
        """Pull the cable: what is sent is lost, nobody is told."""
        run("ip", "link", "set", self.cable, "down")

    def mend(self) -> None:
        """Put the cable back."""
        run("ip", "link", "set", self.cable, "up")


class Network:
    """A bridge, and the hosts on it; `address` is the bridge's own, where this process can listen."""

    def __init__(self, folder: Path) -> None:
        """Make the bridge."""
        self._folder = folder
        self._tag = f"cx{os.getpid() % 0xFFFF:04x}"
        self._subnet = f"10.{200 + os.getpid() % 50}.{os.getpid() // 50 % 250}"
        self.address = f"{self._subnet}.1"
        self.network = f"{self._subnet}.0/24"
        self.hosts: list[Host] = []
        run("ip", "link", "add", self._tag, "type", "bridge")
        try:
            run("ip", "address", "add", f"{self.address}/24", "dev", self._tag)
            run("ip", "link", "set", self._tag, "up")
        except OSError:
            self.close()
            raise

    def host(self, name: str) -> Host:
        """Make a host."""
        number = len(self.hosts) + 1
        cable, plug = f"{self._tag}v{number}", f"{self._tag}e{number}"
        host = Host(f"{self._tag}{name}", f"{self._subnet}.{number + 1}", cable, self._folder / name)
        host.data_dir.mkdir()
        run("ip", "netns", "add", host.name)
        self.hosts.append(host)
        run("ip", "link", "add", cable, "type", "veth", "peer", "name", plug, "netns", host.name)
        run("ip", "link", "set", cable, "master", self._tag)
        run("ip", "link", "set", cable, "up")
        for command in (
            ("address", "add", f"{host.address}/24", "dev", plug),
            ("link", "set", "lo", "up"),
            ("link", "set", plug, "up"),
        ):
            run("ip", "-n", host.name, *command)
        return host

    def close(self) -> None:
        """End what still runs on the hosts, and remove everything. Repeatable."""
        clock = SystemClock()
        deadline = clock.monotonic() + PATIENCE
        while self.hosts:
            host = self.hosts.pop()
            with contextlib.suppress(OSError):
                while host.pids() and clock.monotonic() < deadline:
                    host.signal(signal.SIGKILL)
                    clock.wait(0.1)
            with contextlib.suppress(OSError):
                run("ip", "netns", "del", host.name)
        with contextlib.suppress(OSError):
            run("ip", "link", "del", self._tag)
