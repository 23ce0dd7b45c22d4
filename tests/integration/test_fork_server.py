"""The fork server: forks, exits, descriptors, signals, and that nothing outlives its owner."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from manager_core.runtime.forkserver_client import ForkServer, ForkServerClient, ForkServerGone, Spawn
from tests.support.clock import PATIENCE
from tests.support.processes_of_tests import ended, still_there, wait_until

ENTRY = "tests.support.fork_entries:"


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    """A server without preloads."""
    server = ForkServer(preload=("tests.support.fork_entries",))
    server.wait_ready()
    yield server
    server.stop()


class Exits:
    """Collects the exits of children and lets a test wait for them."""

    def __init__(self) -> None:
        self.codes: dict[int, int] = {}
        self._changed = threading.Condition()

    def __call__(self, pid: int, code: int) -> None:
        with self._changed:
            self.codes[pid] = code
            self._changed.notify_all()

    def of(self, pid: int) -> int:
        """Return the exit code of a child, once it ended."""
        with self._changed:
            assert self._changed.wait_for(lambda: pid in self.codes, PATIENCE)
            return self.codes[pid]


def test_a_child_runs_its_entry_and_its_exit_is_reported(server: ForkServer) -> None:
    """The entry's result, SystemExit, an exception, os._exit and a signal each give their code."""
    exits = Exits()
    expected = {"returns": 5, "exits": 6, "raises": 1, "quits": 7, "dies": -signal.SIGKILL, "nothing": 0}
    pids = {name: server.client.spawn(Spawn(ENTRY + name), exits) for name in expected}
    assert {name: exits.of(pid) for name, pid in pids.items()} == expected


def test_a_child_gets_argument_environment_directory_and_output(server: ForkServer, tmp_path: Path) -> None:
    """The environment is exactly the given one; stdout and stderr go where the caller says."""
    exits = Exits()
    with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
        pid = server.client.spawn(
            Spawn(
                ENTRY + "describes",
                argument={"a": [1, "é"]},
                environment={"ONLY": "this"},
                cwd=str(tmp_path),
                descriptors={"stdout": out.fileno(), "stderr": err.fileno()},
            ),
            exits,
        )
    assert exits.of(pid) == 0
    described = json.loads((tmp_path / "out").read_text())
    assert described["argument"] == {"a": [1, "é"]}
    assert described["environment"] == {"ONLY": "this"}
    assert (described["cwd"], described["pid"], described["stdin"]) == (str(tmp_path), pid, "")
    assert described["leader"] is True
    assert (tmp_path / "err").read_text() == "to stderr\n"


def test_a_child_talks_over_a_descriptor_and_holds_no_other(server: ForkServer) -> None:
    """A passed socket works, and closing our end is seen although other children were forked meanwhile."""
    ours, theirs = socket.socketpair()
    exits = Exits()
    pid = server.client.spawn(Spawn(ENTRY + "echoes", descriptors={"channel": theirs.fileno()}), exits)
    theirs.close()
    sleeper = server.client.spawn(Spawn(ENTRY + "sleeps"), exits)
    ours.sendall(b"hello")
    assert ours.recv(100) == b"HELLO"
    ours.close()
    assert exits.of(pid) == 0
    server.client.signal(sleeper, signal.SIGTERM)
    assert exits.of(sleeper) == -signal.SIGTERM


def test_a_program_can_be_run_instead_of_a_fork(server: ForkServer, tmp_path: Path) -> None:
    """By exec, with descriptors by number."""
    exits = Exits()
    read, write = os.pipe()
    pid = server.client.spawn(
        Spawn(argv=("/bin/sh", "-c", 'echo "over $0" >&$0', "{channel}"), descriptors={"channel": write}), exits
    )
    os.close(write)
    assert os.read(read, 100).startswith(b"over ")
    os.close(read)
    assert exits.of(pid) == 0


def test_what_cannot_be_run_fails_alone(server: ForkServer) -> None:
    """An unknown entry, program or directory is an exit code; the server goes on."""
    exits = Exits()
    wrong = [
        Spawn("no.such.module:f"),
        Spawn(ENTRY + "no_such_function"),
        Spawn(argv=("/no/such/program",)),
        Spawn(ENTRY + "nothing", cwd="/no/such/directory"),
    ]
    assert [exits.of(server.client.spawn(what, exits)) for what in wrong] == [1, 1, 1, 1]
    assert exits.of(server.client.spawn(Spawn(ENTRY + "nothing"), exits)) == 0


def test_a_signal_reaches_the_whole_process_group(server: ForkServer) -> None:
    """A child's own children are ended with it."""
    exits = Exits()
    read, write = os.pipe()
    pid = server.client.spawn(Spawn(ENTRY + "starts_a_sleeper", descriptors={"channel": write}), exits)
    os.close(write)
    grandchild = int(os.read(read, 100))
    os.close(read)
    assert still_there(grandchild)
    server.client.signal(pid, signal.SIGKILL)
    assert exits.of(pid) == -signal.SIGKILL
    wait_until(lambda: ended(grandchild))


