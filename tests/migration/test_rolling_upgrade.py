"""Two versions of the code side by side: the commit before this one and this one, on one PostgreSQL.

The older one's wheel is built from git and installed into an environment of its own, with the dependencies of this one;
where there is no older commit it is this one again, and the test still shows that an additive migration under running
processes stops nobody and that work goes over from one to the other.
"""

from __future__ import annotations

import io
import shutil
import signal
import subprocess
import sys
import sysconfig
import tarfile
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from manager_core.store.migrate import HEAD, generation
from tests.support.archives_made import blueprint_tar
from tests.support.clock import PATIENCE
from tests.support.databases import PostgresTemplate
from tests.support.parts import KEY, Api, Part
from tests.support.processes import REPOSITORY, Process, product_environment

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

BLUEPRINT = """\
tosca_definitions_version: cloudify_dsl_1_4
imports: [cloudify/types/types.yaml]
plugins:
  steps: {executor: central_deployment_agent, source: steps}
node_templates:
  one:
    type: cloudify.nodes.Root
    capabilities: {scalable: {properties: {default_instances: 6}}}
    interfaces: {test: {step: {implementation: steps.steps_plugin.step, inputs: {}}}}
workflows:
  walk: {mapping: steps.steps_plugin.walk}
"""
PLUGIN = """
import os
import time
from cloudify import ctx as operation_ctx
from cloudify.decorators import operation, workflow


@operation(resumable=True)
def step(path, **kwargs):
    while os.path.exists(path) and len(open(path).readlines()) >= 3 and not os.path.exists(path + ".go"):
        time.sleep(0.02)  # the fourth step waits, so that the end does not come before the loss
    with open(path, "a") as stream:
        stream.write(operation_ctx.instance.id + "\\\\n")


@workflow(resumable=True)
def walk(ctx, path, **kwargs):
    from cloudify.workflows.tasks_graph import make_or_get_graph

    @make_or_get_graph
    def build(ctx, name=None):
        graph = ctx.graph_mode()
        sequence = graph.sequence()
        for instance in sorted(ctx.node_instances, key=lambda each: each.id):
            sequence.add(instance.execute_operation("test.step", kwargs={"path": path}))
        return graph

    build(ctx, name="walk").execute()
""".replace("\\\\n", "\\n")


