"""What environment children get: explicit, without the manager's settings."""

from __future__ import annotations

import os
from pathlib import Path

from manager_core.runtime import child


def test_settings_and_secrets_do_not_pass() -> None:
    """What a program expects does; extras win."""
    inherited = {
        "PATH": "/bin",
        "HOME": "/root",
        "LC_ALL": "C",
        "https_proxy": "http://proxy",
        "PIP_INDEX_URL": "x",
        "DATABASE_URL": "secret",
        "CLOUDIFY_SECRET_KEY": "secret",
        "CLOUDIFY_ADMIN_PASSWORD": "secret",
        "PYTHONPATH": "/elsewhere",
        "PYTHONSTARTUP": "/elsewhere",
        "LD_PRELOAD": "x.so",
    }
    environment = child.child_environment({"HOME": "/home/x", "NEW": "1"}, inherited=inherited)
    assert environment == {
        "PATH": "/bin",
        "HOME": "/home/x",
        "LC_ALL": "C",
        "https_proxy": "http://proxy",
        "PIP_INDEX_URL": "x",
        "PYTHONPATH": str(child.sdk_folder()),
        "NEW": "1",
    }


def test_there_is_always_a_path() -> None:
    """Even if we have none."""
    assert child.child_environment(inherited={})["PATH"] == os.defpath


def test_the_fork_server_finds_the_sdk_before_our_own_code() -> None:
    """In this order, or a `cloudify` beside us would win."""
    first, second = child.fork_server_environment()["PYTHONPATH"].split(os.pathsep)
    assert Path(first, "cloudify", "__init__.py").is_file()
    assert Path(second, "manager_core", "__init__.py").is_file()
