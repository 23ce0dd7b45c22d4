"""The scheduler as a process: readiness, the watchdog, a clean stop, one poll by hand, the look ahead."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from manager_core.bootstrap import Core
from scheduler.recurrence import parse
from tests.contract.database_harness import DatabaseHarness
from tests.support.clock import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
MINUTE = timedelta(minutes=1)


def environment(**values: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CLOUDIFY_")}
    return {**kept, "PYTHONPATH": str(ROOT), **values}


def run(data_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scheduler", "--data-dir", str(data_dir), *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


@pytest.fixture
def notifications(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket on which systemd would listen."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(tmp_path / "notify"))
    listener.settimeout(PATIENCE)
    yield listener
    listener.close()


def a_due_schedule(core: Core, slip: int = 3600) -> tuple[DatabaseHarness, int]:
    now = datetime.now(UTC)  # noqa: TID251 - the process under test has the machine's clock
    harness = DatabaseHarness(core)
    rule = parse(since=now - timedelta(hours=2), recurrence="10 min")
    return harness, harness.add(rule, now - timedelta(minutes=25), slip=slip)


def test_once_polls_once_prints_a_line_a_verdict_and_exits_0(sqlite_core: Core) -> None:
    """The second time nothing is due and nothing is printed."""
    harness, key = a_due_schedule(sqlite_core)
    first = run(sqlite_core.settings.data_dir, "--once")
    assert first.returncode == 0, first.stderr
    (line,) = first.stdout.splitlines()
    (execution,) = harness.runs(key)
    assert line.startswith("default_tenant/d1/s  ")
    assert f"fired  execution {execution.execution_id}" in line
    second = run(sqlite_core.settings.data_dir, "--once")
    assert (second.returncode, second.stdout) == (0, "")
    assert [str(record.outcome) for record in harness.history(key)] == ["missed", "fired"]


def test_the_service_tells_systemd_and_stops_cleanly(
    sqlite_core: Core, tmp_path: Path, notifications: socket.socket
) -> None:
    """READY, then the beat of the watchdog while it polls, STOPPING on SIGTERM, exit 0; the first poll came at once."""
    harness, key = a_due_schedule(sqlite_core)
    process = subprocess.Popen(
        [sys.executable, "-m", "scheduler", "--data-dir", str(sqlite_core.settings.data_dir)],
        env=environment(NOTIFY_SOCKET=str(tmp_path / "notify")),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        heard = [notifications.recv(100).decode(), notifications.recv(100).decode()]
        assert heard == ["READY=1", "WATCHDOG=1"]
        assert process.stderr is not None
        for line in process.stderr:
            if " polled decided=1 " in line:
                break
        process.send_signal(signal.SIGTERM)
        while "STOPPING=1" not in heard:
            heard.append(notifications.recv(100).decode())
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.communicate()
    assert len(harness.runs(key)) == 1


def test_simulate_shows_what_would_fire_and_stores_nothing(sqlite_core: Core) -> None:
    """As a table and as JSON, from a given instant."""
    harness, key = a_due_schedule(sqlite_core)
    span = ["--from", "2030-01-01T00:00", "--to", "2030-01-01T01:00Z"]
    answer = run(sqlite_core.settings.data_dir, "simulate", *span, "--json")
    assert answer.returncode == 0, answer.stderr
    result = json.loads(answer.stdout)
    assert len(result["firings"]) == 6
    assert result["peak_running"] == 1
    assert {firing["outcome"] for firing in result["firings"]} == {"fired"}
    table = run(sqlite_core.settings.data_dir, "simulate", *span).stdout.splitlines()
    assert table[0].split() == ["OCCURRENCE", "SCHEDULE", "DEPLOYMENT", "START", "END", "OUTCOME", "REASON"]
    assert table[-1] == "6 verdicts, at most 1 running at a time, longest wait 0 s"
    assert harness.runs(key) == []
    assert harness.history(key) == []


@pytest.mark.parametrize("span", [["--from", "soon"], ["--from", "2030-01-01", "--to", "2032-01-01"]])
def test_simulate_refuses_a_span_in_words(sqlite_core: Core, span: list[str]) -> None:
    """Exit 1 and one line."""
    answer = run(sqlite_core.settings.data_dir, "simulate", *span)
    assert answer.returncode == 1
    assert answer.stderr.startswith("error: ")
    assert len(answer.stderr.splitlines()) == 1