def source_of_the_older(folder: Path) -> None:
    """Put the source of the commit before this one into a folder, of this one where there is none that fits."""
    for revision in ("HEAD~1", "HEAD"):
        done = subprocess.run(["git", "archive", revision], cwd=REPOSITORY, capture_output=True, timeout=PATIENCE)
        if done.returncode == 0:
            with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
                archive.extractall(folder, filter="data")
            # A version from before the rule about generations refuses every revision that it does not know.
            if "def generation" in (folder / "manager_core/store/migrate.py").read_text():
                return
    for name in ("scheduler", "manager_core", "blueprints"):  # no repository: this very tree
        shutil.copytree(REPOSITORY / name, folder / name, dirs_exist_ok=True)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, folder)


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment in which the older version's wheel is installed."""
    source, home = tmp_path_factory.mktemp("older-source"), tmp_path_factory.mktemp("older")
    source_of_the_older(source)
    dist = tmp_path_factory.mktemp("older-wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(dist), str(source)]
    subprocess.run(build, check=True, timeout=PATIENCE)
    (wheel,) = dist.glob("*.whl")
    venv.create(home, symlinks=True)
    (site,) = (home / "lib").glob("python*/site-packages")
    install = [*pip, "install", "--no-deps", "--no-index", "--target", str(site), str(wheel)]
    subprocess.run(install, check=True, timeout=PATIENCE)
    # The dependencies come from this environment; a folder named in a .pth file brings its packages, but not its own
    # .pth files, which would lead to the code under test.
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    python = home / "bin" / "python"
    where = subprocess.run(
        [python, "-P", "-c", "import manager_core; print(manager_core.__file__)"],
        capture_output=True, text=True, timeout=PATIENCE, cwd=home, check=True,
    )  # fmt: skip
    assert str(home) in where.stdout
    return python


class Fleet:
    """The processes of both versions on one database."""

    def __init__(self, folder: Path, url: str, older: Path) -> None:
        self.folder, self.older = folder, older
        self.url = url
        self.processes: list[Process] = []
        self.shared = {
            "DATABASE_URL": url,
            "CLOUDIFY_SECRET_KEY": KEY,
            "CLOUDIFY_GRACE_SECONDS": "1",
        }

    def old(self, name: str, *command: str, **more: str) -> Process:
        """Start a part of the older version."""
        environment = product_environment(self.folder / name, **self.shared, **more)
        part = Process([str(self.older), "-P", "-m", "manager_core", *command], environment, cwd=self.older.parent)
        self.processes.append(part)
        return part

    def new_api(self, name: str) -> Api:
        api = Api(self.folder / name, **self.shared)
        self.processes.append(api)
        return api.ready()

    def new_worker(self, name: str, api: str) -> Part:
        worker = Part(self.folder / name, "worker", **self.shared, CLOUDIFY_API_URL=api)
        self.processes.append(worker)
        return worker

    def client_of(self, process: Process) -> Api:
        """Return a client of an API that was started by hand."""
        api = Api.__new__(Api)
        api.__dict__.update(process.__dict__)
        return api.ready()

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url.replace("+psycopg", ""), autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []


@pytest.fixture
def fleet(postgres_template: PostgresTemplate, tmp_path: Path, older: Path) -> Iterator[Fleet]:
    """An empty database; whatever ran on it is ended."""
    name, url = postgres_template.empty()
    fleet = Fleet(tmp_path, url, older)
    try:
        yield fleet
    finally:
        for process in fleet.processes:
            process.kill_group()
        postgres_template.drop(name)


def test_both_versions_run_over_one_additive_migration_and_take_over_from_each_other(
    fleet: Fleet, tmp_path: Path
) -> None:
    def run(api: Api, log: str) -> str:
        body = {"deployment_id": "dep", "workflow_id": "walk", "parameters": {"path": str(tmp_path / log)}}
        return str(api.call("POST", "/executions", {**body, "allow_custom_parameters": True, "force": True})["id"])

    def steps(log: str) -> list[str]:
        path = tmp_path / log
        return path.read_text().split() if path.exists() else []

    # The older version made everything.
    old_api = fleet.client_of(fleet.old("a", "serve"))
    old_worker = fleet.old("w1", "worker", CLOUDIFY_API_URL=old_api.url)
    old_api.upload("bp", blueprint_tar({"blueprint.yaml": BLUEPRINT, "plugins/steps/steps_plugin.py": PLUGIN}))
    old_api.deploy("bp", "dep")

    # The newer version's first process would migrate like this, while the older one runs.
    fleet.execute("ALTER TABLE executions ADD COLUMN of_the_newer_version TEXT DEFAULT 'x'")
    fleet.execute(f"UPDATE alembic_version SET version_num = '{generation(HEAD)}.99'")
    new_api = fleet.new_api("b")

    # Started over the newer API, run by the older worker, which is the only one; then lost in the middle of it.
    first = run(new_api, "first")
    new_api.until(f"/executions/{first}", lambda it: it["status"] == "started" and len(steps("first")) == 3)
    old_worker.stop(signal.SIGKILL)
    (tmp_path / "first.go").touch()
    done = len(steps("first"))
    new_worker = fleet.new_worker("w2", new_api.url)
    assert old_api.ended(first)["status"] == "terminated", new_worker.output
    assert len(set(steps("first"))) == 6
    assert len(steps("first")) in (6, 7), f"at most the step that ran at the loss ran again, after {done}"

    # And the other way round.
    second = run(old_api, "second")
    old_api.until(f"/executions/{second}", lambda it: it["status"] == "started" and len(steps("second")) == 3)
    new_worker.stop(signal.SIGKILL)
    (tmp_path / "second.go").touch()
    old_worker = fleet.old("w1", "worker", CLOUDIFY_API_URL=old_api.url)
    assert new_api.ended(second)["status"] == "terminated", old_worker.output
    assert len(set(steps("second"))) == 6
    for api in (old_api, new_api):
        listed = api.call("GET", "/executions?_include=id,status")["items"]
        assert {item["status"] for item in listed} == {"terminated"}
    assert "Traceback" not in old_api.output + new_api.output + old_worker.output + new_worker.output
