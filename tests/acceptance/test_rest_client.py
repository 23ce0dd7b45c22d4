"""The unmodified REST client drives a manager through a whole life, on both databases."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clock import PATIENCE
from tests.support.databases import PostgresTemplate
from tests.support.plugins_made import wheel
from tests.support.processes import PASSWORD, REPOSITORY, Manager, cfy_environment

PLUGIN = """
plugins:
  greeting:
    executor: central_deployment_agent
    package_name: greeting-plugin
    package_version: '1.2'
"""
BLUEPRINT = REPOSITORY / "tests" / "data" / "acceptance" / "life" / "blueprint.yaml"

pytestmark = [
    pytest.mark.reference,
    pytest.mark.skipif(cfy_environment() is None, reason="no reference environment (make install-cfy)"),
]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    """A running manager on each database."""
    extra = {}
    if request.param == "postgresql":
        template: PostgresTemplate = request.getfixturevalue("postgres_template")
        name, url = template.empty()
        extra["DATABASE_URL"] = url
        request.addfinalizer(lambda: template.drop(name))
    process = Manager(tmp_path / "data", **extra)
    try:
        yield process.ready()
    finally:
        process.kill_group()


def run(manager: Manager, script: str, *arguments: object) -> None:
    """Run a script in the client's environment and see that it passes and that the manager ends well."""
    environment = cfy_environment()
    assert environment is not None
    done = subprocess.run(
        [
            environment / "bin" / "python", "-P", REPOSITORY / "tests" / "acceptance" / script,
            manager.host, str(manager.port), PASSWORD, *(str(each) for each in arguments),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n--- manager ---\n{manager.output}"
    assert "PASSED" in done.stdout
    assert manager.stop() == 0, manager.output


def test_the_rest_client_lives_a_whole_life(manager: Manager) -> None:
    run(manager, "rest_client_life.py", BLUEPRINT)


def test_every_method_that_the_contract_covers_answers_what_it_says(manager: Manager, tmp_path: Path) -> None:
    folder = tmp_path / "client"
    shutil.copytree(BLUEPRINT.parent, folder / "life")
    (folder / "out").mkdir()
    package = wheel(folder, "greeting-plugin", "1.2", {"greeting_plugin/__init__.py": ""})
    with zipfile.ZipFile(folder / "plugin.zip", "w") as archive:
        archive.write(package, package.name)
        archive.writestr("plugin.yaml", PLUGIN)
    run(manager, "rest_client_methods.py", folder)
