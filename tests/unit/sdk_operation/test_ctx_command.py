"""The `ctx` command: walking from the context, paths in dicts, output and exit codes (contract §5.10)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.clock import PATIENCE

SDK = Path(__file__).parents[3] / "manager_core" / "sdk"


class Something:
    """A context of a test's own."""

    def __init__(self) -> None:
        self.d = {"x": 1, "y": [1, "é"], "deep": {"a": [{"b": 5}]}}
        self.under_score = "u"
        self.nothing = None
        self.truth = True
        self.number = 1.5

    def add(self, *args: Any, **kwargs: Any) -> list[Any]:
        """Return what came."""
        return [list(args), kwargs]

    def boom(self) -> None:
        """Fail."""
        raise ValueError("no")

    def odd(self) -> object:
        """Return what JSON cannot say."""
        return object()


@pytest.fixture
def served() -> Iterator[tuple[Something, str]]:
    """An object and the address it is served at."""
    from cloudify.proxy.server import HTTPCtxProxy

    something = Something()
    proxy = HTTPCtxProxy(something)
    yield something, proxy.socket_url
    proxy.close()


def ctx(url: str, *args: str) -> tuple[int, str, str]:
    """Run the command and return exit code, output and errors."""
    client = SDK / "cloudify" / "proxy" / "client.py"
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(client), *args],
        capture_output=True,
        text=True,
        env={**os.environ, "CTX_SOCKET_URL": url},
        check=False,
        timeout=PATIENCE,
    )
    return done.returncode, done.stdout, done.stderr


READS = [
    (["under-score"], "u"),
    (["d", "x"], "1"),
    (["d", "deep.a[0].b"], "5"),
    (["-j", "d", "y"], '[1, "\\u00e9"]'),
    (["d", "y"], "[1, 'é']"),
    (["nothing"], ""),
    (["-j", "nothing"], "null"),
    (["truth"], "True"),
    (["-j", "truth"], "true"),
    (["number"], "1.5"),
    (["-j", "add", "1", "two", '@{"k": [1]}'], '[["1", "two"], {"k": [1]}]'),
    (["-j", "add", "@1"], "[[1], {}]"),
    (["-j", "--json-arg-prefix", "%", "add", "%1", "@x"], '[[1, "@x"], {}]'),
    (["-j", "add"], "[[], {}]"),
]


@pytest.mark.parametrize(("args", "expected"), READS, ids=[" ".join(args) for args, _ in READS])
def test_what_is_asked_for_is_printed(served: tuple[Something, str], args: list[str], expected: str) -> None:
    """Attributes, paths, calls; text, or JSON with ``-j``; no line end is added."""
    assert ctx(served[1], *args) == (0, expected, "")


def test_two_arguments_write_and_make_dicts_on_the_way(served: tuple[Something, str]) -> None:
    """A path and a value; the value may be JSON."""
    something, url = served
    assert ctx(url, "d", "new.inner.key", '@{"a": 1}')[0] == 0
    assert ctx(url, "d", "deep.a[0]", "text")[0] == 0
    assert something.d["new"] == {"inner": {"key": {"a": 1}}}
    assert something.d["deep"] == {"a": ["text"]}


WRONG = [
    (["nope"], "nope cannot be processed in ['nope']"),
    (["d", "missing"], "illegal path: missing"),
    (["d", "x.y"], "illegal path: x.y"),
    (["d", "a", "b", "c"], "Illegal argument while accessing dict"),
    (["boom"], "ValueError: no"),
    (["odd"], "not JSON serializable"),
    (["d", "deep.a[7]"], "IndexError"),
    (["add", "@{broken"], "ctx:"),
]


@pytest.mark.parametrize(("args", "expected"), WRONG, ids=[" ".join(args) for args, _ in WRONG])
def test_errors_go_to_stderr_with_exit_code_1(served: tuple[Something, str], args: list[str], expected: str) -> None:
    """The answer's traceback is shown, standard output stays empty."""
    code, out, err = ctx(served[1], *args)
    assert (code, out) == (1, "")
    assert expected in err


def test_an_unknown_option_is_refused(served: tuple[Something, str]) -> None:
    """Usage on stderr, exit code 2."""
    code, _, err = ctx(served[1], "--no-such", "d")
    assert code == 2
    assert "usage: ctx" in err


def test_without_a_server_the_command_fails_and_says_why() -> None:
    """No traceback of our own for a plain connection error."""
    code, _, err = ctx("http://localhost:1/x", "d")
    assert code == 1
    assert "ConnectionRefusedError" in err


def test_an_address_without_the_secret_is_not_served(served: tuple[Something, str]) -> None:
    """Other users of the machine know the port at most."""
    root = served[1].rsplit("/", 1)[0] + "/"
    request = urllib.request.Request(root, data=json.dumps({"args": ["d"]}).encode())
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=PATIENCE)
    assert caught.value.code == 404


def test_a_nested_write_marks_runtime_properties_as_changed() -> None:
    """What a script writes below the first level is saved too."""
    from cloudify.manager import DirtyTrackingDict
    from cloudify.proxy.server import PathDictAccess

    properties = DirtyTrackingDict({"a": {"b": 1}})
    PathDictAccess(properties).set("a.c", 2)
    assert (properties, properties.dirty) == ({"a": {"b": 1, "c": 2}}, True)
