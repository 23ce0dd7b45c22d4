"""The page on several machines is true: its commands run as printed, its settings exist, its error is the one told."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from manager_core.settings import Settings
from tests.support.archives_made import blueprint_tar
from tests.support.clock import PATIENCE
from tests.support.databases import PostgresTemplate
from tests.support.parts import Api, Part
from tests.support.processes import REPOSITORY, product_environment

PAGE = REPOSITORY / "docs" / "how-to" / "from-one-machine-to-several.md"
PAGES = [
    PAGE,
    REPOSITORY / "docs" / "reference" / "settings.md",
    REPOSITORY / "docs" / "how-to" / "install-as-a-service.md",
]
MANAGER = "sudo -E -u cloudify /opt/cloudify/bin/cloudify-manager "


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def database(postgres_template: PostgresTemplate) -> Iterator[str]:
    """An empty database, as step 2 makes it."""
    name, url = postgres_template.empty()
    yield url
    postgres_template.drop(name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_setting_that_is_named_exists(page: Path) -> None:
    named = set(re.findall(r"\bCLOUDIFY_([A-Z_]+)\b", page.read_text()))
    assert named
    assert named <= {name.upper() for name in Settings.model_fields}


def test_every_setting_has_its_line_in_the_reference() -> None:
    told = set(re.findall(r"`(?:CLOUDIFY_)?([A-Z_]+)`", PAGES[1].read_text()))
    assert {name.upper() for name in Settings.model_fields} <= told


@pytest.mark.postgres
@pytest.mark.slow
def test_the_steps_lead_from_one_machine_to_several(database: str, tmp_path: Path) -> None:
    home = tmp_path / "cloudify"
    parts: list[Part] = []
    try:
        old = Api(home, command="up")
        parts.append(old)
        old.ready().call("PUT", "/secrets/password", {"value": "xyzzy"})
        plain = "tosca_definitions_version: cloudify_dsl_1_4\nimports: [cloudify/types/types.yaml]\n"
        old.upload("bp", blueprint_tar(plain + "node_templates: {one: {type: cloudify.nodes.Root}}\n"))
        assert old.stop() == 0

        # Step 1 and 2, with the paths and the address of this test.
        names = [line.partition("=")[0] for line in blocks("ini")[0].splitlines() if not line.startswith("#")]
        assert names == ["DATABASE_URL", "CLOUDIFY_API_URL"]
        (command,) = [line for line in blocks("sh")[0].splitlines() if line.startswith(MANAGER)]
        words = shlex.split(command.removeprefix(MANAGER).replace("/var/lib/cloudify", str(home)))
        environment = product_environment(home, DATABASE_URL=database)
        done = subprocess.run(
            [sys.executable, "-m", "manager_core", *words],
            env=environment, cwd=REPOSITORY, capture_output=True, text=True, timeout=PATIENCE,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        head, row, _, advice = blocks("text")[0].replace("/var/lib/cloudify", str(home)).splitlines()
        printed = [line.split() for line in done.stdout.splitlines()]
        assert printed[0] == head.split() and row.split() in printed and printed[-1] == advice.split()

        # Step 3: the line is added to the file of settings.
        (line,) = blocks("sh")[1].splitlines()
        line = line.replace("/var/lib/cloudify", str(home)).replace("/etc/cloudify", str(tmp_path))
        subprocess.run(["sh", "-c", line], check=True)
        name, _, key = (tmp_path / "manager.env").read_text().strip().partition("=")
        shared = {"DATABASE_URL": database, name: key}

        stranger = Part(tmp_path / "stranger", "worker", DATABASE_URL=database, CLOUDIFY_SECRET_KEY="another")
        parts.append(stranger)
        assert stranger.finish() == 1
        assert stranger.output == blocks("text")[1]

        # Step 4: the parts start, a worker with nothing of its own among them.
        api = Api(home, **shared)
        parts.append(api)
        api.ready()
        parts.append(Part(tmp_path / "worker", "worker", CLOUDIFY_API_URL=api.url, **shared))
        api.deploy("bp", "dep")
        assert api.ended(api.start("dep", "install"))["status"] == "terminated"
        assert api.call("GET", "/secrets/password")["value"] == "xyzzy"
    finally:
        for part in parts:
            part.kill_group()
