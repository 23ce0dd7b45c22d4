"""What plugins copy to other hosts for scripts there: the `ctx` command alone, and its Python form."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = """\
from cloudify import ctx

ctx.logger.info("from afar")
assert ctx.node.properties["size"] == 3
assert dict(ctx.node.properties) == {"size": 3}
assert ctx.instance.id == "vm_1" and ctx.node.name == "vm"
ctx.instance.runtime_properties["made"] = {"by": ["script"]}
assert ctx.instance.runtime_properties["made"] == {"by": ["script"]}
assert "other" not in ctx.instance.runtime_properties
try:
    ctx.node.properties["other"]
except KeyError:
    ctx.logger.warn("no other")
assert ctx("instance id") == "vm_1"
ctx.returns({"answer": 42})
"""


@pytest.fixture
def afar(tmp_path: Path) -> Path:
    """A folder as plugins fill it on another host."""
    import cloudify.ctx_wrappers
    import cloudify.proxy.client

    folder = tmp_path / "afar"
    folder.mkdir()
    shutil.copy(cloudify.proxy.client.__file__, folder / "ctx")
    shutil.copy(Path(cloudify.ctx_wrappers.__file__).parent / "ctx-py.py", folder / "cloudify.py")
    (folder / "ctx").chmod(0o755)
    (folder / "script.py").write_text(SCRIPT)
    return folder


def test_scripts_elsewhere_have_the_context_by_two_copied_files(ctx: Any, afar: Path) -> None:
    """Nothing else of the SDK is there."""
    from script_runner.tasks import start_ctx_proxy

    said: list[Any] = []
    ctx.returns = said.append
    proxy = start_ctx_proxy(ctx, {})
    path = os.pathsep.join([str(afar), str(Path(sys.executable).parent), os.environ["PATH"]])
    variables = {"PATH": path, "CTX_SOCKET_URL": proxy.socket_url, "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            [sys.executable, "-S", "script.py"], cwd=afar, env=variables, capture_output=True, text=True, timeout=60
        )
    finally:
        proxy.close()
    assert (done.returncode, done.stderr) == (0, "")
    assert said == [{"answer": 42}]
    assert ctx.instance.runtime_properties["made"] == {"by": ["script"]}


def test_a_script_elsewhere_ends_when_it_gives_up(ctx: Any, afar: Path) -> None:
    """The operation knows why; the script's status is 1."""
    from cloudify.proxy.client import ScriptException
    from script_runner.tasks import start_ctx_proxy

    said: list[Any] = []

    def abort(message: str) -> Any:
        said.append(message)
        return ScriptException(message)

    ctx.abort_operation = abort
    proxy = start_ctx_proxy(ctx, {})
    (afar / "script.py").write_text("from cloudify import ctx\nctx.abort_operation('no more')\nprint('still here')\n")
    path = os.pathsep.join([str(afar), str(Path(sys.executable).parent), os.environ["PATH"]])
    variables = {"PATH": path, "CTX_SOCKET_URL": proxy.socket_url, "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            [sys.executable, "-S", "script.py"], cwd=afar, env=variables, capture_output=True, text=True, timeout=60
        )
    finally:
        proxy.close()
    assert (done.returncode, done.stdout, said) == (1, "", ["no more"])
