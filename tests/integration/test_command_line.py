"""`cloudify-manager` as a person meets it: one-line errors, clean stops, starting again finds everything; the units."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.request
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from tests.support.clock import PATIENCE
from tests.support.processes import PASSWORD, REPOSITORY, Manager, product_environment
from tests.support.warm_product import WarmProduct


def run(data_dir: Path, *arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "manager_core", *arguments],
        env=product_environment(data_dir, **environment),
        cwd=REPOSITORY,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def warm(product: WarmProduct, data_dir: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return product.run("manager_core", *arguments, environment=product_environment(data_dir, **environment))


def ask(manager: Manager, path: str, password: str = PASSWORD) -> Any:
    request = urllib.request.Request(manager.url + path, headers={"Tenant": "default_tenant"})
    request.add_header("Authorization", "Basic " + b64encode(f"admin:{password}".encode()).decode())
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.loads(answer.read())


def test_a_taken_port_is_told_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run(tmp_path, "up", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert re.fullmatch(r"error: cannot listen on 127\.0\.0\.1:\d+: .*in use.*\n", done.stderr)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("CLOUDIFY_PORT", "many", "port"),
        ("CLOUDIFY_SCHEDULER_INTERVAL", "-1", "scheduler_interval"),
        ("CLOUDIFY_TIMEZONE", "Mars/Olympus", "timezone"),
        ("CLOUDIFY_WORKER_CONCURRENCY", "0", "worker_concurrency"),
    ],
)
def test_a_wrong_setting_is_named(product: WarmProduct, tmp_path: Path, name: str, value: str, told: str) -> None:
    done = warm(product, tmp_path, "up", **{name: value})
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_that_cannot_be_reached_is_told_in_one_line(product: WarmProduct, tmp_path: Path) -> None:
    done = warm(product, tmp_path, "serve", DATABASE_URL="postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    assert done.returncode == 1
    assert done.stderr.startswith("error: the manager cannot start: ")
    assert "Traceback" not in done.stderr


def test_migrating_twice_changes_nothing_the_second_time(tmp_path: Path) -> None:
    assert run(tmp_path, "migrate").stdout == "The database is at revision 0001.\n"
    assert run(tmp_path, "migrate").stdout == "The database is at revision 0001, as it was.\n"


def test_a_database_of_a_newer_version_is_left_alone(product: WarmProduct, tmp_path: Path) -> None:
    warm(product, tmp_path, "migrate")
    with sqlite3.connect(tmp_path / "manager.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    done = warm(product, tmp_path, "migrate")
    assert done.returncode == 1
    assert "9999" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_first_start_makes_a_password_that_only_its_owner_can_read(tmp_path: Path) -> None:
    manager = Manager(tmp_path / "data", CLOUDIFY_ADMIN_PASSWORD="")
    try:
        manager.ready()
        path = tmp_path / "data" / "admin-password"
        password = path.read_text().strip()
        assert len(password) >= 16
        assert password in manager.output
        assert path.stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
        assert ask(manager, "/api/v3.1/status", password)["status"] == "OK"
        assert manager.stop() == 0
    finally:
        manager.kill_group()
    again = Manager(tmp_path / "data", CLOUDIFY_ADMIN_PASSWORD="").ready()
    try:
        assert password not in again.output
        assert ask(again, "/api/v3.1/status", password)["status"] == "OK"
    finally:
        again.kill_group()


def test_an_administrator_gets_a_new_password_from_standard_input(tmp_path: Path) -> None:
    assert run(tmp_path, "create-admin", "admin", stdin="a-new-password\n").returncode == 0
    assert "too short" in run(tmp_path, "create-admin", "admin", stdin="abc\n").stderr
    manager = Manager(tmp_path).ready()
    try:
        assert ask(manager, "/api/v3.1/status", "a-new-password")["status"] == "OK"
    finally:
        manager.kill_group()


def test_ctrl_c_stops_everything_and_the_next_start_finds_everything(tmp_path: Path) -> None:
    manager = Manager(tmp_path / "data", "--example").ready()
    try:
        manager.wait_for("Ctrl-C stops")
        before = ask(manager, "/api/v3.1/execution-schedules?_next=0&_sort=id")["items"]
        os.killpg(manager.pid, signal.SIGINT)
        assert manager.stop(signal.SIGINT) == 0
        assert "Traceback" not in manager.output
    finally:
        manager.kill_group()
    again = Manager(tmp_path / "data", "--example").ready()
    try:
        again.wait_for("is there already")
        after = ask(again, "/api/v3.1/execution-schedules?_next=0&_sort=id")["items"]
        unmoved = ("id", "rule", "since", "enabled", "timezone", "created_at")
        assert [{key: row[key] for key in unmoved} for row in after] == [
            {key: row[key] for key in unmoved} for row in before
        ]
        assert [row["id"] for row in after] == ["every-minute", "nightly"]
    finally:
        again.kill_group()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze")
@pytest.mark.parametrize("unit", sorted((REPOSITORY / "systemd").glob("*.service")), ids=lambda unit: unit.stem)
def test_a_unit_is_valid_and_starts_a_command_that_exists(unit: Path, tmp_path: Path) -> None:
    text = unit.read_text()
    command = re.search(r"^ExecStart=/opt/cloudify/bin/(\S+)", text, re.MULTILINE)
    assert command is not None
    installed = Path(sys.executable).parent / command[1]
    copy = tmp_path / unit.name
    copy.write_text(text.replace(f"/opt/cloudify/bin/{command[1]}", str(installed)))
    done = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, timeout=PATIENCE)
    complaints = [line for line in done.stderr.splitlines() if unit.name in line]
    assert (done.returncode, complaints) == (0, [])
