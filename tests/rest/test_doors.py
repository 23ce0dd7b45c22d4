"""Every route but a few named ones is closed without credentials."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from starlette.routing import Route
from starlette.testclient import TestClient

from manager_core.bootstrap import Core
from manager_core.rest.app import create_app
from tests.support.requests import ROOT

OPEN = {
    ("GET", "/health"),
    ("GET", "/docs"),
    ("GET", "/docs/x1"),
    ("GET", "/openapi.json"),
    ("GET", "/api/v3.1/ok"),
    ("GET", "/api/v3.1/snapshot-status"),
    ("GET", "/console/login"),
    ("POST", "/console/login"),
}
"""What is served to strangers: it says nothing of data."""

OWN_TOKEN = re.compile(r"calendar|feed")
"""Calendar feeds carry a token of their own in the URL."""


def routes(core: Core) -> list[tuple[str, str]]:
    """Return (method, path) of every route, with its parameters filled in."""
    found = []
    for prefix, route in _walk(create_app(core).routes, ""):
        path = prefix + re.sub(r"{[^}]+}", "x1", route.path)
        found.extend((method, path) for method in route.methods or () if method not in {"HEAD", "OPTIONS"})
    return found


def _walk(routes: Iterable[object], prefix: str) -> Iterator[tuple[str, Route]]:
    for route in routes:
        if isinstance(route, Route):
            yield prefix, route
        else:
            # An included router; anything else (a mounted application) would escape this test.
            included = route.original_router  # type: ignore[attr-defined]
            yield from _walk(included.routes, prefix + route.include_context.prefix)  # type: ignore[attr-defined]


def test_no_route_answers_a_stranger(sqlite_core: Core) -> None:
    with TestClient(create_app(sqlite_core), base_url=ROOT) as stranger:
        walked = 0
        for method, path in routes(sqlite_core):
            if (method, path) in OPEN or (method == "GET" and OWN_TOKEN.search(path)):
                continue
            answer = stranger.request(method, path, json={}, follow_redirects=False)
            if path.startswith("/console"):
                assert answer.status_code == 303 and answer.headers["location"].startswith("/console/login"), path
            else:
                assert answer.status_code == 401, (method, path, answer.text)
            walked += 1
    assert walked > 50


def test_documentation_is_open_and_complete(sqlite_core: Core) -> None:
    with TestClient(create_app(sqlite_core), base_url=ROOT) as stranger:
        assert stranger.get("/docs").status_code == 200
        paths = stranger.get("/openapi.json").json()["paths"]
    for method, path in routes(sqlite_core):
        if path.startswith("/api/v3.1/"):
            assert any(re.sub(r"{[^}]+}", "x1", documented) == path for documented in paths), (method, path)
