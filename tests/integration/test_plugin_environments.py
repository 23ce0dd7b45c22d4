"""Plugins of every form become environments: prepared once, shared, and pip's words when it fails."""

from __future__ import annotations

import http.server
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from manager_core.runtime import child
from manager_core.runtime.forkserver_client import ForkServer
from manager_core.runtime.messages import OperationRequest, RunnerEnvironment
from manager_core.runtime.plugin_environments import (
    PluginEnvironments,
    PluginInstallationError,
    PluginInstallationTimeout,
    PluginSource,
)
from manager_core.runtime.plugin_packages import BrokenPlugin, content_hash, inspect
from manager_core.runtime.runner_pool import RunnerPool
from scheduler.clock import SystemClock
from tests.support.clock import PATIENCE
from tests.support.plugins_made import project, uploaded, wagon, wheel, zipped
from tests.support.runner_host import MemoryHost

Call = Callable[..., Any]
CODE = "def f(**_):\n    import helper\n    return helper.VALUE\n"
ALONE = "import sys, os\nfrom cloudify import ctx\ndef f(**_):\n    return [ctx.instance.id, sys.prefix]\n"
SETUP = "from setuptools import setup\nsetup(name='p', version='1', packages=['my_plugin']{more})\n"


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    """A warm fork server."""
    server = ForkServer(preload=("manager_core.runtime.runner", "cloudify.preload"))
    server.wait_ready()
    yield server
    server.stop()


@pytest.fixture
def environments(tmp_path: Path) -> PluginEnvironments:
    """Environments in an empty folder."""
    return PluginEnvironments(tmp_path / "environments")


@pytest.fixture
def call(server: ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Call]:
    """Run a function in an environment and return its result."""
    monkeypatch.syspath_prepend(str(child.sdk_folder()))
    host = MemoryHost(tmp_path / "host")
    host.add("vm_1")
    pool = RunnerPool(server.client, host, owner="e", clock=SystemClock())

    def run(environment: RunnerEnvironment, function: str, **kwargs: Any) -> Any:
        context = {"type": "operation", "task_id": "t", "task_name": function, "node_id": "vm_1", "node_name": "vm"}
        outcome = pool.run(OperationRequest("t", function, context, kwargs, environment))
        assert outcome.ok, outcome.error
        return outcome.result

    yield run
    pool.close(wait=False)


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """A folder of wheels to find requirements in."""
    wheel(tmp_path / "index", "helper", "1.0", {"helper.py": "VALUE = 'one'\n"})
    wheel(tmp_path / "index", "helper", "2.0", {"helper.py": "VALUE = 'two'\n"})
    return tmp_path / "index"


# --- without requirements -------------------------------------------------------------------------------------------

FOLDERS = {
    "modules": {"my_plugin/__init__.py": "", "my_plugin/tasks.py": ALONE},
    "setup.py": {"setup.py": SETUP.format(more=""), "my_plugin/__init__.py": "", "my_plugin/tasks.py": ALONE},
    "only what the SDK offers": {
        "setup.py": SETUP.format(more=", install_requires=['cloudify-common>=4.5', 'cloudify_plugins_common']"),
        "my_plugin/__init__.py": "",
        "my_plugin/tasks.py": ALONE,
    },
    "pyproject.toml with src": {
        "pyproject.toml": "[project]\nname = 'p'\nversion = '1'\ndependencies = []\n",
        "src/my_plugin/__init__.py": "",
        "src/my_plugin/tasks.py": ALONE,
    },
    "package_dir": {
        "setup.py": SETUP.format(more=", package_dir={'': 'lib'}"),
        "lib/my_plugin/__init__.py": "",
        "lib/my_plugin/tasks.py": ALONE,
    },
}


@pytest.mark.parametrize("form", FOLDERS)
def test_a_folder_without_requirements_needs_no_installation(
    environments: PluginEnvironments, call: Call, tmp_path: Path, form: str
) -> None:
    """Its runners are forks of the warm server; the copy outlives the blueprint's folder."""
    folder = project(tmp_path / "plugins" / "p", FOLDERS[form])
    environment = environments.prepare(PluginSource("p", folder=folder))
    assert environment.interpreter is None
    for path in folder.rglob("*.py"):
        path.unlink()
    assert call(environment, "my_plugin.tasks.f")[0] == "vm_1"


