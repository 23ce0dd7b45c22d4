"""What children of the fork server do in its tests."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

Descriptors = dict[str, int]


def nothing(_argument: Any, _descriptors: Descriptors) -> None:
    """End well."""


def returns(_argument: Any, _descriptors: Descriptors) -> int:
    """End with 5."""
    return 5


def exits(_argument: Any, _descriptors: Descriptors) -> None:
    """End with 6 by SystemExit."""
    sys.exit(6)


def raises(_argument: Any, _descriptors: Descriptors) -> None:
    """End with an exception."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    raise ValueError("on purpose")


def quits(_argument: Any, _descriptors: Descriptors) -> None:
    """End with 7 at once."""
    os._exit(7)


def dies(_argument: Any, _descriptors: Descriptors) -> None:
    """End by a signal."""
    os.kill(os.getpid(), signal.SIGKILL)


def sleeps(_argument: Any, _descriptors: Descriptors) -> None:
    """Wait to be ended."""
    threading.Event().wait(600)


def describes(argument: Any, _descriptors: Descriptors) -> None:
    """Print what it is."""
    sys.stderr.write("to stderr\n")
    sys.stdout.write(
        json.dumps(
            {
                "argument": argument,
                "environment": dict(os.environ),
                "cwd": str(Path.cwd()),
                "pid": os.getpid(),
                "stdin": os.read(0, 10).decode(),
                "leader": os.getpgrp() == os.getpid(),
            }
        )
    )


def echoes(_argument: Any, descriptors: Descriptors) -> None:
    """Answer in capitals until the channel closes."""
    with socket.socket(fileno=descriptors["channel"]) as sock:
        while data := sock.recv(100):
            sock.sendall(data.upper())


def starts_a_sleeper(_argument: Any, descriptors: Descriptors) -> None:
    """Start a process in the same group, tell its pid, wait."""
    sleeper = subprocess.Popen(["sleep", "600"])
    os.write(descriptors["channel"], str(sleeper.pid).encode())
    sleeper.wait()


def spawns_through_the_server(_argument: Any, descriptors: Descriptors) -> None:
    """Ask the fork server for a child, tell its pid, wait."""
    from manager_core.runtime.forkserver_client import ForkServerClient, Spawn

    client = ForkServerClient.from_descriptor(descriptors["server"])
    pid = client.spawn(Spawn("tests.support.fork_entries:sleeps"))
    os.write(descriptors["channel"], str(pid).encode())
    threading.Event().wait(600)


def leaves_a_copy_behind(_argument: Any, descriptors: Descriptors) -> None:
    """Ask the fork server for a child and end, while a forked copy holds all descriptors; tell both pids."""
    from manager_core.runtime.forkserver_client import ForkServerClient, Spawn

    client = ForkServerClient.from_descriptor(descriptors["server"])
    pid = client.spawn(Spawn("tests.support.fork_entries:sleeps"))
    copy = os.fork()
    if copy == 0:
        threading.Event().wait(600)
        os._exit(0)
    os.write(descriptors["channel"], f"{pid} {copy}".encode())
    os._exit(0)


def sends_rubbish_to_the_server(_argument: Any, descriptors: Descriptors) -> None:
    """Break the protocol and tell when the server hung up."""
    with socket.socket(fileno=descriptors["server"]) as sock:
        sock.sendall(b"\x00\x00\x00\x04rubb")
        while sock.recv(100):
            pass
    with socket.socket(fileno=descriptors["channel"]) as sock:
        sock.sendall(b"dropped")