def test_an_owners_processes_are_ended_together_and_no_others(server: ForkServer) -> None:
    """The label of an execution finds everything that was started for it."""
    exits = Exits()
    mine = [server.client.spawn(Spawn(ENTRY + "sleeps", owner="e1"), exits) for _ in range(3)]
    other = server.client.spawn(Spawn(ENTRY + "sleeps", owner="e2"), exits)
    server.client.signal_owner("e1", signal.SIGTERM)
    assert [exits.of(pid) for pid in mine] == [-signal.SIGTERM] * 3
    assert still_there(other)
    server.client.signal_owner("e2", signal.SIGKILL)
    assert exits.of(other) == -signal.SIGKILL


def test_a_child_with_a_connection_starts_children_that_end_with_it(server: ForkServer) -> None:
    """What an execution process started does not outlive it, even if it is killed."""
    exits = Exits()
    read, write = os.pipe()
    spawn = Spawn(ENTRY + "spawns_through_the_server", descriptors={"channel": write}, connect=True)
    pid = server.client.spawn(spawn, exits)
    os.close(write)
    grandchild = int(os.read(read, 100))
    os.close(read)
    assert still_there(grandchild)
    server.client.signal(pid, signal.SIGKILL, group=False)
    assert exits.of(pid) == -signal.SIGKILL
    wait_until(lambda: ended(grandchild))


def test_a_copy_that_a_child_left_behind_does_not_keep_its_children_alive(server: ForkServer) -> None:
    """A plugin that forks and forgets holds the connection open; the end of the child itself is what counts."""
    exits = Exits()
    read, write = os.pipe()
    spawn = Spawn(ENTRY + "leaves_a_copy_behind", descriptors={"channel": write}, connect=True)
    pid = server.client.spawn(spawn, exits)
    os.close(write)
    grandchild, copy = map(int, os.read(read, 100).split())
    os.close(read)
    try:
        assert exits.of(pid) == 0
        wait_until(lambda: ended(grandchild))
        assert still_there(copy)
    finally:
        os.kill(copy, signal.SIGKILL)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_nothing_outlives_the_server(how: str) -> None:
    """Neither after an orderly end nor after a kill -9; the client learns of it and refuses further work."""
    lost = threading.Event()
    server = ForkServer(preload=(), on_lost=lost.set)
    server.wait_ready()
    exits = Exits()
    pids = [server.client.spawn(Spawn(ENTRY + "sleeps"), exits) for _ in range(3)]
    if how == "stop":
        server.stop()
    else:
        os.kill(server.pid, signal.SIGKILL)
        assert lost.wait(PATIENCE)
    for pid in pids:
        wait_until(lambda pid=pid: ended(pid))  # type: ignore[misc]
    assert [exits.of(pid) for pid in pids] == [-signal.SIGKILL] * 3
    with pytest.raises(ForkServerGone):
        server.client.spawn(Spawn(ENTRY + "nothing"))
    server.stop()
    assert lost.is_set() == (how == "kill")


def test_a_server_that_takes_long_to_start_is_not_given_up() -> None:
    """It may be asked again, and without a limit it is waited for."""
    server = ForkServer(preload=())
    try:
        os.kill(server.pid, signal.SIGSTOP)
        with pytest.raises(ForkServerGone):
            server.wait_ready(0.1)
        os.kill(server.pid, signal.SIGCONT)
        server.wait_ready()
        exits = Exits()
        assert exits.of(server.client.spawn(Spawn(ENTRY + "returns"), exits)) == 5
    finally:
        server.stop()


def test_a_client_that_sends_rubbish_is_dropped_alone(server: ForkServer) -> None:
    """An execution process that lost its mind does not harm the others."""
    exits = Exits()
    ours, theirs = socket.socketpair()
    pid = server.client.spawn(
        Spawn(ENTRY + "sends_rubbish_to_the_server", descriptors={"channel": theirs.fileno()}, connect=True), exits
    )
    theirs.close()
    assert ours.recv(10) == b"dropped"
    ours.close()
    assert exits.of(pid) == 0
    assert exits.of(server.client.spawn(Spawn(ENTRY + "nothing"), exits)) == 0


def test_many_threads_may_ask_at_once(server: ForkServer) -> None:
    """Every child is reported to the one who asked for it."""
    exits = Exits()
    pids: list[int] = []

    def ask() -> None:
        for _ in range(5):
            pids.append(server.client.spawn(Spawn(ENTRY + "returns"), exits))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(pids)) == 40
    assert {exits.of(pid) for pid in pids} == {5}


def test_a_client_is_made_from_a_descriptor() -> None:
    """As an execution process does with the connection it was given."""
    ours, theirs = socket.socketpair()
    client = ForkServerClient.from_descriptor(ours.detach())
    theirs.close()
    with pytest.raises(ForkServerGone):
        client.wait_ready(5)
    client.close()
