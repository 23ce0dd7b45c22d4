"""The context for Python scripts on a host that has the `ctx` command and nothing else; plugins copy it as cloudify.py.

Everything is asked for by that command, so a script sees what a shell script would see.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any


def _run(*words: str, quiet: bool = False) -> str:
    """Run `ctx` with these words and return what it prints.

    Raises:
        CalledProcessError: it failed; what it said is on the standard error, unless `quiet`.
    """
    done = subprocess.run(["ctx", *words], capture_output=True, check=False)
    said = done.stderr.decode("utf-8", "replace")
    if done.returncode:
        if not quiet:
            sys.stderr.write(said)
        raise subprocess.CalledProcessError(done.returncode, ["ctx", *words], done.stdout, said)
    return done.stdout.decode("utf-8", "replace")


def _ask(*words: str, quiet: bool = False) -> Any:
    """Return a value of the context."""
    return json.loads(_run("-j", *words, quiet=quiet))


class _Properties(Mapping):
    """A dict of the context, read anew each time."""

    def __init__(self, *place: str) -> None:
        self._place = place

    def __getitem__(self, key: str) -> Any:
        try:
            return _ask(*self._place, key, quiet=True)
        except subprocess.CalledProcessError:
            if key not in self.get_all():
                raise KeyError(key) from None
            raise

    def get_all(self) -> dict[str, Any]:
        """Return the whole dict."""
        return _ask(*self._place) or {}

    def __iter__(self) -> Iterator[str]:
        return iter(self.get_all())

    def __len__(self) -> int:
        return len(self.get_all())

    def __contains__(self, key: object) -> bool:
        return key in self.get_all()


class _RuntimeProperties(_Properties, MutableMapping):
    """The runtime properties; an assignment is made at once."""

    def __setitem__(self, key: str, value: Any) -> None:
        _run(*self._place, key, "@" + json.dumps(value))

    def __delitem__(self, key: str) -> None:
        raise TypeError(f"the ctx command cannot remove the runtime property {key}")


class _Entity:
    """A node or a node instance: its fields are asked for as attributes."""

    def __init__(self, *place: str) -> None:
        self._place = place

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        place = (*self._place, name.replace("_", "-"))
        if name == "properties":
            return _Properties(*place)
        return _RuntimeProperties(*place) if name == "runtime_properties" else _ask(*place)


class _Side:
    """A node and its instance: the operation's own, or one side of its relationship."""

    def __init__(self, *place: str) -> None:
        self.node = _Entity(*place, "node")
        self.instance = _Entity(*place, "instance")


class _Logger:
    """Sends logs."""

    def debug(self, message: str) -> None:
        """Log for developers."""
        _run("logger", "debug", message)

    def info(self, message: str) -> None:
        """Log what happens."""
        _run("logger", "info", message)

    def warning(self, message: str) -> None:
        """Log what may go wrong."""
        _run("logger", "warning", message)

    warn = warning

    def error(self, message: str) -> None:
        """Log what went wrong."""
        _run("logger", "error", message)


class _Context(_Side):
    """The context of the operation; calling it runs a command line of `ctx`."""

    def __init__(self) -> None:
        super().__init__()
        self.source = _Side("source")
        self.target = _Side("target")
        self.logger = _Logger()

    def __call__(self, command: str) -> str:
        return _run(*shlex.split(command)).rstrip("\n")

    def returns(self, value: Any) -> None:
        """Set the operation's result."""
        _run("returns", "@" + json.dumps(value), "@{}")

    def abort_operation(self, message: str = "") -> None:
        """End the operation as failed; the script ends too."""
        self._end("abort-operation", message)

    def retry_operation(self, message: str = "") -> None:
        """Have the operation run again; the script ends too."""
        self._end("retry-operation", message)

    def download_resource(self, source: str, destination: str = "") -> str:
        """Fetch a resource to this host and return its path."""
        return _run("download-resource", source, *filter(None, [destination])).rstrip("\n")

    def download_resource_and_render(
        self, source: str, destination: str = "", template_variables: dict[str, Any] | None = None
    ) -> str:
        """Fetch a rendered resource to this host and return its path."""
        named = {"template_variables": template_variables} if template_variables else None
        words = [destination, f"@{json.dumps(named)}" if named else ""]
        return _run("download-resource-and-render", source, *filter(None, words)).rstrip("\n")

    @staticmethod
    def _end(command: str, message: str) -> None:
        try:
            _run(command, *filter(None, [message]))
        except subprocess.CalledProcessError:
            raise SystemExit(1) from None


ctx = _Context()