def test_a_wheel_and_a_wagon_without_requirements_are_unpacked(
    environments: PluginEnvironments, call: Call, tmp_path: Path
) -> None:
    """Plain, as a wagon (tar or zip), and inside an uploaded zip."""
    files = {"my_plugin/__init__.py": "", "my_plugin/tasks.py": ALONE}
    plain = wheel(tmp_path / "w", "my-plugin", "1.0", files, requires=["cloudify-common"])
    packages = [
        plain,
        uploaded(tmp_path, plain),
        wagon(tmp_path / "tar", "my-plugin", "1.0", [plain]),
        wagon(tmp_path / "zip", "my-plugin", "1.0", [plain], kind="zip"),
    ]
    for package in packages:
        environment = environments.prepare(PluginSource("p", archive=package, version="1.0"))
        assert (environment.interpreter, environment.name) == (None, "p-1.0")
        assert call(environment, "my_plugin.tasks.f")[0] == "vm_1"


# --- with requirements ----------------------------------------------------------------------------------------------


def test_a_folder_with_requirements_runs_in_its_own_environment(
    environments: PluginEnvironments, call: Call, tmp_path: Path, index: Path
) -> None:
    """Two plugins with different versions of one library do not disturb each other; the SDK is ours in both."""
    results = {}
    for version in ("1.0", "2.0"):
        more = f", install_requires=['helper=={version}', 'cloudify-common']"
        code = CODE + "def g(**_):\n    import sys, cloudify\n    return [sys.prefix, cloudify.__file__]\n"
        files = {"setup.py": SETUP.format(more=more), "my_plugin/__init__.py": "", "my_plugin/tasks.py": code}
        folder = project(tmp_path / version, files)
        arguments = f"--no-index --find-links {index}"
        environment = environments.prepare(PluginSource("p", folder=folder, install_arguments=arguments))
        assert environment.interpreter is not None
        results[version] = call(environment, "my_plugin.tasks.f")
        prefix, sdk = call(environment, "my_plugin.tasks.g")
        assert environment.interpreter.startswith(prefix)
        assert sdk == str(child.sdk_folder() / "cloudify" / "__init__.py")
    assert results == {"1.0": "one", "2.0": "two"}


def test_a_wagon_brings_its_requirements_along(
    environments: PluginEnvironments, call: Call, tmp_path: Path, index: Path
) -> None:
    """No index is asked; the environment's programs come first in PATH."""
    files = {"my_plugin/__init__.py": "", "my_plugin/tasks.py": CODE + ALONE.replace("def f", "def g")}
    plain = wheel(tmp_path / "w", "my-plugin", "1.0", files, requires=["helper>=2"], data=True)
    package = wagon(tmp_path, "my-plugin", "1.0", [plain, index / "helper-2.0-py3-none-any.whl"])
    environment = environments.prepare(PluginSource("p", archive=package))
    assert call(environment, "my_plugin.tasks.f") == "two"
    name, prefix = call(environment, "my_plugin.tasks.g")
    assert name == "vm_1"
    variables = dict(environment.variables)
    assert variables["PATH"].split(os.pathsep)[0] == f"{prefix}/bin"
    assert Path(prefix, "bin", "my-plugin-tool").is_file()
    (Path(tmp_path, "host", "resources", "s.sh")).write_text('#!/bin/sh\nctx returns "$(my-plugin-tool)"\n')
    assert call(environment, "script_runner.tasks.run", script_path="s.sh") == "tool"


def test_a_requirements_file_is_installed(
    environments: PluginEnvironments, call: Call, tmp_path: Path, index: Path
) -> None:
    """Of a folder without a project file, and through ``install_arguments``."""
    files = {"my_plugin.py": CODE, "requirements.txt": "helper==1.0  # the old one\n"}
    folder = project(tmp_path / "a", files)
    found = f"--no-index --find-links {index}"
    environment = environments.prepare(PluginSource("p", folder=folder, install_arguments=found))
    assert call(environment, "my_plugin.f") == "one"
    folder = project(tmp_path / "b", {"my_plugin.py": CODE, "needed.txt": "helper\n"})
    source = PluginSource("p", folder=folder, install_arguments=f"{found} -r needed.txt")
    assert call(environments.prepare(source), "my_plugin.f") == "two"


# --- once and shared ------------------------------------------------------------------------------------------------


