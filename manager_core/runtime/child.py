"""The explicit environment of child processes.

Nothing is inherited by accident: settings and secrets of the manager (``DATABASE_URL``, ``CLOUDIFY_SECRET_KEY`` …)
never reach a plugin or a script. What a program on a machine legitimately expects (PATH, HOME, locale, proxies,
certificates) does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

_KEPT = frozenset(
    {
        "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "TZ", "TMPDIR", "LANG", "LANGUAGE", "HOSTNAME",
        "LD_LIBRARY_PATH", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
        "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
        "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR",
    }
)  # fmt: skip
_KEPT_PREFIXES = ("LC_", "PIP_", "UV_")

_SDK = Path(__file__).resolve().parent.parent / "sdk"
_ROOT = Path(__file__).resolve().parent.parent.parent


def sdk_folder() -> Path:
    """Return the folder that holds ``cloudify`` and ``cloudify_rest_client`` for execution processes."""
    return _SDK


def code_root() -> Path:
    """Return the folder that holds the ``manager_core`` package."""
    return _ROOT


def child_environment(
    extra: Mapping[str, str] | None = None, *, inherited: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the environment of a runner, a script or an installation.

    Args:
        extra: variables to add; they win.
        inherited: what to choose from; default the environment of this process.

    The SDK's folder is ``PYTHONPATH``, so that Python programs which an operation starts import the same
    ``cloudify``.
    """
    source = os.environ if inherited is None else inherited
    kept = {name: value for name, value in source.items() if name in _KEPT or name.startswith(_KEPT_PREFIXES)}
    kept.setdefault("PATH", os.defpath)
    kept["PYTHONPATH"] = str(_SDK)
    kept.update(extra or {})
    return kept


def fork_server_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of the fork server itself: a child's, with the manager's own code behind the SDK."""
    environment = child_environment(extra)
    environment["PYTHONPATH"] = os.pathsep.join([str(_SDK), str(_ROOT)])
    return environment


def interpreter() -> str:
    """Return the Python that runs this process."""
    return sys.executable