def test_the_same_content_is_installed_once(tmp_path: Path, index: Path) -> None:
    """Wherever it lies and whoever asks; other content or arguments are another environment."""
    installed: list[str] = []
    arguments = f"--no-index --find-links {index}"
    sources = []
    for number, value in enumerate(["helper==1.0", "helper==1.0", "helper==2.0"]):
        files = {"my_plugin.py": CODE, "requirements.txt": value + "\n"}
        folder = project(tmp_path / str(number), files)
        sources.append(PluginSource("p", folder=folder, install_arguments=arguments))
    prepared = []
    for source in sources:
        # A new object each time: what is shared is on the disk.
        environments = PluginEnvironments(tmp_path / "environments")
        prepared.append(environments.prepare(source, partial(installed.append, "x")))
    assert prepared[0] == prepared[1] != prepared[2]
    assert len(installed) == 2


def _prepare_in_a_process(root: Path, source: PluginSource, marks: Path) -> None:
    PluginEnvironments(root).prepare(source, lambda: (marks / str(os.getpid())).touch())


def test_processes_that_need_the_same_environment_install_it_once(tmp_path: Path, index: Path) -> None:
    """The others wait."""
    folder = project(tmp_path / "p", {"my_plugin.py": CODE, "requirements.txt": "helper\n"})
    source = PluginSource("p", folder=folder, install_arguments=f"--no-index --find-links {index}")
    marks = tmp_path / "marks"
    marks.mkdir()
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=_prepare_in_a_process, args=(tmp_path / "environments", source, marks)) for _ in range(3)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(PATIENCE)
        assert process.exitcode == 0
    assert len(list(marks.iterdir())) == 1


def test_an_installation_that_was_cut_off_is_made_again(
    environments: PluginEnvironments, call: Call, tmp_path: Path
) -> None:
    """Only a complete environment is used."""
    folder = project(tmp_path / "p", {"my_plugin.py": ALONE})
    environment = environments.prepare(PluginSource("p", folder=folder))
    home = Path(environment.paths[0]).parent
    (home / "complete.json").unlink()
    (home / "plugin" / "my_plugin.py").write_text("half")
    again = PluginEnvironments(tmp_path / "environments").prepare(PluginSource("p", folder=folder))
    assert again == environment
    assert call(again, "my_plugin.f")[0] == "vm_1"


def test_unused_environments_can_be_removed(environments: PluginEnvironments, tmp_path: Path) -> None:
    """Those that are kept stay."""
    homes = []
    for name in ("a", "b"):
        folder = project(tmp_path / name, {f"{name}.py": ""})
        homes.append(Path(environments.prepare(PluginSource(name, folder=folder)).paths[0]).parent)
    assert environments.remove_unused({homes[0].name}) == [homes[1].name]
    assert (homes[0].is_dir(), homes[1].exists()) == (True, False)


def test_the_hash_is_of_names_and_content(tmp_path: Path) -> None:
    """Compiled files and places do not count."""
    one = project(tmp_path / "one", {"a.py": "x", "d/b.py": "y"})
    two = project(tmp_path / "two", {"a.py": "x", "d/b.py": "y", "d/__pycache__/b.pyc": "z"})
    assert content_hash(one) == content_hash(two)
    assert content_hash(one) != content_hash(one, "argument")
    (two / "a.py").rename(two / "c.py")
    assert content_hash(one) != content_hash(two)


# --- sources --------------------------------------------------------------------------------------------------------


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """A server of the files in ``web``, and the paths it was asked for."""
    root = tmp_path / "web"
    root.mkdir()
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, directory=str(root), **kwargs)

        def log_message(self, format: str, *args: Any) -> None:
            asked.append(self.path)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", asked
    server.shutdown()
    server.server_close()


def test_a_url_is_fetched_once_for_a_deployment(web: tuple[str, list[str]], tmp_path: Path, call: Call) -> None:
    """As an archive of a project below one directory; another deployment fetches anew."""
    url, asked = web
    folder = project(tmp_path / "p", {"setup.py": SETUP.format(more=""), "my_plugin.py": ALONE})
    zipped(tmp_path / "web" / "master.zip", folder, "my-plugin-master")
    for scope in ("t/d1", "t/d1", "t/d2"):
        environments = PluginEnvironments(tmp_path / "environments")
        environment = environments.prepare(PluginSource("p", url=f"{url}/master.zip", scope=scope))
        assert call(environment, "my_plugin.f")[0] == "vm_1"
    assert asked == ["/master.zip", "/master.zip"]


def test_a_url_that_does_not_answer_is_named(web: tuple[str, list[str]], environments: PluginEnvironments) -> None:
    """With what the server said."""
    url = f"{web[0]}/no.zip"
    with pytest.raises(PluginInstallationError, match=r"no\.zip answered 404"):
        environments.prepare(PluginSource("p", url=url))
    with pytest.raises(PluginInstallationError, match="cannot be fetched"):
        environments.prepare(PluginSource("p", url="http://127.0.0.1:1/x.zip"))
    with pytest.raises(PluginInstallationError, match="neither a directory nor a URL"):
        environments.prepare(PluginSource("p", url="gopher://x/y.zip"))


# --- what cannot be installed ---------------------------------------------------------------------------------------


def test_pips_message_is_the_error_and_a_later_try_starts_anew(
    environments: PluginEnvironments, call: Call, tmp_path: Path, index: Path
) -> None:
    """What is missing is named; when it is there, the same plugin installs."""
    folder = project(tmp_path / "p", {"my_plugin.py": CODE, "requirements.txt": "helper>=3\n"})
    source = PluginSource("broken", folder=folder, install_arguments=f"--no-index --find-links {index}")
    with pytest.raises(PluginInstallationError) as caught:
        environments.prepare(source)
    assert caught.value.message.startswith("Failed installing plugin broken: ")
    assert "No matching distribution found for helper>=3" in caught.value.message
    wheel(index, "helper", "3.0", {"helper.py": "VALUE = 'three'\n"})
    assert call(environments.prepare(source), "my_plugin.f") == "three"


def test_an_installation_that_takes_too_long_is_ended(tmp_path: Path, index: Path) -> None:
    """With an error of its own."""
    environments = PluginEnvironments(tmp_path / "environments", timeout=0.01)
    folder = project(tmp_path / "p", {"my_plugin.py": CODE, "requirements.txt": "helper\n"})
    with pytest.raises(PluginInstallationTimeout, match="took longer than"):
        environments.prepare(PluginSource("p", folder=folder))


def test_what_is_no_plugin_is_refused(environments: PluginEnvironments, tmp_path: Path) -> None:
    """Damaged archives, empty ones, broken project files, missing folders."""
    (tmp_path / "damaged.whl").write_bytes(b"PK\x03\x04 damaged")
    (tmp_path / "text.zip").write_text("hello")
    folder = project(tmp_path / "empty", {"readme.txt": "nothing"})
    archives = [
        tmp_path / "damaged.whl",
        tmp_path / "text.zip",
        zipped(tmp_path / "empty.zip", folder, "x"),
        tmp_path / "missing.whl",
    ]
    for archive in archives:
        with pytest.raises((BrokenPlugin, PluginInstallationError, OSError)):
            environments.prepare(PluginSource("p", archive=archive))
    for files in ({"setup.py": "def ("}, {"pyproject.toml": "[broken"}):
        broken = project(tmp_path / next(iter(files)), files)
        with pytest.raises(BrokenPlugin, match="broken"):
            environments.prepare(PluginSource("p", folder=broken))
    with pytest.raises(PluginInstallationError, match="no directory plugins/nowhere"):
        environments.prepare(PluginSource("p", folder=tmp_path / "nowhere"))
    with pytest.raises(PluginInstallationError, match="no source"):
        environments.prepare(PluginSource("p"))


def test_an_archive_cannot_write_outside_of_its_folder(tmp_path: Path) -> None:
    """A member that climbs out is refused or kept inside."""
    import io
    import tarfile

    package = tmp_path / "evil.tar.gz"
    with tarfile.open(package, "w:gz") as archive:
        member = tarfile.TarInfo("../../escaped.py")
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
    with pytest.raises(BrokenPlugin):
        inspect(package, tmp_path / "a" / "b" / "unpacked")
    assert not list(tmp_path.rglob("escaped.py"))


def test_requirements_are_read_without_running_the_project(tmp_path: Path) -> None:
    """A list bound to a name, text, a computed value, keywords from elsewhere, compiled modules."""
    forms = {
        "REQ = ['a', 'b>1']\nfrom setuptools import setup\nsetup(install_requires=REQ)": ("a", "b>1"),
        "import setuptools\nsetuptools.setup(install_requires='a\\nb')": ("a", "b"),
        "from setuptools import setup\nsetup(install_requires=open('r').read().split())": None,
        "from setuptools import setup\nsetup(**options)": None,
        "from setuptools import setup\nsetup(ext_modules=[1])": None,
        "raise SystemExit('must not run')": None,
    }
    for number, (text, expected) in enumerate(forms.items()):
        folder = project(tmp_path / str(number), {"setup.py": text})
        assert inspect(folder, tmp_path / "unused").requirements == expected
